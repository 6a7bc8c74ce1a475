#include <charconv>
#include <cmath>

#include "base/text.h"
#include "base/time.h"
#include "compose/project.h"

// The wire form of sizes, durations, fractions, limits and env_file entries.
namespace proa::compose {

namespace {
Result<void> decode_bytes(const json::Value& value, void* target) {
    auto& bytes = *static_cast<Bytes*>(target);
    if (value.is_null()) return {};
    if (value.is_integer()) bytes.value = value.as_int();
    else if (value.is_string()) bytes.value = TRY(parse_bytes(value.as_string()));
    else return fail(json::type_mismatch(value, "types.UnitBytes"));
    return {};
}
void encode_bytes(std::string& out, const void* source, bool) { out += concat('"', static_cast<const Bytes*>(source)->value, '"'); }
bool no_bytes(const void* source) { return static_cast<const Bytes*>(source)->value == 0; }

Result<void> decode_duration(const json::Value& value, void* target) {
    if (value.is_null()) return {};
    auto parsed = value.is_string() ? parse_duration(value.as_string()) : std::nullopt;
    if (!parsed) return fail(ErrorKind::InvalidArgument, concat("time: invalid duration ", value.is_string() ? quote(value.as_string()) : json::print(value)));
    static_cast<Duration*>(target)->nanoseconds = *parsed;
    return {};
}
void encode_duration(std::string& out, const void* source, bool) { out += concat('"', duration_text(static_cast<const Duration*>(source)->nanoseconds), '"'); }
bool no_duration(const void* source) { return static_cast<const Duration*>(source)->nanoseconds == 0; }

Result<void> decode_fraction(const json::Value& value, void* target) {
    auto& fraction = *static_cast<Fraction*>(target);
    if (value.is_null()) return {};
    if (value.is_number()) {
        fraction.value = static_cast<float>(value.as_double());
        return {};
    }
    if (!value.is_string()) return fail(json::type_mismatch(value, "float32"));
    auto& text = value.as_string();
    auto read = std::from_chars(text.data(), text.data() + text.size(), fraction.value);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size())
        return fail(ErrorKind::InvalidArgument, concat("strconv.ParseFloat: parsing ", quote(text), ": invalid syntax"));
    return {};
}
/// Go's encoding/json of a float32.
void encode_fraction(std::string& out, const void* source, bool) {
    float value = static_cast<const Fraction*>(source)->value;
    float size = std::fabs(value);
    bool scientific = size != 0 && (size < 1e-6f || size >= 1e21f);
    char buffer[64];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, value, scientific ? std::chars_format::scientific : std::chars_format::fixed).ptr;
    out.append(buffer, static_cast<size_t>(end - buffer));
}
bool no_fraction(const void* source) { return static_cast<const Fraction*>(source)->value == 0; }

Result<void> decode_ulimit(const json::Value& value, void* target) {
    auto& limit = *static_cast<Ulimit*>(target);
    if (value.is_integer()) limit = {.single = value.as_int()};
    else if (value.is_object()) limit = {.soft = value["soft"].as_int(), .hard = value["hard"].as_int()};
    else return fail(json::type_mismatch(value, "types.UlimitsConfig"));
    return {};
}
void encode_ulimit(std::string& out, const void* source, bool) {
    auto& limit = *static_cast<const Ulimit*>(source);
    if (limit.single != 0) {
        out += concat(limit.single);
        return;
    }
    out += '{';
    if (limit.soft != 0) out += concat("\"soft\":", limit.soft);
    if (limit.hard != 0) out += concat(limit.soft != 0 ? "," : "", "\"hard\":", limit.hard);
    out += '}';
}
bool never(const void*) { return false; }

Result<void> decode_env_file(const json::Value& value, void* target) {
    auto& file = *static_cast<EnvFile*>(target);
    if (value.is_string()) file = {.path = value.as_string()};
    else if (value.is_object()) file = {value["path"].as_string(), !value["required"].is_bool() || value["required"].as_bool(), value["format"].as_string()};
    else return fail(json::type_mismatch(value, "types.EnvFile"));
    return {};
}
void encode_env_file(std::string& out, const void* source, bool escape_html) {
    auto& file = *static_cast<const EnvFile*>(source);
    if (!file.required) out += "{\"path\":";
    json::print_string(out, file.path, escape_html);
    if (file.required) return;
    out += ",\"required\":false";
    if (!file.format.empty()) {
        out += ",\"format\":";
        json::print_string(out, file.format, escape_html);
    }
    out += '}';
}
}  // namespace

}  // namespace proa::compose

using namespace proa::compose;

template <>
const proa::json::Type& proa::json::type_of<Bytes>() {
    static constexpr Type kType{decode_bytes, encode_bytes, no_bytes};
    return kType;
}
template <>
const proa::json::Type& proa::json::type_of<Duration>() {
    static constexpr Type kType{decode_duration, encode_duration, no_duration};
    return kType;
}
template <>
const proa::json::Type& proa::json::type_of<Fraction>() {
    static constexpr Type kType{decode_fraction, encode_fraction, no_fraction};
    return kType;
}
template <>
const proa::json::Type& proa::json::type_of<Ulimit>() {
    static constexpr Type kType{decode_ulimit, encode_ulimit, never};
    return kType;
}
template <>
const proa::json::Type& proa::json::type_of<EnvFile>() {
    static constexpr Type kType{decode_env_file, encode_env_file, never};
    return kType;
}
