#pragma once
#include "codec/stream.h"
#include "engine/build_image.h"
#include "engine/build_stage.h"

namespace proa::engine {

/// Where a build's files come from, and its Dockerfile.
struct BuildFiles {
    std::string directory;  ///< "" when there is none
    std::string dockerfile;
    std::map<std::string, NamedContext> named;
    bool in_place = false;  ///< the directory is the client's own
    build::Hidden hidden;   ///< what its .dockerignore leaves out
    bool whole = false;  ///< not filtered by a client: .dockerignore is ours to apply
};

/// Unpacks what the client sent, or fetches what it named, below `scratch`; reads the Dockerfile and leaves out what .dockerignore says.
/// Errors: Conflict "the build context DIRECTORY is not the client's on this host" when one is to be read in place; InvalidArgument and Internal in Docker's words.
Result<BuildFiles> read_build_files(Parts& parts, const BuildRequest& request, codec::Source& body, const std::string& scratch, const BuildListener& listener);

}  // namespace proa::engine
