#include "build/copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "codec/compression.h"
#include "codec/tar.h"
#include "os/copy_tree.h"
#include "store/unpack.h"

namespace proa::build {

namespace {
using os::PathInRoot;
using os::RootDirectory;

std::string base_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class Copier {
public:
    Copier(const CopyWork& work, const RootDirectory& target) : work_(work), target_(target) {}

    Result<void> run() {
        std::string destination = work_.destination;
        bool into = destination.ends_with('/');
        if (auto st = target_.stat(PathInRoot(destination)); st && S_ISDIR(st->st_mode)) into = true;
        for (auto& part : work_.parts)
            for (auto& item : part.items) TRY(copy_item(part, item, destination, into));
        return {};
    }

    Result<void> make_destination() {
        TRY(make_directories(work_.destination));
        return {};
    }

private:
    Result<void> copy_item(const CopyWork::Part& part, const SourceItem& item, const std::string& destination, bool into) {
        std::string directory = destination;
        if (!item.kept_path.empty()) directory = concat(destination, '/', item.kept_path);
        if (item.keep_name) into = true;  // with --parents the destination is a directory
        if (!item.directory && part.unpack && is_archive(*part.root, item.path)) return unpack(part, item, directory);
        os::TreeCopier copier(options_for(part, item));
        if (item.directory) {
            std::string place = item.keep_name ? concat(directory, '/', base_of(item.path)) : directory;
            os::Fd from = TRY(part.root->open(PathInRoot("/" + item.path), O_RDONLY | O_DIRECTORY));
            os::Fd to = TRY(make_directories(place));
            os::Fd writable = TRY(os::reopen(to.get(), O_RDONLY | O_DIRECTORY));
            return copier.copy_content(from.get(), writable.get());
        }
        std::string name = part.as_name.empty() ? base_of(item.path) : part.as_name;
        std::string place = into ? concat(directory, '/', name) : directory;
        return copy_file(copier, part, item, place);
    }

    Result<void> copy_file(os::TreeCopier& copier, const CopyWork::Part& part, const SourceItem& item, const std::string& place) {
        PathInRoot path(place);
        std::string name(path.name());
        os::Fd parent = TRY(make_directories(path.parent().text()));
        os::Fd to = TRY(os::reopen(parent.get(), O_RDONLY | O_DIRECTORY));
        struct stat old;
        if (::fstatat(to.get(), name.c_str(), &old, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(old.st_mode))
            return fail(ErrorKind::Conflict, concat("cannot copy to directory: ", place));
        // A link that was named as source is followed: its target is copied under the link's name.
        os::Fd entry;
        if (auto followed = part.root->open_path(PathInRoot("/" + item.path))) entry = std::move(*followed);
        auto real = TRY(part.root->open_parent(PathInRoot("/" + item.path)));
        struct stat st;
        bool link = ::fstatat(real.directory.get(), real.name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
        if (link && entry) {
            std::string target = TRY(part.root->read_link(PathInRoot("/" + item.path)));
            std::string next = target.starts_with('/') ? target : concat(PathInRoot("/" + item.path).parent().text(), '/', target);
            SourceItem followed = item;
            followed.path = next;
            if (++links_ > 40) return fail(ErrorKind::InvalidArgument, concat("too many symbolic links at ", item.path));
            return copy_file(copier, part, followed, place);
        }
        os::Fd from = TRY(os::reopen(real.directory.get(), O_RDONLY | O_DIRECTORY));
        return copier.copy(from.get(), real.name, to.get(), name);
    }

    Result<void> unpack(const CopyWork::Part& part, const SourceItem& item, const std::string& directory) {
        os::Fd file = TRY(part.root->open_regular(PathInRoot("/" + item.path)));
        codec::FdSource raw(file.get());
        auto plain = TRY(codec::decompress_detected(raw));
        os::Fd made = TRY(make_directories(directory));
        RootDirectory place(TRY(os::reopen(made.get(), O_RDONLY | O_DIRECTORY)));
        auto unpacked = store::unpack_archive(*plain, place);
        if (!unpacked) return fail(std::move(unpacked).error().wrap(concat("unpack ", item.path)));
        return {};
    }

    /// mkdir -p with Docker's attributes; existing directories stay as they are.
    Result<os::Fd> make_directories(const std::string& path) {
        std::string at;
        for (auto& part : split_nonempty(path, '/')) {
            if (part == ".") continue;
            at = concat(at, '/', part);
            auto st = target_.stat(PathInRoot(at));
            if (st && S_ISDIR(st->st_mode)) continue;
            if (st) return fail(ErrorKind::Conflict, concat("cannot copy to non-directory: ", at));
            os::Fd made = TRY(target_.make_directories(PathInRoot(at), 0755));
            std::string through = concat("/proc/self/fd/", made.get());
            if (::chmod(through.c_str(), 0755) < 0) return fail_errno("chmod", at);
            if (work_.owner && ::chown(through.c_str(), work_.owner->uid, work_.owner->gid) < 0) return fail_errno("chown", at);
            if (work_.latest_seconds) {
                timespec times[2] = {{static_cast<time_t>(*work_.latest_seconds), 0}, {static_cast<time_t>(*work_.latest_seconds), 0}};
                (void)::utimensat(AT_FDCWD, through.c_str(), times, 0);
            }
        }
        return target_.open_path(PathInRoot(path.empty() ? "/" : path));
    }

    os::CopyOptions options_for(const CopyWork::Part& part, const SourceItem& item) const {
        os::CopyOptions options;
        if (work_.owner) options.owner = std::pair(work_.owner->uid, work_.owner->gid);
        if (work_.mode) options.mode = [mode = *work_.mode](mode_t old, bool directory) { return mode.apply(old, directory); };
        options.latest_seconds = work_.latest_seconds;
        options.attributes = part.attributes;
        if (!work_.excludes.empty() || part.hidden)
            options.skip = [this, &part, &item](const std::string& path, bool directory) {
                std::string full = item.path.empty() ? path : concat(item.path, '/', path);
                if (part.hidden && part.hidden(full, directory)) return true;
                bool excluded = work_.excludes.excludes(path) || work_.excludes.excludes(full);
                return excluded && !(directory && work_.excludes.may_include_below(path));
            };
        return options;
    }

    const CopyWork& work_;
    const RootDirectory& target_;
    int links_ = 0;
};
}  // namespace

bool is_archive(const RootDirectory& root, const std::string& path) {
    auto file = root.open_regular(PathInRoot("/" + path));
    if (!file) return false;
    codec::FdSource raw(file->get());
    auto plain = codec::decompress_detected(raw);
    if (!plain) return false;
    codec::TarReader reader(**plain);
    auto first = reader.next();
    return first && *first;
}

Result<void> make_destination(const CopyWork& work, const RootDirectory& target) { return Copier(work, target).make_destination(); }

Result<void> copy_files(const CopyWork& work, const RootDirectory& target) { return Copier(work, target).run(); }

}  // namespace proa::build
