#include <algorithm>
#include <set>

#include "base/text.h"
#include "cli/compose/commands.h"
#include "cli/compose/images.h"
#include "client/images.h"
#include "compose/parallel.h"
#include "schema/oci/reference.h"

// build, pull and push.
namespace proa::cli {

namespace {
const Flag kBuildFlags[] = {
    {"build-arg", 0, FlagType::List, "Set build-time variables for services"},
    {"memory", 'm', FlagType::Bytes, "Set memory limit for the build container."},
    {"no-cache", 0, FlagType::Bool, "Do not use cache when building the image"},
    {"pull", 0, FlagType::Bool, "Always attempt to pull a newer version of the image"},
    {"push", 0, FlagType::Bool, "Push service images"},
    {"quiet", 'q', FlagType::Bool, "Don't print anything to STDOUT"},
    {"ssh", 0, FlagType::String, "Set SSH authentications used when building service images. (use 'default' for using your default SSH Agent)"},
    {"with-dependencies", 0, FlagType::Bool, "Also build dependencies (transitively)"},
};
const Flag kPullFlags[] = {
    {"ignore-buildable", 0, FlagType::Bool, "Ignore images that can be built"},
    {"ignore-pull-failures", 0, FlagType::Bool, "Pull what it can and ignores images with pull failures"},
    {"include-deps", 0, FlagType::Bool, "Also pull services declared as dependencies"},
    {"policy", 0, FlagType::String, "Apply pull policy (\"missing\"|\"always\")"},
    {"quiet", 'q', FlagType::Bool, "Pull without printing progress information"},
};
const Flag kPushFlags[] = {
    {"ignore-push-failures", 0, FlagType::Bool, "Push what it can and ignores images with push failures"},
    {"include-deps", 0, FlagType::Bool, "Also push images of services declared as dependencies"},
    {"quiet", 'q', FlagType::Bool, "Push without printing progress information"},
};

/// The services that are meant: those that were named, with what they depend on when that is wanted, else all.
std::vector<const compose::Service*> meant(const compose::Project& project, const std::vector<std::string>& named, bool with_dependencies) {
    std::vector<const compose::Service*> list;
    for (auto& [name, service] : project.services)
        if (named.empty() || with_dependencies || std::find(named.begin(), named.end(), name) != named.end()) list.push_back(&service);
    return list;
}

/// Names that push makes readable for the stream that it reads.
Result<void> push_service(ProjectSession& session, const compose::Project& project, const compose::Service& service) {
    compose::working(session.report(), service.name, "Pushing");
    auto pushed = [&]() -> Result<void> {
        auto reference = TRY(oci::Reference::parse(compose::image_name(project, service))).with_default_tag();
        auto engine = TRY(session.engines().take());
        auto answer = TRY(client::push_image(*engine, reference.familiar_name(), reference.tag, service.platform, client::registry_auth(session.call().session.config(), reference.domain)));
        return follow_transfer(answer);
    }();
    if (!pushed) {
        compose::failed(session.report(), service.name, pushed.error().message());
        return pushed;
    }
    compose::done(session.report(), service.name, "Pushed");
    return {};
}

Result<int> build(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    compose::Project project = TRY(session.load(call.arguments));
    BuildChoices choices{.no_cache = flags.is("no-cache"), .pull = flags.is("pull"), .quiet = flags.is("quiet"), .arguments = flags.list("build-arg"), .ssh = flags.text("ssh")};
    if (flags.changed("memory")) choices.memory = concat(flags.integer("memory"));
    std::vector<const compose::Service*> services = meant(project, call.arguments, flags.is("with-dependencies"));
    std::erase_if(services, [](auto* service) { return !service->build; });
    if (services.empty()) {
        put_warning("No services to build");
        return 0;
    }
    TRY(compose::run_graph(build_graph(services), 1, [&](const std::string& name) { return build_service(session, project, project.services.at(name), choices); }));
    if (flags.is("push"))
        for (auto* service : services)
            if (!service->image.empty()) TRY(push_service(session, project, *service));
    return 0;
}

Result<int> pull(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    if (flags.is("quiet")) session.silence();
    compose::Project project = TRY(session.load(call.arguments));
    std::string policy = flags.text("policy");
    if (!policy.empty() && policy != "missing" && policy != "always") return fail(ErrorKind::InvalidArgument, concat("invalid --policy value ", quote(policy)));
    std::vector<const compose::Service*> pulls;
    std::set<std::string> names, present;
    auto services = meant(project, call.arguments, flags.is("include-deps"));
    for (auto* service : services) names.insert(compose::image_name(project, *service));
    for (auto& [name, image] : TRY(compose::observe_images(session.engines(), names))) present.insert(name);
    std::set<std::string> taken;
    for (auto* service : services) {
        std::string how = policy.empty() ? service->pull_policy : policy, image = compose::image_name(project, *service);
        bool skipped = service->image.empty() || how == "never" || how == "build" || (service->build && flags.is("ignore-buildable"));
        if (skipped) compose::done(session.report(), service->name, service->image.empty() ? "Skipped - No image to be pulled" : "Skipped");
        else if ((how == "missing" || how == "if_not_present") && present.contains(image)) compose::done(session.report(), service->name, "Skipped - Image is already present locally");
        else if (taken.insert(image).second) pulls.push_back(service);
    }
    auto done = compose::run_parallel(pulls.size(), 0, [&](size_t index) -> Result<void> {
        auto pulled = pull_service(session, project, *pulls[index]);
        if (!pulled && (flags.is("ignore-pull-failures") || pulls[index]->build)) return {};
        return pulled;
    });
    TRY(std::move(done));
    return 0;
}

Result<int> push(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    if (flags.is("quiet")) session.silence();
    compose::Project project = TRY(session.load(call.arguments));
    for (auto* service : meant(project, call.arguments, flags.is("include-deps"))) {
        if (!service->build || service->image.empty()) {
            compose::done(session.report(), service->name, "Skipped");
            continue;
        }
        auto pushed = push_service(session, project, *service);
        if (!pushed && !flags.is("ignore-push-failures")) return fail(pushed.error());
    }
    return 0;
}
}  // namespace

const Command kComposeBuild = {"[OPTIONS] [SERVICE...]", "Build or rebuild services", kBuildFlags, {}, build};
const Command kComposePull = {"[OPTIONS] [SERVICE...]", "Pull service images", kPullFlags, {}, pull};
const Command kComposePush = {"[OPTIONS] [SERVICE...]", "Push service images", kPushFlags, {}, push};

}  // namespace proa::cli
