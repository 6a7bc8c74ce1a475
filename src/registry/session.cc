#include "registry/session.h"

#include <algorithm>
#include <thread>

#include "base/text.h"
#include "codec/json/value.h"
#include "http/transfer_abi.h"
#include "registry/refusal.h"

namespace proa::registry {

namespace {
constexpr size_t kBodyLimit = 8 << 20, kErrorLimit = 64 << 10;
constexpr int kRedirects = 10;
constexpr int64_t kPatience = 20;  ///< seconds that a Retry-After may ask for before it is the user's matter

/// Go's http.Client puts the method in front: `Get "https://...": dial tcp ...`.
std::string described(const Request& request, std::string_view url) {
    std::string method = to_lower(request.method);
    method[0] = static_cast<char>(method[0] - 'a' + 'A');
    return concat(method, ' ', quote(url));
}

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

bool may_succeed_later(int status) { return status == 429 || status == 500 || status == 502 || status == 503 || status == 504; }

bool transport_may_recover(const Error& error) {
    auto fault = static_cast<http::TransferFault>(error.number());
    return error.is(ErrorKind::Unavailable) && (fault == http::TransferFault::Cut || fault == http::TransferFault::Timeout);
}
}  // namespace

Result<void> Session::pause(int64_t milliseconds) const {
    for (int64_t left = milliseconds; left > 0; left -= 50) {
        if (is_cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
        std::this_thread::sleep_for(std::chrono::milliseconds(std::min<int64_t>(left, 50)));
    }
    return {};
}

std::string Session::refresh_token() const {
    std::lock_guard lock(mutex_);
    return refresh_token_.reveal();
}

bool Session::asks_for_basic(const Endpoint& endpoint) const {
    std::lock_guard lock(mutex_);
    auto known = challenges_.find(endpoint.base);
    return known != challenges_.end() && !known->second.empty() &&
           std::all_of(known->second.begin(), known->second.end(), [](auto& challenge) { return challenge.scheme == "basic"; });
}

const Credentials& Session::credentials_at(const Endpoint& endpoint) const {
    static const Credentials kNobody;
    return endpoint.mirror ? kNobody : credentials_;
}

// --- one request ---

/// One request and its answer, without redirects.
Result<Response> Session::exchange(const Endpoint& endpoint, const Request& request, const std::string& authorization) {
    Response response;
    http::TransferRequest transfer;
    transfer.method = request.method;
    transfer.url = request.url;
    transfer.headers = request.headers;
    if (!config_.user_agent.empty()) transfer.headers.set("User-Agent", config_.user_agent);
    if (!authorization.empty()) transfer.headers.set("Authorization", authorization);
    if (origin_of(request.url) == origin_of(endpoint.base)) {
        transfer.trust = endpoint.trust;
        if (endpoint.connect_timeout_ms > 0) transfer.connect_timeout_ms = endpoint.connect_timeout_ms;
        for (auto& header : endpoint.headers)
            if (!transfer.headers.has(header.name)) transfer.headers.add(header.name, header.value);
    } else {
        transfer.trust = TRY(trust_for(config_, host_of(request.url)));
    }
    transfer.proxies = config_.proxies;
    transfer.cancelled = cancelled_;
    if (request.body) {
        transfer.body_size = request.body_size;
        transfer.body = TRY(request.body());
    }
    bool good = false;
    transfer.head = [&](int status, const http::Headers& headers) -> Result<void> {
        good = status < 300;
        return good && request.head ? request.head(status, headers) : Result<void>();
    };
    transfer.sink = [&](std::string_view bytes) -> Result<void> {
        if (good && request.sink) return request.sink(bytes);
        size_t limit = good ? kBodyLimit : kErrorLimit;
        if (good && response.body.size() + bytes.size() > limit)
            return fail(ErrorKind::InvalidArgument, concat("answer of ", host_of(request.url), " is larger than ", limit, " bytes"));
        response.body.append(bytes.substr(0, limit - std::min(limit, response.body.size())));
        return {};
    };
    auto done = transfers_->perform(transfer);
    if (!done && done.error().is(ErrorKind::Unavailable)) return fail(std::move(done).error().wrap(described(request, request.url)));
    if (!done) return fail(std::move(done).error());
    response.status = done->status;
    response.headers = std::move(done->headers);
    response.url = request.url;
    return response;
}

/// The same with redirects followed. Credentials stay at their origin.
Result<Response> Session::follow(const Endpoint& endpoint, const Request& original, const std::string& given) {
    Request request = original;
    std::string authorization = given;
    for (int hops = 0;; hops++) {
        Response response = TRY(exchange(endpoint, request, authorization));
        std::string_view location = response.headers.get("Location");
        if (!is_redirect(response.status) || location.empty()) return response;
        if (hops == kRedirects) return fail(ErrorKind::Internal, concat(described(request, request.url), ": stopped after 10 redirects"));
        std::string target = resolve_url(request.url, location);
        if (!target.starts_with("https://") && !target.starts_with("http://"))
            return fail(ErrorKind::Forbidden, concat(described(request, request.url), ": redirect to ", quote(target), " is refused"));
        if (request.url.starts_with("https://") && !target.starts_with("https://"))
            return fail(ErrorKind::Forbidden, concat(described(request, request.url), ": redirect from https to ", quote(target), " is refused"));
        if (origin_of(target) != origin_of(request.url)) {
            authorization.clear();
            request.headers.remove("Cookie");
        }
        if (response.status == 303 && request.method != "HEAD") {
            request.method = "GET";
            request.body = {};
        }
        request.url = std::move(target);
    }
}

Result<Response> Session::call(const Endpoint& endpoint, const Request& request) {
    bool proved = false;
    for (int attempt = 1;; attempt++) {
        if (is_cancelled()) return fail(ErrorKind::Cancelled, "context canceled");
        auto answer = follow(endpoint, request, TRY(authorization(endpoint, request, false)));
        bool last = !request.retry || attempt >= config_.attempts;
        int64_t delay = std::min<int64_t>(200 << std::min(attempt - 1, 5), 5000);
        if (!answer) {
            if (last || !transport_may_recover(answer.error())) return answer;
            TRY(pause(delay));
            continue;
        }
        if (answer->status < 300) return answer;
        if (answer->status == 401 && !proved && origin_of(answer->url) == origin_of(request.url)) {
            proved = true;
            std::vector<Challenge> found;
            for (auto& header : answer->headers)
                if (equals_ignoring_case(header.name, "WWW-Authenticate")) std::ranges::copy(parse_challenges(header.value), std::back_inserter(found));
            bool known = false;
            {
                std::lock_guard lock(mutex_);
                known = challenges_.contains(endpoint.base);
                challenges_[endpoint.base] = std::move(found);
            }
            if (request.probe) return answer;
            std::string proof = TRY(authorization(endpoint, request, known));
            if (!proof.empty()) {
                attempt--;
                continue;
            }
        }
        Error refused = refusal(answer->status, answer->body);
        if (request.any_status && (last || !may_succeed_later(answer->status))) return answer;
        if (last || !may_succeed_later(answer->status)) return fail(std::move(refused));
        if (auto wanted = parse_int(answer->headers.get("Retry-After"))) {
            if (*wanted > kPatience) return fail(std::move(refused));
            delay = std::max<int64_t>(*wanted, 0) * 1000;
        }
        TRY(pause(delay));
    }
}

// --- proof ---

Result<std::string> Session::authorization(const Endpoint& endpoint, const Request& request, bool renew) {
    std::vector<Challenge> challenges;
    {
        std::lock_guard lock(mutex_);
        auto known = challenges_.find(endpoint.base);
        if (known == challenges_.end()) return std::string();
        challenges = known->second;
    }
    auto& credentials = credentials_at(endpoint);
    for (auto& challenge : challenges)
        if (challenge.scheme == "bearer") {
            if (!credentials.registry_token.empty()) return "Bearer " + credentials.registry_token.reveal();
            return "Bearer " + TRY(token(endpoint, challenge, request.scopes, renew)).reveal();
        }
    for (auto& challenge : challenges) {
        if (challenge.scheme != "basic") continue;
        if (credentials.username.empty()) return fail(ErrorKind::Unauthorized, concat(described(request, request.url), ": no basic auth credentials"));
        return "Basic " + base64(concat(credentials.username, ':', credentials.password.reveal()));
    }
    return std::string();
}

Result<Secret> Session::token(const Endpoint& endpoint, const Challenge& challenge, const std::set<std::string>& scopes, bool renew) {
    std::set<std::string> wanted = scopes;
    if (wanted.empty())
        for (auto& scope : split_fields(challenge.parameter("scope"))) wanted.insert(scope);
    std::string key =
        concat(endpoint.base, '\n', challenge.parameter("realm"), '\n', challenge.parameter("service"), '\n', join({wanted.begin(), wanted.end()}, " "));
    {
        std::lock_guard lock(mutex_);
        auto known = tokens_.find(key);
        if (!renew && known != tokens_.end() && known->second.expires > monotonic_nanoseconds()) return known->second.text;
    }
    Token fresh = TRY(fetch_token(endpoint, challenge, wanted));
    std::lock_guard lock(mutex_);
    tokens_[key] = fresh;
    return fresh.text;
}

namespace {
std::string token_query(const Challenge& challenge, const std::set<std::string>& scopes) {
    std::string query;
    if (auto service = challenge.parameter("service"); !service.empty()) query += "&service=" + percent_encode(service);
    return query + (scopes.empty() ? "" : "&scope=" + percent_encode(join({scopes.begin(), scopes.end()}, " ")));
}

Request form_request(const std::string& url, std::string form) {
    Request request{.method = "POST", .url = url, .headers = {{"Content-Type", "application/x-www-form-urlencoded"}}};
    request.body_size = static_cast<int64_t>(form.size());
    auto text = std::make_shared<std::string>(std::move(form));
    request.body = [text] {
        return Result<std::function<Result<std::string_view>()>>(
            [text, rest = std::string_view(*text)]() mutable -> Result<std::string_view> { return std::exchange(rest, {}); });
    };
    return request;
}
}  // namespace

Result<Session::Token> Session::fetch_token(const Endpoint& endpoint, const Challenge& challenge, const std::set<std::string>& scopes) {
    std::string realm = challenge.parameter("realm");
    auto& credentials = credentials_at(endpoint);
    if (!realm.starts_with("https://") && !realm.starts_with("http://"))
        return fail(ErrorKind::Internal, concat("invalid token auth challenge realm ", quote(realm)));
    if (endpoint.is_https() && endpoint.trust.verify && !realm.starts_with("https://") && !credentials.anonymous())
        return fail(ErrorKind::Forbidden, concat("token server ", quote(realm), " of ", endpoint.base, " is not https: no credentials are sent there"));
    Result<Response> answer = fail(ErrorKind::Internal, "");
    if (!credentials.identity_token.empty()) {
        std::string form = concat("grant_type=refresh_token&refresh_token=", percent_encode(credentials.identity_token.reveal()), "&client_id=docker",
                                  token_query(challenge, scopes));
        answer = follow(endpoint, form_request(realm, form), "");
    } else {
        std::string query;
        if (auto service = challenge.parameter("service"); !service.empty()) query += "&service=" + percent_encode(service);
        for (auto& scope : scopes) query += "&scope=" + percent_encode(scope);
        if (!credentials.username.empty()) query += "&account=" + percent_encode(credentials.username);
        if (offline_) query += "&offline_token=true&client_id=docker";
        std::string url = realm;
        if (!query.empty()) url += (realm.find('?') == std::string::npos ? "?" : "&") + query.substr(1);
        std::string proof = credentials.username.empty() ? "" : "Basic " + base64(concat(credentials.username, ':', credentials.password.reveal()));
        answer = follow(endpoint, {.url = url}, proof);
    }
    if (!answer) return fail(std::move(answer).error());
    if (answer->status >= 300) return fail(refusal(answer->status, answer->body));
    auto document = json::parse(answer->body);
    if (!document) return fail(ErrorKind::Internal, concat("unable to decode token response: ", document.error().message()));
    const std::string& access = (*document)["access_token"].as_string();
    const std::string& text = access.empty() ? (*document)["token"].as_string() : access;
    if (text.empty()) return fail(ErrorKind::Internal, "authorization server did not include a token in the response");
    if (auto& refresh = (*document)["refresh_token"].as_string(); !refresh.empty()) {
        std::lock_guard lock(mutex_);
        refresh_token_ = Secret(refresh);
    }
    int64_t seconds = std::max<int64_t>((*document)["expires_in"].as_int(), 60);
    return Token{Secret(text), monotonic_nanoseconds() + std::min<int64_t>(seconds * 9 / 10, 86400) * 1000000000};
}

}  // namespace proa::registry
