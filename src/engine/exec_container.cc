#include "engine/exec_container.h"

#include <time.h>

#include <cerrno>

#include "base/id.h"
#include "container/monitor.h"
#include "container/plan.h"
#include "container/shim_link.h"
#include "engine/attach_container.h"
#include "engine/container_cgroup.h"
#include "engine/container_events.h"
#include "engine/foreign_runtime.h"
#include "engine/start_container.h"
#include "engine/start_plan.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::ContainerPointer;
using container::Record;

constexpr int kResizeWaitSteps = 200;
constexpr long kResizeStepNanoseconds = 50'000'000;

Result<void> check_exec_allowed(const Record& record) {
    if (!record.state.running) return fail(ErrorKind::Conflict, concat("container ", record.id, " is not running"));
    if (record.state.paused) return fail(ErrorKind::Conflict, concat("Container ", record.name, " is paused, unpause the container before exec"));
    if (record.state.restarting) return fail(ErrorKind::Conflict, concat("Container ", record.id, " is restarting, wait until the container is running"));
    return {};
}

std::string command_line(const docker::ExecConfig& config) { return join(config.cmd.value_or(std::vector<std::string>()), " "); }

int64_t exit_code_of(const Error& error) {
    if (error.number() == ENOENT || error.number() == ENOTDIR) return 127;
    return 126;
}

}  // namespace

Result<std::string> create_exec(Parts& parts, const ContainerPointer& container, docker::ExecConfig config) {
    if (!config.cmd || config.cmd->empty()) return fail(ErrorKind::InvalidArgument, "No exec command specified");
    TRY(container->read(check_exec_allowed));
    auto keys = parse_detach_keys(config.detach_keys);
    if (!keys) return fail(ErrorKind::Internal, concat("Invalid escape keys (", config.detach_keys, ") provided"));
    auto exec = std::make_shared<container::Exec>(random_id(), container->id(), std::move(config));
    parts.execs.add(exec);
    publish_container_event(parts.events, *container, concat("exec_create: ", command_line(exec->config())), {{"execID", exec->id()}});
    return exec->id();
}

Result<ContainerPointer> check_exec_startable(Parts& parts, const container::Exec& exec) {
    auto container = parts.containers.find(exec.container_id());
    if (!container) return fail(ErrorKind::NotFound, concat("No such exec instance: ", exec.id()));
    TRY((*container)->read(check_exec_allowed));
    return *container;
}

Result<void> start_exec(Parts& parts, const ContainerPointer& container, const container::ExecPointer& exec, const docker::ExecStart& start,
                        os::Fd stream, std::string early_bytes) {
    TRY(exec->begin());
    auto record = container->record();
    auto config = exec->config();
    if (start.console_size) config.console_size = start.console_size;
    publish_container_event(parts.events, *container, concat("exec_start: ", command_line(config)), {{"execID", exec->id()}});
    std::string_view stage = "exec failed: unable to start container process: ";
    auto pid = [&]() -> Result<int64_t> {
        auto inputs = TRY(process_inputs(parts, record));
        runtime::ExecPlan plan;
        plan.container_id = record.id;
        plan.init_pid = static_cast<int32_t>(record.state.pid);
        plan.cgroup_path = cgroup_path(parts, record);
        plan.process = TRY(container::make_exec_process(record, config, inputs));
        shim::Exec message;
        message.exec_id = exec->id();
        message.terminal = config.tty;
        message.open_stdin = config.attach_stdin;
        if (stream) {
            shim::Attach attach;
            attach.exec_id = exec->id();
            attach.use_stdin = config.attach_stdin;
            attach.use_stdout = config.attach_stdout;
            attach.use_stderr = config.attach_stderr;
            attach.framed = !start.tty;  // as Docker does it, whatever the exec itself has
            if (config.tty) attach.detach_keys = TRY(parse_detach_keys(config.detach_keys));
            attach.early_bytes = std::move(early_bytes);
            message.attach = std::move(attach);
        }
        if (is_foreign(parts, record)) message.process_file = TRY(write_foreign_process(parts, record, exec->id(), plan));
        if (!message.process_file.empty()) stage = "";  // the other runtime says that itself
        auto started = container::start_exec(parts.paths.state(record.id), message, plan, stream);
        if (!message.process_file.empty()) (void)os::remove_file(message.process_file);
        return started;
    }();
    if (!pid) {
        exec->finished(exit_code_of(pid.error()));
        return fail(Error(ErrorKind::InvalidArgument, concat("OCI runtime exec failed: ", stage, pid.error().message(), ": unknown"),
                          pid.error().number()));
    }
    exec->started(*pid);
    return {};
}

Result<void> resize_exec(Parts& parts, const container::ExecPointer& exec, uint16_t height, uint16_t width) {
    auto ended = [&] { return fail(ErrorKind::NotFound, concat("process does not exist ", exec->id(), ": not found")); };
    for (int step = 0; !exec->running(); step++) {
        if (exec->exit_code()) return ended();
        if (step == kResizeWaitSteps) return fail(ErrorKind::Internal, "timeout waiting for exec session ready");
        timespec pause{0, kResizeStepNanoseconds};
        ::nanosleep(&pause, nullptr);
    }
    auto resized = container::resize(parts.paths.state(exec->container_id()), exec->id(), height, width);
    // It may end in this moment, alone (the shim says so) or with its container.
    bool gone = !resized && (resized.error().is(ErrorKind::NotFound) || resized.error().is(ErrorKind::Conflict));
    return gone ? ended() : resized;
}

}  // namespace proa::engine
