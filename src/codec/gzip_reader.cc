#include <zlib.h>

#include <cstring>

#include "base/text.h"
#include "codec/compression.h"
#if __has_include(<isa-l/igzip_lib.h>) && !defined(PROA_NO_ISAL)
#include <isa-l/igzip_lib.h>
#define PROA_HAVE_ISAL 1
#endif

namespace proa::codec {

namespace {
constexpr size_t kOutput = 256 << 10;

Unexpected damaged(std::string_view what) { return fail(ErrorKind::InvalidArgument, concat("gzip: ", what)); }

/// What both readers share: the input piece at hand and what may stand between members.
class GzipInput {
public:
    explicit GzipInput(Source& inner) : inner_(inner) {}
    std::string_view rest;
    bool at_end = false;

    Result<void> refill() {
        if (!rest.empty() || at_end) return {};
        rest = TRY(inner_.pull());
        at_end = rest.empty();
        return {};
    }
    /// After a member: true when another one follows. Zero bytes up to the end are padding (tapes, block devices).
    Result<bool> another_member() {
        bool padded = false;
        for (;;) {
            TRY(refill());
            if (rest.empty()) return false;
            if (rest[0] == '\0') {
                padded = true;
                size_t zeros = rest.find_first_not_of('\0');
                rest.remove_prefix(zeros == std::string_view::npos ? rest.size() : zeros);
                continue;
            }
            if (padded || rest[0] != '\x1f') return damaged("invalid header");
            return true;
        }
    }

private:
    Source& inner_;
};

class ZlibSource : public Source {
public:
    explicit ZlibSource(Source& inner) : input_(inner), buffer_(new char[kOutput]) {
        usable_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
    }
    ~ZlibSource() override { inflateEnd(&stream_); }
    Result<std::string_view> pull() override {
        if (!usable_) return fail(ErrorKind::Internal, "gzip: out of memory");
        stream_.next_out = reinterpret_cast<Bytef*>(buffer_.get());
        stream_.avail_out = kOutput;
        while (!done_ && stream_.avail_out == kOutput) {
            TRY(input_.refill());
            stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.rest.data()));
            stream_.avail_in = static_cast<uInt>(input_.rest.size());
            int status = inflate(&stream_, Z_NO_FLUSH);
            input_.rest.remove_prefix(input_.rest.size() - stream_.avail_in);
            if (status == Z_STREAM_END) {
                done_ = !TRY(input_.another_member());
                if (!done_) inflateReset(&stream_);
            } else if (status == Z_BUF_ERROR || status == Z_OK) {
                if (input_.at_end && stream_.avail_out == kOutput) return damaged("unexpected EOF");
            } else {
                return damaged(stream_.msg ? stream_.msg : "invalid data");
            }
        }
        return std::string_view(buffer_.get(), kOutput - stream_.avail_out);
    }

private:
    GzipInput input_;
    std::unique_ptr<char[]> buffer_;
    z_stream stream_{};
    bool usable_ = false, done_ = false;
};

#ifdef PROA_HAVE_ISAL
class IsalSource : public Source {
public:
    explicit IsalSource(Source& inner) : input_(inner), buffer_(new char[kOutput]), state_(new inflate_state) {
        isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP;
    }
    Result<std::string_view> pull() override {
        state_->next_out = reinterpret_cast<uint8_t*>(buffer_.get());
        state_->avail_out = kOutput;
        while (!done_ && state_->avail_out == kOutput) {
            TRY(input_.refill());
            state_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(input_.rest.data()));
            state_->avail_in = static_cast<uint32_t>(std::min<size_t>(input_.rest.size(), 1 << 30));
            uint32_t given = state_->avail_in;
            int status = isal_inflate(state_.get());
            input_.rest.remove_prefix(given - state_->avail_in);
            if (status < 0) return damaged(error_text(status));
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                done_ = !TRY(input_.another_member());
                if (done_) break;
                isal_inflate_reset(state_.get());
                state_->crc_flag = ISAL_GZIP;
                continue;
            }
            if (input_.at_end && state_->avail_out == kOutput) return damaged("unexpected EOF");
        }
        return std::string_view(buffer_.get(), kOutput - state_->avail_out);
    }

private:
    static std::string_view error_text(int status) {
        switch (status) {
            case ISAL_INCORRECT_CHECKSUM: return "invalid checksum";
            case ISAL_INVALID_WRAPPER:
            case ISAL_UNSUPPORTED_METHOD: return "invalid header";
            default: return "invalid data";
        }
    }
    GzipInput input_;
    std::unique_ptr<char[]> buffer_;
    std::unique_ptr<inflate_state> state_;
    bool done_ = false;
};
#endif
}  // namespace

std::unique_ptr<Source> zlib_gzip_source(Source& inner) { return std::make_unique<ZlibSource>(inner); }

std::unique_ptr<Source> gzip_source(Source& inner) {
#ifdef PROA_HAVE_ISAL
    return std::make_unique<IsalSource>(inner);
#else
    return zlib_gzip_source(inner);
#endif
}

}  // namespace proa::codec
