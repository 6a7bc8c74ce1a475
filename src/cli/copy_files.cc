#include "cli/copy_files.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>

#include "base/text.h"
#include "cli/command.h"
#include "cli/file_transfer.h"
#include "client/containers.h"
#include "codec/tar.h"
#include "os/file.h"
#include "os/path_in_root.h"

namespace proa::cli {

namespace {
constexpr int64_t kGoDirectory = int64_t(1) << 31, kGoSymlink = int64_t(1) << 27;

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }
bool names_contents(std::string_view path) { return path.ends_with("/.") || path == "."; }
bool asserts_directory(std::string_view path) { return path.ends_with('/') || names_contents(path); }

/// As filepath.Abs, but a trailing "/" or "/." stays: it means something to cp.
std::string absolute(std::string_view path) {
    std::string base = "/";
    if (char here[4096]; !path.starts_with('/') && ::getcwd(here, sizeof here)) base = here;
    std::string clean = os::join_path(path.starts_with('/') ? "/" : base, path);
    if (clean == "/") return clean;
    if (names_contents(path)) return clean + "/.";
    return path.ends_with('/') ? clean + "/" : clean;
}

std::string without_tail(std::string_view path) {
    path = trim_suffix(path, "/.");
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return path.empty() ? "/" : std::string(path);
}

client::Call archive_call(std::string method, const std::string& container, const std::string& path) {
    return {.method = std::move(method), .path = client::container_path(container, "archive"), .query = {{"path", path}}};
}

struct ContainerStat {
    CopyEnd end;
    bool symlink = false;
    std::string link_target;
};

Result<ContainerStat> stat_in_container(client::Client& engine, const std::string& container, const std::string& path) {
    auto head = TRY(engine.head(archive_call("HEAD", container, path)));
    auto text = from_base64(head.header("X-Docker-Container-Path-Stat"));
    if (!text) return fail(ErrorKind::Internal, "unable to decode container path stat header");
    json::Value stat = TRY(json::parse(*text));
    int64_t mode = stat["mode"].as_int();
    return ContainerStat{{path, true, (mode & kGoDirectory) != 0}, (mode & kGoSymlink) != 0, stat["linkTarget"].as_string()};
}

/// Writes one archive's entries below a directory of the host, following no link that the archive could have planted.
class Extractor {
public:
    Extractor(os::RootDirectory root, std::optional<std::string> new_name, bool keep_owner)
        : root_(std::move(root)), new_name_(std::move(new_name)), keep_owner_(keep_owner) {}

    Result<void> run(codec::TarReader& reader) {
        while (auto entry = TRY(reader.next())) TRY(extract(reader, *entry));
        for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) TRY(set_attributes(it->first, it->second));
        return reader.drain();
    }

private:
    Result<void> extract(codec::TarReader& reader, const codec::TarEntry& entry) {
        auto name = codec::clean_entry_name(renamed_entry(entry.name, new_name_));
        if (!name) return invalid(concat("refusing archive entry outside the destination: ", quote(entry.name)));
        if (name->empty()) return {};
        os::PathInRoot path(*name);
        auto existing = root_.link_stat(path);
        bool is_directory = existing && S_ISDIR(existing->st_mode);
        if (entry.type == codec::TarType::Directory) {
            if (existing && !is_directory) return invalid(concat("cannot overwrite non-directory ", quote(*name), " with directory"));
            if (!existing) TRY(root_.make_directory(path, 0700));
            directories_.emplace_back(path, entry);
            return {};
        }
        if (is_directory) return invalid(concat("cannot overwrite directory ", quote(*name), " with non-directory"));
        if (existing) TRY(root_.remove(path));
        if (entry.type == codec::TarType::Regular) return file(reader, entry, path);
        if (entry.type == codec::TarType::Symlink) {
            TRY(root_.make_symlink(entry.link_name, path));
        } else if (entry.type == codec::TarType::HardLink) {
            auto target = codec::clean_entry_name(renamed_entry(entry.link_name, new_name_));
            if (!target) return invalid(concat("refusing archive link outside the destination: ", quote(entry.link_name)));
            return root_.make_link(os::PathInRoot(*target), path);
        } else {
            mode_t type = entry.type == codec::TarType::Fifo ? S_IFIFO : entry.type == codec::TarType::CharDevice ? S_IFCHR : S_IFBLK;
            TRY(root_.make_node(path, type | 0600, makedev(entry.device_major, entry.device_minor)));
        }
        return set_attributes(path, entry);
    }

