#pragma once
#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace proa::build {

/// Digests of files' content from earlier builds, known again by device, inode, size and times: a file whose ctime has not moved holds what it
/// held. Read when made, written by save(); lives as long as a build. Formats: docs/formats/build-cache.md. Thread-safe.
class FileHashes {
public:
    using Hash = std::array<char, 32>;
    /// `file` need not be there; one that cannot be read counts as empty.
    explicit FileHashes(std::string file);

    std::optional<Hash> find(const struct stat& st);
    /// Files that changed within the last two seconds are not remembered: the next change could carry the same time.
    void remember(const struct stat& st, const Hash& hash);
    /// Writes what is worth keeping, when there is anything new. Lost records cost reading, nothing else.
    void save();

private:
    struct Key {
        uint64_t device, inode, size, changed, modified;
        auto operator<=>(const Key&) const = default;
    };
    struct Entry {
        Hash hash;
        bool used = false;
    };
    static Key key_of(const struct stat& st);

    std::string file_;
    std::mutex mutex_;
    std::map<Key, Entry> entries_;
    bool dirty_ = false;
};

}  // namespace proa::build
