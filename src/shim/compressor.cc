#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "os/file.h"
#include "os/process.h"
#include "shim/log_writer.h"

namespace proa::shim {

namespace {
constexpr size_t kChunk = 64 * 1024;
char g_input[kChunk], g_output[kChunk];
constexpr int kGzipFormat = 15 + 16;  // zlib's way to ask for a gzip header and the largest window

/// Feeds what `stream` holds to `output`.
bool deflate_into(z_stream& stream, int output, bool last) {
    int status;
    do {
        stream.next_out = reinterpret_cast<Bytef*>(g_output);
        stream.avail_out = kChunk;
        status = ::deflate(&stream, last ? Z_FINISH : Z_NO_FLUSH);
        if (status == Z_STREAM_ERROR || !os::write_all(output, {g_output, kChunk - stream.avail_out})) return false;
    } while (stream.avail_out == 0 || (last && status != Z_STREAM_END));
    return true;
}

bool compress(int input, int output) {
    z_stream stream{};
    if (::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipFormat, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
    for (;;) {
        auto got = os::read_some(input, g_input);
        if (!got) return false;
        stream.next_in = reinterpret_cast<Bytef*>(g_input);
        stream.avail_in = static_cast<uInt>(*got);
        if (!deflate_into(stream, output, *got == 0)) return false;
        if (*got == 0) return true;
    }
}

/// Runs in the child; its memory is its own, so zlib's 260 KiB never count for the shim.
bool compress_file(const std::string& path) {
    auto input = os::open_file(path, O_RDONLY);
    const std::string unfinished = path + ".gz.new";
    auto output = os::open_file(unfinished, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    if (!input || !output) return false;
    if (!compress(input->get(), output->get()) || ::rename(unfinished.c_str(), (path + ".gz").c_str()) < 0) {
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
