#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "codec/tar.h"
#include "os/file.h"
#include "store/image_store.h"

// docker load. The archive is read once: every blob is stored and, when it may be a layer, unpacked while it passes; what the
// archive's documents do not name in the end goes with the lease.
namespace proa::store {

namespace {
constexpr size_t kDocumentLimit = 8 << 20;
constexpr const char* kNameAnnotation = "io.containerd.image.name";
constexpr const char* kRefAnnotation = "org.opencontainers.image.ref.name";

/// The digest that a path of an image layout promises.
std::optional<Digest> promised_digest(std::string_view path) {
    auto parts = split(path, '/');
    if (parts.size() != 3 || parts[0] != "blobs") return std::nullopt;
    auto digest = Digest::parse(concat(parts[1], ':', parts[2]));
    return digest ? std::optional(*digest) : std::nullopt;
}

bool may_be_layer(std::string_view head) {
    if (codec::detect_compression(head) != codec::Compression::None) return true;
    return head.size() >= 512 && head.substr(257, 5) == "ustar";
}

struct DockerItem {
    std::string config;
    std::vector<std::string> repo_tags, layers;
};
}  // namespace

class ArchiveLoader {
public:
    ArchiveLoader(ImageStore& store, const std::function<void(const LoadProgress&)>& progress, const std::vector<oci::Platform>& platforms)
        : store_(store), lease_(store.lease()), progress_(progress), platforms_(platforms) {}

    Result<std::vector<LoadedImage>> load(codec::Source& archive) {
        auto plain = TRY(codec::decompress_detected(archive));
        TRY(read(*plain));
        if (!index_.empty()) TRY(load_layout());
        else if (!manifest_.empty()) TRY(load_docker_archive());
        else if (!repositories_.empty())
            return fail(ErrorKind::Unsupported, "the archive has no manifest.json: archives of Docker before 1.10 are not supported");
        else return fail(ErrorKind::InvalidArgument, "unrecognized image format");
        return std::move(loaded_);
    }

private:
    // --- reading the archive ---

    Result<void> read(codec::Source& plain) {
        codec::TarReader tar(plain);
        for (;;) {
            auto entry = TRY(tar.next());
            if (!entry) break;
            auto name = codec::clean_entry_name(entry->name);
            if (!name) return fail(ErrorKind::InvalidArgument, concat("archive entry ", quote(entry->name), " leads out of the archive"));
            if (entry->type == codec::TarType::Symlink || entry->type == codec::TarType::HardLink) {
                // Old archives link equal layers to each other: "../<id>/layer.tar".
                std::string base = entry->type == codec::TarType::Symlink ? os::directory_of(*name) : "";
                links_[*name] = trim_prefix(os::clean_path(concat('/', base, '/', entry->link_name)), "/");
                continue;
            }
            if (entry->type != codec::TarType::Regular) continue;
            if (entry->sparse) return fail(ErrorKind::InvalidArgument, concat("archive entry ", quote(entry->name), " is sparse"));
            if (*name == "index.json") index_ = TRY(tar.content(kDocumentLimit));
            else if (*name == "manifest.json") manifest_ = TRY(tar.content(kDocumentLimit));
            else if (*name == "repositories") repositories_ = TRY(tar.content(kDocumentLimit));
            else if (*name == "oci-layout") TRY(check_layout(TRY(tar.content(kDocumentLimit))));
            else TRY(read_blob(tar, *entry, *name));
        }
        return tar.drain();
    }

    static Result<void> check_layout(const std::string& text) {
        json::Value layout = TRY_WRAP("oci-layout", json::parse(text));
        auto& version = layout["imageLayoutVersion"].as_string();
        if (!version.starts_with("1.")) return fail(ErrorKind::InvalidArgument, concat("unsupported image layout version ", quote(version)));
        return {};
    }

