#pragma once
#include <string>

#include "compose/project.h"

namespace proa::compose {

/// Takes the `x-` keys out at every level of an encoded struct.
void drop_extensions(json::Value& tree);

/// A project as `config` writes it.
std::string project_yaml(const Project& project);
std::string project_json(const Project& project);
/// A tree of load_tree() in the same forms: members sorted as each form sorts them.
std::string tree_yaml(json::Value tree);
std::string tree_json(json::Value tree);

}  // namespace proa::compose
