#pragma once
#include "engine/parts.h"
#include "engine/transfer_progress.h"
#include "registry/credentials.h"

namespace proa::engine {

/// Who asks for a pull or push, and how to reach him.
struct TransferCaller {
    registry::Credentials credentials;
    std::string agent;           ///< the client's User-Agent
    ProgressSink progress;
    std::function<bool()> gone;  ///< asked from several threads
};

/// `docker pull`. `name` without a tag, together with an empty `tag`, means all tags. An image that this product carries (hello-world)
/// is taken from there when no registry gives it, and the progress says so.
/// Errors before the first line, in Docker's words: NotFound (`pull access denied for X`, `manifest for X not found`,
/// `no matching manifest for P in the manifest list entries`), InvalidArgument, Unavailable.
Result<void> pull_image(Parts& parts, const std::string& name, const std::string& tag, const std::string& platform, const TransferCaller& caller);

}  // namespace proa::engine
