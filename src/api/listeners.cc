#include "api/listeners.h"

#include "base/log.h"
#include "base/text.h"

namespace proa::api {

namespace {

Result<std::shared_ptr<http::TlsContext>> make_tls(const engine::Settings& settings) {
    if (!settings.tls && !settings.tlsverify) return std::shared_ptr<http::TlsContext>();
    http::TlsConfig config;
    config.role = http::TlsRole::Server;
    config.ca_file = settings.tlscacert;
    config.cert_file = settings.tlscert;
    config.key_file = settings.tlskey;
    config.verify_peer = settings.tlsverify;
    return http::TlsContext::create(config);
}

/// Open TCP sockets have given away many hosts: without client certificates only loopback is served.
Result<void> check_tcp(const engine::Settings& settings, const http::ListenAddress& address) {
    if (settings.tlsverify || http::is_loopback_host(address.host)) {
        if (!settings.tlsverify) log::warn(concat("[DEPRECATION NOTICE] API is accessible on ", address.host, ":", address.port, " without client verification; any local user can become root"));
        return {};
    }
    return fail(ErrorKind::Forbidden, concat("failed to load listeners: tcp://", address.host, ":", address.port,
                                             " without --tlsverify would give everybody in the network root on this host; use TLS with client certificates or a loopback address"));
}

Result<void> open_one(engine::Settings& settings, const std::string& host, const std::shared_ptr<http::TlsContext>& tls, http::Server& server) {
    auto address = TRY(http::ListenAddress::parse(host, settings.tls || settings.tlsverify));
    auto add = [&](http::Listener listener) -> Result<void> {
        log::info(concat("API listen on ", listener.name));
        return server.add(std::move(listener));
    };
    if (address.kind == http::ListenAddress::Kind::Unix) {
        auto group = TRY(engine::socket_group(settings));
        return add(TRY_WRAP("failed to load listeners", http::listen_on_path(address.path, 0660, group ? static_cast<int64_t>(*group) : -1)));
    }
    if (address.kind == http::ListenAddress::Kind::Tcp) TRY(check_tcp(settings, address));
    auto listeners = address.kind == http::ListenAddress::Kind::Tcp ? TRY(http::listen_on_tcp(address.host, address.port, tls))
                                                                    : TRY(http::inherited_listeners(address.fd, tls));
    for (auto& listener : listeners) TRY(add(std::move(listener)));
    return {};
}

}  // namespace

Result<void> open_listeners(engine::Settings& settings, http::Server& server) {
    auto tls = TRY(make_tls(settings));
    for (auto& host : settings.hosts) TRY(open_one(settings, host, tls, server));
    return {};
}

}  // namespace proa::api
