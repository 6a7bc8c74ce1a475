#include "cli/flags.h"

#include <cstdlib>

#include "base/text.h"
#include "base/time.h"
#include "os/ip_address.h"

namespace proa::cli {

namespace {
bool is_list(FlagType type) { return type >= FlagType::List; }

std::string_view type_label(FlagType type) {
    switch (type) {
        case FlagType::Bool: return "";
        case FlagType::String: return "string";
        case FlagType::Int:
        case FlagType::Int64: return "int";
        case FlagType::Uint16: return "uint16";
        case FlagType::Uint64: return "uint";
        case FlagType::Bytes:
        case FlagType::SignedBytes: return "bytes";
        case FlagType::Duration: return "duration";
        case FlagType::Decimal: return "decimal";
        case FlagType::Ip: return "string";
        case FlagType::List:
        case FlagType::WeightDevice:
        case FlagType::ThrottleBps:
        case FlagType::ThrottleIops: return "list";
        case FlagType::StringSlice: return "strings";
        case FlagType::IpSlice: return "strings";
        case FlagType::IpNetSlice: return "strings";
        case FlagType::Map: return "map";
        case FlagType::StringToString: return "stringToString";
        case FlagType::Filter: return "filter";
        case FlagType::Ulimit: return "ulimit";
        case FlagType::Mount: return "mount";
        case FlagType::Network: return "network";
        case FlagType::GpuRequest: return "gpu-request";
    }
    return "";
}

Unexpected number_error(std::string_view function, std::string_view text, bool range) {
    return fail(ErrorKind::InvalidArgument, concat("strconv.", function, ": parsing ", quote(text), ": ", range ? "value out of range" : "invalid syntax"));
}

bool all_digits(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (text.empty()) return false;
    for (char c : text)
        if (c < '0' || c > '9') return false;
    return true;
}

/// Go's strconv.ParseInt(text, 0, 64): an optional sign, 0x 0o 0b and 0 prefixes.
Result<int64_t> parse_go_int(std::string_view text, int64_t low, int64_t high) {
    std::string_view digits = text;
    bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) digits.remove_prefix(1);
    int base = 10;
    if (digits.size() > 1 && digits[0] == '0') {
        char kind = static_cast<char>(digits[1] | 0x20);
        base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
        digits.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
    }
    auto magnitude = parse_uint(digits, base);
    if (!magnitude) return number_error("ParseInt", text, base == 10 && all_digits(text));
    uint64_t limit = negative ? static_cast<uint64_t>(-(low + 1)) + 1 : static_cast<uint64_t>(high);
    if (*magnitude > limit) return number_error("ParseInt", text, true);
    return negative ? -static_cast<int64_t>(*magnitude - 1) - 1 : static_cast<int64_t>(*magnitude);
}

Result<std::string> check_uint(std::string_view text, uint64_t high) {
    auto value = parse_uint(text);
    if (!value && !all_digits(text)) return number_error("ParseUint", text, false);
    if (!value || *value > high) return number_error("ParseUint", text, true);
    return concat(*value);
}

/// docker's opts.ParseCPUs, a rational number; kept as text.
Result<std::string> check_decimal(std::string_view text) {
    std::string copy(text);
    char* end = nullptr;
    double value = strtod(copy.c_str(), &end);
    if (copy.empty() || *end != '\0') return fail(ErrorKind::InvalidArgument, concat("failed to parse ", text, " as a rational number"));
    double nano = value * 1e9;
    if (nano != static_cast<double>(static_cast<int64_t>(nano + (nano < 0 ? -0.5 : 0.5))) && copy.size() - copy.find('.') > 10)
        return fail(ErrorKind::InvalidArgument, "value is too precise");
    return concat(static_cast<int64_t>(nano + (nano < 0 ? -0.5 : 0.5)));
}

Result<std::string> check_ulimit(std::string_view text) {
    static constexpr std::string_view kNames[] = {"core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
                                                  "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack"};
    auto invalid = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    auto parts = cut(text, "=");
    if (!parts || parts->second.empty()) return invalid(concat("invalid ulimit argument: ", text));
    bool known = false;
    for (auto name : kNames) known |= name == parts->first;
    if (!known) return invalid(concat("invalid ulimit type: ", parts->first));
    std::string_view soft_text = parts->second, hard_text;
    if (auto both = cut(soft_text, ":")) {
        soft_text = both->first;
        hard_text = both->second;
        if (hard_text.find(':') != hard_text.npos)
            return invalid("too many limit value arguments - " + std::string(parts->second) + ", can only have up to two, `soft[:hard]`");
    }
    int64_t soft = TRY(parse_go_int(soft_text, INT64_MIN, INT64_MAX));
    if (!hard_text.empty()) {
        int64_t hard = TRY(parse_go_int(hard_text, INT64_MIN, INT64_MAX));
        if (hard != -1 && soft > hard) return invalid(concat("ulimit soft limit must be less than or equal to hard limit: ", soft, " > ", hard));
        return concat(parts->first, '=', soft, ':', hard);
    }
    return concat(parts->first, '=', soft, ':', soft);
}

Result<std::string> check_device_rate(std::string_view text, bool bytes) {
    auto invalid = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    auto parts = cut(text, ":");
    if (!parts || parts->first.empty()) return invalid(concat("bad format: ", text));
    if (!parts->first.starts_with("/dev/")) return invalid(concat("bad format for device path: ", text));
    std::string form =
        bytes ? ". The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
              : ". The correct format is <device-path>:<number>. Number must be a positive integer";
    if (bytes) {
        auto rate = parse_bytes(parts->second);
        if (!rate || *rate < 0) return invalid(concat("invalid rate for device: ", text, form));
        return concat(parts->first, ':', *rate);
    }
    auto rate = parse_uint(parts->second);
    if (!rate) return invalid(concat("invalid rate for device: ", text, form));
    return concat(parts->first, ':', *rate);
}

Result<std::string> check_weight_device(std::string_view text) {
    auto invalid = [](std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); };
    auto parts = cut(text, ":");
    if (!parts || parts->first.empty()) return invalid(concat("bad format: ", text));
    if (!parts->first.starts_with("/dev/")) return invalid(concat("bad format for device path: ", text));
    auto weight = parse_uint(parts->second);
    if (!weight || (*weight > 0 && (*weight < 10 || *weight > 1000))) return invalid(concat("invalid weight for device: ", text));
    return std::string(text);
}

