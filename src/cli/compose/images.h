#pragma once
#include "cli/compose/project_session.h"
#include "compose/observe.h"
#include "compose/parallel.h"

namespace proa::cli {

struct ImagePolicy {
    std::string pull;         ///< --pull: "always", "missing", "never"; "" or "policy": what each service says
    bool build = false;       ///< --build: also what is there already
    bool no_build = false;
    bool quiet_pull = false, quiet_build = false;
};
/// Pulls and builds what the services need before containers can be made of it; `observed.images` knows the result.
/// Errors: the engine's; NotFound for an image that is not there and may not be pulled.
Result<void> ensure_images(ProjectSession& session, const compose::Project& project, const ImagePolicy& policy, compose::Observed& observed);

/// Builds a service's image by the `build` command of this program.
struct BuildChoices {
    bool no_cache = false, pull = false, quiet = false;
    std::vector<std::string> arguments;  ///< --build-arg
    std::string memory, ssh;
};
Result<void> build_service(ProjectSession& session, const compose::Project& project, const compose::Service& service, const BuildChoices& choices);

/// Services with `build` in the order of building: images that others are built from come first (`additional_contexts: service:x`).
compose::TaskGraph build_graph(const std::vector<const compose::Service*>& services);

/// Reads a pull's or push's stream to its end. Errors: the stream's own.
Result<void> follow_transfer(client::Connection& answer);
/// Pulls with the progress of the project: "web Pulling", "web Pulled".
Result<void> pull_service(ProjectSession& session, const compose::Project& project, const compose::Service& service, bool quiet = false);

}  // namespace proa::cli
