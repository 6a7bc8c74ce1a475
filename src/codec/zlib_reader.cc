#include <zlib.h>

#include "codec/gzip_input.h"

// A file of its own: who links only this reader gets no other library than zlib.
namespace proa::codec {

namespace {
class ZlibSource : public Source {
public:
    explicit ZlibSource(Source& inner) : input_(inner), buffer_(new char[kGzipOutput]) {
        usable_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
    }
    ~ZlibSource() override { inflateEnd(&stream_); }
    Result<std::string_view> pull() override {
        if (!usable_) return fail(ErrorKind::Internal, "gzip: out of memory");
        stream_.next_out = reinterpret_cast<Bytef*>(buffer_.get());
        stream_.avail_out = kGzipOutput;
        while (!done_ && stream_.avail_out == kGzipOutput) {
            TRY(input_.refill());
            stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.rest.data()));
            stream_.avail_in = static_cast<uInt>(input_.rest.size());
            int status = inflate(&stream_, Z_NO_FLUSH);
            input_.rest.remove_prefix(input_.rest.size() - stream_.avail_in);
            if (status == Z_STREAM_END) {
                done_ = !TRY(input_.another_member());
                if (!done_) inflateReset(&stream_);
            } else if (status == Z_BUF_ERROR || status == Z_OK) {
                if (input_.at_end && stream_.avail_out == kGzipOutput) return damaged_gzip("unexpected EOF");
            } else {
                return damaged_gzip(stream_.msg ? stream_.msg : "invalid data");
            }
        }
        return std::string_view(buffer_.get(), kGzipOutput - stream_.avail_out);
    }

private:
    GzipInput input_;
    std::unique_ptr<char[]> buffer_;
    z_stream stream_{};
    bool usable_ = false, done_ = false;
};
}  // namespace

std::unique_ptr<Source> zlib_gzip_source(Source& inner) { return std::make_unique<ZlibSource>(inner); }

}  // namespace proa::codec
