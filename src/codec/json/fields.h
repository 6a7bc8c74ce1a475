#pragma once
#include <concepts>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/time.h"
#include "codec/json/value.h"

// Declarative field tables: a struct's wire form in one place, with Go's encoding/json semantics. In a .cc file:
//
//   PROA_JSON_TABLE(docker::RestartPolicy,
//                   field<&docker::RestartPolicy::name>("Name"),
//                   field<&docker::RestartPolicy::maximum_retry_count>("MaximumRetryCount"))
//
// Rules: keys match ignoring case; a null leaves numbers, texts and structs untouched and clears optionals; unknown keys are
// ignored; std::vector and std::map print [] and {} when empty, std::optional prints null when unset; omit_empty leaves
// out false, 0, "", unset and empty ones.
namespace proa::json {

/// How one C++ type reads and prints; one constant object per type.
struct Type {
    Result<void> (*decode)(const Value& value, void* target);
    void (*encode)(std::string& out, const void* source, bool escape_html);
    bool (*is_empty)(const void* source);
};

enum FieldFlags : unsigned {
    kOmitEmpty = 1,
    kInline = 2,  ///< the struct's own fields stand in the enclosing object (Go's embedded structs)
};

struct Field {
    const char* name;
    const Type* type;
    void* (*at)(void* object);
    unsigned flags;
    std::span<const Field> (*inner)();  ///< the table of an inline struct
};

/// Specialised by PROA_JSON_TABLE.
template <class T>
struct Table;

template <class T>
concept HasTable = requires {
    { Table<T>::fields() } -> std::same_as<std::span<const Field>>;
};

Result<void> decode_fields(const Value& value, void* object, std::span<const Field> fields, const char* type_name);
void encode_fields(std::string& out, const void* object, std::span<const Field> fields, bool escape_html);
/// `{`, fields, `}`.
void encode_object(std::string& out, const void* object, std::span<const Field> fields, bool escape_html);
Error type_mismatch(const Value& value, std::string_view wanted);

template <class T>
const Type& type_of();

namespace detail {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsMap : std::false_type {};
template <class T>
struct IsMap<std::map<std::string, T>> : std::true_type {};

template <class T>
Result<void> decode(const Value& value, void* target_pointer) {
    T& target = *static_cast<T*>(target_pointer);
    if constexpr (std::same_as<T, Value>) {
        target = value;
    } else if constexpr (IsOptional<T>::value) {
        if (value.is_null()) {
            target.reset();
            return {};
        }
        if (!target) target.emplace();
        return type_of<typename T::value_type>().decode(value, &*target);
    } else if constexpr (std::same_as<T, Time>) {
        if (value.is_null()) return {};
        auto time = value.is_string() ? parse_rfc3339(value.as_string()) : std::nullopt;
        if (!time) return fail(type_mismatch(value, "time.Time"));
        target = *time;
    } else if constexpr (IsVector<T>::value) {
        if (value.is_null()) {
            target.clear();
            return {};
        }
        if (!value.is_array()) return fail(type_mismatch(value, "[]list"));
        target.clear();
        for (auto& item : value.as_array()) {
            target.emplace_back();
            auto done = type_of<typename T::value_type>().decode(item, &target.back());
            if (!done) return done;
        }
    } else if constexpr (IsMap<T>::value) {
        if (value.is_null()) {
            target.clear();
            return {};
        }
        if (!value.is_object()) return fail(type_mismatch(value, "map[string]value"));
        target.clear();
        for (auto& member : value.as_object()) {
            auto done = type_of<typename T::mapped_type>().decode(member.value, &target[member.name]);
            if (!done) return done;
        }
    } else if constexpr (std::same_as<T, std::string>) {
        if (value.is_null()) return {};
        if (!value.is_string()) return fail(type_mismatch(value, "string"));
        target = value.as_string();
    } else if constexpr (std::same_as<T, bool>) {
        if (value.is_null()) return {};
        if (!value.is_bool()) return fail(type_mismatch(value, "bool"));
        target = value.as_bool();
    } else if constexpr (std::integral<T>) {
        if (value.is_null()) return {};
        auto wanted = concat(std::signed_integral<T> ? "int" : "uint", sizeof(T) * 8);
        if (!value.is_integer()) return fail(type_mismatch(value, wanted));
        if (auto* natural = std::get_if<uint64_t>(&value.storage())) {
            if (!std::in_range<T>(*natural)) return fail(type_mismatch(value, wanted));
            target = static_cast<T>(*natural);
        } else {
            if (!std::in_range<T>(value.as_int())) return fail(type_mismatch(value, wanted));
            target = static_cast<T>(value.as_int());
        }
    } else if constexpr (std::floating_point<T>) {
        if (value.is_null()) return {};
        if (!value.is_number()) return fail(type_mismatch(value, "float64"));
        target = static_cast<T>(value.as_double());
    } else {
        static_assert(HasTable<T>, "this type has no PROA_JSON_TABLE in scope");
        if (value.is_null()) return {};
        if (!value.is_object()) return fail(type_mismatch(value, Table<T>::name()));
        return decode_fields(value, &target, Table<T>::fields(), Table<T>::name());
    }
    return {};
}

template <class T>
void encode(std::string& out, const void* source_pointer, bool escape_html) {
    const T& source = *static_cast<const T*>(source_pointer);
    if constexpr (std::same_as<T, Value>) {
        out += print(source, Style{escape_html, ""});
    } else if constexpr (IsOptional<T>::value) {
        if (source) type_of<typename T::value_type>().encode(out, &*source, escape_html);
        else out += "null";
    } else if constexpr (std::same_as<T, Time>) {
        out += concat('"', rfc3339_nano(source), '"');
    } else if constexpr (IsVector<T>::value) {
        out.push_back('[');
        for (size_t i = 0; i < source.size(); i++) {
            if (i > 0) out.push_back(',');
            if constexpr (std::same_as<typename T::value_type, bool>) out += source[i] ? "true" : "false";
            else type_of<typename T::value_type>().encode(out, &source[i], escape_html);
        }
        out.push_back(']');
    } else if constexpr (IsMap<T>::value) {
        out.push_back('{');
        bool first = true;
        for (auto& [key, item] : source) {
            if (!std::exchange(first, false)) out.push_back(',');
            print_string(out, key, escape_html);
            out.push_back(':');
            type_of<typename T::mapped_type>().encode(out, &item, escape_html);
        }
        out.push_back('}');
    } else if constexpr (std::same_as<T, std::string>) {
        print_string(out, source, escape_html);
    } else if constexpr (std::same_as<T, bool>) {
        out += source ? "true" : "false";
    } else if constexpr (std::integral<T>) {
        proa::detail::append_piece(out, source);
    } else if constexpr (std::floating_point<T>) {
        print_double(out, source);
    } else {
        encode_object(out, &source, Table<T>::fields(), escape_html);
    }
}

template <class T>
bool is_empty(const void* source_pointer) {
    const T& source = *static_cast<const T*>(source_pointer);
    if constexpr (std::same_as<T, Value>) return source.is_null();
    else if constexpr (IsOptional<T>::value) return !source.has_value();
    else if constexpr (IsVector<T>::value || IsMap<T>::value || std::same_as<T, std::string>) return source.empty();
    else if constexpr (std::same_as<T, bool>) return !source;
    else if constexpr (std::integral<T> || std::floating_point<T>) return source == 0;
    else return false;  // Go never omits structs
}

template <auto Member>
struct MemberOf;
template <class Owner, class Inner, Inner Owner::*Member>
struct MemberOf<Member> {
    using owner = Owner;
    using type = Inner;
    static void* at(void* object) { return &(static_cast<Owner*>(object)->*Member); }
};

}  // namespace detail

template <class T>
const Type& type_of() {
    static constexpr Type kType{detail::decode<T>, detail::encode<T>, detail::is_empty<T>};
    return kType;
}

template <auto Member>
Field field(const char* name, unsigned flags = 0) {
    using M = detail::MemberOf<Member>;
    return Field{name, &type_of<typename M::type>(), M::at, flags, nullptr};
}

/// An embedded struct: its fields stand in the enclosing object.
template <auto Member>
Field embedded() {
    using M = detail::MemberOf<Member>;
    return Field{"", &type_of<typename M::type>(), M::at, kInline, Table<typename M::type>::fields};
}

/// Reads `value` into `target`; what is not mentioned stays as it was.
/// Errors: InvalidArgument with Go's text, "json: cannot unmarshal string into Go struct field T.Name of type int64".
template <class T>
Result<void> decode(const Value& value, T& target) {
    auto done = type_of<T>().decode(value, &target);
    if (!done) return fail(ErrorKind::InvalidArgument, "json: " + done.error().message());
    return {};
}

template <class T>
Result<T> decode(std::string_view text) {
    Value value = TRY(parse(text));
    T target{};
    TRY(decode(value, target));
    return target;
}

template <class T>
std::string encode(const T& source, bool escape_html = false) {
    std::string out;
    type_of<T>().encode(out, &source, escape_html);
    return out;
}

/// The struct as a tree, for templates and filters.
template <class T>
Value to_value(const T& source) {
    return parse(encode(source)).value_or(Value());
}

}  // namespace proa::json

/// In a header after the struct: PROA_JSON_DECLARE(proa::docker::RestartPolicy) (global namespace).
#define PROA_JSON_DECLARE(...)                               \
    template <>                                              \
    struct proa::json::Table<__VA_ARGS__> {                  \
        static const char* name();                           \
        static std::span<const proa::json::Field> fields();  \
    };

/// In a .cc file (global namespace): PROA_JSON_TABLE(proa::docker::RestartPolicy, "RestartPolicy", field<...>(...), ...)
#define PROA_JSON_TABLE(TYPE, NAME, ...)                                    \
    const char* proa::json::Table<TYPE>::name() { return NAME; }            \
    std::span<const proa::json::Field> proa::json::Table<TYPE>::fields() {  \
        using proa::json::field;                                            \
        using proa::json::embedded;                                         \
        using enum proa::json::FieldFlags;                                  \
        using T = TYPE;                                                     \
        static const proa::json::Field kFields[] = {__VA_ARGS__};           \
        return kFields;                                                     \
    }
