#pragma once
#include <optional>
#include <string>

#include "codec/stream.h"
#include "dockerfile/ignore.h"

namespace proa::cli {

/// What `build` sends: a directory as tar, without what its .dockerignore leaves out.
struct BuildContext {
    std::string directory;   ///< absolute
    std::string dockerfile;  ///< path inside the context that the engine is told; "" for a named context
    std::string outside;     ///< content of a Dockerfile that does not lie in the context; it is sent under `dockerfile`
    bool has_outside = false;
};

/// Finds the Dockerfile: `file` is --file ("" the default). Errors: Docker's "unable to prepare context: ...".
Result<BuildContext> open_build_context(const std::string& directory, const std::string& file);
/// The same with a Dockerfile that came on standard input.
Result<BuildContext> build_context_with(const std::string& directory, std::string dockerfile);

/// A directory of --build-context: no Dockerfile is looked for.
Result<BuildContext> open_named_context(const std::string& directory);

/// Writes the context as tar: names sorted, owners 0.
Result<void> write_build_context(const BuildContext& context, codec::Sink& out);
/// The same below the directory `place`, without the end of the archive: more is to follow.
Result<void> write_context_below(const BuildContext& context, const std::string& place, codec::Sink& out);

/// The patterns of its `<Dockerfile>.dockerignore` or `.dockerignore`; none without such a file.
Result<dockerfile::IgnorePatterns> read_ignore_file(const BuildContext& context);
/// Paths of the files that would be sent.
Result<std::vector<std::string>> list_build_context(const BuildContext& context);

/// A context of a Dockerfile alone.
Result<void> write_dockerfile_context(const std::string& text, codec::Sink& out);

/// Whether the first bytes are those of an archive, plain or compressed.
bool looks_like_archive(std::string_view head);
bool is_plain_tar(std::string_view head);

}  // namespace proa::cli
