#include "compose/actions.h"

#include "base/text.h"
#include "client/containers.h"
#include "compose/hooks.h"
#include "compose/load.h"

namespace proa::compose {

namespace {
std::string seconds_text(const Work& work) { return work.timeout ? concat(*work.timeout) : ""; }

/// Carries an action's failure into the report.
template <class T>
Result<T> reported(Work& work, const std::string& subject, Result<T> result) {
    if (!result) failed(work.report, subject, result.error().message());
    return result;
}

Result<void> copy_files(client::Client& engine, const std::string& id, const std::vector<CopiedFile>& files) {
    if (files.empty()) return {};
    client::Call request{.method = "PUT", .path = client::container_path(id, "archive"), .query = {{"noOverwriteDirNonDir", "true"}, {"path", "/"}}};
    request.chunked = true;
    request.content_type = "application/x-tar";
    auto connection = TRY(engine.begin(request));
    TRY(connection.send_chunk(TRY(archive_of(files))));
    TRY(connection.end_chunks());
    TRY(engine.finish(connection, request));
    return {};
}

/// Engines before API 1.44 take one network with the request; the rest is connected afterwards.
std::vector<std::pair<std::string, docker::EndpointSettings>> take_other_networks(client::Client& engine, docker::CreateRequest& request,
                                                                                std::vector<std::pair<std::string, docker::EndpointSettings>> all) {
    if (engine.version_at_least("1.44") || all.empty()) return {};
    if (!all.front().second.mac_address.empty()) request.config.mac_address = all.front().second.mac_address;
    request.networking_config->endpoints_config = {{all.front().first, all.front().second}};
    all.erase(all.begin());
    return all;
}

Result<void> connect(client::Client& engine, const std::string& network, const std::string& id, const docker::EndpointSettings& endpoint) {
    json::Value settings = TRY(json::parse(json::encode(endpoint)));
    TRY(engine.json({.method = "POST", .path = concat("/networks/", network, "/connect"), .body = json::Value(json::Object{{"Container", id}, {"EndpointConfig", std::move(settings)}})}));
    return {};
}
}  // namespace

std::string subject_of(std::string_view container_name) { return concat("Container ", container_name); }

Result<std::string> create_container(Work& work, const Project& project, const Service& service, const ContainerTraits& traits, const FindContainers& find) {
    auto files = TRY(copied_files(project, service));
    auto request = TRY(create_request(project, service, traits, find, work.proxies));
    auto engine = TRY(work.engines.take());
    auto others = take_other_networks(*engine, request, endpoints(project, service, traits, find));
    auto created = TRY(client::create_container(*engine, json::encode(request), traits.first_name.empty() ? traits.name : traits.first_name, service.platform));
    for (auto& warning : created.warnings) work.report({subject_of(traits.name), warning, ProgressEvent::State::Warning, {}});
    auto finished = [&]() -> Result<void> {
        for (auto& [network, endpoint] : others) TRY(connect(*engine, network, created.id, endpoint));
        return copy_files(*engine, created.id, files);
    }();
    if (!finished) {
        (void)client::remove_container(*engine, created.id, true, true, false);  // half of a container helps nobody
        return fail(finished.error());
    }
    return created.id;
}

Result<std::string> create_with_report(Work& work, const Project& project, const Service& service, const ContainerTraits& traits, const FindContainers& find) {
    std::string subject = subject_of(traits.name);
    working(work.report, subject, "Creating");
    auto id = TRY(reported(work, subject, create_container(work, project, service, traits, find)));
    done(work.report, subject, "Created");
    return id;
}

Result<std::string> recreate_container(Work& work, const Project& project, const Service& service, const ProjectContainer& old, ContainerTraits traits,
                                       const FindContainers& find) {
    std::string name = traits.name, subject = subject_of(name);
    working(work.report, subject, "Recreate");
    auto replaced = [&]() -> Result<std::string> {
        traits.replaces = service.container_name.empty() ? concat(service.name, project.separator, old.number) : service.container_name;
        traits.first_name = concat(old.id.substr(0, 12), '_', name);
        std::string id = TRY(create_container(work, project, service, traits, find));
        auto engine = TRY(work.engines.take());
        auto taken_over = [&]() -> Result<void> {
            if (old.running()) TRY(client::stop_container(*engine, old.id, seconds_text(work), ""));
            TRY(client::remove_container(*engine, old.id, false, false, false));
            return client::container_action(*engine, id, "rename", {{"name", name}});
        }();
        if (!taken_over) return fail(taken_over.error());
        return id;
    }();
    auto id = TRY(reported(work, subject, std::move(replaced)));
    done(work.report, subject, "Recreated");
    return id;
}

Result<void> start_container(Work& work, const std::string& id, const std::string& name, const Service* service) {
    std::string subject = subject_of(name);
    working(work.report, subject, "Starting");
    {
        auto engine = TRY(work.engines.take());
        auto started = client::start_container(*engine, id);
        if (!started && !started.error().is(ErrorKind::NotModified)) return reported(work, subject, std::move(started));
        if (service && !service->post_start.empty()) TRY(reported(work, subject, run_hooks(*engine, id, name, "post_start", service->post_start)));
    }
    done(work.report, subject, "Started");
    return {};
}

Result<void> stop_container(Work& work, const ProjectContainer& container, const Service* service) {
    std::string subject = subject_of(container.name);
    working(work.report, subject, "Stopping");
    auto engine = TRY(work.engines.take());
    if (service && container.state == "running" && !service->pre_stop.empty())
        TRY(reported(work, subject, run_hooks(*engine, container.id, container.name, "pre_stop", service->pre_stop)));
    auto stopped = client::stop_container(*engine, container.id, seconds_text(work), "");
    if (!stopped && !stopped.error().is(ErrorKind::NotModified) && !stopped.error().is(ErrorKind::NotFound)) return reported(work, subject, std::move(stopped));
    done(work.report, subject, "Stopped");
    return {};
}

Result<void> kill_container(Work& work, const ProjectContainer& container, const std::string& signal) {
    std::string subject = subject_of(container.name);
    working(work.report, subject, "Killing");
    auto engine = TRY(work.engines.take());
    TRY(reported(work, subject, client::kill_container(*engine, container.id, signal)));
    done(work.report, subject, "Killed");
    return {};
}

Result<void> remove_container(Work& work, const ProjectContainer& container, bool force, bool volumes) {
    std::string subject = subject_of(container.name);
    working(work.report, subject, "Removing");
    auto engine = TRY(work.engines.take());
    auto removed = client::remove_container(*engine, container.id, force, volumes, false);
    bool vanishing = !removed && (removed.error().is(ErrorKind::NotFound) || removed.error().message().find("is already in progress") != std::string::npos);
    if (!removed && !vanishing) return reported(work, subject, std::move(removed));
    done(work.report, subject, "Removed");
    return {};
}

}  // namespace proa::compose
