#pragma once
#include "engine/build_stage.h"

namespace proa::engine {

/// The roots that the parts of a CopyWork borrow: the context, a stage, downloads, heredocs.
struct CopySources {
    std::optional<SourceRoot> from;
    std::vector<ScratchDirectory> scratch;
    std::vector<std::unique_ptr<os::RootDirectory>> roots;
};

/// Finds or fetches the sources of one COPY or ADD and puts them into `work`, whose destination and excludes are known.
/// Errors: Docker's "COPY failed: ..." and "ADD failed: ...".
Result<CopySources> gather_sources(BuildContext& build, size_t stage, const dockerfile::Copy& copy, const dockerfile::Lookup& lookup, build::CopyWork& work);

/// "file:HASH", "dir:HASH" or "multi:HASH" over all `count` sources, as the line of history names them. `inputs`, if any, gets each file.
Result<std::string> hash_sources(const BuildContext& build, const build::CopyWork& work, size_t count, bool with_owner, build::StepInputs* inputs = nullptr);

}  // namespace proa::engine