    Result<void> read_blob(codec::TarReader& tar, const codec::TarEntry& entry, const std::string& name) {
        auto promised = promised_digest(name);
        if (promised && lease_.keep_blob(*promised)) {
            files_[name] = *promised;
            return {};
        }
        auto algorithm = promised ? promised->algorithm() : codec::DigestAlgorithm::Sha256;
        std::string head;
        while (head.size() < 512) {
            std::string_view piece = TRY(tar.stored());
            if (piece.empty()) break;
            head.append(piece);
        }
        std::unique_ptr<LayerWriter> layer;
        std::optional<BlobWriter> blob;
        if (may_be_layer(head)) {
            layer = TRY(store_.begin_layer(lease_, algorithm));
            layer->may_be_other_ = true;
        } else {
            blob.emplace(TRY(store_.blobs_.begin(algorithm)));
        }
        codec::Sink& sink = layer ? static_cast<codec::Sink&>(*layer) : *blob;
        LoadProgress progress{std::string(promised ? promised->hex().substr(0, 12) : std::string_view(name).substr(0, 12)), head.size(), entry.size};
        TRY(sink.write(head));
        for (;;) {
            if (layer && progress_) progress_(progress);
            std::string_view piece = TRY(tar.stored());
            if (piece.empty()) break;
            TRY(sink.write(piece));
            progress.current += piece.size();
        }
        Digest expected = promised.value_or(Digest());
        if (layer) {
            auto written = TRY_WRAP(name, layer->finish(expected));
            files_[name] = written.blob;
        } else {
            files_[name] = TRY_WRAP(name, lease_.commit(*blob, expected));
        }
        return {};
    }

    // --- OCI image layout ---

    Result<void> load_layout() {
        auto index = TRY_WRAP("index.json", json::decode<oci::Index>(index_));
        std::vector<oci::Descriptor> targets;
        std::map<std::string, std::vector<oci::Reference>> names;
        for (auto& descriptor : index.manifests) {
            if (!oci::media_type::is_index(descriptor.media_type) && !oci::media_type::is_manifest(descriptor.media_type)) continue;
            if (!names.contains(descriptor.digest)) targets.push_back(descriptor);
            auto& own = names[descriptor.digest];
            if (auto name = TRY(name_of(descriptor))) own.push_back(*name);
        }
        auto by_config = TRY(names_by_config());
        if (targets.empty()) return fail(ErrorKind::InvalidArgument, "index.json lists no image");
        for (auto& target : targets) {
            auto own = names[target.digest];
            if (own.empty()) {
                Image image = TRY(read_image(store_.blobs_, target));
                for (auto& manifest : image.manifests)
                    if (auto known = by_config.find(manifest.config_digest); known != by_config.end()) own = known->second;
            }
            TRY(add(target, own));
        }
        return {};
    }

    static Result<std::optional<oci::Reference>> name_of(const oci::Descriptor& descriptor) {
        auto full = descriptor.annotations.find(kNameAnnotation);
        if (full != descriptor.annotations.end() && !full->second.empty()) return TRY_WRAP(quote(full->second), oci::Reference::parse(full->second));
        auto ref = descriptor.annotations.find(kRefAnnotation);
        // By itself this annotation is often just a tag of an unnamed repository.
        if (ref == descriptor.annotations.end() || ref->second.find_first_of(":/") == std::string::npos) return std::optional<oci::Reference>();
        auto parsed = oci::Reference::parse(ref->second);
        return parsed ? std::optional(*parsed) : std::nullopt;
    }

    Result<std::vector<DockerItem>> docker_items() const {
        std::vector<DockerItem> items;
        if (manifest_.empty()) return items;
        json::Value document = TRY_WRAP("manifest.json", json::parse(manifest_));
        if (!document.is_array()) return fail(ErrorKind::InvalidArgument, "manifest.json: not a list");
        for (auto& value : document.as_array()) {
            DockerItem item{value["Config"].as_string(), {}, {}};
            for (auto& tag : value["RepoTags"].as_array()) item.repo_tags.push_back(tag.as_string());
            for (auto& layer : value["Layers"].as_array()) item.layers.push_back(layer.as_string());
            items.push_back(std::move(item));
        }
        return items;
    }

    static Result<std::vector<oci::Reference>> parse_names(const DockerItem& item) {
        std::vector<oci::Reference> names;
        for (auto& tag : item.repo_tags) {
            auto name = TRY_WRAP(concat("invalid tag ", quote(tag)), oci::Reference::parse(tag));
            if (!name.digest.empty()) return fail(ErrorKind::InvalidArgument, concat("invalid tag ", quote(tag)));
            names.push_back(name);
        }
        return names;
    }

    Result<std::map<Digest, std::vector<oci::Reference>>> names_by_config() const {
        std::map<Digest, std::vector<oci::Reference>> names;
        for (auto& item : TRY(docker_items()))
            if (auto config = find_file(item.config)) names[*config] = TRY(parse_names(item));
        return names;
    }

    // --- Docker's own archive ---

    std::optional<Digest> find_file(const std::string& path) const {
        std::string name = codec::clean_entry_name(path).value_or("");
        for (int hops = 0; hops < 8; hops++) {
            if (auto file = files_.find(name); file != files_.end()) return file->second;
            auto link = links_.find(name);
            if (link == links_.end()) return std::nullopt;
            name = link->second;
        }
        return std::nullopt;
    }

