#include "codec/json/value.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "codec/json/syntax.h"

namespace proa::json {

Object::Object(std::initializer_list<Member> members) : members_(members) {}

const Value* Object::find(std::string_view name) const {
    for (auto& member : members_)
        if (member.name == name) return &member.value;
    return nullptr;
}

Value* Object::find(std::string_view name) { return const_cast<Value*>(std::as_const(*this).find(name)); }

const Value* Object::find_ignoring_case(std::string_view name) const {
    if (auto* exact = find(name)) return exact;
    const Value* found = nullptr;
    for (auto& member : members_)
        if (equals_ignoring_case(member.name, name)) found = &member.value;
    return found;
}

Value& Object::operator[](std::string_view name) {
    if (auto* found = find(name)) return *found;
    members_.push_back(Member{std::string(name), Value()});
    return members_.back().value;
}

void Object::set(std::string_view name, Value value) { (*this)[name] = std::move(value); }

void Object::append(std::string name, Value value) { members_.push_back(Member{std::move(name), std::move(value)}); }

void Object::remove_repeated() {
    // Few members are compared in place; many are sorted by name, which finds equal ones beside each other.
    constexpr size_t kFew = 16;
    std::vector<bool> repeated;
    auto merge = [&](size_t first, size_t again) {
        members_[first].value = std::move(members_[again].value);
        repeated.resize(members_.size());
        repeated[again] = true;
    };
    if (members_.size() <= kFew) {
        for (size_t i = 1; i < members_.size(); i++)
            for (size_t j = 0; j < i; j++)
                if (members_[j].name == members_[i].name) {
                    merge(j, i);
                    break;
                }
    } else {
        std::vector<uint32_t> order(members_.size());
        for (uint32_t i = 0; i < order.size(); i++) order[i] = i;
        auto before = [&](uint32_t a, uint32_t b) {
            int compared = members_[a].name.compare(members_[b].name);
            return compared != 0 ? compared < 0 : a < b;
        };
        if (!std::is_sorted(order.begin(), order.end(), before)) std::sort(order.begin(), order.end(), before);
        for (size_t i = 1, first = 0; i < order.size(); i++) {
            if (members_[order[first]].name == members_[order[i]].name) merge(order[first], order[i]);
            else first = i;
        }
    }
    if (repeated.empty()) return;
    size_t kept = 0;
    for (size_t i = 0; i < members_.size(); i++) {
        if (repeated[i]) continue;
        if (kept != i) members_[kept] = std::move(members_[i]);
        kept++;
    }
    members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(kept), members_.end());
}

bool Object::erase(std::string_view name) {
    return std::erase_if(members_, [&](const Member& member) { return member.name == name; }) > 0;
}

void Object::sort() {
    std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) { return a.name < b.name; });
}

Value::Value(Array array) : storage_(std::move(array)) {}
Value::Value(Object object) : storage_(std::move(object)) {}

Value Value::strings(const std::vector<std::string>& texts) {
    Array array;
    for (auto& text : texts) array.emplace_back(text);
    return array;
}

bool Value::as_bool() const {
    auto* value = std::get_if<bool>(&storage_);
    return value && *value;
}

int64_t Value::as_int() const {
    if (auto* value = std::get_if<int64_t>(&storage_)) return *value;
    if (std::holds_alternative<uint64_t>(storage_)) return INT64_MAX;
    if (auto* value = std::get_if<double>(&storage_))
        return *value >= 9.2e18 ? INT64_MAX : *value <= -9.2e18 ? INT64_MIN : static_cast<int64_t>(*value);
    return 0;
}

double Value::as_double() const {
    if (auto* value = std::get_if<double>(&storage_)) return *value;
    if (auto* value = std::get_if<uint64_t>(&storage_)) return static_cast<double>(*value);
    return static_cast<double>(as_int());
}

const std::string& Value::as_string() const {
    static const std::string kEmpty;
    auto* value = std::get_if<std::string>(&storage_);
    return value ? *value : kEmpty;
}

const Array& Value::as_array() const {
    static const Array kEmpty;
    auto* value = std::get_if<Array>(&storage_);
    return value ? *value : kEmpty;
}

