#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "cli/compose/commands.h"
#include "client/containers.h"
#include "compose/down.h"
#include "compose/parallel.h"
#include "compose/up.h"

// start, stop, restart, kill, pause, unpause and rm: one verb for the containers of some services.
namespace proa::cli {

namespace {
const Flag kTimeoutFlag[] = {{"timeout", 't', FlagType::Int, "Specify a shutdown timeout in seconds"}};
const Flag kStartFlags[] = {
    {"wait", 0, FlagType::Bool, "Wait for services to be running|healthy. Implies detached mode."},
    {"wait-timeout", 0, FlagType::Int, "Maximum duration in seconds to wait for the project to be running|healthy"},
};
const Flag kRestartFlags[] = {
    {"no-deps", 0, FlagType::Bool, "Don't restart dependent services."},
    {"timeout", 't', FlagType::Int, "Specify a shutdown timeout in seconds"},
};
const Flag kKillFlags[] = {
    {"remove-orphans", 0, FlagType::Bool, "Remove containers for services not defined in the Compose file."},
    {"signal", 's', FlagType::String, "SIGNAL to send to the container", "(default \"SIGKILL\")", "SIGKILL"},
};
const Flag kRemoveFlags[] = {
    {"all", 'a', FlagType::Bool, "Deprecated - no effect", nullptr, "", kHidden},
    {"force", 'f', FlagType::Bool, "Don't ask to confirm removal"},
    {"stop", 's', FlagType::Bool, "Stop the containers, if required, before removing"},
    {"volumes", 'v', FlagType::Bool, "Remove any anonymous volumes attached to containers"},
};

Result<int> start(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, {}));
    TRY(choose_containers(session, target, call.arguments));
    compose::Work work = TRY(session.work());
    int64_t deadline = call.flags.changed("wait-timeout") ? monotonic_nanoseconds() + call.flags.integer("wait-timeout") * 1'000'000'000 : 0;
    auto order = target.project ? compose::start_order(*target.project) : compose::start_order(containers);
    bool any = false;
    for (auto& each : containers) any |= call.arguments.empty() || std::find(call.arguments.begin(), call.arguments.end(), each.service) != call.arguments.end();
    if (!any && !call.arguments.empty()) return fail(ErrorKind::NotFound, concat("service ", quote(call.arguments[0]), " has no container to start"));
    TRY(compose::start_services(work, target.pointer(), order, containers, call.arguments, deadline));
    if (call.flags.is("wait")) TRY(compose::wait_until_up(work, containers, call.arguments, deadline));
    return 0;
}

Result<int> stop(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments));
    compose::Work work = TRY(session.work());
    if (call.flags.changed("timeout")) work.timeout = call.flags.integer("timeout");
    std::erase_if(containers, [](auto& each) { return !each.running(); });
    TRY(compose::stop_containers(work, target.pointer(), containers));
    return 0;
}

/// Those who want to know of a restart (`depends_on: {x: {restart: true}}`) are restarted after it.
void add_dependants(const compose::Project& project, std::vector<std::string>& services) {
    for (size_t before = 0; before != services.size();) {
        before = services.size();
        for (auto& [name, service] : project.services)
            for (auto& [other, dependency] : service.depends_on) {
                bool touched = dependency.restart && std::find(services.begin(), services.end(), other) != services.end();
                if (touched && std::find(services.begin(), services.end(), name) == services.end()) services.push_back(name);
            }
    }
}

