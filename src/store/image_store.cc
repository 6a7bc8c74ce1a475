#include "store/image_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"

namespace proa::store {

namespace {
std::set<Digest> layers_of(const Image& image) {
    std::set<Digest> layers;
    for (auto& manifest : image.manifests) layers.insert(manifest.diff_ids.begin(), manifest.diff_ids.end());
    return layers;
}

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }
}  // namespace

// --- open ---

Result<std::unique_ptr<ImageStore>> ImageStore::open(const std::string& root, StorageDriver driver) {
    TRY(os::make_directories(root, 0710));
    BlobStore blobs = TRY(BlobStore::open(root + "/content"));
    bool damaged = false;
    Records records = TRY(Records::open(root + "/images.db", &damaged));
    std::unique_ptr<ImageStore> store(new ImageStore(root, std::move(blobs), std::move(records)));
    store->layers_ = TRY(LayerStore::open(concat(root, '/', name_of(driver)), driver == StorageDriver::Vfs ? LayerForm::Plain : LayerForm::Overlay,
                                          store->records_, store->records_mutex_));
    TRY(store->load_records(damaged));
    if (!damaged) store->sweep();
    return store;
}

ImageStore::~ImageStore() = default;

Result<void> ImageStore::load_records(bool& damaged) {
    std::lock_guard lock(mutex_);
    std::lock_guard records_lock(records_mutex_);
    auto set_aside = [&](std::string what, const std::string& record, const std::string& reason) {
        damaged = true;
        log::error(concat(what, ' ', record, " is set aside: ", reason));
        (void)records_.run("INSERT INTO damaged VALUES(?, ?, ?, ?)", {what, record, reason, now().seconds});
    };
    // What was set aside earlier still needs its blobs until someone has looked.
    if (TRY(records_.rows("SELECT count(*) FROM damaged")).front().number(0) > 0) damaged = true;
    for (auto& row : TRY(records_.rows("SELECT id, media_type, size, added, last_tagged, parent FROM images"))) {
        auto image = read_image(blobs_, {.media_type = row.text(1), .digest = row.text(0), .size = row.number(2)});
        if (!image) {
            set_aside("image", row.text(0), image.error().message());
            TRY(records_.run("DELETE FROM images WHERE id = ?", {row.text(0)}));
            continue;
        }
        image->added = Time::from_unix_nano(row.number(3));
        image->last_tagged = row.number(4) == 0 ? kZeroTime : Time::from_unix_nano(row.number(4));
        if (!row.text(5).empty()) image->parent = Digest::parse(row.text(5)).value_or(Digest());
        refer_locked(*image, 1);
        Digest id = image->id;
        images_[id] = std::make_shared<const Image>(std::move(*image));
    }
    for (auto& row : TRY(records_.rows("SELECT name, image FROM tags"))) {
        auto image = Digest::parse(row.text(1));
        if (image && images_.contains(*image) && oci::Reference::parse(row.text(0))) {
            tags_[row.text(0)] = *image;
            continue;
        }
        set_aside("tag", concat(row.text(0), " of ", row.text(1)), "its image is missing");
        TRY(records_.run("DELETE FROM tags WHERE name = ?", {row.text(0)}));
    }
    for (auto& row : TRY(records_.rows("SELECT name, image FROM repository_digests"))) {
        auto image = Digest::parse(row.text(1));
        if (image && images_.contains(*image)) repository_digests_.insert({row.text(0), *image});
        else TRY(records_.run("DELETE FROM repository_digests WHERE name = ? AND image = ?", {row.text(0), row.text(1)}));
    }
    for (auto& row : TRY(records_.rows("SELECT container, image, layers FROM writable"))) {
        Writable writable{Digest::parse(row.text(1)).value_or(Digest()), {}};
        for (auto& text : split_nonempty(row.text(2), ' '))
            if (auto digest = Digest::parse(text)) writable.layers.push_back(*digest);
        for (auto& digest : writable.layers) layer_uses_[digest]++;
        writable_[row.text(0)] = std::move(writable);
    }
    for (auto& [id, image] : std::map(images_)) refresh_locked(id);
    return {};
}

