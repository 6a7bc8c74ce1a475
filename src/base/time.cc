#include "base/time.h"

#include <ctime>

#include "base/text.h"

namespace proa {

namespace {
/// Days since 1970-01-01 of a civil date (proleptic Gregorian).
int64_t days_from_civil(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

std::string padded(int64_t value, int width) {
    std::string digits = concat(value);
    return std::string(static_cast<size_t>(std::max<int64_t>(0, width - static_cast<int64_t>(digits.size()))), '0') + digits;
}

std::string date_and_time(int64_t seconds) {
    int64_t days = seconds >= 0 ? seconds / 86400 : -((86399 - seconds) / 86400);
    int64_t rest = seconds - days * 86400;
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    int64_t month = shifted_month + (shifted_month < 10 ? 3 : -9);
    int64_t year = year_of_era + era * 400 + (month <= 2);
    return concat(padded(year, 4), '-', padded(month, 2), '-', padded(day, 2), 'T', padded(rest / 3600, 2), ':',
                  padded(rest / 60 % 60, 2), ':', padded(rest % 60, 2));
}

/// Reads exactly `width` digits at the front of `text`; -1 when they are not there.
int take_digits(std::string_view& text, size_t width) {
    if (text.size() < width) return -1;
    int value = 0;
    for (char c : text.substr(0, width)) {
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(width);
    return value;
}

bool take_char(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

/// Digits after a decimal point as nanoseconds; more than nine are cut.
std::optional<int32_t> take_fraction(std::string_view& text) {
    int32_t value = 0;
    size_t count = 0;
    for (; count < text.size() && text[count] >= '0' && text[count] <= '9'; count++)
        if (count < 9) value = value * 10 + (text[count] - '0');
    if (count == 0) return std::nullopt;
    text.remove_prefix(count);
    for (; count < 9; count++) value *= 10;
    return value;
}
}  // namespace

Time Time::from_unix_nano(int64_t nano) {
    int64_t seconds = nano / 1000000000;
    int64_t rest = nano % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    return Time{seconds, static_cast<int32_t>(rest)};
}

Time now() {
    timespec ts{};
    clock_gettime(CLOCK_REALTIME, &ts);
    return Time{ts.tv_sec, static_cast<int32_t>(ts.tv_nsec)};
}

int64_t monotonic_nanoseconds() {
    timespec ts{};
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

std::string rfc3339_nano(Time time) {
    std::string out = date_and_time(time.seconds);
    if (time.nanoseconds != 0) {
        std::string fraction = padded(time.nanoseconds, 9);
        while (fraction.back() == '0') fraction.pop_back();
        out += "." + fraction;
    }
    return out + "Z";
}

std::string rfc3339_nano_fixed(Time time) {
    return concat(date_and_time(time.seconds), '.', padded(time.nanoseconds, 9), 'Z');
}

std::optional<Time> parse_rfc3339(std::string_view text) {
    int year = take_digits(text, 4);
    if (year < 0 || !take_char(text, '-')) return std::nullopt;
    int month = take_digits(text, 2);
    if (month < 1 || month > 12 || !take_char(text, '-')) return std::nullopt;
    int day = take_digits(text, 2);
    if (day < 1 || day > 31) return std::nullopt;
    if (!take_char(text, 'T') && !take_char(text, 't')) return std::nullopt;
    int hour = take_digits(text, 2);
    if (hour < 0 || hour > 23 || !take_char(text, ':')) return std::nullopt;
    int minute = take_digits(text, 2);
    if (minute < 0 || minute > 59 || !take_char(text, ':')) return std::nullopt;
    int second = take_digits(text, 2);
    if (second < 0 || second > 60) return std::nullopt;
    Time time{days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second, 0};
    if (take_char(text, '.')) {
        auto fraction = take_fraction(text);
        if (!fraction) return std::nullopt;
        time.nanoseconds = *fraction;
    }
    if (text == "Z" || text == "z") return time;
    int sign = take_char(text, '+') ? 1 : take_char(text, '-') ? -1 : 0;
    if (sign == 0) return std::nullopt;
    int offset_hours = take_digits(text, 2);
    if (offset_hours < 0 || !take_char(text, ':')) return std::nullopt;
    int offset_minutes = take_digits(text, 2);
    if (offset_minutes < 0 || !text.empty()) return std::nullopt;
    time.seconds -= sign * (offset_hours * 3600 + offset_minutes * 60);
    return time;
}

std::optional<Time> parse_unix_timestamp(std::string_view text) {
    auto parts = cut(text, ".");
    auto seconds = parse_int(parts ? parts->first : text);
    if (!seconds) return std::nullopt;
    Time time{*seconds, 0};
    if (parts) {
        std::string_view fraction = parts->second;
        auto nano = take_fraction(fraction);
        if (!nano || !fraction.empty()) return std::nullopt;
        time.nanoseconds = *nano;
    }
    return time;
}

std::optional<int64_t> parse_duration(std::string_view text) {
    bool negative = take_char(text, '-');
    if (!negative) take_char(text, '+');
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    double total = 0;
    while (!text.empty()) {
        size_t length = 0;
        while (length < text.size() && (text[length] == '.' || (text[length] >= '0' && text[length] <= '9'))) length++;
        if (length == 0 || text.substr(0, length) == ".") return std::nullopt;
        std::string number(text.substr(0, length));
        char* end = nullptr;
        double value = strtod(number.c_str(), &end);
        if (*end != '\0') return std::nullopt;
        text.remove_prefix(length);
        size_t unit_length = 0;
        while (unit_length < text.size() && text[unit_length] != '.' && !(text[unit_length] >= '0' && text[unit_length] <= '9'))
            unit_length++;
        std::string_view unit = text.substr(0, unit_length);
        double scale = unit == "ns"                                               ? 1
                       : unit == "us" || unit == "\u00b5s" || unit == "\u03bcs" ? 1e3
                       : unit == "ms"                                             ? 1e6
                       : unit == "s"                                              ? 1e9
                       : unit == "m"                                              ? 60e9
                       : unit == "h"                                              ? 3600e9
                                                                                  : 0;
        if (scale == 0) return std::nullopt;
        total += value * scale;
        text.remove_prefix(unit_length);
    }
    if (total > 9.2e18) return std::nullopt;
    auto nanoseconds = static_cast<int64_t>(total + 0.5);
    return negative ? -nanoseconds : nanoseconds;
}

std::string duration_text(int64_t nanoseconds) {
    if (nanoseconds == 0) return "0s";
    std::string out = nanoseconds < 0 ? "-" : "";
    uint64_t rest = nanoseconds < 0 ? -static_cast<uint64_t>(nanoseconds) : static_cast<uint64_t>(nanoseconds);
    auto decimal = [](uint64_t value, uint64_t unit) {
        std::string text = concat(value / unit);
        if (value % unit != 0) {
            std::string fraction = concat(value % unit);
            fraction.insert(0, concat(unit).size() - 1 - fraction.size(), '0');
            while (fraction.back() == '0') fraction.pop_back();
            text += "." + fraction;
        }
        return text;
    };
    if (rest < 1000) return out + concat(rest, "ns");
    if (rest < 1000000) return out + decimal(rest, 1000) + "\u00b5s";
    if (rest < 1000000000) return out + decimal(rest, 1000000) + "ms";
    uint64_t minutes = rest / 60000000000;
    if (minutes >= 60) out += concat(minutes / 60, "h");
    if (minutes > 0) out += concat(minutes % 60, "m");
    return out + decimal(rest % 60000000000, 1000000000) + "s";
}

std::string human_duration(int64_t nanoseconds) {
    int64_t seconds = nanoseconds / 1000000000;
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return concat(seconds, " seconds");
    int64_t minutes = seconds / 60;
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return concat(minutes, " minutes");
    int64_t hours = (seconds + 1800) / 3600;
    if (hours == 1) return "About an hour";
    if (hours < 48) return concat(hours, " hours");
    if (hours < 24 * 7 * 2) return concat(hours / 24, " days");
    if (hours < 24 * 30 * 2) return concat(hours / 24 / 7, " weeks");
    if (hours < 24 * 365 * 2) return concat(hours / 24 / 30, " months");
    return concat(seconds / (86400 * 365), " years");
}

}  // namespace proa
