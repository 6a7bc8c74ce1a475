#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/template_tree.h"
#include "cli/template_value.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
constexpr std::string_view kFunctions[] = {"and", "call", "eq", "ge", "gt", "html", "index", "join", "js", "json", "le", "len", "lower", "lt", "ne", "not",
                                           "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper", "urlquery"};

Unexpected failure(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

std::string go_float(double value) {
    if (std::isfinite(value) && value == std::floor(value) && std::fabs(value) < 1e21) return fixed_number(value, 0);
    for (int digits = 1; digits <= 17; digits++) {
        std::string text = general_number(value, digits);
        if (strtod(text.c_str(), nullptr) == value) return text;
    }
    return general_number(value, 17);
}

std::string scalar_text(const json::Value& value) {
    if (value.is_string()) return value.as_string();
    if (value.is_bool()) return value.as_bool() ? "true" : "false";
    if (value.is_double()) return go_float(value.as_double());
    return json::print(value);
}

std::string value_text(const json::Value& value, std::string_view path, bool map, const TemplateTypes* types) {
    if (types)
        if (auto text = types->own_text(path, value)) return *text;
    if (value.is_null()) return types ? types->null_text(path) : "<no value>";
    if (value.is_array()) {
        std::string out = "[";
        for (auto& item : value.as_array()) {
            if (out.size() > 1) out.push_back(' ');
            out += value_text(item, concat(path, "[]"), !types || types->is_map(concat(path, "[]")), types);
        }
        return out + "]";
    }
    if (!value.is_object()) return scalar_text(value);
    auto member_text = [&](const json::Object::Member& member) {
        std::string inner = child_path(path, member.name);
        return value_text(member.value, inner, !types || types->is_map(inner), types);
    };
    std::string out = map ? "map[" : "{";
    json::Object members = value.as_object();
    if (map) members.sort();
    bool first = true;
    for (auto& member : members) {
        if (!std::exchange(first, false)) out.push_back(' ');
        if (map) out += concat(member.name, ':');
        out += member_text(member);
    }
    if (!map && types) out += types->left_out(path, value);
    return out + (map ? "]" : "}");
}

std::string pad_to(std::string text, int width, bool left, bool zero) {
    size_t shown = display_width(text), wanted = static_cast<size_t>(std::abs(width));
    if (shown >= wanted) return text;
    size_t missing = wanted - shown;
    if (left) return text + std::string(missing, ' ');
    if (zero) return text.insert(text.starts_with('-') ? 1 : 0, missing, '0');
    return std::string(missing, ' ') + text;
}

std::string verb_text(char verb, int precision, bool plus, bool sharp, const TemplateValue& argument, const TemplateTypes* types) {
    const json::Value& value = argument.json();
    auto mismatch = [&](std::string_view type) { return concat("%!", verb, '(', type, '=', template_text(argument, types), ')'); };
    switch (verb) {
        case 'v':
            if (sharp && value.is_string()) return quote(value.as_string());
            if (value.is_null()) return "<nil>";
            return plus && value.is_integer() && value.as_int() >= 0 ? "+" + template_text(argument, types) : template_text(argument, types);
        case 's': {
            if (value.is_null()) return "%!s(<nil>)";
            if (value.is_bool()) return mismatch("bool");
            if (value.is_integer()) return mismatch("int");
            if (value.is_double()) return mismatch("float64");
            std::string text = template_text(argument, types);
            return precision >= 0 && display_width(text) > static_cast<size_t>(precision) ? text.substr(0, static_cast<size_t>(precision)) : text;
        }
        case 'q': return value.is_string() ? quote(value.as_string()) : quote(template_text(argument, types));
        case 'd': {
            if (!value.is_integer()) return mismatch(value.is_string() ? "string" : value.is_bool() ? "bool" : "float64");
            std::string text = scalar_text(value);
            return plus && value.as_int() >= 0 ? "+" + text : text;
        }
        case 'x':
        case 'X': {
            std::string text;
            if (value.is_string()) text = hex(value.as_string());
            else {
                char buffer[32];
                snprintf(buffer, sizeof buffer, "%llx", static_cast<unsigned long long>(std::llabs(value.as_int())));
                text = (value.as_int() < 0 ? "-" : "") + std::string(buffer);
            }
            return verb == 'X' ? to_upper(text) : text;
        }
        case 't': return value.is_bool() ? scalar_text(value) : mismatch(value.is_string() ? "string" : "int");
        case 'c': return std::string(1, static_cast<char>(value.as_int()));
        case 'f':
        case 'F': return value.is_double() || value.is_integer() ? fixed_number(value.as_double(), precision < 0 ? 6 : precision) : mismatch("string");
        case 'g':
        case 'e': {
            if (precision < 0 && verb == 'g') return go_float(value.as_double());
            char buffer[64];
            snprintf(buffer, sizeof buffer, verb == 'g' ? "%.*g" : "%.*e", precision < 0 ? 6 : precision, value.as_double());
            return buffer;
        }
        case 'T': return value.is_string() ? "string" : value.is_bool() ? "bool" : value.is_integer() ? "int" : value.is_double() ? "float64" : "map[string]interface {}";
        default: return mismatch(value.is_string() ? "string" : "int");
    }
}
}  // namespace

