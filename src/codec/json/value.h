#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace proa::json {

class Value;
using Array = std::vector<Value>;

/// Members in the order they were set or read; a repeated key keeps its first place and its last value, as in Go.
class Object {
public:
    struct Member;
    // Defined behind Member, which holds a Value, which holds an Object: clang wants a complete type.
    Object();
    Object(std::initializer_list<Member> members);
    Object(const Object& other);
    Object(Object&& other) noexcept;
    Object& operator=(const Object& other);
    Object& operator=(Object&& other) noexcept;
    ~Object();

    /// The member of exactly this name; nullptr when there is none.
    const Value* find(std::string_view name) const;
    Value* find(std::string_view name);
    /// Go's rule: the exact name, else one that differs only in ASCII case.
    const Value* find_ignoring_case(std::string_view name) const;
    Value& operator[](std::string_view name);  ///< inserted as null when it is missing
    void set(std::string_view name, Value value);
    bool erase(std::string_view name);
    /// Adds a member without a look at the others: in a loop that ends with remove_repeated(), which keeps large objects linear.
    void append(std::string name, Value value);
    /// Of members with the same name one remains: at the place of the first, with the value of the last.
    void remove_repeated();
    /// Members sorted by name, as Go prints maps.
    void sort();

    bool empty() const { return members_.empty(); }
    size_t size() const;
    auto begin() const { return members_.begin(); }
    auto end() const { return members_.end(); }
    auto begin() { return members_.begin(); }
    auto end() { return members_.end(); }

private:
    std::vector<Member> members_;
};

/// One JSON value. Integers stay exact: int64_t, or uint64_t above its range; everything with a fraction or an exponent is a double.
class Value {
public:
    using Storage = std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object>;

    Value() : storage_(nullptr) {}
    Value(std::nullptr_t) : storage_(nullptr) {}
    template <std::same_as<bool> T>
    Value(T value) : storage_(value) {}
    template <std::signed_integral T>
        requires(!std::same_as<T, bool> && !std::same_as<T, char>)
    Value(T value) : storage_(static_cast<int64_t>(value)) {}
    template <std::unsigned_integral T>
        requires(!std::same_as<T, bool>)
    Value(T value) {
        if (static_cast<uint64_t>(value) > static_cast<uint64_t>(INT64_MAX)) storage_ = static_cast<uint64_t>(value);
        else storage_ = static_cast<int64_t>(value);
    }
    Value(double value) : storage_(value) {}
    Value(const char* text) : storage_(std::string(text)) {}
    Value(std::string_view text) : storage_(std::string(text)) {}
    Value(std::string text) : storage_(std::move(text)) {}
    Value(Array array);
    Value(Object object);
    /// A list of texts.
    static Value strings(const std::vector<std::string>& texts);

    bool is_null() const { return std::holds_alternative<std::nullptr_t>(storage_); }
    bool is_bool() const { return std::holds_alternative<bool>(storage_); }
    bool is_integer() const { return std::holds_alternative<int64_t>(storage_) || std::holds_alternative<uint64_t>(storage_); }
    bool is_double() const { return std::holds_alternative<double>(storage_); }
    bool is_number() const { return is_integer() || is_double(); }
    bool is_string() const { return std::holds_alternative<std::string>(storage_); }
    bool is_array() const { return std::holds_alternative<Array>(storage_); }
    bool is_object() const { return std::holds_alternative<Object>(storage_); }

    // These give an empty value of their type when this value has another one.
    bool as_bool() const;
    int64_t as_int() const;  ///< doubles are cut, numbers out of range are clamped
    double as_double() const;
    const std::string& as_string() const;
    const Array& as_array() const;
    const Object& as_object() const;
    Array& array();    ///< becomes an empty array when it is none
    Object& object();  ///< becomes an empty object when it is none

    /// Member `name` of an object (Go's case rule), or a null value.
    const Value& operator[](std::string_view name) const;

    const Storage& storage() const { return storage_; }
    /// "null", "bool", "number", "string", "array", "object", as in Go's error texts.
    std::string_view type_name() const;

private:
    Storage storage_;
};

struct Object::Member {
    std::string name;
    Value value;
};

inline Object::Object() = default;
inline Object::Object(const Object& other) = default;
inline Object::Object(Object&& other) noexcept = default;
inline Object& Object::operator=(const Object& other) = default;
inline Object& Object::operator=(Object&& other) noexcept = default;
inline Object::~Object() = default;
inline size_t Object::size() const { return members_.size(); }

/// Parses one whole JSON text. At most 200 levels; invalid UTF-8 becomes U+FFFD.
/// Errors (InvalidArgument): "unexpected end of JSON input" when it is cut short, "invalid character ..." with the place,
/// "unexpected content after JSON".
Result<Value> parse(std::string_view text);

struct Style {
    bool escape_html = false;  ///< Go's default encoder writes <, > and & as \u003c, \u003e and \u0026
    std::string indent;        ///< per level; empty: one line
};
std::string print(const Value& value, const Style& style = {});
/// One quoted string, appended to `out`.
void print_string(std::string& out, std::string_view text, bool escape_html);
/// Appends a double the way Go's encoding/json does.
void print_double(std::string& out, double value);

/// Cuts a stream of concatenated JSON values (any white space or RS bytes between them) into texts of one value each.
class Splitter {
public:
    /// Takes more bytes; returns the values that became complete.
    std::vector<std::string> feed(std::string_view bytes);
    /// True when the stream ended between values.
    bool at_boundary() const { return pending_.empty(); }

private:
    std::string pending_;
    int depth_ = 0;
    bool in_string_ = false, escaped_ = false;
};

}  // namespace proa::json
