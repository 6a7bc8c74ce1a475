#pragma once
#include <string>
#include <vector>

namespace proa::volume {

/// Where plugins put their sockets and specifications, in the order they are looked at. API: plugin discovery.
struct PluginDirectories {
    std::vector<std::string> sockets, specifications;
};

}  // namespace proa::volume
