#include "engine/health_monitor.h"

#include <poll.h>
#include <signal.h>

#include <cerrno>

#include "base/log.h"
#include "container/shim_link.h"
#include "engine/container_events.h"
#include "engine/exec_container.h"
#include "engine/parts.h"
#include "engine/stop_container.h"
#include "os/socket.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

constexpr int64_t kSecond = 1'000'000'000, kMillisecond = 1'000'000;
constexpr int64_t kInterval = 30 * kSecond, kTimeout = 30 * kSecond, kStartInterval = 5 * kSecond, kRetries = 3;
constexpr size_t kOutputMax = 4096, kLogMax = 5;
constexpr int64_t kSaveEvery = 10 * kSecond;  ///< results that change nothing are written so often
constexpr int64_t kEnoughOfEnding = 2 * kSecond;

int64_t or_default(int64_t value, int64_t fallback) { return value == 0 ? fallback : value; }

/// What runs: CMD as it is, CMD-SHELL by the image's shell.
std::vector<std::string> probe_command(const docker::ContainerConfig& config) {
    auto& test = config.healthcheck->test;
    std::vector<std::string> command;
    if (test[0] == "CMD-SHELL") command = config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell;
    command.insert(command.end(), test.begin() + 1, test.end());
    return command;
}

/// Nanoseconds to the next probe: shorter while the container has not become healthy within its start period.
int64_t next_interval(const Record& record, Time at) {
    auto& check = *record.config.healthcheck;
    bool in_start_period = at.unix_nano() - record.state.started_at.unix_nano() < check.start_period;
    if (in_start_period && record.state.health && record.state.health->status == "starting") return or_default(check.start_interval, kStartInterval);
    return or_default(check.interval, kInterval);
}

/// Takes a result into the record. Returns the status when it changed.
std::string note_result(Record& record, docker::HealthcheckResult result) {
    auto& check = *record.config.healthcheck;
    if (!record.state.health) record.state.health.emplace().status = "starting";
    auto& health = *record.state.health;
    std::string before = health.status;
    if (!health.log) health.log.emplace();
    bool good = result.exit_code == 0;
    bool counts = health.status != "starting" || result.start.unix_nano() - record.state.started_at.unix_nano() >= check.start_period;
    health.log->push_back(std::move(result));
    if (health.log->size() > kLogMax) health.log->erase(health.log->begin());
    if (good) {
        health.failing_streak = 0;
        health.status = "healthy";
    } else if (counts && ++health.failing_streak >= or_default(check.retries, kRetries)) {
        health.status = "unhealthy";
    }
    return health.status == before ? "" : health.status;
}

void drain(int eventfd) {
    char count[8];
    (void)os::read_some(eventfd, count);  // only that it is not readable any more matters
}

}  // namespace

bool has_health_check(const docker::ContainerConfig& config) {
    return config.healthcheck && config.healthcheck->test.size() > 1 && (config.healthcheck->test[0] == "CMD" || config.healthcheck->test[0] == "CMD-SHELL");
}

std::optional<std::string> warn_of_health_check(const docker::HealthConfig& health) {
    if (health.test.empty() || health.test[0] == "NONE" || health.test[0] == "CMD" || health.test[0] == "CMD-SHELL") return std::nullopt;
    return concat("Unknown healthcheck type ", quote(health.test[0]), " (expected CMD, CMD-SHELL or NONE): there will be no health checks.");
}

Result<void> validate_health_check(const docker::HealthConfig& health) {
    auto bad = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    for (auto& [name, value] :
         {std::pair("Interval", health.interval), {"Timeout", health.timeout}, {"StartPeriod", health.start_period}, {"StartInterval", health.start_interval}})
        if (value != 0 && value < kMillisecond) return bad(concat(std::string_view(name), " in Healthcheck cannot be less than 1ms"));
    if (health.retries < 0) return bad("Retries in Healthcheck cannot be negative");
    auto& action = health.on_failure;
    if (!action.empty() && action != "none" && action != "restart" && action != "stop" && action != "kill")
        return bad(concat("invalid OnFailure in Healthcheck: ", quote(action), " is none of none, restart, stop and kill"));
    return {};
}

