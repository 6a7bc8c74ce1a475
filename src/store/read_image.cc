#include <algorithm>

#include "base/text.h"
#include "store/image_store.h"

namespace proa::store {

namespace {
constexpr size_t kDocumentLimit = 8 << 20;
constexpr int kIndexDepth = 4;

Unexpected bad(std::string_view what, const std::string& digest) { return fail(ErrorKind::InvalidArgument, concat("image document ", digest, ": ", what)); }

/// Rule C20: the media type inside a document must be the one its descriptor gives, and a document is not both kinds.
Result<json::Value> read_document(const BlobStore& blobs, const oci::Descriptor& descriptor) {
    Digest digest = TRY(Digest::parse(descriptor.digest));
    std::string bytes = TRY(blobs.read(digest, kDocumentLimit));
    if (descriptor.size > 0 && static_cast<uint64_t>(descriptor.size) != bytes.size())
        return bad(concat("has ", bytes.size(), " bytes, its descriptor says ", descriptor.size), descriptor.digest);
    json::Value document = TRY_WRAP(concat("image document ", descriptor.digest), json::parse(bytes));
    const std::string& inside = document["mediaType"].as_string();
    if (!inside.empty() && inside != descriptor.media_type)
        return bad(concat("is ", inside, ", its descriptor says ", descriptor.media_type), descriptor.digest);
    bool index = oci::media_type::is_index(descriptor.media_type);
    if (!document[index ? "layers" : "manifests"].is_null() || (index && !document["config"].is_null()))
        return bad("is both a manifest and an index", descriptor.digest);
    return document;
}

class Reader {
public:
    explicit Reader(const BlobStore& blobs) : blobs_(blobs) {}
    Image image;

    Result<void> read(const oci::Descriptor& descriptor, int depth) {
        if (oci::media_type::is_index(descriptor.media_type)) return read_index(descriptor, depth);
        if (oci::media_type::is_manifest(descriptor.media_type)) return read_manifest(descriptor);
        if (depth > 0) return {};  // an index may list things that are no images
        return fail(ErrorKind::InvalidArgument, concat("unsupported media type ", descriptor.media_type));
    }

private:
    Result<void> read_index(const oci::Descriptor& descriptor, int depth) {
        if (depth > kIndexDepth) return bad("indexes are nested too deep", descriptor.digest);
        json::Value document = TRY(read_document(blobs_, descriptor));
        oci::Index index;
        TRY(json::decode(document, index));
        if (index.manifests.size() > 1000) return bad("lists more than 1000 manifests", descriptor.digest);
        image.blobs.push_back(TRY(Digest::parse(descriptor.digest)));
        for (auto& child : index.manifests) {
            Digest digest = TRY(Digest::parse(child.digest));
            if (blobs_.has(digest)) TRY(read(child, depth + 1));
            else if (oci::media_type::is_manifest(child.media_type)) image.manifests.push_back(describe(child, digest));
        }
        return {};
    }

    static ImageManifest describe(const oci::Descriptor& descriptor, const Digest& digest) {
        ImageManifest manifest;
        manifest.digest = digest;
        manifest.media_type = descriptor.media_type;
        manifest.size = descriptor.size;
        if (descriptor.platform) manifest.platform = descriptor.platform->normalized();
        auto kind = descriptor.annotations.find("vnd.docker.reference.type");
        manifest.attestation = kind != descriptor.annotations.end() || (descriptor.platform && descriptor.platform->os == "unknown");
        auto subject = descriptor.annotations.find("vnd.docker.reference.digest");
        if (subject != descriptor.annotations.end()) manifest.attests_for = subject->second;
        return manifest;
    }

