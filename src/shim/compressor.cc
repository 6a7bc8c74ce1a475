#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>

#include "os/file.h"
#include "os/process.h"
#include "shim/log_writer.h"

namespace proa::shim {

namespace {
/// Runs in the child; its memory is its own, so zlib's 260 KiB never count for the shim.
bool compress_file(const std::string& path) {
    static char buffer[64 * 1024];
    auto input = os::open_file(path, O_RDONLY);
    const std::string unfinished = path + ".gz.new";
    auto output = os::open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (!input || !output) return false;
    gzFile archive = ::gzdopen(output->release(), "wb");
    if (!archive) return false;
    bool good = true;
    for (;;) {
        auto got = os::read_some(input->get(), buffer);
        if (!got) good = false;
        if (!got || *got == 0) break;
        if (::gzwrite(archive, buffer, static_cast<unsigned>(*got)) != static_cast<int>(*got)) {
            good = false;
            break;
        }
    }
    if (::gzclose(archive) != Z_OK) good = false;
    if (good) good = ::rename(unfinished.c_str(), (path + ".gz").c_str()) == 0;
    if (!good) {
        ::unlink(unfinished.c_str());
        return false;
    }
    return ::unlink(path.c_str()) == 0;
}
}  // namespace

Result<pid_t> start_compressor(const std::string& path) {
    pid_t child = ::fork();
    if (child < 0) return fail_errno("fork", "compressor");
    if (child > 0) return child;
    // The engine must see the shim's end at once: nothing of its connections may live on here.
    ::syscall(SYS_close_range, 3u, ~0u, 0u);
    os::reset_signals();
    ::setpriority(PRIO_PROCESS, 0, 10);
    ::_exit(compress_file(path) ? 0 : 1);
}

}  // namespace proa::shim
