#include "os/child_stack.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace proa::os {

Result<ChildStack> ChildStack::make(size_t bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return fail_errno("mmap", "stack");
    return ChildStack(memory, bytes);
}

ChildStack::ChildStack(ChildStack&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}

ChildStack::~ChildStack() {
    if (memory_) ::munmap(memory_, bytes_);
}

Result<pid_t> ChildStack::clone(int (*run)(void*), void* data, int flags, std::string_view what, Fd& pidfd) const {
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before);
    int descriptor = -1;
    pid_t pid = ::clone(run, static_cast<char*>(memory_) + bytes_, CLONE_VM | CLONE_PIDFD | SIGCHLD | flags, data, &descriptor);
    int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return fail(errno_error("clone", what, error));
    pidfd = Fd(descriptor);
    return pid;
}

}  // namespace proa::os
