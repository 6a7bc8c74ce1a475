#include "seccomp/compile.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/pack.h"
#include "base/text.h"
#include "os/capability.h"
#include "os/fd.h"
#include "os/file.h"

namespace proa::seccomp {

namespace {
struct ReleaseContext {
    void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

constexpr struct {
    const char* name;
    int number;
} kRecent[] = {
    {"epoll_pwait2", 441},      {"mount_setattr", 442},     {"quotactl_fd", 443},       {"landlock_create_ruleset", 444}, {"landlock_add_rule", 445},
    {"landlock_restrict_self", 446}, {"memfd_secret", 447}, {"process_mrelease", 448},  {"futex_waitv", 449},             {"set_mempolicy_home_node", 450},
    {"cachestat", 451},         {"fchmodat2", 452},         {"map_shadow_stack", 453},  {"futex_wake", 454},              {"futex_wait", 455},
    {"futex_requeue", 456},     {"statmount", 457},         {"listmount", 458},         {"lsm_get_self_attr", 459},       {"lsm_set_self_attr", 460},
    {"lsm_list_modules", 461},  {"mseal", 462},             {"setxattrat", 463},        {"getxattrat", 464},              {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},    {"file_getattr", 468},      {"file_setattr", 469},
};

std::string_view go_architecture() {
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__riscv)
    return "riscv64";
#elif defined(__s390x__)
    return "s390x";
#elif defined(__powerpc64__)
    return "ppc64le";
#else
    return "";
#endif
}

Unexpected refuse(std::string text) { return fail(ErrorKind::InvalidArgument, "seccomp profile: " + std::move(text)); }

/// "4.8" against the running kernel's "6.1.0-13-amd64".
bool kernel_is_at_least(std::string_view wanted) {
    utsname name;
    if (::uname(&name) < 0) return false;
    auto numbers = [](std::string_view text) {
        std::pair<uint64_t, uint64_t> version{};
        auto parts = split(text, '.');
        version.first = parse_uint(parts[0]).value_or(0);
        if (parts.size() > 1) {
            std::string_view minor = parts[1];
            version.second = parse_uint(minor.substr(0, minor.find_first_not_of("0123456789"))).value_or(0);
        }
        return version;
    };
    return numbers(name.release) >= numbers(wanted);
}

bool has_capability(uint64_t capabilities, const std::string& name) {
    auto number = os::capability_number(name);
    return number && capabilities >> *number & 1;
}

}  // namespace

std::vector<std::string> native_architectures() {
#if defined(__x86_64__)
    return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
#elif defined(__aarch64__)
    return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
#elif defined(__s390x__)
    return {"SCMP_ARCH_S390X", "SCMP_ARCH_S390"};
#else
    return {};
#endif
}

bool applies(const Rule& rule, uint64_t capabilities) {
    auto on_this = [](const std::string& architecture) { return architecture == go_architecture(); };
    auto& in = rule.includes;
    auto& out = rule.excludes;
    if (!in.architectures.empty() && std::none_of(in.architectures.begin(), in.architectures.end(), on_this)) return false;
    if (std::any_of(out.architectures.begin(), out.architectures.end(), on_this)) return false;
    for (auto& name : in.capabilities)
        if (!has_capability(capabilities, name)) return false;
    for (auto& name : out.capabilities)
        if (has_capability(capabilities, name)) return false;
    if (!in.minimum_kernel.empty() && !kernel_is_at_least(in.minimum_kernel)) return false;
    return out.minimum_kernel.empty() || !kernel_is_at_least(out.minimum_kernel);
}

namespace {
Result<uint32_t> action_value(Action action, std::optional<uint32_t> number) {
    uint32_t code = number.value_or(EPERM) & 0xffff;
    switch (action) {
        case Action::KillThread: return SCMP_ACT_KILL_THREAD;
        case Action::KillProcess: return SCMP_ACT_KILL_PROCESS;
        case Action::Trap: return SCMP_ACT_TRAP;
        case Action::Errno: return SCMP_ACT_ERRNO(code);
        case Action::Trace: return SCMP_ACT_TRACE(code);
        case Action::Log: return SCMP_ACT_LOG;
        case Action::Allow: return SCMP_ACT_ALLOW;
        case Action::Notify: return SCMP_ACT_NOTIFY;
    }
    return refuse("unknown action");
}

scmp_compare comparison(Operator op) {
    switch (op) {
        case Operator::NotEqual: return SCMP_CMP_NE;
        case Operator::Less: return SCMP_CMP_LT;
        case Operator::LessEqual: return SCMP_CMP_LE;
        case Operator::Equal: return SCMP_CMP_EQ;
        case Operator::GreaterEqual: return SCMP_CMP_GE;
        case Operator::Greater: return SCMP_CMP_GT;
        case Operator::MaskedEqual: return SCMP_CMP_MASKED_EQ;
    }
    return SCMP_CMP_EQ;
}

/// A rule for a call that our libseccomp has no name for: decided by number, before its own code.
struct RecentRule {
    uint32_t number = 0, action = 0;
};

class Compiler {
public:
    Compiler(const Profile& profile, uint64_t capabilities) : profile_(profile), capabilities_(capabilities) {}

