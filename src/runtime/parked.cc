#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/process.h"
#include "runtime/starter.h"

// The parked child shares the owner's memory and descriptors (CLONE_VM | CLONE_FILES), so a start hands over nothing: the owner fills
// in the arguments, wakes the child and stands still until the clone is done; the init is a copy of the owner's memory at that moment.
// Sharing memory means sharing errno and malloc, so the child itself makes raw system calls only.
namespace proa::runtime {

namespace {
long raw_call(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
#else
#error "raw_call is missing for this architecture"
#endif
}

template <class T>
long as_long(T* pointer) {
    return reinterpret_cast<long>(pointer);
}

enum : uint32_t { kAttaching, kParked, kCloning, kQuit, kDone };
constexpr size_t kStackBytes = 512 << 10;  // the init goes on with a copy of it
}  // namespace

struct ParkedLauncher::State {
    std::atomic<uint32_t> phase{kAttaching};
    std::vector<std::string> task_files;  ///< the v1 groups to enter
    long failure = 0;                     ///< negative errno
    clone_args arguments{};
    int init_pidfd = -1;
    long init_pid = -1;
    const InitContext* context = nullptr;

    cgroup::Group group;
    bool has_group = false;
    void* stack = nullptr;
    pid_t pid = -1;
    os::Fd pidfd;

    static int run(void* self) { return static_cast<State*>(self)->run(); }
    int run() {
        raw_call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
        for (auto& file : task_files) {
            long fd = raw_call(SYS_openat, AT_FDCWD, as_long(file.c_str()), O_WRONLY | O_CLOEXEC);
            long written = fd < 0 ? fd : raw_call(SYS_write, fd, as_long("0"), 1);
            if (written < 0) failure = written;
            if (fd >= 0) raw_call(SYS_close, fd);
        }
        set(kParked);
        while (phase.load() == kParked) raw_call(SYS_futex, as_long(&phase), FUTEX_WAIT_PRIVATE, kParked);
        if (phase.load() == kCloning) {
            long cloned = raw_call(SYS_clone3, as_long(&arguments), sizeof arguments);
            if (cloned == 0) run_init(*context);
            init_pid = cloned;
            set(kDone);
        }
        raw_call(SYS_exit_group, 0);
        return 0;
    }
    void set(uint32_t value) {
        phase.store(value);
        raw_call(SYS_futex, as_long(&phase), FUTEX_WAKE_PRIVATE, 1);
    }
    /// The owner's side: until the child has left `value`; false when the child is gone.
    bool wait_while(uint32_t value) {
        while (phase.load() == value) {
            timespec slice{0, 50'000'000};
            raw_call(SYS_futex, as_long(&phase), FUTEX_WAIT_PRIVATE, value, as_long(&slice));
            if (phase.load() == value && os::wait_readable(pidfd.get(), 0).value_or(true)) return false;
        }
        return true;
    }
    void end() {
        if (pid > 0) {
            if (phase.load() == kParked) set(kQuit);
            else if (phase.load() != kDone) (void)os::send_signal(pidfd.get(), SIGKILL);
            (void)os::wait_for_exit(pid);
            pid = -1;
        }
        if (stack) ::munmap(stack, kStackBytes);
        stack = nullptr;
    }
    ~State() {
        end();
        if (has_group) (void)group.remove();
    }
};

namespace {
/// A helper of an exec that came as the container ended can keep its group from being removed with it: what is left there belongs to nobody.
Result<void> clear_leftover(const std::string& path) {
    cgroup::Group left = TRY(cgroup::Group::at(path));
    if (!left.exists()) return {};
    TRY(left.kill_all());
    auto removed = left.remove();
    return removed ? removed : fail(std::move(removed).error().wrap(concat("cgroup ", path, " is left from before")));
}
}  // namespace

ParkedLauncher::ParkedLauncher(ParkedLauncher&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
ParkedLauncher& ParkedLauncher::operator=(ParkedLauncher&& other) noexcept {
    if (this != &other) {
        delete state_;
        state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
}
ParkedLauncher::~ParkedLauncher() { delete state_; }

Result<ParkedLauncher> ParkedLauncher::park(const std::string& pool_cgroup_path) {
    ParkedLauncher parked;
    parked.state_ = new State;
    State& state = *parked.state_;
    const cgroup::Layout& layout = *TRY(cgroup::layout());
    if (layout.version != cgroup::Version::V2) {  // groups of version 2 cannot be renamed, and births into them do not wait
        state.group = TRY(cgroup::Group::create(pool_cgroup_path));
        state.has_group = true;
        for (auto& hierarchy : layout.hierarchies)
            if (!hierarchy.unified) state.task_files.push_back(hierarchy.mount_point + pool_cgroup_path + "/tasks");
    }
    void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED) return fail_errno("mmap");
    state.stack = stack;
    int pidfd = -1;
    int pid = ::clone(State::run, static_cast<char*>(stack) + kStackBytes, CLONE_VM | CLONE_FILES | CLONE_PIDFD | SIGCHLD, &state, &pidfd);
    if (pid < 0) return fail_errno("clone");
    state.pid = pid;
    state.pidfd = os::Fd(pidfd);
    (void)os::set_close_on_exec(pidfd, true);
    if (!state.wait_while(kAttaching)) return fail(ErrorKind::Internal, "the parked process ended");
    if (state.failure) return fail(errno_error("attach to cgroup", pool_cgroup_path, static_cast<int>(-state.failure)));
    return parked;
}

Result<Init> ParkedLauncher::launch(const Plan& plan, const Streams& streams) {
    if (!state_) return fail(ErrorKind::InvalidArgument, "this parked launcher was used already");
    if (!plan.init_path.empty()) return launch(with_init(plan), streams);
    std::unique_ptr<State> state(std::exchange(state_, nullptr));
    Starter starter(plan, streams, false);
    bool fits = !starter.needs_helper() && (state->has_group ? os::directory_of(plan.cgroup_path) == os::directory_of(state->group.path()) : true);
    if (!fits || plan.cgroup_path.empty() || !state->wait_while(kAttaching)) {
        state.reset();
        return starter.start();
    }
    TRY(starter.open_sources());
    if (state->has_group) {
        TRY(clear_leftover(plan.cgroup_path));
        TRY(state->group.rename(plan.cgroup_path));
        state->has_group = false;
        TRY(starter.adopt_group(state->group));
    } else {
        TRY(starter.create_group());
    }
    TRY(starter.open_channel());
    InitContext context = starter.context();
    context.in_cgroup = state->group.path() == plan.cgroup_path;
    state->context = &context;
    state->arguments.flags = (new_namespace_flags(plan) & ~static_cast<uint64_t>(CLONE_NEWCGROUP)) | CLONE_PARENT | CLONE_PIDFD;
    state->arguments.pidfd = reinterpret_cast<uint64_t>(&state->init_pidfd);
    if (starter.unified()) {
        state->arguments.flags |= CLONE_INTO_CGROUP;
        state->arguments.cgroup = static_cast<uint64_t>(starter.unified().get());
    }
    state->set(kCloning);
    if (!state->wait_while(kCloning)) return fail(ErrorKind::Internal, "the parked process ended");
    if (state->init_pid < 0) return fail(errno_error("clone3", "", static_cast<int>(-state->init_pid)));
    starter.adopt(static_cast<pid_t>(state->init_pid), os::Fd(state->init_pidfd));
    starter.close_child_end();
    return starter.finish();
}

}  // namespace proa::runtime
