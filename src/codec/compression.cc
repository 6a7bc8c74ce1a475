#include "codec/compression.h"

#include "base/text.h"

namespace proa::codec {

std::string_view compression_name(Compression compression) {
    switch (compression) {
        case Compression::None: return "none";
        case Compression::Gzip: return "gzip";
        case Compression::Zstd: return "zstd";
        case Compression::Bzip2: return "bzip2";
        case Compression::Xz: return "xz";
    }
    return "none";
}

Compression detect_compression(std::string_view head) {
    if (head.starts_with("\x1f\x8b\x08")) return Compression::Gzip;
    if (head.starts_with("\x28\xb5\x2f\xfd")) return Compression::Zstd;
    if (head.size() >= 4 && head.substr(1, 3) == "\x2a\x4d\x18" && (head[0] & 0xf0) == 0x50) return Compression::Zstd;
    if (head.starts_with("BZh")) return Compression::Bzip2;
    if (head.starts_with(std::string_view("\xfd\x37\x7a\x58\x5a\x00", 6))) return Compression::Xz;
    return Compression::None;
}

namespace {
class PassingSource : public Source {
public:
    explicit PassingSource(Source& inner) : inner_(inner) {}
    Result<std::string_view> pull() override { return inner_.pull(); }

private:
    Source& inner_;
};

/// A decompressor together with the peeking source it reads from.
class DetectedSource : public Source {
public:
    explicit DetectedSource(Source& inner) : peek(inner) {}
    Result<std::string_view> pull() override { return decompressed->pull(); }
    PeekSource peek;
    std::unique_ptr<Source> decompressed;
};

class PassingCompressor : public Compressor {
public:
    explicit PassingCompressor(Sink& out) : out_(out) {}
    Result<void> write(std::string_view bytes) override { return out_.write(bytes); }
    Result<void> finish() override { return {}; }

private:
    Sink& out_;
};
}  // namespace

Result<std::unique_ptr<Source>> decompress(Source& inner, Compression compression) {
    switch (compression) {
        case Compression::None: return std::make_unique<PassingSource>(inner);
        case Compression::Gzip: return gzip_source(inner);
        case Compression::Zstd: return zstd_source(inner);
        case Compression::Bzip2: return bzip2_source(inner);
        case Compression::Xz: return xz_source(inner);
    }
    return fail(ErrorKind::Unsupported, "unknown compression");
}

Result<std::unique_ptr<Source>> decompress_detected(Source& inner, Compression* found) {
    auto detected = std::make_unique<DetectedSource>(inner);
    Compression compression = detect_compression(TRY(detected->peek.peek(10)));
    if (found) *found = compression;
    detected->decompressed = TRY(decompress(detected->peek, compression));
    return detected;
}

namespace {
/// libdeflate's level for layers. Of a Debian root filesystem (310 MB) it makes 114.0 MB in 5.0 s of one core; level 6 makes 113.4 MB in 6.1 s,
/// Go's compress/gzip at its default 116.8 MB.
constexpr int kGzipLevel = 5;
}  // namespace

Result<std::unique_ptr<Compressor>> compressor(Sink& out, Compression compression, int level) {
    switch (compression) {
        case Compression::None: return std::make_unique<PassingCompressor>(out);
        case Compression::Gzip: return gzip_compressor(out, level == 0 ? kGzipLevel : level);
        case Compression::Zstd: return zstd_compressor(out, level == 0 ? 3 : level);
        default: return fail(ErrorKind::Unsupported, concat("writing ", compression_name(compression), " is not supported"));
    }
}

}  // namespace proa::codec
