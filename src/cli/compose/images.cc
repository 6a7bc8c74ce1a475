#include "cli/compose/images.h"

#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "base/text.h"
#include "client/images.h"
#include "compose/labels.h"
#include "compose/parallel.h"
#include "os/file.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
/// A file that goes when its owner goes: a Dockerfile that stands in the compose file.
class TemporaryFile {
public:
    static Result<TemporaryFile> make(std::string_view content) {
        char path[] = "/tmp/proa-dockerfile-XXXXXX";
        os::Fd file(::mkostemp(path, O_CLOEXEC));
        if (!file) return fail_errno("mkostemp", path);
        TemporaryFile made(path);
        TRY(os::write_all(file.get(), content));
        return made;
    }
    TemporaryFile(TemporaryFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
    TemporaryFile& operator=(TemporaryFile&&) = delete;
    ~TemporaryFile() {
        if (!path_.empty()) (void)os::remove_file(path_);
    }
    const std::string& path() const { return path_; }

private:
    explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

enum class Way { Nothing, Pull, Build, TryPullThenBuild };

/// What must happen for a service's image.
Way way_for(const compose::Service& service, const ImagePolicy& policy, bool present) {
    std::string pull = policy.pull.empty() || policy.pull == "policy" ? service.pull_policy : policy.pull;
    bool builds = service.build && !policy.no_build;
    if (builds && (policy.build || service.pull_policy == "build")) return Way::Build;
    if (pull == "always" && !service.image.empty() && !service.build) return Way::Pull;
    if (present) return Way::Nothing;
    if (builds) return pull == "always" ? Way::TryPullThenBuild : Way::Build;
    return pull == "never" || pull == "build" ? Way::Nothing : Way::Pull;
}
}  // namespace

Result<void> follow_transfer(client::Connection& answer) {
    json::Splitter splitter;
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer)))
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value message = TRY(json::parse(text));
            if (auto& error = message["error"].as_string(); !error.empty()) return fail(ErrorKind::Internal, error);
        }
    return {};
}

compose::TaskGraph build_graph(const std::vector<const compose::Service*>& services) {
    compose::TaskGraph graph;
    for (auto* service : services) {
        graph.tasks.push_back(service->name);
        for (auto& [name, source] : service->build->additional_contexts)
            if (source.starts_with("service:")) graph.after[service->name].insert(source.substr(8));
    }
    return graph;
}
Result<void> pull_service(ProjectSession& session, const compose::Project& project, const compose::Service& service, bool quiet) {
    std::string image = compose::image_name(project, service);
    if (!quiet) compose::working(session.report(), service.name, "Pulling");
    auto pulled = [&]() -> Result<void> {
        auto reference = TRY(oci::Reference::parse(image)).with_default_tag();
        auto engine = TRY(session.engines().take());
        auto answer = TRY(client::pull_image(*engine, reference.familiar_name(), reference.digest.empty() ? reference.tag : reference.digest, service.platform,
                                             client::registry_auth(session.call().session.config(), reference.domain)));
        return follow_transfer(answer);
    }();
    if (!pulled) {
        compose::failed(session.report(), service.name, pulled.error().message());
        return fail(pulled.error());
    }
    if (!quiet) compose::done(session.report(), service.name, "Pulled");
    return {};
}

