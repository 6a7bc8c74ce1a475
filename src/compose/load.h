#pragma once
#include <string>
#include <vector>

#include "compose/project.h"

namespace proa::compose {

/// What the command line and the environment say about which project is meant. Paths may be relative to the working directory of the
/// process.
struct LoadOptions {
    std::vector<std::string> files;      ///< -f; empty: COMPOSE_FILE, else what is found from the working directory upwards
    std::vector<std::string> profiles;   ///< --profile; empty: COMPOSE_PROFILES
    std::vector<std::string> env_files;  ///< --env-file; empty: COMPOSE_ENV_FILES, else .env of the project directory
    std::string project_name;            ///< -p; "": COMPOSE_PROJECT_NAME, `name:`, name of the directory
    std::string project_directory;       ///< --project-directory; "": directory of the first file
    Mapping process_environment;         ///< see process_environment()
    bool interpolate = true;
    bool normalize = true;
    bool resolve_paths = true;
    bool check_consistency = true;
    bool resolve_environment = true;     ///< env_file and label_file are read and merged
    bool keep_unused_resources = false;  ///< networks, volumes, secrets and configs that no enabled service uses stay
    bool keep_env_files = false;  ///< env_file and label_file entries stay after they were read
    std::vector<std::string> services;   ///< only these and what they depend on stay enabled; their profiles become active
};

/// The variables of this process.
Mapping process_environment();

/// Reads the files, merges, normalises and checks them.
/// Errors carry docker compose's texts, and below them "  at FILE:LINE:COLUMN" where a place is known. Kinds: NotFound (no file, no env file;
/// exit code 14), InvalidArgument (the file is wrong; exit code 15), Unsupported (a key that no single Linux host can honour).
Result<Project> load_project(const LoadOptions& options);

/// The merged model before it becomes a project, its members sorted: what `config --no-interpolate` and `--variables` show.
Result<json::Value> load_tree(const LoadOptions& options);

/// The project with these services and what they depend on; their profiles become active, all others are disabled, resources that nobody uses
/// any more go. Without names all stay. Errors: NotFound `no such service: x`.
Result<Project> select_services(Project project, const std::vector<std::string>& names);

/// The value of com.docker.compose.config-hash: lower-case hexadecimal SHA-256 of the service without what does not shape its container
/// (build, pull_policy, scale, deploy.replicas), as compose 2.26.1 counts it.
std::string config_hash(const Service& service);

/// Whether the service is active when these profiles are; "*" activates all.
bool has_profile(const Service& service, const std::vector<std::string>& profiles);

/// The image that a service's containers run: `image`, else <project>-<service>.
std::string image_name(const Project& project, const Service& service);

}  // namespace proa::compose
