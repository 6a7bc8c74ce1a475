#include "base/id.h"
#include "base/text.h"
#include "store/image_store.h"

namespace proa::store {

Result<std::vector<RemovedItem>> ImageStore::remove_platforms(std::string_view text, const std::vector<oci::Platform>& platforms, bool force,
                                                              const ImageUsers& users) {
    ImagePointer image = TRY(resolve(text));
    if (!oci::media_type::is_index(image->media_type))
        return fail(ErrorKind::InvalidArgument, concat("image ", text, " is for one platform only: remove the image itself"));
    std::set<Digest> chosen;
    for (auto& platform : platforms) {
        auto* manifest = image->manifest_for(platform);
        if (!manifest)
            return fail(ErrorKind::NotFound,
                        concat("image with reference ", text, " was found but does not provide the specified platform (", platform.text(), ")"));
        chosen.insert(manifest->digest);
    }
    if (!force)
        for (auto& digest : chosen)
            for (auto& user : users(digest))
                return fail(ErrorKind::Conflict, concat("conflict: unable to delete ", digest.hex().substr(0, 12), " (must be forced) - container ",
                                                        short_id(user.container_id), " is using it"));
    std::vector<Digest> blobs, layers;
    std::vector<RemovedItem> items;
    {
        std::lock_guard lock(mutex_);
        auto found = images_.find(image->id);
        if (found == images_.end()) return fail(ErrorKind::NotFound, concat("No such image: ", text));
        Image after = *found->second;
        std::set<Digest> needed{after.id};
        for (auto& manifest : after.manifests) {
            if (chosen.contains(manifest.digest)) {
                layers.insert(layers.end(), manifest.diff_ids.begin(), manifest.diff_ids.end());
                items.push_back({true, manifest.digest.text()});
                manifest.available = false;
                manifest.diff_ids.clear();
                continue;
            }
            needed.insert(manifest.digest);
            if (!manifest.config_digest.empty()) needed.insert(manifest.config_digest);
            for (auto& layer : manifest.layers)
                if (auto digest = Digest::parse(layer.digest)) needed.insert(*digest);
        }
        std::erase_if(after.blobs, [&](auto& digest) {
            if (needed.contains(digest)) return false;
            blobs.push_back(digest);
            return true;
        });
        after.select();
        refer_locked(*found->second, -1);
        refer_locked(after, 1);
        found->second = std::make_shared<const Image>(std::move(after));
    }
    release(std::move(blobs), std::move(layers));
    return items;
}

}  // namespace proa::store