    Result<void> file(codec::TarReader& reader, const codec::TarEntry& entry, const os::PathInRoot& path) {
        os::Fd fd = TRY(root_.open(path, O_CREAT | O_EXCL | O_WRONLY, 0600));
        size_t segment = 0;
        uint64_t within = 0;
        for (;;) {
            std::string_view data = TRY(reader.stored());
            if (data.empty()) break;
            while (!data.empty()) {
                size_t take = data.size();
                if (entry.sparse) {
                    while (segment < entry.segments.size() && within == entry.segments[segment].length) segment++, within = 0;
                    if (segment == entry.segments.size()) return invalid("archive/tar: sparse file with too many bytes");
                    take = static_cast<size_t>(std::min<uint64_t>(take, entry.segments[segment].length - within));
                    if (::lseek(fd.get(), static_cast<off_t>(entry.segments[segment].offset + within), SEEK_SET) < 0) return fail_errno("lseek", path.text());
                    within += take;
                }
                TRY(os::write_all(fd.get(), data.substr(0, take)));
                data.remove_prefix(take);
            }
        }
        if (entry.sparse && ::ftruncate(fd.get(), static_cast<off_t>(entry.size)) < 0) return fail_errno("ftruncate", path.text());
        return set_attributes(path, entry);
    }

    Result<void> set_attributes(const os::PathInRoot& path, const codec::TarEntry& entry) {
        os::Parent parent = TRY(root_.open_parent(path));
        const char* name = parent.name.c_str();
        if (keep_owner_ && ::fchownat(parent.directory.get(), name, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), AT_SYMLINK_NOFOLLOW) < 0)
            return fail_errno("lchown", path.text());
        if (entry.type != codec::TarType::Symlink && ::fchmodat(parent.directory.get(), name, entry.mode & 07777, 0) < 0) return fail_errno("chmod", path.text());
        timespec times[2] = {{entry.modified.seconds, entry.modified.nanoseconds}, {entry.modified.seconds, entry.modified.nanoseconds}};
        if (::utimensat(parent.directory.get(), name, times, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("utimensat", path.text());
        return {};
    }

    os::RootDirectory root_;
    std::optional<std::string> new_name_;
    bool keep_owner_;
    std::vector<std::pair<os::PathInRoot, codec::TarEntry>> directories_;  ///< their times and modes come last
};

/// Packs a tree of the host.
class Packer {
public:
    explicit Packer(codec::TarWriter& writer) : writer_(writer) {}

    Result<void> add(const std::string& path, const std::string& name, bool follow) {
        struct stat found = TRY(follow ? os::status(path) : os::link_status(path));
        codec::TarEntry entry;
        entry.name = name;
        entry.mode = found.st_mode & 07777;
        entry.uid = found.st_uid;
        entry.gid = found.st_gid;
        entry.modified = {found.st_mtim.tv_sec, static_cast<int32_t>(found.st_mtim.tv_nsec)};
        if (S_ISDIR(found.st_mode)) return directory(path, name, std::move(entry));
        if (S_ISREG(found.st_mode)) return file(path, static_cast<uint64_t>(found.st_size), std::move(entry));
        if (S_ISSOCK(found.st_mode)) return {};  // has no meaning in an archive
        if (S_ISLNK(found.st_mode)) {
            entry.type = codec::TarType::Symlink;
            entry.link_name = TRY(os::read_link(path));
        } else {
            entry.type = S_ISFIFO(found.st_mode) ? codec::TarType::Fifo : S_ISCHR(found.st_mode) ? codec::TarType::CharDevice : codec::TarType::BlockDevice;
            entry.device_major = major(found.st_rdev);
            entry.device_minor = minor(found.st_rdev);
        }
        return writer_.begin(entry);
    }

private:
    Result<void> directory(const std::string& path, const std::string& name, codec::TarEntry entry) {
        entry.type = codec::TarType::Directory;
        if (name != ".") TRY(writer_.begin(entry));
        for (auto& child : TRY(os::list_directory(path))) TRY(add(concat(path, '/', child), name == "." ? child : concat(name, '/', child), false));
        return {};
    }

