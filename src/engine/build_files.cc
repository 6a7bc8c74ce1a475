#include "engine/build_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/text.h"
#include "codec/compression.h"
#include "engine/build_downloads.h"
#include "os/file.h"
#include "store/unpack.h"

namespace proa::engine {

namespace {
Result<std::string> read_dockerfile(const os::RootDirectory& root, const std::string& asked) {
    std::string name = asked.empty() ? "Dockerfile" : asked;
    std::string clean = os::clean_path(name);
    if (clean == ".." || clean.starts_with("../")) return fail(ErrorKind::Internal, concat("Forbidden path outside the build context: ", name, " ()"));
    os::PathInRoot path("/" + std::string(trim_prefix(clean, "/")));
    if (asked.empty() && !root.exists(path).value_or(false) && root.exists(os::PathInRoot("/dockerfile")).value_or(false)) path = os::PathInRoot("/dockerfile");
    auto text = root.read_file(path, 16 << 20);
    if (!text && text.error().is(ErrorKind::NotFound)) return fail(ErrorKind::Internal, concat("Cannot locate specified Dockerfile: ", name));
    if (!text) return fail(std::move(text).error());
    if (text->empty()) return fail(ErrorKind::InvalidArgument, concat("the Dockerfile (", name, ") cannot be empty"));
    return text;
}

Result<void> remove_excluded(const os::RootDirectory& root, const std::string& directory, const dockerfile::IgnorePatterns& patterns, int depth) {
    if (depth > 1000) return fail(ErrorKind::InvalidArgument, "the build context is more than 1000 directories deep");
    os::Fd opened = TRY(root.open(os::PathInRoot("/" + directory), O_RDONLY | O_DIRECTORY));
    for (auto& name : TRY(os::list_directory(concat("/proc/self/fd/", opened.get())))) {
        std::string path = directory.empty() ? name : concat(directory, '/', name);
        auto st = TRY(root.link_stat(os::PathInRoot("/" + path)));
        bool excluded = patterns.excludes(path);
        if (excluded && !(S_ISDIR(st.st_mode) && patterns.may_include_below(path))) {
            TRY(os::remove_entry(opened.get(), name));
            continue;
        }
        if (!S_ISDIR(st.st_mode)) continue;
        TRY(remove_excluded(root, path, patterns, depth + 1));
        // An excluded directory stays only for what came back in below it.
        if (excluded && TRY(os::list_directory(concat("/proc/self/fd/", TRY(root.open(os::PathInRoot("/" + path), O_RDONLY | O_DIRECTORY)).get()))).empty())
            TRY(os::remove_entry(opened.get(), name));
    }
    return {};
}

/// The patterns of `<Dockerfile>.dockerignore`, else of `.dockerignore`; none without such a file.
Result<dockerfile::IgnorePatterns> read_ignore_file(const os::RootDirectory& root, const std::string& dockerfile) {
    std::string name = dockerfile.empty() ? "Dockerfile" : std::string(trim_prefix(os::clean_path(dockerfile), "/"));
    auto text = root.read_file(os::PathInRoot(concat('/', name, ".dockerignore")), 16 << 20);
    if (!text) text = root.read_file(os::PathInRoot("/.dockerignore"), 16 << 20);
    if (!text) return dockerfile::IgnorePatterns();
    return TRY_WRAP("error reading .dockerignore", dockerfile::IgnorePatterns::parse(*text));
}

/// Clients filter what they send, but for the Dockerfile and the ignore file, which they send always.
Result<void> apply_ignore_file(const os::RootDirectory& root, const std::string& dockerfile, bool whole) {
    auto patterns = TRY(read_ignore_file(root, dockerfile));
    if (patterns.empty()) return {};
    std::string name = dockerfile.empty() ? "Dockerfile" : std::string(trim_prefix(os::clean_path(dockerfile), "/"));
    if (whole) return remove_excluded(root, "", patterns, 0);
    for (auto& file : {name, std::string(".dockerignore")})
        if (patterns.excludes(file)) TRY(root.remove(os::PathInRoot("/" + file)));
    return {};
}

Result<void> unpack_context(codec::Source& body, const std::string& directory) {
    TRY(os::make_directory(directory, 0755));
    auto plain = TRY(codec::decompress_detected(body));
    auto root = TRY(os::RootDirectory::at(directory));
    TRY_WRAP("Error processing tar file", store::unpack_archive(*plain, root));
    return {};
}

/// What .dockerignore leaves out of a directory that is not filtered by copying. An excluded directory is there for what comes back below it.
class IgnoredPaths {
public:
    IgnoredPaths(os::RootDirectory root, dockerfile::IgnorePatterns patterns) : root_(std::move(root)), patterns_(std::move(patterns)) {}

    bool hides(const std::string& path, bool directory) {
        if (!patterns_.excludes(path)) return false;
        return !directory || !patterns_.may_include_below(path) || !shows_something(path, 0);
    }

private:
    bool shows_something(const std::string& directory, int depth) {
        auto opened = root_.open(os::PathInRoot("/" + directory), O_RDONLY | O_DIRECTORY);
        auto names = opened ? os::list_directory(concat("/proc/self/fd/", opened->get())) : Result<std::vector<std::string>>(std::vector<std::string>());
        for (auto& name : names.value_or(std::vector<std::string>())) {
            std::string path = concat(directory, '/', name);
            if (!patterns_.excludes(path)) return true;
            auto st = root_.link_stat(os::PathInRoot("/" + path));
            if (st && S_ISDIR(st->st_mode) && depth < 1000 && patterns_.may_include_below(path) && shows_something(path, depth + 1)) return true;
        }
        return false;
    }

