#pragma once
#include <memory>

#include "codec/stream.h"

namespace proa::codec {

enum class Compression { None, Gzip, Zstd, Bzip2, Xz };

std::string_view compression_name(Compression compression);  ///< "none", "gzip", "zstd", "bzip2", "xz"

/// By the first bytes (10 suffice), never by a name or a media type. A zstd skippable frame counts as zstd.
Compression detect_compression(std::string_view head);

/// The plain bytes of `inner`, which is borrowed and must outlive the result. Gzip reads all members (RFC 1952), zstd all
/// frames and skips skippable ones. Errors: InvalidArgument on damaged or cut input; Unsupported when this build lacks the format.
Result<std::unique_ptr<Source>> decompress(Source& inner, Compression compression);

/// As above with the compression detected; `*found` says which.
Result<std::unique_ptr<Source>> decompress_detected(Source& inner, Compression* found = nullptr);

/// A sink that compresses; finish() writes the end. Without finish() the output is cut.
class Compressor : public Sink {
public:
    virtual Result<void> finish() = 0;
};

/// Gzip in members of 1 MiB of input each, compressed on up to `threads` threads; the bytes depend on input and level only.
/// Level 1 to 12 of libdeflate. `out` is borrowed.
std::unique_ptr<Compressor> gzip_compressor(Sink& out, int level = 6, unsigned threads = 2);
/// A whole text in the zlib format (RFC 1950); level 1 to 12.
std::string zlib_compress(std::string_view text, int level);
/// Zstandard, level 1 to 19.
std::unique_ptr<Compressor> zstd_compressor(Sink& out, int level = 3, unsigned threads = 2);
/// Gzip, zstd or none (passes through); Unsupported for the others. Level 0: the format's own default.
Result<std::unique_ptr<Compressor>> compressor(Sink& out, Compression compression, int level = 0);

// One reader for each format; see decompress().
std::unique_ptr<Source> gzip_source(Source& inner);
std::unique_ptr<Source> zlib_gzip_source(Source& inner);  ///< the reader for machines that ISA-L does not know
std::unique_ptr<Source> zstd_source(Source& inner);
std::unique_ptr<Source> bzip2_source(Source& inner);
std::unique_ptr<Source> xz_source(Source& inner);

}  // namespace proa::codec
