#include <cstring>

#include "codec/gzip_input.h"
#if __has_include(<isa-l/igzip_lib.h>) && !defined(PROA_NO_ISAL)
#include <isa-l/igzip_lib.h>
#define PROA_HAVE_ISAL 1
#endif

namespace proa::codec {

namespace {
#ifdef PROA_HAVE_ISAL
/// ISA-L's own parser of gzip headers reads uninitialised memory when a header arrives in two pieces (2.30), so that header and
/// trailer are read here and the library only inflates and sums.
class IsalSource : public Source {
public:
    explicit IsalSource(Source& inner) : input_(inner), buffer_(new char[kGzipOutput]), state_(new inflate_state()) {}
    Result<std::string_view> pull() override {
        state_->next_out = reinterpret_cast<uint8_t*>(buffer_.get());
        state_->avail_out = kGzipOutput;
        while (!done_ && state_->avail_out == kGzipOutput) {
            if (!in_member_) TRY(begin_member());
            TRY(input_.refill());
            state_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(input_.rest.data()));
            state_->avail_in = static_cast<uint32_t>(std::min<size_t>(input_.rest.size(), 1 << 30));
            uint32_t given = state_->avail_in;
            int status = isal_inflate(state_.get());
            input_.rest.remove_prefix(given - state_->avail_in);
            if (status < 0) return damaged_gzip("invalid data");
            if (state_->block_state == ISAL_BLOCK_FINISH) {
                TRY(end_member());
                done_ = !TRY(input_.another_member());
            } else if (input_.at_end && state_->avail_out == kGzipOutput) {
                return damaged_gzip("unexpected EOF");
            }
        }
        return std::string_view(buffer_.get(), kGzipOutput - state_->avail_out);
    }

private:
    Result<uint32_t> byte() {
        if (!spare_.empty()) {
            auto first = static_cast<unsigned char>(spare_[0]);
            spare_.erase(0, 1);
            return first;
        }
        TRY(input_.refill());
        if (input_.rest.empty()) return damaged_gzip("unexpected EOF");
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
            if (length > (64 << 10)) return damaged_gzip("invalid header");
        return {};
    }

    Result<void> begin_member() {
        enum { kHeaderSum = 2, kExtra = 4, kName = 8, kComment = 16, kReserved = 0xe0 };
        if (TRY(little_endian(3)) != 0x088b1f) return damaged_gzip("invalid header");
        uint32_t flags = TRY(byte());
        if (flags & kReserved) return damaged_gzip("invalid header");
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
        if (sum != state_->crc || size != state_->total_out) return damaged_gzip("invalid checksum");
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

std::unique_ptr<Source> gzip_source(Source& inner) {
#ifdef PROA_HAVE_ISAL
    return std::make_unique<IsalSource>(inner);
#else
    return zlib_gzip_source(inner);
#endif
}

}  // namespace proa::codec
