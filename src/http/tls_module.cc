// The inside of libproa-tls.so. It shares no C++ code with the rest of Proa: see tls_abi.h.
#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <time.h>

#include "http/tls_abi.h"

namespace proa::http {

namespace {
constexpr int kHandshakeMs = 30000;
constexpr size_t kBufferSize = 32 << 10;
constexpr size_t kPumpStack = 256 << 10;

enum Kind { kInternal, kNotFound, kInvalid, kRefused };

void tell(TlsFailure* failure, Kind kind, const std::string& text) {
    failure->kind = kind;
    snprintf(failure->text, sizeof failure->text, "%s", text.c_str());
}

/// The oldest queued OpenSSL error names the cause; the others are what it led to.
std::string ssl_reason() {
    unsigned long first = ERR_get_error();
    if (first == 0) return errno ? strerror(errno) : "connection closed";
    ERR_clear_error();
    if (const char* reason = ERR_reason_error_string(first)) return reason;
    char text[160];
    ERR_error_string_n(first, text, sizeof text);
    return text;
}

int64_t now_ms() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

bool load_files(SSL_CTX* context, const TlsModuleConfig& config, TlsFailure* failure) {
    for (const char* file : {config.ca_file, config.cert_file, config.key_file}) {
        if (!*file || access(file, R_OK) == 0) continue;
        tell(failure, kNotFound, std::string("could not read ") + file + ": " + strerror(errno));
        return false;
    }
    if (*config.cert_file && SSL_CTX_use_certificate_chain_file(context, config.cert_file) != 1) {
        tell(failure, kInvalid, std::string("could not load certificate ") + config.cert_file + ": " + ssl_reason());
        return false;
    }
    if (*config.key_file && (SSL_CTX_use_PrivateKey_file(context, config.key_file, SSL_FILETYPE_PEM) != 1 ||
                             SSL_CTX_check_private_key(context) != 1)) {
        tell(failure, kInvalid, std::string("could not load key ") + config.key_file + ": " + ssl_reason());
        return false;
    }
    if (!*config.ca_file) {
        if (!config.server) SSL_CTX_set_default_verify_paths(context);
        return true;
    }
    if (SSL_CTX_load_verify_locations(context, config.ca_file, nullptr) != 1) {
        tell(failure, kInvalid, std::string("could not load CA certificate ") + config.ca_file + ": " + ssl_reason());
        return false;
    }
    if (config.server)
        if (auto* names = SSL_load_client_CA_file(config.ca_file)) SSL_CTX_set_client_CA_list(context, names);
    return true;
}

void* make_context(const TlsModuleConfig* config, TlsFailure* failure) {
    errno = 0;
    SSL_CTX* context = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
    if (!context) {
        tell(failure, kInternal, ssl_reason());
        return nullptr;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (config->server) {
        // Many clients hang up without a close_notify; HTTP's own framing tells whether something is missing.
        SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
        static const unsigned char kId[] = "proa";
        SSL_CTX_set_session_id_context(context, kId, sizeof kId - 1);
    }
    if (!load_files(context, *config, failure)) {
        SSL_CTX_free(context);
        return nullptr;
    }
    if (config->server && (!*config->cert_file || !*config->key_file)) {
        tell(failure, kInvalid, "a TLS server needs a certificate and a key");
        SSL_CTX_free(context);
        return nullptr;
    }
    int mode = config->verify_peer ? SSL_VERIFY_PEER | (config->server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0) : SSL_VERIFY_NONE;
    SSL_CTX_set_verify(context, mode, nullptr);
    return context;
}

void free_context(void* context) { SSL_CTX_free(static_cast<SSL_CTX*>(context)); }

/// One direction's bytes on their way.
struct Buffer {
    char data[kBufferSize];
    size_t start = 0, end = 0;
    bool input_ended = false;   ///< no more bytes come in
    bool output_ended = false;  ///< the end was passed on

    bool empty() const { return start == end; }
    bool has_room() const { return !input_ended && end < kBufferSize; }
    void took(size_t bytes) {
        start += bytes;
        if (start == end) start = end = 0;
    }
};

/// A TLS socket and the plain one behind it. Runs on a thread of its own until both directions are done.
struct Pump {
    SSL* ssl = nullptr;
    int socket = -1, plain = -1;
    bool server = true;
    void (*log)(const char* text) = nullptr;
    Buffer inward, outward;  ///< from the network, to the network
    short tls_wants = 0;     ///< what an unfinished TLS operation waits for
    bool broken = false;
    bool plain_gone = false;  ///< the other end of the plain pair is closed: it hangs up in every poll

    ~Pump() {
        if (ssl) SSL_free(ssl);
        if (socket >= 0) close(socket);
        if (plain >= 0) close(plain);
    }

    bool handshake(std::string& reason);
    void run();
    bool step();
    bool read_tls();
    bool write_tls();
    bool read_plain();
    bool write_plain();
    bool pass_ends();
    bool note(int result);
    void wait();
};

bool Pump::handshake(std::string& reason) {
    int64_t deadline = now_ms() + kHandshakeMs;
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int done = server ? SSL_accept(ssl) : SSL_connect(ssl);
        if (done == 1) return true;
        int error = SSL_get_error(ssl, done);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
            bool http = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
            long verified = SSL_get_verify_result(ssl);
            reason = ssl_reason();
            if (verified != X509_V_OK) reason = X509_verify_cert_error_string(verified);
            if (http && server) {
                static const char kAnswer[] = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
                (void)!send(socket, kAnswer, sizeof kAnswer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
            return false;
        }
        int64_t left = deadline - now_ms();
        pollfd entry{socket, static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
        int ready = left <= 0 ? 0 : poll(&entry, 1, static_cast<int>(left));
        if (ready == 0) {
            reason = "handshake timed out";
            return false;
        }
    }
}

/// False: nothing happened because TLS waits for the socket, or the connection is over (broken).
bool Pump::note(int result) {
    switch (SSL_get_error(ssl, result)) {
        case SSL_ERROR_WANT_READ: tls_wants |= POLLIN; return false;
        case SSL_ERROR_WANT_WRITE: tls_wants |= POLLOUT; return false;
        case SSL_ERROR_ZERO_RETURN: inward.input_ended = true; return true;
        default: broken = true; return false;
    }
}

bool Pump::read_tls() {
    bool moved = false;
    while (inward.has_room()) {
        ERR_clear_error();
        int got = SSL_read(ssl, inward.data + inward.end, static_cast<int>(kBufferSize - inward.end));
        if (got <= 0) return note(got) || moved;
        inward.end += static_cast<size_t>(got);
        moved = true;
    }
    return moved;
}

bool Pump::write_tls() {
    bool moved = false;
    while (!outward.empty()) {
        ERR_clear_error();
        int put = SSL_write(ssl, outward.data + outward.start, static_cast<int>(outward.end - outward.start));
        if (put <= 0) return note(put) || moved;
        outward.took(static_cast<size_t>(put));
        moved = true;
    }
    return moved;
}

bool Pump::read_plain() {
    if (!outward.has_room()) return false;
    ssize_t got = recv(plain, outward.data + outward.end, kBufferSize - outward.end, MSG_DONTWAIT);
    if (got > 0) outward.end += static_cast<size_t>(got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR)) outward.input_ended = true;
    else return false;
    return true;
}

bool Pump::write_plain() {
    if (inward.empty()) return false;
    ssize_t put = send(plain, inward.data + inward.start, inward.end - inward.start, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
        if (errno == EAGAIN || errno == EINTR) return false;
        // Nobody reads any more; what is still to be sent may go.
        inward.start = inward.end = 0;
        inward.input_ended = inward.output_ended = true;
        return true;
    }
    inward.took(static_cast<size_t>(put));
    return true;
}

bool Pump::pass_ends() {
    bool moved = false;
    if (inward.input_ended && inward.empty() && !inward.output_ended) {
        shutdown(plain, SHUT_WR);
        inward.output_ended = moved = true;
    }
    if (outward.input_ended && outward.empty() && !outward.output_ended) {
        ERR_clear_error();
        SSL_shutdown(ssl);  // sends close_notify; the other direction stays open
        outward.output_ended = moved = true;
    }
    return moved;
}

bool Pump::step() {
    tls_wants = 0;
    bool moved = read_tls();
    if (!broken) moved |= write_plain();
    if (!broken) moved |= read_plain();
    if (!broken) moved |= write_tls();
    if (!broken) moved |= pass_ends();
    return moved;
}

void Pump::wait() {
    // A full inward buffer must not hide that the socket is readable, so only ask when there is room.
    short socket_events = tls_wants;
    if (inward.has_room()) socket_events |= POLLIN;
    short plain_events = 0;
    if (outward.has_room()) plain_events |= POLLIN;
    if (!inward.empty()) plain_events |= POLLOUT;
    pollfd entries[] = {{socket_events ? socket : -1, socket_events, 0}, {plain_gone ? -1 : plain, plain_events, 0}};
    poll(entries, 2, -1);
    if (!(entries[1].revents & (POLLHUP | POLLERR))) return;
    plain_gone = true;
    inward.start = inward.end = 0;
    inward.input_ended = inward.output_ended = true;
}

void Pump::run() {
    while (!broken && !(inward.output_ended && outward.output_ended)) {
        if (step()) continue;
        if (!broken) wait();
    }
    // What came before the failure still belongs to the reader.
    while (broken && !inward.empty()) {
        ssize_t put = send(plain, inward.data + inward.start, inward.end - inward.start, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR) break;
        if (put > 0) inward.took(static_cast<size_t>(put));
    }
}

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

void* pump_main(void* argument) {
    auto* pump = static_cast<Pump*>(argument);
    std::string reason;
    bool ready = !pump->server || pump->handshake(reason);
    if (ready) pump->run();
    else if (pump->log) pump->log(("TLS handshake error: " + reason).c_str());
    ERR_clear_error();
    delete pump;
    OPENSSL_thread_stop();
    return nullptr;
}

bool start_thread(Pump* pump) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kPumpStack);
    sigset_t all;
    sigfillset(&all);
    pthread_attr_setsigmask_np(&attributes, &all);
    pthread_t thread;
    int failed = pthread_create(&thread, &attributes, pump_main, pump);
    pthread_attr_destroy(&attributes);
    return failed == 0;
}

/// A pump for `socket`, which it owns; `outer` gets the end for the caller. Null with `failure` told.
Pump* make_pump(SSL_CTX* context, int socket, int* outer, TlsFailure* failure) {
    auto* pump = new Pump;
    pump->socket = socket;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        tell(failure, kInternal, std::string("socketpair: ") + strerror(errno));
        delete pump;
        return nullptr;
    }
    pump->plain = ends[0];
    *outer = ends[1];
    set_nonblocking(socket);
    pump->ssl = SSL_new(context);
    if (!pump->ssl || SSL_set_fd(pump->ssl, socket) != 1) {
        tell(failure, kInternal, ssl_reason());
        close(*outer);
        delete pump;
        return nullptr;
    }
    return pump;
}

