#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/versions.h"
#include "codec/json/fields.h"
#include "http/exchange.h"

namespace proa::api {

enum class EmptyBody { Allowed, Refused };

/// One call of an API route: the request in Docker's terms, and its answer. Handlers return an Error to have it answered
/// in Docker's form; after the answer has begun an Error is only logged.
class Call {
public:
    Call(http::Exchange& exchange, ApiVersion version, http::Headers headers,
         std::vector<std::pair<std::string, std::string>> parameters)
        : exchange_(exchange), version_(version), headers_(std::move(headers)), parameters_(std::move(parameters)) {}

    http::Exchange& exchange() { return exchange_; }
    const http::Request& request() const { return exchange_.request(); }
    /// What the client asked for in the path; the newest when it named none. `if (call.version() < ApiVersion(1, 44))`.
    ApiVersion version() const { return version_; }
    /// The decoded text that stood for `{name}` in the pattern; "" for a name that the pattern has not.
    const std::string& parameter(std::string_view name) const;

    const http::Query& query() const { return request().target.query; }
    std::string text(std::string_view name) const { return std::string(query().get(name)); }
    /// Docker's rule: false for "", 0, no, false, none (any case, trimmed), true for all else.
    bool flag(std::string_view name) const;
    bool flag_or(std::string_view name, bool when_missing) const;
    /// nullopt when missing or empty; InvalidArgument with Go's text for anything that is no decimal number.
    Result<std::optional<int64_t>> integer(std::string_view name) const;
    /// Docker's Int64ValueOrZero: 0 for whatever is no number.
    int64_t integer_or_zero(std::string_view name) const;

    /// The body as JSON; nullopt when there is none and that is allowed. Checks Content-Type. InvalidArgument with
    /// Docker's texts.
    Result<std::optional<json::Value>> read_json(EmptyBody empty);
    /// The same, decoded into `target`; false when there was no body.
    template <class T>
    Result<bool> read_json_into(T& target, EmptyBody empty) {
        auto value = TRY(read_json(empty));
        if (!value) return false;
        if (auto decoded = json::decode(*value, target); !decoded) return bad_json(decoded.error());
        return true;
    }

    /// Sent with the answer: Docker's own are there already.
    http::Headers& headers() { return headers_; }
    const http::Headers& headers() const { return headers_; }

    /// `text` is one JSON value; a line end is added.
    Result<void> respond_json(int status, std::string_view text);
    template <class T>
    Result<void> respond_object(int status, const T& object) {
        std::string text;
        json::type_of<T>().encode(text, &object, false);
        return respond_json(status, text);
    }
    Result<void> respond_text(int status, std::string_view text);  ///< text/plain, as it is
    Result<void> respond_empty(int status);                        ///< no type, length 0
    /// `{"message":...}` with the status of the error's kind; 304 has no body; nothing for Cancelled.
    Result<void> respond_error(const Error& error);
    /// Status 200 with headers at once, chunks follow: exchange().write_chunk(), exchange().end_stream().
    Result<void> begin_stream(std::string_view content_type);

private:
    static Unexpected bad_json(const Error& error);

    http::Exchange& exchange_;
    ApiVersion version_;
    http::Headers headers_;
    std::vector<std::pair<std::string, std::string>> parameters_;
};

/// Docker's rule for booleans in a query.
bool bool_query(std::string_view text);

}  // namespace proa::api