Result<std::string> check_filter(std::string_view text) {
    if (text.empty()) return std::string();
    auto parts = cut(text, "=");
    if (!parts) return fail(ErrorKind::InvalidArgument, "bad format of filter (expected name=value)");
    return concat(to_lower(trim(parts->first)), '=', trim(parts->second));
}

Result<std::string> normalise(const Flag& flag, std::string_view value) {
    switch (flag.type) {
        case FlagType::Bool: {
            auto on = parse_bool(value);
            if (!on) return number_error("ParseBool", value, false);
            return std::string(*on ? "true" : "false");
        }
        case FlagType::Int:
        case FlagType::Int64: return concat(TRY(parse_go_int(value, INT64_MIN, INT64_MAX)));
        case FlagType::Uint16: return check_uint(value, 65535);
        case FlagType::Uint64: return check_uint(value, UINT64_MAX);
        case FlagType::Bytes: return concat(TRY(parse_bytes(value)));
        case FlagType::SignedBytes:
            if (value == "-1") return std::string(value);
            return concat(TRY(parse_bytes(value)));
        case FlagType::Duration: {
            auto nanoseconds = parse_duration(value);
            if (!nanoseconds) return fail(ErrorKind::InvalidArgument, concat("time: invalid duration ", quote(value)));
            return concat(*nanoseconds);
        }
        case FlagType::Decimal: return check_decimal(value);
        case FlagType::Ulimit: return check_ulimit(value);
        case FlagType::Filter: return check_filter(value);
        case FlagType::WeightDevice: return check_weight_device(value);
        case FlagType::ThrottleBps: return check_device_rate(value, true);
        case FlagType::ThrottleIops: return check_device_rate(value, false);
        case FlagType::IpSlice:
            if (!os::IpAddress::parse(trim(value))) return fail(ErrorKind::InvalidArgument, concat("invalid string being converted to IP address: ", value));
            return std::string(trim(value));
        case FlagType::StringToString:
            if (value.find('=') == value.npos) return fail(ErrorKind::InvalidArgument, concat(value, " must be formatted as key=value"));
            return std::string(value);
        case FlagType::IpNetSlice:
            if (!os::IpPrefix::parse(trim(value))) return fail(ErrorKind::InvalidArgument, concat("invalid string being converted to CIDR: ", value));
            return std::string(trim(value));
        default: return std::string(value);
    }
}
}  // namespace

const Flag* FlagSet::find(std::string_view name, size_t* index) const {
    for (size_t i = 0; i < table_.size(); i++) {
        if (name != table_[i].name) continue;
        if (index) *index = i;
        return &table_[i];
    }
    return nullptr;
}

