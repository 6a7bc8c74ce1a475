#pragma once
#include "schema/docker/container.h"

namespace proa::engine {

/// Carries out `changes` (Dockerfile instructions, as of `commit -c` and `import -c`) on `config`, in order: CMD, ENTRYPOINT, ENV, EXPOSE,
/// HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR. An ENTRYPOINT without a CMD beside it clears the command that was there.
/// Errors: InvalidArgument "run is not a valid change command", or what is wrong with the value.
Result<void> apply_image_changes(const std::vector<std::string>& changes, docker::ContainerConfig& config);

}  // namespace proa::engine
