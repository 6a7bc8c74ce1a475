#include "store/compare_layer.h"

#include <fcntl.h>

#include <cstring>
#include <map>

#include "base/text.h"
#include "codec/tar.h"
#include "os/file.h"

namespace proa::store {

namespace {
constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kWhiteoutMeta = ".wh..wh.";

/// Whether the entry's bytes are those of the file `fd`. Sparse entries are compared in their segments.
Result<bool> same_content(codec::TarReader& tar, const codec::TarEntry& entry, int fd) {
    std::string buffer;
    auto compare = [&](uint64_t offset, std::string_view bytes) {
        buffer.resize(bytes.size());
        size_t done = 0;
        while (done < bytes.size()) {
            ssize_t got = ::pread(fd, buffer.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
            if (got <= 0) return false;
            done += static_cast<size_t>(got);
        }
        return std::memcmp(buffer.data(), bytes.data(), bytes.size()) == 0;
    };
    std::vector<codec::TarEntry::Segment> segments = entry.segments;
    if (!entry.sparse) segments = {{0, entry.size}};
    std::string_view piece;
    for (auto& segment : segments)
        for (uint64_t done = 0; done < segment.length;) {
            if (piece.empty()) piece = TRY(tar.stored());
            if (piece.empty()) return false;
            size_t count = static_cast<size_t>(std::min<uint64_t>(piece.size(), segment.length - done));
            if (!compare(segment.offset + done, piece.substr(0, count))) return false;
            piece.remove_prefix(count);
            done += count;
        }
    return true;
}

mode_t type_of(codec::TarType type) {
    switch (type) {
        case codec::TarType::Directory: return S_IFDIR;
        case codec::TarType::Symlink: return S_IFLNK;
        case codec::TarType::CharDevice: return S_IFCHR;
        case codec::TarType::BlockDevice: return S_IFBLK;
        case codec::TarType::Fifo: return S_IFIFO;
        default: return S_IFREG;
    }
}

/// What differs about one entry that is there; empty for nothing.
Result<std::string> difference(codec::TarReader& tar, const codec::TarEntry& entry, const os::RootDirectory& root, const os::PathInRoot& path,
                               const struct stat& found) {
    if (entry.type == codec::TarType::HardLink) return S_ISDIR(found.st_mode) ? "is a directory" : "";
    if ((found.st_mode & S_IFMT) != type_of(entry.type)) return "is of another type";
    if (entry.uid != found.st_uid || entry.gid != found.st_gid) return "has another owner";
    if (entry.type == codec::TarType::Symlink) return TRY(root.read_link(path)) == entry.link_name ? "" : "leads elsewhere";
    if ((found.st_mode & 07777) != (entry.mode & 07777)) return "has another mode";
    if (!S_ISREG(found.st_mode)) return "";
    if (static_cast<uint64_t>(found.st_size) != entry.size) return "has another size";
    auto file = root.open_regular(path);
    if (!file) return file.error().message();
    return TRY(same_content(tar, entry, file->get())) ? "" : "content differs";
}
}  // namespace

Result<std::string> compare_layer(codec::Source& source, const os::RootDirectory& root, LayerForm form) {
    codec::TarReader tar(source);
    // Of entries with one name the last one counts, and so does what a later one put in the place of its parent.
    std::map<std::string, std::string> differences;
    for (;;) {
        auto entry = TRY(tar.next());
        if (!entry) break;
        auto clean = codec::clean_entry_name(entry->name);
        if (!clean || clean->empty() || *clean == ".") continue;
        os::PathInRoot path(*clean);
        std::string_view name = path.name();
        if (name == kOpaque || name.starts_with(kWhiteoutMeta)) continue;
        bool device = form == LayerForm::Plain && entry->type == codec::TarType::CharDevice && entry->device_major == 0 && entry->device_minor == 0;
        if (name.starts_with(kWhiteout) || device) {
            os::PathInRoot hidden = path.parent() / name.substr(device ? 0 : kWhiteout.size());
            auto found = root.link_stat(form == LayerForm::Plain ? path.parent() / concat(kWhiteout, hidden.name()) : hidden);
            if (!found) differences[*clean] = "whiteout is missing";
            continue;
        }
        differences.erase(*clean);
        auto found = root.link_stat(path);
        std::string text = found ? TRY(difference(tar, *entry, root, path, *found)) : "is missing";
        if (!text.empty()) differences[*clean] = std::move(text);
    }
    if (differences.empty()) return std::string();
    return concat(differences.begin()->first, ": ", differences.begin()->second);
}

}  // namespace proa::store
