#include "engine/publish_ports.h"

#include "base/log.h"
#include "container/shim_link.h"
#include "engine/container_events.h"
#include "engine/network_attachment.h"

PROA_JSON_TABLE(proa::engine::PortChanges, "PortChanges", field<&T::publish_add>("PublishAdd"), field<&T::publish_remove>("PublishRemove"))

namespace proa::engine {

namespace {

using container::Record;

std::string with_protocol(const std::string& port) { return port.find('/') == std::string::npos ? port + "/tcp" : port; }

Result<void> check(const Record& record, const PortChanges& changes) {
    auto& mode = record.host_config.network_mode;
    if (mode == "host" || mode == "none" || mode.starts_with("container:"))
        return fail(ErrorKind::InvalidArgument, concat("ports cannot be published in network mode ", mode));
    auto bindings = record.host_config.port_bindings.value_or(docker::PortMap());
    for (auto& port : changes.publish_remove)
        if (!bindings.contains(with_protocol(port)) && !record.ports.contains(with_protocol(port)))
            return fail(ErrorKind::InvalidArgument, concat("no public port ", quote(port), " published for ", record.name));
    return {};
}

docker::PortMap completed(const docker::PortMap& wanted) {
    docker::PortMap complete;
    for (auto& [port, list] : wanted.expanded()) {
        auto bindings = list.value_or(std::vector<docker::PortBinding>());
        if (bindings.empty()) bindings.emplace_back();
        complete.set(with_protocol(port), std::move(bindings));
    }
    return complete;
}

/// What the record says after the change. `shown` is empty for a container that does not run.
void note_changes(Record& record, const PortChanges& changes, const docker::PortMap& shown) {
    auto& bindings = record.host_config.port_bindings;
    if (!bindings) bindings.emplace();
    auto& exposed = record.config.exposed_ports;
    for (auto& port : changes.publish_remove) {
        bindings->erase(with_protocol(port));
        if (record.ports.contains(with_protocol(port))) record.ports.set(with_protocol(port), std::nullopt);
    }
    for (auto& [port, list] : completed(changes.publish_add).expanded()) {
        for (auto& binding : *list) bindings->add(port, binding);
        if (!exposed) exposed.emplace();
        exposed->insert(port);
    }
    for (auto& [port, list] : shown.expanded())
        for (auto& binding : *list) record.ports.add(port, binding);
}

Result<docker::PortMap> change_live(Parts& parts, const Record& record, const PortChanges& changes) {
    auto target = port_target(memberships_of(parts.network, record, true));
    if (!target) return fail(ErrorKind::InvalidArgument, "the container has no network that ports could be published on");
    auto& publisher = parts.network.ports();
    std::vector<std::string> removed;
    for (auto& port : changes.publish_remove) removed.push_back(with_protocol(port));
    shim::ChangePorts message{.closed = TRY(publisher.remove(record.id, removed))};
    // First what goes: a host port may move to another port of the container. Its listener must be gone before a new one can be bound.
    if (!message.closed.empty()) TRY(container::change_ports(parts.paths.state(record.id), message, {}));
    auto added = TRY(publisher.add(record, completed(changes.publish_add), *target));
    std::vector<int> fds;
    for (auto& held : added.held) fds.push_back(held.get());
    shim::ChangePorts more{.held = static_cast<uint32_t>(fds.size())};
    for (size_t i = 0; i < added.proxies.size(); i++) {
        added.proxies[i].descriptor = static_cast<int32_t>(fds.size());
        fds.push_back(added.proxied[i].get());
    }
    more.proxies = added.proxies;
    if (fds.empty()) return added.ports;
    auto told = container::change_ports(parts.paths.state(record.id), more, fds);
    if (told) return added.ports;
    std::vector<std::string> ports;
    for (auto& [port, list] : added.ports.expanded()) ports.push_back(port);
    (void)publisher.remove(record.id, ports);  // the shim's refusal is the error to report
    return fail(std::move(told).error());
}

}  // namespace

Result<void> change_published_ports(Parts& parts, const container::ContainerPointer& container, const PortChanges& changes) {
    if (changes.publish_add.empty() && changes.publish_remove.empty()) return {};
    std::lock_guard operation(container->operation());
    auto record = container->record();
    TRY(check(record, changes));
    docker::PortMap shown;
    if (record.state.running && !record.state.restarting) shown = TRY(change_live(parts, record, changes));
    auto saved = container->change([&](Record& now) {
        note_changes(now, changes, shown);
        return now;
    });
    return parts.records.save(saved, container::RecordStore::Durable::Yes);
}

}  // namespace proa::engine
