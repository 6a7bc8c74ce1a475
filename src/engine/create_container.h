#pragma once
#include "engine/parts.h"

namespace proa::engine {

struct CreateOptions {
    std::string name;      ///< "" for a random one; a leading slash is dropped
    std::string platform;  ///< "" for the host's
    std::string id;        ///< "" for a random one
    bool for_build = false;  ///< a step of a build: the request says all, nothing of the image's configuration is merged in
};
struct Created {
    std::string id;
    std::vector<std::string> warnings;
};

/// Creates a container from a request: image defaults merged in, everything checked, record durable before the return.
/// Errors: NotFound (image), Conflict (name), InvalidArgument, Unsupported.
Result<Created> create_container(Parts& parts, docker::CreateRequest request, const CreateOptions& options);

}  // namespace proa::engine
