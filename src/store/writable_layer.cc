#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "store/image_store.h"
#include "store/layer_diff.h"
#include "store/merged_tree.h"

namespace proa::store {

WritableLayer ImageStore::writable_layer(const std::string& container_id) const {
    std::string base = concat(layers_->directory(), '/', container_id);
    if (driver() == StorageDriver::Vfs) return {"", "", base + "/merged"};
    return {base + "/diff", base + "/work", base + "/merged"};
}

const ImageManifest* ImageStore::find_manifest_locked(const Digest& digest) const {
    if (auto image = images_.find(digest); image != images_.end()) return image->second->manifest();
    for (auto& [id, image] : images_)
        for (auto& manifest : image->manifests)
            if (manifest.digest == digest && manifest.available) return &manifest;
    return nullptr;
}

namespace {
Result<void> make_with_mode(const std::string& path, mode_t mode) {
    auto made = os::make_directory(path, mode);
    if (!made && !made.error().is(ErrorKind::Conflict)) return made;
    if (made && ::chmod(path.c_str(), mode) < 0) return fail_errno("chmod", path);
    return {};
}
}  // namespace

Result<WritableLayer> ImageStore::create_writable_layer(const std::string& container_id, const Digest& image) {
    std::unique_lock lock(mutex_);
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
    TRY(make_with_mode(base + "/work", 0700));
    if (driver() == StorageDriver::Vfs) {
        lock.unlock();
        if (os::exists(paths.merged)) return paths;
        std::string building = base + "/building";
        TRY(make_with_mode(building, 0755));
        TRY_WRAP("copy the image's layers", merge_layers(TRY(lower_directories_of(container_id)), building));
        TRY(os::rename_path(building, paths.merged));
        return paths;
    }
    TRY(make_with_mode(paths.upper, 0755));
    TRY(make_with_mode(paths.merged, 0700));
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

Result<std::vector<Change>> ImageStore::container_changes(const std::string& container_id) {
    auto layer = writable_layer(container_id);
    auto lower = TRY(lower_directories_of(container_id));
    return driver() == StorageDriver::Vfs ? tree_changes(layer.merged, lower) : layer_changes(layer.upper, lower);
}

Result<uint64_t> ImageStore::writable_layer_size(const std::string& container_id) {
    auto layer = writable_layer(container_id);
    if (driver() == StorageDriver::Overlay2) return tree_size(layer.upper);
    return changes_size(layer.merged, TRY(container_changes(container_id)));
}

Result<uint64_t> ImageStore::writable_layer_usage(const std::string& container_id) const {
    auto layer = writable_layer(container_id);
    return tree_size(driver() == StorageDriver::Vfs ? layer.merged : layer.upper);
}

ChangedTree::ChangedTree(ChangedTree&& other) noexcept
    : path_(std::move(other.path_)), layers_(std::exchange(other.layers_, nullptr)), name_(std::move(other.name_)) {}

ChangedTree::~ChangedTree() {
    if (!layers_) return;
    if (auto done = layers_->discard(name_); !done) log::warn(done.error().message());
}

Result<ChangedTree> ImageStore::changed_tree(const std::string& container_id) {
    auto layer = writable_layer(container_id);
    if (driver() == StorageDriver::Overlay2) return ChangedTree(layer.upper);
    ChangedTree tree("");
    tree.name_ = TRY(layers_->make_directory());
    tree.layers_ = layers_.get();
    tree.path_ = concat(layers_->directory(), '/', tree.name_, "/diff");
    TRY_WRAP("copy what the container changed", copy_changes(layer.merged, TRY(container_changes(container_id)), tree.path_));
    return tree;
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
