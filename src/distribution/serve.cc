#include "distribution/serve.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <map>

#include "base/log.h"
#include "base/text.h"
#include "distribution/registry_server.h"
#include "http/server.h"
#include "os/fd.h"
#include "os/signal.h"

namespace proa::distribution {

namespace {
using Options = std::map<std::string, std::string>;

Result<Options> read_options(const std::vector<std::string>& arguments) {
    Options options{{"addr", "127.0.0.1:5000"}, {"data-root", "/var/lib/proa/registry"}, {"htpasswd", ""}, {"tls-cert", ""}, {"tls-key", ""}, {"proxy", ""}, {"insecure-proxy", ""}};
    for (auto& argument : arguments) {
        auto parts = cut(argument, "=");
        std::string name(trim_prefix(parts ? parts->first : std::string_view(argument), "--"));
        if (!parts || !options.contains(name)) return fail(ErrorKind::InvalidArgument, concat("unknown flag: ", argument));
        options[name] = parts->second;
    }
    if (options["tls-cert"].empty() != options["tls-key"].empty()) return fail(ErrorKind::InvalidArgument, "--tls-cert and --tls-key belong together");
    return options;
}

/// The flag's address, or what becomes of it: HOST:PORT, :PORT.
Result<std::pair<std::string, uint16_t>> parse_address(const std::string& text) {
    size_t colon = text.rfind(':');
    auto port = colon == std::string::npos ? std::nullopt : parse_uint(text.substr(colon + 1));
    if (!port || *port > 65535) return fail(ErrorKind::InvalidArgument, concat("invalid address ", quote(text), ": HOST:PORT is wanted"));
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return std::pair{host, static_cast<uint16_t>(*port)};
}

Result<void> run(const Options& options) {
    auto option = [&](const char* name) { return options.at(name); };
    auto shelf = TRY(Shelf::open(option("data-root")));
    std::optional<Users> users;
    if (!option("htpasswd").empty()) users = TRY_WRAP("htpasswd", Users::read(option("htpasswd")));
    std::optional<RegistryServer::Upstream> upstream;
    if (!option("proxy").empty()) {
        registry::Config config;
        if (!option("insecure-proxy").empty()) config.insecure.push_back(option("proxy"));
        config.user_agent = "proa-registry/" PROA_RELEASE;
        upstream = RegistryServer::Upstream{TRY(http::TransferSession::create()), config, {}, option("proxy")};
    }
    std::shared_ptr<http::TlsContext> tls;
    if (!option("tls-cert").empty()) {
        http::TlsConfig config;
        config.cert_file = option("tls-cert");
        config.key_file = option("tls-key");
        config.verify_peer = false;
        tls = TRY(http::TlsContext::create(config));
    }
    auto [host, port] = TRY(parse_address(option("addr")));
    // Whoever reaches an open registry may change what others will run.
    if (!users && !http::is_loopback_host(host)) log::warn(concat("everybody who reaches ", option("addr"), " may push: give --htpasswd and TLS, or listen on loopback"));
    RegistryServer server(*shelf, std::move(users), std::move(upstream));
    http::Server listening([&](http::Exchange& exchange) { server.answer(exchange); });
    for (auto& listener : TRY(http::listen_on_tcp(host, port, tls))) {
        TRY(os::write_all(STDOUT_FILENO, concat("Registry listens on ", tls ? "https://" : "http://", listener.name, "\n")));
        TRY(listening.add(std::move(listener)));
    }
    auto signals = TRY(os::open_signal_descriptor({SIGTERM, SIGINT}));
    TRY(listening.start());
    pollfd waiting{signals.get(), POLLIN, 0};
    while (::poll(&waiting, 1, -1) < 0) {}
    listening.stop(3000);
    return {};
}
}  // namespace

int serve(const std::vector<std::string>& arguments) {
    (void)os::block_all_signals();
    auto options = read_options(arguments);
    auto done = options ? run(*options) : Result<void>(fail(std::move(options).error()));
    if (done) return 0;
    (void)os::write_all(STDERR_FILENO, concat("proa registry: ", done.error().message(), "\n"));
    return 1;
}

}  // namespace proa::distribution
