#include "engine/publish_ports.h"

#include "base/log.h"
#include "container/shim_link.h"
#include "engine/container_events.h"
#include "engine/network_attachment.h"

PROA_JSON_TABLE(proa::engine::TakeOver, "TakeOver", field<&T::container>("Container"), field<&T::aliases>("Aliases"))
PROA_JSON_TABLE(proa::engine::PortChanges, "PortChanges", field<&T::publish_add>("PublishAdd"), field<&T::publish_remove>("PublishRemove"),
                field<&T::take_over>("TakeOver"))

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

/// Sockets for the shim of a running container; it keeps them, or accepts on them.
Result<void> give_sockets(Parts& parts, const std::string& id, PublishedPorts& ports) {
    std::vector<int> fds;
    for (auto& held : ports.held) fds.push_back(held.get());
    shim::ChangePorts more{.held = static_cast<uint32_t>(fds.size())};
    for (size_t i = 0; i < ports.proxies.size(); i++) {
        ports.proxies[i].descriptor = static_cast<int32_t>(fds.size());
        fds.push_back(ports.proxied[i].get());
    }
    more.proxies = ports.proxies;
    return fds.empty() ? Result<void>() : container::change_ports(parts.paths.state(id), more, fds);
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
    auto told = give_sockets(parts, record.id, added);
    if (told) return added.ports;
    std::vector<std::string> ports;
    for (auto& [port, list] : added.ports.expanded()) ports.push_back(port);
    (void)publisher.remove(record.id, ports);  // the shim's refusal is the error to report
    return fail(std::move(told).error());
}

bool is_live(const Record& record) { return record.state.running && !record.state.restarting; }

/// The records after ports have moved; `shown` of a port that was published anew.
void note_move(Record& from, Record& to, const docker::PortMap& shown) {
    auto& bindings = to.host_config.port_bindings;
    if (!bindings) bindings.emplace();
    auto given = from.host_config.port_bindings.value_or(docker::PortMap());
    from.host_config.port_bindings.reset();
    for (auto& run : given.runs()) bindings->set_run(run);
    for (auto& [port, list] : given.others()) bindings->set(with_protocol(port), list);
    for (auto& run : shown.runs()) to.ports.set_run(run);
    for (auto& run : from.ports.runs()) {
        if (run.bindings) to.ports.set_run(run);
        from.ports.set_run({run.protocol, run.first, run.last, std::nullopt});
    }
}

/// Under these names it is found on its networks from now on.
Result<void> change_aliases(Parts& parts, const container::ContainerPointer& container, const std::map<std::string, std::vector<std::string>>& aliases) {
    auto record = container->change([&](Record& now) {
        for (auto& [network, settings] : now.networks) {
            auto given = aliases.find(network);
            settings.aliases = given == aliases.end() ? std::vector<std::string>() : given->second;
            if (settings.dns_names) settings.dns_names = dns_names(now, settings);
        }
        return now;
    });
    return parts.network.names().knows(record.id) ? parts.network.names().change(resolver_view(parts, record)) : Result<void>();
}

/// The new one is found first and the other one forgotten afterwards, so that there always is one.
Result<void> take_over(Parts& parts, const container::ContainerPointer& to, const TakeOver& wanted) {
    auto from = TRY(parts.containers.find(wanted.container));
    if (from == to) return fail(ErrorKind::InvalidArgument, "a container cannot take its own place");
    std::scoped_lock operations(to->operation(), from->operation());
    auto mine = to->record(), theirs = from->record();
    if (!is_live(mine)) return fail(ErrorKind::Conflict, concat("container ", mine.id, " is not running"));
    bool publishes = theirs.host_config.port_bindings && !theirs.host_config.port_bindings->empty();
    auto target = port_target(memberships_of(parts.network, mine, true));
    if (publishes && !target) return fail(ErrorKind::InvalidArgument, "the container has no network that ports could be published on");
    TRY(change_aliases(parts, to, wanted.aliases));
    docker::PortMap shown;
    if (target && is_live(theirs)) {
        auto& publisher = parts.network.ports();
        auto moved = TRY(publisher.hand_over(theirs.id, mine.id, *target));
        shim::ChangePorts closing;
        for (auto& publication : moved)
            if (publication.count == 1) closing.closed.push_back(concat(network::protocol_name(publication.protocol), ' ', publication.host_ip.text(), ' ', publication.host_port));
        auto closed = moved.empty() ? Result<void>() : container::change_ports(parts.paths.state(theirs.id), closing, {});
        if (!closed) log::warn(concat("container ", theirs.id, " keeps sockets of ports that it has no more: ", closed.error().message()));
        auto held = publisher.hold_again(moved);
        if (auto given = give_sockets(parts, mine.id, held); !given) log::warn(concat("ports of container ", mine.id, " are held by rules alone: ", given.error().message()));
    } else if (publishes) {
        shown = TRY(change_live(parts, mine, {.publish_add = *theirs.host_config.port_bindings, .publish_remove = {}, .take_over = {}}));
    }
    TRY(change_aliases(parts, from, {}));
    auto left = from->record(), taken = to->record();
    note_move(left, taken, shown);
    for (auto& [container, record] : {std::pair(to, taken), std::pair(from, left)}) {
        auto saved = container->change([&](Record& now) {
            now.host_config.port_bindings = record.host_config.port_bindings;
            now.ports = record.ports;
            return now;
        });
        TRY(parts.records.save(saved, container::RecordStore::Durable::Yes));
    }
    return {};
}

}  // namespace

Result<void> change_published_ports(Parts& parts, const container::ContainerPointer& container, const PortChanges& changes) {
    if (changes.take_over) TRY(take_over(parts, container, *changes.take_over));
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
