#include "schema/docker/filters.h"

#include <regex.h>

#include <algorithm>

#include "base/text.h"
#include "codec/json/value.h"

namespace proa::docker {

Result<Filters> Filters::parse(std::string_view text) {
    Filters filters;
    if (trim(text).empty()) return filters;
    auto value = json::parse(text);
    if (!value || !value->is_object()) {
        if (value && value->is_null()) return filters;
        return fail(ErrorKind::InvalidArgument, "invalid filter");
    }
    for (auto& member : value->as_object()) {
        auto& wanted = filters.values_[member.name];
        if (member.value.is_array()) {
            for (auto& item : member.value.as_array()) {
                if (item.is_bool() || item.is_number()) wanted.push_back(json::print(item));
                else if (item.is_string()) wanted.push_back(item.as_string());
                else return fail(ErrorKind::InvalidArgument, "invalid filter");
            }
        } else if (member.value.is_object()) {
            for (auto& item : member.value.as_object()) wanted.push_back(item.name);
        } else {
            return fail(ErrorKind::InvalidArgument, "invalid filter");
        }
    }
    return filters;
}

Result<void> Filters::check_names(std::initializer_list<std::string_view> known) const {
    for (auto& [name, values] : values_)
        if (std::find(known.begin(), known.end(), name) == known.end()) return fail(ErrorKind::InvalidArgument, concat("invalid filter '", name, "'"));
    return {};
}

const std::vector<std::string>& Filters::values(std::string_view name) const {
    static const std::vector<std::string> kNone;
    auto found = values_.find(name);
    return found == values_.end() ? kNone : found->second;
}

bool Filters::matches(std::string_view name, std::string_view text) const {
    auto& wanted = values(name);
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), text) != wanted.end();
}

Result<bool> Filters::boolean(std::string_view name, bool otherwise) const {
    auto& wanted = values(name);
    if (wanted.empty()) return otherwise;
    bool yes = false, no = false;
    for (auto& value : wanted) {
        if (value == "1" || value == "true") yes = true;
        else if (value == "0" || value == "false") no = true;
        else return fail(ErrorKind::InvalidArgument, concat("invalid filter '", name, "=[", join(wanted, " "), "]'"));
    }
    if (yes && no) return fail(ErrorKind::InvalidArgument, concat("invalid filter '", name, "=[", join(wanted, " "), "]'"));
    return yes;
}

bool Filters::matches_labels(const std::map<std::string, std::string>& labels) const {
    auto has_label = [&](std::string_view wanted) {
        auto parts = cut(wanted, "=");
        auto found = labels.find(std::string(parts ? parts->first : wanted));
        return found != labels.end() && (!parts || found->second == parts->second);
    };
    for (auto& wanted : values("label"))
        if (!has_label(wanted)) return false;
    for (auto& unwanted : values("label!"))
        if (has_label(unwanted)) return false;
    return true;
}

bool matches_expression(const std::string& expression, const std::string& text) {
    regex_t compiled;
    if (regcomp(&compiled, expression.c_str(), REG_EXTENDED | REG_NOSUB) != 0) return text == expression;
    bool found = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return found;
}

}  // namespace proa::docker
