#include "client/credential_store.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>

#include "base/text.h"
#include "os/file.h"

extern char** environ;

namespace proa::client {

namespace {
constexpr std::string_view kHubKey = "https://index.docker.io/v1/";

std::string helper_for(const ConfigFile& config, const std::string& key) {
    auto* own = config.content["credHelpers"].as_object().find(key);
    return own ? own->as_string() : config.text("credsStore");
}

/// Runs `docker-credential-NAME VERB` with `input`; its output. Docker: credential helper protocol.
Result<std::string> run_helper(const std::string& name, const char* verb, std::string_view input) {
    auto in = TRY(os::make_pipe()), out = TRY(os::make_pipe());
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in.read_end.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, out.write_end.get(), 1);
    std::string program = "docker-credential-" + name;
    char* argv[] = {program.data(), const_cast<char*>(verb), nullptr};
    pid_t pid = 0;
    int code = ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    in.read_end.reset();
    out.write_end.reset();
    if (code != 0)
        return fail(ErrorKind::NotFound,
                    concat("error ", std::string_view(verb), "ing credentials - err: exec: ", quote(program), ": executable file not found in $PATH, out: ``"));
    (void)os::write_all(in.write_end.get(), input);
    in.write_end.reset();
    auto text = os::read_to_end(out.read_end.get(), 1 << 20);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (!text) return text;
    if (status != 0) return fail(ErrorKind::Internal, concat(program, ' ', std::string_view(verb), ": ", trim(*text)));
    return text;
}
}  // namespace

std::string registry_key(std::string_view server) {
    if (server == kHubKey) return std::string(kHubKey);
    std::string_view host = trim_prefix(trim_prefix(server, "https://"), "http://");
    host = host.substr(0, host.find('/'));
    if (host.empty() || host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io") return std::string(kHubKey);
    return std::string(host);
}

Result<void> store_login(ConfigFile& config, const std::string& key, const StoredLogin& login, std::string& helper) {
    helper = helper_for(config, key);
    auto& auths = config.content.object()["auths"].object();
    if (!helper.empty()) {
        bool token = !login.identity_token.empty();
        json::Object entry{{"ServerURL", key}, {"Username", token ? "<token>" : login.username}, {"Secret", token ? login.identity_token : login.password}};
        TRY(run_helper(helper, "store", json::print(json::Value(std::move(entry)))));
        auths.set(key, json::Object());
        return save_config_file(config);
    }
    json::Object entry{{"auth", base64(concat(login.username, ':', login.identity_token.empty() ? login.password : ""))}};
    if (!login.identity_token.empty()) entry.set("identitytoken", login.identity_token);
    auths.set(key, std::move(entry));
    return save_config_file(config);
}

Result<bool> erase_login(ConfigFile& config, const std::string& key) {
    auto& auths = config.content.object()["auths"].object();
    bool there = auths.find(key) != nullptr;
    if (std::string helper = helper_for(config, key); !helper.empty()) {
        there |= run_helper(helper, "get", key).has_value();
        if (there) TRY(run_helper(helper, "erase", key));
    }
    if (!there) return false;
    auths.erase(key);
    TRY(save_config_file(config));
    return true;
}

std::optional<StoredLogin> find_login(const ConfigFile& config, const std::string& key) {
    if (std::string helper = helper_for(config, key); !helper.empty()) {
        auto text = run_helper(helper, "get", key);
        auto value = text ? json::parse(*text) : Result<json::Value>(json::Value());
        if (!value || !value->is_object()) return std::nullopt;
        if ((*value)["Username"].as_string() == "<token>") return StoredLogin{"", "", (*value)["Secret"].as_string()};
        return StoredLogin{(*value)["Username"].as_string(), (*value)["Secret"].as_string(), ""};
    }
    auto* entry = config.content["auths"].as_object().find(key);
    if (!entry) return std::nullopt;
    StoredLogin login{(*entry)["username"].as_string(), (*entry)["password"].as_string(), (*entry)["identitytoken"].as_string()};
    if (auto both = from_base64((*entry)["auth"].as_string()); both && !both->empty())
        if (auto parts = cut(*both, ":")) login = {std::string(parts->first), std::string(parts->second), login.identity_token};
    if (login.username.empty() && login.identity_token.empty()) return std::nullopt;
    return login;
}

}  // namespace proa::client
