#pragma once
#include "compose/context.h"

namespace proa::compose {

/// Reads the env_file and label_file entries of the enabled services into `environment` and `labels`, below what the services say themselves.
/// `model` is the tree that the project came from, for places.
/// Errors: NotFound `env file PATH not found: stat PATH: no such file or directory`.
Result<void> read_service_files(Context& context, Project& project, const yaml::Node& model, bool keep_entries);

/// Moves services between `services` and `disabled_services`.
void enable_by_profiles(Project& project, const std::vector<std::string>& profiles);

/// Takes away the networks, volumes, secrets and configs that no enabled service uses.
void drop_unused_resources(Project& project);

}  // namespace proa::compose
