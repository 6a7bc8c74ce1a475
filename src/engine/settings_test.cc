#include "engine/settings.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/text.h"
#include "cgroup/scope.h"
#include "os/file.h"

namespace proa::engine {
namespace {

/// A directory of its own with a configuration file in it.
class SettingsTest : public testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/proa-settings-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory = name;
        config = directory + "/daemon.json";
        setenv("DOCKER_CERT_PATH", directory.c_str(), 1);
    }
    void TearDown() override {
        unsetenv("DOCKER_CERT_PATH");
        EXPECT_TRUE(os::remove_tree(directory));
    }

    Result<Settings> load(std::string_view content, std::vector<std::string> arguments = {}) {
        EXPECT_TRUE(os::write_file(config, content));
        arguments.insert(arguments.begin(), {"--validate", "--config-file", config});
        return load_settings(arguments);
    }
    /// "OK" or the error's text with the file's name cut to "X".
    std::string outcome(std::string_view content, std::vector<std::string> arguments = {}) {
        auto settings = load(content, std::move(arguments));
        return settings ? "OK" : replace_all(settings.error().message(), config, "X");
    }
    std::string flags_outcome(std::vector<std::string> arguments) {
        arguments.insert(arguments.end(), {"--validate", "--config-file", ""});
        auto settings = load_settings(arguments);
        return settings ? "OK" : settings.error().message();
    }
    std::string value_problem(std::string_view content) {
        std::string text = outcome(content);
        std::string_view prefix =
            "unable to configure the Docker daemon with file X: merged configuration validation from file and command line flags failed: ";
        EXPECT_TRUE(text.starts_with(prefix)) << text;
        return std::string(trim_prefix(text, prefix));
    }
    std::string file_problem(std::string_view content, std::vector<std::string> arguments = {}) {
        std::string text = outcome(content, std::move(arguments));
        std::string_view prefix = "unable to configure the Docker daemon with file X: ";
        EXPECT_TRUE(text.starts_with(prefix)) << text;
        return std::string(trim_prefix(text, prefix));
    }

    std::string directory, config;
};

TEST_F(SettingsTest, has_defaults_without_a_file) {
    auto settings = load_settings({"--config-file", ""});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->hosts, std::vector<std::string>{"unix:///run/proa/proa.sock"});
    EXPECT_EQ(settings->pidfile, "/run/proa/proad.pid");
    EXPECT_EQ(settings->default_shm_size, 64 << 20);
    EXPECT_EQ(settings->default_runtime, "runc");
    EXPECT_TRUE(settings->given.empty());
    EXPECT_FALSE(answer_of(*settings));
}

TEST_F(SettingsTest, reads_flags_and_file_together) {
    auto settings = load(R"({"mtu":1400,"labels":["a=1","a=1"],"log-opts":{"max-size":"10m"},"registry-mirrors":["http://m"],
                             "runtimes":{"crun":{"path":"/usr/bin/crun","runtimeArgs":["--debug"]}},"dns":["1.1.1.1"],"insecure-registries":["http://r:5"],"mirrors":{"quay.io":["https://q"]},
                             "default-ulimits":{"nofile":{"Name":"nofile","Hard":9,"Soft":5}},"default-address-pools":[{"base":"10.9.0.0/16","size":24}],
                             "features":{"x":true},"default-shm-size":"32M"})",
                         {"-D", "-H", "tcp://127.0.0.1", "-H", "fd://", "--tls=false", "--add-runtime", "RUNC=/usr/sbin/runc", "--default-runtime=crun",
                          "--exec-root", "/run//x"});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->mtu, 1400);
    EXPECT_EQ(settings->labels, std::vector<std::string>{"a=1"});
    EXPECT_EQ(settings->log_opts.at("max-size"), "10m");
    EXPECT_EQ(settings->registry_mirrors, std::vector<std::string>{"http://m/"});
    EXPECT_EQ(settings->mirrors.at("quay.io"), std::vector<std::string>{"https://q/"});
    EXPECT_EQ(settings->insecure_registries, std::vector<std::string>{"r:5"});
    EXPECT_EQ(settings->warnings,
              (std::vector<std::string>{
                  "feature \"x\" has no effect on this engine",
                  "insecure registry http://r:5 should not contain 'http://' and 'http://' has been removed from the insecure registry config"}));
    EXPECT_EQ(settings->runtimes.at("crun").arguments, std::vector<std::string>{"--debug"});
    EXPECT_EQ(settings->runtimes.at("runc").path, "/usr/sbin/runc");
    EXPECT_EQ(settings->default_ulimits.at("nofile").hard, 9);
    EXPECT_EQ(settings->default_address_pools.at(0).base, "10.9.0.0/16");
    EXPECT_EQ(settings->default_shm_size, 32 << 20);
    EXPECT_EQ(settings->hosts, (std::vector<std::string>{"tcp://127.0.0.1:2375", "fd://"}));
    EXPECT_EQ(settings->pidfile, "/run/x/proad.pid");
    EXPECT_EQ(effective_log_level(*settings), "debug");
    EXPECT_EQ((*find_runtime(*settings, "crun"))->path, "/usr/bin/crun");
    EXPECT_EQ(*find_runtime(*settings, "proa"), nullptr);
    EXPECT_EQ(find_runtime(*settings, "zz").error().message(), "unknown or invalid runtime name: zz");
}

