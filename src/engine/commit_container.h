#pragma once
#include "engine/parts.h"

namespace proa::engine {

struct CommitOptions {
    std::string repository, tag, comment, author;
    bool pause = true;
    std::vector<std::string> changes;                ///< Dockerfile instructions
    std::optional<docker::ContainerConfig> config;   ///< instead of the container's own as what the image's is made of
};

/// `docker commit`: what the container changed becomes a layer on top of its image's. Returns the new image's id.
/// API: POST /commit. Errors: InvalidArgument (name, changes), Conflict (it is being removed).
Result<std::string> commit_container(Parts& parts, const container::ContainerPointer& container, const CommitOptions& options);

}  // namespace proa::engine
