#pragma once
#include "engine/parts.h"
#include "engine/pull_image.h"
#include "schema/oci/image.h"

namespace proa::engine {

/// `docker push`. An empty `tag` pushes all tags of the repository. `platform` picks one manifest of an index. Bytes go as they are
/// stored: digests here and there are the same. What the registry has, or can take from another repository of its own, is not sent.
/// Errors in Docker's words: `tag does not exist: x:1`, `An image does not exist locally with the tag: x`, `denied: ...`.
Result<void> push_image(Parts& parts, const std::string& name, const std::string& tag, const std::optional<oci::Platform>& platform, const TransferCaller& caller);

}  // namespace proa::engine
