#include "engine/reload.h"

#include <unistd.h>

#include "base/log.h"
#include "engine/settings.h"
#include "engine/system_info.h"

namespace proa::engine {

void reload(Parts& parts, CurrentSettings& current, const std::function<void(const Settings&)>& apply_log) {
    auto settings = current.load();
    log::info(concat("Got signal to reload configuration, reloading from: ", settings->config_path));
    auto reloaded = reload_settings(*settings);
    if (!reloaded) return log::error(reloaded.error().message());
    for (auto& warning : reloaded->settings.warnings) log::warn(warning);
    apply_log(reloaded->settings);
    current.store(std::move(reloaded->settings));
    log::info(concat("Reloaded configuration: ", reloaded->text));
    std::map<std::string, std::string> attributes(reloaded->attributes.begin(), reloaded->attributes.end());
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    attributes["name"] = name;
    parts.events.publish("daemon", "reload", engine_id(parts.paths).value_or(""), std::move(attributes));
}

}  // namespace proa::engine
