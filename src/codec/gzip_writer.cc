#include <libdeflate.h>

#include <deque>
#include <future>
#include <memory>

#include "base/text.h"
#include "codec/compression.h"

namespace proa::codec {

namespace {
constexpr size_t kChunk = 1 << 20;

using Deflater = std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)>;

/// Whether samples of a large input do not shrink: archives, media and keys are stored as they are, many times faster.
bool is_dense(libdeflate_compressor* compressor, const std::string& input) {
    constexpr size_t kSample = 16 << 10, kWorthwhile = kSample - kSample / 50;
    if (input.size() < 8 * kSample) return false;
    std::string output(libdeflate_deflate_compress_bound(compressor, kSample), '\0');
    for (size_t at : {size_t(0), input.size() / 2, input.size() - kSample})
        if (libdeflate_deflate_compress(compressor, input.data() + at, kSample, output.data(), output.size()) < kWorthwhile) return false;
    return true;
}

/// One gzip member; empty when memory ran out.
std::string compress_member(std::string input, int level) {
    Deflater compressor(libdeflate_alloc_compressor(level), libdeflate_free_compressor);
    if (compressor && is_dense(compressor.get(), input)) compressor.reset(libdeflate_alloc_compressor(0));
    if (!compressor) return {};
    std::string output(libdeflate_gzip_compress_bound(compressor.get(), input.size()), '\0');
    output.resize(libdeflate_gzip_compress(compressor.get(), input.data(), input.size(), output.data(), output.size()));
    return output;
}

class GzipCompressor : public Compressor {
public:
    GzipCompressor(Sink& out, int level, unsigned threads) : out_(out), level_(std::clamp(level, 1, 12)), threads_(std::max(threads, 1u)) {}

    Result<void> write(std::string_view bytes) override {
        while (!bytes.empty()) {
            std::string_view part = bytes.substr(0, kChunk - chunk_.size());
            if (chunk_.empty()) chunk_.reserve(kChunk);
            chunk_.append(part);
            bytes.remove_prefix(part.size());
            if (chunk_.size() == kChunk) TRY(start_member());
        }
        return {};
    }
    Result<void> finish() override {
        if (!chunk_.empty() || !any_) TRY(start_member());
        while (!members_.empty()) TRY(write_member());
        return {};
    }

private:
    Result<void> start_member() {
        any_ = true;
        if (members_.size() >= threads_) TRY(write_member());
        auto policy = threads_ > 1 ? std::launch::async : std::launch::deferred;
        members_.push_back(std::async(policy, compress_member, std::exchange(chunk_, {}), level_));
        return {};
    }
    Result<void> write_member() {
        std::string member = members_.front().get();
        members_.pop_front();
        if (member.empty()) return fail(ErrorKind::Internal, "gzip: out of memory");
        return out_.write(member);
    }
    Sink& out_;
    int level_;
    unsigned threads_;
    bool any_ = false;
    std::string chunk_;
    std::deque<std::future<std::string>> members_;
};
}  // namespace

std::string zlib_compress(std::string_view text, int level) {
    libdeflate_compressor* compressor = libdeflate_alloc_compressor(std::clamp(level, 1, 12));
    if (!compressor) throw std::bad_alloc();
    std::string output(libdeflate_zlib_compress_bound(compressor, text.size()), '\0');
    output.resize(libdeflate_zlib_compress(compressor, text.data(), text.size(), output.data(), output.size()));
    libdeflate_free_compressor(compressor);
    return output;
}

std::unique_ptr<Compressor> gzip_compressor(Sink& out, int level, unsigned threads) { return std::make_unique<GzipCompressor>(out, level, threads); }

}  // namespace proa::codec