std::string child_path(std::string_view owner, std::string_view name) { return owner.empty() ? std::string(name) : concat(owner, '.', name); }

bool is_template_function(std::string_view name) { return std::find(std::begin(kFunctions), std::end(kFunctions), name) != std::end(kFunctions); }

bool is_true(const json::Value& value) {
    if (value.is_null()) return false;
    if (value.is_bool()) return value.as_bool();
    if (value.is_number()) return value.as_double() != 0;
    if (value.is_string()) return !value.as_string().empty();
    if (value.is_array()) return !value.as_array().empty();
    return true;
}

std::string template_text(const TemplateValue& value, const TemplateTypes* types) {
    if (value.is_none()) return "<no value>";
    return value_text(value.json(), value.path, value.is_map, types);
}

std::string go_printf(std::string_view format, const std::vector<TemplateValue>& arguments, const TemplateTypes* types) {
    std::string out;
    size_t used = 0;
    for (size_t i = 0; i < format.size(); i++) {
        if (format[i] != '%') {
            out.push_back(format[i]);
            continue;
        }
        bool left = false, zero = false, plus = false, sharp = false;
        for (i++; i < format.size() && std::string_view("-0+# ").find(format[i]) != std::string_view::npos; i++) {
            left |= format[i] == '-';
            zero |= format[i] == '0';
            plus |= format[i] == '+';
            sharp |= format[i] == '#';
        }
        auto number = [&]() -> int {
            if (i < format.size() && format[i] == '*') {
                i++;
                return used < arguments.size() ? static_cast<int>(arguments[used++].json().as_int()) : 0;
            }
            int value = 0;
            while (i < format.size() && isdigit(static_cast<unsigned char>(format[i])) && value < 100000) value = value * 10 + (format[i++] - '0');
            return value;
        };
        int width = number(), precision = -1;
        if (i < format.size() && format[i] == '.') {
            i++;
            precision = number();
        }
        if (i >= format.size()) {
            out += "%!(NOVERB)";
            break;
        }
        if (format[i] == '%') {
            out.push_back('%');
            continue;
        }
        if (used >= arguments.size()) {
            out += concat("%!", format[i], "(MISSING)");
            continue;
        }
        out += pad_to(verb_text(format[i], precision, plus, sharp, arguments[used++], types), width, left || width < 0, zero && !left);
    }
    if (used < arguments.size()) {
        out += "%!(EXTRA ";
        for (bool first = true; used < arguments.size(); used++) {
            if (!std::exchange(first, false)) out += ", ";
            const json::Value& value = arguments[used].json();
            out += concat(value.is_string() ? "string" : value.is_bool() ? "bool" : "int", '=', template_text(arguments[used], types));
        }
        out += ")";
    }
    return out;
}