void HealthMonitor::begin(Parts& parts) {
    parts_ = &parts;
    auto wake = os::make_eventfd();
    if (!wake) return log::error(concat("health checks cannot run: ", wake.error().message()));
    wake_ = std::move(*wake);
    starters_ = std::make_unique<container::WorkQueue>(2);
    actions_ = std::make_unique<container::WorkQueue>(1);
    thread_ = std::thread([this] { run(); });
}

void HealthMonitor::stop() {
    {
        std::lock_guard lock(mutex_);
        if (!thread_.joinable()) return;
        stopping_ = true;
    }
    os::signal_eventfd(wake_.get());
    thread_.join();
    starters_.reset();
    actions_.reset();
}

void HealthMonitor::start(const ContainerPointer& container) {
    bool checked = container->change([](Record& record) {
        if (!has_health_check(record.config)) return false;
        if (!record.state.health) record.state.health.emplace();
        record.state.health->status = "starting";
        record.state.health->failing_streak = 0;
        if (!record.state.health->log) record.state.health->log.emplace();
        return true;
    });
    if (checked) put(container);
}

void HealthMonitor::resume(const ContainerPointer& container) {
    if (container->read([](const Record& record) { return has_health_check(record.config); })) put(container);
}

void HealthMonitor::put(const ContainerPointer& container) {
    int64_t wait = container->read([](const Record& record) { return next_interval(record, now()); });
    std::lock_guard lock(mutex_);
    Watch watch;
    watch.container = container;
    watch.run = container->current_run();
    watch.due = monotonic_nanoseconds() + wait;
    watches_.insert_or_assign(container->id(), std::move(watch));
    os::signal_eventfd(wake_.get());
}

void HealthMonitor::end(const ContainerPointer& container) {
    {
        std::lock_guard lock(mutex_);
        if (watches_.erase(container->id()) == 0) return;
    }
    container->change([](Record& record) {
        if (record.state.health) record.state.health->status = "unhealthy";
    });
}

void HealthMonitor::exec_ended(const std::string& exec_id, int64_t exit_code) {
    std::lock_guard lock(mutex_);
    for (auto& [id, watch] : watches_) {
        if (watch.probe && watch.probe->exec_id == exec_id) {
            watch.probe->exit_code = exit_code;
            os::signal_eventfd(wake_.get());
            return;
        }
    }
}

void HealthMonitor::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        int64_t next = look(monotonic_nanoseconds());
        std::vector<pollfd> waiting{{wake_.get(), POLLIN, 0}};
        std::vector<std::string> owners{""};
        for (auto& [id, watch] : watches_)
            if (watch.probe && watch.probe->stream) {
                waiting.push_back({watch.probe->stream.get(), POLLIN, 0});
                owners.push_back(id);
            }
        lock.unlock();
        int64_t left = next - monotonic_nanoseconds();
        ::poll(waiting.data(), waiting.size(), next == INT64_MAX ? -1 : static_cast<int>(std::clamp<int64_t>(left / kMillisecond + 1, 0, INT32_MAX)));
        lock.lock();
        if (waiting[0].revents != 0) drain(wake_.get());
        for (size_t i = 1; i < waiting.size(); i++) {
            if (waiting[i].revents == 0) continue;
            auto found = watches_.find(owners[i]);
            if (found != watches_.end() && found->second.probe && found->second.probe->stream.get() == waiting[i].fd) read_output(*found->second.probe);
        }
    }
}

/// Begins and ends what is due; returns when to look again.
int64_t HealthMonitor::look(int64_t at) {
    int64_t next = INT64_MAX;
    for (auto& [id, watch] : watches_) {
        if (watch.starting) continue;
        if (!watch.probe) {
            if (watch.due <= at) {
                watch.starting = true;
                starters_->put([this, container = watch.container, run = watch.run] { start_probe(container, run); });
            } else {
                next = std::min(next, watch.due);
            }
            continue;
        }
        Probe& probe = *watch.probe;
        if (probe.exit_code) {
            read_output(probe);
            finish_probe(watch, *probe.exit_code, std::move(probe.output) + (probe.cut ? "..." : ""), probe.started);
        } else if (probe.deadline <= at) {
            (void)container::signal_exec(parts_->paths.state(id), probe.exec_id, SIGKILL);  // it may just have ended
            int64_t timeout = watch.container->read([](const Record& record) { return or_default(record.config.healthcheck->timeout, kTimeout); });
            std::string text = concat("Health check exceeded timeout (", duration_text(timeout), ")");
            if (!probe.output.empty()) text += concat(": ", probe.output);
            finish_probe(watch, -1, std::move(text), probe.started);
        } else {
            next = std::min(next, probe.deadline);
            continue;
        }
        next = std::min(next, watch.due);
    }
    return next;
}

