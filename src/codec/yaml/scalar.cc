#include "codec/yaml/scalar.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "base/time.h"

namespace proa::yaml {

namespace {
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Go's strconv.ParseInt with base 0: the prefix says the base.
std::optional<int64_t> parse_prefixed(std::string_view text) {
    bool negative = false;
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
        negative = text[0] == '-';
        text.remove_prefix(1);
    }
    int base = 10;
    if (text.size() > 1 && text[0] == '0') {
        char letter = static_cast<char>(text[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        text.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
    }
    if (text.empty() || !std::isxdigit(static_cast<unsigned char>(text[0]))) return std::nullopt;
    auto value = parse_uint(text, base);
    if (!value) return std::nullopt;
    if (negative) return *value <= uint64_t{1} << 63 ? std::optional<int64_t>(static_cast<int64_t>(-*value)) : std::nullopt;
    return *value <= static_cast<uint64_t>(INT64_MAX) ? std::optional<int64_t>(static_cast<int64_t>(*value)) : std::nullopt;
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_float(std::string_view text) {
    size_t at = 0;
    auto digits = [&] {
        size_t from = at;
        while (at < text.size() && is_digit(text[at])) ++at;
        return at > from;
    };
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (at < text.size() && text[at] == '.') {
        ++at;
        if (!digits()) return false;
    } else {
        if (!digits()) return false;
        if (at < text.size() && text[at] == '.') {
            ++at;
            digits();
        }
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        ++at;
        if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
        if (!digits()) return false;
    }
    return at == text.size() && at > 0;
}

std::optional<double> parse_float(std::string_view text) {
    if (!looks_like_float(text)) return std::nullopt;
    if (text[0] == '+') text.remove_prefix(1);
    double value = 0;
    auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

/// One to two digits, or four; advances.
std::optional<int> number_of(std::string_view& text, size_t most) {
    size_t length = 0;
    while (length < most && length < text.size() && is_digit(text[length])) ++length;
    if (length == 0) return std::nullopt;
    int value = static_cast<int>(*parse_int(text.substr(0, length)));
    text.remove_prefix(length);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
}

std::string two(int value) { return concat(value < 10 ? "0" : "", value); }

/// "2024-1-2", with a time behind 'T', 't' or one blank; as Go's time.Time prints itself. nullopt for anything else.
std::optional<std::string> parse_date(std::string_view text) {
    if (text.size() < 8 || !is_digit(text[0]) || !is_digit(text[1]) || !is_digit(text[2]) || !is_digit(text[3]) || text[4] != '-') return std::nullopt;
    int year = *number_of(text, 4);
    text.remove_prefix(1);
    auto month = number_of(text, 2);
    if (!month || *month < 1 || *month > 12 || !take(text, '-')) return std::nullopt;
    auto day = number_of(text, 2);
    static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (!day || *day < 1 || *day > kDays[*month - 1] + (*month == 2 && leap ? 1 : 0)) return std::nullopt;
    std::string date = concat(year, '-', two(*month), '-', two(*day), ' ');
    while (date.find('-') < 4) date.insert(0, "0");
    if (text.empty()) return date + "00:00:00 +0000 UTC";
    bool zoned = text[0] == 'T' || text[0] == 't';
    if (!zoned && text[0] != ' ') return std::nullopt;
    text.remove_prefix(1);
    auto hour = number_of(text, 2);
    if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
    auto minute = number_of(text, 2);
    if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
    auto second = number_of(text, 2);
    if (!second || *second > 59) return std::nullopt;
    std::string fraction;
    if (take(text, '.')) {
        while (!text.empty() && is_digit(text[0])) {
            fraction.push_back(text[0]);
            text.remove_prefix(1);
        }
        if (fraction.empty() || fraction.size() > 9) return std::nullopt;
        while (!fraction.empty() && fraction.back() == '0') fraction.pop_back();
    }
    std::string clock = concat(two(*hour), ':', two(*minute), ':', two(*second), fraction.empty() ? "" : ".", fraction);
    if (!zoned) return text.empty() ? std::optional(concat(date, clock, " +0000 UTC")) : std::nullopt;
    if (text == "Z") return concat(date, clock, " +0000 UTC");
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
    for (size_t i : {1, 2, 4, 5})
        if (!is_digit(text[i])) return std::nullopt;
    std::string offset = concat(text.substr(0, 3), text.substr(4));
    return concat(date, clock, ' ', offset, ' ', offset == "+0000" ? "UTC" : offset);
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    for (auto word : words)
        if (text == word) return true;
    return false;
}
}  // namespace

Node resolve_plain(std::string_view text, Mark mark) {
    auto with_text = [&](Node node) {
        node.text = text;
        return node;
    };
    Node null;
    null.mark = mark;
    if (is_one_of(text, {"", "~", "null", "Null", "NULL"})) return with_text(null);
    if (is_one_of(text, {"true", "True", "TRUE"})) return with_text(Node::of_bool(true, mark));
    if (is_one_of(text, {"false", "False", "FALSE"})) return with_text(Node::of_bool(false, mark));
    if (is_one_of(text, {".nan", ".NaN", ".NAN"})) return with_text(Node::of_float(std::nan(""), mark));
    if (is_one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"})) return with_text(Node::of_float(std::numeric_limits<double>::infinity(), mark));
    if (is_one_of(text, {"-.inf", "-.Inf", "-.INF"})) return with_text(Node::of_float(-std::numeric_limits<double>::infinity(), mark));
    char first = text[0];
    if (!is_digit(first) && first != '-' && first != '+' && first != '.') return Node::of_text(std::string(text), mark);
    if (auto date = parse_date(text)) return Node::of_text(*date, mark);
    std::string digits = replace_all(text, "_", "");
    if (first != '.') {
        if (auto value = parse_prefixed(digits)) return with_text(Node::of_integer(*value, mark));
    }
    if (parse_uint(digits)) return Node::of_text(digits, mark);  // above 64 bits with a sign: only its digits are of use
    if (auto value = parse_float(digits)) return with_text(Node::of_float(*value, mark));
    return Node::of_text(std::string(text), mark);
}

bool needs_quotes(std::string_view text) {
    if (is_one_of(text, {"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"})) return true;
    Node node = resolve_plain(text, {});
    if (!node.is_text() || node.text != text || parse_uint(text)) return true;
    // Numbers of base 60, as YAML 1.1 knew them: [-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?
    size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    if (at >= text.size() || !is_digit(text[at])) return false;
    while (at < text.size() && (is_digit(text[at]) || text[at] == '_')) ++at;
    int groups = 0;
    while (at < text.size() && text[at] == ':') {
        size_t from = ++at;
        while (at < text.size() && is_digit(text[at])) ++at;
        size_t length = at - from;
        if (length == 0 || length > 2 || (length == 2 && text[from] > '5')) return false;
        ++groups;
    }
    if (groups == 0) return false;
    if (at < text.size() && text[at] == '.') {
        ++at;
        while (at < text.size() && (is_digit(text[at]) || text[at] == '_')) ++at;
    }
    return at == text.size();
}

}  // namespace proa::yaml
