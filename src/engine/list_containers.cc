#include "engine/list_containers.h"

#include "base/id.h"
#include "base/text.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

const std::initializer_list<std::string_view> kFilterNames = {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation",
                                                                  "label", "label!", "name", "network", "publish", "since", "status", "volume"};
const std::initializer_list<std::string_view> kStates = {"created", "running", "paused", "restarting", "removing", "exited", "dead"};

Result<void> check_values(const docker::Filters& filters) {
    for (auto& status : filters.values("status"))
        if (std::find(kStates.begin(), kStates.end(), status) == kStates.end())
            return fail(ErrorKind::InvalidArgument, concat("invalid filter 'status=", status, "'"));
    for (auto& code : filters.values("exited"))
        if (!parse_int(code)) return fail(ErrorKind::InvalidArgument, concat("invalid filter 'exited=", code, "'"));
    for (auto& health : filters.values("health"))
        if (health != "starting" && health != "healthy" && health != "unhealthy" && health != "none")
            return fail(ErrorKind::InvalidArgument, concat("invalid filter 'health=", health, "'"));
    TRY(filters.boolean("is-task", false));
    return {};
}

/// Numbers of a `publish`/`expose` value "80", "80/tcp" or "80-90/udp".
Result<std::vector<std::string>> expand_ports(std::string_view name, const std::vector<std::string>& values) {
    std::vector<std::string> ports;
    for (auto& value : values) {
        auto parts = cut(value, "/");
        std::string_view range = parts ? parts->first : std::string_view(value);
        std::string_view protocol = parts ? parts->second : "tcp";
        auto ends = cut(range, "-");
        auto first = parse_uint(ends ? ends->first : range);
        auto last = ends ? parse_uint(ends->second) : first;
        if (!first || !last || *last > 65535 || *first > *last)
            return fail(ErrorKind::InvalidArgument, concat("invalid filter '", name, "=", value, "'"));
        for (uint64_t port = *first; port <= *last; port++) ports.push_back(concat(port, '/', protocol));
    }
    return ports;
}

struct Selection {
    const docker::Filters& filters;
    std::vector<std::string> published, exposed, ancestors;
    std::optional<Time> before, since;
    bool tasks_only = false;
};

Result<Selection> make_selection(const container::Table& table, const docker::Filters& filters, const ListSources& sources) {
    Selection selection{filters, TRY(expand_ports("publish", filters.values("publish"))), TRY(expand_ports("expose", filters.values("expose"))), {}, {}, {}, false};
    auto created_of = [&](const std::string& reference) -> Result<Time> {
        auto container = TRY(table.find(reference));
        return container->read([](const Record& record) { return record.created; });
    };
    for (auto& reference : filters.values("before")) selection.before = TRY(created_of(reference));
    for (auto& reference : filters.values("since")) selection.since = TRY(created_of(reference));
    for (auto& reference : filters.values("ancestor"))
        if (auto id = sources.image_id(reference)) selection.ancestors.push_back(*id);
    selection.tasks_only = TRY(filters.boolean("is-task", false));
    return selection;
}

constexpr size_t kManyPorts = 1000;  // with more published ones the text of a container is made anew rather than kept

bool matches_any_port(const std::vector<std::string>& wanted, const docker::PortMap& ports, bool published_only) {
    for (auto& [port, bindings] : ports.expanded()) {
        if (published_only && (!bindings || bindings->empty())) continue;
        if (std::find(wanted.begin(), wanted.end(), port) != wanted.end()) return true;
        if (!bindings) continue;
        std::string protocol = port.substr(std::min(port.find('/'), port.size()));
        for (auto& binding : *bindings)
            if (published_only && std::find(wanted.begin(), wanted.end(), binding.host_port + protocol) != wanted.end()) return true;
    }
    return false;
}

bool matches_identity(const Record& record, const Selection& selection) {
    auto& filters = selection.filters;
    if (filters.has("id")) {
        auto& ids = filters.values("id");
        if (std::none_of(ids.begin(), ids.end(), [&](auto& id) { return record.id.starts_with(id); })) return false;
    }
    if (filters.has("name")) {
        auto& names = filters.values("name");
        if (std::none_of(names.begin(), names.end(), [&](auto& name) {
                return docker::matches_expression(name, "/" + record.name) || docker::matches_expression(name, record.name);
            }))
            return false;
    }
    if (filters.has("ancestor") &&
        std::find(selection.ancestors.begin(), selection.ancestors.end(), record.image_id) == selection.ancestors.end())
        return false;
    if (selection.before && record.created >= *selection.before) return false;
    if (selection.since && record.created <= *selection.since) return false;
    static const docker::StringMap kNone;
    return filters.matches_labels(record.config.labels ? *record.config.labels : kNone) && !selection.tasks_only;
}

bool matches_state(const Record& record, const Selection& selection) {
    auto& filters = selection.filters;
    if (!filters.matches("status", record.state.status)) return false;
    if (filters.has("exited")) {
        auto& codes = filters.values("exited");
        bool exited = record.state.status == "exited";
        if (!exited || std::none_of(codes.begin(), codes.end(), [&](auto& code) { return parse_int(code) == record.state.exit_code; })) return false;
    }
    return filters.matches("health", record.state.health ? record.state.health->status : "none");
}

