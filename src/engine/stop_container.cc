#include "engine/stop_container.h"

#include <signal.h>

#include "container/shim_link.h"
#include "engine/container_events.h"
#include "engine/pause_container.h"
#include "engine/restart_scheduler.h"
#include "engine/settings.h"
#include "engine/start_container.h"
#include "engine/validate_container.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

constexpr int64_t kKillGraceMilliseconds = 10000;
/// Between the end of a process and our knowledge of it: a signal that finds nobody waits so long for the news.
constexpr int64_t kEndingMilliseconds = 5000;

Result<int> stop_signal_of(const Record& record, const std::string& asked) {
    if (!asked.empty()) return parse_signal(asked);
    if (!record.config.stop_signal.empty()) return parse_signal(record.config.stop_signal);
    return SIGTERM;
}

/// Delivers a signal to the init; a paused container is thawed behind it, so that the signal takes effect.
Result<void> deliver(Parts& parts, const ContainerPointer& container, int signal) {
    TRY(container::signal_init(parts.paths.state(container->id()), signal));
    publish_container_event(parts.events, *container, "kill", {{"signal", concat(signal)}});
    if (container->state().paused) TRY(thaw_container(parts, container));
    return {};
}

/// A container that waits for its next restart has no process: the restart is called off.
bool cancel_restart(Parts& parts, const ContainerPointer& container) { return parts.restarts.cancel(container); }

void remember_manual_stop(Parts& parts, const ContainerPointer& container) {
    auto record = container->change([](Record& record) {
        record.manually_stopped = true;
        return record;
    });
    (void)parts.records.save(record, container::RecordStore::Durable::Yes);  // the stop itself does not depend on it
}

}  // namespace

Result<bool> wait_until_stopped(const ContainerPointer& container, int64_t timeout_ms) {
    auto waiter = TRY(container->wait_for(container::WaitCondition::NotRunning));
    if (waiter->result()) return true;
    return os::wait_readable(waiter->ready_fd(), timeout_ms < 0 ? -1 : static_cast<int>(std::min<int64_t>(timeout_ms, INT32_MAX)));
}

Result<void> stop_container(Parts& parts, const ContainerPointer& container, const StopOptions& options) {
    auto record = container->record();
    if (!record.state.running) return fail(ErrorKind::NotModified, "");
    int signal = TRY(stop_signal_of(record, options.signal));
    int64_t seconds = options.timeout_seconds.value_or(record.config.stop_timeout.value_or(parts.settings()->default_stop_timeout));
    remember_manual_stop(parts, container);
    if (!cancel_restart(parts, container)) {
        auto waiter = TRY(container->wait_for(container::WaitCondition::NotRunning));
        auto ended_within = [&](int64_t ms) { return os::wait_readable(waiter->ready_fd(), ms < 0 ? -1 : static_cast<int>(std::min<int64_t>(ms, INT32_MAX))); };
        auto delivered = deliver(parts, container, signal);
        // A container that ended by itself in this moment is stopped all the same.
        if (!delivered && container->state().running && !TRY(ended_within(kEndingMilliseconds))) return delivered;
        if (!TRY(ended_within(seconds < 0 ? -1 : seconds * 1000))) {
            auto killed = deliver(parts, container, SIGKILL);
            if (!TRY(ended_within(kKillGraceMilliseconds))) {
                if (!killed) return killed;
                return fail(ErrorKind::Internal, concat("cannot stop container: ", container->id(), ": it did not end within 10 s of SIGKILL; a process of it hangs in the kernel"));
            }
        }
    }
    publish_container_event(parts.events, *container, "stop");
    return {};
}

Result<void> restart_container(Parts& parts, const ContainerPointer& container, const StopOptions& options) {
    auto stopped = stop_container(parts, container, options);
    if (!stopped && !stopped.error().is(ErrorKind::NotModified)) return stopped;
    TRY(start_container(parts, container));
    publish_container_event(parts.events, *container, "restart");
    return {};
}

Result<void> kill_container(Parts& parts, const ContainerPointer& container, std::string_view signal_text) {
    int signal = signal_text.empty() ? SIGKILL : TRY(parse_signal(signal_text));
    auto record = container->record();
    if (!record.state.running || record.state.restarting)
        return fail(ErrorKind::Conflict, concat("cannot kill container: ", record.name, ": container ", record.id, " is not running"));
    bool final = signal == SIGKILL || signal == TRY(stop_signal_of(record, ""));
    if (final) remember_manual_stop(parts, container);
    auto delivered = deliver(parts, container, signal);
    bool ended = !delivered && (!container->state().running || (delivered.error().is(ErrorKind::NotFound) && TRY(wait_until_stopped(container, kEndingMilliseconds))));
    if (ended)
        return fail(ErrorKind::Conflict, concat("cannot kill container: ", record.name, ": container ", record.id, " is not running"));
    if (!delivered) return delivered;
    // Docker answers a SIGKILL after the end, so that a script's next command finds the container stopped.
    if (signal == SIGKILL) TRY(wait_until_stopped(container, kKillGraceMilliseconds));
    return {};
}

}  // namespace proa::engine
