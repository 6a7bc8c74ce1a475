#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <set>

#include "store/image.h"
#include "store/layer_diff.h"
#include "store/layer_store.h"
#include "store/storage_driver.h"

// Images, their blobs and their unpacked layers below one directory. Formats: docs/formats/image-store.md
namespace proa::store {

class ImageStore;

/// Blobs and layers that are on their way into the store and belong to no image yet. While a lease lives, what it names is not
/// removed; when it ends, what no image took over is.
class Lease {
public:
    explicit Lease(ImageStore& store) : store_(&store) {}
    Lease(Lease&& other) noexcept : store_(std::exchange(other.store_, nullptr)), blobs_(std::move(other.blobs_)), layers_(std::move(other.layers_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    // All thread-safe.
    bool keep_blob(const Digest& digest);        ///< false, and not kept, when it is not here
    void drop_blob(const Digest& digest);        ///< no longer kept here: it goes when nobody else needs it
    bool keep_layer(const Digest& diff_id);      ///< the same for an unpacked layer
    Result<Digest> put(std::string_view bytes);  ///< a small blob, kept
    Result<Digest> commit(BlobWriter& writer, const Digest& expected = {}, int64_t expected_size = -1);  ///< a written blob, kept

private:
    friend class ImageStore;
    friend class LayerWriter;
    ImageStore* store_;
    std::vector<Digest> blobs_, layers_;  // each held once for each mention
    std::map<Digest, Digest> diff_ids_;   // of blobs that were unpacked under this lease
};

/// A layer blob on its way in: stored byte for byte and unpacked at the same time. For pull and load.
class LayerWriter : public codec::Sink {
public:
    struct Written {
        Digest blob;
        uint64_t blob_size;
        Digest diff_id;
        codec::Compression compression;
        uint64_t size;  ///< unpacked
    };
    Result<void> write(std::string_view bytes) override;
    uint64_t received() const { return blob_.count(); }
    /// What resume_layer() could use is of no use: it goes with this object.
    void forget() { blob_.forget(); }
    /// InvalidArgument when what came differs from what was expected (empty: anything).
    Result<Written> finish(const Digest& expected_blob = {}, const Digest& expected_diff_id = {});

private:
    friend class ImageStore;
    friend class ArchiveLoader;
    LayerWriter(Lease& lease, BlobWriter blob, std::unique_ptr<LayerUnpacker> unpacker, bool may_be_other)
        : lease_(lease), blob_(std::move(blob)), unpacker_(std::move(unpacker)), may_be_other_(may_be_other) {}
    Lease& lease_;
    BlobWriter blob_;
    std::unique_ptr<LayerUnpacker> unpacker_;
    bool may_be_other_;  // a blob of unknown kind: what does not unpack is stored all the same, without a diff id
};

/// A container that uses an image, as remove() needs to know it.
struct ImageUser {
    std::string container_id;
    bool running = false;
};
using ImageUsers = std::function<std::vector<ImageUser>(const Digest& image)>;

struct RemovedItem {
    bool deleted = false;  ///< else untagged
    std::string text;      ///< "busybox:latest", "busybox@sha256:...", "sha256:..."
};

struct HistoryEntry {
    std::string id;  ///< "<missing>" for all but the image itself
    Time created;
    std::string created_by, comment;
    std::vector<std::string> tags;
    int64_t size = 0;
};

struct ImageSizes {
    int64_t content = 0;   ///< blobs as stored
    int64_t unpacked = 0;  ///< of all unpacked layers of all its manifests
    int64_t shared = 0;    ///< part of `unpacked` in layers that other images use too
};

struct Usage {
    uint64_t blobs = 0;   ///< bytes of all blobs, on disk
    uint64_t layers = 0;  ///< bytes of all unpacked layers, on disk
};

/// Something that is not what its name promises.
struct Damage {
    std::string kind;  ///< "blob", "layer", "image", "records"
    std::string name;  ///< digest or name
    std::string reason;
    std::vector<std::string> images;  ///< names or ids of those that suffer
    std::string action;               ///< what was done about it; empty for nothing
};
struct CheckReport {
    uint64_t blobs = 0, layers = 0, bytes = 0;  ///< what was looked at
    std::vector<Damage> damages;
};
/// Hears what is being looked at; an Error ends the check.
using CheckProgress = std::function<Result<void>(const std::string& what)>;

struct LoadProgress {
    std::string id;  ///< first twelve digits of the layer's digest
    uint64_t current = 0, total = 0;
};

struct LoadedImage {
    Digest id;
    std::string name;  ///< familiar, empty for an image without a name
};

struct WritableLayer {
    std::string upper, work;  ///< absolute; empty with the vfs driver
    std::string merged;       ///< absolute: where the overlay is mounted; with the vfs driver the container's file system itself
};

/// What a container changed, as a directory in the form of the store's layers. It may be taken away to become a layer.
class ChangedTree {
public:
    ChangedTree(ChangedTree&&) noexcept;
    ChangedTree& operator=(ChangedTree&&) = delete;
    ~ChangedTree();
    const std::string& path() const { return path_; }

private:
    friend class ImageStore;
    explicit ChangedTree(std::string path) : path_(std::move(path)) {}
    std::string path_;
    LayerStore* layers_ = nullptr;  // with the name of a directory that goes with this object
    std::string name_;
};

/// Thread-safe. Everything that returned without an error survives kill -9 and a power cut; what did not leaves no trace.
class ImageStore {
public:
    /// Opens or creates the store in `root` (`content/`, `overlay2/` or `vfs/`, `images.db`). Never fails over damaged records: these are put
    /// aside in the table `damaged` and named in the log. Sweeps what interrupted work left, unless something was damaged.
    static Result<std::unique_ptr<ImageStore>> open(const std::string& root, StorageDriver driver = StorageDriver::Overlay2);
    ~ImageStore();

    // --- finding ---

    /// By name ("busybox", "busybox:1", "repo@sha256:..."), id, or a prefix of an id of at least one digit.
    /// NotFound "No such image: nope:latest"; InvalidArgument for bad references and ambiguous prefixes.
    Result<ImagePointer> resolve(std::string_view text) const;
    ImagePointer find(const Digest& id) const;  ///< nullptr when there is none
    std::vector<ImagePointer> list() const;     ///< newest first
    bool has_children(const Digest& id) const;
    /// Images that a local build made from `id` step by step.
    std::vector<ImagePointer> children(const Digest& id) const;
    ImageSizes sizes(const Image& image) const;
    int64_t unpacked_size(const ImageManifest& manifest) const;                                  ///< of its layers that are unpacked
    std::vector<HistoryEntry> history(const Image& image, const ImageManifest& manifest) const;  ///< newest first
    /// The raw configuration of a manifest.
    Result<std::string> config_bytes(const ImageManifest& manifest) const { return blobs_.read(manifest.config_digest); }
    Usage usage() const;
    /// What each image takes on disk; `shared` is the part of content and unpacked layers that other images use too.
    std::map<Digest, ImageSizes> disk_sizes() const;

    // --- damage ---

    /// fsck: blobs are hashed, unpacked layers are compared with their blobs, records are checked. With `repair` damaged blobs are moved
    /// to `content/quarantine` and images without them become incomplete (a pull or load completes them), damaged layers that no
    /// container uses are removed (and unpacked again when needed), records that were set aside are forgotten.
    Result<CheckReport> check(bool repair, const CheckProgress& progress);
    /// Removes downloads that were cut and that nobody has written to for `seconds`.
    Result<void> remove_partial_downloads(int64_t seconds) { return blobs_.remove_partial(seconds); }

    // --- bringing in ---

    const BlobStore& blobs() const { return blobs_; }
    Lease lease() { return Lease(*this); }
    Result<std::unique_ptr<LayerWriter>> begin_layer(Lease& lease, codec::DigestAlgorithm algorithm = codec::DigestAlgorithm::Sha256);
    /// For a pull: begins with the bytes of `blob` that an abandoned writer left, see LayerWriter::received(). One writer for a digest at a time.
    Result<std::unique_ptr<LayerWriter>> resume_layer(Lease& lease, const Digest& blob);
    /// Stores an uncompressed tar stream as a layer: compressed as asked, and unpacked.
    Result<LayerWriter::Written> add_layer(Lease& lease, codec::Source& tar, codec::Compression compression = codec::Compression::Gzip, int level = 0);
    /// As add_layer() for a directory in the form of the store's layers (what a container changed), which becomes the layer by renaming.
    Result<LayerWriter::Written> adopt_layer(Lease& lease, const std::string& directory, codec::Compression compression = codec::Compression::Gzip,
                                             int level = 0);
    /// As adopt_layer(), but the directory stays as it is: the layer is a copy. For commit, and for a build step that goes on with the directory.
    Result<LayerWriter::Written> copy_layer(Lease& lease, const std::string& directory, codec::Compression compression = codec::Compression::Gzip,
                                            int level = 0);
    /// The unpacked layer, when it is here. Kept by the lease from then on.
    std::optional<Layer> find_layer(Lease& lease, const Digest& diff_id);

    /// Makes the blobs that `target` (a manifest or an index) leads to an image. Checks documents, digests, sizes and the diff ids
    /// of unpacked layers; at least one manifest must be complete. Idempotent. Durable on return.
    /// `names` are tagged; references with a digest are recorded as repository digests.
    Result<ImagePointer> add_image(Lease& lease, const oci::Descriptor& target, const std::vector<oci::Reference>& names = {}, const Digest& parent = {});
    /// A new image of one manifest from a configuration and layers (whose diff ids it fills in). For build, commit and import.
    Result<ImagePointer> create_image(Lease& lease, oci::ImageConfig config, const std::vector<oci::Descriptor>& layers, const std::vector<Digest>& diff_ids,
                                      const std::vector<oci::Reference>& names = {}, const Digest& parent = {});

    /// docker load: archives of `docker save` of every age, and OCI image layouts; plain or compressed in any known way. Of an index
    /// only `platforms` are taken, unless there are none; NotFound when an image has none of one of them.
    Result<std::vector<LoadedImage>> load_archive(codec::Source& archive, const std::function<void(const LoadProgress&)>& progress = {},
                                                  const std::vector<oci::Platform>& platforms = {});
    /// docker import: a root file system as tar. `changes` are `config` fields that were set by --change.
    Result<ImagePointer> import_rootfs(codec::Source& tar, const std::optional<oci::Reference>& name, const oci::RunConfig& config, const std::string& message,
                                       const oci::Platform& platform);

    // --- names ---

    Result<void> tag(const Digest& image, const oci::Reference& name);
    /// docker rmi. `text` is what the user wrote. Errors: NotFound; Conflict with Docker's texts when it is in use.
    Result<std::vector<RemovedItem>> remove(std::string_view text, bool force, bool prune_parents, const ImageUsers& users);
    /// docker rmi --platform: the manifests for `platforms` with what only they need; the image and its names stay. `users` is asked about
    /// manifests. Errors: NotFound for a platform that is not here; Conflict when a container uses it.
    Result<std::vector<RemovedItem>> remove_platforms(std::string_view text, const std::vector<oci::Platform>& platforms, bool force, const ImageUsers& users);

    // --- taking out ---

    /// docker save: an OCI image layout with Docker's manifest.json, the same bytes for the same images. A name without a tag
    /// stands for all tags of the repository. `platforms` restrict what is taken of indexes: one is saved as an image of its own, several
    /// with their index.
    Result<void> save(const std::vector<std::string>& names, codec::Sink& out, const std::vector<oci::Platform>& platforms = {});

    // --- file systems ---

    /// The directories of the image's layers, top first, in the form of the driver; unpacked first where they are not yet. Never empty.
    Result<std::vector<std::string>> lower_directories(const ImageManifest& manifest);
    /// The same as short symbolic links relative to layers_directory().
    Result<std::vector<std::string>> lower_links(const ImageManifest& manifest);
    const std::string& layers_directory() const { return layers_->directory(); }
    StorageDriver driver() const { return layers_->form() == LayerForm::Overlay ? StorageDriver::Overlay2 : StorageDriver::Vfs; }

    /// The writable directories (with the vfs driver: the file system) of a container of the manifest `image` (or of the fitting manifest of that image; empty:
    /// of no image), made when they are missing. The image's layers stay as long as they exist.
    Result<WritableLayer> create_writable_layer(const std::string& container_id, const Digest& image);
    WritableLayer writable_layer(const std::string& container_id) const;
    /// Missing is no error. The directory is gone from its place on return and deleted in the background.
    Result<void> remove_writable_layer(const std::string& container_id);
    /// Bytes of the files that the container changed.
    Result<uint64_t> writable_layer_size(const std::string& container_id);
    /// Bytes of the files that are kept for the container alone: with the vfs driver its whole file system.
    Result<uint64_t> writable_layer_usage(const std::string& container_id) const;
    /// As `docker diff`.
    Result<std::vector<Change>> container_changes(const std::string& container_id);
    /// The container's upper directory; with the vfs driver a copy of what it changed.
    Result<ChangedTree> changed_tree(const std::string& container_id);
    /// Boot: removes the writable layers of all containers but these.
    Result<void> keep_writable_layers(const std::set<std::string>& container_ids);
    /// The lower directories that a container was made with, top first, also when its image is gone. The last one is not of the image: it
    /// holds the targets of the engine's own mounts.
    Result<std::vector<std::string>> lower_directories_of(const std::string& container_id);

    /// Waits for background work: deletions and the sync of unpacked layers.
    void settle() { layers_->settle(); }

private:
    friend class Lease;
    friend class LayerWriter;
    friend class ArchiveLoader;
    struct Writable {
        Digest image;
        std::vector<Digest> layers;
    };

    ImageStore(std::string root, BlobStore blobs, Records records) : root_(std::move(root)), blobs_(std::move(blobs)), records_(std::move(records)) {}
    Result<LayerWriter::Written> make_layer(Lease& lease, const std::function<Result<void>(codec::Sink&)>& produce, codec::Compression compression, int level);
    Result<void> load_records(bool& damaged);
    void sweep();
    // Callers of the functions with "_locked" hold mutex_.
    ImagePointer lookup_locked(std::string_view text, std::string* not_found, Result<void>* ambiguous) const;
    void refer_locked(const Image& image, int by);
    void refresh_locked(const Digest& id);
    Result<void> record_tag_locked(const Digest& image, const oci::Reference& name, int64_t when);
    std::vector<oci::Reference> references_locked(const Digest& image) const;
    void release(std::vector<Digest> blobs, std::vector<Digest> layers);
    Result<std::vector<Layer>> unpacked_layers(const ImageManifest& manifest);
    const ImageManifest* find_manifest_locked(const Digest& digest) const;
    std::optional<Digest> blob_of_layer(const Digest& diff_id) const;
    std::vector<std::string> images_with_blob(const Digest& blob) const;
    std::vector<std::string> images_with_layer(const Digest& diff_id) const;
    void forget_blob(const Digest& blob);
    Result<void> check_blobs(bool repair, const CheckProgress& progress, CheckReport& report);
    Result<std::string> check_layer(const Layer& layer, const Digest& blob) const;
    Result<void> check_layers(bool repair, const CheckProgress& progress, CheckReport& report);

    std::string root_;
    BlobStore blobs_;
    mutable std::mutex records_mutex_;
    Records records_;
    std::unique_ptr<LayerStore> layers_;

    mutable std::mutex mutex_;  // taken before records_mutex_
    std::map<Digest, ImagePointer> images_;
    std::map<std::string, Digest> tags_;                           // "docker.io/library/busybox:latest"
    std::set<std::pair<std::string, Digest>> repository_digests_;  // "docker.io/library/busybox"
    std::map<std::string, Writable> writable_;
    std::map<Digest, int> blob_uses_, layer_uses_;  // by images, leases and containers
    std::map<Digest, int> layer_images_;            // by images alone
};

/// The descriptor of a layer that was brought in, with OCI's media type.
oci::Descriptor layer_descriptor(const LayerWriter::Written& written);

/// Reads the document `target` and what it leads to from the blobs. Internal to the store; also what `add_image` checks with.
Result<Image> read_image(const BlobStore& blobs, const oci::Descriptor& target);

}  // namespace proa::store