const Object& Value::as_object() const {
    static const Object kEmpty;
    auto* value = std::get_if<Object>(&storage_);
    return value ? *value : kEmpty;
}

Array& Value::array() {
    if (!is_array()) storage_ = Array();
    return std::get<Array>(storage_);
}

Object& Value::object() {
    if (!is_object()) storage_ = Object();
    return std::get<Object>(storage_);
}

const Value& Value::operator[](std::string_view name) const {
    static const Value kNull;
    auto* found = as_object().find_ignoring_case(name);
    return found ? *found : kNull;
}

std::string_view Value::type_name() const {
    static constexpr std::string_view kNames[] = {"null", "bool", "number", "number", "number", "string", "array", "object"};
    return kNames[storage_.index()];
}

namespace {

constexpr size_t kDepthMax = 200;

/// Builds our values from nlohmann's parser events.
class Builder : public nlohmann::json_sax<nlohmann::json> {
public:
    Value root;
    std::string problem;

    bool null() override { return add(Value()); }
    bool boolean(bool value) override { return add(Value(value)); }
    bool number_integer(number_integer_t value) override { return add(Value(value)); }
    bool number_unsigned(number_unsigned_t value) override { return add(Value(value)); }
    bool number_float(number_float_t value, const string_t&) override { return add(Value(value)); }
    bool string(string_t& value) override { return add(Value(std::move(value))); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Value(Object())); }
    bool start_array(std::size_t) override { return open(Value(Array())); }
    bool key(string_t& value) override {
        keys_.back() = std::move(value);
        return true;
    }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool parse_error(std::size_t position, const std::string& last_token, const nlohmann::detail::exception& error) override {
        std::string_view text = error.what();
        if (text.find("unexpected end of input") != std::string_view::npos || text.find("missing closing quote") != std::string_view::npos)
            problem = "unexpected end of JSON input";
        else
            problem = concat("invalid character ", quote(last_token.empty() ? "" : last_token.substr(last_token.size() - 1)),
                             " at byte ", position);
        return false;
    }

private:
    std::vector<Value> open_;
    std::vector<std::string> keys_;

    bool add(Value value) {
        if (open_.empty()) root = std::move(value);
        else if (open_.back().is_array()) open_.back().array().push_back(std::move(value));
        else open_.back().object().append(std::move(keys_.back()), std::move(value));
        return true;
    }
    bool open(Value value) {
        if (open_.size() >= kDepthMax) {
            problem = "exceeded max depth";
            return false;
        }
        open_.push_back(std::move(value));
        keys_.emplace_back();
        return true;
    }
    bool close() {
        Value done = std::move(open_.back());
        if (done.is_object()) done.object().remove_repeated();
        open_.pop_back();
        keys_.pop_back();
        return add(std::move(done));
    }
};

void print_value(std::string& out, const Value& value, const Style& style, size_t level) {
    auto new_line = [&](size_t depth) {
        if (style.indent.empty()) return;
        out.push_back('\n');
        for (size_t i = 0; i < depth; i++) out += style.indent;
    };
    auto& storage = value.storage();
    if (value.is_null()) out += "null";
    else if (auto* boolean = std::get_if<bool>(&storage)) out += *boolean ? "true" : "false";
    else if (auto* integer = std::get_if<int64_t>(&storage)) proa::detail::append_piece(out, *integer);
    else if (auto* natural = std::get_if<uint64_t>(&storage)) proa::detail::append_piece(out, *natural);
    else if (auto* real = std::get_if<double>(&storage)) print_double(out, *real);
    else if (auto* text = std::get_if<std::string>(&storage)) print_string(out, *text, style.escape_html);
    else if (auto* array = std::get_if<Array>(&storage)) {
        out.push_back('[');
        bool first = true;
        for (auto& item : *array) {
            if (!std::exchange(first, false)) out.push_back(',');
            new_line(level + 1);
            print_value(out, item, style, level + 1);
        }
        if (!first) new_line(level);
        out.push_back(']');
    } else {
        out.push_back('{');
        bool first = true;
        for (auto& member : std::get<Object>(storage)) {
            if (!std::exchange(first, false)) out.push_back(',');
            new_line(level + 1);
            print_string(out, member.name, style.escape_html);
            out += style.indent.empty() ? ":" : ": ";
            print_value(out, member.value, style, level + 1);
        }
        if (!first) new_line(level);
        out.push_back('}');
    }
}

}  // namespace

