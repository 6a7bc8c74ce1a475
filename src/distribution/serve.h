#pragma once
#include <string>
#include <vector>

#include "base/result.h"

namespace proa::distribution {

/// `proad registry serve`, which `proa registry serve` becomes: a registry of one machine in the foreground until SIGTERM or SIGINT.
/// `arguments` are of the form --name=value: addr, data-root, htpasswd, tls-cert, tls-key, proxy, insecure-proxy. Prints where it listens. The exit code.
int serve(const std::vector<std::string>& arguments);

}  // namespace proa::distribution
