#include "runtime/seccomp_listener.h"

#include <sched.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/socket.h"

namespace proa::runtime {

namespace {
constexpr size_t kStackBytes = 256 << 10;
constexpr int kNothingYet = -1, kNothingToCarry = -2;
}  // namespace

struct ListenerCourier::State {
    int channel = -1;
    void* stack = MAP_FAILED;
    std::atomic<int> descriptor{kNothingYet};
    std::atomic<bool> done{false};

    /// Shares memory, and with it errno and malloc, with the loader, which stands still meanwhile.
    static int run(void* argument) {
        auto& state = *static_cast<State*>(argument);
        int descriptor;
        while ((descriptor = state.descriptor.load(std::memory_order_acquire)) == kNothingYet) {
            timespec pause{0, 20'000};
            ::nanosleep(&pause, nullptr);
        }
        if (descriptor >= 0) {
            Channel channel(state.channel);
            // Without an agent the program must not run: the whole process ends, and the starter tells why.
            if (!channel.say(Word::SeccompListener, descriptor) || !channel.wait_for_go()) ::_exit(1);
        }
        state.done.store(true, std::memory_order_release);
        return 0;
    }
};

ListenerCourier::ListenerCourier() = default;
ListenerCourier::ListenerCourier(ListenerCourier&&) noexcept = default;

Result<ListenerCourier> ListenerCourier::start(int channel) {
    ListenerCourier courier;
    courier.state_ = std::make_unique<State>();
    State& state = *courier.state_;
    state.channel = channel;
    state.stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (state.stack == MAP_FAILED) return fail_errno("mmap");
    // A thread of the kernel, not of the C library: it vanishes with the exec and leaves nobody to be reaped.
    constexpr int kFlags = CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    if (::clone(State::run, static_cast<char*>(state.stack) + kStackBytes, kFlags, &state) < 0) {
        ::munmap(state.stack, kStackBytes);
        state.stack = MAP_FAILED;
        return fail_errno("clone");
    }
    return courier;
}

void ListenerCourier::carry(int descriptor) {
    state_->descriptor.store(descriptor, std::memory_order_release);
    while (!state_->done.load(std::memory_order_acquire)) {}
}

ListenerCourier::~ListenerCourier() {
    if (!state_ || state_->stack == MAP_FAILED) return;
    if (!state_->done) carry(kNothingToCarry);
    (void)state_.release();  // the thread may still be on its stack; both end with the exec
}

Result<void> deliver_listener(const SeccompListener& listener, int descriptor, std::string_view status, pid_t container, pid_t process, int channel) {
    os::Fd socket = TRY_WRAP(concat("seccomp listener ", listener.path), os::connect_unix(listener.path, os::SocketType::Stream));
    std::string text = replace_all(listener.state, "@STATUS@", status);
    text = replace_all(text, "\"@PID@\"", concat(container));
    text = replace_all(text, "\"@PROCESS@\"", concat(process));
    TRY(os::send_message(socket.get(), text, std::span(&descriptor, 1)));
    return Channel(channel).say(Word::Go);
}

}  // namespace proa::runtime
