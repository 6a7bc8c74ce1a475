// The inside of libproa-transfer.so: libcurl. It shares no C++ code with the rest of Proa: see transfer_abi.h.
#include <curl/curl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>

#include "http/transfer_abi.h"

namespace proa::http {

namespace {

/// Handles that are not in use; each keeps its connections.
struct Session {
    std::mutex mutex;
    std::vector<CURL*> idle;

    CURL* take() {
        std::lock_guard lock(mutex);
        if (idle.empty()) return curl_easy_init();
        CURL* handle = idle.back();
        idle.pop_back();
        return handle;
    }
    void give_back(CURL* handle) {
        curl_easy_reset(handle);  // connections stay
        std::lock_guard lock(mutex);
        if (idle.size() < 16) idle.push_back(handle);
        else curl_easy_cleanup(handle);
    }
};

size_t on_read(char* buffer, size_t size, size_t count, void* user) {
    auto* order = static_cast<const TransferOrder*>(user);
    size_t got = order->read_body(order->user, buffer, size * count);
    return got == kTransferAbort ? CURL_READFUNC_ABORT : got;
}

size_t on_write(char* data, size_t size, size_t count, void* user) {
    auto* order = static_cast<const TransferOrder*>(user);
    return order->write_body(order->user, data, size * count) ? size * count : 0;
}

size_t on_header(char* data, size_t size, size_t count, void* user) {
    auto* order = static_cast<const TransferOrder*>(user);
    return order->on_header(order->user, data, size * count) ? size * count : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto* order = static_cast<const TransferOrder*>(user);
    return order->cancelled(order->user) ? 1 : 0;
}

void set_options(CURL* handle, const TransferOrder& order, curl_slist* fields, char* error) {
    curl_easy_setopt(handle, CURLOPT_URL, order.url);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);  // the caller decides which credentials go where
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, fields);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(handle, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, long{order.connect_timeout_ms});
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, long{order.stall_seconds});
    curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, order.proxy);
    curl_easy_setopt(handle, CURLOPT_NOPROXY, order.no_proxy);
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, order.verify ? 1L : 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, order.verify ? 2L : 0L);
    if (order.authorities_size > 0) {
        curl_blob authorities{const_cast<char*>(order.authorities), order.authorities_size, CURL_BLOB_NOCOPY};
        curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &authorities);
    }
    if (*order.cert_file) curl_easy_setopt(handle, CURLOPT_SSLCERT, order.cert_file);
    if (*order.key_file) curl_easy_setopt(handle, CURLOPT_SSLKEY, order.key_file);
    auto* user = const_cast<TransferOrder*>(&order);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, user);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, user);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, user);
    if (order.body_size != 0) {
        curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(handle, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(handle, CURLOPT_READDATA, user);
        if (order.body_size > 0) curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(order.body_size));
    } else if (strcmp(order.method, "HEAD") == 0) {
        curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    } else if (strcmp(order.method, "GET") != 0) {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, "");
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, order.method);
}

TransferFault fault_of(CURLcode code) {
    switch (code) {
        case CURLE_OK: return TransferFault::None;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY: return TransferFault::Resolve;
        case CURLE_COULDNT_CONNECT: return TransferFault::Connect;
        case CURLE_OPERATION_TIMEDOUT: return TransferFault::Timeout;
        case CURLE_PEER_FAILED_VERIFICATION: return TransferFault::Verification;
        case CURLE_SSL_CONNECT_ERROR: return TransferFault::Tls;
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_GOT_NOTHING: return TransferFault::Cut;
        case CURLE_ABORTED_BY_CALLBACK:
        case CURLE_WRITE_ERROR: return TransferFault::Aborted;
        default: return TransferFault::Other;
    }
}

bool perform(void* opaque, const TransferOrder* order, TransferOutcome* outcome) {
    auto& session = *static_cast<Session*>(opaque);
    CURL* handle = session.take();
    if (!handle) {
        outcome->fault = TransferFault::Other;
        snprintf(outcome->text, sizeof outcome->text, "no memory for a transfer");
        return false;
    }
    curl_slist* fields = nullptr;
    for (auto* header = order->headers; *header; header++) fields = curl_slist_append(fields, *header);
    fields = curl_slist_append(fields, "Expect:");
    char error[CURL_ERROR_SIZE] = "";
    set_options(handle, *order, fields, error);
    CURLcode code = curl_easy_perform(handle);
    outcome->fault = fault_of(code);
    if (code != CURLE_OK) {
        long number = 0, port = 0;
        char* address = nullptr;
        curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &number);
        curl_easy_getinfo(handle, CURLINFO_PRIMARY_IP, &address);
        curl_easy_getinfo(handle, CURLINFO_PRIMARY_PORT, &port);
        outcome->number = static_cast<int>(number);
        outcome->port = static_cast<int>(port);
        if (address) snprintf(outcome->address, sizeof outcome->address, "%s", address);
        snprintf(outcome->text, sizeof outcome->text, "%s", *error ? error : curl_easy_strerror(code));
        if (outcome->fault == TransferFault::Tls && strstr(outcome->text, "wrong version number")) outcome->fault = TransferFault::PlainAnswer;
    }
    curl_slist_free_all(fields);
    session.give_back(handle);
    return code == CURLE_OK;
}

void* make_session() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    return ready == CURLE_OK ? new Session : nullptr;
}

void free_session(void* opaque) {
    auto* session = static_cast<Session*>(opaque);
    for (CURL* handle : session->idle) curl_easy_cleanup(handle);
    delete session;
}

constexpr TransferModule kModule{kTransferModuleVersion, make_session, free_session, perform};

}  // namespace

}  // namespace proa::http

extern "C" __attribute__((visibility("default"))) const proa::http::TransferModule* proa_transfer_module() { return &proa::http::kModule; }
