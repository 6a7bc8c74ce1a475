#include "build/sources.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "os/file.h"

namespace proa::build {

namespace {
using os::PathInRoot;
using os::RootDirectory;

bool has_pattern(std::string_view text) { return text.find_first_of("*?[") != text.npos; }

/// Escapes gone: what a word without patterns names.
std::string literal(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\\' && i + 1 < text.size()) i++;
        out.push_back(text[i]);
    }
    return out;
}

std::string joined(const std::string& directory, const std::string& name) { return directory.empty() ? name : concat(directory, '/', name); }

std::string by_fd(int fd) { return concat("/proc/self/fd/", fd); }

Result<std::vector<std::string>> names_in(const RootDirectory& root, const std::string& directory) {
    os::Fd opened = TRY(root.open(PathInRoot("/" + directory), O_RDONLY | O_DIRECTORY));
    return os::list_directory(by_fd(opened.get()));
}

bool is_directory(const RootDirectory& root, const std::string& path) {
    auto st = root.stat(PathInRoot("/" + path));
    return st && S_ISDIR(st->st_mode);
}

class Matcher {
public:
    Matcher(const RootDirectory& root, bool recursive) : root_(root), recursive_(recursive) {}
    std::vector<std::string> found;

    Result<void> match(const std::string& directory, const std::vector<std::string>& components, size_t at) {
        if (at == components.size()) {
            found.push_back(directory);
            return {};
        }
        auto& component = components[at];
        bool last = at + 1 == components.size();
        if (!has_pattern(component)) {
            std::string path = joined(directory, literal(component));
            if (!root_.link_stat(PathInRoot("/" + path))) return {};
            return match(path, components, at + 1);
        }
        if (recursive_ && component == "**") {
            if (!last) TRY(match(directory, components, at + 1));
            for (auto& name : TRY(names_in(root_, directory))) {
                std::string path = joined(directory, name);
                auto st = root_.link_stat(PathInRoot("/" + path));
                if (!st) continue;
                if (last) found.push_back(path);
                if (S_ISDIR(st->st_mode) && !last) TRY(match(path, components, at));
            }
            return {};
        }
        for (auto& name : TRY(names_in(root_, directory))) {
            if (!TRY(dockerfile::match_path(component, name))) continue;
            std::string path = joined(directory, name);
            if (last) found.push_back(path);
            else if (is_directory(root_, path)) TRY(match(path, components, at + 1));
        }
        return {};
    }

private:
    const RootDirectory& root_;
    bool recursive_;
};

std::vector<std::string> components_of(std::string_view path) {
    std::vector<std::string> kept;
    for (auto& part : split_nonempty(path, '/')) {
        if (part == ".") continue;
        if (part != "..") kept.push_back(part);
        else if (!kept.empty()) kept.pop_back();
    }
    return kept;
}

class TreeHash {
public:
    /// `base` is the path of what is hashed from its root.
    TreeHash(const HashOptions& options, std::string base) : options_(options), base_(std::move(base)) {}

    Result<void> add(int directory, const std::string& name, const std::string& path, int depth) {
        if (depth > 1000) return fail(ErrorKind::InvalidArgument, concat(path, " is more than 1000 directories deep"));
        os::Fd entry(::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!entry) return fail_errno("open", path);
        struct stat st;
        if (::fstat(entry.get(), &st) < 0) return fail_errno("stat", path);
        if (S_ISSOCK(st.st_mode)) return {};
        bool excluded = !path.empty() && options_.excludes && options_.excludes->excludes(path);
        if (excluded && !(S_ISDIR(st.st_mode) && options_.excludes->may_include_below(path))) return {};
        if (!path.empty() && options_.hidden && options_.hidden(joined(base_, path), S_ISDIR(st.st_mode))) return {};
        // The top directory's own mode does not come along: contexts that are sent have none.
        if (!excluded && !path.empty()) TRY(add_head(entry.get(), path, st, path));
        if (!S_ISDIR(st.st_mode)) return {};
        os::Fd opened = TRY(os::reopen(entry.get(), O_RDONLY | O_DIRECTORY));
        for (auto& child : TRY(os::list_directory(by_fd(opened.get())))) TRY(add(opened.get(), child, joined(path, child), depth + 1));
        return {};
    }

    /// What an O_PATH descriptor that is no directory refers to.
    Result<void> add_file(int entry, const std::string& name) {
        struct stat st;
        if (::fstat(entry, &st) < 0) return fail_errno("stat", name);
        return add_head(entry, name, st, "");
    }

    codec::Digest finish() { return hasher_.finish(); }

private:
    void put(std::string_view text) {
        hasher_.update(concat(text.size(), ':'));
        hasher_.update(text);
    }

    /// `shown`: the path that the listener hears.
    Result<void> add_head(int entry, const std::string& path, const struct stat& st, const std::string& shown) {
        std::string content;
        TRY(add_entry(entry, path, st, content));
        if (options_.listener) options_.listener(shown, concat(st.st_mode, ':', options_.with_owner ? concat(st.st_uid, ':', st.st_gid) : "", ':', content));
        return {};
    }

