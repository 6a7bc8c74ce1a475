#pragma once
#include <map>
#include <string>
#include <vector>

#include "client/client.h"

namespace proa::compose {

/// A container that belongs to a project by its labels, as the list of containers shows it.
struct ProjectContainer {
    std::string id, name;  ///< name without the slash
    std::string service;
    int64_t number = 0;
    bool one_off = false;
    std::string image, image_id;
    std::string state, status;
    int64_t created = 0;
    std::map<std::string, std::string> labels;
    json::Value summary;  ///< the list's whole entry

    std::string label(std::string_view key) const;
    bool running() const { return state == "running" || state == "paused" || state == "restarting"; }
    bool has_endpoint(const std::string& network) const;
};

enum class OneOffs { Without, With, Only };
struct ContainerQuery {
    std::string project;
    OneOffs one_offs = OneOffs::Without;
    bool all = true;  ///< stopped ones too
};
/// By service and number.
Result<std::vector<ProjectContainer>> list_project_containers(client::Client& engine, const ContainerQuery& query);

/// The names that depends_on of a container's label has, with condition and restart: "db:service_healthy:false".
struct LabelDependency {
    std::string service, condition;
    bool restart = false;
};
std::vector<LabelDependency> label_dependencies(const ProjectContainer& container);

}  // namespace proa::compose