void ImageStore::sweep() {
    std::unordered_set<std::string> containers;
    {
        std::lock_guard lock(mutex_);
        for (auto& [id, writable] : writable_) containers.insert(id);
        for (auto& digest : blobs_.list().value_or(std::vector<Digest>()))
            if (!blob_uses_.contains(digest)) (void)blobs_.remove(digest);
        for (auto& layer : layers_->all())
            if (!layer_uses_.contains(layer.diff_id)) (void)layers_->remove(layer.diff_id);
    }
    // Writable layers whose record was lost are looked at by keep_writable_layers(), which knows the containers.
    for (auto& name : os::list_directory(layers_->directory()).value_or(std::vector<std::string>()))
        if (os::is_directory(concat(layers_->directory(), '/', name, "/work"))) containers.insert(name);
    layers_->remove_strangers(containers);
}

// --- uses ---

void ImageStore::refer_locked(const Image& image, int by) {
    auto change = [by](auto& uses, const Digest& digest) {
        if ((uses[digest] += by) <= 0) uses.erase(digest);
    };
    for (auto& digest : image.blobs) change(blob_uses_, digest);
    for (auto& digest : layers_of(image)) {
        change(layer_uses_, digest);
        change(layer_images_, digest);
    }
}

void ImageStore::release(std::vector<Digest> blobs, std::vector<Digest> layers) {
    bool kept_by_container = false;
    {
        std::lock_guard lock(mutex_);
        for (auto& digest : layers) {
            if (layer_uses_.contains(digest)) kept_by_container = true;
            else if (auto done = layers_->remove(digest); !done) log::warn(done.error().message());
        }
    }
    // A container may now be the only user of an unpacked layer, which cannot be unpacked again without its blob.
    if (kept_by_container)
        if (auto done = layers_->sync(); !done) {
            log::warn(concat("blobs are kept: ", done.error().message()));
            return;
        }
    std::lock_guard lock(mutex_);
    for (auto& digest : blobs) {
        if (blob_uses_.contains(digest)) continue;
        if (auto done = blobs_.remove(digest); !done) log::warn(done.error().message());
    }
}

Lease::~Lease() {
    if (!store_) return;
    {
        std::lock_guard lock(store_->mutex_);
        for (auto& digest : blobs_)
            if (--store_->blob_uses_[digest] <= 0) store_->blob_uses_.erase(digest);
        for (auto& digest : layers_)
            if (--store_->layer_uses_[digest] <= 0) store_->layer_uses_.erase(digest);
    }
    store_->release(std::move(blobs_), std::move(layers_));
}

bool Lease::keep_blob(const Digest& digest) {
    std::lock_guard lock(store_->mutex_);
    if (!store_->blobs_.has(digest)) return false;
    store_->blob_uses_[digest]++;
    blobs_.push_back(digest);
    return true;
}

bool Lease::keep_layer(const Digest& diff_id) {
    std::lock_guard lock(store_->mutex_);
    if (!store_->layers_->find(diff_id)) return false;
    store_->layer_uses_[diff_id]++;
    layers_.push_back(diff_id);
    return true;
}

void Lease::drop_blob(const Digest& digest) {
    {
        std::lock_guard lock(store_->mutex_);
        auto count = std::erase(blobs_, digest);
        if ((store_->blob_uses_[digest] -= static_cast<int>(count)) <= 0) store_->blob_uses_.erase(digest);
    }
    store_->release({digest}, {});
}

Result<Digest> Lease::commit(BlobWriter& writer, const Digest& expected, int64_t expected_size) {
    // Under the lock: between the look for an equal blob and the count of this use nobody may remove it.
    std::lock_guard lock(store_->mutex_);
    Digest digest = TRY(writer.commit(expected, expected_size));
    store_->blob_uses_[digest]++;
    blobs_.push_back(digest);
    return digest;
}

Result<Digest> Lease::put(std::string_view bytes) {
    BlobWriter writer = TRY(store_->blobs_.begin());
    TRY(writer.write(bytes));
    return commit(writer);
}

// --- finding ---

ImagePointer ImageStore::find(const Digest& id) const {
    std::lock_guard lock(mutex_);
    auto found = images_.find(id);
    return found == images_.end() ? nullptr : found->second;
}

std::vector<ImagePointer> ImageStore::list() const {
    std::vector<ImagePointer> images;
    {
        std::lock_guard lock(mutex_);
        for (auto& [id, image] : images_) images.push_back(image);
    }
    auto created = [](const ImagePointer& image) { return image->manifest() ? image->manifest()->config.created.value_or(kZeroTime) : kZeroTime; };
    std::stable_sort(images.begin(), images.end(), [&](auto& a, auto& b) { return created(a) > created(b); });
    return images;
}

