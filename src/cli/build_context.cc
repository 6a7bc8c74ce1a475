#include "cli/build_context.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <map>

#include "base/id.h"
#include "base/text.h"
#include "codec/tar.h"
#include "dockerfile/ignore.h"
#include "os/file.h"

namespace proa::cli {

namespace {
Unexpected unprepared(std::string_view why) { return fail(ErrorKind::InvalidArgument, concat("unable to prepare context: ", why)); }

Result<std::string> real_path(const std::string& path) {
    char resolved[PATH_MAX];
    if (!::realpath(path.c_str(), resolved)) return fail_errno("realpath", path);
    return std::string(resolved);
}

class Packer {
public:
    /// `prefix` stands in front of all names.
    Packer(const BuildContext& context, dockerfile::IgnorePatterns patterns, std::string prefix, codec::Sink& out)
        : context_(context), patterns_(std::move(patterns)), prefix_(std::move(prefix)), writer_(out) {}

    Result<void> run() {
        TRY(walk("", 0));
        if (context_.has_outside) {
            codec::TarEntry entry;
            entry.name = context_.dockerfile;
            entry.mode = 0600;
            entry.size = context_.outside.size();
            TRY(writer_.add(entry, context_.outside));
        }
        return writer_.finish();
    }

    /// Between two entries of the directory `place`: the second one completes the last file's block.
    Result<void> run_below(const std::string& place) {
        codec::TarEntry entry;
        entry.name = place;
        entry.mode = 0755;
        entry.type = codec::TarType::Directory;
        TRY(writer_.begin(entry));
        TRY(walk("", 0));
        return writer_.begin(entry);
    }

private:
    /// The engine needs the Dockerfile and the ignore file whatever the patterns say; it takes them out again.
    bool is_always_sent(const std::string& path) const {
        if (context_.dockerfile.empty()) return false;
        return path == ".dockerignore" || path == context_.dockerfile || path == context_.dockerfile + ".dockerignore";
    }

    bool leads_to_dockerfile(const std::string& directory) const { return context_.dockerfile.starts_with(directory + "/"); }

    Result<void> walk(const std::string& directory, int depth) {
        if (depth > 1000) return fail(ErrorKind::InvalidArgument, concat(directory, " is more than 1000 directories deep"));
        std::string full = concat(context_.directory, '/', directory);
        auto names = os::list_directory(full);
        if (!names) return unprepared(concat("can't stat '", full, "': ", names.error().message()));
        for (auto& name : *names) {
            std::string path = directory.empty() ? name : concat(directory, '/', name);
            auto st = TRY(os::link_status(concat(context_.directory, '/', path)));
            bool is_directory = S_ISDIR(st.st_mode);
            bool excluded = patterns_.excludes(path) && !is_always_sent(path);
            if (excluded && !(is_directory && (patterns_.may_include_below(path) || leads_to_dockerfile(path)))) continue;
            if (excluded) {
                pending_.push_back({path, st});
                TRY(walk(path, depth + 1));
                if (!pending_.empty() && pending_.back().path == path) pending_.pop_back();
                continue;
            }
            for (auto& parent : std::exchange(pending_, {})) TRY(add(parent.path, parent.st));
            TRY(add(path, st));
            if (is_directory) TRY(walk(path, depth + 1));
        }
        return {};
    }

    Result<void> add(const std::string& path, const struct stat& st) {
        std::string full = concat(context_.directory, '/', path);
        codec::TarEntry entry;
        entry.name = prefix_ + path;
        entry.mode = st.st_mode & 07777;
        entry.modified = {st.st_mtim.tv_sec, 0};
        switch (st.st_mode & S_IFMT) {
            case S_IFREG: entry.type = codec::TarType::Regular; break;
            case S_IFDIR: entry.type = codec::TarType::Directory; break;
            case S_IFLNK: entry.type = codec::TarType::Symlink; break;
            case S_IFIFO: entry.type = codec::TarType::Fifo; break;
            case S_IFCHR: entry.type = codec::TarType::CharDevice; break;
            case S_IFBLK: entry.type = codec::TarType::BlockDevice; break;
            default: return {};  // sockets
        }
        if (S_ISREG(st.st_mode) && st.st_nlink > 1) {
            auto [first, is_new] = links_.try_emplace({st.st_dev, st.st_ino}, entry.name);
            if (!is_new) {
                entry.type = codec::TarType::HardLink;
                entry.link_name = first->second;
                return writer_.begin(entry);
            }
        }
        if (S_ISLNK(st.st_mode)) entry.link_name = TRY(os::read_link(full));
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
            entry.device_major = major(st.st_rdev);
            entry.device_minor = minor(st.st_rdev);
        }
        if (!S_ISREG(st.st_mode)) return writer_.begin(entry);
        auto file = os::open_file(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        if (!file) return unprepared(concat("no permission to read from '", full, "'"));
        entry.size = static_cast<uint64_t>(st.st_size);
        TRY(writer_.begin(entry));
        codec::FileRangeSource content(file->get(), 0, entry.size);
        uint64_t sent = 0;
        for (;;) {
            auto piece = TRY(content.pull());
            if (piece.empty()) break;
            sent += piece.size();
            TRY(writer_.write(piece));
        }
        if (sent < entry.size) return unprepared(concat("file '", full, "' changed while it was read"));
        return {};
    }

