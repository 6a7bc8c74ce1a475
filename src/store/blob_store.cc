#include "store/blob_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/id.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace proa::store {

namespace {
constexpr uint64_t kFlushEvery = 8 << 20;
constexpr std::string_view kPartial = "partial-";
constexpr int64_t kPartialAge = 24 * 3600;  // seconds

Unexpected blob_not_found(const Digest& digest) { return fail(ErrorKind::NotFound, concat("blob ", digest.text(), " not found"), ENOENT); }
}  // namespace

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : store_(other.store_),
      file_(std::move(other.file_)),
      path_(std::exchange(other.path_, {})),
      hasher_(std::move(other.hasher_)),
      count_(other.count_),
      flushed_(other.flushed_),
      kept_(other.kept_) {}

BlobWriter::~BlobWriter() {
    if (!path_.empty() && !kept_) ::unlink(path_.c_str());
}

Result<void> BlobWriter::write(std::string_view bytes) {
    hasher_.update(bytes);
    TRY_WRAP("write blob", os::write_all(file_.get(), bytes));
    count_ += bytes.size();
    if (count_ - flushed_ >= kFlushEvery) {
        // Starts the disk early, so that the later fsync finds little left to do.
        ::sync_file_range(file_.get(), static_cast<off_t>(flushed_), static_cast<off_t>(count_ - flushed_), SYNC_FILE_RANGE_WRITE);
        flushed_ = count_;
    }
    return {};
}

Result<Digest> BlobWriter::commit(const Digest& expected, int64_t expected_size) {
    Digest digest = hasher_.finish();
    kept_ = false;  // what does not fit now never will
    if (expected_size >= 0 && static_cast<uint64_t>(expected_size) != count_)
        return fail(ErrorKind::InvalidArgument, concat("unexpected commit size ", count_, ", expected ", expected_size));
    if (!expected.empty() && expected != digest)
        return fail(ErrorKind::InvalidArgument, concat("unexpected commit digest ", digest.text(), ", expected ", expected.text()));
    if (!store_->has(digest)) TRY(os::rename_path(path_, store_->path_of(digest)));
    else ::unlink(path_.c_str());
    path_.clear();
    return digest;
}

Result<BlobStore> BlobStore::open(std::string directory) {
    for (auto part : {"/blobs/sha256", "/blobs/sha512", "/ingest"}) TRY(os::make_directories(directory + part, 0700));
    for (auto& name : TRY(os::list_directory(directory + "/ingest")))
        if (!name.starts_with(kPartial)) TRY(os::remove_file(concat(directory, "/ingest/", name)));
    BlobStore store(std::move(directory));
    TRY(store.remove_partial(kPartialAge));
    return store;
}

Result<void> BlobStore::remove_partial(int64_t seconds) const {
    for (auto& name : TRY(os::list_directory(directory_ + "/ingest"))) {
        if (!name.starts_with(kPartial)) continue;
        std::string path = concat(directory_, "/ingest/", name);
        auto found = os::status(path);
        if (found && found->st_mtim.tv_sec <= now().seconds - seconds) TRY(os::remove_file(path));
    }
    return {};
}

uint64_t BlobStore::partial_size() const {
    uint64_t size = 0;
    for (auto& name : os::list_directory(directory_ + "/ingest").value_or(std::vector<std::string>())) {
        auto found = os::status(concat(directory_, "/ingest/", name));
        if (found && name.starts_with(kPartial)) size += static_cast<uint64_t>(found->st_size);
    }
    return size;
}

