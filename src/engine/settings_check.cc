#include "engine/settings_check.h"

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "base/text.h"
#include "cgroup/scope.h"
#include "engine/container_cgroup.h"
#include "engine/log_drivers.h"
#include "engine/settings_directives.h"
#include "os/file.h"
#include "os/ip_address.h"
#include "schema/oci/reference.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> names) { return std::find(names.begin(), names.end(), text) != names.end(); }

/// Each label once, in order of appearance. Errors: one key with two values.
Result<void> merge_labels(std::vector<std::string>& labels) {
    std::vector<std::string> kept;
    for (auto& label : labels) {
        if (std::find(kept.begin(), kept.end(), label) != kept.end()) continue;
        auto key = cut(label, "=")->first;
        for (auto& other : kept)
            if (cut(other, "=")->first == key) return invalid(concat("conflict labels for ", label, " and ", other));
        kept.push_back(label);
    }
    labels = std::move(kept);
    return {};
}

void strip_schemes(Settings& settings) {
    for (auto& registry : settings.insecure_registries) {
        for (std::string_view scheme : {"http://", "https://"}) {
            if (!to_lower(registry).starts_with(scheme)) continue;
            settings.warnings.push_back(concat("insecure registry ", registry, " should not contain '", scheme, "' and '", scheme,
                                               "' has been removed from the insecure registry config"));
            registry.erase(0, scheme.size());
        }
    }
}

/// Directory of the default TLS files.
std::string certificate_directory() {
    const char* path = getenv("DOCKER_CERT_PATH");
    if (path && *path) return path;
    const char* home = getenv("HOME");
    return os::join_path(home && *home ? home : "/root", ".docker");
}

void fill_tls_paths(Settings& settings) {
    if (settings.given.contains("tlsverify")) settings.tls = true;  // as in Docker: even --tlsverify=false asks for TLS
    if (!settings.tls) return;
    for (auto [path, name] : {std::pair{&settings.tlscacert, "ca.pem"}, {&settings.tlscert, "cert.pem"}, {&settings.tlskey, "key.pem"}}) {
        std::string standard = os::join_path(certificate_directory(), name);
        if (path->empty() && os::exists(standard)) *path = standard;
    }
}

Result<void> check_tls(const Settings& settings) {
    if (!settings.tls) return {};
    std::string pair = concat("(cert: ", quote(settings.tlscert), ", key: ", quote(settings.tlskey), ")");
    for (auto [path, what] : {std::pair{&settings.tlscert, "certificate"}, {&settings.tlskey, "key"}}) {
        auto content = os::read_file(*path, 1 << 20);
        if (!content && content.error().is(ErrorKind::NotFound))
            return invalid(concat("invalid TLS configuration: Could not load X509 key pair ", pair, ": open ", *path, ": no such file or directory"));
        if (!content) return invalid(concat("invalid TLS configuration: Error reading X509 key pair ", pair, ": ", content.error().message()));
        if (content->find("-----BEGIN ") == content->npos)
            return invalid(concat("invalid TLS configuration: Error reading X509 key pair ", pair, ": tls: failed to find any PEM data in ", what,
                                  " input. Make sure the key is not encrypted."));
    }
    if (!settings.tlsverify) return {};
    if (settings.tlscacert.empty()) return invalid("invalid TLS configuration: tlsverify needs tlscacert, the CA that signs the clients' certificates");
    auto ca = os::read_file(settings.tlscacert, 1 << 20);
    if (!ca) return invalid(concat("invalid TLS configuration: could not read CA certificate ", quote(settings.tlscacert), ": ", ca.error().message()));
    return {};
}

/// Whoever can speak to the API is root: a TCP socket asks for client certificates, unless loopback and "no TLS" were both asked for.
Result<void> check_exposure(const Settings& settings, const Listener& listener, std::string_view host) {
    if (listener.kind != Listener::Kind::Tcp || settings.tlsverify) return {};
    auto address = os::IpAddress::parse(listener.address);
    if (address && address->is_loopback() && settings.given.contains("tls")) return {};
    return invalid(
        concat("refusing to listen on ", host, " without client certificates: use --tlsverify (plain TCP is served only on loopback and with --tls=false)"));
}

Result<void> check_log_driver(const Settings& settings) {
    docker::LogConfig log{settings.log_driver, settings.log_opts};
    if (settings.log_driver == "none") log.config.reset();  // options of another driver do no harm here
    auto checked = check_log_config(log);
    if (checked || checked.error().message().starts_with("error looking up logging plugin")) return checked;
    return fail(std::move(checked).error().wrap("failed to set log opts: failed to set log opts"));
}