int launch(Pump* pump, int outer, TlsFailure* failure) {
    if (start_thread(pump)) return outer;
    tell(failure, kInternal, "cannot start a thread for a TLS connection");
    close(outer);
    delete pump;
    return -1;
}

int accept_tls(void* context, int socket, void (*log)(const char* text), TlsFailure* failure) {
    int outer;
    auto* pump = make_pump(static_cast<SSL_CTX*>(context), socket, &outer, failure);
    if (!pump) return -1;
    pump->log = log;
    return launch(pump, outer, failure);
}

/// Checks the server's certificate for `name`; addresses are not sent as SNI.
bool expect_name(SSL* ssl, const char* name) {
    in6_addr address;
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

/// OpenSSL writes with write(2). Pump threads block every signal; here the thread is the caller's.
bool handshake_without_sigpipe(Pump& pump, std::string& reason) {
    sigset_t pipe, old, pending;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    bool done = pump.handshake(reason);
    timespec none{};
    if (!sigismember(&pending, SIGPIPE)) sigtimedwait(&pipe, nullptr, &none);
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    return done;
}

int connect_tls(void* context, int socket, const char* server_name, TlsFailure* failure) {
    int outer;
    auto* pump = make_pump(static_cast<SSL_CTX*>(context), socket, &outer, failure);
    if (!pump) return -1;
    pump->server = false;
    std::string reason;
    bool ready = expect_name(pump->ssl, server_name);
    if (!ready) reason = std::string("bad server name ") + server_name;
    if (ready && !handshake_without_sigpipe(*pump, reason)) {
        ready = false;
        long verified = SSL_get_verify_result(pump->ssl);
        bool refused = verified != X509_V_OK && SSL_get_verify_mode(pump->ssl) != SSL_VERIFY_NONE;
        tell(failure, refused ? kRefused : kInternal, (refused ? "tls: failed to verify certificate: " : "tls: ") + reason);
    } else if (!ready) {
        tell(failure, kInvalid, reason);
    }
    if (ready) return launch(pump, outer, failure);
    close(outer);
    delete pump;
    return -1;
}

const TlsModule kModule{kTlsModuleVersion, make_context, free_context, accept_tls, connect_tls};
}  // namespace

extern "C" __attribute__((visibility("default"))) const TlsModule* proa_tls_module() { return &kModule; }

}  // namespace proa::http
