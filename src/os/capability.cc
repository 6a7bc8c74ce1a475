#include "os/capability.h"

#include "base/text.h"
#include "os/file.h"

namespace proa::os {

namespace {
constexpr std::string_view kNames[] = {
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
    "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
    "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
    "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
    "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE"};
}

std::optional<int> capability_number(std::string_view name) {
    std::string wanted = to_upper(name);
    if (!wanted.starts_with("CAP_")) wanted = "CAP_" + wanted;
    for (size_t i = 0; i < std::size(kNames); i++)
        if (kNames[i] == wanted) return static_cast<int>(i);
    return std::nullopt;
}

std::string_view capability_name(int number) {
    return number >= 0 && static_cast<size_t>(number) < std::size(kNames) ? kNames[number] : std::string_view();
}

uint64_t all_capabilities() {
    static const uint64_t kAll = [] {
        auto text = read_file("/proc/sys/kernel/cap_last_cap", 64);
        auto last = text ? parse_uint(trim(*text)) : std::nullopt;
        uint64_t highest = last && *last < 63 ? *last : std::size(kNames) - 1;
        return (uint64_t{2} << highest) - 1;
    }();
    return kAll;
}

}  // namespace proa::os