std::vector<ImagePointer> ImageStore::children(const Digest& id) const {
    std::lock_guard lock(mutex_);
    std::vector<ImagePointer> found;
    for (auto& [child, image] : images_)
        if (image->parent == id) found.push_back(image);
    return found;
}

bool ImageStore::has_children(const Digest& id) const { return !children(id).empty(); }

ImagePointer ImageStore::lookup_locked(std::string_view text, std::string* not_found, Result<void>* problem) const {
    *not_found = text;
    auto by_id = [&](const Digest& id) -> ImagePointer {
        if (auto found = images_.find(id); found != images_.end()) return found->second;
        // Tools that learnt an id from a classic Docker hold the digest of the configuration.
        for (auto& [key, image] : images_)
            for (auto& manifest : image->manifests)
                if (manifest.available && (manifest.config_digest == id || manifest.digest == id)) return image;
        return nullptr;
    };
    if (auto digest = Digest::parse(text)) return by_id(*digest);
    auto reference = oci::Reference::parse(text);
    if (reference) {
        *reference = reference->with_default_tag();
        *not_found = reference->familiar();
        if (!reference->digest.empty()) {
            for (auto& [id, image] : images_) {
                bool named = repository_digests_.contains({reference->name(), id});
                for (auto tag = tags_.lower_bound(reference->name() + ":"); !named && tag != tags_.end() && tag->first.starts_with(reference->name() + ":");
                     ++tag)
                    named = tag->second == id;
                bool holds = id.text() == reference->digest;
                for (auto& manifest : image->manifests) holds = holds || manifest.digest.text() == reference->digest;
                if (named && holds) return image;
            }
            return nullptr;
        }
        if (auto tag = tags_.find(reference->text()); tag != tags_.end()) return images_.at(tag->second);
    }
    std::string_view prefix = trim_prefix(text, "sha256:");
    if (prefix.empty() || prefix.size() > 64 || !is_hex(prefix)) {
        if (!reference) *problem = fail(std::move(reference).error());
        return nullptr;
    }
    std::string wanted = concat("sha256:", prefix);
    ImagePointer found;
    for (auto& [id, image] : images_) {
        if (!id.text().starts_with(wanted)) continue;
        if (found) {
            *problem = fail(ErrorKind::InvalidArgument, concat("multiple IDs found with provided prefix: ", text));
            return nullptr;
        }
        found = image;
    }
    return found;
}

Result<ImagePointer> ImageStore::resolve(std::string_view text) const {
    std::lock_guard lock(mutex_);
    std::string not_found;
    Result<void> problem;
    ImagePointer image = lookup_locked(text, &not_found, &problem);
    if (image) return image;
    if (!problem) return fail(std::move(problem).error());
    return fail(ErrorKind::NotFound, concat("No such image: ", not_found));
}

ImageSizes ImageStore::sizes(const Image& image) const {
    ImageSizes sizes;
    for (auto& digest : image.blobs) sizes.content += static_cast<int64_t>(blobs_.size(digest).value_or(0));
    std::lock_guard lock(mutex_);
    for (auto& digest : layers_of(image)) {
        auto layer = layers_->find(digest);
        if (!layer) continue;
        sizes.unpacked += static_cast<int64_t>(layer->size);
        auto users = layer_images_.find(digest);
        if (users != layer_images_.end() && users->second > 1) sizes.shared += static_cast<int64_t>(layer->size);
    }
    return sizes;
}

int64_t ImageStore::unpacked_size(const ImageManifest& manifest) const {
    int64_t size = 0;
    for (auto& digest : std::set<Digest>(manifest.diff_ids.begin(), manifest.diff_ids.end()))
        if (auto layer = layers_->find(digest)) size += static_cast<int64_t>(layer->size);
    return size;
}

std::vector<HistoryEntry> ImageStore::history(const Image& image, const ImageManifest& manifest) const {
    std::vector<HistoryEntry> entries;
    size_t layer = 0;
    for (auto& step : manifest.config.history) {
        HistoryEntry entry{"<missing>", step.created.value_or(kZeroTime), step.created_by, step.comment, {}, 0};
        if (!step.empty_layer && layer < manifest.diff_ids.size()) {
            auto unpacked = layers_->find(manifest.diff_ids[layer++]);
            entry.size = unpacked ? static_cast<int64_t>(unpacked->size) : 0;
        }
        entries.insert(entries.begin(), std::move(entry));
    }
    if (entries.empty()) entries.push_back({"", manifest.config.created.value_or(kZeroTime), "", manifest.config.comment, {}, sizes(image).unpacked});
    entries.front().id = image.id.text();
    entries.front().tags = image.tags;
    return entries;
}