Result<void> check_storage_driver(const std::string& name) {
    if (name.empty() || name == "overlay2" || name == "vfs") return {};
    if (is_one_of(name, {"btrfs", "zfs", "fuse-overlayfs", "overlayfs", "native", "stargz"}))
        return invalid(concat("storage driver ", quote(name), " is not supported by proad: use overlay2 or vfs"));
    return invalid(concat("error initializing graphdriver: driver not supported: ", name));
}

Result<void> check_runtimes(const Settings& settings) {
    for (auto& [name, program] : settings.runtimes) {
        if (name == kBuiltinRuntime) return invalid(concat("runtime name '", name, "' is reserved"));
        if (!program.type.empty() || !program.options.is_null())
            return invalid(concat("runtime ", quote(name),
                                  ": runtimeType and options (containerd shims) are not supported yet by proad: give the path of an OCI runtime"));
        if (program.path.empty()) return invalid(concat("runtime ", quote(name), ": either a runtimeType or a path must be configured"));
    }
    if (!find_runtime(settings, settings.default_runtime)) return invalid(concat("specified default runtime '", settings.default_runtime, "' does not exist"));
    return {};
}

/// A row of the table of mirrors: "quay.io": ["https://mirror.example"].
Result<void> check_mirrored(const std::string& registry, const std::vector<std::string>& urls) {
    auto name = oci::Reference::parse(registry + "/x");
    if (!name || name->domain != registry) return invalid(concat("invalid mirrors: ", quote(registry), " is not a registry's HOST[:PORT]"));
    for (auto& url : urls) TRY(check_mirror(url));
    return {};
}

Result<void> check_exec_opts(const Settings& settings) {
    for (auto& option : settings.exec_opts) {
        auto parts = cut(option, "=");
        if (!parts || trim(parts->first) != "native.cgroupdriver") return invalid(concat("exec option ", quote(option), " is not supported yet by proad"));
        std::string_view driver = trim(parts->second);
        if (driver != "cgroupfs" && driver != "systemd") return invalid(concat("native.cgroupdriver option ", driver, " not supported"));
    }
    if (cgroup_driver(settings) == CgroupDriver::Systemd) TRY(cgroup::check_systemd());
    return check_cgroup_parent(cgroup_driver(settings), settings.cgroup_parent);
}

Result<void> check_network(const Settings& settings) {
    auto bad_prefix = [](std::string_view key, std::string_view text) { return invalid(concat("invalid ", key, ": invalid CIDR address: ", text)); };
    if (settings.bridge == "none" && !settings.bip.empty()) return invalid("You specified -b & --bip, mutually exclusive options. Please specify only one");
    for (auto [key, text] :
         {std::pair{"bip", &settings.bip}, {"fixed-cidr", &settings.fixed_cidr}, {"bip6", &settings.bip6}, {"fixed-cidr-v6", &settings.fixed_cidr_v6}})
        if (!text->empty() && !os::IpPrefix::parse(*text)) return bad_prefix(key, *text);
    for (auto [key, text] : {std::pair{"default-gateway", &settings.default_gateway}, {"default-gateway-v6", &settings.default_gateway_v6}})
        if (!text->empty() && !os::IpAddress::parse(*text)) return invalid(concat("invalid ", key, ": ", *text, " is not an IP address"));
    for (auto& pool : settings.default_address_pools) {
        auto base = os::IpPrefix::parse(pool.base);
        if (!base) return bad_prefix("default-address-pools base", pool.base);
        if (pool.size < base->length || pool.size > base->address.bits())
            return invalid(concat("invalid default-address-pools size ", pool.size, ": it must be between ", base->length, " (the pool ", pool.base,
                                  " itself) and ", base->address.bits()));
    }
    return {};
}

}  // namespace

Result<void> check_values(const Settings& settings) {
    log::Level level;
    if (!settings.log_level.empty() && !log::level_from_name(to_lower(settings.log_level), level))
        return invalid(concat("invalid logging level: ", settings.log_level));
    if (!is_one_of(settings.log_format, {"", "text", "json"})) return invalid(concat("invalid log format: ", settings.log_format));
    for (auto& domain : settings.dns_search) TRY(check_search_domain(domain));
    for (auto& label : settings.labels) TRY(check_label(label));
    for (auto [name, number] : {std::pair{"default MTU", settings.mtu},
                                {"max concurrent downloads", settings.max_concurrent_downloads},
                                {"max concurrent uploads", settings.max_concurrent_uploads},
                                {"max download attempts", settings.max_download_attempts}})
        if (number < 0) return invalid(concat("invalid ", name, ": ", number));
    for (auto& host : settings.hosts) TRY(parse_listener(host, settings.tls, "/"));
    if (!is_one_of(settings.default_cgroupns_mode, {"", "host", "private"}))
        return invalid(concat("default cgroup namespace mode (", settings.default_cgroupns_mode, ") is invalid; use \"host\" or \"private\""));
    std::string_view ipc = settings.default_ipc_mode;
    if (ipc == "host" || ipc == "none" || ipc.starts_with("container:"))
        return invalid(concat("IPC mode ", quote(ipc), " is not supported as default value; use \"shareable\" or \"private\""));
    if (!is_one_of(ipc, {"", "private", "shareable"}))
        return invalid(concat("default IPC mode setting (", ipc, ") is invalid; use \"shareable\" or \"private\""));
    for (auto& [name, ulimit] : settings.default_ulimits) TRY(check_ulimit(ulimit));
    return {};
}

