#include "compose/resources.h"

#include "base/text.h"
#include "compose/labels.h"

namespace proa::compose {

namespace {
std::string label(const json::Value& thing, std::string_view key) {
    auto* found = thing["Labels"].as_object().find(key);
    return found ? found->as_string() : "";
}

json::Object labels_of(const Mapping& own, const Project& project, std::string_view key_label, const std::string& key) {
    json::Object labels;
    for (auto& [name, value] : own) labels.set(name, value);
    labels.set(key_label, key);
    labels.set(kProjectLabel, project.name);
    labels.set(kVersionLabel, kComposeVersion);
    labels.sort();
    return labels;
}

json::Object object_of(const Mapping& mapping) {
    json::Object object;
    for (auto& [name, value] : mapping) object.set(name, value);
    return object;
}

json::Object network_request(const Project& project, const std::string& key) {
    auto& network = project.networks.at(key);
    json::Object body{{"Name", network.name},         {"CheckDuplicate", true},           {"Driver", network.driver},
                      {"Internal", network.internal}, {"Attachable", network.attachable}, {"Labels", labels_of(network.labels, project, kNetworkLabel, key)}};
    if (!network.driver_opts.empty()) body.set("Options", object_of(network.driver_opts));
    if (network.enable_ipv6) body.set("EnableIPv6", *network.enable_ipv6);
    if (network.enable_ipv4) body.set("EnableIPv4", *network.enable_ipv4);
    auto& ipam = network.ipam;
    if (!ipam.driver.empty() || !ipam.config.empty() || !ipam.options.empty()) {
        json::Array pools;
        for (auto& pool : ipam.config) {
            json::Object entry;
            if (!pool.subnet.empty()) entry.set("Subnet", pool.subnet);
            if (!pool.ip_range.empty()) entry.set("IPRange", pool.ip_range);
            if (!pool.gateway.empty()) entry.set("Gateway", pool.gateway);
            if (!pool.aux_addresses.empty()) entry.set("AuxiliaryAddresses", object_of(pool.aux_addresses));
            pools.push_back(std::move(entry));
        }
        json::Object settings{{"Driver", ipam.driver}, {"Config", std::move(pools)}};
        if (!ipam.options.empty()) settings.set("Options", object_of(ipam.options));
        body.set("IPAM", std::move(settings));
    }
    return body;
}

/// Whether a network with host's rules stands for itself: it is never made.
bool is_predefined(const Network& network) { return network.name == "host" || network.name == "none" || network.name == "bridge"; }
}  // namespace

Result<void> plan_networks(const Project& project, const Observed& observed, Plan& plan) {
    for (auto& [key, network] : project.networks) {
        auto found = observed.networks.find(network.name);
        if (network.external) {
            bool by_id = false;
            for (auto& [name, each] : observed.networks) by_id |= each["Id"].as_string() == network.name;
            if (found == observed.networks.end() && !by_id && !is_predefined(network))
                return fail(ErrorKind::NotFound, concat("network ", network.name, " declared as external, but could not be found"));
            continue;
        }
        if (found == observed.networks.end()) {
            plan.networks.push_back(key);
            continue;
        }
        std::string owner = label(found->second, kProjectLabel), its_key = label(found->second, kNetworkLabel);
        if (owner != project.name)
            plan.warnings.push_back(concat("a network with name ", network.name, " exists but was not created for project ", quote(project.name),
                                           ".\nSet `external: true` to use an existing network"));
        else if (its_key != key)
            return fail(ErrorKind::Conflict,
                        concat("network ", network.name, " was found but has incorrect label ", kNetworkLabel, " set to ", quote(its_key)));
    }
    return {};
}

Result<void> plan_volumes(const Project& project, const Observed& observed, Plan& plan) {
    for (auto& [key, volume] : project.volumes) {
        auto found = observed.volumes.find(volume.name);
        if (volume.external) {
            if (found == observed.volumes.end()) return fail(ErrorKind::NotFound, concat("external volume ", quote(volume.name), " not found"));
            continue;
        }
        if (found == observed.volumes.end()) {
            plan.volumes.push_back(key);
            continue;
        }
        std::string owner = label(found->second, kProjectLabel);
        if (owner.empty())
            plan.warnings.push_back(
                concat("volume ", quote(volume.name), " already exists but was not created by Docker Compose. Use `external: true` to use an existing volume"));
        else if (owner != project.name)
            plan.warnings.push_back(concat("volume ", quote(volume.name), " already exists but was created for project ", quote(owner), " (expected ",
                                           quote(project.name), "). Use `external: true` to use an existing volume"));
    }
    return {};
}

Result<void> create_networks(EnginePool& engines, const Project& project, const Plan& plan, const Report& report) {
    return run_parallel(plan.networks.size(), 0, [&](size_t index) -> Result<void> {
        auto& key = plan.networks[index];
        std::string subject = concat("Network ", project.networks.at(key).name);
        working(report, subject, "Creating");
        auto engine = TRY(engines.take());
        auto made = engine->json({.method = "POST", .path = "/networks/create", .body = json::Value(network_request(project, key))});
        if (!made) {
            failed(report, subject, made.error().message());
            return fail(Error(made.error()).wrap(concat("failed to create network ", project.networks.at(key).name)));
        }
        done(report, subject, "Created");
        return {};
    });
}

Result<void> create_volumes(EnginePool& engines, const Project& project, const Plan& plan, const Report& report) {
    return run_parallel(plan.volumes.size(), 0, [&](size_t index) -> Result<void> {
        auto& key = plan.volumes[index];
        auto& volume = project.volumes.at(key);
        std::string subject = concat("Volume ", quote(volume.name));
        working(report, subject, "Creating");
        json::Object body{{"Name", volume.name}, {"Labels", labels_of(volume.labels, project, kVolumeLabel, key)}};
        if (!volume.driver.empty()) body.set("Driver", volume.driver);
        if (!volume.driver_opts.empty()) body.set("DriverOpts", object_of(volume.driver_opts));
        auto engine = TRY(engines.take());
        auto made = engine->json({.method = "POST", .path = "/volumes/create", .body = json::Value(std::move(body))});
        if (!made) {
            failed(report, subject, made.error().message());
            return fail(made.error());
        }
        done(report, subject, "Created");
        return {};
    });
}

Result<void> remove_networks(EnginePool& engines, const std::vector<std::pair<std::string, std::string>>& names_and_ids, const Report& report) {
    return run_parallel(names_and_ids.size(), 0, [&](size_t index) -> Result<void> {
        auto& [name, id] = names_and_ids[index];
        std::string subject = concat("Network ", name);
        working(report, subject, "Removing");
        auto engine = TRY(engines.take());
        auto removed = engine->text({.method = "DELETE", .path = concat("/networks/", id)});
        if (!removed && removed.error().is(ErrorKind::NotFound)) {
            report({subject, "Warning: No resource found to remove", ProgressEvent::State::Warning, {}});
        } else if (!removed && removed.error().message().find("has active endpoints") != std::string::npos) {
            report({subject, "Resource is still in use", ProgressEvent::State::Warning, {}});
        } else if (!removed) {
            failed(report, subject, removed.error().message());
            return fail(removed.error());
        } else {
            done(report, subject, "Removed");
        }
        return {};
    });
}

Result<void> remove_volumes(EnginePool& engines, const std::vector<std::string>& names, const Report& report) {
    return run_parallel(names.size(), 0, [&](size_t index) -> Result<void> {
        std::string subject = concat("Volume ", names[index]);
        working(report, subject, "Removing");
        auto engine = TRY(engines.take());
        auto removed = engine->text({.method = "DELETE", .path = concat("/volumes/", names[index]), .query = {{"force", "1"}}});
        if (!removed && removed.error().is(ErrorKind::Conflict)) {
            report({subject, "Resource is still in use", ProgressEvent::State::Warning, {}});
        } else if (!removed && !removed.error().is(ErrorKind::NotFound)) {
            failed(report, subject, removed.error().message());
            return fail(removed.error());
        } else {
            done(report, subject, "Removed");
        }
        return {};
    });
}

}  // namespace proa::compose
