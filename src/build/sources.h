#pragma once
#include <string>
#include <vector>

#include "codec/digest.h"
#include "dockerfile/ignore.h"
#include "os/path_in_root.h"

namespace proa::build {

/// One thing that COPY takes.
struct SourceItem {
    std::string path;      ///< inside the source root, cleaned, no leading slash; "" is the root itself
    bool directory = false;
    bool keep_name = false; ///< a directory goes itself, not only what is in it (--parents)
    std::string kept_path; ///< with --parents: the directories below the pivot that are kept ("a/b" of "x/./a/b/c")
};

/// What the words of COPY mean in `root`: each literal or pattern; symbolic links named as source are followed inside the root, `..` stops at
/// it. `recursive_patterns`: `**` stands for any directories (--parents).
/// Errors: NotFound "file not found in build context or excluded by .dockerignore: stat X: file does not exist".
Result<std::vector<SourceItem>> find_sources(const os::RootDirectory& root, const std::string& pattern, bool parents);

/// Path, kind, permission bits, size, content, link targets and attributes of one source; neither times nor owners. `excludes` are
/// paths below the item (for a directory) or the item's own name.
Result<codec::Digest> hash_source(const os::RootDirectory& root, const SourceItem& item, const dockerfile::IgnorePatterns& excludes, bool with_owner);

/// The part of `path` behind a pivot "/./", "" when there is none.
std::string behind_pivot(const std::string& path);

}  // namespace proa::build