    os::RootDirectory root_;
    dockerfile::IgnorePatterns patterns_;
};

/// The client's own directory: nothing is sent, nothing is copied.
Result<void> use_directory(const BuildRequest& request, BuildFiles& files) {
    auto st = os::status(request.directory);
    if (!request.directory.starts_with('/') || !st || !S_ISDIR(st->st_mode) || st->st_dev != request.directory_device || st->st_ino != request.directory_inode)
        return fail(ErrorKind::Conflict, concat("the build context ", request.directory, " is not the client's on this host"));
    files.directory = request.directory;
    files.in_place = true;
    auto root = TRY(os::RootDirectory::at(files.directory));
    files.dockerfile = TRY(read_dockerfile(root, request.dockerfile));
    auto patterns = TRY(read_ignore_file(root, request.dockerfile));
    if (!patterns.empty()) files.hidden = [paths = std::make_shared<IgnoredPaths>(std::move(root), std::move(patterns))](const std::string& path, bool directory) { return paths->hides(path, directory); };
    return {};
}

/// What --build-context named. Directories of the client came below places of their own in front of the context and leave it here.
Result<std::map<std::string, NamedContext>> read_named_contexts(Parts& parts, const BuildRequest& request, const std::string& sent, const std::string& scratch,
                                                                const BuildListener& listener) {
    std::map<std::string, NamedContext> contexts;
    if (!request.contexts.empty()) TRY(os::make_directory(scratch + "/named", 0755));
    for (auto& [name, value] : request.contexts) {
        NamedContext context;
        std::string place = concat(scratch, "/named/", contexts.size());
        auto wrong = [&](std::string_view why) { return fail(ErrorKind::InvalidArgument, concat("invalid build context ", name, "=", value, ": ", why)); };
        if (value.starts_with("docker-image://")) {
            context.image = value.substr(15);
        } else if (value.starts_with("directory:")) {
            std::string from = value.substr(10);
            if (from.empty() || from.starts_with("..") || from == "." || from.find('/') != from.npos) return wrong("it is no name");
            auto st = os::link_status(concat(sent, '/', from));
            if (!st || !S_ISDIR(st->st_mode)) return wrong("no such directory was sent");
            TRY(os::rename_path(concat(sent, '/', from), place));
            context.directory = place;
        } else if (is_remote_source(value)) {
            TRY(os::make_directory(place, 0755));
            auto fetched = TRY_WRAP(concat("build context ", name), fetch_source(parts, value, place, {false, "", listener.line, listener.cancelled}));
            context.directory = fetched.directory;
            if (!fetched.file.empty()) {
                auto root = TRY(os::RootDirectory::at(fetched.directory));
                if (!build::is_archive(root, fetched.file)) return wrong("it is no archive");
                os::Fd file = TRY(root.open_regular(os::PathInRoot("/" + fetched.file)));
                codec::FdSource source(file.get());
                context.directory = place + "/tree";
                TRY(unpack_context(source, context.directory));
            }
        } else {
            return wrong("its kind is not known");
        }
        contexts[context_name(name)] = std::move(context);
    }
    return contexts;
}
}  // namespace

Result<BuildFiles> read_build_files(Parts& parts, const BuildRequest& request, codec::Source& body, const std::string& scratch, const BuildListener& listener) {
    BuildFiles context;
    std::string place = scratch + "/context";
    bool sends_directories = std::any_of(request.contexts.begin(), request.contexts.end(), [](auto& one) { return one.second.starts_with("directory:"); });
    bool sends_context = request.remote.empty() && request.directory.empty();
    std::string sent = sends_context ? place : scratch + "/sent";
    if (!request.directory.empty()) TRY(use_directory(request, context));
    if (sends_context || sends_directories) TRY(unpack_context(body, sent));
    context.named = TRY(read_named_contexts(parts, request, sent, scratch, listener));
    if (!request.directory.empty()) return context;
    if (request.remote.empty()) {
        context.directory = place;
    } else {
        std::string download = scratch + "/download";
        TRY(os::make_directory(download, 0755));
        if (!is_remote_source(request.remote))
            return fail(ErrorKind::InvalidArgument, concat("unable to prepare context: ", quote(request.remote), " is no URL"));
        auto fetched = TRY_WRAP(concat("error downloading remote context ", request.remote),
                                fetch_source(parts, request.remote, download, {false, "", listener.line, listener.cancelled}));
        context.whole = true;
        if (fetched.file.empty()) {
            context.directory = fetched.directory;
        } else {
            auto root = TRY(os::RootDirectory::at(fetched.directory));
            if (fetched.plain_text || !build::is_archive(root, fetched.file)) {
                context.dockerfile = TRY(root.read_file(os::PathInRoot("/" + fetched.file), 16 << 20));
                return context;
            }
            os::Fd file = TRY(root.open_regular(os::PathInRoot("/" + fetched.file)));
            codec::FdSource source(file.get());
            TRY(unpack_context(source, place));
            context.directory = place;
        }
    }
    auto root = TRY(os::RootDirectory::at(context.directory));
    context.dockerfile = TRY(read_dockerfile(root, request.dockerfile));
    TRY(apply_ignore_file(root, request.dockerfile, context.whole));
    return context;
}

}  // namespace proa::engine
