#pragma once
#include "cli/command.h"

namespace proa::cli {

/// The program of the plugin `name` ("compose"): docker-NAME in a directory of the configuration or of the system, executable; "" when there is none.
/// Directories as docker has them; never $PATH.
std::string find_plugin(Session& session, std::string_view name);
/// All names that find_plugin() knows, sorted.
std::vector<std::string> plugin_names(Session& session);

/// Becomes the plugin, with all arguments as they were given. Returns only when it cannot be executed: the exit code.
int run_plugin(Session& session, const std::string& path, const std::vector<std::string>& arguments);

}  // namespace proa::cli
