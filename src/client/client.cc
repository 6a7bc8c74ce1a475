#include "client/client.h"

#include "base/text.h"

namespace proa::client {

namespace {
ErrorKind kind_of_status(int status) {
    switch (status) {
        case 304: return ErrorKind::NotModified;
        case 400: return ErrorKind::InvalidArgument;
        case 401: return ErrorKind::Unauthorized;
        case 403: return ErrorKind::Forbidden;
        case 404: return ErrorKind::NotFound;
        case 409: return ErrorKind::Conflict;
        case 501: return ErrorKind::Unsupported;
        case 503: return ErrorKind::Unavailable;
        default: return ErrorKind::Internal;
    }
}

std::string query_text(const Parameters& query) {
    std::string out;
    for (auto& [key, value] : query)
        out += concat(out.empty() ? '?' : '&', percent_encode(key), '=', percent_encode(value));
    return out;
}

/// Slashes stay: image names are sent as they are.
std::string path_text(std::string_view path) {
    std::string out;
    for (char c : path) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     std::string_view("/-_.~:@!$&'()*+,;=").find(c) != std::string_view::npos;
        if (plain) out.push_back(c);
        else out += percent_encode(std::string_view(&c, 1));
    }
    return out;
}

Error lost_connection(const Endpoint& endpoint, Error error) {
    return Error(ErrorKind::Unavailable,
                 concat("error during connect: ", endpoint.text, ": ", error.message()), error.number());
}
}  // namespace

std::string filters_text(const Filters& filters) {
    if (filters.empty()) return "";
    json::Object all;
    for (auto& [key, values] : filters) {
        json::Object set;
        for (auto& value : values) set.set(value, true);
        set.sort();
        all.set(key, std::move(set));
    }
    return json::print(json::Value(std::move(all)));
}

int compare_versions(std::string_view a, std::string_view b) {
    auto left = split(a, '.'), right = split(b, '.');
    for (size_t i = 0; i < std::max(left.size(), right.size()); i++) {
        int64_t x = i < left.size() ? parse_int(left[i]).value_or(0) : 0;
        int64_t y = i < right.size() ? parse_int(right[i]).value_or(0) : 0;
        if (x != y) return x < y ? -1 : 1;
    }
    return 0;
}

Client::Client(Endpoint endpoint, HeaderList headers, std::optional<std::string> pinned_version)
    : endpoint_(std::move(endpoint)), headers_(std::move(headers)) {
    version_ = pinned_version ? std::string(trim_prefix(*pinned_version, "v")) : std::string(kApiVersion);
    agreed_ = pinned_version.has_value();
    bool has_agent = false;
    for (auto& [name, value] : headers_) has_agent |= equals_ignoring_case(name, "User-Agent");
    if (!has_agent) headers_.emplace_back("User-Agent", concat("Docker-Client/", PROA_VERSION, " (linux)"));
}

bool Client::version_at_least(std::string_view wanted) const { return compare_versions(version_, wanted) >= 0; }

Request Client::request_for(const Call& call) const {
    Request request;
    request.method = call.method;
    request.target = endpoint_.base_path;
    if (call.versioned) request.target += concat("/v", version_);
    request.target += path_text(call.path) + query_text(call.query);
    request.headers = headers_;
    request.headers.insert(request.headers.end(), call.headers.begin(), call.headers.end());
    request.content_type = call.content_type;
    if (call.body || !call.json_text.empty()) {
        request.body = (call.body ? json::print(*call.body) : call.json_text) + "\n";
        request.content_type = "application/json";
    }
    request.upgrade = call.upgrade;
    request.chunked = call.chunked;
    return request;
}

Result<void> Client::connect_main() {
    if (main_ && main_->reusable()) {
        auto closed = os::wait_readable(main_->fd(), 0);
        if (closed && !*closed) return {};
    }
    main_.reset();
    main_ = TRY(Connection::open(endpoint_));
    return {};
}