Result<Value> parse(std::string_view text) {
    if (trim(text).empty()) return fail(ErrorKind::InvalidArgument, "unexpected end of JSON input");
    std::string clean = to_valid_utf8(text);
    if (clean.starts_with("\xef\xbb\xbf"))
        return fail(ErrorKind::InvalidArgument, "invalid character \"\u00ef\" looking for beginning of value");
    Builder builder;
    bool good = nlohmann::json::sax_parse(clean.begin(), clean.end(), &builder, nlohmann::json::input_format_t::json, true);
    if (!good) {
        if (!builder.root.is_null() && builder.problem.starts_with("invalid character"))
            return fail(ErrorKind::InvalidArgument, "unexpected content after JSON");
        if (std::string fault = syntax_error(clean); !fault.empty()) return fail(ErrorKind::InvalidArgument, fault);
        return fail(ErrorKind::InvalidArgument, builder.problem);
    }
    return std::move(builder.root);
}

void print_string(std::string& out, std::string_view text, bool escape_html) {
    out.push_back('"');
    bool ascii = true;
    for (unsigned char c : text) ascii &= c < 0x80;
    std::string repaired;
    if (!ascii) text = repaired = to_valid_utf8(text);
    for (size_t i = 0; i < text.size(); i++) {
        auto c = static_cast<unsigned char>(text[i]);
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            case '\b': out += "\\b"; break;
            case '\f': out += "\\f"; break;
            case '<':
            case '>':
            case '&':
                if (escape_html) out += concat("\\u00", hex(text.substr(i, 1)));
                else out.push_back(static_cast<char>(c));
                break;
            default:
                if (c < 0x20) {
                    out += concat("\\u00", hex(text.substr(i, 1)));
                } else if (c == 0xe2 && (text.substr(i, 3) == "\u2028" || text.substr(i, 3) == "\u2029")) {
                    out += text.substr(i, 3) == "\u2028" ? "\\u2028" : "\\u2029";
                    i += 2;
                } else {
                    out.push_back(static_cast<char>(c));
                }
        }
    }
    out.push_back('"');
}

void print_double(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    char digits[64];
    double magnitude = std::fabs(value);
    bool exponent = magnitude != 0 && (magnitude < 1e-6 || magnitude >= 1e21);
    auto end = std::to_chars(digits, digits + sizeof digits, value, exponent ? std::chars_format::scientific : std::chars_format::fixed).ptr;
    std::string text(digits, end);
    if (exponent) {  // Go prints e-09 as e-9
        size_t at = text.find('e');
        if (at != std::string::npos && at + 2 < text.size() && text[at + 2] == '0') text.erase(at + 2, 1);
    }
    out += text;
}

std::string print(const Value& value, const Style& style) {
    std::string out;
    print_value(out, value, style, 0);
    return out;
}

std::vector<std::string> Splitter::feed(std::string_view bytes) {
    std::vector<std::string> complete;
    auto finish = [&] {
        if (!pending_.empty()) complete.push_back(std::move(pending_));
        pending_.clear();
    };
    for (char c : bytes) {
        if (in_string_) {
            pending_.push_back(c);
            if (escaped_) escaped_ = false;
            else if (c == '\\') escaped_ = true;
            else if (c == '"') {
                in_string_ = false;
                if (depth_ == 0) finish();
            }
            continue;
        }
        if (depth_ == 0 && (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\x1e')) {
            finish();
            continue;
        }
        if (depth_ == 0 && (c == '{' || c == '[' || c == '"')) finish();
        pending_.push_back(c);
        if (c == '"') in_string_ = true;
        else if (c == '{' || c == '[') depth_++;
        else if ((c == '}' || c == ']') && --depth_ == 0) finish();
    }
    return complete;
}

}  // namespace proa::json
