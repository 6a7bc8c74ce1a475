#include "codec/tar_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "base/text.h"
#include "os/directory.h"
#include "os/path_in_root.h"

namespace proa::codec {

namespace {
constexpr int kDepthMax = 1000;

bool is_gone(const Error& error) { return error.number() == ENOENT || error.number() == ENOTDIR || error.number() == ELOOP || error.number() == ESTALE; }

bool is_whiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }

std::optional<TarType> type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG: return TarType::Regular;
        case S_IFDIR: return TarType::Directory;
        case S_IFLNK: return TarType::Symlink;
        case S_IFIFO: return TarType::Fifo;
        case S_IFCHR: return TarType::CharDevice;
        case S_IFBLK: return TarType::BlockDevice;
        default: return std::nullopt;  // sockets live with their process
    }
}

TarEntry make_entry(const std::string& name, TarType type, const struct stat& st) {
    TarEntry entry;
    entry.type = type;
    entry.name = name;
    entry.mode = st.st_mode & 07777;
    entry.uid = st.st_uid;
    entry.gid = st.st_gid;
    entry.modified = {st.st_mtim.tv_sec, static_cast<int32_t>(st.st_mtim.tv_nsec)};
    if (type == TarType::Regular) entry.size = static_cast<uint64_t>(st.st_size);
    if (type == TarType::CharDevice || type == TarType::BlockDevice) {
        entry.device_major = major(st.st_rdev);
        entry.device_minor = minor(st.st_rdev);
    }
    return entry;
}

/// overlayfs' own records and this host's labels do not belong into an image.
bool is_of_this_host(std::string_view name) { return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name == "security.selinux"; }
}  // namespace

Result<void> TarTreeWriter::add(int directory, const std::string& name, const std::string& archive_name) { return add(directory, name, archive_name, 0); }
Result<void> TarTreeWriter::add_contents(int directory, const std::string& prefix) {
    if (form_ == Form::Layer && TRY(os::read_attribute(directory, "trusted.overlay.opaque")) == "y")
        TRY(add_empty(prefix + ".wh..wh..opq", TRY(os::descriptor_status(directory))));
    return add_contents(directory, prefix, 0);
}

Result<void> TarTreeWriter::add_contents(int directory, const std::string& prefix, int depth) {
    if (depth > kDepthMax) return fail(ErrorKind::InvalidArgument, concat("archive: ", prefix, " is more than ", kDepthMax, " directories deep"));
    for (auto& name : TRY(os::list_entries(directory))) TRY(add(directory, name, prefix + name, depth));
    return {};
}

/// The descriptor comes first and everything is said of it: what stands at the name may be another thing a moment later.
Result<void> TarTreeWriter::add(int directory, const std::string& name, const std::string& archive_name, int depth) {
    auto handle = os::open_entry(directory, name, O_PATH);
    if (!handle) return is_gone(handle.error()) ? Result<void>() : fail(std::move(handle).error());
    struct stat st = TRY(os::descriptor_status(handle->get()));
    if (form_ == Form::Layer && is_whiteout(st)) {
        size_t slash = archive_name.rfind('/') + 1;  // 0 when there is none
        return add_empty(concat(archive_name.substr(0, slash), ".wh.", archive_name.substr(slash)), st);
    }
    auto type = type_of(st.st_mode);
    if (!type) return {};
    TarEntry entry = make_entry(archive_name, *type, st);
    if (is_known_link(entry, st)) return out_.begin(entry);
    TRY(read_attributes(handle->get(), entry));
    if (*type == TarType::Symlink) entry.link_name = TRY(os::read_entry_link(handle->get(), ""));
    if (*type == TarType::Regular) return add_file(TRY(os::reopen(handle->get(), O_RDONLY | O_NONBLOCK)).get(), entry);
    TRY(out_.begin(entry));
    if (*type != TarType::Directory) return {};
    std::string prefix = archive_name.ends_with('/') ? archive_name : archive_name + "/";
    if (form_ == Form::Layer && TRY(os::read_attribute(handle->get(), "trusted.overlay.opaque")) == "y") TRY(add_empty(prefix + ".wh..wh..opq", st));
    return add_contents(handle->get(), prefix, depth + 1);
}

bool TarTreeWriter::is_known_link(TarEntry& entry, const struct stat& st) {
    if (S_ISDIR(st.st_mode) || st.st_nlink < 2) return false;
    auto [first, is_new] = inodes_.try_emplace({st.st_dev, st.st_ino}, entry.name);
    if (is_new) return false;
    entry.type = TarType::HardLink;
    entry.link_name = first->second;
    entry.size = 0;
    return true;
}

Result<void> TarTreeWriter::read_attributes(int fd, TarEntry& entry) const {
    if (form_ == Form::Files) {
        if (entry.type != TarType::Regular) return {};
        if (auto value = TRY(os::read_attribute(fd, "security.capability"))) entry.xattrs.emplace_back("security.capability", std::move(*value));
        return {};
    }
    for (auto& name : TRY(os::attribute_names(fd))) {
        if (is_of_this_host(name)) continue;
        if (auto value = TRY(os::read_attribute(fd, name))) entry.xattrs.emplace_back(name, std::move(*value));
    }
    return {};
}

Result<void> TarTreeWriter::add_empty(const std::string& name, const struct stat& st) {
    TarEntry entry;
    entry.name = name;
    entry.mode = 0600;
    entry.modified = {st.st_mtim.tv_sec, static_cast<int32_t>(st.st_mtim.tv_nsec)};
    return out_.begin(entry);
}

Result<void> TarTreeWriter::add_file(int file, TarEntry& entry) {
    bytes_ += entry.size;
    TRY(out_.begin(entry));
    FileRangeSource content(file, 0, entry.size);
    uint64_t left = entry.size;
    while (left > 0) {
        std::string_view piece = TRY(content.pull());
        if (piece.empty()) break;
        TRY(out_.write(piece));
        left -= piece.size();
    }
    static constexpr char kZeros[16384] = {};
    for (; left > 0; left -= std::min<uint64_t>(left, sizeof kZeros)) TRY(out_.write(std::string_view(kZeros, std::min<uint64_t>(left, sizeof kZeros))));
    return {};
}

}  // namespace proa::codec
