#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "base/time.h"
#include "registry/challenge.h"
#include "registry/credentials.h"
#include "registry/endpoint.h"

namespace proa::registry {

/// One request to a registry.
struct Request {
    std::string method = "GET";
    std::string url;
    http::Headers headers = {};
    std::set<std::string> scopes = {};  ///< "repository:library/busybox:pull"
    int64_t body_size = 0;
    /// Begins the body anew; called for each attempt.
    std::function<Result<std::function<Result<std::string_view>()>>()> body = {};
    std::function<Result<void>(int status, const http::Headers& headers)> head = {};  ///< of an answer below 300
    std::function<Result<void>(std::string_view)> sink = {};                          ///< for its body; without it the body is collected (at most 8 MiB)
    bool retry = true;                                                                ///< 429, 5xx and cut connections are tried again here
    bool any_status = false;  ///< an answer of 300 and above is an answer too; its body is collected (at most 64 KiB)
    bool probe = false;       ///< an answer of 401 is an answer: its challenges are noted, nothing is proved
};

struct Response {
    int status = 0;
    http::Headers headers;
    std::string body;
    std::string url;  ///< after redirects
};

/// Requests on behalf of one user at one registry: proves itself, follows redirects, tries again. Thread-safe.
///
/// Rule C19: credentials are bound to the origin they were given for. A redirect to another host carries none, a redirect from
/// https to http is refused, a mirror gets none, and they go to a token server only over https unless the registry itself is
/// plain or insecure.
class Session {
public:
    using Cancelled = std::function<bool()>;
    Session(std::shared_ptr<http::TransferSession> transfers, Config config, Credentials credentials, Cancelled cancelled)
        : transfers_(std::move(transfers)), config_(std::move(config)), credentials_(std::move(credentials)), cancelled_(std::move(cancelled)) {}

    /// An answer below 300. Errors: what refusal() makes of others; Unauthorized "no basic auth credentials"; Cancelled;
    /// Unavailable `Get "URL": dial tcp ...`.
    Result<Response> call(const Endpoint& endpoint, const Request& request);

    /// A refresh token, when a token server gave one to remember: the IdentityToken of a login.
    std::string refresh_token() const;
    /// For login: asks token servers for a refresh token.
    void want_refresh_token() { offline_ = true; }

    /// Whether the registry has asked for a user name and a password, and for nothing else.
    bool asks_for_basic(const Endpoint& endpoint) const;

    const Config& config() const { return config_; }
    bool is_cancelled() const { return cancelled_ && cancelled_(); }
    /// Waits, in slices; Cancelled when the client goes meanwhile.
    Result<void> pause(int64_t milliseconds) const;

private:
    struct Token {
        Secret text;
        int64_t expires;  ///< monotonic nanoseconds
    };
    Result<std::string> authorization(const Endpoint& endpoint, const Request& request, bool renew);
    Result<Secret> token(const Endpoint& endpoint, const Challenge& challenge, const std::set<std::string>& scopes, bool renew);
    Result<Token> fetch_token(const Endpoint& endpoint, const Challenge& challenge, const std::set<std::string>& scopes);
    Result<Response> exchange(const Endpoint& endpoint, const Request& request, const std::string& authorization);
    Result<Response> follow(const Endpoint& endpoint, const Request& request, const std::string& authorization);
    const Credentials& credentials_at(const Endpoint& endpoint) const;

    std::shared_ptr<http::TransferSession> transfers_;
    Config config_;
    Credentials credentials_;
    Cancelled cancelled_;
    bool offline_ = false;
    mutable std::mutex mutex_;
    std::map<std::string, std::vector<Challenge>> challenges_;  // by endpoint
    std::map<std::string, Token> tokens_;                       // by endpoint, realm, service and scopes
    Secret refresh_token_;
};

}  // namespace proa::registry