    Result<oci::Descriptor> describe(const std::string& path, std::string media_type) const {
        auto digest = find_file(path);
        if (!digest) return fail(ErrorKind::InvalidArgument, concat("manifest.json names ", quote(path), ", which is not in the archive"));
        return oci::Descriptor{.media_type = std::move(media_type), .digest = digest->text(), .size = static_cast<int64_t>(TRY(store_.blobs_.size(*digest)))};
    }

    Result<std::string> layer_type(const std::string& path) const {
        auto digest = find_file(path);
        if (!digest) return std::string(oci::media_type::kLayer);  // describe() says what is missing
        os::Fd file = TRY(store_.blobs_.open_blob(*digest));
        codec::FileRangeSource source(file.get(), 0, 16);
        switch (codec::detect_compression(TRY(source.pull()))) {
            case codec::Compression::None: return std::string(oci::media_type::kLayer);
            case codec::Compression::Gzip: return std::string(oci::media_type::kLayerGzip);
            case codec::Compression::Zstd: return std::string(oci::media_type::kLayerZstd);
            default: return fail(ErrorKind::Unsupported, concat("layer ", quote(path), " is compressed in a way that no registry takes (bzip2 or xz)"));
        }
    }

    /// Such an archive has no manifests: they are made, always the same for the same content.
    Result<void> load_docker_archive() {
        for (auto& item : TRY(docker_items())) {
            oci::Manifest manifest;
            manifest.media_type = oci::media_type::kManifest;
            manifest.config = TRY(describe(item.config, oci::media_type::kConfig));
            for (auto& layer : item.layers) manifest.layers.push_back(TRY(describe(layer, TRY(layer_type(layer)))));
            std::string bytes = json::encode(manifest);
            Digest digest = TRY(lease_.put(bytes));
            TRY(add({.media_type = manifest.media_type, .digest = digest.text(), .size = static_cast<int64_t>(bytes.size())}, TRY(parse_names(item))));
        }
        return {};
    }

    Result<void> add(const oci::Descriptor& target, const std::vector<oci::Reference>& names) {
        // Unpacked before it is an image: what does not unpack, or to something else than its configuration says, is refused.
        Image image = TRY(read_image(store_.blobs_, target));
        if (!platforms_.empty()) image = TRY(choose(std::move(image), target, names));
        if (auto* manifest = image.manifest()) {
            TRY(store_.lower_directories(*manifest));
            for (auto& diff_id : manifest->diff_ids) lease_.keep_layer(diff_id);
        }
        ImagePointer added = TRY(store_.add_image(lease_, target, names));
        for (auto& name : names) loaded_.push_back({added->id, name.with_default_tag().familiar()});
        if (names.empty()) loaded_.push_back({added->id, ""});
        return {};
    }

    /// The image with the wanted platforms alone: what only the others need is not kept.
    Result<Image> choose(Image image, const oci::Descriptor& target, const std::vector<oci::Reference>& names) {
        std::set<Digest> wanted{image.id};
        for (auto& platform : platforms_) {
            auto* manifest = image.manifest_for(platform);
            if (!manifest)
                return fail(ErrorKind::NotFound, concat("image with reference ", names.empty() ? target.digest : names[0].with_default_tag().familiar(),
                                                        " was found but does not provide the specified platform (", platform.text(), ")"));
            auto part = TRY(read_image(store_.blobs_, {.media_type = manifest->media_type, .digest = manifest->digest.text(), .size = manifest->size}));
            wanted.insert(part.blobs.begin(), part.blobs.end());
        }
        for (auto& digest : image.blobs)
            if (!wanted.contains(digest)) lease_.drop_blob(digest);
        return read_image(store_.blobs_, target);
    }

    ImageStore& store_;
    Lease lease_;
    const std::function<void(const LoadProgress&)>& progress_;
    const std::vector<oci::Platform>& platforms_;
    std::string index_, manifest_, repositories_;
    std::map<std::string, Digest> files_;
    std::map<std::string, std::string> links_;
    std::vector<LoadedImage> loaded_;
};

Result<std::vector<LoadedImage>> ImageStore::load_archive(codec::Source& archive, const std::function<void(const LoadProgress&)>& progress,
                                                          const std::vector<oci::Platform>& platforms) {
    return ArchiveLoader(*this, progress, platforms).load(archive);
}

}  // namespace proa::store
