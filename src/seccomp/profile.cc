#include "seccomp/profile.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "codec/json/value.h"

namespace proa::seccomp {

namespace {
constexpr std::pair<std::string_view, Action> kActions[] = {
    {"SCMP_ACT_KILL", Action::KillThread},   {"SCMP_ACT_KILL_THREAD", Action::KillThread}, {"SCMP_ACT_KILL_PROCESS", Action::KillProcess},
    {"SCMP_ACT_TRAP", Action::Trap},         {"SCMP_ACT_ERRNO", Action::Errno},            {"SCMP_ACT_TRACE", Action::Trace},
    {"SCMP_ACT_ALLOW", Action::Allow},       {"SCMP_ACT_LOG", Action::Log},                {"SCMP_ACT_NOTIFY", Action::Notify},
};
constexpr std::pair<std::string_view, Operator> kOperators[] = {
    {"SCMP_CMP_NE", Operator::NotEqual}, {"SCMP_CMP_LT", Operator::Less},         {"SCMP_CMP_LE", Operator::LessEqual},
    {"SCMP_CMP_EQ", Operator::Equal},    {"SCMP_CMP_GE", Operator::GreaterEqual}, {"SCMP_CMP_GT", Operator::Greater},
    {"SCMP_CMP_MASKED_EQ", Operator::MaskedEqual},
};

Unexpected refuse(std::string text) { return fail(ErrorKind::InvalidArgument, "Decoding seccomp profile failed: " + std::move(text)); }

Result<std::vector<std::string>> texts(const json::Value& value, std::string_view what) {
    std::vector<std::string> list;
    if (value.is_null()) return list;
    if (!value.is_array()) return refuse(concat(what, " must be a list"));
    for (auto& item : value.as_array()) {
        if (!item.is_string()) return refuse(concat(what, " must hold strings"));
        list.push_back(item.as_string());
    }
    return list;
}

Result<Action> read_action(const json::Value& value, std::string_view what) {
    auto action = action_from_name(value.as_string());
    if (!action) return refuse(concat(what, ": unknown action ", quote(value.as_string())));
    return *action;
}

Result<std::optional<uint32_t>> read_errno(const json::Value& value) {
    if (value.is_null()) return std::optional<uint32_t>();
    if (!value.is_integer() || value.as_int() < 0 || value.as_int() > 4095) return refuse("errnoRet must be a number from 0 to 4095");
    return std::optional(static_cast<uint32_t>(value.as_int()));
}

uint64_t natural(const json::Value& value) {
    if (auto* large = std::get_if<uint64_t>(&value.storage())) return *large;
    return static_cast<uint64_t>(value.as_int());
}

Result<Condition> read_condition(const json::Value& value) {
    Condition condition;
    condition.capabilities = TRY(texts(value["caps"], "caps"));
    condition.architectures = TRY(texts(value["arches"], "arches"));
    condition.minimum_kernel = value["minKernel"].as_string();
    return condition;
}

Result<Rule> read_rule(const json::Value& value) {
    Rule rule;
    rule.names = TRY(texts(value["names"], "names"));
    if (!value["name"].as_string().empty()) {
        if (!rule.names.empty()) return fail(ErrorKind::InvalidArgument, "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'");
        rule.names.push_back(value["name"].as_string());
    }
    if (rule.names.empty()) return refuse("a rule names no system call");
    rule.action = TRY(read_action(value["action"], "syscalls"));
    rule.errno_value = TRY(read_errno(value["errnoRet"]));
    for (auto& item : value["args"].as_array()) {
        Argument argument;
        auto op = operator_from_name(item["op"].as_string());
        if (!op) return refuse(concat("args: unknown operator ", quote(item["op"].as_string())));
        if (item["index"].as_int() < 0 || item["index"].as_int() > 5) return refuse("args: index must be 0 to 5");
        argument.index = static_cast<uint32_t>(item["index"].as_int());
        argument.value = natural(item["value"]);
        argument.value_two = natural(item["valueTwo"]);
        argument.op = *op;
        rule.arguments.push_back(argument);
    }
    rule.includes = TRY(read_condition(value["includes"]));
    rule.excludes = TRY(read_condition(value["excludes"]));
    return rule;
}

std::string_view native_architecture() {
#if defined(__x86_64__)
    return "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
    return "SCMP_ARCH_AARCH64";
#elif defined(__riscv)
    return "SCMP_ARCH_RISCV64";
#elif defined(__s390x__)
    return "SCMP_ARCH_S390X";
#else
    return "";
#endif
}
}  // namespace

std::optional<Action> action_from_name(std::string_view name) {
    for (auto& [known, action] : kActions)
        if (known == name) return action;
    return std::nullopt;
}

std::optional<Operator> operator_from_name(std::string_view name) {
    for (auto& [known, op] : kOperators)
        if (known == name) return op;
    return std::nullopt;
}

std::string_view action_name(Action action) {
    for (auto& [name, known] : kActions)
        if (known == action) return name;
    return "";
}

std::string_view operator_name(Operator op) {
    for (auto& [name, known] : kOperators)
        if (known == op) return name;
    return "";
}

Result<Profile> parse_profile(std::string_view text) {
    auto parsed = json::parse(text);
    if (!parsed) return refuse(parsed.error().message());
    const json::Value& value = *parsed;
    if (!value.is_object()) return refuse("a profile is an object");
    Profile profile;
    profile.default_action = TRY(read_action(value["defaultAction"], "defaultAction"));
    profile.default_errno = TRY(read_errno(value["defaultErrnoRet"]));
    profile.architectures = TRY(texts(value["architectures"], "architectures"));
    profile.flags = TRY(texts(value["flags"], "flags"));
    profile.listener_path = value["listenerPath"].as_string();
    profile.listener_metadata = value["listenerMetadata"].as_string();
    if (!value["archMap"].as_array().empty()) {
        if (!profile.architectures.empty())
            return fail(ErrorKind::InvalidArgument, "'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'");
        for (auto& entry : value["archMap"].as_array()) {
            if (entry["architecture"].as_string() != native_architecture()) continue;
            profile.architectures = TRY(texts(entry["subArchitectures"], "subArchitectures"));
            profile.architectures.insert(profile.architectures.begin(), entry["architecture"].as_string());
            break;
        }
    }
    for (auto& entry : value["syscalls"].as_array()) profile.rules.push_back(TRY(read_rule(entry)));
    return profile;
}

}  // namespace proa::seccomp
