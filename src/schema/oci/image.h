#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schema/docker/container.h"

// The documents of an image. Spec: OCI image-spec v1.1 (descriptor, index, manifest, config); Docker's schema 2 has the same shape.
// Digests are texts here; codec::Digest parses them.
namespace proa::oci {

namespace media_type {
inline constexpr const char* kIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* kManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* kConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* kLayer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* kLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr const char* kLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr const char* kDockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr const char* kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr const char* kDockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
inline constexpr const char* kDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
bool is_index(std::string_view type);
bool is_manifest(std::string_view type);
bool is_config(std::string_view type);
/// A file system layer (any tar, also the foreign and non-distributable ones); false for attestations, charts and the like.
bool is_layer(std::string_view type);
}  // namespace media_type

/// What a program runs on. Values are normalised by normalized().
struct Platform {
    std::string architecture, os, os_version;
    std::vector<std::string> os_features;
    std::string variant;

    /// "linux/arm64/v8", "arm64", "linux"; missing parts come from the host. InvalidArgument with containerd's text.
    static Result<Platform> parse(std::string_view text);
    static Platform host();
    /// x86_64 is amd64, aarch64 and arm64/v8 are arm64, armhf is arm/v7, ...
    Platform normalized() const;
    std::string text() const;  ///< "linux/arm/v7"
    bool operator==(const Platform&) const = default;
};
/// How well an image for `offered` runs on `wanted`: 0 is exact, higher is an older variant, nullopt is not at all.
std::optional<int> platform_distance(const Platform& wanted, const Platform& offered);

struct Descriptor {
    std::string media_type, digest;
    int64_t size = 0;
    std::vector<std::string> urls;
    std::map<std::string, std::string> annotations;
    std::string data;  ///< base64
    std::optional<Platform> platform;
    std::string artifact_type;
};

struct Index {
    int64_t schema_version = 2;
    std::string media_type, artifact_type;
    std::vector<Descriptor> manifests;
    std::optional<Descriptor> subject;
    std::map<std::string, std::string> annotations;
};

struct Manifest {
    int64_t schema_version = 2;
    std::string media_type, artifact_type;
    Descriptor config;
    std::vector<Descriptor> layers;  ///< base first
    std::optional<Descriptor> subject;
    std::map<std::string, std::string> annotations;
};

/// The container configuration of an image: the fields of docker::ContainerConfig, written without empty ones.
struct RunConfig : docker::ContainerConfig {};

struct RootFs {
    std::string type = "layers";
    std::vector<std::string> diff_ids;  ///< digests of the uncompressed layers, base first
};

struct History {
    std::optional<Time> created;
    std::string created_by, author, comment;
    bool empty_layer = false;
};

struct ImageConfig {
    std::optional<Time> created;
    std::string author, architecture, variant, os, os_version;
    std::vector<std::string> os_features;
    RunConfig config;
    RootFs root_fs;
    std::vector<History> history;
    std::string docker_version, parent, comment, container;  ///< Docker's classic builder and commit wrote these

    Platform platform() const { return {architecture, os, os_version, os_features, variant}; }
};

}  // namespace proa::oci

PROA_JSON_DECLARE(proa::oci::Platform)
PROA_JSON_DECLARE(proa::oci::Descriptor)
PROA_JSON_DECLARE(proa::oci::Index)
PROA_JSON_DECLARE(proa::oci::Manifest)
PROA_JSON_DECLARE(proa::oci::RunConfig)
PROA_JSON_DECLARE(proa::oci::RootFs)
PROA_JSON_DECLARE(proa::oci::History)
PROA_JSON_DECLARE(proa::oci::ImageConfig)
