#pragma once
#include "schema/docker/container.h"

// API: images.
namespace proa::docker {

struct ImageSummary {
    int64_t containers = -1, created = 0;
    std::string id;
    OptionalStringMap labels;
    std::string parent_id;
    std::vector<std::string> repo_digests, repo_tags;
    int64_t shared_size = -1, size = 0;
    std::optional<int64_t> virtual_size;  ///< below API 1.44
    std::optional<Descriptor> descriptor;
    std::optional<std::vector<json::Value>> manifests;  ///< API: ImageManifestSummary; when asked for
};

struct ImageRootFs {
    std::string type = "layers";
    std::vector<std::string> layers;
};
struct ImageMetadata {
    Time last_tag_time;
};
struct ImageInspect {
    std::string id;
    std::vector<std::string> repo_tags, repo_digests;
    std::string parent, comment;
    Time created;
    std::optional<std::string> docker_version;
    std::string author;
    std::optional<std::string> container;  ///< docker leaves it out since API 1.45
    ContainerConfig config;
    std::string architecture, variant, os, os_version;
    int64_t size = 0;
    std::optional<int64_t> virtual_size;  ///< below API 1.44
    GraphDriver graph_driver;
    ImageRootFs root_fs;
    ImageMetadata metadata;
    std::optional<Descriptor> descriptor;
    std::optional<std::vector<json::Value>> manifests;  ///< as in the summary
};

struct ImageHistory {
    std::string comment;
    int64_t created = 0;
    std::string created_by, id;
    int64_t size = 0;
    Strings tags;
};

struct ImageDeleteItem {
    std::string untagged, deleted;
};

}  // namespace proa::docker

PROA_JSON_DECLARE(proa::docker::ImageSummary)
PROA_JSON_DECLARE(proa::docker::ImageRootFs)
PROA_JSON_DECLARE(proa::docker::ImageMetadata)
PROA_JSON_DECLARE(proa::docker::ImageInspect)
PROA_JSON_DECLARE(proa::docker::ImageHistory)
PROA_JSON_DECLARE(proa::docker::ImageDeleteItem)
