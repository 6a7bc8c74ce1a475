#include "engine/build_downloads.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/text.h"
#include "codec/digest.h"
#include "os/command.h"
#include "os/file.h"
#include "os/path_in_root.h"

namespace proa::engine {

namespace {
bool is_http(std::string_view text) { return text.starts_with("http://") || text.starts_with("https://"); }

/// Characters that a git reference may have, and no option: git check-ref-format(1).
bool is_safe_ref(std::string_view ref) {
    if (ref.empty() || ref.starts_with('-') || ref.find("..") != ref.npos || ref.ends_with('/') || ref.ends_with(".lock")) return false;
    for (char c : ref)
        if (static_cast<unsigned char>(c) <= ' ' || c == 127 || std::string_view("~^:?*[\\").find(c) != std::string_view::npos) return false;
    return true;
}

Result<std::string> run_git(const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {"/usr/bin/env",
                                      "-i",
                                      "PATH=/usr/bin:/bin",
                                      "HOME=/nonexistent",
                                      "GIT_CONFIG_NOSYSTEM=1",
                                      "GIT_CONFIG_GLOBAL=/dev/null",
                                      "GIT_TERMINAL_PROMPT=0",
                                      "GIT_ALLOW_PROTOCOL=https:http:git:ssh",
                                      "LC_ALL=C",
                                      "/usr/bin/git",
                                      "-c",
                                      "core.hooksPath=/dev/null",
                                      "-c",
                                      "protocol.file.allow=never",
                                      "-c",
                                      "protocol.ext.allow=never",
                                      "-c",
                                      "safe.directory=*"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    auto done = TRY(os::run_command(words));
    if (done.exit_code != 0) return fail(ErrorKind::Internal, concat("git ", arguments[arguments.front() == "-C" ? 2 : 0], ": ", trim(done.error.empty() ? done.output : done.error)));
    return done.output;
}

/// Takes away `.git` of the tree, and the files of that name in its submodules.
Result<void> remove_git_directories(const std::string& directory, int depth) {
    TRY(os::remove_tree(directory + "/.git"));
    if (depth > 100) return {};
    for (auto& name : TRY(os::list_directory(directory)))
        if (auto st = os::link_status(concat(directory, '/', name)); st && S_ISDIR(st->st_mode))
            TRY(remove_git_directories(concat(directory, '/', name), depth + 1));
    return {};
}

Result<Fetched> fetch_git(const std::string& text, const std::string& into, const FetchOptions& options) {
    if (!os::exists("/usr/bin/git")) return fail(ErrorKind::Unsupported, concat("unable to prepare context from ", text, ": the program git is not installed"));
    GitSource source = TRY(parse_git_source(text));
    std::string tree = into + "/tree";
    TRY(run_git({"init", "--quiet", tree}));
    TRY(run_git({"-C", tree, "remote", "add", "--", "origin", source.url}));
    std::string ref = source.ref.empty() ? "HEAD" : source.ref;
    bool commit = ref.size() == 40 && ref.find_first_not_of("0123456789abcdef") == std::string::npos;
    auto fetched = run_git({"-C", tree, "fetch", "--quiet", "--depth", "1", "--recurse-submodules=no", "--", "origin", ref});
    if (!fetched && commit) fetched = run_git({"-C", tree, "fetch", "--quiet", "--recurse-submodules=no", "--", "origin"});
    if (!fetched) return fail(std::move(fetched).error());
    TRY(run_git({"-C", tree, "checkout", "--quiet", "--detach", commit ? ref : "FETCH_HEAD"}));
    if (os::exists(tree + "/.gitmodules")) TRY(run_git({"-C", tree, "submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1"}));
    if (!options.keep_git_dir) TRY(remove_git_directories(tree, 0));
    Fetched result;
    result.directory = tree;
    if (!source.subdirectory.empty()) {
        auto root = TRY(os::RootDirectory::at(tree, os::Scope::Beneath));
        auto below = root.open(os::PathInRoot(source.subdirectory), O_PATH | O_DIRECTORY);
        if (!below) return fail(ErrorKind::InvalidArgument, concat("git subdirectory ", source.subdirectory, " is not in ", source.url));
        result.directory = TRY(os::read_link(concat("/proc/self/fd/", below->get())));
    }
    return result;
}
}  // namespace

bool is_git_source(const std::string& text) {
    if (text.starts_with("git://") || text.starts_with("git@") || text.starts_with("ssh://") || text.starts_with("github.com/")) return true;
    if (!is_http(text)) return false;
    std::string_view address = std::string_view(text).substr(0, text.find('#'));
    return address.ends_with(".git");
}

bool is_remote_source(const std::string& text) { return is_http(text) || is_git_source(text); }

Result<GitSource> parse_git_source(const std::string& text) {
    GitSource source;
    auto parts = cut(text, "#");
    source.url = parts ? std::string(parts->first) : text;
    if (source.url.starts_with("github.com/")) source.url = "https://" + source.url;
    if (parts) {
        auto more = cut(parts->second, ":");
        source.ref = more ? more->first : parts->second;
        if (more) source.subdirectory = more->second;
    }
    if (!source.ref.empty() && !is_safe_ref(source.ref)) return fail(ErrorKind::InvalidArgument, concat("invalid refspec: ", quote(source.ref)));
    if (source.url.starts_with('-')) return fail(ErrorKind::InvalidArgument, concat("invalid git URL ", quote(source.url)));
    return source;
}

Result<Fetched> fetch_source(Parts& parts, const std::string& source, const std::string& into, const FetchOptions& options) {
    return is_git_source(source) ? fetch_git(source, into, options) : fetch_url(parts, source, into, options);
}

}  // namespace proa::engine
