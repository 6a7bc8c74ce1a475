#pragma once
#include "engine/pull_image.h"

namespace proa::engine {

/// `docker import URL`: the archive is fetched and becomes an image while it arrives. "host/path" is asked for by http. The last
/// line of progress is the image's id. Errors: InvalidArgument for other schemes; Internal when the server does not give it.
Result<void> import_from_url(Parts& parts, const std::string& url, const std::string& repository, const std::string& tag, const std::string& message,
                             const std::vector<std::string>& changes, const std::string& platform, const TransferCaller& caller);

}  // namespace proa::engine
