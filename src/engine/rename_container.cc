#include "engine/rename_container.h"

#include "base/log.h"
#include "engine/container_events.h"
#include "engine/names.h"
#include "engine/network_attachment.h"

namespace proa::engine {

Result<void> rename_container(Parts& parts, const container::ContainerPointer& container, const std::string& new_name) {
    std::string name(trim_prefix(new_name, "/"));
    if (name.empty()) return fail(ErrorKind::InvalidArgument, "Neither old nor new names may be empty");
    if (!is_valid_name(name))
        return fail(ErrorKind::InvalidArgument, concat("Error when allocating new name: Invalid container name (", new_name, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
    std::lock_guard operation(container->operation());
    std::string old_name = container->name();
    if (old_name == name) return fail(ErrorKind::InvalidArgument, "Renaming a container with the same name as its current name");
    auto renamed = parts.containers.rename(container, name);
    if (!renamed) return fail(std::move(renamed).error().wrap("Error when allocating new name"));
    auto saved = parts.records.save(container->record(), container::RecordStore::Durable::Yes);
    if (!saved) {
        (void)parts.containers.rename(container, old_name);  // it was free a moment ago and we hold the operation
        return saved;
    }
    auto renamed_record = container->change([](container::Record& record) {
        for (auto& [network, settings] : record.networks)
            if (settings.dns_names) settings.dns_names = dns_names(record, settings);
        return record;
    });
    auto named = parts.network.names().change(resolver_view(parts, renamed_record));
    if (!named) log::error(concat("names of container ", renamed_record.id, ": ", named.error().message()));
    publish_container_event(parts.events, *container, "rename", {{"oldName", "/" + old_name}});
    return {};
}

}  // namespace proa::engine