    Result<Filter> compile() {
        default_action_ = TRY(action_value(profile_.default_action, profile_.default_errno));
        Filter filter;
        filter.flags = TRY(flags());
        context_.reset(seccomp_init(default_action_));
        if (!context_) return refuse("the default action is unknown to this libseccomp");
        TRY(add_architectures());
        // Binary search over the numbers instead of a list: the common calls stand in the middle of a long profile.
        (void)seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
        (void)seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
        for (auto& rule : profile_.rules)
            if (applies(rule, capabilities_)) TRY(add_rule(rule));
        filter.bpf = prologue() + TRY(exported());
        return filter;
    }

private:
    const Profile& profile_;
    uint64_t capabilities_;
    uint32_t default_action_ = 0;
    Context context_;
    std::vector<uint32_t> architectures_;  ///< AUDIT_ARCH_* (SCMP_ARCH_X32 with its own value)
    std::vector<RecentRule> recent_;

    Result<uint32_t> flags() const {
        static constexpr std::pair<std::string_view, uint32_t> kFlags[] = {
            {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
            {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
            {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
            {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1u << 5},
        };
        uint32_t value = 0;
        for (auto& name : profile_.flags) {
            auto known = std::find_if(std::begin(kFlags), std::end(kFlags), [&](auto& flag) { return flag.first == name; });
            if (known == std::end(kFlags)) return refuse(concat("unknown flag ", quote(name)));
            value |= known->second;
        }
        return value;
    }

    Result<void> add_architectures() {
        auto names = profile_.architectures.empty() ? native_architectures() : profile_.architectures;
        architectures_.push_back(seccomp_arch_native());
        for (auto& name : names) {
            std::string lower = to_lower(trim_prefix(name, "SCMP_ARCH_"));
            uint32_t token = seccomp_arch_resolve_name(lower.c_str());
            if (token == 0) return refuse(concat("unknown architecture ", quote(name)));
            int done = seccomp_arch_add(context_.get(), token);
            if (done == -EEXIST) continue;
            if (done < 0) return refuse(concat("architecture ", name, " cannot be added: ", std::string_view(strerror(-done))));
            architectures_.push_back(token);
        }
        return {};
    }

    Result<void> add_rule(const Rule& rule) {
        uint32_t action = TRY(action_value(rule.action, rule.errno_value));
        if (action == default_action_) return {};
        for (auto& name : rule.names) {
            int number = seccomp_syscall_resolve_name(name.c_str());
            if (number != __NR_SCMP_ERROR) {
                TRY(add_known(number, name, action, rule.arguments));
                continue;
            }
            int recent = recent_syscall_number(name);
            if (recent < 0) continue;  // Spec: names that are not known are ignored
            if (!rule.arguments.empty()) return refuse(concat("conditions on ", name, " need a newer libseccomp"));
            recent_.push_back({static_cast<uint32_t>(recent), action});
        }
        return {};
    }

    Result<void> add_known(int number, const std::string& name, uint32_t action, const std::vector<Argument>& arguments) {
        std::vector<scmp_arg_cmp> comparisons;
        uint32_t used = 0;
        bool repeated = false;
        for (auto& argument : arguments) {
            scmp_arg_cmp compare{argument.index, comparison(argument.op), argument.value, argument.value_two};
            repeated |= used >> argument.index & 1;
            used |= 1u << argument.index;
            comparisons.push_back(compare);
        }
        // libseccomp compares an argument once a rule; several conditions on one mean "any of them", as runc reads it.
        if (repeated) {
            for (auto& compare : comparisons) TRY(add_one(number, name, action, 1, &compare));
            return {};
        }
        return add_one(number, name, action, static_cast<unsigned>(comparisons.size()), comparisons.data());
    }

    Result<void> add_one(int number, const std::string& name, uint32_t action, unsigned count, const scmp_arg_cmp* comparisons) {
        int done = seccomp_rule_add_array(context_.get(), action, number, count, comparisons);
        if (done == 0 || done == -EEXIST) return {};
        if (done == -EDOM || done == -EINVAL) {
            // Not on every architecture of the filter (socketcall): where it is missing it needs no rule.
            if (count == 0) return {};
        }
        return refuse(concat("rule for ", name, ": ", std::string_view(strerror(-done))));
    }

    Result<std::string> exported() const {
        os::Fd file = TRY(memory_file());
        int done = seccomp_export_bpf(context_.get(), file.get());
        if (done < 0) return refuse(concat("cannot be compiled: ", std::string_view(strerror(-done))));
        if (::lseek(file.get(), 0, SEEK_SET) < 0) return fail_errno("lseek");
        return os::read_to_end(file.get(), 1 << 20);
    }
    static Result<os::Fd> memory_file() {
        int fd = ::memfd_create("seccomp", MFD_CLOEXEC);
        if (fd < 0) return fail_errno("memfd_create");
        return os::Fd(fd);
    }

    /// Highest number that the profile's authors knew, per architecture: all that is newer is answered with ENOSYS.
    uint32_t newest_number(uint32_t architecture) const {
        int newest = 0;
        for (auto& rule : profile_.rules)
            for (auto& name : rule.names) {
                int number = seccomp_syscall_resolve_name_arch(architecture, name.c_str());
                if (number == __NR_SCMP_ERROR) number = recent_syscall_number(name);
                if (number < 0) continue;
                newest = std::max(newest, number & ~0x40000000);
            }
        return static_cast<uint32_t>(newest);
    }

    bool answers_unknown_calls() const {
        switch (profile_.default_action) {
            case Action::Errno: return profile_.default_errno.value_or(EPERM) != ENOSYS;
            case Action::KillThread:
            case Action::KillProcess:
            case Action::Trap: return true;
            default: return false;
        }
    }

    /// Code before libseccomp's: recent calls by number, then ENOSYS for what is newer than the profile. Falls through for the rest.
    std::string prologue() const {
        std::vector<sock_filter> code;
        auto emit = [&](uint16_t op, uint32_t k, uint8_t yes = 0, uint8_t no = 0) { code.push_back({op, yes, no, k}); };
        std::vector<size_t> to_end;
        auto jump_to_end = [&] {
            to_end.push_back(code.size());
            emit(BPF_JMP | BPF_JA, 0);
        };
        auto section = [&](uint32_t architecture, uint32_t bias) {
            uint32_t newest = newest_number(architecture) | bias;
            uint32_t lowest = newest + 1;
            for (auto& rule : recent_) lowest = std::min(lowest, rule.number | bias);
            emit(BPF_JMP | BPF_JGE | BPF_K, lowest, 1, 0);
            jump_to_end();
            for (auto& rule : recent_) {
                emit(BPF_JMP | BPF_JEQ | BPF_K, rule.number | bias, 0, 1);
                emit(BPF_RET | BPF_K, rule.action);
            }
            if (answers_unknown_calls()) {
                emit(BPF_JMP | BPF_JGT | BPF_K, newest, 0, 1);
                emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
            }
            jump_to_end();
        };
        bool x32 = std::find(architectures_.begin(), architectures_.end(), SCMP_ARCH_X32) != architectures_.end();
        for (uint32_t architecture : architectures_) {
            if (architecture == SCMP_ARCH_X32) continue;  // the kernel reports it as x86-64 with a bit in the number
            emit(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch));
            size_t other = code.size();
            emit(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0);
            emit(BPF_JMP | BPF_JA, 0);
            emit(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr));
            if (architecture == SCMP_ARCH_X86_64) {
                size_t wide = code.size();
                emit(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
                emit(BPF_JMP | BPF_JA, 0);
                section(architecture, 0);
                code[wide + 1].k = static_cast<uint32_t>(code.size() - (wide + 2));
                if (x32) section(SCMP_ARCH_X32, 0x40000000);
                else jump_to_end();
            } else {
                section(architecture, 0);
            }
            code[other + 1].k = static_cast<uint32_t>(code.size() - (other + 2));
        }
        for (size_t at : to_end) code[at].k = static_cast<uint32_t>(code.size() - at - 1);
        return std::string(reinterpret_cast<const char*>(code.data()), code.size() * sizeof(sock_filter));
    }
};
}  // namespace

int recent_syscall_number(std::string_view name) {
    for (auto& entry : kRecent)
        if (entry.name == name) return entry.number;
#if defined(__x86_64__)
    if (name == "uretprobe") return 335;
#endif
    return -1;
}

Result<Filter> compile(const Profile& profile, uint64_t capabilities) { return Compiler(profile, capabilities).compile(); }

namespace {
/// All that the result hangs on, as bytes.
std::string cache_key(const Profile& profile, uint64_t capabilities) {
    utsname name{};
    (void)::uname(&name);
    const scmp_version* library = seccomp_version();
    std::string key = concat("proa-seccomp 2\n", std::string_view(name.release), '\n', library->major, '.', library->minor, '.', library->micro, '\n', capabilities, '\n',
                             static_cast<int>(profile.default_action), ' ', profile.default_errno.value_or(9999), '\n');
    auto add = [&](const std::vector<std::string>& list) {
        for (auto& text : list) key += concat(text.size(), ':', text, ' ');
        key += '\n';
    };
    add(profile.architectures);
    add(profile.flags);
    for (auto& rule : profile.rules) {
        add(rule.names);
        key += concat(static_cast<int>(rule.action), ' ', rule.errno_value.value_or(9999), '\n');
        for (auto& argument : rule.arguments) key += concat(argument.index, ' ', argument.value, ' ', argument.value_two, ' ', static_cast<int>(argument.op), '\n');
        for (auto* condition : {&rule.includes, &rule.excludes}) {
            add(condition->capabilities);
            add(condition->architectures);
            key += condition->minimum_kernel + "\n";
        }
    }
    return key;
}

/// The file's name only; the file itself repeats the whole key.
std::string hash_of(std::string_view key) {
    uint64_t a = 0xcbf29ce484222325, b = 0x9e3779b97f4a7c15;
    for (unsigned char byte : key) {
        a = (a ^ byte) * 0x100000001b3;
        b = (b + byte) * 0xff51afd7ed558ccd;
        b ^= b >> 29;
    }
    std::string bytes(16, '\0');
    memcpy(bytes.data(), &a, 8);
    memcpy(bytes.data() + 8, &b, 8);
    return hex(bytes);
}

struct CacheFile {
    std::string key;
    Filter filter;
    template <class A>
    void visit(A& a) {
        a(key, filter);
    }
};
}  // namespace

Result<Filter> compile_cached(const Profile& profile, uint64_t capabilities, const std::string& directory) {
    CacheFile file;
    file.key = cache_key(profile, capabilities);
    std::string path = concat(directory, '/', hash_of(file.key), ".bpf");
    if (auto text = os::read_file(path, 1 << 22))
        if (auto found = unpack<CacheFile>(*text); found && found->key == file.key && found->filter.bpf.size() % sizeof(sock_filter) == 0)
            return std::move(found->filter);
    file.filter = TRY(compile(profile, capabilities));
    TRY(os::make_directories(directory, 0700));
    TRY(os::replace_file(path, pack(file), 0600, false));
    return std::move(file.filter);
}

}  // namespace proa::seccomp
