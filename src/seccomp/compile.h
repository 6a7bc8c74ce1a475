#pragma once
#include <cstdint>
#include <string>

#include "seccomp/profile.h"

namespace proa::seccomp {

struct Filter {
    std::string bpf;     ///< struct sock_filter[]; empty: no filter is needed
    uint32_t flags = 0;  ///< SECCOMP_FILTER_FLAG_*
    template <class A>
    void visit(A& a) {
        a(bpf, flags);
    }
};

/// Compiles for this machine and for a process whose bounding set is `capabilities` (bit n: capability n); 20-50 ms for a large profile.
/// Unknown system calls are left out; calls newer than all that the profile knows fail with ENOSYS where it would kill or give an errno,
/// so that libraries fall back. Errors: InvalidArgument (an architecture, flag or rule that cannot be), Unsupported.
Result<Filter> compile(const Profile& profile, uint64_t capabilities);

/// The same through files of `directory` (made when missing, 0700): one per profile, capability set and kernel. A damaged file is
/// compiled anew. Thread-safe between processes.
Result<Filter> compile_cached(const Profile& profile, uint64_t capabilities, const std::string& directory);

/// Whether the rule holds for a process with these capabilities on this machine and kernel.
bool applies(const Rule& rule, uint64_t capabilities);

/// What a profile without architectures means: "SCMP_ARCH_X86_64" and those that it runs as well.
std::vector<std::string> native_architectures();

/// Numbers of system calls that libseccomp 2.5.4 does not know, -1 for the others. The same on all architectures but uretprobe.
int recent_syscall_number(std::string_view name);

}  // namespace proa::seccomp
