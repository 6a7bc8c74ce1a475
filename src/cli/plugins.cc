#include "cli/plugins.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "os/file.h"

namespace proa::cli {

namespace {
constexpr std::string_view kPrefix = "docker-";

std::vector<std::string> directories(Session& session) {
    std::vector<std::string> list;
    for (auto& extra : session.config().content["cliPluginsExtraDirs"].as_array()) list.push_back(extra.as_string());
    list.push_back(session.config().directory + "/cli-plugins");
    for (auto base : {"/usr/local/lib/docker", "/usr/local/libexec/docker", "/usr/lib/docker", "/usr/libexec/docker"}) list.push_back(concat(std::string_view(base), "/cli-plugins"));
    return list;
}

bool is_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; });
}
}  // namespace

std::string find_plugin(Session& session, std::string_view name) {
    if (!is_name(name)) return "";
    for (auto& directory : directories(session)) {
        std::string path = concat(directory, '/', kPrefix, name);
        if (directory.starts_with('/') && ::access(path.c_str(), X_OK) == 0 && !os::is_directory(path)) return path;
    }
    return "";
}

std::vector<std::string> plugin_names(Session& session) {
    std::vector<std::string> names;
    for (auto& directory : directories(session)) {
        auto entries = os::list_directory(directory);
        for (auto& entry : entries.value_or(std::vector<std::string>()))
            if (entry.starts_with(kPrefix) && is_name(entry.substr(kPrefix.size()))) names.push_back(entry.substr(kPrefix.size()));
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
}

int run_plugin(Session& session, const std::string& path, const std::vector<std::string>& arguments) {
    ::setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", session.program().c_str(), 1);
    // A plugin has docker's default address: it is told ours.
    if (auto endpoint = session.endpoint(); endpoint && !::getenv("DOCKER_HOST") && !::getenv("DOCKER_CONTEXT") && session.globals().text("context").empty() && session.globals().list("host").empty())
        ::setenv("DOCKER_HOST", endpoint->host.c_str(), 1);
    std::vector<char*> words{const_cast<char*>(path.c_str())};
    for (auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    ::execv(path.c_str(), words.data());
    put_error_line(errno_error("execute", path).message());
    return 126;
}

}  // namespace proa::cli
