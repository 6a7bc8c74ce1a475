#pragma once
#include "compose/context.h"
#include "compose/load.h"
#include "compose/model.h"

namespace proa::compose {

/// Which files make a project, and what surrounds them.
struct Sources {
    std::string working_dir;  ///< absolute
    std::vector<ModelFile> files;
    Mapping environment;      ///< of the process, then of the env files
    std::vector<std::string> env_files;  ///< named ones, absolute
    std::vector<std::string> profiles;
};

/// Errors: NotFound `no configuration file provided: not found`, `open PATH: no such file or directory`, `Couldn't find env file: PATH`.
Result<Sources> find_sources(Context& context, const LoadOptions& options);

/// -p, COMPOSE_PROJECT_NAME, the last file's `name`, the directory's name, in that order; the latter two cut to what is allowed.
/// Errors (InvalidArgument): `invalid project name "Bad": must consist only of ...`, `project name must not be empty`.
Result<std::string> find_project_name(Context& context, const Sources& sources, const LoadOptions& options);

}  // namespace proa::compose
