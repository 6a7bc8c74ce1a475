#pragma once
#include <functional>
#include <map>
#include <string>

#include "base/result.h"
#include "engine/parts.h"
#include "engine/transfer_progress.h"

namespace proa::engine {

/// A URL or a git repository as ADD and contexts name them.
bool is_remote_source(const std::string& text);
bool is_git_source(const std::string& text);

struct FetchOptions {
    bool keep_git_dir = false;
    std::string checksum;  ///< "sha256:HEX" of what a URL answers; "" for anything
    ProgressSink progress;
    std::function<bool()> cancelled;
};

struct Fetched {
    std::string directory;    ///< where it lies
    std::string file;         ///< inside the directory; "" when the directory itself is it (git)
    std::string name;         ///< what the source calls the file; may be empty
    bool plain_text = false;  ///< the server calls it text/plain
};

/// Fetches a remote source below the fresh directory `into`. Rule C10: no shell, references cannot be options, hooks and protocols other
/// than https, http, git and ssh are off, a subdirectory is looked up inside the tree.
/// A URL's file has mode 0600 and the time of Last-Modified (the epoch without one).
/// Errors: `failed to GET URL with status 404 Not Found: ...`; InvalidArgument `digest mismatch ...`.
Result<Fetched> fetch_source(Parts& parts, const std::string& source, const std::string& into, const FetchOptions& options);

/// The URL's part of fetch_source().
Result<Fetched> fetch_url(Parts& parts, const std::string& url, const std::string& into, const FetchOptions& options);

/// The name of a download: of the URL's path, else of Content-Disposition; "" when neither has one.
std::string download_name(const std::string& url, std::string_view disposition);

/// The parts of "https://host/repo.git#ref:subdir".
struct GitSource {
    std::string url, ref, subdirectory;
};
Result<GitSource> parse_git_source(const std::string& text);

}  // namespace proa::engine
