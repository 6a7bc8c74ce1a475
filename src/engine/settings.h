#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/json/value.h"
#include "schema/docker/container.h"

// The daemon's configuration: flags over /etc/proa/daemon.json over defaults, with dockerd's rules and texts.
// Each directive stands once, in the table of settings_directives.cc: key, flag, default, prose, reload rule.
namespace proa::engine {

/// An OCI runtime of the `runtimes` directive.
struct RuntimeProgram {
    std::string path;
    std::vector<std::string> arguments;  ///< put before the runtime's own command line
    std::string type;                    ///< containerd shim type; refused when set
    json::Value options;
};

/// Part of the addresses that networks without a subnet of their own are cut from.
struct AddressPoolSetting {
    std::string base;  ///< "10.0.0.0/8"
    int64_t size = 0;  ///< prefix length of each network
};

constexpr std::string_view kDefaultConfigPath = "/etc/proa/daemon.json";
constexpr std::string_view kDefaultGroup = "docker";
constexpr std::string_view kBuiltinRuntime = "proa";
/// The one feature of `features` that can be switched here: devices by CDI.
constexpr const char* kCdiFeature = "cdi";

struct Settings {
    enum class Mode { Run, TearDown, Validate, Version, Help };

    // Directives, with their defaults.
    std::string data_root = "/var/lib/proa", exec_root = "/run/proa";
    std::vector<std::string> hosts;  ///< normalised: unix:///PATH, tcp://ADDRESS:PORT, fd://[N]; never empty
    std::string group{kDefaultGroup}, pidfile;
    bool debug = false;
    std::string log_level = "info", log_format = "text";
    bool tls = false, tlsverify = false;
    std::string tlscacert, tlscert, tlskey;
    std::string storage_driver;  ///< "overlay2" or "vfs"; empty: what the data root was used with, or can carry
    std::string log_driver = "json-file";
    std::map<std::string, std::string> log_opts;
    std::map<std::string, RuntimeProgram> runtimes;
    std::string default_runtime;
    std::map<std::string, docker::Ulimit> default_ulimits;
    int64_t default_shm_size = 64 << 20;  ///< bytes
    bool init = false;
    std::string init_path;
    bool live_restore = true;  ///< always: containers never depend on the daemon's life
    std::string cgroup_parent;
    std::string userns_remap;  ///< engine/user_remap.h
    std::vector<std::string> exec_opts;
    std::string default_cgroupns_mode;  ///< "private" or "host"; the default is private on cgroup v2, host on v1
    std::string default_ipc_mode = "private";
    std::vector<std::string> labels;  ///< "key=value", no key twice
    bool no_new_privileges = false;
    std::string seccomp_profile = "builtin";                   ///< or "unconfined" or a path
    int64_t shutdown_timeout = 15, default_stop_timeout = 10;  ///< seconds; -1 waits for ever
    std::string bridge, bip, fixed_cidr;                       ///< bridge "": Proa's own, "none": no default network
    std::string bip6, fixed_cidr_v6, default_gateway, default_gateway_v6;
    int64_t mtu = 1500;
    std::string ip = "0.0.0.0";  ///< host address of published ports that name none
    bool icc = true, ipv6 = false, iptables = true, ip_forward = true, ip_masq = true, userland_proxy = true;
    std::vector<std::string> dns, dns_opts, dns_search;
    std::vector<AddressPoolSetting> default_address_pools;
    int64_t max_concurrent_downloads = 3, max_concurrent_uploads = 5, max_download_attempts = 5;
    std::vector<std::string> registry_mirrors;                ///< each with a slash at its end
    std::map<std::string, std::vector<std::string>> mirrors;  ///< the same for any registry, by its HOST[:PORT]
    std::vector<std::string> insecure_registries;             ///< HOST[:PORT] or CIDR; loopback is always one
    int64_t storage_budget = 0;                               ///< bytes that images may take before what nothing refers to goes; 0: any number
    std::string http_proxy, https_proxy, no_proxy;            ///< for registries; empty: the environment's
    std::map<std::string, bool> features;
    bool experimental = false;
    std::string min_api_version = "1.24";

    // What the command line said beside directives.
    Mode mode = Mode::Run;
    std::string config_path{kDefaultConfigPath};
    bool config_path_given = false;            ///< a missing file is fatal
    std::vector<std::string> command_line;     ///< arguments without the program's name, for reload
    std::set<std::string, std::less<>> given;  ///< keys that a flag or the file set
    std::vector<std::string> warnings;         ///< for the log, once it is set up
};

/// Reads `arguments` (without the program's name) and the configuration file and checks all values. With Mode::Help and
/// Mode::Version nothing but the flags is read. Opens only the configuration file, seccomp profile and TLS files; changes nothing.
/// Errors: InvalidArgument with the whole text for standard error; the exit code is then 1.
Result<Settings> load_settings(const std::vector<std::string>& arguments);

/// What --help, --version and --validate print, where, with exit code 0; nullopt for Mode::Run.
struct Answer {
    std::string output, error;
};
std::optional<Answer> answer_of(const Settings& settings);

struct Reloaded {
    Settings settings;
    /// The attributes of the daemon's `reload` event, sorted by name; the sender adds `name`.
    std::vector<std::pair<std::string, std::string>> attributes;
    std::string text;  ///< all settings as one line of JSON, for `Reloaded configuration: ...`
};

/// The configuration after SIGHUP: `current` with the reloadable directives of the file applied. As in Docker, a directive that is
/// missing from the file keeps its value, but max-concurrent-*, max-download-attempts and features return to the flag's value or
/// the default. A changed directive that cannot be reloaded is named in `settings.warnings`.
/// Errors: InvalidArgument, to be logged as it is; `current` stays in force.
Result<Reloaded> reload_settings(const Settings& current);

/// All directives as one line of JSON with the keys of daemon.json.
std::string settings_text(const Settings& settings);

/// The level that the log should have: debug with `debug`, else log-level.
std::string_view effective_log_level(const Settings& settings);

/// The program behind a container's `Runtime`. nullptr: the built-in one ("", "proa", and "runc" and "io.containerd.runc.v2"
/// unless `runtimes` defines them). The pointer lives as long as `settings`.
/// Errors: InvalidArgument `unknown or invalid runtime name: x` (API: create answers 400).
Result<const RuntimeProgram*> find_runtime(const Settings& settings, std::string_view name);

/// One socket that the daemon listens on.
struct Listener {
    enum class Kind { Unix, Tcp, Activated };
    Kind kind = Kind::Unix;
    std::string path;     ///< Unix
    std::string address;  ///< Tcp: numeric
    uint16_t port = 0;    ///< Tcp
    int fd = -1;          ///< Activated: this descriptor; -1 all that systemd handed over
};
/// Errors: InvalidArgument `invalid bind address (x): why`.
Result<Listener> parse_listener(std::string_view host, bool tls, std::string_view default_path);

/// Group id that owns unix sockets; nullopt (and a warning) when the default group does not exist.
/// Errors: NotFound `group x not found`.
Result<std::optional<uint32_t>> socket_group(Settings& settings);

}  // namespace proa::engine
