#pragma once
#include <memory>
#include <string>

#include "os/fd.h"

// TLS lives in the module libproa-tls.so, which is loaded when the first context is made: programs that never speak TLS do
// not map OpenSSL. Every TLS connection is pumped to a socketpair by a thread of its own, so that everybody else sees a
// plain stream socket.
namespace proa::http {

enum class TlsRole { Server, Client };

struct TlsConfig {
    TlsRole role = TlsRole::Server;
    std::string ca_file;    ///< PEM; Server: who may connect, Client: whom to trust ("" for the system's)
    std::string cert_file;  ///< PEM chain; may be empty for a client
    std::string key_file;   ///< PEM
    bool verify_peer = true;  ///< Server: demand a client certificate (tlsverify). Client: check the server
};

struct TlsModule;

/// Loaded certificates and rules; shared by connections, thread-safe. TLS 1.2 and later.
class TlsContext {
public:
    /// Unsupported when the module is missing, NotFound for a missing file, InvalidArgument for a bad one (named).
    static Result<std::shared_ptr<TlsContext>> create(const TlsConfig& config);
    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

private:
    TlsContext(const TlsModule* module, void* handle) : module_(module), handle_(handle) {}
    friend Result<os::Fd> tls_accept(os::Fd socket, const TlsContext& context);
    friend Result<os::Fd> tls_connect(os::Fd socket, const TlsContext& context, const std::string& server_name);

    const TlsModule* module_;
    void* handle_;
};

/// Takes a connected socket and gives the plain end at once; the handshake runs behind it, and its failure shows as an end
/// of the stream (and a line in the log). Closing either end closes both; half-closes are carried over.
Result<os::Fd> tls_accept(os::Fd socket, const TlsContext& context);
/// Client side: returns after the handshake. `server_name` (a host name or an IP address) is sent and checked.
/// Errors: Forbidden with the reason when certificates do not match, Internal for other failures. Blocks up to 30 s.
Result<os::Fd> tls_connect(os::Fd socket, const TlsContext& context, const std::string& server_name);

}  // namespace proa::http
