#pragma once
#include <sys/types.h>

#include <string_view>

#include "os/fd.h"

namespace proa::os {

/// The stack of a child that shares our memory (CLONE_VM); has to outlive the child, or what the child runs before execve(2).
class ChildStack {
public:
    static Result<ChildStack> make(size_t bytes);
    ChildStack(ChildStack&& other) noexcept;
    ChildStack& operator=(ChildStack&&) = delete;
    ~ChildStack();

    /// clone(2) with CLONE_VM, CLONE_PIDFD and `flags`; runs `run(data)`, which makes plain system calls only: it shares what libc keeps for the
    /// calling thread. No signal handler of ours runs in the child. `pidfd` is filled in. Errors name `what`.
    Result<pid_t> clone(int (*run)(void*), void* data, int flags, std::string_view what, Fd& pidfd) const;

private:
    ChildStack(void* memory, size_t bytes) : memory_(memory), bytes_(bytes) {}
    void* memory_;
    size_t bytes_;
};

}  // namespace proa::os
