#pragma once
#include "schema/docker/container.h"

// API: volumes.
namespace proa::docker {

struct VolumeUsage {
    int64_t size = -1, ref_count = -1;  ///< -1: not known
};
struct Volume {
    std::string created_at, driver;
    OptionalStringMap labels;
    std::string mountpoint, name;
    OptionalStringMap options;
    std::string scope;
    json::Value status;  ///< what a plugin says of it; null: nothing
    std::optional<VolumeUsage> usage;
};
struct VolumeCreateRequest {
    std::string name, driver;
    OptionalStringMap driver_opts, labels;
    json::Value cluster_spec;
};

}  // namespace proa::docker

PROA_JSON_DECLARE(proa::docker::VolumeUsage)
PROA_JSON_DECLARE(proa::docker::Volume)
PROA_JSON_DECLARE(proa::docker::VolumeCreateRequest)
