#pragma once
#include <functional>

#include "codec/digest.h"
#include "os/fd.h"

namespace proa::store {

using codec::Digest;

class BlobStore;

/// One blob on its way in: bytes are hashed while they are written to a temporary file. Destroying it without commit() removes the file.
class BlobWriter : public codec::Sink {
public:
    BlobWriter(BlobWriter&&) noexcept;
    BlobWriter& operator=(BlobWriter&&) = delete;
    ~BlobWriter() override;

    Result<void> write(std::string_view bytes) override;
    uint64_t count() const { return count_; }
    /// A descriptor of the temporary file, for readers that follow the writer.
    int fd() const { return file_.get(); }

    /// The file outlives this object, so that BlobStore::resume() can go on with it; until forget() or commit().
    void keep_when_abandoned() { kept_ = true; }
    void forget() { kept_ = false; }

    /// Renames the file to its digest; an equal blob that is already there stays. The bytes are on disk only after
    /// BlobStore::sync(). InvalidArgument when `expected` (may be empty) or `expected_size` (-1: any) differ from what came.
    Result<Digest> commit(const Digest& expected = {}, int64_t expected_size = -1);

private:
    friend class BlobStore;
    BlobWriter(const BlobStore& store, os::Fd file, std::string path, codec::DigestAlgorithm algorithm)
        : store_(&store), file_(std::move(file)), path_(std::move(path)), hasher_(algorithm) {}

    const BlobStore* store_;
    os::Fd file_;
    std::string path_;
    codec::Hasher hasher_;
    uint64_t count_ = 0, flushed_ = 0;
    bool kept_ = false;
};

/// Content by digest, byte for byte: `blobs/<algorithm>/<hex>` below its directory. Thread-safe. Knows nothing of images.
class BlobStore {
public:
    /// Creates what is missing and removes what an interrupted write left, but for what resume() can use within a day.
    static Result<BlobStore> open(std::string directory);

    Result<BlobWriter> begin(codec::DigestAlgorithm algorithm = codec::DigestAlgorithm::Sha256) const;
    Result<Digest> put(std::string_view bytes) const;
    /// A writer that goes on where an abandoned one for the same digest ended, also one of an earlier process: `arrived` is given
    /// what is there already. At most one such writer for a digest at a time (the caller sees to it).
    Result<BlobWriter> resume(const Digest& expected, const std::function<Result<void>(std::string_view)>& arrived) const;
    /// Removes what resume() could go on with, where nobody has written for `seconds`.
    Result<void> remove_partial(int64_t seconds) const;
    uint64_t partial_size() const;  ///< bytes that remove_partial(0) would free

    bool has(const Digest& digest) const;
    Result<uint64_t> size(const Digest& digest) const;     ///< NotFound "blob sha256:... not found"
    Result<os::Fd> open_blob(const Digest& digest) const;  ///< for reading; NotFound as above
    /// A small blob, checked against its digest. Errors: NotFound; Internal when the file is damaged; InvalidArgument above `limit`.
    Result<std::string> read(const Digest& digest, size_t limit = 16 << 20) const;
    Result<void> remove(const Digest& digest) const;  ///< missing is no error
    /// Moves a damaged blob out of the way, to `quarantine/<algorithm>-<hex>`; that path.
    Result<std::string> quarantine(const Digest& digest) const;
    uint64_t disk_size() const;  ///< bytes that blobs and unfinished ones take on disk
    Result<std::vector<Digest>> list() const;
    /// Makes these blobs and their names durable.
    Result<void> sync(const std::vector<Digest>& digests) const;

    std::string path_of(const Digest& digest) const;

private:
    friend class BlobWriter;
    explicit BlobStore(std::string directory) : directory_(std::move(directory)) {}
    std::string directory_;
};

}  // namespace proa::store
