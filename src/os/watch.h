#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "os/fd.h"

namespace proa::os {

/// Changes of files and directories (inotify). The descriptor is readable when something happened. man: inotify(7)
class Watch {
public:
    struct Change {
        int watch = -1;     ///< what add() returned; -1 with IN_Q_OVERFLOW: changes were lost, look everywhere
        uint32_t mask = 0;  ///< IN_*
        std::string name;   ///< entry of a watched directory; empty: the watched file itself
    };

    static Result<Watch> create();
    /// `mask` of IN_* bits. Errors: NotFound, Internal with ENOSPC (fs.inotify.max_user_watches reached).
    Result<int> add(const std::string& path, uint32_t mask);
    void remove(int watch);
    /// What happened since the last call; empty when nothing did. Never blocks.
    Result<std::vector<Change>> changes();
    int fd() const { return fd_.get(); }

private:
    Fd fd_;
};

}  // namespace proa::os
