#include "codec/stream.h"

#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/fd.h"

namespace proa::codec {

FdSource::FdSource(int fd, size_t buffer_size) : fd_(fd), size_(buffer_size), buffer_(new char[buffer_size]) {}

Result<std::string_view> FdSource::pull() {
    size_t got = TRY(os::read_some(fd_, std::span(buffer_.get(), size_)));
    return std::string_view(buffer_.get(), got);
}

Result<std::string_view> FileRangeSource::pull() {
    constexpr size_t kPiece = 256 << 10;
    if (left_ == 0) return std::string_view();
    if (!buffer_) buffer_.reset(new char[kPiece]);
    for (;;) {
        ssize_t got = ::pread(fd_, buffer_.get(), std::min<uint64_t>(kPiece, left_), static_cast<off_t>(offset_));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno("read");
        offset_ += static_cast<uint64_t>(got);
        left_ = got == 0 ? 0 : left_ - static_cast<uint64_t>(got);
        return std::string_view(buffer_.get(), static_cast<size_t>(got));
    }
}

Result<std::string_view> PeekSource::peek(size_t count) {
    while (head_.size() < count) {
        std::string_view piece = TRY(inner_->pull());
        if (piece.empty()) break;
        head_.append(piece);
    }
    return std::string_view(head_).substr(0, count);
}

Result<std::string_view> PeekSource::pull() {
    if (given_) {
        head_.clear();
        given_ = false;
    }
    if (head_.empty()) return inner_->pull();
    given_ = true;
    return std::string_view(head_);
}

Result<void> FdSink::write(std::string_view bytes) { return os::write_all(fd_, bytes); }

Result<uint64_t> copy(Source& source, Sink& sink) {
    uint64_t count = 0;
    for (;;) {
        std::string_view piece = TRY(source.pull());
        if (piece.empty()) return count;
        TRY(sink.write(piece));
        count += piece.size();
    }
}

Result<std::string> read_all(Source& source, size_t limit) {
    std::string out;
    for (;;) {
        std::string_view piece = TRY(source.pull());
        if (piece.empty()) return out;
        if (piece.size() > limit - out.size())
            return fail(ErrorKind::InvalidArgument, concat("more than ", limit, " bytes"));
        out.append(piece);
    }
}

}  // namespace proa::codec