Usage ImageStore::usage() const {
    Usage usage;
    usage.blobs = blobs_.disk_size();
    for (auto& layer : layers_->all()) usage.layers += layers_->disk_size(layer);
    return usage;
}

std::map<Digest, ImageSizes> ImageStore::disk_sizes() const {
    std::vector<ImagePointer> images = list();
    std::map<Digest, int> blob_users, layer_users;
    for (auto& image : images) {
        for (auto& digest : image->blobs) blob_users[digest]++;
        for (auto& digest : layers_of(*image)) layer_users[digest]++;
    }
    std::map<Digest, int64_t> blob_sizes, layer_sizes;
    for (auto& [digest, users] : blob_users)
        if (auto found = os::status(blobs_.path_of(digest))) blob_sizes[digest] = found->st_blocks * 512;
    for (auto& [digest, users] : layer_users)
        if (auto layer = layers_->find(digest)) layer_sizes[digest] = static_cast<int64_t>(layers_->disk_size(*layer));
    std::map<Digest, ImageSizes> all;
    for (auto& image : images) {
        ImageSizes& sizes = all[image->id];
        for (auto& digest : image->blobs) {
            sizes.content += blob_sizes[digest];
            if (blob_users[digest] > 1) sizes.shared += blob_sizes[digest];
        }
        for (auto& digest : layers_of(*image)) {
            sizes.unpacked += layer_sizes[digest];
            if (layer_users[digest] > 1) sizes.shared += layer_sizes[digest];
        }
    }
    return all;
}

// --- names ---

std::vector<oci::Reference> ImageStore::references_locked(const Digest& image) const {
    std::vector<oci::Reference> references;
    for (auto& [name, target] : tags_)
        if (target == image)
            if (auto reference = oci::Reference::parse(name)) references.push_back(*reference);
    for (auto& [name, target] : repository_digests_) {
        if (target != image) continue;
        auto reference = oci::Reference::parse(concat(name, '@', target.text()));
        if (reference) references.push_back(*reference);
    }
    return references;
}

void ImageStore::refresh_locked(const Digest& id) {
    auto found = images_.find(id);
    if (found == images_.end()) return;
    Image image = *found->second;
    image.tags.clear();
    image.repository_digests.clear();
    for (auto& reference : references_locked(id)) (reference.digest.empty() ? image.tags : image.repository_digests).push_back(reference.familiar());
    std::sort(image.tags.begin(), image.tags.end());
    std::sort(image.repository_digests.begin(), image.repository_digests.end());
    found->second = std::make_shared<const Image>(std::move(image));
}

Result<void> ImageStore::record_tag_locked(const Digest& image, const oci::Reference& name, int64_t when) {
    if (!name.digest.empty()) return records_.run("INSERT OR IGNORE INTO repository_digests VALUES(?, ?)", {name.name(), image.text()});
    TRY(records_.run("INSERT OR REPLACE INTO tags VALUES(?, ?, ?)", {name.text(), image.text(), when}));
    return records_.run("UPDATE images SET last_tagged = ? WHERE id = ?", {when, image.text()});
}

Result<void> ImageStore::tag(const Digest& id, const oci::Reference& given) {
    oci::Reference name = given.with_default_tag();
    if (!name.digest.empty()) return fail(ErrorKind::InvalidArgument, "refusing to create a tag with a digest reference");
    std::lock_guard lock(mutex_);
    auto image = images_.find(id);
    if (image == images_.end()) return fail(ErrorKind::NotFound, concat("No such image: ", id.text()));
    Time when = now();
    {
        std::lock_guard records_lock(records_mutex_);
        TRY(records_.transaction([&] { return record_tag_locked(id, name, when.unix_nano()); }));
    }
    Digest before = std::exchange(tags_[name.text()], id);
    Image changed = *image->second;
    changed.last_tagged = when;
    image->second = std::make_shared<const Image>(std::move(changed));
    refresh_locked(id);
    if (!before.empty() && before != id) refresh_locked(before);
    return {};
}

// --- bringing in ---

