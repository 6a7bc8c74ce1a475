#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "codec/compression.h"
#include "store/blob_store.h"
#include "store/piece_queue.h"
#include "store/records.h"
#include "store/unpack.h"

namespace proa::store {

/// One unpacked layer. Layers are known by their diff id alone (not by the chain below them): a diff directory of overlayfs depends on
/// nothing below it, so images that share a layer at different heights share the directory.
struct Layer {
    Digest diff_id;
    std::string cache_id;  ///< directory below the store's
    uint64_t size = 0;     ///< bytes of regular files
};

class LayerStore;

/// A layer that is unpacked to a directory of its own while its bytes arrive (in any compression). Destroyed without finish()
/// it leaves nothing behind.
class LayerUnpacker : public codec::Sink {
public:
    ~LayerUnpacker() override;
    /// Hands the bytes to the unpacking threads; fails early when these have failed.
    Result<void> write(std::string_view bytes) override;
    struct Finished {
        Digest diff_id;
        codec::Compression compression;
        uint64_t size;
    };
    /// Waits until everything that was written is unpacked; the failure, if there was one.
    Result<void> wait();
    /// wait(), then makes the directory the layer of its diff id (an equal layer that came first wins).
    /// `blob` is the digest of all bytes that were written: of an uncompressed layer it is the diff id, which saves hashing twice.
    /// InvalidArgument when `expected` (may be empty) is not the diff id.
    Result<Finished> finish(const Digest& blob, const Digest& expected = {});

private:
    friend class LayerStore;
    LayerUnpacker(LayerStore& store, std::string directory);
    void work();
    Result<void> unpack();

    LayerStore& store_;
    std::string directory_;  // below the store's, removed unless finished
    PieceQueue queue_;
    codec::Compression compression_ = codec::Compression::None;
    Digest hashed_;  // empty when the layer was not compressed
    uint64_t size_ = 0;
    std::optional<Error> error_;
    bool joined_ = false;
    std::thread thread_;
};

/// The unpacked layers below `overlay2/` or `vfs/`: `<cache id>/diff` for layers, `<container id>/{diff,work,merged}` for containers, `l/<26
/// characters>` short symbolic links to the diffs. Thread-safe. Unpacked files are not synced one by one: a layer is durable only
/// once a background syncfs(2) has passed, and a layer that was not durable when the machine went down is unpacked again.
class LayerStore {
public:
    static Result<std::unique_ptr<LayerStore>> open(std::string directory, LayerForm form, Records& records, std::mutex& records_mutex);
    ~LayerStore();

    std::optional<Layer> find(const Digest& diff_id) const;
    std::vector<Layer> all() const;
    /// Bytes that the layer takes on disk; counted once, as it never changes.
    uint64_t disk_size(const Layer& layer) const;
    Result<std::unique_ptr<LayerUnpacker>> begin();
    /// The layer, unpacked from `blob` when it is not there yet. Of several callers one works and the others wait.
    Result<Layer> ensure(const Digest& diff_id, const BlobStore& blobs, const Digest& blob);
    /// Makes the directory `path` (on the same file system, in the store's form) the layer of `diff_id` by renaming it.
    Result<Layer> adopt(const std::string& path, const Digest& diff_id, uint64_t size);
    Result<void> remove(const Digest& diff_id);

    std::string diff_path(const Layer& layer) const { return directory_ + "/" + layer.cache_id + "/diff"; }
    std::string link_path(const Layer& layer) const;  ///< "l/ABC...", relative to directory()
    const std::string& directory() const { return directory_; }
    LayerForm form() const { return form_; }
    /// An empty directory: the lower directory of an image without layers.
    std::string empty_directory() const { return directory_ + "/empty/diff"; }
    /// The lowest directory of every container: mount targets and /.dockerenv.
    std::string bottom_directory() const { return directory_ + "/bottom/diff"; }

    /// Removes every directory that is neither a layer nor named in `containers`.
    void remove_strangers(const std::unordered_set<std::string>& containers);
    /// An empty directory of mode 0755 at `<name>/diff`, for adopt() or discard(); a daemon that dies leaves it to the next one's sweep.
    Result<std::string> make_directory();
    /// Renames away and deletes in the background.
    Result<void> discard(const std::string& name);
    /// Makes all layers durable now, if they are not.
    Result<void> sync();
    /// Waits until all layers are durable and all discarded directories are gone.
    void settle();

private:
    friend class LayerUnpacker;
    LayerStore(std::string directory, LayerForm form, Records& records, std::mutex& records_mutex);
    Result<Layer> register_directory(const std::string& name, const Digest& diff_id, uint64_t size);
    void keep_house();
    Result<void> make_durable();

    std::string directory_;
    LayerForm form_;
    Records& records_;
    std::mutex& records_mutex_;
    std::string boot_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::unordered_map<Digest, Layer> layers_;
    mutable std::unordered_map<std::string, uint64_t> disk_sizes_;  // by cache id
    std::unordered_set<Digest> unpacking_;
    std::deque<std::string> discarded_;
    uint64_t registered_ = 0, durable_ = 0;  // how many layers came, and how many of these are on disk
    bool hurry_ = false, stop_ = false, busy_ = false;
    std::thread housekeeper_;
};

}  // namespace proa::store
