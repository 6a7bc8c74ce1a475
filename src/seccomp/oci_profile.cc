#include "seccomp/oci_profile.h"

#include "seccomp/compile.h"

namespace proa::seccomp {

namespace {
json::Value rule_value(const Rule& rule) {
    json::Object value;
    value.set("names", json::Value::strings(rule.names));
    value.set("action", action_name(rule.action));
    if (rule.errno_value) value.set("errnoRet", *rule.errno_value);
    json::Array arguments;
    for (auto& argument : rule.arguments) {
        json::Object one{{"index", argument.index}, {"value", argument.value}};
        if (argument.op == Operator::MaskedEqual) one.set("valueTwo", argument.value_two);
        one.set("op", operator_name(argument.op));
        arguments.push_back(std::move(one));
    }
    if (!arguments.empty()) value.set("args", std::move(arguments));
    return value;
}
}  // namespace

json::Value oci_profile(const Profile& profile, uint64_t capabilities) {
    json::Object value;
    value.set("defaultAction", action_name(profile.default_action));
    if (profile.default_errno) value.set("defaultErrnoRet", *profile.default_errno);
    value.set("architectures", json::Value::strings(profile.architectures.empty() ? native_architectures() : profile.architectures));
    if (!profile.flags.empty()) value.set("flags", json::Value::strings(profile.flags));
    if (!profile.listener_path.empty()) value.set("listenerPath", profile.listener_path);
    if (!profile.listener_metadata.empty()) value.set("listenerMetadata", profile.listener_metadata);
    json::Array rules;
    for (auto& rule : profile.rules)
        if (applies(rule, capabilities)) rules.push_back(rule_value(rule));
    value.set("syscalls", std::move(rules));
    return value;
}

}  // namespace proa::seccomp