Result<void> normalise(Settings& settings) {
    for (auto& [name, on] : settings.features)
        if (name != kCdiFeature) settings.warnings.push_back(concat("feature ", quote(name), " has no effect on this engine"));
    TRY(merge_labels(settings.labels));
    strip_schemes(settings);
    for (auto& mirror : settings.registry_mirrors)
        if (auto stored = check_mirror(mirror)) mirror = *stored;  // a bad one is named by check_for_start()
    for (auto& [registry, urls] : settings.mirrors)
        for (auto& mirror : urls)
            if (auto stored = check_mirror(mirror)) mirror = *stored;
    for (auto* path : {&settings.data_root, &settings.exec_root}) {
        if (!path->starts_with('/')) return invalid(concat("invalid directory ", quote(*path), ": it needs to be an absolute path"));
        *path = os::clean_path(*path);
    }
    if (settings.pidfile.empty()) settings.pidfile = os::join_path(settings.exec_root, "proad.pid");
    if (settings.default_ipc_mode.empty()) settings.default_ipc_mode = "private";
    // As Docker chooses: version 2 of cgroups has a file of controllers in its root.
    if (settings.default_cgroupns_mode.empty()) settings.default_cgroupns_mode = os::exists("/sys/fs/cgroup/cgroup.controllers") ? "private" : "host";
    if (settings.log_driver.empty()) settings.log_driver = "json-file";
    // Clients expect Docker's name for what runs by default; it is free for a program of the user's own.
    if (settings.default_runtime.empty()) settings.default_runtime = settings.runtimes.contains("runc") ? kBuiltinRuntime : "runc";
    if (settings.default_shm_size == 0) settings.default_shm_size = 64 << 20;
    if (settings.mtu == 0) settings.mtu = 1500;
    fill_tls_paths(settings);

    std::string default_path = os::join_path(settings.exec_root, "proa.sock");
    if (settings.hosts.empty()) settings.hosts.emplace_back();
    for (auto& host : settings.hosts) {
        auto listener = TRY(parse_listener(host, settings.tls, default_path));
        if (listener.kind == Listener::Kind::Unix) host = concat("unix://", listener.path);
        else if (listener.kind == Listener::Kind::Tcp)
            host =
                concat("tcp://", listener.address.find(':') == std::string::npos ? listener.address : concat('[', listener.address, ']'), ':', listener.port);
        else host = listener.fd < 0 ? "fd://" : concat("fd://", listener.fd);
    }
    return {};
}

Result<void> check_for_start(const Settings& settings) {
    if (!settings.live_restore) return invalid("live-restore cannot be switched off: containers of proad always live on while the daemon is away");
    TRY(check_storage_driver(settings.storage_driver));
    TRY(check_log_driver(settings));
    TRY(check_runtimes(settings));
    for (auto& mirror : settings.registry_mirrors) TRY(check_mirror(mirror));
    for (auto& [registry, urls] : settings.mirrors) TRY(check_mirrored(registry, urls));
    TRY(check_exec_opts(settings));
    TRY(check_network(settings));
    TRY(check_tls(settings));
    for (auto& host : settings.hosts) TRY(check_exposure(settings, TRY(parse_listener(host, settings.tls, "/")), host));
    auto& profile = settings.seccomp_profile;
    if (!is_one_of(profile, {"", "builtin", "unconfined"}) && !os::exists(profile))
        return invalid(concat("opening seccomp profile (", profile, ") failed: open ", profile, ": no such file or directory"));
    if (!settings.init_path.empty() && !os::exists(settings.init_path))
        return invalid(concat("init-path: open ", settings.init_path, ": no such file or directory"));
    auto version = cut(settings.min_api_version, ".");
    auto minor = version && version->first == "1" ? parse_int(version->second) : std::nullopt;
    if (!minor || *minor < 24 || *minor > 56)
        return invalid(concat("invalid min-api-version ", quote(settings.min_api_version), ": it must be between 1.24 and 1.56"));
    return {};
}

}  // namespace proa::engine
