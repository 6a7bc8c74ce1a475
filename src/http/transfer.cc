#include "http/transfer.h"

#include <cstring>

#include "base/text.h"
#include "http/module.h"
#include "http/transfer_abi.h"

namespace proa::http {

namespace {
Result<const TransferModule*> transfer_module() {
    static std::mutex mutex;
    static const TransferModule* loaded = nullptr;
    std::lock_guard lock(mutex);
    if (loaded) return loaded;
    auto* entry = reinterpret_cast<const TransferModule* (*)()>(TRY(load_module("libproa-transfer.so", "proa_transfer_module")));
    const TransferModule* module = entry();
    if (module->version != kTransferModuleVersion) return fail(ErrorKind::Unsupported, "module libproa-transfer.so: another version");
    loaded = module;
    return loaded;
}

/// One transfer under way: what the module's callbacks work on.
struct Running {
    const TransferRequest& request;
    TransferResponse response;
    std::optional<Error> failed;
    std::string_view unsent;
    bool head_seen = false;

    bool note(Result<void> done) {
        if (done) return true;
        failed = std::move(done).error();
        return false;
    }

    size_t read(char* buffer, size_t size) {
        if (unsent.empty()) {
            auto piece = request.body();
            if (!piece) {
                failed = std::move(piece).error();
                return kTransferAbort;
            }
            unsent = *piece;
        }
        size_t count = std::min(size, unsent.size());
        std::memcpy(buffer, unsent.data(), count);
        unsent.remove_prefix(count);
        return count;
    }

    bool header(std::string_view line) {
        line = trim(line);
        if (line.starts_with("HTTP/")) {
            response = {};
            head_seen = false;
            auto words = split_fields(line);
            response.status = words.size() > 1 ? static_cast<int>(parse_int(words[1]).value_or(0)) : 0;
            return true;
        }
        if (line.empty()) {
            if (response.status < 200 || head_seen) return true;
            head_seen = true;
            return !request.head || note(request.head(response.status, response.headers));
        }
        if (auto colon = line.find(':'); colon != line.npos && response.headers.size() < 1000)
            response.headers.add(line.substr(0, colon), trim(line.substr(colon + 1)));
        return true;
    }

    bool write(std::string_view bytes) { return !request.sink || note(request.sink(bytes)); }
};

std::string host_of(std::string_view url) {
    auto scheme = cut(url, "://");
    std::string_view rest = scheme ? scheme->second : url;
    return std::string(rest.substr(0, rest.find_first_of("/?#")));
}

/// The words that Go's client has for it, which people search for.
std::string fault_text(const TransferOutcome& outcome, const TransferRequest& request) {
    std::string host = host_of(request.url);
    std::string bare = host.substr(0, host.rfind(':') == std::string::npos || host.ends_with(']') ? host.size() : host.rfind(':'));
    std::string_view address(outcome.address);
    std::string peer = address.empty() ? host : address.find(':') == address.npos ? concat(address, ':', outcome.port) : concat('[', address, "]:", outcome.port);
    if (address.empty() && bare == host && !host.ends_with(']')) peer += request.url.starts_with("https") ? ":443" : ":80";
    switch (outcome.fault) {
        case TransferFault::Resolve: return concat("dial tcp: lookup ", bare, ": no such host");
        case TransferFault::Connect: return concat("dial tcp ", peer, ": connect: ", to_lower(std::strerror(outcome.number != 0 ? outcome.number : ECONNREFUSED)));
        case TransferFault::Timeout: return concat("dial tcp ", peer, ": i/o timeout (", std::string_view(outcome.text), ")");
        case TransferFault::PlainAnswer: return "http: server gave HTTP response to HTTPS client";
        case TransferFault::Verification: {
            std::string_view text(outcome.text);
            if (text.find("self-signed") != text.npos || text.find("unable to get") != text.npos)
                return "tls: failed to verify certificate: x509: certificate signed by unknown authority";
            if (text.find("expired") != text.npos) return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid";
            if (text.find("no alternative certificate subject name") != text.npos || text.find("does not match") != text.npos)
                return concat("tls: failed to verify certificate: x509: certificate is not valid for ", bare);
            return concat("tls: failed to verify certificate: ", text);
        }
        case TransferFault::Tls: return concat("tls: ", std::string_view(outcome.text));
        case TransferFault::Cut: return "unexpected EOF";
        default: return outcome.text;
    }
}
}  // namespace

Result<std::shared_ptr<TransferSession>> TransferSession::create() {
    auto* module = TRY(transfer_module());
    void* handle = module->make_session();
    if (!handle) return fail(ErrorKind::Unsupported, "libcurl could not be set up");
    return std::shared_ptr<TransferSession>(new TransferSession(module, handle));
}

TransferSession::~TransferSession() { module_->free_session(handle_); }

Result<TransferResponse> TransferSession::perform(const TransferRequest& request) {
    std::vector<std::string> lines;
    for (auto& header : request.headers) {
        if (header.value.find_first_of("\r\n") != std::string::npos) return fail(ErrorKind::InvalidArgument, concat("header ", header.name, " has a line end"));
        lines.push_back(concat(header.name, ": ", header.value));
    }
    std::vector<const char*> fields;
    for (auto& line : lines) fields.push_back(line.c_str());
    fields.push_back(nullptr);
    const std::string& proxy = request.url.starts_with("https:") ? request.proxies.https : request.proxies.http;
    Running running{request, {}, std::nullopt, {}};
    TransferOrder order{};
    order.method = request.method.c_str();
    order.url = request.url.c_str();
    order.headers = fields.data();
    order.authorities = request.trust.authorities.data();
    order.authorities_size = request.trust.authorities.size();
    order.cert_file = request.trust.cert_file.c_str();
    order.key_file = request.trust.key_file.c_str();
    order.verify = request.trust.verify;
    order.proxy = proxy.c_str();
    order.no_proxy = request.proxies.none.c_str();
    order.connect_timeout_ms = request.connect_timeout_ms;
    order.stall_seconds = request.stall_seconds;
    order.body_size = request.body_size;
    order.user = &running;
    order.read_body = [](void* user, char* buffer, size_t size) { return static_cast<Running*>(user)->read(buffer, size); };
    order.on_header = [](void* user, const char* line, size_t size) { return static_cast<Running*>(user)->header({line, size}); };
    order.write_body = [](void* user, const char* data, size_t size) { return static_cast<Running*>(user)->write({data, size}); };
    order.cancelled = [](void* user) {
        auto& asked = static_cast<Running*>(user)->request.cancelled;
        return asked && asked();
    };
    TransferOutcome outcome;
    if (module_->perform(handle_, &order, &outcome)) return std::move(running.response);
    if (running.failed) return fail(std::move(*running.failed));
    if (outcome.fault == TransferFault::Aborted) return fail(ErrorKind::Cancelled, "context canceled");
    return fail(ErrorKind::Unavailable, fault_text(outcome, request), static_cast<int>(outcome.fault));
}

}  // namespace proa::http
