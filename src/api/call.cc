#include "api/call.h"

#include "api/errors.h"
#include "base/text.h"

namespace proa::api {

namespace {
constexpr size_t kJsonBodyMax = 16 << 20;

bool is_mime_token(std::string_view text) {
    return !text.empty() && text.find_first_of(" \t()<>@,;:\\\"/[]?=") == text.npos;
}

/// Go's mime.ParseMediaType as far as its errors go: "" or the text.
std::string_view media_type_failure(std::string_view header, std::string& media_type) {
    auto base = trim(header.substr(0, header.find(';')));
    media_type = to_lower(base);
    if (base.empty()) return "mime: no media type";
    auto slash = base.find('/');
    if (slash == base.npos) return is_mime_token(base) ? "" : "mime: expected slash after first token";
    if (!is_mime_token(base.substr(0, slash))) return "mime: expected slash after first token";
    if (slash + 1 == base.size()) return "mime: expected token after slash";
    if (!is_mime_token(base.substr(slash + 1))) return "mime: unexpected content after media subtype";
    auto pieces = split(header, ';');
    for (size_t i = 1; i < pieces.size(); i++) {
        auto piece = trim(pieces[i]);
        if (piece.empty() && i + 1 == pieces.size()) break;
        auto pair = cut(piece, "=");
        if (!pair || !is_mime_token(trim(pair->first)) || pair->second.empty()) return "mime: invalid media parameter";
    }
    return "";
}

Result<void> check_json_type(std::string_view header) {
    std::string media_type;
    auto failure = media_type_failure(header, media_type);
    if (!failure.empty())
        return fail(ErrorKind::InvalidArgument, concat("malformed Content-Type header (", header, "): ", failure));
    if (media_type != "application/json")
        return fail(ErrorKind::InvalidArgument,
                    concat("unsupported Content-Type header (", header, "): must be 'application/json'"));
    return {};
}
}  // namespace

bool bool_query(std::string_view text) {
    auto value = to_lower(trim(text));
    return !(value.empty() || value == "0" || value == "no" || value == "false" || value == "none");
}

const std::string& Call::parameter(std::string_view name) const {
    static const std::string kNone;
    for (auto& [key, value] : parameters_)
        if (key == name) return value;
    return kNone;
}

bool Call::flag(std::string_view name) const { return bool_query(query().get(name)); }

bool Call::flag_or(std::string_view name, bool when_missing) const {
    return query().has(name) ? flag(name) : when_missing;
}

Result<std::optional<int64_t>> Call::integer(std::string_view name) const {
    auto value = query().get(name);
    if (value.empty()) return std::nullopt;
    auto digits = value.starts_with('+') ? value.substr(1) : value;
    if (auto number = parse_int(digits)) return *number;
    auto magnitude = trim_prefix(digits, "-");
    bool only_digits = !magnitude.empty() && magnitude.find_first_not_of("0123456789") == magnitude.npos;
    return fail(ErrorKind::InvalidArgument, concat("strconv.ParseInt: parsing ", quote(value),
                                                   only_digits ? ": value out of range" : ": invalid syntax"));
}

int64_t Call::integer_or_zero(std::string_view name) const {
    auto number = integer(name);
    return number ? number->value_or(0) : 0;
}

Unexpected Call::bad_json(const Error& error) {
    return fail(ErrorKind::InvalidArgument, concat("invalid JSON: ", error.message()));
}

Result<std::optional<json::Value>> Call::read_json(EmptyBody empty) {
    auto& request = exchange_.request();
    auto type = request.headers.get("Content-Type");
    // A type is asked for as soon as there is, or may be, a body.
    if (!type.empty() || request.has_body()) TRY(check_json_type(type));
    if (!request.has_body() && empty == EmptyBody::Allowed) return std::nullopt;
    auto received = exchange_.read_whole_body(kJsonBodyMax);
    if (!received && received.error().is(ErrorKind::InvalidArgument)) return bad_json(received.error());
    auto body = TRY(std::move(received));
    if (trim(body).empty()) return fail(ErrorKind::InvalidArgument, "invalid JSON: got EOF while reading request body");
    auto value = json::parse(body);
    if (value) return std::move(*value);
    auto& message = value.error().message();
    if (message == "unexpected end of JSON input") return fail(ErrorKind::InvalidArgument, "invalid JSON: unexpected EOF");
    if (message.starts_with("unexpected content after JSON"))
        return fail(ErrorKind::InvalidArgument, "unexpected content after JSON");
    return bad_json(value.error());
}

Result<void> Call::respond_json(int status, std::string_view text) {
    headers_.set("Content-Type", "application/json");
    return exchange_.respond(status, headers_, concat(text, '\n'));
}

Result<void> Call::respond_text(int status, std::string_view text) {
    headers_.set("Content-Type", "text/plain; charset=utf-8");
    return exchange_.respond(status, headers_, text);
}

Result<void> Call::respond_empty(int status) {
    headers_.remove("Content-Type");
    return exchange_.respond(status, headers_, {});
}

Result<void> Call::respond_error(const Error& error) {
    if (error.is(ErrorKind::Cancelled)) return {};
    int status = status_of(error.kind());
    if (status == 304) return respond_empty(status);
    headers_.set("Content-Type", "application/json");
    return exchange_.respond(status, headers_, error_body(error.message()));
}

Result<void> Call::begin_stream(std::string_view content_type) {
    if (!content_type.empty()) headers_.set("Content-Type", content_type);
    return exchange_.begin_stream(200, headers_);
}

}  // namespace proa::api