const Flag* FlagSet::find_short(char shorthand) const {
    for (auto& flag : table_)
        if (flag.shorthand == shorthand) return &flag;
    return nullptr;
}

Result<void> FlagSet::set(const Flag& given, std::string_view text) {
    const Flag& flag = given.alias_of ? *find(given.alias_of) : given;
    auto wrap = [&](Error error) {
        std::string shown = given.shorthand ? concat('-', given.shorthand, ", --", given.name) : concat("--", given.name);
        return fail(ErrorKind::InvalidArgument, concat("invalid argument ", quote(text), " for ", '"', shown, '"', " flag: ", error.message()));
    };
    size_t index = 0;
    find(flag.name, &index);
    Value& value = values_[index];
    std::vector<std::string> pieces{std::string(text)};
    if (flag.type == FlagType::StringSlice || flag.type == FlagType::StringToString || flag.type == FlagType::IpSlice || flag.type == FlagType::IpNetSlice) {
        auto fields = text.empty() ? std::vector<std::string>{} : split_csv(text);
        if (!fields) return wrap(fields.error());
        pieces = std::move(*fields);
    }
    if (!is_list(flag.type)) value.items.clear();
    for (auto& piece : pieces) {
        auto normal = normalise(flag, piece);
        if (normal && flag.check) normal = flag.check(*normal);
        if (!normal) return wrap(normal.error());
        if (flag.type == FlagType::Filter && normal->empty()) continue;
        value.items.push_back(std::move(*normal));
    }
    value.changed = true;
    if (given.deprecation) notices_.push_back(concat("Flag --", given.name, " has been deprecated, ", given.deprecation));
    return {};
}

Result<void> FlagSet::parse_long(std::string_view text, std::span<const std::string>& rest) {
    std::string_view name = text.substr(2);
    if (name.empty() || name[0] == '-' || name[0] == '=') return fail(ErrorKind::InvalidArgument, concat("bad flag syntax: ", text));
    auto assigned = cut(name, "=");
    if (assigned) name = assigned->first;
    const Flag* flag = find(name);
    if (!flag) {
        if (name == "help") {
            help_ = !assigned || parse_bool(assigned->second).value_or(true);
            return {};
        }
        return fail(ErrorKind::InvalidArgument, concat("unknown flag: --", name));
    }
    if (assigned) return set(*flag, assigned->second);
    if (flag->type == FlagType::Bool) return set(*flag, "true");
    if (rest.empty()) return fail(ErrorKind::InvalidArgument, concat("flag needs an argument: --", name));
    std::string_view value = rest[0];
    rest = rest.subspan(1);
    return set(*flag, value);
}

Result<void> FlagSet::parse_shorts(std::string_view text, std::span<const std::string>& rest) {
    std::string_view letters = text.substr(1);
    while (!letters.empty()) {
        const Flag* flag = find_short(letters[0]);
        if (!flag) {
            if (letters[0] == 'h') {
                help_ = true;
                notices_.push_back("Flag shorthand -h has been deprecated, use --help");
                letters.remove_prefix(1);
                continue;
            }
            return fail(ErrorKind::InvalidArgument, concat("unknown shorthand flag: ", '\'', letters[0], "' in -", letters));
        }
        std::string_view after = letters.substr(1);
        if (after.size() > 1 && after[0] == '=') return set(*flag, after.substr(1));
        if (flag->type == FlagType::Bool) {
            TRY(set(*flag, "true"));
            letters = after;
            continue;
        }
        if (!after.empty()) return set(*flag, after);
        if (rest.empty()) return fail(ErrorKind::InvalidArgument, concat("flag needs an argument: ", '\'', letters[0], "' in -", letters));
        std::string_view value = rest[0];
        rest = rest.subspan(1);
        return set(*flag, value);
    }
    return {};
}

Result<void> FlagSet::parse(std::span<const std::string> rest, bool interspersed) {
    while (!rest.empty()) {
        const std::string& text = rest[0];
        rest = rest.subspan(1);
        if (text.size() < 2 || text[0] != '-') {
            arguments_.push_back(text);
            if (interspersed) continue;
            arguments_.insert(arguments_.end(), rest.begin(), rest.end());
            return {};
        }
        if (text == "--") {
            arguments_.insert(arguments_.end(), rest.begin(), rest.end());
            return {};
        }
        if (text[1] == '-') TRY(parse_long(text, rest));
        else TRY(parse_shorts(text, rest));
        if (help_) return {};
    }
    return {};
}

bool FlagSet::has(std::string_view name) const { return find(name) != nullptr; }

