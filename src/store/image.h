#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/digest.h"
#include "schema/oci/image.h"
#include "schema/oci/reference.h"

namespace proa::store {

using codec::Digest;

/// One manifest of an image: a platform's file system, or an attestation about one.
struct ImageManifest {
    Digest digest;
    std::string media_type;
    int64_t size = 0;  ///< of the manifest's own bytes
    std::optional<oci::Platform> platform;
    bool available = false;    ///< manifest, configuration and all layers are here
    bool attestation = false;  ///< or another thing that cannot run
    std::string attests_for;   ///< digest of the manifest it speaks of
    Digest config_digest;
    oci::ImageConfig config;              ///< read from the configuration blob, when available
    std::vector<oci::Descriptor> layers;  ///< base first
    std::vector<Digest> diff_ids;         ///< the same layers uncompressed
    int64_t content_size = 0;             ///< manifest, configuration and layers as they are stored
};

/// One image as it stood when it was asked for; never changes afterwards. Its id is the digest of its manifest or index.
struct Image {
    Digest id;
    std::string media_type;
    int64_t size = 0;  ///< of the document that the id names
    Time added, last_tagged;
    Digest parent;                                ///< the image a local build started this step from; empty otherwise
    std::vector<ImageManifest> manifests;         ///< in the index's order; one for a plain manifest
    int selected = -1;                            ///< the manifest that fits this host best, of the available ones; -1 when none is
    std::vector<std::string> tags;                ///< familiar, sorted: "busybox:latest"
    std::vector<std::string> repository_digests;  ///< familiar, sorted: "busybox@sha256:..."
    std::vector<Digest> blobs;                    ///< all blobs it needs that are here, itself included

    const ImageManifest* manifest() const { return selected < 0 ? nullptr : &manifests[static_cast<size_t>(selected)]; }
    /// The available manifest for `platform`; nullptr when there is none.
    const ImageManifest* manifest_for(const oci::Platform& platform) const;
    void select();  ///< chooses `selected` anew
    oci::Descriptor descriptor() const { return {.media_type = media_type, .digest = id.text(), .size = size}; }
};
using ImagePointer = std::shared_ptr<const Image>;

}  // namespace proa::store
