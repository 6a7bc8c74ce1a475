#pragma once
#include <span>

#include "engine/settings.h"

namespace proa::engine {

/// What SIGHUP does with a directive.
enum class Reload {
    Never,
    WhenPresent,  ///< takes the file's value, keeps its own when the file has none
    OrReset,      ///< takes the file's value, else that of the flags, else the default
};

/// One directive: its names, its meaning and how its value is read and shown.
struct Directive {
    std::string_view key;         ///< in daemon.json
    std::string_view flag;        ///< "": only in the file
    char shorthand = 0;
    std::string_view value_name;  ///< of the flag; "": boolean
    std::string_view prose;
    std::string_view place;  ///< where Docker's error texts say the key stands: "CommonConfig."
    Reload reload = Reload::Never;
    Result<void> (*from_flag)(Settings& settings, std::string_view value);
    Result<void> (*from_file)(Settings& settings, const json::Value& value, std::string_view place);
    std::string (*shown)(const Settings& settings);  ///< as Go prints the flag's value
    json::Value (*to_json)(const Settings& settings);
    void (*copy)(const Settings& from, Settings& to);
};

std::span<const Directive> directives();
const Directive* find_directive_by_key(std::string_view key);
const Directive* find_directive_by_flag(std::string_view flag);

/// Docker's directives and flags that Proa knows but cannot carry out yet.
struct Unsupported {
    std::string_view key, flag;
    char shorthand = 0;
    bool boolean = false;
};
std::span<const Unsupported> unsupported_directives();

/// Go's %v of a JSON value: "[a b]", "map[k:v]", "<nil>".
std::string go_text(const json::Value& value);

Result<std::string> check_label(std::string_view label);
Result<std::string> check_search_domain(std::string_view domain);
/// With a slash at its end. Errors as Docker's `invalid mirror: ...`.
Result<std::string> check_mirror(std::string_view mirror);
/// `name=soft[:hard]`.
Result<docker::Ulimit> parse_ulimit(std::string_view text);
Result<void> check_ulimit(const docker::Ulimit& ulimit);

}  // namespace proa::engine
