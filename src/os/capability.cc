#include "os/capability.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <string>

#include "base/text.h"

namespace proa::os {

namespace {
constexpr std::string_view kNames[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
    "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
    "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};
}  // namespace

std::optional<int> capability_number(std::string_view name) {
    std::string upper = to_upper(name);
    if (!upper.starts_with("CAP_")) upper = "CAP_" + upper;
    for (size_t number = 0; number < std::size(kNames); number++)
        if (kNames[number] == upper) return static_cast<int>(number);
    return std::nullopt;
}

std::string_view capability_name(int number) {
    if (number < 0 || static_cast<size_t>(number) >= std::size(kNames)) return "";
    return kNames[number];
}

uint64_t all_capabilities() {
    static const uint64_t kKnown = [] {
        uint64_t known = 0;
        for (int number = 0; number < 64; number++) {
            int held = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
            if (held < 0) break;  // past the last one that the kernel knows
            if (held == 1) known |= 1ull << number;
        }
        return known;
    }();
    return kKnown;
}

Result<void> limit_bounding_set(uint64_t keep) {
    for (int number = 0; number < 64; number++) {
        int state = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (state < 0) break;
        if (state == 0 || keep >> number & 1) continue;
        if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0) return fail_errno("drop from the bounding set", capability_name(number));
    }
    return {};
}

Result<void> set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (int half = 0; half < 2; half++) {
        data[half].effective = static_cast<uint32_t>(effective >> (32 * half));
        data[half].permitted = static_cast<uint32_t>(permitted >> (32 * half));
        data[half].inheritable = static_cast<uint32_t>(inheritable >> (32 * half));
    }
    if (::syscall(SYS_capset, &header, data) < 0) return fail_errno("capset");
    return {};
}

Result<void> set_ambient_set(uint64_t ambient) {
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) {
        if (errno == EINVAL && ambient == 0) return {};  // before Linux 4.3 there are none
        return fail_errno("clear the ambient capabilities");
    }
    for (int number = 0; number < 64; number++)
        if (ambient >> number & 1 && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return fail_errno("raise the ambient capability", capability_name(number));
    return {};
}

Result<CapabilityState> read_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) < 0) return fail_errno("capget");
    auto join = [](uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; };
    return CapabilityState{join(data[0].effective, data[1].effective), join(data[0].permitted, data[1].permitted),
                           join(data[0].inheritable, data[1].inheritable)};
}

}  // namespace proa::os
