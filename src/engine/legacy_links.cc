#include "engine/legacy_links.h"

#include "base/id.h"
#include "engine/container_files.h"

namespace proa::engine {

namespace {

bool is_default_bridge(const container::Record& record) { return record.host_config.network_mode == "bridge"; }

}  // namespace

Result<void> settle_links(const Parts& parts, container::Record& record) {
    auto& links = record.host_config.links;
    if (!links || links->empty()) return {};
    auto& mode = record.host_config.network_mode;
    if (mode == "host") return fail(ErrorKind::InvalidArgument, "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
    if (mode.starts_with("container:"))
        return fail(ErrorKind::InvalidArgument, "conflicting options: container type network can't be used with links. This would result in undefined behavior");
    if (!is_default_bridge(record)) {
        links.reset();  // as Docker: they stand in the endpoint's settings
        return {};
    }
    for (auto& link : *links) {
        auto sides = cut(link, ":");
        std::string target(sides ? sides->first : std::string_view(link));
        std::string alias(sides ? sides->second : std::string_view(link));
        if (target.empty() || alias.empty()) return fail(ErrorKind::InvalidArgument, concat("bad format for links: ", link));
        auto other = parts.containers.find(target);
        if (!other) return fail(ErrorKind::InvalidArgument, concat("could not get container for ", target, ": ", other.error().message()));
        link = concat('/', (*other)->name(), ":/", record.name, '/', trim_prefix(alias, "/"));
    }
    return {};
}

Result<void> remove_link(Parts& parts, std::string_view name) {
    std::string_view path = trim_prefix(name, "/");
    size_t slash = path.rfind('/');
    if (slash == path.npos) {
        TRY(parts.containers.find(path));
        return fail(ErrorKind::Internal, "Conflict, cannot remove the default link name of the container");
    }
    auto missing = [&] { return fail(ErrorKind::NotFound, concat("No such container: ", path)); };
    auto parent = parts.containers.find(path.substr(0, slash));
    if (!parent) return missing();
    std::lock_guard operation((*parent)->operation());
    bool found = false;
    auto record = (*parent)->change([&](container::Record& record) {
        auto& links = record.host_config.links;
        // "/CHILD:/PARENT/ALIAS", with the parent's name of then: only the alias counts.
        auto has_alias = [&](const std::string& link) { return link.substr(link.rfind('/') + 1) == path.substr(slash + 1); };
        if (links) found = std::erase_if(*links, has_alias) > 0;
        return record;
    });
    if (!found) return missing();
    TRY(parts.records.save(record, container::RecordStore::Durable::Yes));
    return record.state.running ? update_container_files(parts, record) : Result<void>();
}

Result<std::vector<network::HostRecord>> link_lines(const Parts& parts, const container::Record& record) {
    std::vector<network::HostRecord> lines;
    if (!is_default_bridge(record)) return lines;
    for (auto& link : record.host_config.links.value_or(std::vector<std::string>())) {
        auto sides = cut(link, ":");
        std::string target(trim_prefix(sides ? sides->first : std::string_view(link), "/"));
        std::string own(sides ? sides->second : std::string_view(link));
        auto other = TRY(parts.containers.find(target));
        auto child = other->record();
        auto endpoint = child.networks.find("bridge");
        if (!child.state.running || endpoint == child.networks.end() || endpoint->second.ip_address.empty())
            return fail(ErrorKind::InvalidArgument, concat("Cannot link to a non running container: /", child.name, " AS ", own));
        std::string alias = own.substr(own.rfind('/') + 1);
        std::string names = alias;
        for (auto& name : {std::string(short_id(child.id)), child.name})
            if (name != alias) names += " " + name;
        lines.push_back({endpoint->second.ip_address, names});
    }
    return lines;
}

}  // namespace proa::engine
