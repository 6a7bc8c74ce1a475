#include "runtime/launch.h"

#include <sys/mount.h>

#include <utility>

#include "runtime/channel.h"
#include "runtime/seccomp_listener.h"
#include "runtime/starter.h"

namespace proa::runtime {

Plan with_init(Plan plan) {
    Mount mount;
    mount.destination = "/sbin/docker-init";
    mount.type = "bind";
    mount.source = std::exchange(plan.init_path, "");
    mount.flags = MS_BIND | MS_RDONLY;
    plan.mounts.push_back(std::move(mount));
    plan.process.args.insert(plan.process.args.begin(), {"/sbin/docker-init", "--"});
    return plan;
}

namespace {
Result<Init> start(const Plan& plan, const Streams& streams, bool gate) {
    if (plan.init_path.empty()) return Starter(plan, streams, gate).start();
    Plan wrapped = with_init(plan);  // outlives the starter, which keeps a reference
    return Starter(wrapped, streams, gate).start();
}
}  // namespace

Result<Init> launch(const Plan& plan, const Streams& streams) { return start(plan, streams, false); }

Result<Init> create(const Plan& plan, const Streams& streams) { return start(plan, streams, true); }

namespace {
/// Until the program runs (the end of the stream after Executing) or has failed.
Result<void> wait_for_program(int fd, const std::optional<SeccompListener>& listener, pid_t pid) {
    bool executing = false;
    for (;;) {
        auto incoming = TRY(Channel(fd).hear());
        if (!incoming) {
            if (executing) return {};
            return fail(ErrorKind::Internal, "the container's init ended before it could execute its program");
        }
        if (incoming->message.word == Word::Failure) return fail(error_of(incoming->message));
        if (incoming->message.word == Word::Executing) executing = true;
        if (incoming->message.word == Word::SeccompListener && listener) TRY(deliver_listener(*listener, incoming->fd.get(), "created", pid, pid, fd));
    }
}
}  // namespace

Result<void> open_gate(Init& init, const std::optional<SeccompListener>& listener) {
    if (!init.start_gate) return fail(ErrorKind::InvalidArgument, "this init waits at no gate");
    TRY(Channel(init.start_gate.get()).say(Word::Go));
    auto done = wait_for_program(init.start_gate.get(), listener, init.pid);
    init.start_gate.reset();
    return done;
}

Result<void> open_gate(int connection, const std::optional<SeccompListener>& listener, pid_t pid) {
    return wait_for_program(connection, listener, pid);
}

}  // namespace proa::runtime
