#pragma once
#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

// Requests to servers out there, by libcurl. It lives in the module libproa-transfer.so, which is loaded when the first session is
// made: a program that never asks a registry maps neither libcurl nor OpenSSL.
namespace proa::http {

struct TransferModule;

/// Which server is believed, and who we say we are. Empty for none.
struct TransferTrust {
    std::string authorities;          ///< PEM texts of all authorities; empty: the system's
    std::string cert_file, key_file;  ///< paths
    bool verify = true;
    bool operator==(const TransferTrust&) const = default;
};

/// From daemon.json or the environment, as curl takes them.
struct TransferProxies {
    std::string http, https, none;
};

struct TransferRequest {
    std::string method = "GET";
    std::string url;
    Headers headers;
    TransferTrust trust;
    TransferProxies proxies;
    int connect_timeout_ms = 15000;
    int stall_seconds = 60;

    int64_t body_size = 0;  ///< 0: no body, -1: unknown (sent in chunks)
    std::function<Result<std::string_view>()> body;  ///< next bytes, empty at the end; called from the calling thread

    /// Sees the head before the body comes; an Error ends the transfer and is the outcome.
    std::function<Result<void>(int status, const Headers& headers)> head;
    std::function<Result<void>(std::string_view)> sink;  ///< the body
    std::function<bool()> cancelled;                     ///< asked several times a second
};

struct TransferResponse {
    int status = 0;
    Headers headers;
};

/// Connections to servers, kept and used again. Thread-safe.
class TransferSession {
public:
    /// Unsupported when the module or libcurl is missing.
    static Result<std::shared_ptr<TransferSession>> create();
    ~TransferSession();
    TransferSession(const TransferSession&) = delete;
    TransferSession& operator=(const TransferSession&) = delete;

    /// One request and its answer, whatever the status. Redirects are not followed. Blocks.
    /// Errors: Cancelled; Unavailable with Go's words where clients know them (`dial tcp 127.0.0.1:5000: connect: connection refused`),
    /// number() holds the TransferFault; what `head`, `sink` and `body` gave.
    Result<TransferResponse> perform(const TransferRequest& request);

private:
    TransferSession(const TransferModule* module, void* handle) : module_(module), handle_(handle) {}
    const TransferModule* module_;
    void* handle_;
};

}  // namespace proa::http