TEST_F(SettingsTest, reads_any_encoding_and_empty_files) {
    EXPECT_EQ(outcome(""), "OK");
    EXPECT_EQ(outcome("  \n"), "OK");
    EXPECT_EQ(outcome("null"), "OK");
    EXPECT_EQ(outcome(R"({"debug":null,"labels":null,"runtimes":null})"), "OK");
    EXPECT_EQ(outcome("\xef\xbb\xbf{\"debug\":true}"), "OK");
    std::string plain = "{\"labels\":[\"a=\xc3\xa9\xf0\x9f\x98\x80\"]}", little = "\xff\xfe", big = "\xfe\xff";
    for (uint32_t unit : std::u16string(u"{\"labels\":[\"a=\u00e9\U0001F600\"]}")) {
        little += {static_cast<char>(unit), static_cast<char>(unit >> 8)};
        big += {static_cast<char>(unit >> 8), static_cast<char>(unit)};
    }
    for (auto& bytes : {plain, little, big}) {
        auto settings = load(bytes);
        ASSERT_TRUE(settings) << settings.error().message();
        EXPECT_EQ(settings->labels.at(0), "a=\xc3\xa9\xf0\x9f\x98\x80");
    }
    EXPECT_EQ(file_problem("\xff{}"), "failed to decode configuration JSON at offset 0: encoding: invalid UTF-8");
    EXPECT_EQ(load(R"({"debug":true,"debug":false})")->debug, false);
}

// The texts of this test and the next three were compared with dockerd 26.1.
TEST_F(SettingsTest, names_bad_json_and_unknown_directives) {
    EXPECT_EQ(file_problem("{"), "unexpected end of JSON input");
    EXPECT_EQ(file_problem("{\"debug\":true,}"), "invalid character '}' looking for beginning of object key string");
    EXPECT_EQ(file_problem("{\"debug\":true} x"), "invalid character 'x' after top-level value");
    EXPECT_EQ(file_problem("[]"), "json: cannot unmarshal array into Go value of type map[string]interface {}");
    EXPECT_EQ(file_problem("1"), "json: cannot unmarshal number into Go value of type map[string]interface {}");
    EXPECT_EQ(file_problem(R"({"foo":1,"bar":2,"debug":"x"})"), "the following directives don't match any configuration option: foo, bar");
    EXPECT_EQ(file_problem(R"({"Debug":true})"), "the following directives don't match any configuration option: Debug");
    EXPECT_EQ(file_problem(R"({"metrics-addr":"x"})"), "the directive metrics-addr is not supported yet by proad");
    EXPECT_EQ(file_problem(R"({"storage-opts":[],"builder":{}})"), "the directives storage-opts, builder are not supported yet by proad");
    EXPECT_EQ(load_settings({"--config-file", "/nonexistent"}).error().message(),
              "unable to configure the Docker daemon with file /nonexistent: open /nonexistent: no such file or directory");
    EXPECT_EQ(load_settings({"--config-file", "/tmp"}).error().message(), "unable to configure the Docker daemon with file /tmp: read /tmp: is a directory");
}

