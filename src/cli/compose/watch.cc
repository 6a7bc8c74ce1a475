#include <poll.h>

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/text.h"
#include "cli/compose/commands.h"
#include "cli/compose/prepare.h"
#include "cli/compose/watcher.h"
#include "cli/streams.h"
#include "os/fd.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"no-up", 0, FlagType::Bool, "Do not build & start services before watching"},
    {"prune", 0, FlagType::Bool, "Prune dangling images on rebuild", "(default true)", "true"},
    {"quiet", 0, FlagType::Bool, "hide build output"},
};

Result<int> watch(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    compose::Project project = TRY(session.load(call.arguments));
    compose::Work work = TRY(session.work());
    // Before the start: what changes meanwhile is not missed.
    auto watcher = TRY(Watcher::open(session, project, {.services = call.arguments, .quiet_build = flags.is("quiet"), .prune = flags.is("prune")}));
    if (!flags.is("no-up")) {
        auto prepared = TRY(prepare(session, work, project, {.services = call.arguments}, {.build = true, .quiet_build = flags.is("quiet")}, {}));
        TRY(compose::start_services(work, &project, compose::start_order(project), prepared.observed.containers, {}, 0));
    }
    session.progress().finish();
    watcher->report_to(work);
    SignalWatch signals(false, true);
    os::Fd ended = TRY(os::make_eventfd()), stop = TRY(os::make_eventfd());
    Result<void> result;
    std::thread watching([&] {
        result = watcher->run(stop.get());
        os::signal_eventfd(ended.get());
    });
    pollfd ends[] = {{signals.fd(), POLLIN, 0}, {ended.get(), POLLIN, 0}};
    bool interrupted = false;
    while (!interrupted && ends[1].revents == 0) {
        if (::poll(ends, 2, -1) < 0) continue;
        if (ends[0].revents == 0) continue;
        auto signal = signals.next();
        interrupted = signal && (*signal == SIGINT || *signal == SIGTERM);
    }
    if (interrupted) {
        put_error_line("canceled");
        if (watcher->busy()) std::_Exit(130);  // a build may take long; the engine ends it with the connection
        os::signal_eventfd(stop.get());
    }
    watching.join();
    TRY(std::move(result));
    return interrupted ? 130 : 0;
}
}  // namespace

const Command kComposeWatch = {"[SERVICE...]", "Watch build context for service and rebuild/refresh containers when files are updated", kFlags, {}, watch};

}  // namespace proa::cli
