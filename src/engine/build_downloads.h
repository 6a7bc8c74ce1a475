#pragma once
#include <functional>
#include <string>

#include "base/result.h"

namespace proa::engine {

/// A URL or a git repository as ADD and contexts name them.
bool is_remote_source(const std::string& text);
bool is_git_source(const std::string& text);

struct FetchOptions {
    bool keep_git_dir = false;
    std::function<bool()> cancelled;
};

struct Fetched {
    std::string directory;  ///< where it lies
    std::string file;       ///< inside the directory; "" when the directory itself is it (git)
    std::string name;       ///< what the source calls the file; may be empty
};

/// Fetches a remote source below the fresh directory `into`. Rule C10: no shell, references cannot be options, hooks and protocols other
/// than https, http, git and ssh are off, a subdirectory is looked up inside the tree.
Result<Fetched> fetch_source(const std::string& source, const std::string& into, const FetchOptions& options);

/// The parts of "https://host/repo.git#ref:subdir".
struct GitSource {
    std::string url, ref, subdirectory;
};
Result<GitSource> parse_git_source(const std::string& text);

}  // namespace proa::engine