bool matches_attachments(const Record& record, const Selection& selection) {
    auto& filters = selection.filters;
    if (filters.has("network")) {
        auto& wanted = filters.values("network");
        if (std::none_of(wanted.begin(), wanted.end(), [&](auto& name) {
                for (auto& [network, endpoint] : record.networks)
                    if (network == name || (!endpoint.network_id.empty() && endpoint.network_id.starts_with(name))) return true;
                return false;
            }))
            return false;
    }
    if (filters.has("volume")) {
        auto& wanted = filters.values("volume");
        if (std::none_of(wanted.begin(), wanted.end(), [&](auto& name) {
                return std::any_of(record.mounts.begin(), record.mounts.end(),
                                   [&](auto& mount) { return mount.name == name || mount.source == name || mount.destination == name; });
            }))
            return false;
    }
    if (filters.has("publish") && !matches_any_port(selection.published, record.host_config.port_bindings.value_or(docker::PortMap()), true)) return false;
    if (filters.has("expose")) {
        if (!matches_any_port(selection.exposed, record.config.exposed_ports.value_or(docker::PortSet()).ports(), false)) return false;
    }
    return filters.matches("isolation", record.host_config.isolation);
}

}  // namespace

docker::ContainerSummary summarise_container(const Record& record) {
    docker::ContainerSummary summary;
    summary.id = record.id;
    summary.names = {"/" + record.name};
    summary.image = record.config.image;
    summary.image_id = record.image_id;
    summary.command = command_text(record.path, record.args);
    summary.created = record.created.seconds;
    if (record.state.running) summary.ports = port_summaries(record.ports);
    summary.labels = record.config.labels.value_or(docker::StringMap());
    summary.state = record.state.status;
    summary.status = status_text(record.state);
    summary.host_config.network_mode = record.host_config.network_mode;
    summary.host_config.annotations = record.host_config.annotations;
    summary.network_settings.networks = record.networks;
    summary.mounts = record.mounts;
    for (auto& mount : summary.mounts) {  // as Docker: where an anonymous volume lies is told by inspect only
        auto& names = record.anonymous_volumes;
        if (mount.mode.empty() && std::find(names.begin(), names.end(), mount.name) != names.end()) mount.source.clear();
    }
    return summary;
}

std::string status_text(const docker::ContainerState& state) {
    int64_t at = now().unix_nano();
    auto ago = [&](Time time) { return human_duration(at - time.unix_nano()); };
    if (state.status == "paused") return concat("Up ", ago(state.started_at), " (Paused)");
    if (state.status == "restarting") return concat("Restarting (", state.exit_code, ") ", ago(state.finished_at), " ago");
    if (state.status == "running") {
        std::string text = concat("Up ", ago(state.started_at));
        if (state.health && state.health->status == "starting") text += " (health: starting)";
        else if (state.health && !state.health->status.empty() && state.health->status != "none") text += concat(" (", state.health->status, ")");
        return text;
    }
    if (state.status == "removing") return "Removal In Progress";
    if (state.status == "dead") return "Dead";
    if (state.status == "created") return "Created";
    return concat("Exited (", state.exit_code, ") ", ago(state.finished_at), " ago");
}

std::string command_text(const std::string& path, const std::vector<std::string>& args) {
    std::string text = path;
    for (auto& arg : args) text += arg.find(' ') == std::string::npos ? concat(" ", arg) : concat(" '", arg, "'");
    return text;
}

std::vector<docker::PortSummary> port_summaries(const docker::PortMap& ports) {
    std::vector<docker::PortSummary> summaries;
    for (auto& [port, bindings] : ports.expanded()) {
        auto parts = cut(port, "/");
        docker::PortSummary summary;
        summary.private_port = static_cast<uint16_t>(parse_uint(parts ? parts->first : port).value_or(0));
        summary.type = parts ? parts->second : "tcp";
        if (!bindings || bindings->empty()) {
            summaries.push_back(summary);
            continue;
        }
        for (auto& binding : *bindings) {
            summary.ip = binding.host_ip;
            summary.public_port = static_cast<uint16_t>(parse_uint(binding.host_port).value_or(0));
            summaries.push_back(summary);
        }
    }
    return summaries;
}

Result<std::string> list_containers(const container::Table& table, const ListOptions& options, const ListSources& sources, const ListWriter& writer) {
    TRY(options.filters.check_names(kFilterNames));
    TRY(check_values(options.filters));
    Selection selection = TRY(make_selection(table, options.filters, sources));
    bool all_states = options.all || options.limit > 0 || options.filters.has("status") || options.filters.has("exited") ||
                      options.filters.has("before") || options.filters.has("since");
    std::string list = "[", purpose;
    bool is_long = false;
    int64_t count = 0;
    for (auto& container : table.all()) {
        bool chosen = container->read([&](const Record& record) {
            if (!all_states && !record.state.running) return false;
            if (!options.filters.empty() && !(matches_identity(record, selection) && matches_state(record, selection) && matches_attachments(record, selection)))
                return false;
            purpose = concat(writer.form, '\n', status_text(record.state));  // the status grows older while the record stays
            is_long = record.ports.size() > kManyPorts;
            return true;
        });
        if (!chosen) continue;
        if (count++ > 0) list += ',';
        if (options.size) {
            auto record = container->record();
            auto summary = summarise_container(record);
            std::tie(summary.size_rw, summary.size_root_fs) = sources.sizes(record);
            list += writer.write(summary);
        } else if (is_long) {
            list += writer.write(summarise_container(container->record()));
        } else {
            container->append_rendering(list, purpose, [&](const Record& record) { return writer.write(summarise_container(record)); });
        }
        if (options.limit > 0 && count >= options.limit) break;
    }
    list += ']';
    return list;
}

}  // namespace proa::engine