/// On a starter's thread: the shim may take its time.
void HealthMonitor::start_probe(const ContainerPointer& container, uint64_t run) {
    auto record = container->record();
    Probe probe;
    probe.started = now();
    probe.deadline = monotonic_nanoseconds() + or_default(record.config.healthcheck->timeout, kTimeout);
    auto started = [&]() -> Result<void> {
        docker::ExecConfig config;
        config.attach_stdout = config.attach_stderr = true;
        config.user = record.config.user;
        config.cmd = probe_command(record.config);
        auto pair = TRY(os::make_socket_pair(os::SocketType::Stream));
        TRY(os::set_nonblocking(pair.first.get(), true));
        probe.exec_id = TRY(create_exec(*parts_, container, std::move(config)));
        auto exec = TRY(parts_->execs.find(probe.exec_id));
        probe.stream = std::move(pair.first);
        return start_exec(*parts_, container, exec, {}, std::move(pair.second), "");
    }();
    std::lock_guard lock(mutex_);
    auto found = watches_.find(container->id());
    if (found == watches_.end() || found->second.run != run || !found->second.starting) return;  // it ended or was paused meanwhile
    Watch& watch = found->second;
    watch.starting = false;
    if (!started) {
        finish_probe(watch, -1, started.error().message(), probe.started);
    } else {
        if (auto exec = parts_->execs.find(probe.exec_id)) probe.exit_code = (*exec)->exit_code();  // it may have ended before we look for that
        watch.probe = std::move(probe);
    }
    os::signal_eventfd(wake_.get());
}

/// Frames of both streams, put together as they came.
void HealthMonitor::read_output(Probe& probe) {
    char buffer[16384];
    while (probe.stream) {
        auto got = os::read_some(probe.stream.get(), buffer);
        if (!got && got.error().number() == EAGAIN) break;
        if (!got || *got == 0) {
            probe.stream.reset();
            break;
        }
        probe.frames.append(buffer, *got);
    }
    auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(probe.frames[i])); };
    while (probe.frames.size() >= 8) {
        size_t length = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
        if (probe.frames.size() < 8 + length) break;
        size_t room = kOutputMax - probe.output.size();
        probe.output.append(probe.frames, 8, std::min(length, room));
        if (length > room) probe.cut = true;
        probe.frames.erase(0, 8 + length);
    }
}

void HealthMonitor::finish_probe(Watch& watch, int64_t exit_code, std::string output, Time started) {
    if (watch.probe) parts_->execs.remove(watch.probe->exec_id);
    watch.probe.reset();
    int64_t at = monotonic_nanoseconds();
    docker::HealthcheckResult result{started, now(), exit_code, std::move(output)};
    std::string changed;
    auto record = watch.container->change([&](Record& record) {
        if (!record.state.running || record.state.paused) return record;
        changed = note_result(record, std::move(result));
        return record;
    });
    watch.due = at + next_interval(record, now());
    if (!changed.empty() || at - watch.saved >= kSaveEvery) {
        watch.saved = at;
        auto saved = parts_->records.save(record, container::RecordStore::Durable::No);
        if (!saved) log::warn(concat("the health of container ", record.id, " could not be saved: ", saved.error().message()));
    }
    if (changed.empty()) return;
    publish_container_event(parts_->events, *watch.container, "health_status: " + changed);
    auto& action = record.config.healthcheck->on_failure;
    if (changed == "unhealthy" && !action.empty() && action != "none")
        actions_->put([this, container = watch.container, action] { act_on_failure(container, action); });
}

void HealthMonitor::act_on_failure(const ContainerPointer& container, const std::string& action) {
    log::info(concat("container ", container->id(), " is unhealthy: --health-on-failure=", action));
    auto done = action == "restart" ? restart_container(*parts_, container, {})
                : action == "stop"  ? stop_container(*parts_, container, {})
                                    : kill_container(*parts_, container, "KILL");
    if (!done && !done.error().is(ErrorKind::NotModified))
        log::error(concat("container ", container->id(), " could not be treated (", action, "): ", done.error().message()));
}

}  // namespace proa::engine