    /// `content`: a link's target or the hash of a file's bytes.
    Result<void> add_entry(int entry, const std::string& path, const struct stat& st, std::string& content) {
        put(path);
        bool link = S_ISLNK(st.st_mode);
        put(concat(static_cast<uint64_t>(link ? S_IFLNK : st.st_mode)));
        if (options_.with_owner) put(concat(st.st_uid, ':', st.st_gid));
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) put(concat(static_cast<uint64_t>(st.st_rdev)));
        if (link) {
            char target[4096];
            ssize_t length = ::readlinkat(entry, "", target, sizeof target);
            if (length < 0) return fail_errno("readlink", path);
            content.assign(target, static_cast<size_t>(length));
            put(content);
            return {};
        }
        if (options_.with_attributes) TRY(add_attributes(entry, path));
        if (!S_ISREG(st.st_mode)) return {};
        hasher_.update(concat(static_cast<uint64_t>(st.st_size), ';'));
        if (st.st_size == 0) return {};
        auto known = options_.known ? options_.known->find(st) : std::nullopt;
        FileHashes::Hash hash = known ? *known : TRY_WRAP(std::string_view(path), hash_content(entry));
        if (!known && options_.known) options_.known->remember(st, hash);
        content.assign(hash.data(), hash.size());
        hasher_.update(content);
        return {};
    }

    Result<FileHashes::Hash> hash_content(int entry) {
        os::Fd file = TRY(os::reopen(entry, O_RDONLY));
        for (;;) {
            size_t got = TRY(os::read_some(file.get(), buffer_));
            if (got == 0) break;
            content_.update(std::string_view(buffer_.data(), got));
        }
        auto digest = content_.finish();
        FileHashes::Hash hash;
        auto hex = digest.hex();
        auto value = [&](size_t i) { return hex[i] >= 'a' ? hex[i] - 'a' + 10 : hex[i] - '0'; };
        for (size_t i = 0; i < hash.size(); i++) hash[i] = static_cast<char>(value(2 * i) * 16 + value(2 * i + 1));
        return hash;
    }

    Result<void> add_attributes(int entry, const std::string& path) {
        char names[16384];
        std::string through = by_fd(entry);
        ssize_t length = ::listxattr(through.c_str(), names, sizeof names);
        if (length <= 0) return {};
        auto list = split_nonempty(std::string_view(names, static_cast<size_t>(length)), '\0');
        std::sort(list.begin(), list.end());
        for (auto& name : list) {
            if (name.starts_with("trusted.overlay.") || name == "security.selinux") continue;
            std::string value(65536, '\0');
            ssize_t size = ::getxattr(through.c_str(), name.c_str(), value.data(), value.size());
            if (size < 0) return fail_errno("getxattr", path);
            put(name);
            put(std::string_view(value).substr(0, static_cast<size_t>(size)));
        }
        return {};
    }

    const HashOptions& options_;
    std::string base_;
    codec::Hasher hasher_, content_;
    std::vector<char> buffer_ = std::vector<char>(256 << 10);
};
}  // namespace

std::string behind_pivot(const std::string& path) {
    size_t pivot = path.find("/./");
    return pivot == std::string::npos ? "" : path.substr(pivot + 3);
}

namespace {
/// The path, or what symbolic links make of it, does not count.
bool is_hidden(const RootDirectory& root, const std::string& path, bool directory, const Hidden& hidden) {
    if (!hidden || path.empty()) return false;
    if (hidden(path, directory)) return true;
    auto top = os::read_link(by_fd(root.fd()));
    auto entry = root.open_path(PathInRoot("/" + path));
    auto real = entry ? os::read_link(by_fd(entry->get())) : Result<std::string>(fail(ErrorKind::NotFound, ""));
    if (!top || !real || !real->starts_with(*top + "/")) return false;
    return hidden(real->substr(top->size() + 1), directory);
}
}  // namespace

Result<std::vector<SourceItem>> find_sources(const RootDirectory& root, const std::string& pattern, bool parents, const Hidden& hidden) {
    std::string before_pivot;
    if (parents && pattern.find("/./") != std::string::npos) before_pivot = join(components_of(pattern.substr(0, pattern.find("/./"))), "/");
    auto components = components_of(pattern);
    Matcher matcher(root, parents);
    bool wild = has_pattern(pattern);
    TRY(matcher.match("", components, 0));
    std::sort(matcher.found.begin(), matcher.found.end());
    std::vector<SourceItem> items;
    for (auto& path : matcher.found) {
        auto st = root.stat(PathInRoot("/" + path));
        if (!st && wild) st = root.link_stat(PathInRoot("/" + path));
        if (!st || is_hidden(root, path, S_ISDIR(st->st_mode), hidden)) continue;
        SourceItem item{path, S_ISDIR(st->st_mode), parents && !path.empty(), ""};
        if (parents) {
            std::string_view kept = path;
            if (!before_pivot.empty()) kept = trim_prefix(kept, before_pivot + "/");
            size_t slash = kept.rfind('/');
            item.kept_path = slash == kept.npos ? "" : kept.substr(0, slash);
        }
        items.push_back(std::move(item));
    }
    if (items.empty() && !wild)
        return fail(ErrorKind::NotFound,
                    concat("file not found in build context or excluded by .dockerignore: stat ", join(components, "/"), ": file does not exist"));
    return items;
}

Result<codec::Digest> hash_source(const RootDirectory& root, const SourceItem& item, const HashOptions& options) {
    TreeHash hash(options, item.path);
    auto opened = root.open_path(PathInRoot("/" + item.path));  // a symbolic link named as source stands for what it leads to
    if (!opened) opened = root.open_path(PathInRoot("/" + item.path), true);
    os::Fd entry = TRY(std::move(opened));
    if (item.directory) {
        os::Fd directory = TRY(os::reopen(entry.get(), O_RDONLY | O_DIRECTORY));
        TRY(hash.add(directory.get(), ".", "", 0));
    } else {
        TRY(hash.add_file(entry.get(), item.path.substr(item.path.rfind('/') + 1)));
    }
    return hash.finish();
}

}  // namespace proa::build
