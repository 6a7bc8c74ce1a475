#pragma once
#include "codec/stream.h"
#include "engine/parts.h"
#include "engine/transfer_progress.h"
#include "schema/docker/filters.h"
#include "schema/docker/image.h"
#include "schema/oci/image.h"
#include "schema/oci/reference.h"

namespace proa::store {
struct Image;
}

namespace proa::engine {

// The use cases of images that need more than the store: events, and which containers use what.

/// The manifests of an image as API 1.47 and later list them: which platforms it has, which are here, and what they take.
std::vector<json::Value> manifest_summaries(Parts& parts, const std::string& image_id);

/// Newest first. Errors: InvalidArgument (filters), NotFound (`before`/`since`).
/// Without `all` the untagged images that other images were built from are left out.
Result<std::vector<docker::ImageSummary>> list_images(Parts& parts, const docker::Filters& filters, bool all, bool shared_size);
/// With `platform` what the image is there. NotFound when it has nothing for it.
Result<docker::ImageInspect> inspect_image(Parts& parts, const std::string& reference, const std::optional<oci::Platform>& platform = {});
Result<std::vector<docker::ImageHistory>> image_history(Parts& parts, const std::string& reference, const std::optional<oci::Platform>& platform = {});
Result<void> tag_image(Parts& parts, const std::string& reference, const std::string& repository, const std::string& tag);
Result<std::vector<docker::ImageDeleteItem>> remove_image(Parts& parts, const std::string& reference, bool force, bool prune_parents);
/// `docker rmi --platform`.
Result<std::vector<docker::ImageDeleteItem>> remove_image_platforms(Parts& parts, const std::string& reference, const std::vector<oci::Platform>& platforms,
                                                                    bool force);

/// An event of type image, with the image's labels.
void publish_image_event(Parts& parts, std::string action, const store::Image& image, const std::string& name);
/// The name that an image is to get. Errors: InvalidArgument (syntax, or it holds a digest).
Result<oci::Reference> tagged_reference(const std::string& repository, const std::string& tag);

/// `docker load`. Errors before the first byte of progress come back, later ones too: the caller words them.
Result<void> load_images(Parts& parts, codec::Source& archive, bool quiet, const std::vector<oci::Platform>& platforms, const ProgressSink& progress);

/// `docker import`: `changes` are Dockerfile instructions such as `CMD ["sh"]`. Returns the image's id.
Result<std::string> import_image(Parts& parts, codec::Source& archive, const std::string& repository, const std::string& tag, const std::string& message,
                                 const std::vector<std::string>& changes, const std::string& platform);

}  // namespace proa::engine