Result<ImagePointer> ImageStore::add_image(Lease& lease, const oci::Descriptor& target, const std::vector<oci::Reference>& names, const Digest& parent) {
    Image image = TRY(read_image(blobs_, target));
    if (image.selected < 0)
        return fail(ErrorKind::InvalidArgument, concat("image ", target.digest, " has no complete manifest: its configuration or a layer is missing"));
    for (auto& manifest : image.manifests)
        for (size_t i = 0; manifest.available && i < manifest.layers.size(); i++) {
            auto known = lease.diff_ids_.find(Digest::parse(manifest.layers[i].digest).value_or(Digest()));
            if (known != lease.diff_ids_.end() && known->second != manifest.diff_ids[i])
                return fail(ErrorKind::InvalidArgument, concat("layer ", manifest.layers[i].digest, " has diff id ", known->second.text(),
                                                               ", the image configuration says ", manifest.diff_ids[i].text()));
        }
    for (auto& digest : image.blobs)
        if (!lease.keep_blob(digest)) return fail(ErrorKind::Internal, concat("blob ", digest.text(), " was removed meanwhile"));
    TRY(blobs_.sync(image.blobs));
    image.added = image.last_tagged = now();
    image.parent = parent;
    if (names.empty()) image.last_tagged = kZeroTime;

    std::lock_guard lock(mutex_);
    auto before = images_.find(image.id);
    if (before != images_.end()) {
        image.added = before->second->added;
        if (names.empty()) image.last_tagged = before->second->last_tagged;
        if (parent.empty()) image.parent = before->second->parent;
    }
    {
        std::lock_guard records_lock(records_mutex_);
        TRY(records_.transaction([&]() -> Result<void> {
            TRY(records_.run("INSERT OR REPLACE INTO images VALUES(?, ?, ?, ?, ?, ?)",
                             {image.id.text(), image.media_type, image.size, image.added.unix_nano(),
                              image.last_tagged.is_zero() ? int64_t(0) : image.last_tagged.unix_nano(), image.parent.text()}));
            for (auto& name : names) TRY(record_tag_locked(image.id, name.with_default_tag(), image.last_tagged.unix_nano()));
            return {};
        }));
    }
    refer_locked(image, 1);
    if (before != images_.end()) refer_locked(*before->second, -1);
    Digest id = image.id;
    images_[id] = std::make_shared<const Image>(std::move(image));
    std::set<Digest> changed{id};
    for (auto& given : names) {
        oci::Reference name = given.with_default_tag();
        if (!name.digest.empty()) {
            repository_digests_.insert({name.name(), id});
            continue;
        }
        Digest old = std::exchange(tags_[name.text()], id);
        if (!old.empty()) changed.insert(old);
    }
    for (auto& digest : changed) refresh_locked(digest);
    return images_.at(id);
}

// --- file systems ---

std::optional<Digest> ImageStore::blob_of_layer(const Digest& diff_id) const {
    std::lock_guard lock(mutex_);
    for (auto& [id, image] : images_)
        for (auto& manifest : image->manifests)
            for (size_t i = 0; manifest.available && i < manifest.diff_ids.size(); i++)
                if (manifest.diff_ids[i] == diff_id) return *Digest::parse(manifest.layers[i].digest);
    return std::nullopt;
}

Result<std::vector<Layer>> ImageStore::unpacked_layers(const ImageManifest& manifest) {
    if (!manifest.available) return fail(ErrorKind::NotFound, concat("image manifest ", manifest.digest.text(), " is not complete here"));
    std::vector<Layer> layers;
    std::set<Digest> seen;
    for (size_t i = manifest.diff_ids.size(); i-- > 0;) {
        // overlayfs refuses a directory twice; of equal layers the topmost decides everything the lower one could.
        if (!seen.insert(manifest.diff_ids[i]).second) continue;
        layers.push_back(TRY(layers_->ensure(manifest.diff_ids[i], blobs_, TRY(Digest::parse(manifest.layers[i].digest)))));
    }
    return layers;
}

Result<std::vector<std::string>> ImageStore::lower_directories(const ImageManifest& manifest) {
    std::vector<std::string> paths;
    for (auto& layer : TRY(unpacked_layers(manifest))) paths.push_back(layers_->diff_path(layer));
    if (paths.empty()) paths.push_back(layers_->empty_directory());
    return paths;
}

Result<std::vector<std::string>> ImageStore::lower_links(const ImageManifest& manifest) {
    std::vector<std::string> paths;
    for (auto& layer : TRY(unpacked_layers(manifest))) paths.push_back(layers_->link_path(layer));
    if (paths.empty()) paths.push_back("empty/diff");
    return paths;
}

}  // namespace proa::store
