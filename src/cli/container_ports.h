#pragma once
#include <string>

#include "codec/json/value.h"

namespace proa::cli {

/// The PORTS column from a list entry's Ports: "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", equal-number mappings merged into ranges.
std::string ports_text(const json::Value& ports);

}  // namespace proa::cli