namespace {
using Arguments = std::vector<TemplateValue>;

enum class Basic { Bool, Integer, Float, String, Other };
Basic basic_kind(const json::Value& value) {
    if (value.is_bool()) return Basic::Bool;
    if (value.is_integer()) return Basic::Integer;
    if (value.is_double()) return Basic::Float;
    return value.is_string() ? Basic::String : Basic::Other;
}

Result<bool> equal(const json::Value& a, const json::Value& b) {
    Basic x = basic_kind(a), y = basic_kind(b);
    if (a.is_null() || b.is_null()) return a.is_null() && b.is_null();
    if (x != y) return failure("incompatible types for comparison");
    if (x == Basic::Other) return failure(a.is_array() || a.is_object() ? "non-comparable type" : "incompatible types for comparison");
    if (x == Basic::Float) return a.as_double() == b.as_double();
    return scalar_text(a) == scalar_text(b);
}

Result<bool> less(const json::Value& a, const json::Value& b) {
    Basic x = basic_kind(a), y = basic_kind(b);
    if (x == Basic::Other || y == Basic::Other || x == Basic::Bool) return failure(x == Basic::Bool && y == Basic::Bool ? "invalid type for comparison" : "invalid type for comparison");
    if (x != y) return failure("incompatible types for comparison");
    if (x == Basic::String) return a.as_string() < b.as_string();
    if (x == Basic::Float) return a.as_double() < b.as_double();
    return a.as_int() < b.as_int();
}

Result<TemplateValue> compare(std::string_view name, const Arguments& arguments) {
    if (name == "eq") {
        if (arguments.size() < 2) return failure("missing argument for comparison");
        for (size_t i = 1; i < arguments.size(); i++)
            if (TRY(equal(arguments[0].json(), arguments[i].json()))) return TemplateValue::of(true);
        return TemplateValue::of(false);
    }
    if (arguments.size() != 2) return failure(concat("wrong number of args for ", name, ": want 2 got ", arguments.size()));
    const json::Value &a = arguments[0].json(), &b = arguments[1].json();
    if (name == "ne") return TemplateValue::of(!TRY(equal(a, b)));
    if (name == "lt") return TemplateValue::of(TRY(less(a, b)));
    if (name == "ge") return TemplateValue::of(!TRY(less(a, b)));
    bool at_most = TRY(less(a, b)) || TRY(equal(a, b));
    return TemplateValue::of(name == "le" ? at_most : !at_most);
}

Result<TemplateValue> index(const Arguments& arguments, const TemplateTypes* types) {
    if (arguments.empty()) return failure("wrong number of args for index: want at least 1 got 0");
    TemplateValue value = arguments[0];
    for (size_t i = 1; i < arguments.size(); i++) {
        const json::Value &container = value.json(), &at = arguments[i].json();
        if (container.is_null() && at.is_string() && types && types->is_map(value.path)) return TemplateValue{};
        if (container.is_null()) return failure("index of untyped nil");
        if (container.is_array()) {
            if (!at.is_integer()) return failure(concat("cannot index slice/array with type ", at.is_string() ? "string" : std::string(at.type_name())));
            int64_t position = at.as_int();
            if (position < 0 || position >= static_cast<int64_t>(container.as_array().size())) return failure(concat("index out of range: ", position));
            value = TemplateValue{value.owner, &container.as_array()[static_cast<size_t>(position)], value.path + "[]", !types};
            continue;
        }
        if (container.is_object()) {
            if (!at.is_string()) return failure(concat("value has type ", at.is_integer() ? "int" : std::string(at.type_name()), "; should be string"));
            auto* found = container.as_object().find(at.as_string());
            bool text_map = !found && !container.as_object().empty() && container.as_object().begin()->value.is_string();
            if (!found) value = text_map || value.path.ends_with("Labels") ? TemplateValue::of("") : TemplateValue{};
            else value = TemplateValue{value.owner, found, child_path(value.path, at.as_string()), !types || types->is_map(child_path(value.path, at.as_string()))};
            continue;
        }
        if (container.is_string() && at.is_integer()) {
            size_t position = static_cast<size_t>(at.as_int());
            if (at.as_int() < 0 || position >= container.as_string().size()) return failure(concat("index out of range: ", at.as_int()));
            value = TemplateValue::of(static_cast<int64_t>(static_cast<unsigned char>(container.as_string()[position])));
            continue;
        }
        return failure(concat("can't index item of type ", container.is_bool() ? "bool" : container.is_double() ? "float64" : "int"));
    }
    return value;
}

Result<TemplateValue> slice(const Arguments& arguments) {
    if (arguments.empty() || arguments.size() > 4) return failure(concat("wrong number of args for slice: want at least 1 got ", arguments.size()));
    const json::Value& value = arguments[0].json();
    int64_t size = value.is_string() ? static_cast<int64_t>(value.as_string().size()) : static_cast<int64_t>(value.as_array().size());
    if (!value.is_string() && !value.is_array()) return failure(concat("can't slice item of type ", std::string(value.type_name())));
    int64_t from = arguments.size() > 1 ? arguments[1].json().as_int() : 0, to = arguments.size() > 2 ? arguments[2].json().as_int() : size;
    if (from < 0 || from > size) return failure(concat("index out of range: ", from));
    if (to < 0 || to > size) return failure(concat("index out of range: ", to));
    if (from > to) return failure(concat("invalid slice index: ", from, " > ", to));
    if (value.is_string()) return TemplateValue::of(value.as_string().substr(static_cast<size_t>(from), static_cast<size_t>(to - from)));
    return TemplateValue::of(json::Array(value.as_array().begin() + from, value.as_array().begin() + to));
}

std::string html_text(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '"') out += "&#34;";
        else if (c == '\'') out += "&#39;";
        else if (c == '&') out += "&amp;";
        else if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else out.push_back(c);
    }
    return out;
}

