#pragma once

// What libproa-tls.so exports. A C interface: the module has its own copy of the C++ library, so no C++ object crosses.
namespace proa::http {

constexpr unsigned kTlsModuleVersion = 1;

/// Where the module puts a failure text; always ends with a zero.
struct TlsFailure {
    int kind = 0;  ///< 0 internal, 1 not found, 2 invalid, 3 refused by verification
    char text[512] = "";
};

struct TlsModuleConfig {
    bool server;
    bool verify_peer;
    const char* ca_file;  ///< "" for none
    const char* cert_file;
    const char* key_file;
};

struct TlsModule {
    unsigned version;
    void* (*make_context)(const TlsModuleConfig* config, TlsFailure* failure);
    void (*free_context)(void* context);
    /// Both take ownership of `socket` in every case and return the plain end, or -1.
    int (*accept)(void* context, int socket, void (*log)(const char* text), TlsFailure* failure);
    int (*connect)(void* context, int socket, const char* server_name, TlsFailure* failure);
};

}  // namespace proa::http
