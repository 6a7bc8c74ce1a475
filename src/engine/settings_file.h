#pragma once
#include "engine/settings.h"

namespace proa::engine {

/// A configuration file as text: UTF-16 with a byte order mark becomes UTF-8, a UTF-8 mark is dropped.
/// Errors: InvalidArgument `failed to decode configuration JSON at offset N: encoding: invalid UTF-8`.
Result<std::string> decode_config(std::string_view bytes);

struct ConfigFile {
    json::Object directives;  ///< of known keys that Proa carries out
};

/// Reads and checks the keys of the file at `path`. `conflicting` holds what flags set: key to its text.
/// Errors: NotFound `open PATH: no such file or directory`; InvalidArgument with Docker's text.
Result<ConfigFile> read_config(const std::string& path, const std::vector<std::pair<std::string, std::string>>& conflicting);

/// Puts the file's values into `settings` and adds their keys to `given`. Errors: InvalidArgument.
Result<void> apply_config(const ConfigFile& file, Settings& settings);

/// The settings that the command line alone makes: defaults and flags.
struct FlagSettings {
    Settings settings;
    std::vector<std::pair<std::string, std::string>> set;  ///< key and value of each directive given, in the order of the flags' names
    std::vector<std::string> arguments;               ///< what was no flag
};
Result<FlagSettings> read_flags(const std::vector<std::string>& arguments);

/// "unable to configure the Docker daemon with file X: "
std::string config_context(const std::string& path);

}  // namespace proa::engine
