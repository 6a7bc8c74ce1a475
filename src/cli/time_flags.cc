#include "cli/time_flags.h"

#include <ctime>

#include "base/text.h"
#include "base/time.h"

namespace proa::cli {

namespace {
std::string unix_text(Time time) {
    std::string fraction = concat(time.nanoseconds);
    return concat(time.seconds, '.', std::string(9 - fraction.size(), '0'), fraction);
}

/// Dates without an offset are local time.
std::optional<Time> parse_local(const std::string& text) {
    static constexpr const char* kForms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d"};
    std::string whole = text;
    int32_t nanoseconds = 0;
    if (size_t dot = whole.find('.'); dot != std::string::npos) {
        std::string digits = (whole.substr(dot + 1) + "000000000").substr(0, 9);
        auto value = parse_uint(digits);
        if (!value) return std::nullopt;
        nanoseconds = static_cast<int32_t>(*value);
        whole.resize(dot);
    }
    for (auto form : kForms) {
        tm parts{};
        const char* end = ::strptime(whole.c_str(), form, &parts);
        if (!end || *end) continue;
        parts.tm_isdst = -1;
        return Time{::mktime(&parts), nanoseconds};
    }
    return std::nullopt;
}
}  // namespace

Result<std::string> api_time(std::string_view text) {
    if (text.empty()) return std::string();
    if (auto duration = parse_duration(text)) return unix_text(Time::from_unix_nano(now().unix_nano() - *duration));
    if (parse_unix_timestamp(text)) return std::string(text);
    if (auto time = parse_rfc3339(text)) return unix_text(*time);
    std::string copy(text);
    if (copy.ends_with('Z')) {  // shorter forms in UTC
        copy.pop_back();
        for (auto tail : {"", ":00", ":00:00", "T00:00:00"})
            if (auto time = parse_rfc3339(copy + tail + "Z")) return unix_text(*time);
    }
    if (auto time = parse_local(copy)) return unix_text(*time);
    return fail(ErrorKind::InvalidArgument, concat("failed to parse value as time or duration: ", quote(text)));
}

}  // namespace proa::cli
