#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "store/image_store.h"
#include "store/layer_diff.h"

namespace proa::store {

WritableLayer ImageStore::writable_layer(const std::string& container_id) const {
    std::string base = concat(layers_->directory(), '/', container_id);
    return {base + "/diff", base + "/work", base + "/merged"};
}

const ImageManifest* ImageStore::find_manifest_locked(const Digest& digest) const {
    if (auto image = images_.find(digest); image != images_.end()) return image->second->manifest();
    for (auto& [id, image] : images_)
        for (auto& manifest : image->manifests)
            if (manifest.digest == digest && manifest.available) return &manifest;
    return nullptr;
}

Result<WritableLayer> ImageStore::create_writable_layer(const std::string& container_id, const Digest& image) {
    std::lock_guard lock(mutex_);
    if (!writable_.contains(container_id)) {
        Writable writable{image, {}};
        if (!image.empty()) {
            auto* manifest = find_manifest_locked(image);
            if (!manifest) return fail(ErrorKind::NotFound, concat("No such image: ", image.text()));
            writable.layers = manifest->diff_ids;
        }
        std::vector<std::string> texts;
        for (auto& digest : writable.layers) texts.push_back(digest.text());
        std::lock_guard records_lock(records_mutex_);
        // Not synced: after a power cut the container's own record says what keep_writable_layers() must know.
        TRY(records_.transaction([&] { return records_.run("INSERT OR REPLACE INTO writable VALUES(?, ?, ?)", {container_id, image.text(), join(texts, " ")}); }, true));
        for (auto& digest : writable.layers) layer_uses_[digest]++;
        writable_[container_id] = std::move(writable);
    }
    WritableLayer paths = writable_layer(container_id);
    std::string base = concat(layers_->directory(), '/', container_id);
    TRY(os::make_directories(base, 0710));
    for (auto& [path, mode] : {std::pair(&paths.upper, 0755), {&paths.work, 0700}, {&paths.merged, 0700}}) {
        auto made = os::make_directory(*path, static_cast<mode_t>(mode));
        if (!made && !made.error().is(ErrorKind::Conflict)) return fail(std::move(made).error());
        if (made && ::chmod(path->c_str(), static_cast<mode_t>(mode)) < 0) return fail_errno("chmod", *path);
    }
    return paths;
}

Result<void> ImageStore::remove_writable_layer(const std::string& container_id) {
    std::vector<Digest> layers;
    {
        std::lock_guard lock(mutex_);
        auto found = writable_.find(container_id);
        if (found != writable_.end()) {
            {
                std::lock_guard records_lock(records_mutex_);
                TRY(records_.transaction([&] { return records_.run("DELETE FROM writable WHERE container = ?", {container_id}); }, true));
            }
            for (auto& digest : found->second.layers) {
                if (--layer_uses_[digest] > 0) continue;
                layer_uses_.erase(digest);
                layers.push_back(digest);
            }
            writable_.erase(found);
        }
        TRY(layers_->discard(container_id));
    }
    if (!layers.empty()) release({}, std::move(layers));
    return {};
}

Result<uint64_t> ImageStore::writable_layer_size(const std::string& container_id) const {
    return tree_size(writable_layer(container_id).upper);
}

Result<void> ImageStore::keep_writable_layers(const std::set<std::string>& container_ids) {
    std::set<std::string> unknown;
    {
        std::lock_guard lock(mutex_);
        for (auto& [id, writable] : writable_) unknown.insert(id);
    }
    for (auto& name : TRY(os::list_directory(layers_->directory())))
        if (os::is_directory(concat(layers_->directory(), '/', name, "/work"))) unknown.insert(name);
    for (auto& id : unknown) {
        if (container_ids.contains(id)) continue;
        log::warn(concat("the writable layer of ", id, " belongs to no container, it is removed"));
        TRY(remove_writable_layer(id));
    }
    return {};
}

Result<std::vector<std::string>> ImageStore::lower_directories_of(const std::string& container_id) {
    std::vector<Digest> layers;
    {
        std::lock_guard lock(mutex_);
        auto found = writable_.find(container_id);
        if (found == writable_.end()) return fail(ErrorKind::NotFound, concat("container ", container_id, " has no writable layer"));
        layers = found->second.layers;
    }
    std::vector<std::string> paths;
    std::set<Digest> seen;
    for (size_t i = layers.size(); i-- > 0;) {
        if (!seen.insert(layers[i]).second) continue;
        auto layer = layers_->find(layers[i]);
        if (!layer) {
            auto blob = blob_of_layer(layers[i]);
            if (!blob) return fail(ErrorKind::NotFound, concat("layer ", layers[i].text(), " of container ", container_id, " is gone"));
            layer = TRY(layers_->ensure(layers[i], blobs_, *blob));
        }
        paths.push_back(layers_->diff_path(*layer));
    }
    paths.push_back(layers_->bottom_directory());
    return paths;
}

}  // namespace proa::store
