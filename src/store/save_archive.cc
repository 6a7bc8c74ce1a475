#include <algorithm>

#include "base/text.h"
#include "codec/tar.h"
#include "store/image_store.h"

// docker save: an OCI image layout that Docker's older readers understand too. Entries sorted and without times, so that equal
// images give equal bytes.
namespace proa::store {

namespace {
struct SavedImage {
    ImagePointer image;
    const ImageManifest* manifest = nullptr;  // for manifest.json; may be null
    oci::Descriptor target;
    std::vector<oci::Reference> names;
};

std::string blob_path(const Digest& digest) { return concat("blobs/", digest.algorithm_name(), '/', digest.hex()); }

std::string index_text(const std::vector<SavedImage>& saved) {
    oci::Index index;
    index.media_type = oci::media_type::kIndex;
    for (auto& item : saved) {
        if (item.names.empty()) index.manifests.push_back(item.target);
        for (auto& name : item.names) {
            oci::Descriptor descriptor = item.target;
            descriptor.annotations["io.containerd.image.name"] = name.text();
            descriptor.annotations["org.opencontainers.image.ref.name"] = name.tag;
            index.manifests.push_back(std::move(descriptor));
        }
    }
    return json::encode(index);
}

std::string manifest_text(const std::vector<SavedImage>& saved) {
    json::Array items;
    for (auto& item : saved) {
        if (!item.manifest) continue;
        json::Array tags, layers;
        for (auto& name : item.names) tags.emplace_back(name.familiar());
        for (auto& layer : item.manifest->layers) layers.emplace_back(blob_path(Digest::parse(layer.digest).value_or(Digest())));
        json::Object object;
        object.set("Config", blob_path(item.manifest->config_digest));
        object.set("RepoTags", item.names.empty() ? json::Value() : json::Value(std::move(tags)));
        object.set("Layers", std::move(layers));
        items.emplace_back(std::move(object));
    }
    return json::print(items);
}

std::string repositories_text(const std::vector<SavedImage>& saved) {
    std::map<std::string, std::map<std::string, std::string>> repositories;
    for (auto& item : saved)
        for (auto& name : item.names)
            if (item.manifest && !item.manifest->layers.empty())
                repositories[name.familiar_name()][name.tag] = Digest::parse(item.manifest->layers.back().digest).value_or(Digest()).hex();
    return json::encode(repositories);
}
}  // namespace

Result<void> ImageStore::save(const std::vector<std::string>& names, codec::Sink& out, const std::vector<oci::Platform>& platforms) {
    Lease lease(*this);  // nothing that is being written goes away meanwhile
    std::vector<SavedImage> saved;
    std::set<Digest> blobs;
    for (auto& text : names) {
        ImagePointer image;
        std::vector<oci::Reference> references;
        auto parsed = oci::Reference::parse(text);
        bool is_digest = Digest::parse(text).has_value();
        if (parsed && !is_digest && parsed->tag.empty() && parsed->digest.empty()) {
            std::lock_guard lock(mutex_);
            std::string prefix = parsed->name() + ":";
            for (auto tag = tags_.lower_bound(prefix); tag != tags_.end() && tag->first.starts_with(prefix); ++tag) {
                auto found = std::find_if(saved.begin(), saved.end(), [&](auto& item) { return item.image->id == tag->second; });
                if (found == saved.end()) found = saved.insert(saved.end(), SavedImage{images_.at(tag->second), nullptr, {}, {}});
                found->names.push_back(*oci::Reference::parse(tag->first));
                image = found->image;
            }
        }
        if (image) continue;
        image = TRY(resolve(text));
        auto found = std::find_if(saved.begin(), saved.end(), [&](auto& item) { return item.image->id == image->id; });
        if (found == saved.end()) found = saved.insert(saved.end(), SavedImage{image, nullptr, {}, {}});
        bool by_name = parsed && !is_digest && parsed->digest.empty() &&
                       std::find(image->tags.begin(), image->tags.end(), parsed->with_default_tag().familiar()) != image->tags.end();
        if (by_name) found->names.push_back(parsed->with_default_tag());
    }
    for (auto& item : saved) {
        std::sort(item.names.begin(), item.names.end());
        item.names.erase(std::unique(item.names.begin(), item.names.end()), item.names.end());
        item.manifest = item.image->manifest();
        item.target = item.image->descriptor();
        if (platforms.empty()) {
            blobs.insert(item.image->blobs.begin(), item.image->blobs.end());
            continue;
        }
        std::set<Digest> chosen;
        for (auto& platform : platforms) {
            auto* manifest = item.image->manifest_for(platform);
            if (!manifest)
                return fail(ErrorKind::NotFound, concat("image with reference ", item.image->id.text(),
                                                        " was found but does not provide the specified platform (", platform.text(), ")"));
            if (chosen.empty()) item.manifest = manifest;
            chosen.insert(manifest->digest);
            Image part = TRY(read_image(blobs_, {.media_type = manifest->media_type, .digest = manifest->digest.text(), .size = manifest->size}));
            blobs.insert(part.blobs.begin(), part.blobs.end());
        }
        if (chosen.size() > 1) blobs.insert(item.image->id);
        else item.target = {.media_type = item.manifest->media_type, .digest = item.manifest->digest.text(), .size = item.manifest->size};
    }
    for (auto& digest : blobs)
        if (!lease.keep_blob(digest)) return fail(ErrorKind::NotFound, concat("blob ", digest.text(), " was removed meanwhile"));

    codec::TarWriter tar(out);
    auto add_directory = [&](std::string name) { return tar.begin({.type = codec::TarType::Directory, .name = std::move(name), .mode = 0755}); };
    auto add_text = [&](std::string name, const std::string& text) { return tar.add({.name = std::move(name), .mode = 0644, .size = text.size()}, text); };
    TRY(add_directory("blobs"));
    std::string_view algorithm;
    for (auto& digest : blobs) {
        if (digest.algorithm_name() != algorithm) TRY(add_directory(concat("blobs/", algorithm = digest.algorithm_name())));
        os::Fd file = TRY(blobs_.open_blob(digest));
        uint64_t size = TRY(blobs_.size(digest));
        TRY(tar.begin({.name = blob_path(digest), .mode = 0644, .size = size}));
        codec::FileRangeSource content(file.get(), 0, size);
        for (;;) {
            std::string_view piece = TRY(content.pull());
            if (piece.empty()) break;
            TRY(tar.write(piece));
        }
    }
    TRY(add_text("index.json", index_text(saved)));
    TRY(add_text("manifest.json", manifest_text(saved)));
    TRY(add_text("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    TRY(add_text("repositories", repositories_text(saved)));
    return tar.finish();
}

}  // namespace proa::store
