#pragma once
#include <functional>
#include <string>
#include <vector>

#include "build/file_hashes.h"
#include "codec/digest.h"
#include "dockerfile/ignore.h"
#include "os/path_in_root.h"

namespace proa::build {

/// One thing that COPY takes.
struct SourceItem {
    std::string path;  ///< inside the source root, cleaned, no leading slash; "" is the root itself
    bool directory = false;
    bool keep_name = false;  ///< a directory goes itself, not only what is in it (--parents)
    std::string kept_path;   ///< with --parents: the directories below the pivot that are kept ("a/b" of "x/./a/b/c")
};

/// Tells of a path inside a root ("a/b") whether it counts as not there: a context that is read in place holds what .dockerignore leaves out.
/// Empty: all is there.
using Hidden = std::function<bool(const std::string& path, bool directory)>;

/// What the words of COPY mean in `root`: each literal or pattern; symbolic links named as source are followed inside the root, `..` stops at
/// it. `recursive_patterns`: `**` stands for any directories (--parents).
/// Errors: NotFound "file not found in build context or excluded by .dockerignore: stat X: file does not exist".
Result<std::vector<SourceItem>> find_sources(const os::RootDirectory& root, const std::string& pattern, bool parents, const Hidden& hidden = {});

struct HashOptions {
    const dockerfile::IgnorePatterns* excludes = nullptr;  ///< paths below the item (for a directory) or the item's own name
    bool with_owner = false;
    bool with_attributes = true;  ///< extended attributes, which contexts that are sent do not have
    Hidden hidden = {};
    FileHashes* known = nullptr;  ///< of files that have not changed since
    /// Told of each entry below a directory (path below the item; "" for an item that is a file): what of it is hashed, in brief.
    std::function<void(const std::string& path, std::string_view sum)> listener = {};
};
/// Path, kind, permission bits, size, content, link targets and attributes of one source; neither times nor (unless asked for) owners.
Result<codec::Digest> hash_source(const os::RootDirectory& root, const SourceItem& item, const HashOptions& options);

/// The part of `path` behind a pivot "/./", "" when there is none.
std::string behind_pivot(const std::string& path);

}  // namespace proa::build
