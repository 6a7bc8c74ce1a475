#include "engine/settings.h"

#include "base/text.h"
#include "engine/settings_check.h"
#include "engine/settings_directives.h"
#include "engine/settings_file.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

/// The file of `settings.config_path`; nullopt when there is none and none was asked for.
Result<std::optional<ConfigFile>> open_config(const FlagSettings& flags) {
    auto& settings = flags.settings;
    if (settings.config_path.empty()) return std::optional<ConfigFile>();
    auto file = read_config(settings.config_path, flags.set);
    if (file) return std::optional<ConfigFile>(std::move(*file));
    if (file.error().is(ErrorKind::NotFound) && !settings.config_path_given) return std::optional<ConfigFile>();
    return invalid(concat(config_context(settings.config_path), ": ", file.error().message()));
}

/// Runtimes that the command line added stand beside those of the file; the same name twice takes the file's.
Result<void> merge(Settings& settings, const std::optional<ConfigFile>& file) {
    if (file) TRY_WRAP(config_context(settings.config_path), apply_config(*file, settings));
    auto checked = check_values(settings);
    if (!checked && file)
        return invalid(concat(config_context(settings.config_path), ": merged configuration validation from file and command line flags failed: ", checked.error().message()));
    return checked;
}

/// True for a directive whose values differ between both settings.
bool differs(const Directive& directive, const Settings& a, const Settings& b) { return json::print(directive.to_json(a)) != json::print(directive.to_json(b)); }

std::vector<std::pair<std::string, std::string>> reload_attributes(const Settings& settings) {
    auto list = [](const std::vector<std::string>& texts) { return json::print(json::Value::strings(texts), json::Style{true, ""}); };
    auto shown = [&](std::string_view key) { return find_directive_by_key(key)->shown(settings); };
    return {
        {"allow-nondistributable-artifacts", "[]"},
        {"debug", shown("debug")},
        {"default-cgroupns-mode", settings.default_cgroupns_mode},
        {"default-ipc-mode", settings.default_ipc_mode},
        {"default-runtime", settings.default_runtime},
        {"default-shm-size", concat(settings.default_shm_size)},
        {"default-stop-timeout", concat(settings.default_stop_timeout)},
        {"features", shown("features")},
        {"insecure-registries", list(settings.insecure_registries)},
        {"labels", list(settings.labels)},
        {"live-restore", shown("live-restore")},
        {"max-concurrent-downloads", concat(settings.max_concurrent_downloads)},
        {"max-concurrent-uploads", concat(settings.max_concurrent_uploads)},
        {"max-download-attempts", concat(settings.max_download_attempts)},
        {"registry-mirrors", list(settings.registry_mirrors)},
        {"runtimes", shown("runtimes")},
        {"shutdown-timeout", concat(settings.shutdown_timeout)},
    };
}

}  // namespace

Result<Settings> load_settings(const std::vector<std::string>& arguments) {
    auto flags = TRY(read_flags(arguments));
    using enum Settings::Mode;
    if (flags.settings.mode == Help || flags.settings.mode == Version) return std::move(flags.settings);
    if (!flags.arguments.empty())
        return invalid("\"proad\" accepts no argument(s).\nSee 'proad --help'.\n\nUsage:  proad [OPTIONS]\n\nA self-sufficient runtime for containers.");
    auto file = TRY(open_config(flags));
    Settings settings = std::move(flags.settings);
    TRY(merge(settings, file));
    TRY(normalise(settings));
    auto good = check_for_start(settings);
    if (!good && settings.mode == Run) return fail(std::move(good).error().wrap("failed to start daemon"));
    if (!good) return fail(std::move(good).error());
    return settings;
}

Result<Reloaded> reload_settings(const Settings& current) {
    auto flags = TRY(read_flags(current.command_line));
    auto file = TRY(open_config(flags));
    auto fresh = flags.settings;  // what a start would have now
    if (file) TRY_WRAP(config_context(current.config_path), apply_config(*file, fresh));
    if (auto checked = check_values(fresh); !checked) return fail(std::move(checked).error().wrap("file configuration validation failed"));
    TRY(normalise(fresh));

    Settings next = current;
    next.warnings = std::move(fresh.warnings);
    for (auto& one : directives()) {
        bool present = file && file->directives.find(one.key);
        if (one.reload == Reload::OrReset || (one.reload == Reload::WhenPresent && present)) one.copy(fresh, next);
        else if (one.reload == Reload::Never && present && differs(one, fresh, current))
            next.warnings.push_back(concat("the directive ", one.key, " has changed in ", current.config_path, ": it takes effect when the daemon starts again"));
    }
    if (auto good = check_for_start(next); !good) return fail(std::move(good).error().wrap("Error reconfiguring the daemon"));
    return Reloaded{next, reload_attributes(next), settings_text(next)};
}

std::string settings_text(const Settings& settings) {
    json::Object object;
    for (auto& one : directives()) object.set(one.key, one.to_json(settings));
    object.sort();
    return json::print(object);
}

std::string_view effective_log_level(const Settings& settings) {
    if (settings.debug) return "debug";
    return settings.log_level.empty() ? "info" : std::string_view(settings.log_level);
}

Result<const RuntimeProgram*> find_runtime(const Settings& settings, std::string_view name) {
    if (auto found = settings.runtimes.find(std::string(name)); found != settings.runtimes.end()) return &found->second;
    if (name.empty() || name == kBuiltinRuntime || name == "runc" || name == "io.containerd.runc.v2") return nullptr;
    return invalid(concat("unknown or invalid runtime name: ", name));
}

}  // namespace proa::engine
