#include <bzlib.h>
#include <lzma.h>

#include "base/text.h"
#include "codec/compression.h"

// Only for archives that users bring (docker load, docker import, cp): nothing of ours is written in these formats.
namespace proa::codec {

namespace {
constexpr size_t kOutput = 128 << 10;

class XzSource : public Source {
public:
    explicit XzSource(Source& inner) : inner_(inner), buffer_(new char[kOutput]) {
        usable_ = lzma_stream_decoder(&stream_, 512 << 20, LZMA_CONCATENATED) == LZMA_OK;
    }
    ~XzSource() override { lzma_end(&stream_); }
    Result<std::string_view> pull() override {
        if (!usable_) return fail(ErrorKind::Internal, "xz: out of memory");
        stream_.next_out = reinterpret_cast<uint8_t*>(buffer_.get());
        stream_.avail_out = kOutput;
        while (!done_ && stream_.avail_out == kOutput) {
            if (stream_.avail_in == 0 && !at_end_) {
                std::string_view piece = TRY(inner_.pull());
                at_end_ = piece.empty();
                stream_.next_in = reinterpret_cast<const uint8_t*>(piece.data());
                stream_.avail_in = piece.size();
            }
            lzma_ret status = lzma_code(&stream_, at_end_ ? LZMA_FINISH : LZMA_RUN);
            done_ = status == LZMA_STREAM_END;
            if (status == LZMA_BUF_ERROR) return fail(ErrorKind::InvalidArgument, "xz: unexpected EOF");
            if (status == LZMA_MEMLIMIT_ERROR) return fail(ErrorKind::InvalidArgument, "xz: needs more than 512 MiB of memory");
            if (status != LZMA_OK && !done_) return fail(ErrorKind::InvalidArgument, "xz: invalid data");
        }
        return std::string_view(buffer_.get(), kOutput - stream_.avail_out);
    }

private:
    Source& inner_;
    std::unique_ptr<char[]> buffer_;
    lzma_stream stream_ = LZMA_STREAM_INIT;
    bool usable_ = false, at_end_ = false, done_ = false;
};

class Bzip2Source : public Source {
public:
    explicit Bzip2Source(Source& inner) : inner_(inner), buffer_(new char[kOutput]) { usable_ = start(); }
    ~Bzip2Source() override { BZ2_bzDecompressEnd(&stream_); }
    Result<std::string_view> pull() override {
        if (!usable_) return fail(ErrorKind::Internal, "bzip2: out of memory");
        stream_.next_out = buffer_.get();
        stream_.avail_out = kOutput;
        while (!done_ && stream_.avail_out == kOutput) {
            if (stream_.avail_in == 0) TRY(refill());
            if (between_ && at_end_) {
                done_ = true;
                break;
            }
            if (std::exchange(between_, false)) {
                auto input = std::pair(stream_.next_in, stream_.avail_in);
                auto output = std::pair(stream_.next_out, stream_.avail_out);
                BZ2_bzDecompressEnd(&stream_);
                if (!start()) return fail(ErrorKind::Internal, "bzip2: out of memory");
                std::tie(stream_.next_in, stream_.avail_in) = input;
                std::tie(stream_.next_out, stream_.avail_out) = output;
            }
            int status = BZ2_bzDecompress(&stream_);
            if (status == BZ_STREAM_END) between_ = true;
            else if (status != BZ_OK) return fail(ErrorKind::InvalidArgument, "bzip2: invalid data");
            else if (at_end_ && stream_.avail_out == kOutput) return fail(ErrorKind::InvalidArgument, "bzip2: unexpected EOF");
        }
        return std::string_view(buffer_.get(), kOutput - stream_.avail_out);
    }

private:
    bool start() {
        stream_ = {};
        return BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK;
    }
    Result<void> refill() {
        if (at_end_) return {};
        std::string_view piece = TRY(inner_.pull());
        at_end_ = piece.empty();
        stream_.next_in = const_cast<char*>(piece.data());
        stream_.avail_in = static_cast<unsigned>(piece.size());
        return {};
    }
    Source& inner_;
    std::unique_ptr<char[]> buffer_;
    bz_stream stream_{};
    bool usable_ = false, at_end_ = false, between_ = false, done_ = false;
};
}  // namespace

std::unique_ptr<Source> xz_source(Source& inner) { return std::make_unique<XzSource>(inner); }
std::unique_ptr<Source> bzip2_source(Source& inner) { return std::make_unique<Bzip2Source>(inner); }

}  // namespace proa::codec