TEST_F(SettingsTest, names_values_of_the_wrong_type) {
    std::pair<std::string_view, std::string_view> cases[] = {
        {R"({"debug":"x"})", "string into Go struct field Config.CommonConfig.debug of type bool"},
        {R"({"mtu":"x"})", "string into Go struct field Config.CommonConfig.BridgeConfig.DefaultBridgeConfig.mtu of type int"},
        {R"({"mtu":1.5})", "number 1.5 into Go struct field Config.CommonConfig.BridgeConfig.DefaultBridgeConfig.mtu of type int"},
        {R"({"labels":"x"})", "string into Go struct field Config.CommonConfig.labels of type []string"},
        {R"({"labels":[1]})", "number into Go struct field Config.CommonConfig.labels of type string"},
        {R"({"runtimes":[]})", "array into Go struct field Config.runtimes of type map[string]system.Runtime"},
        {R"({"runtimes":{"a":1}})", "number into Go struct field Config.runtimes of type system.Runtime"},
        {R"({"runtimes":{"a":{"path":1}}})", "number into Go struct field Runtime.runtimes.path of type string"},
        {R"({"runtimes":{"a":{"path":"/x","runtimeArgs":"x"}}})", "string into Go struct field Runtime.runtimes.runtimeArgs of type []string"},
        {R"({"default-ulimits":{"nofile":{"Hard":"1"}}})", "string into Go struct field Ulimit.default-ulimits.Hard of type int64"},
        {R"({"default-ulimits":[]})", "array into Go struct field Config.default-ulimits of type map[string]*units.Ulimit"},
        {R"({"log-opts":{"max-size":10}})", "number into Go struct field Config.CommonConfig.LogConfig.log-opts of type string"},
        {R"({"features":{"a":1}})", "number into Go struct field Config.CommonConfig.features of type bool"},
        {R"({"dns":"x"})", "string into Go struct field Config.CommonConfig.DNSConfig.dns of type []net.IP"},
        {R"({"bip":5})", "number into Go struct field Config.CommonConfig.BridgeConfig.DefaultBridgeConfig.bip of type string"},
        {R"({"fixed-cidr":5})",
         "number into Go struct field Config.CommonConfig.BridgeConfig.DefaultBridgeConfig.commonBridgeConfig.fixed-cidr of type string"},
        {R"({"iptables":"x"})", "string into Go struct field Config.CommonConfig.BridgeConfig.iptables of type bool"},
        {R"({"init":"x"})", "string into Go struct field Config.init of type bool"},
        {R"({"default-address-pools":[{"base":"10.0.0.0/8","size":"24"}]})",
         "string into Go struct field Config.CommonConfig.NetworkConfig.default-address-pools.size of type int"},
        {R"({"registry-mirrors":"zz"})", "string into Go struct field Config.CommonConfig.ServiceOptions.registry-mirrors of type []string"},
    };
    for (auto& [content, problem] : cases) EXPECT_EQ(file_problem(content), concat("json: cannot unmarshal ", problem)) << content;
    EXPECT_EQ(file_problem(R"({"dns":["zz"]})"), "invalid IP address: zz");
    EXPECT_EQ(file_problem(R"({"default-shm-size":"zz"})"), "invalid size: 'zz'");
    EXPECT_EQ(file_problem(R"({"default-shm-size":67108864})"), "invalid size: \"67108864\"");
    EXPECT_EQ(file_problem(R"({"default-shm-size":null})"), "invalid size: \"null\"");
}

