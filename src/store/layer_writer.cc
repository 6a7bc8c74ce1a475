#include "base/log.h"
#include "base/text.h"
#include "store/image_store.h"
#include "store/layer_diff.h"

namespace proa::store {

Result<std::unique_ptr<LayerWriter>> ImageStore::begin_layer(Lease& lease, codec::DigestAlgorithm algorithm) {
    BlobWriter blob = TRY(blobs_.begin(algorithm));
    auto unpacker = TRY(layers_->begin());
    return std::unique_ptr<LayerWriter>(new LayerWriter(lease, std::move(blob), std::move(unpacker), false));
}

Result<std::unique_ptr<LayerWriter>> ImageStore::resume_layer(Lease& lease, const Digest& expected) {
    auto unpacker = TRY(layers_->begin());
    BlobWriter blob = TRY(blobs_.resume(expected, [&](std::string_view bytes) { return unpacker->write(bytes); }));
    return std::unique_ptr<LayerWriter>(new LayerWriter(lease, std::move(blob), std::move(unpacker), false));
}

Result<void> LayerWriter::write(std::string_view bytes) {
    TRY(blob_.write(bytes));
    if (!unpacker_) return {};
    auto done = unpacker_->write(bytes);
    if (!done && !may_be_other_) return done;
    if (!done) unpacker_.reset();
    return {};
}

Result<LayerWriter::Written> LayerWriter::finish(const Digest& expected_blob, const Digest& expected_diff_id) {
    if (unpacker_) {
        auto done = unpacker_->wait();
        if (!done && !may_be_other_) return fail(std::move(done).error());
        if (!done) unpacker_.reset();
    }
    Written written{};
    written.blob_size = blob_.count();
    written.blob = TRY(lease_.commit(blob_, expected_blob));
    if (!unpacker_) return written;
    // The store's lock keeps an equal layer from being removed between its registration and the count of this use.
    std::lock_guard lock(lease_.store_->mutex_);
    auto finished = TRY(unpacker_->finish(written.blob, expected_diff_id));
    lease_.store_->layer_uses_[finished.diff_id]++;
    lease_.layers_.push_back(finished.diff_id);
    lease_.diff_ids_[written.blob] = finished.diff_id;
    written.diff_id = finished.diff_id;
    written.compression = finished.compression;
    written.size = finished.size;
    return written;
}

std::optional<Layer> ImageStore::find_layer(Lease& lease, const Digest& diff_id) {
    if (!lease.keep_layer(diff_id)) return std::nullopt;
    return layers_->find(diff_id);
}

/// Stores and unpacks the plain tar that `produce` writes.
Result<LayerWriter::Written> ImageStore::make_layer(Lease& lease, const std::function<Result<void>(codec::Sink&)>& produce, codec::Compression compression, int level) {
    BlobWriter blob = TRY(blobs_.begin());
    auto unpacker = TRY(layers_->begin());
    auto packed = TRY(codec::compressor(blob, compression, level));
    codec::FunctionSink both([&](std::string_view piece) -> Result<void> {
        TRY(unpacker->write(piece));
        return packed->write(piece);
    });
    codec::HashingSink plain(both);
    TRY(produce(plain));
    TRY(packed->finish());
    TRY(unpacker->wait());
    LayerWriter::Written written{};
    written.diff_id = plain.finish();
    written.compression = compression;
    written.blob_size = blob.count();
    written.blob = TRY(lease.commit(blob));
    std::lock_guard lock(mutex_);
    written.size = TRY(unpacker->finish(written.diff_id)).size;
    layer_uses_[written.diff_id]++;
    lease.layers_.push_back(written.diff_id);
    lease.diff_ids_[written.blob] = written.diff_id;
    return written;
}

Result<LayerWriter::Written> ImageStore::add_layer(Lease& lease, codec::Source& tar, codec::Compression compression, int level) {
    auto produce = [&](codec::Sink& out) -> Result<void> {
        TRY(codec::copy(tar, out));
        return {};
    };
    return make_layer(lease, produce, compression, level);
}

Result<LayerWriter::Written> ImageStore::copy_layer(Lease& lease, const std::string& directory, codec::Compression compression, int level) {
    auto produce = [&](codec::Sink& out) -> Result<void> {
        TRY(write_layer(directory, out));
        return {};
    };
    return make_layer(lease, produce, compression, level);
}

Result<LayerWriter::Written> ImageStore::adopt_layer(Lease& lease, const std::string& directory, codec::Compression compression, int level) {
    BlobWriter blob = TRY(blobs_.begin());
    auto packed = TRY(codec::compressor(blob, compression, level));
    codec::HashingSink plain(*packed);
    LayerWriter::Written written{};
    written.size = TRY(write_layer(directory, plain));
    TRY(packed->finish());
    written.diff_id = plain.finish();
    written.compression = compression;
    written.blob_size = blob.count();
    written.blob = TRY(lease.commit(blob));
    std::lock_guard lock(mutex_);
    TRY(layers_->adopt(directory, written.diff_id, written.size));
    layer_uses_[written.diff_id]++;
    lease.layers_.push_back(written.diff_id);
    lease.diff_ids_[written.blob] = written.diff_id;
    return written;
}

Result<ImagePointer> ImageStore::create_image(Lease& lease, oci::ImageConfig config, const std::vector<oci::Descriptor>& layers,
                                              const std::vector<Digest>& diff_ids, const std::vector<oci::Reference>& names, const Digest& parent) {
    if (layers.size() != diff_ids.size()) return fail(ErrorKind::Internal, "create image: layers and diff ids differ in number");
    config.root_fs = {};
    for (auto& digest : diff_ids) config.root_fs.diff_ids.push_back(digest.text());
    std::string config_bytes = json::encode(config);
    oci::Manifest manifest;
    manifest.media_type = oci::media_type::kManifest;
    manifest.config = {.media_type = oci::media_type::kConfig, .digest = TRY(lease.put(config_bytes)).text(), .size = static_cast<int64_t>(config_bytes.size())};
    manifest.layers = layers;
    std::string bytes = json::encode(manifest);
    Digest id = TRY(lease.put(bytes));
    return add_image(lease, {.media_type = manifest.media_type, .digest = id.text(), .size = static_cast<int64_t>(bytes.size())}, names, parent);
}

namespace {
std::string_view layer_type(codec::Compression compression) {
    if (compression == codec::Compression::Gzip) return oci::media_type::kLayerGzip;
    if (compression == codec::Compression::Zstd) return oci::media_type::kLayerZstd;
    return oci::media_type::kLayer;
}
}  // namespace

oci::Descriptor layer_descriptor(const LayerWriter::Written& written) {
    return {.media_type = std::string(layer_type(written.compression)), .digest = written.blob.text(), .size = static_cast<int64_t>(written.blob_size)};
}

Result<ImagePointer> ImageStore::import_rootfs(codec::Source& tar, const std::optional<oci::Reference>& name, const oci::RunConfig& config,
                                               const std::string& message, const oci::Platform& platform) {
    Lease lease(*this);
    auto plain = TRY(codec::decompress_detected(tar));
    auto layer = TRY(add_layer(lease, *plain));
    oci::ImageConfig image;
    image.created = now();
    image.architecture = platform.architecture;
    image.os = platform.os;
    image.variant = platform.variant;
    image.config = config;
    image.comment = message;
    image.history.push_back({.created = image.created, .comment = message});
    std::vector<oci::Reference> names;
    if (name) names.push_back(*name);
    return create_image(lease, image, {layer_descriptor(layer)}, {layer.diff_id}, names);
}

}  // namespace proa::store
