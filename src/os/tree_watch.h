#pragma once
#include <functional>
#include <map>
#include <set>

#include "os/watch.h"

namespace proa::os {

/// Changes in several places of the file system: files, directories with all below them, and places where nothing is yet. One thread.
class TreeWatch {
public:
    /// True: nothing in or below this directory matters; it is not watched.
    using Skips = std::function<bool(const std::string& directory)>;

    /// `roots` are absolute and clean; symbolic links below them are not followed.
    /// Errors: Internal with ENOSPC `... fs.inotify.max_user_watches` when the user may watch no more directories; those of reading.
    static Result<TreeWatch> create(std::vector<std::string> roots, Skips skips);

    /// Readable when something happened.
    int fd() const { return watch_.fd(); }
    /// The paths at or below the roots where something came, changed or went since the last call; of a directory that came, all in it. A root
    /// that is a directory is not told of when it goes as a whole: what it stands for elsewhere shall outlive a change of branches.
    /// After an overflow of the kernel's queue: all that is there. Never blocks.
    Result<std::set<std::string>> changes();
    /// All that is there now.
    Result<std::set<std::string>> all();

private:
    using Found = std::set<std::string>;
    TreeWatch(Watch watch, std::vector<std::string> roots, Skips skips) : watch_(std::move(watch)), roots_(std::move(roots)), skips_(std::move(skips)) {}
    Result<void> add_root(const std::string& root, Found* found);
    Result<void> add_tree(const std::string& directory, Found* found, int depth);
    Result<bool> add_directory(const std::string& directory, uint32_t mask);
    Result<void> take(const Watch::Change& change, Found& found);
    void forget(const std::string& directory);
    bool is_wanted(const std::string& path) const;

    Watch watch_;
    std::vector<std::string> roots_;
    Skips skips_;
    std::map<int, std::string> directories_;  // by watch
};

}  // namespace proa::os
