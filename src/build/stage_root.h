#pragma once
#include <string>
#include <vector>

#include "os/path_in_root.h"

namespace proa::build {

/// A file system of image layers that steps read from and change: an overlay that is attached nowhere. What was changed lies in
/// `upper()`, a plain layer in overlayfs' form.
class StageRoot {
public:
    /// `lower` top first. `scratch` is a fresh directory on the file system of the layers; it is the caller's to remove.
    static Result<StageRoot> writable(std::vector<std::string> lower, const std::string& scratch);
    static Result<StageRoot> read_only(std::vector<std::string> lower, const std::string& scratch);

    const os::RootDirectory& root() const { return root_; }
    const std::string& upper() const { return upper_; }
    /// Ends the mount: only then the upper directory may become a layer.
    void close() { root_ = {}; }

private:
    os::RootDirectory root_;
    std::string upper_;
};

/// Takes out of an upper directory what says nothing new against `lower`: empty files and directories at `stubs` ("/etc/hosts") that the
/// runtime made as mount points, and directories that hold nothing and are as they were below. True when nothing is left.
Result<bool> tidy_upper(const std::string& upper, const std::vector<std::string>& lower, const std::vector<std::string>& stubs, const std::string& scratch);

/// Modification times behind `seconds` become `seconds`, everywhere below.
Result<void> clamp_times(const std::string& directory, int64_t seconds);

}  // namespace proa::build
