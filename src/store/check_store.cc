#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "store/compare_layer.h"
#include "store/image_store.h"

// fsck: what is on disk is held against what its name promises.
namespace proa::store {

namespace {
/// The digest of what a blob's file holds now.
Result<Digest> digest_of_file(const BlobStore& blobs, const Digest& digest, uint64_t& bytes) {
    os::Fd file = TRY(blobs.open_blob(digest));
    codec::FdSource source(file.get());
    codec::Hasher hasher(digest.algorithm());
    for (;;) {
        std::string_view piece = TRY(source.pull());
        if (piece.empty()) return hasher.finish();
        hasher.update(piece);
        bytes += piece.size();
    }
}

std::string name_of(const Image& image) { return image.tags.empty() ? image.id.text() : image.tags.front(); }
}  // namespace

std::vector<std::string> ImageStore::images_with_blob(const Digest& blob) const {
    std::vector<std::string> names;
    std::lock_guard lock(mutex_);
    for (auto& [id, image] : images_)
        if (std::find(image->blobs.begin(), image->blobs.end(), blob) != image->blobs.end()) names.push_back(name_of(*image));
    return names;
}

std::vector<std::string> ImageStore::images_with_layer(const Digest& diff_id) const {
    std::vector<std::string> names;
    std::lock_guard lock(mutex_);
    for (auto& [id, image] : images_)
        for (auto& manifest : image->manifests)
            if (std::find(manifest.diff_ids.begin(), manifest.diff_ids.end(), diff_id) != manifest.diff_ids.end()) {
                names.push_back(name_of(*image));
                break;
            }
    return names;
}

/// The images that had `blob` as they are without it: incomplete, or set aside when their documents are gone.
void ImageStore::forget_blob(const Digest& blob) {
    std::lock_guard lock(mutex_);
    for (auto& [id, before] : std::map(images_)) {
        if (std::find(before->blobs.begin(), before->blobs.end(), blob) == before->blobs.end()) continue;
        auto image = read_image(blobs_, before->descriptor());
        refer_locked(*before, -1);
        if (image) {
            image->added = before->added;
            image->last_tagged = before->last_tagged;
            image->parent = before->parent;
            refer_locked(*image, 1);
            images_[id] = std::make_shared<const Image>(std::move(*image));
            refresh_locked(id);
            continue;
        }
        log::error(concat("image ", id.text(), " is set aside: ", image.error().message()));
        std::lock_guard records_lock(records_mutex_);
        auto done = records_.transaction([&, gone = id]() -> Result<void> {
            TRY(records_.run("INSERT INTO damaged VALUES(?, ?, ?, ?)", {"image", gone.text(), image.error().message(), now().seconds}));
            TRY(records_.run("DELETE FROM images WHERE id = ?", {gone.text()}));
            TRY(records_.run("DELETE FROM tags WHERE image = ?", {gone.text()}));
            return records_.run("DELETE FROM repository_digests WHERE image = ?", {gone.text()});
        });
        if (!done) log::error(done.error().message());
        std::erase_if(tags_, [&, gone = id](auto& tag) { return tag.second == gone; });
        std::erase_if(repository_digests_, [&, gone = id](auto& entry) { return entry.second == gone; });
        images_.erase(id);
    }
}

Result<void> ImageStore::check_blobs(bool repair, const CheckProgress& progress, CheckReport& report) {
    for (auto& digest : TRY(blobs_.list())) {
        Lease lease(*this);
        if (!lease.keep_blob(digest)) continue;  // removed meanwhile
        TRY(progress(concat("blob ", digest.text())));
        auto now_is = digest_of_file(blobs_, digest, report.bytes);
        report.blobs++;
        if (now_is && *now_is == digest) continue;
        Damage damage{"blob", digest.text(), now_is ? concat("its content has the digest ", now_is->text()) : now_is.error().message(),
                      images_with_blob(digest), ""};
        if (repair) {
            damage.action = concat("moved to ", TRY(blobs_.quarantine(digest)));
            forget_blob(digest);
        }
        report.damages.push_back(std::move(damage));
    }
    return {};
}

/// What is wrong with an unpacked layer; empty for nothing.
Result<std::string> ImageStore::check_layer(const Layer& layer, const Digest& blob) const {
    auto root = os::RootDirectory::at(layers_->diff_path(layer), os::Scope::NoLinks);
    if (!root) return root.error().message();
    os::Fd file = TRY(blobs_.open_blob(blob));
    codec::FdSource source(file.get());
    auto plain = TRY(codec::decompress_detected(source));
    return compare_layer(*plain, *root, layers_->form());
}

Result<void> ImageStore::check_layers(bool repair, const CheckProgress& progress, CheckReport& report) {
    for (auto& layer : layers_->all()) {
        Lease lease(*this);
        if (!lease.keep_layer(layer.diff_id)) continue;
        auto blob = blob_of_layer(layer.diff_id);
        if (!blob || !lease.keep_blob(*blob)) continue;  // nothing to hold it against
        TRY(progress(concat("layer ", layer.diff_id.text())));
        auto wrong = check_layer(layer, *blob);
        report.layers++;
        if (wrong && wrong->empty()) continue;
        Damage damage{"layer", layer.diff_id.text(), wrong ? *wrong : wrong.error().message(), images_with_layer(layer.diff_id), ""};
        if (repair) {
            std::lock_guard lock(mutex_);
            bool used = std::any_of(writable_.begin(), writable_.end(), [&](auto& item) {
                return std::find(item.second.layers.begin(), item.second.layers.end(), layer.diff_id) != item.second.layers.end();
            });
            if (used) damage.action = "left where it is: a container uses it; remove the container and check again";
            else {
                TRY(layers_->remove(layer.diff_id));
                damage.action = "removed: it will be unpacked again from its blob";
            }
        }
        report.damages.push_back(std::move(damage));
    }
    return {};
}

Result<CheckReport> ImageStore::check(bool repair, const CheckProgress& progress) {
    CheckReport report;
    {
        std::lock_guard lock(records_mutex_);
        for (auto& row : TRY(records_.rows("PRAGMA integrity_check(20)")))
            if (row.text(0) != "ok") report.damages.push_back({"records", "images.db", row.text(0), {}, ""});
        for (auto& row : TRY(records_.rows("SELECT what, record, reason FROM damaged")))
            report.damages.push_back({row.text(0), row.text(1), row.text(2), {}, "set aside earlier"});
        if (repair) TRY(records_.run("DELETE FROM damaged"));
    }
    TRY(check_blobs(repair, progress, report));
    TRY(check_layers(repair, progress, report));
    for (auto& image : list()) {
        bool complete =
            std::any_of(image->manifests.begin(), image->manifests.end(), [](auto& manifest) { return manifest.available || manifest.attestation; });
        if (!complete) report.damages.push_back({"image", name_of(*image), "parts of it are missing: pull or load it again", {}, ""});
    }
    return report;
}

}  // namespace proa::store
