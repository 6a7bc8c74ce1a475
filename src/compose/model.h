#pragma once
#include "compose/context.h"
#include "compose/load.h"

namespace proa::compose {

/// One file of a project.
struct ModelFile {
    std::string path;                    ///< absolute, or "-"
    std::optional<std::string> content;  ///< read already
};

/// What a model is loaded with.
struct ModelOptions {
    std::string working_dir;  ///< paths in the files are relative to it; may itself be relative for included files
    std::string directory;    ///< where files that extends and include name are looked for, absolute
    Mapping environment;
    bool interpolate = true;
    bool resolve_paths = true;
};

/// Reads, interpolates, extends, includes, merges and checks the files into one canonical model. `included` holds the files that led here.
Result<yaml::Node> load_model(Context& context, const std::vector<ModelFile>& files, const ModelOptions& options, std::vector<std::string> included = {});

/// Applies `extends` in one file's services. Errors (InvalidArgument): `cannot extend service "a" in FILE: service "zz" not found`,
/// `Circular reference:\n  a in FILE\n  extends b in FILE`.
struct Resets;
Result<void> apply_extends(Context& context, yaml::Node& model, const std::string& file, const Resets& resets, const ModelOptions& options);

/// Takes in the models that `include` names. Errors (InvalidArgument): `services.a conflicts with imported resource`, `include cycle detected:...`.
Result<void> apply_include(Context& context, yaml::Node& model, const ModelOptions& options, std::vector<std::string>& included);

/// The whole file; "-" is standard input. Errors: NotFound `open PATH: no such file or directory`.
Result<std::string> read_compose_file(const std::string& path);

/// The texts of one file as trees. Errors as yaml::parse().
Result<std::vector<yaml::Node>> read_documents(Context& context, const ModelFile& file);

/// Where a file said !reset or !override.
struct Resets {
    std::vector<Path> paths;
};
/// Takes the nodes tagged !reset out of a document.
Resets collect_resets(yaml::Node& model);
/// Takes out of a model what stands at those places.
void apply_resets(const Resets& resets, yaml::Node& model);

/// One document of one file, without extends, include and checks: what another file's `extends` sees. Also used for the file itself.
Result<yaml::Node> load_extended_file(Context& context, const std::string& path, const ModelOptions& options, Resets& resets);

}  // namespace proa::compose