Result<int> restart(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto services = call.arguments;
    if (target.project && !services.empty() && !call.flags.is("no-deps")) add_dependants(*target.project, services);
    auto containers = TRY(choose_containers(session, target, services));
    compose::Work work = TRY(session.work());
    std::string seconds = call.flags.changed("timeout") ? concat(call.flags.integer("timeout")) : "";
    auto order = target.project ? compose::start_order(*target.project) : compose::start_order(containers);
    TRY(compose::run_graph(order.graph, work.limit, [&](const std::string& service) -> Result<void> {
        std::vector<const compose::ProjectContainer*> mine;
        for (auto& each : containers)
            if (each.service == service) mine.push_back(&each);
        return compose::run_parallel(mine.size(), work.limit, [&](size_t index) -> Result<void> {
            std::string subject = compose::subject_of(mine[index]->name);
            compose::working(session.report(), subject, "Restarting");
            auto engine = TRY(session.engines().take());
            if (auto done = client::restart_container(*engine, mine[index]->id, seconds, ""); !done) {
                compose::failed(session.report(), subject, done.error().message());
                return done;
            }
            compose::done(session.report(), subject, "Started");
            return {};
        });
    }));
    return 0;
}

Result<int> kill(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments, {.all = false}));
    compose::Work work = TRY(session.work());
    if (!call.flags.is("remove-orphans") && target.project)
        std::erase_if(containers, [&](auto& each) { return !target.project->services.contains(each.service) && !target.project->disabled_services.contains(each.service); });
    if (containers.empty()) {
        put_error_line("no container to kill");
        return 0;
    }
    TRY(compose::run_parallel(containers.size(), work.limit, [&](size_t index) { return compose::kill_container(work, containers[index], call.flags.text("signal")); }));
    return 0;
}

Result<int> pause_or_unpause(Invocation& call, const char* action, const char* word) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments, {.all = false}));
    compose::Work work = TRY(session.work());
    std::erase_if(containers, [&](auto& each) { return (each.state == "paused") != (std::string_view(action) == "unpause"); });
    TRY(compose::run_parallel(containers.size(), work.limit, [&](size_t index) -> Result<void> {
        std::string subject = compose::subject_of(containers[index].name);
        auto engine = TRY(session.engines().take());
        if (auto done = client::container_action(*engine, containers[index].id, action); !done) {
            compose::failed(session.report(), subject, done.error().message());
            return done;
        }
        compose::done(session.report(), subject, word);
        return {};
    }));
    return 0;
}
Result<int> pause(Invocation& call) { return pause_or_unpause(call, "pause", "Paused"); }
Result<int> unpause(Invocation& call) { return pause_or_unpause(call, "unpause", "Unpaused"); }

Result<int> remove(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    compose::Work work = TRY(session.work());
    auto containers = TRY(choose_containers(session, target, call.arguments));
    if (flags.is("stop")) {
        std::vector<compose::ProjectContainer> running = containers;
        std::erase_if(running, [](auto& each) { return !each.running(); });
        TRY(compose::stop_containers(work, target.pointer(), running));
    } else {
        std::erase_if(containers, [](auto& each) { return each.running(); });
    }
    if (containers.empty()) {
        put_error_line("No stopped containers");
        return 0;
    }
    std::vector<std::string> names;
    for (auto& each : containers) names.push_back(each.name);
    std::string question = concat("Going to remove ", join(names, ", "));
    if (flags.is("force")) put_line(question);
    else if (!confirm(question)) return 0;
    TRY(compose::run_parallel(containers.size(), work.limit, [&](size_t index) { return compose::remove_container(work, containers[index], true, flags.is("volumes")); }));
    return 0;
}
}  // namespace

const Command kComposeStart = {"[SERVICE...]", "Start services", kStartFlags, {}, start};
const Command kComposeStop = {"[OPTIONS] [SERVICE...]", "Stop services", kTimeoutFlag, {}, stop};
const Command kComposeRestart = {"[OPTIONS] [SERVICE...]", "Restart service containers", kRestartFlags, {}, restart};
const Command kComposeKill = {"[OPTIONS] [SERVICE...]", "Force stop service containers", kKillFlags, {}, kill};
const Command kComposePause = {"[SERVICE...]", "Pause services", {}, {}, pause};
const Command kComposeUnpause = {"[SERVICE...]", "Unpause services", {}, {}, unpause};
const Command kComposeRemove = {"[OPTIONS] [SERVICE...]", "Removes stopped service containers", kRemoveFlags, {}, remove};

}  // namespace proa::cli
