#include "http/message.h"

#include <time.h>

#include <algorithm>

#include "base/text.h"

namespace proa::http {

Method method_from_name(std::string_view name) {
    if (name == "GET") return Method::Get;
    if (name == "HEAD") return Method::Head;
    if (name == "POST") return Method::Post;
    if (name == "PUT") return Method::Put;
    if (name == "DELETE") return Method::Delete;
    if (name == "OPTIONS") return Method::Options;
    return Method::Other;
}

const std::string* Headers::find(std::string_view name) const {
    for (auto& field : fields_)
        if (equals_ignoring_case(field.name, name)) return &field.value;
    return nullptr;
}

std::string_view Headers::get(std::string_view name) const {
    auto* value = find(name);
    return value ? std::string_view(*value) : std::string_view();
}

size_t Headers::count(std::string_view name) const {
    size_t found = 0;
    for (auto& field : fields_) found += equals_ignoring_case(field.name, name);
    return found;
}

void Headers::set(std::string_view name, std::string_view value) {
    for (auto field = fields_.begin(); field != fields_.end(); ++field) {
        if (!equals_ignoring_case(field->name, name)) continue;
        field->value = value;
        fields_.erase(std::remove_if(field + 1, fields_.end(),
                                     [&](const Header& other) { return equals_ignoring_case(other.name, name); }),
                      fields_.end());
        return;
    }
    add(name, value);
}

void Headers::remove(std::string_view name) {
    std::erase_if(fields_, [&](const Header& field) { return equals_ignoring_case(field.name, name); });
}

bool Headers::has_token(std::string_view name, std::string_view token) const {
    for (auto& field : fields_) {
        if (!equals_ignoring_case(field.name, name)) continue;
        for (auto& piece : split(field.value, ','))
            if (equals_ignoring_case(trim(piece), token)) return true;
    }
    return false;
}

namespace {
bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// The first malformed escape ("%zz", "%1"), or "".
std::string_view bad_escape(std::string_view text) {
    for (size_t at = text.find('%'); at != text.npos; at = text.find('%', at + 1)) {
        auto escape = text.substr(at, 3);
        if (escape.size() < 3 || !is_hex(escape[1]) || !is_hex(escape[2])) return escape;
    }
    return {};
}

std::string bad_escape_text(std::string_view escape) { return concat("invalid URL escape ", quote(escape)); }
}  // namespace

Query Query::parse(std::string_view text) {
    Query query;
    auto blame = [&](std::string error) {
        if (query.error_.empty()) query.error_ = std::move(error);
    };
    while (!text.empty()) {
        auto piece = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(text.size(), piece.size() + 1));
        if (piece.empty()) continue;
        if (piece.find(';') != piece.npos) {
            blame("invalid semicolon separator in query");
            continue;
        }
        if (auto escape = bad_escape(piece); !escape.empty()) {
            blame(bad_escape_text(escape));
            continue;
        }
        auto equals = piece.find('=');
        auto value = equals == piece.npos ? std::string_view() : piece.substr(equals + 1);
        query.pairs_.emplace_back(percent_decode(piece.substr(0, equals), true), percent_decode(value, true));
    }
    return query;
}

const std::string* Query::find(std::string_view name) const {
    for (auto& [key, value] : pairs_)
        if (key == name) return &value;
    return nullptr;
}

std::string_view Query::get(std::string_view name) const {
    auto* value = find(name);
    return value ? std::string_view(*value) : std::string_view();
}

std::vector<std::string> Query::all(std::string_view name) const {
    std::vector<std::string> values;
    for (auto& [key, value] : pairs_)
        if (key == name) values.push_back(value);
    return values;
}

Result<Target> Target::parse(std::string_view raw) {
    Target target;
    target.raw = raw;
    auto rest = raw;
    if (!rest.starts_with('/') && rest != "*") {
        auto scheme = rest.find("://");
        if (scheme == rest.npos || scheme == 0)
            return fail(ErrorKind::InvalidArgument, concat("invalid URI for request: ", quote(raw)));
        rest.remove_prefix(scheme + 3);
        auto path = rest.find_first_of("/?");
        rest = path == rest.npos ? std::string_view() : rest.substr(path);
    }
    if (auto hash = rest.find('#'); hash != rest.npos) rest = rest.substr(0, hash);
    auto question = rest.find('?');
    target.raw_path = rest.substr(0, question);
    if (target.raw_path.empty()) target.raw_path = "/";
    if (auto escape = bad_escape(target.raw_path); !escape.empty())
        return fail(ErrorKind::InvalidArgument, bad_escape_text(escape));
    target.path = percent_decode(target.raw_path, false);
    if (question != rest.npos) {
        target.raw_query = rest.substr(question + 1);
        target.query = Query::parse(target.raw_query);
    }
    return target;
}

std::string_view status_text(int status) {
    switch (status) {
        case 100: return "Continue";
        case 101: return "Switching Protocols";
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 301: return "Moved Permanently";
        case 302: return "Found";
        case 304: return "Not Modified";
        case 307: return "Temporary Redirect";
        case 308: return "Permanent Redirect";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 406: return "Not Acceptable";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 410: return "Gone";
        case 412: return "Precondition Failed";
        case 413: return "Request Entity Too Large";
        case 415: return "Unsupported Media Type";
        case 416: return "Requested Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 502: return "Bad Gateway";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "";
    }
}

std::string http_date(int64_t unix_seconds) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = unix_seconds;
    tm utc{};
    gmtime_r(&seconds, &utc);
    auto two = [](int number) { return concat(number < 10 ? "0" : "", number); };
    return concat(kDays[utc.tm_wday], ", ", two(utc.tm_mday), ' ', kMonths[utc.tm_mon], ' ', utc.tm_year + 1900, ' ',
                  two(utc.tm_hour), ':', two(utc.tm_min), ':', two(utc.tm_sec), " GMT");
}

}  // namespace proa::http