Result<Ping> Client::ping() {
    if (ping_) return *ping_;
    ResponseHead head;
    for (const char* method : {"HEAD", "GET"}) {
        TRY(connect_main());
        Request request = request_for(Call{.method = method, .path = "/_ping", .versioned = false});
        if (auto sent = main_->send(request); !sent) return fail(lost_connection(endpoint_, sent.error()));
        auto got = main_->read_head(method);
        if (!got) return fail(lost_connection(endpoint_, got.error()));
        head = std::move(*got);
        if (auto body = main_->read_body(); !body) main_.reset();
        if (head.status == 200) break;
    }
    Ping ping;
    ping.api_version = head.header("Api-Version");
    ping.os_type = head.header("Ostype");
    ping.builder_version = head.header("Builder-Version");
    ping.swarm = head.header("Swarm");
    ping.experimental = head.header("Docker-Experimental") == "true";
    ping_ = ping;
    return ping;
}

Result<void> Client::negotiate() {
    if (agreed_) return {};
    Ping found = TRY(ping());
    std::string server = found.api_version.empty() ? std::string(kApiVersionFallback) : found.api_version;
    if (compare_versions(server, version_) < 0) version_ = server;
    agreed_ = true;
    return {};
}

Error Client::answer_error(Connection& connection, const ResponseHead& head, const std::string& target) {
    auto body = connection.read_body(1 << 20);
    std::string message;
    if (body) {
        auto value = json::parse(*body);
        if (value && (*value)["message"].is_string()) message = (*value)["message"].as_string();
        else message = trim(*body);
    }
    if (message.empty())
        return Error(kind_of_status(head.status),
                     concat("request returned ", head.status, " ", head.reason, " for API route and version ", target,
                            ", check if the server supports the requested API version"));
    return Error(kind_of_status(head.status), concat("Error response from daemon: ", trim(message)));
}

Result<std::string> Client::text(const Call& call) {
    if (call.versioned) TRY(negotiate());
    TRY(connect_main());
    Request request = request_for(call);
    if (auto sent = main_->send(request); !sent) return fail(lost_connection(endpoint_, sent.error()));
    auto head = main_->read_head(call.method);
    if (!head) return fail(lost_connection(endpoint_, head.error()));
    if (head->status < 200 || head->status >= 400) return fail(answer_error(*main_, *head, request.target));
    return main_->read_body();
}

Result<json::Value> Client::json(const Call& call) {
    std::string body = TRY(text(call));
    if (trim(body).empty()) return json::Value();
    return json::parse(body);
}

Result<ResponseHead> Client::head(const Call& call) {
    TRY(negotiate());
    TRY(connect_main());
    Request request = request_for(call);
    TRY(main_->send(request));
    ResponseHead head = TRY(main_->read_head(call.method));
    if (head.status < 200 || head.status >= 300) return fail(answer_error(*main_, head, request.target));
    TRY(main_->read_body());
    return head;
}

Result<Connection> Client::begin(const Call& call) {
    TRY(negotiate());
    Connection connection = TRY(Connection::open(endpoint_));
    if (auto sent = connection.send(request_for(call)); !sent) return fail(lost_connection(endpoint_, sent.error()));
    return connection;
}

Result<ResponseHead> Client::finish(Connection& connection, const Call& call) {
    auto head = connection.read_head(call.method);
    if (!head) return fail(lost_connection(endpoint_, head.error()));
    if ((head->status < 200 || head->status >= 300) && !(call.upgrade && head->status == 101)) {
        if (call.upgrade)
            if (auto type = head->header("Content-Type"); type != "application/json" && head->status == 400)
                return fail(kind_of_status(head->status), "unable to upgrade to tcp, received 400");
        return fail(answer_error(connection, *head, request_for(call).target));
    }
    return std::move(*head);
}

Result<Connection> Client::stream(const Call& call) {
    Connection connection = TRY(begin(call));
    TRY(finish(connection, call));
    return connection;
}

Result<RawStream> Client::finish_hijack(Connection connection, const Call& call) {
    ResponseHead head = TRY(finish(connection, call));
    RawStream raw;
    raw.content_type = head.header("Content-Type");
    std::tie(raw.socket, raw.early) = connection.hijack();
    return raw;
}

Result<RawStream> Client::hijack(const Call& call) { return finish_hijack(TRY(begin(call)), call); }

}  // namespace proa::client
