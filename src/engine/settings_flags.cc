#include "base/text.h"
#include "engine/flags.h"
#include "engine/settings_directives.h"
#include "engine/settings_file.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

/// Flags that are no directives.
const Flag kOwnFlags[] = {
    {"config-file", 0, "string", "Daemon configuration file", quote(kDefaultConfigPath)},
    {"help", 'h', "", "Print usage", ""},
    {"teardown", 0, "", "Stop all containers, take networks, rules and cgroups out of the kernel, keep all data, and exit", ""},
    {"validate", 0, "", "Validate the configuration and exit", ""},
    {"version", 'v', "", "Print version information and quit", ""},
};

std::vector<Flag> own_and_directive_flags() {
    static const Settings kDefaults;
    std::vector<Flag> flags(std::begin(kOwnFlags), std::end(kOwnFlags));
    for (auto& one : directives()) {
        if (one.flag.empty()) continue;
        std::string shown = one.shown(kDefaults);
        if (shown == "false" || shown == "[]" || shown == "map[]") shown.clear();
        if (one.value_name == "string" && !shown.empty()) shown = quote(shown);
        flags.push_back(Flag{one.flag, one.shorthand, one.value_name, one.prose, shown});
    }
    std::sort(flags.begin(), flags.end(), [](const Flag& a, const Flag& b) { return a.name < b.name; });
    return flags;
}

Result<void> set_own(std::string_view name, std::string_view value, Settings& settings) {
    if (name == "config-file") {
        settings.config_path = value;
        settings.config_path_given = true;
        return {};
    }
    auto on = parse_bool(value);
    if (!on) return invalid(concat("strconv.ParseBool: parsing ", quote(value), ": invalid syntax"));
    if (!*on) return {};
    using enum Settings::Mode;
    // Help wins over version, version over validate, in whatever order they stand.
    auto mode = name == "help" ? Help : name == "version" ? Version : name == "validate" ? Validate : TearDown;
    if (mode > settings.mode) settings.mode = mode;
    return {};
}

}  // namespace

Result<FlagSettings> read_flags(const std::vector<std::string>& arguments) {
    FlagSettings result;
    auto& settings = result.settings;
    settings.command_line = arguments;
    auto flags = own_and_directive_flags();
    for (auto& one : unsupported_directives())
        if (!one.flag.empty()) flags.push_back(Flag{one.flag, one.shorthand, one.boolean ? "" : "string", "", ""});

    std::vector<std::string> unsupported;
    auto set = [&](const Flag& flag, std::string_view value) -> Result<void> {
        if (auto* directive = find_directive_by_flag(flag.name)) {
            TRY(directive->from_flag(settings, value));
            settings.given.insert(std::string(directive->key));
            return {};
        }
        for (auto& own : kOwnFlags)
            if (own.name == flag.name) return set_own(flag.name, value, settings);
        unsupported.push_back(concat("--", flag.name));
        return {};
    };
    auto rest = parse_flags(flags, arguments, set);
    if (!rest) return invalid(concat(rest.error().message(), "\nSee 'proad --help'."));
    result.arguments = std::move(*rest);
    if (unsupported.size() == 1) return invalid(concat("the flag ", unsupported[0], " is not supported yet by proad"));
    if (!unsupported.empty()) return invalid(concat("the flags ", join(unsupported, ", "), " are not supported yet by proad"));
    for (auto& one : directives())
        if (settings.given.contains(one.key)) result.set.emplace_back(std::string(one.key), one.shown(settings));
    return result;
}

std::optional<Answer> answer_of(const Settings& settings) {
    switch (settings.mode) {
        case Settings::Mode::Run:
        case Settings::Mode::TearDown: return std::nullopt;
        case Settings::Mode::Validate: return Answer{"", "configuration OK\n"};
        case Settings::Mode::Version: return Answer{concat("Proa version ", PROA_RELEASE, ", with the engine API of Docker ", PROA_VERSION, "\n"), ""};
        case Settings::Mode::Help: break;
    }
    return Answer{concat("\nUsage:\tproad [OPTIONS]\n\nA self-sufficient runtime for containers.\n\nOptions:\n", flag_table(own_and_directive_flags()),
                         "\nEach option but --config-file, --help, --teardown, --validate and --version is also a directive of the configuration file.\n"),
                  ""};
}

}  // namespace proa::engine
