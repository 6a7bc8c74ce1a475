#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "api/call.h"

namespace proa::api {

using CallHandler = std::function<Result<void>(Call&)>;

struct RouterOptions {
    std::string engine_version = PROA_VERSION;  ///< for "Server: Docker/29.0.0 (linux)"
    ApiVersion version_min = kApiVersionDefaultMin;
    ApiVersion version_max = kApiVersionMax;
    bool experimental = false;
};

/// Docker's routes: each exists with and without a version prefix, `{name}` in a pattern takes any text of one or more
/// bytes, slashes included. Among routes that match, the one with more fixed text wins. Filled before the server starts;
/// answering is thread-safe.
class Router {
public:
    explicit Router(RouterOptions options = {});

    /// `pattern` as "/containers/{id}/json". HEAD is a method of its own: GET routes do not answer it.
    void add(http::Method method, std::string_view pattern, CallHandler handler);
    void get(std::string_view pattern, CallHandler handler) { add(http::Method::Get, pattern, std::move(handler)); }
    void head(std::string_view pattern, CallHandler handler) { add(http::Method::Head, pattern, std::move(handler)); }
    void post(std::string_view pattern, CallHandler handler) { add(http::Method::Post, pattern, std::move(handler)); }
    void put(std::string_view pattern, CallHandler handler) { add(http::Method::Put, pattern, std::move(handler)); }
    void del(std::string_view pattern, CallHandler handler) { add(http::Method::Delete, pattern, std::move(handler)); }

    /// Answers one request; this is the server's handler.
    void answer(http::Exchange& exchange) const;

private:
    struct Route {
        http::Method method;
        std::vector<std::string> literals;  ///< around the parameters: one more than there are names
        std::vector<std::string> names;
        size_t literal_bytes;
        CallHandler handler;
    };
    using Parameters = std::vector<std::pair<std::string, std::string>>;

    const Route* find(http::Method method, std::string_view path, Parameters& parameters) const;
    static bool match(const Route& route, std::string_view path, Parameters& parameters);
    http::Headers docker_headers(bool with_experimental) const;
    /// Whether `version` is served; answers the call when it is not.
    bool check_version(http::Exchange& exchange, std::string_view version_text, ApiVersion version) const;
    void run(const Route& route, Call& call, std::string_view version_text) const;

    RouterOptions options_;
    std::vector<Route> routes_;  ///< more fixed text first
};

}  // namespace proa::api
