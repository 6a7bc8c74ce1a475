#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

// The one shape of all byte streams that codecs, archives and the store hand to each other.
namespace proa::codec {

/// Bytes that can be read once, piece by piece. Each stage owns the buffer it returns, so that no stage copies.
class Source {
public:
    virtual ~Source() = default;
    /// The next bytes, at least one; an empty view at the end, and again on every call after it. Valid until the next call.
    /// After an error the source is spent. Blocking.
    virtual Result<std::string_view> pull() = 0;
};

/// Where bytes go. Blocking. What was written may stay in buffers until the writer's own finish().
class Sink {
public:
    virtual ~Sink() = default;
    virtual Result<void> write(std::string_view bytes) = 0;
};

/// Reads a descriptor (not owned) from its current position to its end.
class FdSource : public Source {
public:
    explicit FdSource(int fd, size_t buffer_size = 256 << 10);
    Result<std::string_view> pull() override;

private:
    int fd_;
    size_t size_;
    std::unique_ptr<char[]> buffer_;
};

/// At most `length` bytes of a descriptor from `offset` on, by pread(2): the descriptor's position is not touched.
class FileRangeSource : public Source {
public:
    FileRangeSource(int fd, uint64_t offset, uint64_t length) : fd_(fd), offset_(offset), left_(length) {}
    Result<std::string_view> pull() override;

private:
    int fd_;
    uint64_t offset_, left_;
    std::unique_ptr<char[]> buffer_;
};

/// Bytes in memory, not owned.
class MemorySource : public Source {
public:
    explicit MemorySource(std::string_view bytes, size_t piece = SIZE_MAX) : rest_(bytes), piece_(piece) {}
    Result<std::string_view> pull() override {
        std::string_view next = rest_.substr(0, piece_);
        rest_.remove_prefix(next.size());
        return next;
    }

private:
    std::string_view rest_;
    size_t piece_;
};

/// Any callable as a source, for callers with streams of their own (an HTTP body).
class FunctionSource : public Source {
public:
    explicit FunctionSource(std::function<Result<std::string_view>()> pull) : pull_(std::move(pull)) {}
    Result<std::string_view> pull() override { return pull_(); }

private:
    std::function<Result<std::string_view>()> pull_;
};

/// Lets the first bytes be looked at before they are pulled. Owns or borrows the inner source.
class PeekSource : public Source {
public:
    explicit PeekSource(Source& inner) : inner_(&inner) {}
    explicit PeekSource(std::unique_ptr<Source> inner) : owned_(std::move(inner)), inner_(owned_.get()) {}
    /// Up to `count` first bytes of what is left (fewer only at the end).
    Result<std::string_view> peek(size_t count);
    Result<std::string_view> pull() override;

private:
    std::unique_ptr<Source> owned_;
    Source* inner_;
    std::string head_;
    bool given_ = false;
};

class FdSink : public Sink {
public:
    explicit FdSink(int fd) : fd_(fd) {}
    Result<void> write(std::string_view bytes) override;

private:
    int fd_;
};

class StringSink : public Sink {
public:
    Result<void> write(std::string_view bytes) override {
        text.append(bytes);
        return {};
    }
    std::string text;
};

class FunctionSink : public Sink {
public:
    explicit FunctionSink(std::function<Result<void>(std::string_view)> write) : write_(std::move(write)) {}
    Result<void> write(std::string_view bytes) override { return write_(bytes); }

private:
    std::function<Result<void>(std::string_view)> write_;
};

/// Everything from `source` to `sink`; the count of bytes.
Result<uint64_t> copy(Source& source, Sink& sink);
/// Everything, InvalidArgument when there is more than `limit` bytes.
Result<std::string> read_all(Source& source, size_t limit);

}  // namespace proa::codec
