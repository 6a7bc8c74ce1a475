#pragma once
#include <functional>

#include "client/client.h"

namespace proa::cli {

/// Prints a progress stream (pull, push, load, import, build) to `fd` as Docker does: one line a message, and on a terminal
/// one line an id that is redrawn. `aux` gets the `aux` members. Errors: the stream's own error message.
Result<void> show_progress(client::Connection& answer, int fd, bool quiet, const std::function<void(const json::Value&)>& aux = {});

}  // namespace proa::cli