    struct Pending {
        std::string path;
        struct stat st;
    };
    const BuildContext& context_;
    dockerfile::IgnorePatterns patterns_;
    std::string prefix_;
    codec::TarWriter writer_;
    std::vector<Pending> pending_;
    std::map<std::pair<dev_t, ino_t>, std::string> links_;
};
}  // namespace

Result<BuildContext> open_build_context(const std::string& directory, const std::string& file) {
    BuildContext context;
    auto real = real_path(directory);
    if (!real) return unprepared(concat("path ", quote(directory), " not found"));
    if (!os::is_directory(*real)) return unprepared(concat("context must be a directory: ", directory));
    context.directory = *real;
    std::string path = file.empty() ? concat(*real, "/Dockerfile") : file;
    if (file.empty() && !os::exists(path) && os::exists(*real + "/dockerfile")) path = *real + "/dockerfile";
    auto found = real_path(path);
    if (!found) return unprepared(concat("unable to evaluate symlinks in Dockerfile path: lstat ", path, ": no such file or directory"));
    if (found->starts_with(*real == "/" ? "/" : *real + "/")) {
        // The name that was written, not what links lead to.
        context.dockerfile = std::string(trim_prefix(std::string_view(*found).substr(real->size()), "/"));
        return context;
    }
    return build_context_with(directory, TRY(os::read_file(*found, 16 << 20)));
}

Result<BuildContext> open_named_context(const std::string& directory) {
    auto real = real_path(directory);
    if (!real) return unprepared(concat("path ", quote(directory), " not found"));
    if (!os::is_directory(*real)) return unprepared(concat("context must be a directory: ", directory));
    BuildContext context;
    context.directory = *real;
    return context;
}

Result<BuildContext> build_context_with(const std::string& directory, std::string text) {
    BuildContext context;
    auto real = real_path(directory);
    if (!real) return unprepared(concat("path ", quote(directory), " not found"));
    context.directory = *real;
    context.dockerfile = concat(".dockerfile.", random_hex(10));
    context.outside = std::move(text);
    context.has_outside = true;
    return context;
}

Result<dockerfile::IgnorePatterns> read_ignore_file(const BuildContext& context) {
    Result<std::string> text = fail(ErrorKind::NotFound, "");
    if (!context.dockerfile.empty()) text = os::read_file(concat(context.directory, '/', context.dockerfile, ".dockerignore"), 16 << 20);
    if (!text) text = os::read_file(context.directory + "/.dockerignore", 16 << 20);
    if (!text) return dockerfile::IgnorePatterns();
    return TRY_WRAP("error checking context", dockerfile::IgnorePatterns::parse(*text));
}

Result<void> write_build_context(const BuildContext& context, codec::Sink& out) { return Packer(context, TRY(read_ignore_file(context)), "", out).run(); }

Result<void> write_context_below(const BuildContext& context, const std::string& place, codec::Sink& out) {
    return Packer(context, TRY(read_ignore_file(context)), place + "/", out).run_below(place);
}

namespace {
Result<void> list_below(const BuildContext& context, const dockerfile::IgnorePatterns& patterns, const std::string& directory,
                        std::vector<std::string>& files) {
    for (auto& name : TRY(os::list_directory(concat(context.directory, '/', directory)))) {
        std::string path = directory.empty() ? name : concat(directory, '/', name);
        bool is_directory = S_ISDIR(TRY(os::link_status(concat(context.directory, '/', path))).st_mode);
        bool excluded = patterns.excludes(path);
        if (!excluded && !is_directory) files.push_back(path);
        if (is_directory && (!excluded || patterns.may_include_below(path))) TRY(list_below(context, patterns, path, files));
    }
    return {};
}
}  // namespace

Result<std::vector<std::string>> list_build_context(const BuildContext& context) {
    std::vector<std::string> files;
    TRY(list_below(context, TRY(read_ignore_file(context)), "", files));
    return files;
}

Result<void> write_dockerfile_context(const std::string& text, codec::Sink& out) {
    codec::TarWriter writer(out);
    codec::TarEntry entry;
    entry.name = "Dockerfile";
    entry.mode = 0600;
    entry.size = text.size();
    TRY(writer.add(entry, text));
    return writer.finish();
}

bool looks_like_archive(std::string_view head) {
    for (std::string_view magic : {std::string_view("\x1f\x8b"), std::string_view("BZh"),
                                   std::string_view("\xfd"
                                                    "7zXZ\0",
                                                    6),
                                   std::string_view("\x28\xb5\x2f\xfd")})
        if (head.starts_with(magic)) return true;
    return is_plain_tar(head);
}

bool is_plain_tar(std::string_view head) { return head.size() >= 263 && head.substr(257, 5) == "ustar"; }

}  // namespace proa::cli