std::string js_text(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '\\') out += "\\\\";
        else if (c == '\'') out += "\\'";
        else if (c == '"') out += "\\\"";
        else if (c == '<') out += "\\u003C";
        else if (c == '>') out += "\\u003E";
        else if (c == '&') out += "\\u0026";
        else if (c == '=') out += "\\u003D";
        else if (static_cast<unsigned char>(c) < ' ') out += concat("\\u00", hex(std::string_view(&c, 1)));
        else out.push_back(c);
    }
    return out;
}

std::string title_text(std::string_view text) {
    std::string out(text);
    bool start = true;
    for (char& c : out) {
        if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
        start = !(isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '\'' || static_cast<unsigned char>(c) >= 0x80);
    }
    return out;
}

/// fmt.Sprint: blanks between operands when neither is a string.
std::string print_text(const Arguments& arguments, bool always_blank, const TemplateTypes* types) {
    std::string out;
    for (size_t i = 0; i < arguments.size(); i++) {
        bool blank = always_blank || (i > 0 && !arguments[i].json().is_string() && !arguments[i - 1].json().is_string());
        if (i > 0 && blank) out.push_back(' ');
        out += arguments[i].json().is_null() && !arguments[i].is_none() ? "<nil>" : template_text(arguments[i], types);
    }
    return out;
}

