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
/// ISA-L's own parser of gzip headers reads uninitialised memory when a header arrives in two pieces (2.30), so that header and
/// trailer are read here and the library only inflates and sums.
class IsalSource : public Source {
public:
    explicit IsalSource(Source& inner) : input_(inner), buffer_(new char[kOutput]), state_(new inflate_state()) {}
    Result<std::string_view> pull() override {
        state_->next_out = reinterpret_cast<uint8_t*>(buffer_.get());
        state_->avail_out = kOutput;
        while (!done_ && state_->avail_out == kOutput) {
            if (!in_member_) TRY(begin_member());
            TRY(input_.refill());
            state_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(input_.rest.data()));
            state_->avail_in = static_cast<uint32_t>(std::min<size_t>(input_.rest.size(), 1 << 30));
            uint32_t given = state_->avail_in;
            int status = isal_inflate(state_.get());
            input_.rest.remove_prefix(given - state_->avail_in);
            if (status < 0) return damaged("invalid data");
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                TRY(end_member());
                done_ = !TRY(input_.another_member());
            } else if (input_.at_end && state_->avail_out == kOutput) {
                return damaged("unexpected EOF");
            }
        }
        return std::string_view(buffer_.get(), kOutput - state_->avail_out);
    }

private:
    Result<uint32_t> byte() {
        if (!spare_.empty()) {
            auto first = static_cast<unsigned char>(spare_[0]);
            spare_.erase(0, 1);
            return first;
        }
        TRY(input_.refill());
        if (input_.rest.empty()) return damaged("unexpected EOF");
        auto first = static_cast<unsigned char>(input_.rest[0]);
        input_.rest.remove_prefix(1);
        return first;
    }
    Result<uint32_t> little_endian(int bytes) {
        uint32_t value = 0;
        for (int i = 0; i < bytes; i++) value |= TRY(byte()) << (8 * i);
        return value;
    }
    Result<void> skip_text() {
        for (size_t length = 0; TRY(byte()) != 0; length++)
            if (length > (64 << 10)) return damaged("invalid header");
        return {};
    }

    Result<void> begin_member() {
        enum { kHeaderSum = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0 };
        if (TRY(little_endian(3)) != 0x088b1f) return damaged("invalid header");
        uint32_t flags = TRY(byte());
        if (flags & kReserved) return damaged("invalid header");
        TRY(little_endian(4));  // time
        TRY(little_endian(2));  // level and system
        if (flags & kExtra)
            for (uint32_t length = TRY(little_endian(2)); length > 0; length--) TRY(byte());
        if (flags & kName) TRY(skip_text());
        if (flags & kComment) TRY(skip_text());
        if (flags & kHeaderSum) TRY(little_endian(2));
        uint8_t* out = state_->next_out;
        uint32_t room = state_->avail_out;
        isal_inflate_init(state_.get());
        state_->crc_flag = ISAL_GZIP_NO_HDR;
        state_->next_out = out;
        state_->avail_out = room;
        in_member_ = true;
        return {};
    }

    Result<void> end_member() {
        // Whole bytes that the library read ahead belong to the trailer.
        uint64_t bits = state_->read_in >> (state_->read_in_length % 8);
        for (int left = state_->read_in_length / 8; left > 0; left--, bits >>= 8) spare_.push_back(static_cast<char>(bits & 0xff));
        in_member_ = false;
        uint32_t sum = TRY(little_endian(4)), size = TRY(little_endian(4));
        if (sum != state_->crc || size != state_->total_out) return damaged("invalid checksum");
        return {};
    }

    GzipInput input_;
    std::unique_ptr<char[]> buffer_;
    std::unique_ptr<inflate_state> state_;
    std::string spare_;
    bool in_member_ = false, done_ = false;
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
