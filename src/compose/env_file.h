#pragma once
#include <string>
#include <string_view>

#include "compose/project.h"
#include "compose/variables.h"

// Files of variables: .env, --env-file, env_file, label_file. Spec: compose-spec, "env_file format"
namespace proa::compose {

/// `K=V`, `K: V`, `export K=V`, `K` (the outer value, or nothing); single quotes literal, double quotes with escapes and variables, over
/// several lines; `#` behind a blank starts a comment. Variables are looked up outside first, then among the keys before.
/// Errors (InvalidArgument): `line 3: unexpected character "'" in variable name "..."`, `line 2: unterminated quoted value ...`.
Result<Mapping> parse_env_file(std::string_view text, const Lookup& outside, const Unset& unset);

/// `raw` format: each line `K=V` as it stands.
Result<Mapping> parse_raw_env_file(std::string_view text, const Lookup& outside);

/// Several files, later ones win; each sees `current` and the files before. Errors: NotFound `Couldn't find env file: PATH`, InvalidArgument
/// `failed to read PATH: ...`.
Result<Mapping> read_env_files(const std::vector<std::string>& paths, const Mapping& current, const Unset& unset);

}  // namespace proa::compose
