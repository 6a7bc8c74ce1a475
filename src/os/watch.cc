#include "os/watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace proa::os {

Result<Watch> Watch::create() {
    Watch watch;
    watch.fd_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!watch.fd_) return fail_errno("inotify_init1");
    return watch;
}

Result<int> Watch::add(const std::string& path, uint32_t mask) {
    int watch = ::inotify_add_watch(fd_.get(), path.c_str(), mask);
    if (watch < 0) return fail_errno("inotify_add_watch", path);
    return watch;
}

void Watch::remove(int watch) { ::inotify_rm_watch(fd_.get(), watch); }

Result<std::vector<Watch::Change>> Watch::changes() {
    std::vector<Change> found;
    alignas(inotify_event) char buffer[4096];
    for (;;) {
        auto got = read_some(fd_.get(), buffer);
        if (!got && got.error().number() == EAGAIN) return found;
        if (!got) return fail(std::move(got).error());
        for (size_t at = 0; at + sizeof(inotify_event) <= *got;) {
            inotify_event event;
            memcpy(&event, buffer + at, sizeof event);
            const char* name = buffer + at + sizeof event;
            found.push_back({event.wd, event.mask, event.len ? std::string(name) : std::string()});
            at += sizeof event + event.len;
        }
    }
}

}  // namespace proa::os
