#include "cli/compose/attached_up.h"
#include "cli/compose/commands.h"
#include "cli/compose/prepare.h"
#include "cli/compose/watcher.h"
#include "base/text.h"
#include "base/time.h"

#include <algorithm>
#include <tuple>

namespace proa::cli {

namespace {
const Flag kUpFlags[] = {
    {"abort-on-container-exit", 0, FlagType::Bool, "Stops all containers if any container was stopped. Incompatible with -d"},
    {"abort-on-container-failure", 0, FlagType::Bool, "Stops all containers if any container exited with failure. Incompatible with -d"},
    {"always-recreate-deps", 0, FlagType::Bool, "Recreate dependent containers. Incompatible with --no-recreate."},
    {"attach", 0, FlagType::List, "Restrict attaching to the specified services. Incompatible with --attach-dependencies."},
    {"attach-dependencies", 0, FlagType::Bool, "Automatically attach to log output of dependent services"},
    {"build", 0, FlagType::Bool, "Build images before starting containers"},
    {"detach", 'd', FlagType::Bool, "Detached mode: Run containers in the background"},
    {"exit-code-from", 0, FlagType::String, "Return the exit code of the selected service container. Implies --abort-on-container-exit"},
    {"force-recreate", 0, FlagType::Bool, "Recreate containers even if their configuration and image haven't changed"},
    {"no-attach", 0, FlagType::List, "Do not attach (stream logs) to the specified services"},
    {"no-build", 0, FlagType::Bool, "Don't build an image, even if it's policy"},
    {"no-color", 0, FlagType::Bool, "Produce monochrome output"},
    {"no-deps", 0, FlagType::Bool, "Don't start linked services"},
    {"no-log-prefix", 0, FlagType::Bool, "Don't print prefix in logs"},
    {"no-recreate", 0, FlagType::Bool, "If containers already exist, don't recreate them. Incompatible with --force-recreate."},
    {"no-start", 0, FlagType::Bool, "Don't start the services after creating them"},
    {"pull", 0, FlagType::String, "Pull image before running (\"always\"|\"missing\"|\"never\")", "(default \"policy\")", "policy"},
    {"quiet-build", 0, FlagType::Bool, "Suppress the build output"},
    {"quiet-pull", 0, FlagType::Bool, "Pull without printing progress information"},
    {"remove-orphans", 0, FlagType::Bool, "Remove containers for services not defined in the Compose file"},
    {"renew-anon-volumes", 'V', FlagType::Bool, "Recreate anonymous volumes instead of retrieving data from the previous containers"},
    {"rolling", 0, FlagType::Bool, "Replace containers one by one, each behind its health check, and take all back when one fails (proa only)"},
    {"scale", 0, FlagType::List, "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present."},
    {"timeout", 't', FlagType::Int, "Use this timeout in seconds for container shutdown when attached or when containers are already running"},
    {"timestamps", 0, FlagType::Bool, "Show timestamps"},
    {"wait", 0, FlagType::Bool, "Wait for services to be running|healthy. Implies detached mode."},
    {"wait-timeout", 0, FlagType::Int, "Maximum duration to wait for the project to be running|healthy"},
    {"watch", 'w', FlagType::Bool, "Watch source code and rebuild/refresh containers when files are updated."},
    {"yes", 'y', FlagType::Bool, "Assume \"yes\" as answer to all prompts and run non-interactively"},
};
const Flag kCreateFlags[] = {
    {"build", 0, FlagType::Bool, "Build images before starting containers"},
    {"force-recreate", 0, FlagType::Bool, "Recreate containers even if their configuration and image haven't changed"},
    {"no-build", 0, FlagType::Bool, "Don't build an image, even if it's policy"},
    {"no-recreate", 0, FlagType::Bool, "If containers already exist, don't recreate them. Incompatible with --force-recreate."},
    {"pull", 0, FlagType::String, "Pull image before running (\"always\"|\"missing\"|\"never\"|\"build\")", "(default \"policy\")", "policy"},
    {"quiet-pull", 0, FlagType::Bool, "Pull without printing progress information"},
    {"remove-orphans", 0, FlagType::Bool, "Remove containers for services not defined in the Compose file"},
    {"scale", 0, FlagType::List, "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present."},
    {"yes", 'y', FlagType::Bool, "Assume \"yes\" as answer to all prompts and run non-interactively"},
};
const Flag kScaleFlags[] = {{"no-deps", 0, FlagType::Bool, "Don't start linked services"}};
const Flag kPlanFlags[] = {
    {"force-recreate", 0, FlagType::Bool, "Recreate containers even if their configuration and image haven't changed"},
    {"format", 0, FlagType::String, "Format the output. Values: [text | json]", "(default \"text\")", "text"},
    {"no-deps", 0, FlagType::Bool, "Leave out linked services"},
    {"no-recreate", 0, FlagType::Bool, "If containers already exist, don't recreate them. Incompatible with --force-recreate."},
    {"remove-orphans", 0, FlagType::Bool, "Remove containers for services not defined in the Compose file"},
    {"scale", 0, FlagType::List, "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present."},
};

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

Result<std::map<std::string, int64_t>> scales(const std::vector<std::string>& items, const compose::Project& project) {
    std::map<std::string, int64_t> map;
    for (auto& item : items) {
        auto parts = cut(item, "=");
        if (!parts) return invalid(concat("invalid --scale option ", quote(item), ". Should be SERVICE=NUM"));
        auto number = parse_int(parts->second);
        if (!number || *number < 0) return invalid(concat("strconv.Atoi: parsing ", quote(parts->second), ": invalid syntax"));
        if (!project.services.contains(std::string(parts->first))) return fail(ErrorKind::NotFound, concat("no such service: ", parts->first));
        map[std::string(parts->first)] = *number;
    }
    return map;
}

Result<compose::PlanOptions> plan_options(const FlagSet& flags, const compose::Project& project, const std::vector<std::string>& services) {
    compose::PlanOptions options;
    options.services = services;
    bool force = flags.is("force-recreate"), never = flags.is("no-recreate"), dependencies = flags.has("always-recreate-deps") && flags.is("always-recreate-deps");
    if (force && never) return invalid("--force-recreate and --no-recreate are incompatible");
    if (dependencies && never) return invalid("--always-recreate-deps and --no-recreate are incompatible");
    if (never) options.recreate = options.recreate_dependencies = compose::Recreate::Never;
    if (force) options.recreate = compose::Recreate::Always;
    if (dependencies) options.recreate_dependencies = compose::Recreate::Always;
    options.scale = TRY(scales(flags.list("scale"), project));
    options.remove_orphans = flags.is("remove-orphans") || parse_bool(project.environment.contains("COMPOSE_REMOVE_ORPHANS") ? project.environment.at("COMPOSE_REMOVE_ORPHANS") : "").value_or(false);
    return options;
}

Result<void> check_up_flags(const FlagSet& flags) {
    bool aborts = flags.is("abort-on-container-exit") || flags.is("abort-on-container-failure") || !flags.text("exit-code-from").empty();
    if (flags.is("wait") && (aborts || !flags.list("attach").empty() || flags.is("attach-dependencies")))
        return invalid("--wait cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies");
    if (flags.is("detach") && (flags.is("attach-dependencies") || aborts || !flags.list("attach").empty()))
        return invalid("--detach cannot be combined with --abort-on-container-exit, --attach or --attach-dependencies");
    if (flags.is("no-build") && flags.is("build")) return invalid("--build and --no-build are incompatible");
    if (!flags.is("watch")) return {};
    if (flags.is("detach") || flags.is("wait")) return invalid(concat("--", flags.is("wait") ? "wait" : "detach", " cannot be combined with --watch"));
    if (aborts) return invalid("--watch cannot be combined with --abort-on-container-exit, --abort-on-container-failure or --exit-code-from: a rebuild ends containers");
    if (flags.is("no-start")) return invalid("--watch cannot be combined with --no-start");
    return {};
}

/// Services whose output an attached `up` shows.
Result<std::vector<std::string>> attached_services(const FlagSet& flags, const compose::Project& project, const std::vector<std::string>& asked) {
    std::vector<std::string> names = flags.list("attach");
    for (auto* list : {&flags.list("attach"), &flags.list("no-attach")})
        for (auto& name : *list)
            if (!project.services.contains(name)) return fail(ErrorKind::NotFound, concat("no such service: ", name));
    if (names.empty()) {
        for (auto& [name, service] : project.services) {
            bool chosen = asked.empty() || flags.is("attach-dependencies") || std::find(asked.begin(), asked.end(), name) != asked.end();
            if (chosen && service.attach.value_or(true)) names.push_back(name);
        }
    }
    std::erase_if(names, [&](auto& name) { return std::find(flags.list("no-attach").begin(), flags.list("no-attach").end(), name) != flags.list("no-attach").end(); });
    return names;
}

int64_t deadline_of(const FlagSet& flags) { return flags.changed("wait-timeout") ? monotonic_nanoseconds() + flags.integer("wait-timeout") * 1'000'000'000 : 0; }

Result<int> show_plan(ProjectSession& session, const compose::Project& project, const FlagSet& flags, const std::vector<std::string>& services, std::string_view format) {
    auto observed = TRY(compose::observe(session.engines(), project));
    auto steps = TRY(compose::make_plan(project, observed, TRY(plan_options(flags, project, services))));
    for (auto& warning : steps.warnings) put_warning(warning);
    put(format == "json" ? json::print(compose::plan_json(steps, project)) + "\n" : compose::plan_text(steps, project));
    return 0;
}

Result<int> up(Invocation& call) {
    auto& flags = call.flags;
    TRY(check_up_flags(flags));
    ProjectSession session(call);
    compose::Project project = TRY(session.load(call.arguments));
    if (flags.is("no-deps")) drop_dependencies(project, call.arguments);
    if (project.services.empty()) return invalid("no service selected");
    std::string from = flags.text("exit-code-from");
    if (!from.empty() && !project.services.contains(from)) return fail(ErrorKind::NotFound, concat("no such service: ", from));
    if (session.dry_run()) return show_plan(session, project, flags, call.arguments, "text");
    compose::Work work = TRY(session.work());
    if (flags.changed("timeout")) work.timeout = flags.integer("timeout");
    auto options = TRY(plan_options(flags, project, call.arguments));
    std::unique_ptr<Watcher> watcher;
    if (flags.is("watch")) watcher = TRY(Watcher::open(session, project, {.services = call.arguments, .scale = options.scale, .quiet_build = flags.is("quiet-build")}));
    ImagePolicy images{flags.text("pull"), flags.is("build"), flags.is("no-build"), flags.is("quiet-pull"), flags.is("quiet-build")};
    auto prepared = TRY(prepare(session, work, project, options, images, {.inherit_volumes = !flags.is("renew-anon-volumes")}, flags.is("rolling")));
    if (flags.is("no-start")) return 0;
    auto order = compose::start_order(project);
    auto& containers = prepared.observed.containers;
    std::erase_if(containers, [&](auto& each) { return !project.services.contains(each.service); });
    std::sort(containers.begin(), containers.end(), [](auto& a, auto& b) { return std::tie(a.service, a.number) < std::tie(b.service, b.number); });
    auto start = [&](compose::Work& how) { return compose::start_services(how, &project, order, containers, {}, deadline_of(flags)); };
    if (flags.is("detach") || flags.is("wait")) {
        TRY(start(work));
        if (flags.is("wait")) TRY(compose::wait_until_up(work, containers, {}, deadline_of(flags)));
        return 0;
    }
    AttachedOptions attached{.services = TRY(attached_services(flags, project, call.arguments))};
    attached.abort_on_exit = flags.is("abort-on-container-exit") || !from.empty();
    attached.abort_on_failure = flags.is("abort-on-container-failure");
    attached.exit_code_from = from;
    attached.style = {.prefix = !flags.is("no-log-prefix"), .colours = !flags.is("no-color") && session.colours(1), .timestamps = flags.is("timestamps")};
    compose::Report silent = [](const compose::ProgressEvent&) {};
    compose::Work quiet{session.engines(), silent, work.proxies, work.timeout, work.limit};
    attached.watcher = watcher.get();
    if (watcher) watcher->report_to(quiet);
    return run_attached(session, work, project, containers, attached, [&] { return start(quiet); });
}

Result<int> create(Invocation& call) {
    auto& flags = call.flags;
    if (flags.is("no-build") && flags.is("build")) return invalid("--build and --no-build are incompatible");
    ProjectSession session(call);
    compose::Project project = TRY(session.load(call.arguments));
    if (session.dry_run()) return show_plan(session, project, flags, call.arguments, "text");
    compose::Work work = TRY(session.work());
    auto options = TRY(plan_options(flags, project, call.arguments));
    TRY(prepare(session, work, project, options, {flags.text("pull"), flags.is("build"), flags.is("no-build"), flags.is("quiet-pull")}, {}));
    return 0;
}

Result<int> scale(Invocation& call) {
    std::vector<std::string> services;
    for (auto& item : call.arguments) {
        auto parts = cut(item, "=");
        if (!parts) return invalid(concat("invalid scale specifier: ", item));
        if (auto number = parse_int(parts->second); !number || *number < 0) return invalid(concat("invalid scale specifier: ", item));
        services.emplace_back(parts->first);
    }
    ProjectSession session(call);
    compose::Project project = TRY(session.load(services));
    if (call.flags.is("no-deps")) drop_dependencies(project, services);
    compose::Work work = TRY(session.work());
    compose::PlanOptions options;
    options.services = services;
    options.scale = TRY(scales(call.arguments, project));
    auto prepared = TRY(prepare(session, work, project, options, {}, {}));
    TRY(compose::start_services(work, &project, compose::start_order(project), prepared.observed.containers, {}, 0));
    return 0;
}

Result<int> plan(Invocation& call) {
    auto& flags = call.flags;
    std::string format = flags.text("format");
    if (format != "text" && format != "json") return invalid(concat("format value ", quote(format), " could not be parsed: it is text or json"));
    ProjectSession session(call);
    compose::Project project = TRY(session.load(call.arguments));
    if (flags.is("no-deps")) drop_dependencies(project, call.arguments);
    return show_plan(session, project, flags, call.arguments, format);
}
}  // namespace

const Command kComposeUp = {"[OPTIONS] [SERVICE...]", "Create and start containers", kUpFlags, {}, up};
const Command kComposeCreate = {"[OPTIONS] [SERVICE...]", "Creates containers for a service", kCreateFlags, {}, create};
const Command kComposeScale = {"[OPTIONS] [SERVICE=REPLICAS...]", "Scale services", kScaleFlags, at_least(1), scale};
const Command kComposePlan = {"[OPTIONS] [SERVICE...]", "Show what up would do and why (proa only)", kPlanFlags, {}, plan};

}  // namespace proa::cli