    /// A file that grows or shrinks meanwhile keeps its announced size.
    Result<void> file(const std::string& path, uint64_t size, codec::TarEntry entry) {
        os::Fd fd = TRY(os::open_file(path, O_RDONLY | O_NONBLOCK));
        entry.size = size;
        TRY(writer_.begin(entry));
        std::string buffer(256 << 10, '\0');
        while (size > 0) {
            size_t got = TRY(os::read_some(fd.get(), std::span(buffer.data(), static_cast<size_t>(std::min<uint64_t>(size, buffer.size())))));
            if (got == 0) return fail(ErrorKind::Internal, concat(path, ": file became shorter while it was copied"));
            TRY(writer_.write(std::string_view(buffer).substr(0, got)));
            size -= got;
        }
        return {};
    }

    codec::TarWriter& writer_;
};
}  // namespace

std::string renamed_entry(std::string_view name, const std::optional<std::string>& new_name) {
    if (!new_name) return std::string(name);
    size_t slash = name.find('/');
    return *new_name + (slash == name.npos ? "" : std::string(name.substr(slash)));
}

Result<CopyPlan> plan_copy(const CopyEnd& source, const CopyEnd& destination) {
    std::string target = without_tail(destination.path);
    if (destination.exists && destination.directory) return CopyPlan{target, std::nullopt};
    if (destination.exists && source.directory) return invalid("cannot copy directory");
    if (!destination.exists && !source.directory && asserts_directory(destination.path)) return invalid("no such directory");
    std::string parent = os::directory_of(target);
    return CopyPlan{parent.empty() ? "/" : parent, os::base_name(target)};
}

Result<void> copy_from_container(client::Client& engine, const std::string& container, const std::string& source_path, const std::string& destination_path,
                                 const CopyOptions& options) {
    std::string source = source_path.starts_with('/') ? source_path : "/" + source_path;
    if (destination_path == "-") {
        auto answer = TRY(engine.stream(archive_call("GET", container, source)));
        return receive_file(answer, "");
    }
    CopyEnd destination{absolute(destination_path), false, false};
    if (auto found = os::status(without_tail(destination.path))) {
        destination.exists = true;
        destination.directory = S_ISDIR(found->st_mode);
    }
    std::string parent = os::directory_of(without_tail(destination.path));
    if (!destination.exists && !os::is_directory(parent)) return invalid(concat("invalid output path: directory ", quote(parent), " does not exist"));
    std::optional<std::string> link_name;
    if (options.follow_link) {
        auto stat = TRY(stat_in_container(engine, container, source));
        if (stat.symlink) {
            link_name = os::base_name(without_tail(source));
            source = stat.link_target.starts_with('/') ? stat.link_target : os::join_path(os::directory_of(without_tail(source)), stat.link_target);
        }
    }
    client::Call call = archive_call("GET", container, source);
    auto connection = TRY(engine.begin(call));
    auto head = TRY(engine.finish(connection, call));
    auto stat_text = from_base64(head.header("X-Docker-Container-Path-Stat"));
    json::Value stat = stat_text ? json::parse(*stat_text).value_or(json::Value()) : json::Value();
    CopyPlan plan = TRY(plan_copy({source, true, (stat["mode"].as_int() & kGoDirectory) != 0}, destination));
    if (!plan.new_name && link_name) plan.new_name = link_name;
    std::string buffer(256 << 10, '\0');
    codec::FunctionSource body([&]() -> Result<std::string_view> { return std::string_view(buffer).substr(0, TRY(connection.read(buffer))); });
    codec::TarReader reader(body);
    auto root = TRY(os::RootDirectory::at(plan.directory, os::Scope::NoLinks));
    return Extractor(std::move(root), plan.new_name, options.archive).run(reader);
}

