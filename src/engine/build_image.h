#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "build/cache.h"
#include "build/variables.h"
#include "codec/stream.h"
#include "engine/images.h"
#include "engine/parts.h"
#include "registry/credentials.h"

namespace proa::engine {

/// What a client asks of a build. API: POST /build
struct BuildRequest {
    std::string remote;      ///< URL of a context or of a Dockerfile; "" reads the body
    std::string directory;   ///< the context's path on this host, to be read in place; "" when it was sent
    uint64_t directory_device = 0, directory_inode = 0;  ///< that the client sees there
    std::string dockerfile;  ///< path inside the context, "" the default one
    std::vector<std::string> tags;
    bool quiet = false, no_cache = false, pull = false, remove = true, force_remove = false;
    std::vector<std::string> no_cache_stages;  ///< stages that are built anew
    build::BuildArgs arguments;
    std::map<std::string, std::string> labels;
    std::string target, platform;
    docker::HostConfig host;  ///< network mode, extra hosts, limits: for the containers of RUN
    std::vector<std::string> cache_from;
    std::map<std::string, registry::Credentials> credentials;  ///< by the registry's name as the client's configuration has it, for base images
    std::map<std::string, std::string> secrets;                ///< id to content
    std::map<std::string, std::string> ssh;                    ///< id to the path of an agent's socket on this host
    std::set<std::string> allowed;                             ///< entitlements: "security.insecure", "network.host"
    bool live = false;                                         ///< tell of stages as they happen
    std::map<std::string, std::string> contexts;               ///< --build-context: name to "docker-image://X", a URL, or "directory:PLACE" in what was sent
    std::vector<std::string> cache_images;                     ///< images whose steps may be taken beside the own cache
    bool explain = false;                                      ///< say why each step ran or did not
};

struct BuildOutcome {
    std::string image;  ///< id
    int exit_code = 0;  ///< of the command that failed the build
};

/// Who listens to a build.
struct BuildListener {
    ProgressSink line;                ///< one message of the stream
    std::function<bool()> cancelled;  ///< the client has gone
};

/// Builds an image from the context in `body` and tells of it as the classic builder does: "Step 1/3 : FROM x", " ---> id" and so on. Errors
/// before the first line are the request's: InvalidArgument for a Dockerfile that cannot be read, Internal for one that is missing.
/// After a failed RUN `outcome.exit_code` is its code. Nothing is left of a build that failed but images and cache records of the steps that
/// worked, and the failed container unless `force_remove`.
Result<void> build_image(Parts& parts, const BuildRequest& request, codec::Source& body, const BuildListener& listener, BuildOutcome& outcome);

/// Removes what builds of an earlier daemon left half done, running containers included. For boot, when the containers are known again.
void sweep_builds(Parts& parts);

}  // namespace proa::engine
