#include "distribution/shelf.h"

#include <algorithm>

#include "base/text.h"
#include "os/file.h"

namespace proa::distribution {

namespace {
// Names of our own folders in a repository begin with '_', which no part of a repository's name does.
constexpr std::string_view kBlobs = "_blobs", kManifests = "_manifests", kTags = "_tags";

std::string file_name(const Digest& digest) { return concat(digest.algorithm_name(), '-', digest.hex()); }

void collect(const std::string& root, const std::string& name, std::vector<std::string>& found) {
    for (auto& entry : os::list_directory(name.empty() ? root : root + "/" + name).value_or(std::vector<std::string>())) {
        if (entry == kManifests) found.push_back(name);
        if (!entry.starts_with('_')) collect(root, name.empty() ? entry : name + "/" + entry, found);
    }
}
}  // namespace

Result<std::unique_ptr<Shelf>> Shelf::open(const std::string& directory) {
    TRY(os::make_directories(directory + "/repositories", 0700));
    auto blobs = TRY(store::BlobStore::open(directory + "/content"));
    return std::unique_ptr<Shelf>(new Shelf(directory, std::move(blobs)));
}

std::string Shelf::path(const std::string& repository, std::string_view kind, std::string_view name) const {
    return concat(directory_, "/repositories/", repository, '/', kind, name.empty() ? "" : "/", name);
}

Result<void> Shelf::put(const std::string& path, std::string_view content) const {
    TRY(os::make_directories(os::directory_of(path), 0700));
    return os::replace_file(path, content, 0600, true);
}

bool Shelf::has_blob(const std::string& repository, const Digest& digest) const { return os::exists(path(repository, kBlobs, file_name(digest))) && blobs_.has(digest); }

Result<void> Shelf::add_blob(const std::string& repository, const Digest& digest) {
    std::lock_guard lock(mutex_);
    TRY(blobs_.sync({digest}));
    return put(path(repository, kBlobs, file_name(digest)), "");
}

/// Removes the bytes when no repository has them any more. The caller holds mutex_.
Result<void> Shelf::release(const Digest& digest) {
    for (auto& repository : repositories())
        for (auto kind : {kBlobs, kManifests})
            if (os::exists(path(repository, kind, file_name(digest)))) return {};
    return blobs_.remove(digest);
}

Result<bool> Shelf::remove_blob(const std::string& repository, const Digest& digest) {
    std::lock_guard lock(mutex_);
    std::string file = path(repository, kBlobs, file_name(digest));
    if (!os::exists(file)) return false;
    TRY(os::remove_file(file));
    TRY(release(digest));
    return true;
}

Result<Shelf::Manifest> Shelf::find_manifest(const std::string& repository, const std::string& reference) const {
    auto digest = Digest::parse(reference);
    if (!digest) {
        auto text = os::read_file(path(repository, kTags, reference));
        if (text) digest = Digest::parse(*text);
        else return fail(ErrorKind::NotFound, concat("no tag ", reference));
    }
    if (!digest) return fail(std::move(digest).error());
    auto type = os::read_file(path(repository, kManifests, file_name(*digest)));
    if (!type || !blobs_.has(*digest)) return fail(ErrorKind::NotFound, concat("no manifest ", reference));
    return Manifest{*digest, *type};
}

Result<void> Shelf::add_manifest(const std::string& repository, const Manifest& manifest, const std::string& tag) {
    std::lock_guard lock(mutex_);
    TRY(blobs_.sync({manifest.digest}));
    TRY(put(path(repository, kManifests, file_name(manifest.digest)), manifest.media_type));
    if (!tag.empty()) TRY(put(path(repository, kTags, tag), manifest.digest.text()));
    return {};
}

Result<bool> Shelf::remove_manifest(const std::string& repository, const std::string& reference) {
    std::lock_guard lock(mutex_);
    auto digest = Digest::parse(reference);
    if (!digest) {
        std::string file = path(repository, kTags, reference);
        if (!os::exists(file)) return false;
        TRY(os::remove_file(file));
        return true;
    }
    std::string file = path(repository, kManifests, file_name(*digest));
    if (!os::exists(file)) return false;
    for (auto& tag : tags(repository))
        if (os::read_file(path(repository, kTags, tag)).value_or("") == digest->text()) TRY(os::remove_file(path(repository, kTags, tag)));
    TRY(os::remove_file(file));
    TRY(release(*digest));
    return true;
}

bool Shelf::has_repository(const std::string& repository) const { return os::is_directory(path(repository, kManifests)); }

std::vector<std::string> Shelf::tags(const std::string& repository) const { return os::list_directory(path(repository, kTags)).value_or(std::vector<std::string>()); }

std::vector<std::string> Shelf::repositories() const {
    std::vector<std::string> found;
    collect(directory_ + "/repositories", "", found);
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace proa::distribution
