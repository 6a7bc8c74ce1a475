#include "cli/gzip_sink.h"

#include <zlib.h>

namespace proa::cli {

struct GzipSink::State {
    z_stream stream{};
    bool ready = false;
};

GzipSink::GzipSink(codec::Sink& out) : out_(out), state_(std::make_unique<State>()) {
    constexpr int kGzip = 15 + 16;
    state_->ready = deflateInit2(&state_->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK;
}

GzipSink::~GzipSink() {
    if (state_->ready) deflateEnd(&state_->stream);
}

Result<void> GzipSink::pump(std::string_view bytes, int flush) {
    if (!state_->ready) return fail(ErrorKind::Internal, "gzip: out of memory");
    auto& stream = state_->stream;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = static_cast<uInt>(bytes.size());
    char buffer[65536];
    do {
        stream.next_out = reinterpret_cast<Bytef*>(buffer);
        stream.avail_out = sizeof buffer;
        deflate(&stream, flush);
        if (size_t made = sizeof buffer - stream.avail_out; made > 0) TRY(out_.write(std::string_view(buffer, made)));
    } while (stream.avail_out == 0);
    return {};
}

Result<void> GzipSink::write(std::string_view bytes) {
    constexpr size_t kPiece = size_t(1) << 30;  // zlib counts in 32 bits
    for (; !bytes.empty(); bytes.remove_prefix(std::min(kPiece, bytes.size()))) TRY(pump(bytes.substr(0, kPiece), Z_NO_FLUSH));
    return {};
}

Result<void> GzipSink::finish() { return pump({}, Z_FINISH); }

}  // namespace proa::cli
