#include "runtime/launch.h"

#include "runtime/channel.h"
#include "runtime/starter.h"

namespace proa::runtime {

Result<Init> launch(const Plan& plan, const Streams& streams) { return Starter(plan, streams, false).start(); }

Result<Init> create(const Plan& plan, const Streams& streams) { return Starter(plan, streams, true).start(); }

namespace {
/// Until the program runs (the end of the stream after Executing) or has failed.
Result<void> wait_for_program(int fd) {
    bool executing = false;
    for (;;) {
        auto incoming = TRY(Channel(fd).hear());
        if (!incoming) {
            if (executing) return {};
            return fail(ErrorKind::Internal, "the container's init ended before it could execute its program");
        }
        if (incoming->message.word == Word::Failure) return fail(error_of(incoming->message));
        if (incoming->message.word == Word::Executing) executing = true;
    }
}
}  // namespace

Result<void> open_gate(Init& init) {
    if (!init.start_gate) return fail(ErrorKind::InvalidArgument, "this init waits at no gate");
    TRY(Channel(init.start_gate.get()).say(Word::Go));
    auto done = wait_for_program(init.start_gate.get());
    init.start_gate.reset();
    return done;
}

Result<void> open_gate(int connection) { return wait_for_program(connection); }

}  // namespace proa::runtime