Result<TemplateValue> text_function(std::string_view name, const Arguments& arguments, const TemplateTypes* types) {
    auto text = [&](size_t i) { return arguments[i].json().as_string(); };
    auto number = [&](size_t i) { return static_cast<size_t>(std::max<int64_t>(0, arguments[i].json().as_int())); };
    auto want = [&](size_t count, bool strings) -> Result<void> {
        if (arguments.size() != count) return failure(concat("wrong number of args for ", name, ": want ", count, " got ", arguments.size()));
        if (strings)
            for (auto& argument : arguments)
                if (!argument.json().is_string())
                    return failure(concat("wrong type for value; expected string; got ", argument.json().is_integer() ? "int" : argument.json().is_bool() ? "bool" : std::string(argument.json().type_name())));
        return {};
    };
    if (name == "json") {
        TRY(want(1, false));
        return TemplateValue::of(json::print(arguments[0].json()));
    }
    if (name == "split") {
        TRY(want(2, true));
        json::Array parts;
        std::string rest = text(0), separator = text(1);
        if (separator.empty()) {
            for (char c : rest) parts.emplace_back(std::string(1, c));
        } else {
            std::string_view left = rest;
            while (auto both = cut(left, separator)) {
                parts.emplace_back(both->first);
                left = both->second;
            }
            parts.emplace_back(left);
        }
        return TemplateValue::of(std::move(parts));
    }
    if (name == "join") {
        TRY(want(2, false));
        if (!arguments[0].json().is_array() && !arguments[0].json().is_null()) return failure("wrong type for value; expected []string; got " + std::string(arguments[0].json().type_name()));
        std::vector<std::string> parts;
        for (auto& part : arguments[0].json().as_array()) parts.push_back(scalar_text(part));
        return TemplateValue::of(join(parts, text(1)));
    }
    if (name == "pad") {
        TRY(want(3, false));
        if (text(0).empty()) return TemplateValue::of("");
        return TemplateValue::of(std::string(number(1), ' ') + text(0) + std::string(number(2), ' '));
    }
    if (name == "truncate") {
        TRY(want(2, false));
        std::string value = text(0);
        size_t end = 0, shown = 0;
        while (end < value.size() && shown < number(1)) {
            end++;
            while (end < value.size() && (static_cast<unsigned char>(value[end]) & 0xc0) == 0x80) end++;
            shown++;
        }
        return TemplateValue::of(value.substr(0, end));
    }
    if (name == "html" || name == "js" || name == "urlquery") {
        std::string joined = print_text(arguments, false, types);
        if (name == "html") return TemplateValue::of(html_text(joined));
        if (name == "js") return TemplateValue::of(js_text(joined));
        return TemplateValue::of(replace_all(percent_encode(joined), "%20", "+"));
    }
    TRY(want(1, true));
    if (name == "title") return TemplateValue::of(title_text(text(0)));
    return TemplateValue::of(name == "lower" ? to_lower(text(0)) : to_upper(text(0)));
}

bool keeps_header(std::string_view name) {
    return name == "json" || name == "split" || name == "join" || name == "title" || name == "lower" || name == "upper" || name == "truncate";
}
}  // namespace

Result<TemplateValue> call_template_function(std::string_view name, const Arguments& arguments, const TemplateTypes* types, bool header) {
    if (header && keeps_header(name) && !arguments.empty()) return arguments[0];
    if (name == "eq" || name == "ne" || name == "lt" || name == "le" || name == "gt" || name == "ge") return compare(name, arguments);
    if (name == "index") return index(arguments, types);
    if (name == "slice") return slice(arguments);
    if (name == "print") return TemplateValue::of(print_text(arguments, false, types));
    if (name == "println") return TemplateValue::of(print_text(arguments, true, types) + "\n");
    if (name == "printf") {
        if (arguments.empty() || !arguments[0].json().is_string()) return failure("wrong number of args for printf: want at least 1 got 0");
        return TemplateValue::of(go_printf(arguments[0].json().as_string(), Arguments(arguments.begin() + 1, arguments.end()), types));
    }
    if (name == "not") {
        if (arguments.size() != 1) return failure(concat("wrong number of args for not: want 1 got ", arguments.size()));
        return TemplateValue::of(!is_true(arguments[0].json()));
    }
    if (name == "len") {
        if (arguments.size() != 1) return failure(concat("wrong number of args for len: want 1 got ", arguments.size()));
        const json::Value& value = arguments[0].json();
        if (value.is_string()) return TemplateValue::of(static_cast<int64_t>(value.as_string().size()));
        if (value.is_array()) return TemplateValue::of(static_cast<int64_t>(value.as_array().size()));
        if (value.is_object()) return TemplateValue::of(static_cast<int64_t>(value.as_object().size()));
        if (value.is_null() && types) return TemplateValue::of(static_cast<int64_t>(0));
        return failure(value.is_null() ? "len of nil pointer" : concat("len of type ", value.is_bool() ? "bool" : "int"));
    }
    if (name == "call") return failure("no function to call");
    return text_function(name, arguments, types);
}

}  // namespace proa::cli