Result<void> build_service(ProjectSession& session, const compose::Project& project, const compose::Service& service, const BuildChoices& choices) {
    auto& build = *service.build;
    std::vector<std::string> words{"--tag", compose::image_name(project, service)};
    auto add = [&](std::string flag, std::string value) { words.push_back(concat("--", flag, '=', value)); };
    for (auto& tag : build.tags) add("tag", tag);
    for (auto& [name, value] : build.args) {
        auto known = project.environment.find(name);
        if (value) add("build-arg", concat(name, '=', *value));
        else if (known != project.environment.end()) add("build-arg", concat(name, '=', known->second));
    }
    for (auto& argument : choices.arguments) add("build-arg", argument);
    for (auto& [name, value] : build.labels) add("label", concat(name, '=', value));
    add("label", concat("com.docker.compose.project=", project.name));
    add("label", concat("com.docker.compose.service=", service.name));
    add("label", concat("com.docker.compose.version=", compose::kComposeVersion));
    for (auto& source : build.cache_from) add("cache-from", source);
    if (!build.cache_to.empty()) return fail(ErrorKind::Unsupported, concat("service ", quote(service.name), ": build.cache_to is not supported by this engine"));
    for (auto& host : build.extra_hosts) add("add-host", replace_all(host, "=", ":"));
    if (!build.network.empty()) add("network", build.network);
    if (!build.target.empty()) add("target", build.target);
    if (!build.isolation.empty()) add("isolation", build.isolation);
    if (build.shm_size.value > 0) add("shm-size", concat(build.shm_size.value));
    for (auto& [name, limit] : build.ulimits) add("ulimit", limit.single != 0 ? concat(name, '=', limit.single) : concat(name, '=', limit.soft, ':', limit.hard));
    if (build.platforms.size() > 1) return fail(ErrorKind::Unsupported, concat("service ", quote(service.name), ": more than one of build.platforms is not supported by this engine"));
    if (std::string platform = service.platform.empty() && !build.platforms.empty() ? build.platforms[0] : service.platform; !platform.empty()) add("platform", platform);
    for (auto& [name, source] : build.additional_contexts) {
        std::string where = source;
        if (source.starts_with("service:")) {
            auto other = project.services.find(source.substr(8));
            if (other == project.services.end()) return fail(ErrorKind::NotFound, concat("service ", quote(service.name), ": additional context ", quote(name), " names the unknown service ", quote(source.substr(8))));
            where = concat("docker-image://", compose::image_name(project, other->second));
        }
        add("build-context", concat(name, '=', where));
    }
    for (auto& entitlement : build.entitlements) add("allow", entitlement);
    if (build.privileged) add("allow", "security.insecure");
    for (auto& secret : build.secrets) {
        auto object = project.secrets.find(secret.source);
        if (object == project.secrets.end()) continue;
        std::string id = secret.target.empty() ? secret.source : os::base_name(secret.target);
        add("secret", object->second.file.empty() ? concat("id=", id, ",env=", object->second.environment) : concat("id=", id, ",src=", object->second.file));
    }
    for (auto& [id, path] : build.ssh) add("ssh", path && !path->empty() ? concat(id, '=', *path) : id);
    if (!choices.ssh.empty()) add("ssh", choices.ssh);
    if (!choices.memory.empty()) add("memory", choices.memory);
    if (build.no_cache || choices.no_cache) words.push_back("--no-cache");
    if (build.pull || choices.pull) words.push_back("--pull");
    if (choices.quiet) words.push_back("--quiet");
    std::optional<TemporaryFile> inline_file;
    if (!build.dockerfile_inline.empty()) {
        inline_file.emplace(TRY(TemporaryFile::make(build.dockerfile_inline)));
        add("file", inline_file->path());
    } else if (!build.dockerfile.empty()) {
        bool remote = build.context.find("://") != std::string::npos || build.context.starts_with("git@");
        add("file", remote || build.dockerfile.starts_with('/') ? build.dockerfile : os::join_path(build.context, build.dockerfile));
    }
    words.push_back(build.context);
    session.progress().finish();
    int code = TRY_WRAP(concat("failed to build service ", quote(service.name)), run_command_words(session.call(), kBuild, words));
    if (code != 0) return fail_with_code(code, concat("failed to build service ", quote(service.name)));
    return {};
}

namespace {
/// Images that services mount (`type: image`) and that nobody has yet: as services that only have an image.
Result<std::vector<compose::Service>> mounted_images(ProjectSession& session, const compose::Project& project, const compose::Observed& observed, const std::set<std::string>& coming) {
    std::map<std::string, std::string> wanted;  // to the service that mounts it
    for (auto& [name, service] : project.services)
        for (auto& volume : service.volumes)
            if (volume.type == "image" && !observed.images.contains(volume.source) && !coming.contains(volume.source)) wanted.emplace(volume.source, name);
    std::vector<compose::Service> missing;
    if (wanted.empty()) return missing;
    std::set<std::string> names;
    for (auto& [image, service] : wanted) names.insert(image);
    auto there = TRY(compose::observe_images(session.engines(), names));
    for (auto& [image, service] : wanted) {
        if (there.contains(image)) continue;
        missing.emplace_back();
        missing.back().name = service;
        missing.back().image = image;
    }
    return missing;
}
}  // namespace

Result<void> ensure_images(ProjectSession& session, const compose::Project& project, const ImagePolicy& policy, compose::Observed& observed) {
    std::vector<const compose::Service*> pulls, builds;
    std::set<std::string> pulled_names, changed;
    for (auto& [name, service] : project.services) {
        std::string image = compose::image_name(project, service);
        Way way = way_for(service, policy, observed.images.contains(image));
        if (way == Way::Nothing) continue;
        changed.insert(image);
        if (way == Way::Build) builds.push_back(&service);
        else if (way == Way::TryPullThenBuild) {
            if (!service.image.empty() && pull_service(session, project, service, policy.quiet_pull)) continue;
            builds.push_back(&service);
        } else if (pulled_names.insert(image).second) pulls.push_back(&service);
    }
    auto mounted = policy.pull == "never" ? std::vector<compose::Service>() : TRY(mounted_images(session, project, observed, changed));
    for (auto& each : mounted) pulls.push_back(&each);
    if (changed.empty() && pulls.empty()) return {};
    TRY(compose::run_parallel(pulls.size(), 0, [&](size_t index) { return pull_service(session, project, *pulls[index], policy.quiet_pull); }));
    auto graph = build_graph(builds);
    BuildChoices choices;
    choices.quiet = policy.quiet_build || session.progress().kind() == ProgressView::Kind::Quiet;
    TRY(compose::run_graph(graph, 1, [&](const std::string& name) { return build_service(session, project, project.services.at(name), choices); }));
    for (auto& [name, image] : TRY(compose::observe_images(session.engines(), changed))) observed.images[name] = image;
    return {};
}

}  // namespace proa::cli
