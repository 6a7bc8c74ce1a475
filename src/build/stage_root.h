#pragma once
#include <string>
#include <vector>

#include "os/path_in_root.h"
#include "store/storage_driver.h"

namespace proa::build {

/// A file system of image layers that steps read from and change: an overlay that is attached nowhere, or with the vfs driver a
/// copy. What was changed lies in `upper()` after close(), in the form of the driver's layers.
class StageRoot {
public:
    /// `lower` top first. `scratch` is a fresh directory on the file system of the layers; it is the caller's to remove.
    static Result<StageRoot> writable(std::vector<std::string> lower, const std::string& scratch, store::StorageDriver driver);
    static Result<StageRoot> read_only(std::vector<std::string> lower, const std::string& scratch, store::StorageDriver driver);

    const os::RootDirectory& root() const { return root_; }
    const std::string& upper() const { return upper_; }
    /// Ends the mount, or gathers what was changed in the copy: only then the upper directory may become a layer.
    Result<void> close();

private:
    os::RootDirectory root_;
    std::string upper_;
    std::string copy_;                // with the vfs driver
    std::vector<std::string> lower_;  // of the copy
};

/// Takes out of an upper directory what says nothing new against `lower`: empty files and directories at `stubs` ("/etc/hosts") that the
/// runtime made as mount points, and directories that hold nothing and are as they were below. True when nothing is left.
Result<bool> tidy_upper(const std::string& upper, const std::vector<std::string>& lower, const std::vector<std::string>& stubs, const std::string& scratch,
                        store::StorageDriver driver);

/// Modification times behind `seconds` become `seconds`, everywhere below.
Result<void> clamp_times(const std::string& directory, int64_t seconds);

}  // namespace proa::build
