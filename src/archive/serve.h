#pragma once
#include "archive/request.h"

namespace proa::archive {

/// The whole life of proa-archive: reads the request from its descriptors, locks itself in, does it, and says how it went.
/// Errors: those that could not be told the daemon.
Result<void> serve();

}  // namespace proa::archive