    Result<void> read_manifest(const oci::Descriptor& descriptor) {
        json::Value document = TRY(read_document(blobs_, descriptor));
        oci::Manifest parsed;
        TRY(json::decode(document, parsed));
        ImageManifest manifest = describe(descriptor, TRY(Digest::parse(descriptor.digest)));
        if (parsed.schema_version != 2) return bad("has a schema version other than 2", descriptor.digest);
        if (parsed.layers.size() > 1000) return bad("has more than 1000 layers", descriptor.digest);
        manifest.size = static_cast<int64_t>(TRY(blobs_.size(manifest.digest)));
        manifest.config_digest = TRY(Digest::parse(parsed.config.digest));
        manifest.layers = parsed.layers;
        manifest.content_size = manifest.size;
        image.blobs.push_back(manifest.digest);
        bool complete = true;
        auto content = parsed.layers;
        content.insert(content.begin(), parsed.config);
        for (auto& part : content) {
            Digest digest = TRY(Digest::parse(part.digest));
            auto size = blobs_.size(digest);
            if (!size) {
                complete = false;
                continue;
            }
            if (part.size != static_cast<int64_t>(*size))
                return bad(concat("says that ", part.digest, " has ", part.size, " bytes, it has ", *size), descriptor.digest);
            manifest.content_size += part.size;
            image.blobs.push_back(digest);
        }
        if (!manifest.attestation && oci::media_type::is_config(parsed.config.media_type) && blobs_.has(manifest.config_digest))
            TRY(read_config(parsed, manifest, complete));
        else if (!manifest.attestation && !oci::media_type::is_config(parsed.config.media_type))
            manifest.attestation = true;  // a chart, a signature, a module: kept, not run
        image.manifests.push_back(std::move(manifest));
        return {};
    }

    Result<void> read_config(const oci::Manifest& parsed, ImageManifest& manifest, bool complete) {
        std::string bytes = TRY(blobs_.read(manifest.config_digest, kDocumentLimit));
        manifest.config = TRY_WRAP(concat("image configuration ", manifest.config_digest.text()), json::decode<oci::ImageConfig>(bytes));
        for (auto& text : manifest.config.root_fs.diff_ids) manifest.diff_ids.push_back(TRY(Digest::parse(text)));
        if (manifest.diff_ids.size() != parsed.layers.size())
            return bad(concat("has ", parsed.layers.size(), " layers, its configuration has ", manifest.diff_ids.size()), manifest.digest.text());
        for (auto& layer : parsed.layers)
            if (!oci::media_type::is_layer(layer.media_type)) return bad(concat("has a layer of type ", layer.media_type), manifest.digest.text());
        if (!manifest.platform) manifest.platform = manifest.config.platform().normalized();
        manifest.available = complete;
        return {};
    }

    const BlobStore& blobs_;
};

int best_manifest(const Image& image, const oci::Platform& wanted, bool any) {
    int best = -1, best_distance = 0;
    for (size_t i = 0; i < image.manifests.size(); i++) {
        auto& manifest = image.manifests[i];
        if (!manifest.available || manifest.attestation) continue;
        auto distance = manifest.platform ? oci::platform_distance(wanted, *manifest.platform) : std::nullopt;
        if (!distance && any) distance = 10000;
        if (!distance || (best >= 0 && *distance >= best_distance)) continue;
        best = static_cast<int>(i);
        best_distance = *distance;
    }
    return best;
}
}  // namespace

const ImageManifest* Image::manifest_for(const oci::Platform& platform) const {
    int best = best_manifest(*this, platform, false);
    return best < 0 ? nullptr : &manifests[static_cast<size_t>(best)];
}

void Image::select() { selected = best_manifest(*this, oci::Platform::host(), true); }

Result<Image> read_image(const BlobStore& blobs, const oci::Descriptor& target) {
    Reader reader(blobs);
    reader.image.id = TRY(Digest::parse(target.digest));
    reader.image.media_type = target.media_type;
    reader.image.size = static_cast<int64_t>(TRY(blobs.size(reader.image.id)));
    TRY(reader.read(target, 0));
    std::sort(reader.image.blobs.begin(), reader.image.blobs.end());
    reader.image.blobs.erase(std::unique(reader.image.blobs.begin(), reader.image.blobs.end()), reader.image.blobs.end());
    reader.image.select();
    return std::move(reader.image);
}

}  // namespace proa::store
