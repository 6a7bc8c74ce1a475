#include "client/images.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <set>

#include "base/text.h"
#include "schema/oci/image.h"

extern char** environ;

namespace proa::client {

namespace {
constexpr std::string_view kHubKey = "https://index.docker.io/v1/";

/// Runs `docker-credential-NAME get` with the server's name on its input; nullopt on any failure (then anonymous).
std::optional<json::Value> ask_credential_helper(const std::string& name, std::string_view server) {
    auto input = os::make_pipe(), output = os::make_pipe();
    if (!input || !output) return std::nullopt;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input->read_end.get(), 0);
    posix_spawn_file_actions_adddup2(&actions, output->write_end.get(), 1);
    std::string program = "docker-credential-" + name;
    char* argv[] = {program.data(), const_cast<char*>("get"), nullptr};
    pid_t pid = 0;
    int code = ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    input->read_end.reset();
    output->write_end.reset();
    if (code != 0) return std::nullopt;
    (void)os::write_all(input->write_end.get(), server);
    input->write_end.reset();
    auto text = os::read_to_end(output->read_end.get(), 1 << 20);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (!text || status != 0) return std::nullopt;
    auto value = json::parse(*text);
    return value ? std::optional(std::move(*value)) : std::nullopt;
}

/// The key without scheme and path, as Docker compares registry names.
std::string_view bare_host(std::string_view key) {
    key = trim_prefix(trim_prefix(key, "https://"), "http://");
    return key.substr(0, key.find('/'));
}

json::Value stored_entry(const json::Value& auths, std::string_view server) {
    if (!auths.is_object()) return {};
    if (auto* exact = auths.as_object().find(server)) return *exact;
    for (auto& member : auths.as_object())
        if (bare_host(member.name) == bare_host(server)) return member.value;
    return {};
}

std::string base64_url(std::string_view text) { return replace_all(replace_all(base64(text), "+", "-"), "/", "_"); }
}  // namespace

std::string registry_auth(const ConfigFile& config, std::string_view domain) {
    std::string server(domain == "docker.io" ? kHubKey : domain);
    json::Value entry;
    if (const char* environment = ::getenv("DOCKER_AUTH_CONFIG"); environment && *environment)
        if (auto parsed = json::parse(environment)) entry = stored_entry((*parsed)["auths"], server);
    if (!entry.is_object() || entry.as_object().empty()) {
        std::string helper = config.content["credHelpers"].as_object().find(server) ? config.content["credHelpers"].as_object().find(server)->as_string()
                                                                                    : config.text("credsStore");
        if (!helper.empty()) {
            if (auto answer = ask_credential_helper(helper, server)) {
                json::Object auth;
                if ((*answer)["Username"].as_string() == "<token>") auth.set("identitytoken", (*answer)["Secret"]);
                else {
                    auth.set("username", (*answer)["Username"]);
                    auth.set("password", (*answer)["Secret"]);
                }
                auth.set("serveraddress", server);
                return base64_url(json::print(json::Value(std::move(auth))));
            }
        }
        entry = stored_entry(config.content["auths"], server);
    }
    if (!entry.is_object() || entry.as_object().empty()) return "";
    json::Object auth;
    std::string username = entry["username"].as_string(), password = entry["password"].as_string();
    if (auto decoded = from_base64(entry["auth"].as_string()); decoded && !decoded->empty()) {
        if (auto parts = cut(*decoded, ":")) {
            username = parts->first;
            password = trim_suffix(parts->second, std::string_view("\0", 1));
        }
    }
    if (!username.empty()) auth.set("username", username);
    if (!password.empty()) auth.set("password", password);
    for (auto key : {"identitytoken", "registrytoken"})
        if (!entry[key].as_string().empty()) auth.set(key, entry[key]);
    auth.set("serveraddress", server);
    return base64_url(json::print(json::Value(std::move(auth))));
}

namespace {
HeaderList auth_header(const std::string& auth) { return auth.empty() ? HeaderList{} : HeaderList{{"X-Registry-Auth", auth}}; }
}  // namespace

std::string registry_config(const ConfigFile& config) {
    std::set<std::string> servers;
    auto collect = [&](const json::Value& entries) {
        for (auto& [server, entry] : entries.as_object()) servers.insert(server);
    };
    collect(config.content["auths"]);
    collect(config.content["credHelpers"]);
    if (const char* environment = ::getenv("DOCKER_AUTH_CONFIG"); environment && *environment)
        if (auto parsed = json::parse(environment)) collect((*parsed)["auths"]);
    json::Object all;
    for (auto& server : servers) {
        std::string auth = registry_auth(config, server == kHubKey ? std::string_view("docker.io") : std::string_view(server));
        auto text = from_base64(auth);
        auto entry = text ? json::parse(*text) : Result<json::Value>(json::Value());
        if (entry && entry->is_object()) all.set(server, std::move(*entry));
    }
    return all.empty() ? "" : base64_url(json::print(json::Value(std::move(all))));
}

Result<Connection> pull_image(Client& engine, std::string_view repository, std::string_view tag, std::string_view platform, const std::string& auth) {
    Call call{.method = "POST", .path = "/images/create", .query = {{"fromImage", std::string(repository)}}, .headers = auth_header(auth)};
    if (!tag.empty()) call.query.emplace_back("tag", tag);
    if (!platform.empty()) call.query.emplace_back("platform", to_lower(platform));
    return engine.stream(call);
}

Result<Connection> push_image(Client& engine, std::string_view repository, std::string_view tag, std::string_view platform, const std::string& auth) {
    Call call{.method = "POST", .path = concat("/images/", repository, "/push"), .headers = {{"X-Registry-Auth", auth.empty() ? base64_url("{}") : auth}}};
    if (!tag.empty()) call.query.emplace_back("tag", tag);
    if (!platform.empty()) call.query.emplace_back("platform", platform);
    return engine.stream(call);
}

Result<json::Value> list_images(Client& engine, bool all, const Filters& filters, bool manifests) {
    Parameters query;
    if (all) query.emplace_back("all", "1");
    if (manifests) query.emplace_back("manifests", "1");
    if (auto text = filters_text(filters); !text.empty()) query.emplace_back("filters", text);
    return engine.json(Call{.path = "/images/json", .query = std::move(query)});
}

Result<std::string> platform_parameter(const std::string& text) { return json::encode(TRY(oci::Platform::parse(text)).normalized()); }

Result<std::string> inspect_image_text(Client& engine, std::string_view name, std::string_view platform) {
    Parameters query;
    if (!platform.empty()) query.emplace_back("platform", TRY(platform_parameter(std::string(platform))));
    return engine.text(Call{.path = concat("/images/", name, "/json"), .query = std::move(query)});
}

}  // namespace proa::client
