#include <zstd.h>

#include "base/text.h"
#include "codec/compression.h"

namespace proa::codec {

namespace {
struct FreeContext {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdSource : public Source {
public:
    explicit ZstdSource(Source& inner)
        : inner_(inner), context_(ZSTD_createDCtx()), size_(ZSTD_DStreamOutSize() * 2), buffer_(new char[size_]) {
        // Windows above 128 MiB would let a small blob ask for gigabytes; the default of the zstd tool refuses them too.
        if (context_) ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, 27);
    }
    Result<std::string_view> pull() override {
        if (!context_) return fail(ErrorKind::Internal, "zstd: out of memory");
        ZSTD_outBuffer output{buffer_.get(), size_, 0};
        while (output.pos == 0) {
            if (rest_.empty() && !at_end_) {
                rest_ = TRY(inner_.pull());
                at_end_ = rest_.empty();
            }
            ZSTD_inBuffer input{rest_.data(), rest_.size(), 0};
            if (at_end_ && in_frame_ == false) break;
            size_t status = ZSTD_decompressStream(context_.get(), &output, &input);
            rest_.remove_prefix(input.pos);
            if (ZSTD_isError(status))
                return fail(ErrorKind::InvalidArgument, concat("zstd: ", std::string_view(ZSTD_getErrorName(status))));
            in_frame_ = status != 0;
            if (at_end_ && in_frame_ && output.pos == 0) return fail(ErrorKind::InvalidArgument, "zstd: unexpected EOF");
        }
        return std::string_view(buffer_.get(), output.pos);
    }

private:
    Source& inner_;
    std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
    size_t size_;
    std::unique_ptr<char[]> buffer_;
    std::string_view rest_;
    bool at_end_ = false, in_frame_ = false;
};

class ZstdCompressor : public Compressor {
public:
    ZstdCompressor(Sink& out, int level, unsigned threads)
        : out_(out), context_(ZSTD_createCCtx()), size_(ZSTD_CStreamOutSize()), buffer_(new char[size_]) {
        if (!context_) return;
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
        // Without threads in the library this fails and compression stays on the calling thread.
        if (threads > 1) ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_nbWorkers, static_cast<int>(threads));
    }
    Result<void> write(std::string_view bytes) override { return compress(bytes, ZSTD_e_continue); }
    Result<void> finish() override { return compress({}, ZSTD_e_end); }

private:
    Result<void> compress(std::string_view bytes, ZSTD_EndDirective directive) {
        if (!context_) return fail(ErrorKind::Internal, "zstd: out of memory");
        ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
        for (;;) {
            ZSTD_outBuffer output{buffer_.get(), size_, 0};
            size_t left = ZSTD_compressStream2(context_.get(), &output, &input, directive);
            if (ZSTD_isError(left)) return fail(ErrorKind::Internal, concat("zstd: ", std::string_view(ZSTD_getErrorName(left))));
            if (output.pos > 0) TRY(out_.write(std::string_view(buffer_.get(), output.pos)));
            if (directive == ZSTD_e_end ? left == 0 : input.pos == input.size) return {};
        }
    }
    Sink& out_;
    std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
    size_t size_;
    std::unique_ptr<char[]> buffer_;
};
}  // namespace

std::unique_ptr<Source> zstd_source(Source& inner) { return std::make_unique<ZstdSource>(inner); }

std::unique_ptr<Compressor> zstd_compressor(Sink& out, int level, unsigned threads) {
    return std::make_unique<ZstdCompressor>(out, level, threads);
}

}  // namespace proa::codec
