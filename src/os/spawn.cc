#include "os/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "os/child_stack.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::os {

namespace {
constexpr size_t kStackBytes = 64 * 1024;
constexpr int kControlDescriptor = 3;

/// All that the child needs, made beforehand: it shares our memory and may not allocate.
struct Spawn {
    int binary, control, null;
    char* const* arguments;
    char* const* environment;
    int error = 0;
};

int spawn_child(void* data) {
    auto& spawn = *static_cast<Spawn*>(data);
    reset_signals();
    ::setsid();
    bool good = ::dup2(spawn.null, 0) == 0 && ::dup2(spawn.null, 1) == 1 && ::dup2(spawn.null, 2) == 2 &&
                ::dup2(spawn.control, kControlDescriptor) == kControlDescriptor &&
                ::syscall(SYS_close_range, kControlDescriptor + 1, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
    if (good) ::syscall(SYS_execveat, spawn.binary, "", spawn.arguments, spawn.environment, AT_EMPTY_PATH);
    spawn.error = errno;
    ::_exit(127);
}

Result<Fd> lift(int fd) {  // above the numbers that the child rearranges
    int high = ::fcntl(fd, F_DUPFD_CLOEXEC, 10);
    if (high < 0) return fail_errno("duplicate descriptor");
    return Fd(high);
}

/// clone(2) with our memory, which we get back when the child has executed its program.
Result<pid_t> run_spawn(Spawn& spawn, std::string_view name, Fd& pidfd) {
    auto stack = TRY(ChildStack::make(kStackBytes));
    pid_t pid = TRY(stack.clone(spawn_child, &spawn, CLONE_VFORK, name, pidfd));
    if (spawn.error == 0) return pid;
    (void)wait_for_exit(pid);
    return fail(errno_error("execute", name, spawn.error));
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (auto& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}
}  // namespace

Result<SpawnedProgram> spawn_program(int program, const std::vector<std::string>& arguments, const std::vector<std::string>& environment, int control) {
    Fd binary = TRY(lift(program)), lifted = TRY(lift(control));
    Fd null = TRY(lift(TRY(open_file("/dev/null", O_RDWR)).get()));
    std::vector<std::string> words = arguments, variables = environment;
    std::vector<char*> word_pointers = pointers(words), variable_pointers = pointers(variables);
    Spawn spawn{binary.get(), lifted.get(), null.get(), word_pointers.data(), variable_pointers.data()};
    SpawnedProgram spawned;
    spawned.pid = TRY(run_spawn(spawn, words[0], spawned.pidfd));
    return spawned;
}

}  // namespace proa::os
