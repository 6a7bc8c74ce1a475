#pragma once
#include <string>

#include "base/text.h"
#include "volume/plugin_directories.h"

namespace proa::engine {

/// Where the daemon keeps what: the data root survives a reboot, the exec root does not.
struct Paths {
    std::string data_root, exec_root;

    std::string containers() const { return data_root + "/containers"; }
    std::string container(std::string_view id) const { return concat(data_root, "/containers/", id); }
    std::string container_file(std::string_view id, std::string_view name) const { return concat(data_root, "/containers/", id, '/', name); }
    std::string states() const { return exec_root + "/containers"; }
    std::string state(std::string_view id) const { return concat(exec_root, "/containers/", id); }
    /// Docker's own places, and one below the exec root for plugins of this engine alone.
    volume::PluginDirectories volume_plugins() const {
        return {{exec_root + "/plugins", "/run/docker/plugins"}, {"/etc/docker/plugins", "/usr/lib/docker/plugins"}};
    }
    std::string namespaces() const { return exec_root + "/netns"; }
};

}  // namespace proa::engine
