#pragma once
#include "engine/parts.h"

namespace proa::engine {

/// SIGHUP: reads the configuration file again and puts what Docker reloads into force. A bad file is logged and changes
/// nothing. `apply_log` is called with the new settings.
void reload(Parts& parts, CurrentSettings& current, const std::function<void(const Settings&)>& apply_log);

}  // namespace proa::engine
