#pragma once
#include <string>
#include <vector>

#include "schema/oci/image.h"
#include "schema/oci/reference.h"

// Lists of manifests that are being made: `manifests/<list>/<member>` below the config directory, one JSON file a member.
namespace proa::cli {

struct ListedManifest {
    std::string name;            ///< canonical, "docker.io/library/busybox:amd64"
    oci::Descriptor descriptor;  ///< with its platform
    std::string bytes;           ///< the manifest as the registry gave it
};

bool list_exists(const std::string& config_directory, const oci::Reference& list);
/// In the order of their names; empty when there is no such list.
Result<std::vector<ListedManifest>> read_list(const std::string& config_directory, const oci::Reference& list);
/// Added, or put in the place of the member of that name.
Result<void> keep_in_list(const std::string& config_directory, const oci::Reference& list, const ListedManifest& member);
Result<void> remove_list(const std::string& config_directory, const oci::Reference& list);

}  // namespace proa::cli
