#include "os/capability.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace proa::os {

namespace {
constexpr std::string_view kNames[kCapabilityNamesEnd] = {
    "CHOWN",           "DAC_OVERRIDE",    "DAC_READ_SEARCH", "FOWNER",        "FSETID",         "KILL",         "SETGID",
    "SETUID",          "SETPCAP",         "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN",   "NET_RAW",
    "IPC_LOCK",        "IPC_OWNER",       "SYS_MODULE",      "SYS_RAWIO",     "SYS_CHROOT",     "SYS_PTRACE",   "SYS_PACCT",
    "SYS_ADMIN",       "SYS_BOOT",        "SYS_NICE",        "SYS_RESOURCE",  "SYS_TIME",       "SYS_TTY_CONFIG", "MKNOD",
    "LEASE",           "AUDIT_WRITE",     "AUDIT_CONTROL",   "SETFCAP",       "MAC_OVERRIDE",   "MAC_ADMIN",    "SYSLOG",
    "WAKE_ALARM",      "BLOCK_SUSPEND",   "AUDIT_READ",      "PERFMON",       "BPF",            "CHECKPOINT_RESTORE",
};
}  // namespace

std::optional<int> capability_from_name(std::string_view name) {
    std::string upper = to_upper(name);
    std::string_view bare = trim_prefix(upper, "CAP_");
    for (int number = 0; number < kCapabilityNamesEnd; number++)
        if (kNames[number] == bare) return number;
    return std::nullopt;
}

std::string capability_name(int number) {
    if (number < 0 || number >= kCapabilityNamesEnd) return concat("CAP_", number);
    return concat("CAP_", kNames[number]);
}

uint64_t known_capabilities() {
    uint64_t known = 0;
    for (int number = 0; number < 64 && ::prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++) known |= 1ull << number;
    return known;
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
