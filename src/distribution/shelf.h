#pragma once
#include <mutex>

#include "schema/oci/image.h"
#include "store/blob_store.h"

namespace proa::distribution {

using codec::Digest;

/// What a registry keeps: blobs once for all, and for each repository which blobs, manifests and tags it has. Thread-safe.
/// Formats: docs/formats/registry.md. What returned without an error is on disk.
class Shelf {
public:
    static Result<std::unique_ptr<Shelf>> open(const std::string& directory);

    const store::BlobStore& blobs() const { return blobs_; }

    bool has_blob(const std::string& repository, const Digest& digest) const;
    /// A blob that lies in blobs() becomes one of the repository.
    Result<void> add_blob(const std::string& repository, const Digest& digest);
    Result<bool> remove_blob(const std::string& repository, const Digest& digest);

    struct Manifest {
        Digest digest;
        std::string media_type;
    };
    /// By tag or digest; NotFound.
    Result<Manifest> find_manifest(const std::string& repository, const std::string& reference) const;
    Result<void> add_manifest(const std::string& repository, const Manifest& manifest, const std::string& tag);
    Result<bool> remove_manifest(const std::string& repository, const std::string& reference);  ///< a tag alone, or a digest with its tags

    bool has_repository(const std::string& repository) const;
    std::vector<std::string> tags(const std::string& repository) const;  ///< sorted
    std::vector<std::string> repositories() const;                      ///< sorted

private:
    Shelf(std::string directory, store::BlobStore blobs) : directory_(std::move(directory)), blobs_(std::move(blobs)) {}
    std::string path(const std::string& repository, std::string_view kind, std::string_view name = {}) const;
    Result<void> put(const std::string& path, std::string_view content) const;
    Result<void> release(const Digest& digest);

    std::string directory_;
    store::BlobStore blobs_;
    std::mutex mutex_;  // of changes; readers see files that are replaced whole
};

}  // namespace proa::distribution
