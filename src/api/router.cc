#include "api/router.h"

#include <algorithm>

#include "api/errors.h"
#include "base/log.h"
#include "base/text.h"
#include "os/file.h"

namespace proa::api {

namespace {
constexpr ApiVersion kFirstJsonErrors{1, 24};

/// Go's path.Clean with a kept trailing slash: what gorilla/mux redirects to.
std::string canonical_path(std::string_view path) {
    auto clean = os::clean_path(path.starts_with('/') ? std::string(path) : concat('/', path));
    if (path.ends_with('/') && clean != "/") clean += '/';
    return clean;
}

/// Escapes a path for a Location header and leaves alone what Go's URL.String leaves alone.
std::string escape_path(std::string_view path) {
    std::string out;
    for (char c : path) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     std::string_view("-_.~$&+,/:;=@").find(c) != std::string_view::npos;
        if (plain) out += c;
        else out += percent_encode(std::string_view(&c, 1));
    }
    return out;
}

struct VersionedPath {
    std::string_view version;  ///< "" when the path has none
    std::string_view rest;
};

/// "/v1.45/info" is {"1.45", "/info"}.
VersionedPath split_version(std::string_view path) {
    if (!path.starts_with("/v")) return {"", path};
    auto end = path.find_first_not_of("0123456789.", 2);
    if (end == path.npos || end == 2 || path[end] != '/') return {"", path};
    return {path.substr(2, end - 2), path.substr(end)};
}

void respond_plain_error(http::Exchange& exchange, http::Headers headers, int status, std::string_view message) {
    headers.set("Content-Type", "text/plain; charset=utf-8");
    headers.set("X-Content-Type-Options", "nosniff");
    (void)exchange.respond(status, headers, concat(message, '\n'));
}
}  // namespace

Router::Router(RouterOptions options) : options_(std::move(options)) {}

void Router::add(http::Method method, std::string_view pattern, CallHandler handler) {
    Route route{method, {}, {}, 0, std::move(handler)};
    for (;;) {
        auto open = pattern.find('{');
        route.literals.emplace_back(pattern.substr(0, open));
        route.literal_bytes += route.literals.back().size();
        if (open == pattern.npos) break;
        auto close = pattern.find('}', open);
        route.names.emplace_back(pattern.substr(open + 1, close - open - 1));
        pattern.remove_prefix(close + 1);
    }
    auto place = std::find_if(routes_.begin(), routes_.end(),
                              [&](const Route& other) { return other.literal_bytes < route.literal_bytes; });
    routes_.insert(place, std::move(route));
}

bool Router::match(const Route& route, std::string_view path, Parameters& parameters) {
    auto& first = route.literals.front();
    auto& last = route.literals.back();
    if (route.names.empty()) return path == first;
    if (path.size() < first.size() + last.size() + 1) return false;
    if (!path.starts_with(first) || !path.ends_with(last)) return false;
    path = path.substr(first.size(), path.size() - first.size() - last.size());
    std::vector<std::string_view> values(route.names.size());
    // From the right, so that the first name takes as much as it can, as a greedy expression does.
    for (size_t i = route.names.size() - 1; i > 0; i--) {
        auto& between = route.literals[i];
        auto at = path.rfind(between);
        if (at == path.npos || at + between.size() == path.size()) return false;
        values[i] = path.substr(at + between.size());
        path = path.substr(0, at);
    }
    if (path.empty()) return false;
    values[0] = path;
    for (size_t i = 0; i < values.size(); i++) parameters.emplace_back(route.names[i], values[i]);
    return true;
}

const Router::Route* Router::find(http::Method method, std::string_view path, Parameters& parameters) const {
    for (auto& route : routes_)
        if (route.method == method && match(route, path, parameters)) return &route;
    return nullptr;
}

http::Headers Router::docker_headers(bool with_experimental) const {
    http::Headers headers;
    headers.add("Api-Version", options_.version_max.text());
    if (with_experimental) headers.add("Docker-Experimental", options_.experimental ? "true" : "false");
    headers.add("Ostype", "linux");
    headers.add("Server", concat("Docker/", options_.engine_version, " (linux)"));
    return headers;
}

bool Router::check_version(http::Exchange& exchange, std::string_view version_text, ApiVersion version) const {
    std::string message;
    if (version < options_.version_min)
        message = concat("client version ", version_text, " is too old. Minimum supported API version is ",
                         options_.version_min.text(), ", please upgrade your client to a newer version");
    else if (version > options_.version_max)
        message = concat("client version ", version_text, " is too new. Maximum supported API version is ",
                         options_.version_max.text());
    else
        return true;
    auto headers = docker_headers(false);
    if (version < kFirstJsonErrors) {
        respond_plain_error(exchange, std::move(headers), 400, message);
    } else {
        headers.set("Content-Type", "application/json");
        (void)exchange.respond(400, headers, error_body(message));
    }
    return false;
}

void Router::run(const Route& route, Call& call, std::string_view version_text) const {
    auto& exchange = call.exchange();
    auto& request = call.request();
    Result<void> done;
    if (auto& failure = request.target.query.error(); !failure.empty())
        done = fail(ErrorKind::InvalidArgument, failure);
    else
        done = route.handler(call);
    if (done) return;
    auto& error = done.error();
    bool ours = error.is(ErrorKind::Internal);
    auto line = concat("Handler for ", request.method_name, ' ', request.target.path, " returned error: ", error.message());
    if (ours) log::error(line);
    else log::debug(line);
    if (exchange.response_started() || error.is(ErrorKind::Cancelled)) return exchange.close_after_response();
    if (!version_text.empty() && call.version() < kFirstJsonErrors && !error.is(ErrorKind::NotModified))
        return respond_plain_error(exchange, call.headers(), status_of(error.kind()), error.message());
    (void)call.respond_error(error);
}

void Router::answer(http::Exchange& exchange) const {
    auto& request = exchange.request();
    auto& path = request.target.path;
    if (request.method == http::Method::Options && path == "*") {
        (void)exchange.respond(200, {}, {});
        return;
    }
    if (auto canonical = canonical_path(path); canonical != path) {
        auto location = escape_path(canonical);
        if (!request.target.raw_query.empty()) location += concat('?', request.target.raw_query);
        (void)exchange.respond(301, {{"Location", location}}, {});
        return;
    }
    auto [version_text, rest] = split_version(path);
    Parameters parameters;
    const Route* route = nullptr;
    bool options = request.method == http::Method::Options;
    if (!options) route = find(request.method, rest, parameters);
    if (!route && !options) {
        (void)exchange.respond(404, {{"Content-Type", "application/json"}}, error_body("page not found"));
        return;
    }
    ApiVersion version = options_.version_max;
    if (!version_text.empty()) {
        version = ApiVersion::parse(version_text).value_or(ApiVersion());
        // skopeo and other users of containers/image ask for 1.22 whatever the engine says; of images nothing differs there.
        bool archive = version == ApiVersion(1, 22) && rest.starts_with("/images/");
        if (!archive && !check_version(exchange, version_text, version)) return;
    }
    if (log::level() <= log::Level::Debug) log::debug(concat("Calling ", request.method_name, ' ', request.target.raw));
    Call call(exchange, version, docker_headers(true), std::move(parameters));
    if (options) (void)call.respond_empty(200);
    else run(*route, call, version_text);
}

}  // namespace proa::api
