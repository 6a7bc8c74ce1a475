#include "build/variables.h"

#include <algorithm>

#include "base/text.h"

namespace proa::build {

void set_variable(std::vector<std::string>& environment, const std::string& name, const std::string& value) {
    std::string prefix = name + "=";
    for (auto& entry : environment)
        if (entry.starts_with(prefix)) {
            entry = prefix + value;
            return;
        }
    environment.push_back(prefix + value);
}

std::optional<std::string> find_variable(const std::vector<std::string>& environment, std::string_view name) {
    for (auto& entry : environment)
        if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) return entry.substr(name.size() + 1);
    return std::nullopt;
}

bool is_proxy_argument(std::string_view name) {
    std::string upper = to_upper(name);
    if (name != upper && name != to_lower(name)) return false;
    return upper == "HTTP_PROXY" || upper == "HTTPS_PROXY" || upper == "FTP_PROXY" || upper == "NO_PROXY" || upper == "ALL_PROXY";
}

std::map<std::string, std::string> platform_arguments(const oci::Platform& target, const std::string& stage) {
    auto host = oci::Platform::host();
    return {{"TARGETPLATFORM", target.text()}, {"TARGETOS", target.os},        {"TARGETARCH", target.architecture}, {"TARGETVARIANT", target.variant},
            {"TARGETOSVERSION", target.os_version}, {"TARGETSTAGE", stage},    {"BUILDPLATFORM", host.text()},      {"BUILDOS", host.os},
            {"BUILDARCH", host.architecture},  {"BUILDVARIANT", host.variant}, {"BUILDOSVERSION", host.os_version}};
}

void Variables::declare_global(const std::string& name, const std::optional<std::string>& fallback) {
    auto given = given_.find(name);
    if (given != given_.end() && given->second) {
        used_.insert(name);
        globals_[name] = given->second;
    } else {
        globals_[name] = fallback;  // without a value it hides what is automatic
    }
}

void Variables::declare(const std::string& name, const std::optional<std::string>& fallback) {
    auto given = given_.find(name);
    if (given != given_.end()) used_.insert(name);
    if (given != given_.end() && given->second) {
        declared_[name] = given->second;
        return;
    }
    if (fallback) {
        declared_[name] = fallback;
        return;
    }
    auto global = globals_.find(name);
    if (global != globals_.end() && global->second) declared_[name] = global->second;
    else if (auto known = automatic_.find(name); known != automatic_.end()) declared_[name] = known->second;
    else declared_[name] = std::nullopt;
}

std::optional<std::string> Variables::global(std::string_view name) const {
    auto found = globals_.find(name);
    if (found != globals_.end()) return found->second;
    auto known = automatic_.find(std::string(name));
    if (known == automatic_.end()) return std::nullopt;
    auto given = given_.find(std::string(name));
    return given != given_.end() && given->second ? given->second : known->second;
}

std::optional<std::string> Variables::lookup(std::string_view name, const std::vector<std::string>& environment) const {
    if (auto value = find_variable(environment, name)) return value;
    auto found = declared_.find(name);
    if (found != declared_.end()) return found->second;
    return std::nullopt;
}

std::vector<std::string> Variables::for_run(const std::vector<std::string>& environment) const {
    std::vector<std::string> values;
    for (auto& [name, value] : declared_)
        if (value && !find_variable(environment, name)) values.push_back(concat(name, '=', *value));
    return values;
}

std::vector<std::string> Variables::proxies(const std::vector<std::string>& environment) const {
    std::vector<std::string> values;
    for (auto& [name, value] : given_)
        if (value && is_proxy_argument(name) && !declared_.contains(name) && !find_variable(environment, name)) values.push_back(concat(name, '=', *value));
    return values;
}

}  // namespace proa::build
