#pragma once
#include <compare>
#include <functional>
#include <string>
#include <string_view>

#include "codec/stream.h"

struct evp_md_ctx_st;

namespace proa::codec {

enum class DigestAlgorithm { Sha256, Sha512 };

/// A content digest, "sha256:<64 hex>" or "sha512:<128 hex>". Empty only when default-constructed.
/// Spec: OCI image-spec descriptor.md (digests)
class Digest {
public:
    Digest() = default;
    /// Strict: lower-case hex of the right length, a known algorithm. InvalidArgument with go-digest's texts:
    /// "invalid checksum digest format", "unsupported digest algorithm", "invalid checksum digest length".
    static Result<Digest> parse(std::string_view text);
    static Digest from_hex(DigestAlgorithm algorithm, std::string_view hex);
    static Digest of(std::string_view bytes, DigestAlgorithm algorithm = DigestAlgorithm::Sha256);

    const std::string& text() const { return text_; }
    std::string_view algorithm_name() const { return std::string_view(text_).substr(0, text_.find(':')); }
    DigestAlgorithm algorithm() const;
    std::string_view hex() const { return std::string_view(text_).substr(text_.find(':') + 1); }
    bool empty() const { return text_.empty(); }
    auto operator<=>(const Digest&) const = default;

private:
    std::string text_;
};

/// Hashes what is fed to it, piece by piece.
class Hasher {
public:
    explicit Hasher(DigestAlgorithm algorithm = DigestAlgorithm::Sha256);
    Hasher(Hasher&& other) noexcept;
    Hasher& operator=(Hasher&& other) noexcept;
    Hasher(const Hasher&) = delete;
    ~Hasher();
    void update(std::string_view bytes);
    Digest finish();  ///< starts anew afterwards

private:
    DigestAlgorithm algorithm_;
    evp_md_ctx_st* context_;
};

/// Passes a source through and hashes and counts what was pulled.
class HashingSource : public Source {
public:
    explicit HashingSource(Source& inner, DigestAlgorithm algorithm = DigestAlgorithm::Sha256)
        : inner_(inner), hasher_(algorithm) {}
    Result<std::string_view> pull() override;
    uint64_t count() const { return count_; }
    Digest finish() { return hasher_.finish(); }

private:
    Source& inner_;
    Hasher hasher_;
    uint64_t count_ = 0;
};

/// Passes writes through and hashes and counts them.
class HashingSink : public Sink {
public:
    explicit HashingSink(Sink& inner, DigestAlgorithm algorithm = DigestAlgorithm::Sha256)
        : inner_(inner), hasher_(algorithm) {}
    Result<void> write(std::string_view bytes) override;
    uint64_t count() const { return count_; }
    Digest finish() { return hasher_.finish(); }

private:
    Sink& inner_;
    Hasher hasher_;
    uint64_t count_ = 0;
};

}  // namespace proa::codec

template <>
struct std::hash<proa::codec::Digest> {
    size_t operator()(const proa::codec::Digest& digest) const { return std::hash<std::string>()(digest.text()); }
};