Result<void> copy_to_container(client::Client& engine, const std::string& source_path, const std::string& container, const std::string& destination_path,
                               const CopyOptions& options) {
    CopyEnd destination{destination_path.starts_with('/') ? destination_path : "/" + destination_path, false, false};
    auto stat = stat_in_container(engine, container, destination.path);
    if (stat && stat->symlink) {
        std::string target = stat->link_target.starts_with('/') ? stat->link_target : os::join_path(os::directory_of(destination.path), stat->link_target);
        destination.path = target;
        stat = stat_in_container(engine, container, target);
    }
    if (!stat && !stat.error().is(ErrorKind::NotFound)) return fail(stat.error());
    if (stat) destination = stat->end;
    client::Call call{.method = "PUT", .path = client::container_path(container, "archive"), .chunked = true, .content_type = "application/x-tar"};
    call.query.emplace_back("noOverwriteDirNonDir", "true");
    if (options.archive) call.query.emplace_back("copyUIDGID", "true");
    if (source_path == "-") {
        if (!destination.directory) return invalid(concat("destination ", quote(concat(container, ':', destination_path)), " must be a directory"));
        call.query.emplace_back("path", destination.path);
        TRY(send_file(engine, call, STDIN_FILENO));
        return {};
    }
    CopyEnd source{absolute(source_path), true, false};
    std::string local = without_tail(source.path);
    bool follow = options.follow_link || asserts_directory(source.path);
    auto found = follow ? os::status(local) : os::link_status(local);
    if (!found) return fail(found.error().kind(), concat("lstat ", local, ": ", found.error().is(ErrorKind::NotFound) ? "no such file or directory" : found.error().message()));
    source.directory = S_ISDIR(found->st_mode);
    CopyPlan plan = TRY(plan_copy(source, destination));
    call.query.emplace_back("path", plan.directory);
    std::string name = plan.new_name ? *plan.new_name : names_contents(source.path) ? "." : os::base_name(local);
    auto connection = TRY(engine.begin(call));
    bool answered = false;
    codec::FunctionSink sink([&](std::string_view bytes) -> Result<void> {
        auto early = os::wait_readable(connection.fd(), 0);  // an answer before the end is a refusal
        answered = answered || (early && *early);
        if (answered) return fail(ErrorKind::Cancelled, "the engine answered early");
        return connection.send_chunk(bytes);
    });
    codec::TarWriter writer(sink);
    auto packed = Packer(writer).add(local, name.empty() ? "." : name, follow);
    if (packed) packed = writer.finish();
    if (!packed && !answered && packed.error().number() != EPIPE) return fail(packed.error());
    if (packed) (void)connection.end_chunks();
    TRY(engine.finish(connection, call));
    return {};
}

Result<void> unpack_files(client::Connection& answer, const std::string& directory) {
    TRY(os::make_directories(directory, 0755));
    std::string buffer(256 << 10, '\0');
    codec::FunctionSource body([&]() -> Result<std::string_view> { return std::string_view(buffer).substr(0, TRY(answer.read(buffer))); });
    codec::TarReader reader(body);
    return Extractor(TRY(os::RootDirectory::at(directory, os::Scope::NoLinks)), std::nullopt, false).run(reader);
}

}  // namespace proa::cli
