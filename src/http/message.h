#pragma once
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace proa::http {

enum class Method { Get, Head, Post, Put, Delete, Options, Other };

Method method_from_name(std::string_view name);  ///< case-sensitive, as HTTP wants it

struct Header {
    std::string name, value;
};

/// Header fields in the order they came or were added; names compare ignoring case.
class Headers {
public:
    Headers() = default;
    Headers(std::initializer_list<Header> fields) : fields_(fields) {}

    const std::string* find(std::string_view name) const;  ///< the first of this name
    std::string_view get(std::string_view name) const;     ///< its value, or "" when there is none
    bool has(std::string_view name) const { return find(name) != nullptr; }
    size_t count(std::string_view name) const;
    void add(std::string_view name, std::string_view value) {
        fields_.push_back({std::string(name), std::string(value)});
    }
    void set(std::string_view name, std::string_view value);  ///< replaces all of this name
    void remove(std::string_view name);
    /// Whether a comma-separated list header ("Connection", "Upgrade") names `token`, ignoring case.
    bool has_token(std::string_view name, std::string_view token) const;

    bool empty() const { return fields_.empty(); }
    size_t size() const { return fields_.size(); }
    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }

private:
    std::vector<Header> fields_;
};

/// The parameters behind '?', decoded ('+' is a space), in order; keys may repeat.
class Query {
public:
    /// Reads as Go's url.ParseQuery: pairs that cannot be decoded are left out and the first of them stands in error().
    static Query parse(std::string_view text);

    bool has(std::string_view name) const { return find(name) != nullptr; }
    const std::string* find(std::string_view name) const;  ///< the first value
    std::string_view get(std::string_view name) const;     ///< the first value, or ""
    std::vector<std::string> all(std::string_view name) const;
    /// Empty, or Go's text: `invalid URL escape "%zz"`, `invalid semicolon separator in query`.
    const std::string& error() const { return error_; }
    auto begin() const { return pairs_.begin(); }
    auto end() const { return pairs_.end(); }

private:
    std::vector<std::pair<std::string, std::string>> pairs_;
    std::string error_;
};

/// What a request asks for.
struct Target {
    std::string raw;       ///< as it stood in the request line
    std::string raw_path;  ///< the path before decoding, without the query
    std::string path;      ///< percent-decoded
    std::string raw_query;
    Query query;

    /// Origin form ("/a?b"), absolute form ("http://host/a") or "*". InvalidArgument when it is none of them or a path
    /// escape is malformed.
    static Result<Target> parse(std::string_view raw);
};

struct Request {
    Method method = Method::Other;
    std::string method_name;  ///< as sent
    Target target;
    int minor_version = 1;  ///< HTTP/1.x
    Headers headers;
    std::optional<uint64_t> content_length;
    bool chunked = false;
    bool keep_alive = true;  ///< the client lets us reuse the connection

    /// False only when the request surely has no body (no length, or a length of 0, and not chunked).
    bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

/// "Not Found" for 404; "" for a number that has no name.
std::string_view status_text(int status);

/// Value for a Date header, "Mon, 02 Jan 2006 15:04:05 GMT".
std::string http_date(int64_t unix_seconds);

}  // namespace proa::http
