#pragma once
#include <sys/stat.h>

#include <map>

#include "codec/tar.h"

namespace proa::codec {

/// Writes directories with what is in them as tar entries, names sorted, hard links inside kept, sockets left out. Works by
/// descriptors and never follows a symbolic link, so the tree may change meanwhile, also by someone who means harm: what vanishes is
/// left out, and a file is written in the size that it had first (cut, or filled with zeros).
class TarTreeWriter {
public:
    enum class Form {
        Files,  ///< what a user sees; of extended attributes only security.capability, as Docker's archives have it
        Layer,  ///< an upper directory of overlayfs as an image's layer: 0:0 devices become `.wh.x`, opaque directories get `.wh..wh..opq`
    };
    TarTreeWriter(TarWriter& out, Form form) : out_(out), form_(form) {}

    /// The entry `name` of `directory` (O_PATH suffices), called `archive_name`, with all below it.
    Result<void> add(int directory, const std::string& name, const std::string& archive_name);
    /// What is in `directory`, but not itself; names begin with `prefix` ("", "etc/").
    Result<void> add_contents(int directory, const std::string& prefix);
    /// Bytes of the regular files so far.
    uint64_t bytes() const { return bytes_; }

private:
    Result<void> add(int directory, const std::string& name, const std::string& archive_name, int depth);
    Result<void> add_contents(int directory, const std::string& prefix, int depth);
    Result<void> add_empty(const std::string& name, const struct stat& st);
    Result<void> add_file(int file, TarEntry& entry);
    bool is_known_link(TarEntry& entry, const struct stat& st);
    Result<void> read_attributes(int fd, TarEntry& entry) const;

    TarWriter& out_;
    Form form_;
    std::map<std::pair<uint64_t, uint64_t>, std::string> inodes_;
    uint64_t bytes_ = 0;
};

}  // namespace proa::codec