TEST_F(SettingsTest, checks_the_merged_values) {
    EXPECT_EQ(value_problem(R"({"mtu":-1})"), "invalid default MTU: -1");
    EXPECT_EQ(value_problem(R"({"max-concurrent-downloads":-1})"), "invalid max concurrent downloads: -1");
    EXPECT_EQ(value_problem(R"({"max-concurrent-uploads":-1})"), "invalid max concurrent uploads: -1");
    EXPECT_EQ(value_problem(R"({"max-download-attempts":-1})"), "invalid max download attempts: -1");
    EXPECT_EQ(value_problem(R"({"labels":["ab"]})"), "bad attribute format: ab");
    EXPECT_EQ(value_problem(R"({"log-level":"zz"})"), "invalid logging level: zz");
    EXPECT_EQ(value_problem(R"({"log-format":"zz"})"), "invalid log format: zz");
    EXPECT_EQ(value_problem(R"({"hosts":["zz://"]})"), "invalid bind address (zz://): unsupported proto 'zz'");
    EXPECT_EQ(value_problem(R"({"dns-search":["zz zz"]})"), "zz zz is not a valid domain");
    EXPECT_EQ(value_problem(R"({"default-cgroupns-mode":"zz"})"), "default cgroup namespace mode (zz) is invalid; use \"host\" or \"private\"");
    EXPECT_EQ(value_problem(R"({"default-ipc-mode":"zz"})"), "default IPC mode setting (zz) is invalid; use \"shareable\" or \"private\"");
    EXPECT_EQ(value_problem(R"({"default-ipc-mode":"host"})"), "IPC mode \"host\" is not supported as default value; use \"shareable\" or \"private\"");
    EXPECT_EQ(outcome(R"({"labels":["a=1","b=2","a=3"]})"), "conflict labels for a=3 and a=1");
    EXPECT_EQ(outcome(R"({"log-level":"WARN","default-ipc-mode":"","max-download-attempts":0,"dns-search":["."],"labels":["=1","a="],"dns":["::1",""]})"),
              "OK");
    EXPECT_EQ(flags_outcome({"--mtu", "-1"}), "invalid default MTU: -1");
    EXPECT_EQ(flags_outcome({"-l", "zz"}), "invalid logging level: zz");
    EXPECT_EQ(flags_outcome({"--label", "a=1", "--label", "a=2"}), "conflict labels for a=2 and a=1");
}

TEST_F(SettingsTest, refuses_what_stands_on_the_command_line_and_in_the_file) {
    auto conflict = [&](std::string_view content, std::vector<std::string> arguments) {
        std::string text = file_problem(content, std::move(arguments));
        std::string_view prefix = "the following directives are specified both as a flag and in the configuration file: ";
        EXPECT_TRUE(text.starts_with(prefix)) << text;
        return std::string(trim_prefix(text, prefix));
    };
    EXPECT_EQ(conflict(R"({"debug":true})", {"--debug=false"}), "debug: (from flag: false, from file: true)");
    EXPECT_EQ(conflict(R"({"hosts":["unix:///x"]})", {"-H", "fd://"}), "hosts: (from flag: [fd://], from file: [unix:///x])");
    EXPECT_EQ(conflict(R"({"labels":["a=1"]})", {"--label", "a=1"}), "labels: (from flag: [a=1], from file: [a=1])");
    EXPECT_EQ(conflict(R"({"log-opts":{"a":"b"}})", {"--log-opt", "c=d"}), "log-opts: (from flag: map[c:d], from file: map[a:b])");
    EXPECT_EQ(conflict(R"({"default-shm-size":"64M"})", {"--default-shm-size", "32M"}), "default-shm-size: (from flag: 32MiB, from file: 64M)");
    EXPECT_EQ(conflict(R"({"mtu":1400,"labels":["a=b"],"debug":true})", {"-D", "--mtu", "1300", "--label", "c=d"}),
              "debug: (from flag: true, from file: true), labels: (from flag: [c=d], from file: [a=b]), mtu: (from flag: 1300, from file: 1400)");
    EXPECT_EQ(conflict(R"({"default-ulimits":{"nofile":{"Name":"nofile","Hard":1,"Soft":1}}})", {"--default-ulimit", "nofile=2"}),
              "default-ulimits: (from flag: [nofile=2:2], from file: map[nofile:map[Hard:1 Name:nofile Soft:1]])");
    EXPECT_EQ(conflict(R"({"default-address-pools":[{"base":"10.0.0.0/8","size":24}]})", {"--default-address-pool", "base=10.0.0.0/8,size=24"}),
              "default-address-pools: (from flag: 10.0.0.0/8 24, from file: [map[base:10.0.0.0/8 size:24]])");
    EXPECT_EQ(outcome(R"({"runtimes":{"a":{"path":"/x"}}})", {"--add-runtime", "b=/y"}), "OK");
}

TEST_F(SettingsTest, names_bad_flags) {
    auto problem = [&](std::vector<std::string> arguments) {
        std::string text = flags_outcome(std::move(arguments));
        EXPECT_TRUE(text.ends_with("\nSee 'proad --help'.")) << text;
        return std::string(trim_suffix(text, "\nSee 'proad --help'."));
    };
    EXPECT_EQ(problem({"--zz"}), "unknown flag: --zz");
    EXPECT_EQ(problem({"--mtu", "zz"}), "invalid argument \"zz\" for \"--mtu\" flag: strconv.ParseInt: parsing \"zz\": invalid syntax");
    EXPECT_EQ(problem({"--mtu", "99999999999999999999"}),
              "invalid argument \"99999999999999999999\" for \"--mtu\" flag: strconv.ParseInt: parsing \"99999999999999999999\": value out of range");
    EXPECT_EQ(problem({"--debug=zz"}), "invalid argument \"zz\" for \"-D, --debug\" flag: strconv.ParseBool: parsing \"zz\": invalid syntax");
    EXPECT_EQ(problem({"-H", "tcp://1.2.3.4/x"}),
              "invalid argument \"tcp://1.2.3.4/x\" for \"-H, --host\" flag: invalid bind address (tcp://1.2.3.4/x): should not contain a path element");
    EXPECT_EQ(problem({"--dns", "zz"}), "invalid argument \"zz\" for \"--dns\" flag: invalid string being converted to IP address: zz");
    EXPECT_EQ(problem({"--default-ulimit", "nofile=2:1"}),
              "invalid argument \"nofile=2:1\" for \"--default-ulimit\" flag: ulimit soft limit must be less than or equal to hard limit: 2 > 1");
    EXPECT_EQ(
        problem({"--default-ulimit", "nofile=1:2:3"}),
        "invalid argument \"nofile=1:2:3\" for \"--default-ulimit\" flag: too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`");
    EXPECT_EQ(problem({"--default-ulimit", "zz=1"}), "invalid argument \"zz=1\" for \"--default-ulimit\" flag: invalid ulimit type: zz");
    EXPECT_EQ(problem({"--add-runtime", "a=/x", "--add-runtime", "a=/y"}),
              "invalid argument \"a=/y\" for \"--add-runtime\" flag: runtime 'a' was already defined");
    EXPECT_EQ(problem({"--default-address-pool", "base=10.0.0.0/8,size=zz"}),
              "invalid argument \"base=10.0.0.0/8,size=zz\" for \"--default-address-pool\" flag: invalid size value: \"base=10.0.0.0/8,size=zz\" (must be "
              "integer): strconv.Atoi: parsing \"zz\": invalid syntax");
    EXPECT_EQ(problem({"--registry-mirror", "https://u:p@x"}),
              "invalid argument \"https://u:p@x\" for \"--registry-mirror\" flag: invalid mirror: username/password not allowed in URI \"https://u:xxxxx@x\"");
    EXPECT_EQ(flags_outcome({"--metrics-addr", "x"}), "the flag --metrics-addr is not supported yet by proad");
    EXPECT_TRUE(flags_outcome({"--debug", "false"}).starts_with("\"proad\" accepts no argument(s).\nSee 'proad --help'.\n"));
    EXPECT_EQ(flags_outcome({"--mtu=0x10", "-D", "-D=false"}), "OK");
}

TEST_F(SettingsTest, refuses_what_cannot_start) {
    EXPECT_EQ(outcome(R"({"live-restore":false})"), "live-restore cannot be switched off: containers of proad always live on while the daemon is away");
    EXPECT_EQ(outcome(R"({"storage-driver":"zfs"})"), "storage driver \"zfs\" is not supported by proad: use overlay2 or vfs");
    EXPECT_EQ(outcome(R"({"storage-driver":"zz"})"), "error initializing graphdriver: driver not supported: zz");
    EXPECT_EQ(outcome(R"({"log-opts":{"zz":"1"}})"), "failed to set log opts: failed to set log opts: unknown log opt 'zz' for json-file log driver");
    EXPECT_EQ(outcome(R"({"default-runtime":"zz"})"), "specified default runtime 'zz' does not exist");
    EXPECT_EQ(outcome(R"({"runtimes":{"proa":{"path":"/x"}}})"), "runtime name 'proa' is reserved");
    auto systemd = cgroup::check_systemd();  // what this host can do decides
    EXPECT_EQ(outcome(R"({"exec-opts":["native.cgroupdriver=systemd"]})"), systemd ? "OK" : systemd.error().message());
    EXPECT_EQ(outcome(R"({"exec-opts":["native.cgroupdriver=systemd"],"cgroup-parent":"/not/a/slice"})"),
              systemd ? "cgroup-parent for systemd cgroup should be a valid slice named as \"xxx.slice\"" : systemd.error().message());
    EXPECT_EQ(outcome(R"({"exec-opts":["native.cgroupdriver=zz"]})"), "native.cgroupdriver option zz not supported");
    EXPECT_EQ(outcome(R"({"exec-opts":["native.cgroupdriver=cgroupfs"]})"), "OK");
    EXPECT_EQ(outcome(R"({"registry-mirrors":["zz"]})"), "invalid mirror: unsupported scheme \"\" in \"zz\"");
    EXPECT_EQ(outcome(R"({"mirrors":{"quay.io":["zz"]}})"), "invalid mirror: unsupported scheme \"\" in \"zz\"");
    EXPECT_EQ(outcome(R"({"mirrors":{"quay":["https://q"]}})"), "invalid mirrors: \"quay\" is not a registry's HOST[:PORT]");
    EXPECT_EQ(outcome(R"({"bip":"zz"})"), "invalid bip: invalid CIDR address: zz");
    EXPECT_EQ(outcome(R"({"min-api-version":"1.10"})"), "invalid min-api-version \"1.10\": it must be between 1.24 and 1.56");
    auto at_start = load_settings({"--config-file", "", "--default-runtime", "zz"});
    ASSERT_FALSE(at_start);
    EXPECT_EQ(at_start.error().message(), "failed to start daemon: specified default runtime 'zz' does not exist");
}

TEST_F(SettingsTest, serves_tcp_only_to_known_clients) {
    EXPECT_EQ(
        flags_outcome({"-H", "tcp://0.0.0.0:2375"}),
        "refusing to listen on tcp://0.0.0.0:2375 without client certificates: use --tlsverify (plain TCP is served only on loopback and with --tls=false)");
    EXPECT_TRUE(flags_outcome({"-H", "tcp://127.0.0.1:2375"}).starts_with("refusing to listen"));
    EXPECT_TRUE(flags_outcome({"-H", "tcp://0.0.0.0:2375", "--tls=false"}).starts_with("refusing to listen"));
    EXPECT_EQ(flags_outcome({"-H", "tcp://[::1]:2375", "--tls=false"}), "OK");
    EXPECT_EQ(flags_outcome({"--tls"}), "invalid TLS configuration: Could not load X509 key pair (cert: \"\", key: \"\"): open : no such file or directory");
    for (auto name : {"/cert.pem", "/key.pem"}) ASSERT_TRUE(os::write_file(directory + name, "-----BEGIN X-----\n"));
    EXPECT_EQ(flags_outcome({"--tlsverify"}), "invalid TLS configuration: tlsverify needs tlscacert, the CA that signs the clients' certificates");
    ASSERT_TRUE(os::write_file(directory + "/ca.pem", "-----BEGIN X-----\n"));
    EXPECT_EQ(flags_outcome({"--tlsverify", "-H", "tcp://0.0.0.0"}), "OK");
    auto settings = load_settings({"--config-file", "", "--tlsverify", "-H", "tcp://0.0.0.0"});
    ASSERT_TRUE(settings) << settings.error().message();
    EXPECT_EQ(settings->hosts.at(0), "tcp://0.0.0.0:2376");
    EXPECT_TRUE(settings->tls);
    EXPECT_EQ(settings->tlscacert, directory + "/ca.pem");
}

TEST(Listener, knows_every_form) {
    auto text = [](std::string_view host) {
        auto listener = parse_listener(host, false, "/d.sock");
        if (!listener) return listener.error().message();
        if (listener->kind == Listener::Kind::Unix) return concat("unix ", listener->path);
        if (listener->kind == Listener::Kind::Tcp) return concat("tcp ", listener->address, ' ', listener->port);
        return concat("fd ", listener->fd);
    };
    EXPECT_EQ(text(""), "unix /d.sock");
    EXPECT_EQ(text("unix://"), "unix /d.sock");
    EXPECT_EQ(text(" unix:///x "), "unix /x");
    EXPECT_EQ(text("tcp://"), "tcp 127.0.0.1 2375");
    EXPECT_EQ(text(":5"), "tcp 127.0.0.1 5");
    EXPECT_EQ(text("tcp://[::1]:5000"), "tcp ::1 5000");
    EXPECT_EQ(text("localhost:99"), "tcp 127.0.0.1 99");
    EXPECT_EQ(text("fd://"), "fd -1");
    EXPECT_EQ(text("fd://3"), "fd 3");
    EXPECT_EQ(text("a:b:c"), "invalid bind address (a:b:c): parse \"tcp://a:b:c\": invalid port \":c\" after host");
    EXPECT_EQ(text("tcp://1.2.3.4:0"), "invalid bind address (tcp://1.2.3.4:0): invalid port: 0");
    EXPECT_EQ(text("tcp://1.2.3.4:99999"), "invalid bind address (tcp://1.2.3.4:99999): invalid port: 99999");
    EXPECT_EQ(text("/x"), "invalid bind address (/x): should not contain a path element");
    EXPECT_EQ(text("http://x"), "invalid bind address (http://x): unsupported proto 'http'");
}

TEST_F(SettingsTest, answers_help_version_and_validate) {
    EXPECT_EQ(answer_of(*load_settings({"--validate", "--config-file", ""}))->error, "configuration OK\n");
    EXPECT_TRUE(answer_of(*load_settings({"--version", "--config-file", "/nonexistent", "x"}))->output.starts_with("Proa version "));
    std::string help = answer_of(*load_settings({"--version", "-h"}))->output;
    EXPECT_NE(help.find("  -D, --debug "), help.npos);
    EXPECT_NE(help.find("      --data-root string "), help.npos);
    EXPECT_NE(help.find("\"/var/lib/proa\")"), help.npos);
    EXPECT_EQ(help.find("selinux"), help.npos);
}

class ReloadTest : public SettingsTest {
protected:
    Settings start(std::string_view content, std::vector<std::string> arguments = {}) {
        EXPECT_TRUE(os::write_file(config, content));
        arguments.insert(arguments.begin(), {"--config-file", config});
        auto settings = load_settings(arguments);
        EXPECT_TRUE(settings) << settings.error().message();
        return settings.value_or(Settings());
    }
    Result<Reloaded> reload(const Settings& current, std::string_view content) {
        EXPECT_TRUE(os::write_file(config, content));
        return reload_settings(current);
    }
    std::string attribute(const Reloaded& reloaded, std::string_view name) {
        for (auto& [key, value] : reloaded.attributes)
            if (key == name) return value;
        return "missing";
    }
};

// Which values stay and which return to their default was measured on dockerd 26.1, and so were the attributes.
TEST_F(ReloadTest, applies_what_docker_applies) {
    auto first = start("{}");
    auto changed = reload(
        first,
        R"({"debug":true,"labels":["a=b"],"features":{"x":true,"a":false},"runtimes":{"foo":{"path":"/bin/true","runtimeArgs":["--x"]},"bar":{"path":"/bin/false"}},
        "insecure-registries":["r:5000"],"registry-mirrors":["http://m"],"default-shm-size":"32M","shutdown-timeout":7,"max-concurrent-downloads":9,
        "default-ipc-mode":"shareable","default-cgroupns-mode":"host","default-runtime":"foo"})");
    ASSERT_TRUE(changed) << changed.error().message();
    std::string text;
    for (auto& [key, value] : changed->attributes) text += concat(key, '=', value, '\n');
    EXPECT_EQ(
        text,
        "allow-nondistributable-artifacts=[]\ndebug=true\ndefault-cgroupns-mode=host\ndefault-ipc-mode=shareable\ndefault-runtime=foo\ndefault-shm-size="
        "33554432\n"
        "default-stop-timeout=10\nfeatures=map[a:false "
        "x:true]\ninsecure-registries=[\"r:5000\"]\nlabels=[\"a=b\"]\nlive-restore=true\nmax-concurrent-downloads=9\n"
        "max-concurrent-uploads=5\nmax-download-attempts=5\nregistry-mirrors=[\"http://m/\"]\nruntimes=bar:/bin/false foo:/bin/true\nshutdown-timeout=7\n");
    EXPECT_NE(changed->text.find("\"default-runtime\":\"foo\""), std::string::npos);

    auto emptied = reload(changed->settings, "{}");
    ASSERT_TRUE(emptied) << emptied.error().message();
    EXPECT_EQ(attribute(*emptied, "debug"), "true");
    EXPECT_EQ(attribute(*emptied, "labels"), "[\"a=b\"]");
    EXPECT_EQ(attribute(*emptied, "default-shm-size"), "33554432");
    EXPECT_EQ(attribute(*emptied, "shutdown-timeout"), "7");
    EXPECT_EQ(attribute(*emptied, "registry-mirrors"), "[\"http://m/\"]");
    EXPECT_EQ(attribute(*emptied, "features"), "map[]");
    EXPECT_EQ(attribute(*emptied, "max-concurrent-downloads"), "3");
}

TEST_F(ReloadTest, returns_to_the_value_of_the_flag) {
    auto first = start("{}", {"--max-concurrent-uploads", "2"});
    auto again = reload(first, "{}");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->settings.max_concurrent_uploads, 2);
}

TEST_F(ReloadTest, keeps_the_old_configuration_when_the_file_is_bad) {
    auto first = start("{}", {"-H", "unix:///d.sock"});
    auto problem = [&](std::string_view content) {
        auto done = reload(first, content);
        return done ? "OK" : replace_all(done.error().message(), config, "X");
    };
    EXPECT_EQ(problem(R"({"max-concurrent-downloads":-1})"), "file configuration validation failed: invalid max concurrent downloads: -1");
    EXPECT_EQ(problem(R"({"labels":["x=1","x=2"]})"), "conflict labels for x=2 and x=1");
    EXPECT_EQ(problem(R"({"default-runtime":"nope"})"), "Error reconfiguring the daemon: specified default runtime 'nope' does not exist");
    EXPECT_EQ(problem(R"({"default-shm-size":"zz"})"), "unable to configure the Docker daemon with file X: invalid size: 'zz'");
    EXPECT_EQ(problem(R"({"hosts":["unix:///x"]})"),
              "unable to configure the Docker daemon with file X: the following directives are specified both as a flag and in the configuration file: hosts: "
              "(from flag: [unix:///d.sock], from file: [unix:///x])");
    EXPECT_EQ(problem("{zz"), "unable to configure the Docker daemon with file X: invalid character 'z' looking for beginning of object key string");
    EXPECT_EQ(problem(R"({"live-restore":false})"),
              "Error reconfiguring the daemon: live-restore cannot be switched off: containers of proad always live on while the daemon is away");
    ASSERT_TRUE(os::remove_file(config));
    EXPECT_EQ(replace_all(reload_settings(first).error().message(), config, "X"),
              "unable to configure the Docker daemon with file X: open X: no such file or directory");
}

TEST_F(ReloadTest, names_directives_that_wait_for_a_restart) {
    auto first = start(R"({"mtu":1400})");
    auto same = reload(first, R"({"mtu":1400})");
    EXPECT_TRUE(same && same->settings.warnings.empty());
    auto changed = reload(first, R"({"mtu":1300})");
    ASSERT_TRUE(changed);
    EXPECT_EQ(changed->settings.mtu, 1400);
    EXPECT_EQ(changed->settings.warnings,
              std::vector<std::string>{concat("the directive mtu has changed in ", config, ": it takes effect when the daemon starts again")});
}

}  // namespace
}  // namespace proa::engine
