#pragma once
#include <cstddef>
#include <cstdint>

// What libproa-transfer.so exports. A C interface: the module has its own copy of the C++ library, so no C++ object crosses.
namespace proa::http {

constexpr unsigned kTransferModuleVersion = 1;
constexpr size_t kTransferAbort = SIZE_MAX;  ///< from read_body: give up

/// Why a transfer ended without an answer.
enum class TransferFault { None, Resolve, Connect, Timeout, PlainAnswer, Verification, Tls, Cut, Aborted, Other };

/// All texts end with a zero; "" means none.
struct TransferOrder {
    const char* method;
    const char* url;
    const char* const* headers;  ///< "Name: value", ends with a null pointer
    const char* authorities;     ///< PEM texts; "": the system's
    size_t authorities_size;
    const char* cert_file;
    const char* key_file;
    bool verify;
    const char* proxy;
    const char* no_proxy;
    int connect_timeout_ms;
    int stall_seconds;  ///< give up after so long without a byte
    int64_t body_size;  ///< 0: no body, -1: chunked

    void* user;  ///< given to every function below; they are called on the calling thread
    size_t (*read_body)(void* user, char* buffer, size_t size);
    bool (*on_header)(void* user, const char* line, size_t size);  ///< status line, fields and the empty line, each as it came
    bool (*write_body)(void* user, const char* data, size_t size);
    bool (*cancelled)(void* user);  ///< asked several times a second
};

struct TransferOutcome {
    TransferFault fault = TransferFault::None;
    int number = 0;          ///< errno of a failed connect
    char address[64] = "";   ///< of the peer, numeric, when it was known
    int port = 0;
    char text[256] = "";     ///< the library's own words
};

struct TransferModule {
    unsigned version;
    void* (*make_session)();
    void (*free_session)(void* session);
    /// Thread-safe; connections are kept in the session and used again. False: see `outcome`.
    bool (*perform)(void* session, const TransferOrder* order, TransferOutcome* outcome);
};

}  // namespace proa::http