Result<BlobWriter> BlobStore::resume(const Digest& expected, const std::function<Result<void>(std::string_view)>& arrived) const {
    std::string path = concat(directory_, "/ingest/", kPartial, expected.algorithm_name(), '-', expected.hex());
    os::Fd file = TRY(os::open_file(path, O_RDWR | O_CREAT, 0600));
    BlobWriter writer(*this, std::move(file), std::move(path), expected.algorithm());
    codec::FdSource source(writer.file_.get());
    for (;;) {
        std::string_view piece = TRY(source.pull());
        if (piece.empty()) break;
        writer.hasher_.update(piece);
        writer.count_ += piece.size();
        TRY(arrived(piece));
    }
    writer.flushed_ = writer.count_;
    writer.kept_ = true;
    return writer;
}

std::string BlobStore::path_of(const Digest& digest) const { return concat(directory_, "/blobs/", digest.algorithm_name(), '/', digest.hex()); }

Result<BlobWriter> BlobStore::begin(codec::DigestAlgorithm algorithm) const {
    std::string path = concat(directory_, "/ingest/", random_hex(12));
    os::Fd file = TRY(os::open_file(path, O_RDWR | O_CREAT | O_EXCL, 0600));
    return BlobWriter(*this, std::move(file), std::move(path), algorithm);
}

Result<Digest> BlobStore::put(std::string_view bytes) const {
    BlobWriter writer = TRY(begin());
    TRY(writer.write(bytes));
    return writer.commit();
}

bool BlobStore::has(const Digest& digest) const { return os::exists(path_of(digest)); }

Result<uint64_t> BlobStore::size(const Digest& digest) const {
    auto found = os::status(path_of(digest));
    if (!found) return blob_not_found(digest);
    return static_cast<uint64_t>(found->st_size);
}

Result<os::Fd> BlobStore::open_blob(const Digest& digest) const {
    auto file = os::open_file(path_of(digest), O_RDONLY);
    if (!file && file.error().is(ErrorKind::NotFound)) return blob_not_found(digest);
    return file;
}

Result<std::string> BlobStore::read(const Digest& digest, size_t limit) const {
    os::Fd file = TRY(open_blob(digest));
    std::string bytes = TRY_WRAP(concat("read blob ", digest.text()), os::read_to_end(file.get(), limit));
    if (Digest::of(bytes, digest.algorithm()) != digest) return fail(ErrorKind::Internal, concat("blob ", digest.text(), " is damaged"));
    return bytes;
}

Result<void> BlobStore::remove(const Digest& digest) const { return os::remove_file(path_of(digest)); }

Result<std::string> BlobStore::quarantine(const Digest& digest) const {
    TRY(os::make_directories(directory_ + "/quarantine", 0700));
    std::string path = concat(directory_, "/quarantine/", digest.algorithm_name(), '-', digest.hex());
    TRY(os::rename_path(path_of(digest), path));
    TRY(os::sync_directory(directory_ + "/quarantine"));
    return path;
}

uint64_t BlobStore::disk_size() const {
    uint64_t size = 0;
    for (auto part : {"/blobs/sha256", "/blobs/sha512", "/ingest"})
        for (auto& name : os::list_directory(directory_ + part).value_or(std::vector<std::string>()))
            if (auto found = os::status(concat(directory_, part, "/", name))) size += static_cast<uint64_t>(found->st_blocks) * 512;
    return size;
}

Result<std::vector<Digest>> BlobStore::list() const {
    std::vector<Digest> digests;
    for (auto algorithm : {"sha256", "sha512"})
        for (auto& name : TRY(os::list_directory(concat(directory_, "/blobs/", std::string_view(algorithm)))))
            if (auto digest = Digest::parse(concat(std::string_view(algorithm), ':', name))) digests.push_back(*digest);
    return digests;
}

Result<void> BlobStore::sync(const std::vector<Digest>& digests) const {
    if (digests.empty()) return {};
    for (auto& digest : digests) {
        os::Fd file = TRY(open_blob(digest));
        if (::fsync(file.get()) < 0) return fail_errno("fsync", digest.text());
    }
    for (auto part : {"/blobs/sha256", "/blobs/sha512"}) TRY(os::sync_directory(directory_ + part));
    return {};
}

}  // namespace proa::store