const FlagSet::Value& FlagSet::value(std::string_view name) const {
    static const Value kNone;
    size_t index = 0;
    return find(name, &index) ? values_[index] : kNone;
}

bool FlagSet::changed(std::string_view name) const { return value(name).changed; }
bool FlagSet::is(std::string_view name) const { return text(name) == "true"; }

std::string FlagSet::text(std::string_view name) const {
    auto& items = value(name).items;
    if (!items.empty()) return items.back();
    const Flag* flag = find(name);
    return flag ? flag->initial : "";
}

int64_t FlagSet::integer(std::string_view name) const { return parse_int(text(name)).value_or(0); }
const std::vector<std::string>& FlagSet::list(std::string_view name) const { return value(name).items; }

namespace {
std::string spaces(size_t count) { return std::string(count, ' '); }

/// pflag's wrapN: cuts about `width` characters off `text`, a little more when that avoids a short last line.
std::string take_line(std::string_view& text, size_t width, size_t slop) {
    std::string_view line = text;
    if (width + slop > text.size()) {
        text = {};
        return std::string(line);
    }
    size_t blank = text.substr(0, width).find_last_of(" \t\n");
    if (blank == text.npos || blank == 0) {
        text = {};
        return std::string(line);
    }
    size_t newline = text.substr(0, width).rfind('\n');
    if (newline != text.npos && newline > 0 && newline < blank) blank = newline;
    line = text.substr(0, blank);
    text.remove_prefix(blank + 1);
    return std::string(line);
}

std::string wrapped(size_t indent, size_t columns, std::string_view text) {
    constexpr size_t kNarrow = 24, kSlop = 5;
    std::string out;
    size_t width = columns > indent ? columns - indent : 0;
    if (width < kNarrow) {
        indent = 16;
        width = columns > indent ? columns - indent : 0;
        out = "\n" + spaces(indent);
    }
    std::string next = "\n" + spaces(indent);
    if (width < kNarrow) return out + replace_all(text, "\n", next);
    width -= kSlop;
    out += replace_all(take_line(text, width, kSlop), "\n", next);
    while (!text.empty()) out += next + replace_all(take_line(text, width, kSlop), "\n", next);
    return out;
}
}  // namespace

bool has_visible_flags(std::span<const Flag> table) {
    for (auto& flag : table)
        if (!(flag.options & kHidden) && !flag.deprecation) return true;
    return false;
}

std::string flag_usages(std::span<const Flag> table, size_t columns) {
    struct Line {
        std::string left, right;
    };
    std::vector<Line> lines;
    size_t widest = 0;
    for (auto& flag : table) {
        if ((flag.options & kHidden) || flag.deprecation) continue;
        Line line{flag.shorthand ? concat("  -", flag.shorthand, ", --", flag.name) : concat("      --", flag.name), flag.description};
        if (auto label = type_label(flag.type); !label.empty()) line.left += concat(' ', label);
        if (flag.shown_default) line.right += concat(' ', flag.shown_default);
        widest = std::max(widest, line.left.size() + 1);
        lines.push_back(std::move(line));
    }
    std::string out;
    for (auto& line : lines) out += line.left + spaces(widest - line.left.size() + 2) + wrapped(widest + 2, columns, line.right) + "\n";
    return out;
}

Result<std::vector<std::string>> split_csv(std::string_view text) {
    std::vector<std::string> fields;
    size_t at = 0;
    for (;;) {
        std::string field;
        if (at < text.size() && text[at] == '"') {
            at++;
            for (;; at++) {
                if (at >= text.size())
                    return fail(ErrorKind::InvalidArgument, concat("parse error on line 1, column ", at + 1, ": extraneous or missing \" in quoted-field"));
                if (text[at] != '"') {
                    field.push_back(text[at]);
                } else if (at + 1 < text.size() && text[at + 1] == '"') {
                    field.push_back('"');
                    at++;
                } else {
                    break;
                }
            }
            at++;
            if (at < text.size() && text[at] != ',')
                return fail(ErrorKind::InvalidArgument, concat("parse error on line 1, column ", at, ": extraneous or missing \" in quoted-field"));
        } else {
            while (at < text.size() && text[at] != ',') {
                if (text[at] == '"') return fail(ErrorKind::InvalidArgument, concat("parse error on line 1, column ", at + 1, ": bare \" in non-quoted-field"));
                field.push_back(text[at++]);
            }
        }
        fields.push_back(std::move(field));
        if (at >= text.size()) return fields;
        at++;
    }
}

}  // namespace proa::cli
