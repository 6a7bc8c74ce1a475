#include "codec/digest.h"

#include <dlfcn.h>
#include <openssl/evp.h>

#include <cstdlib>

#include "base/log.h"
#include "base/text.h"

namespace proa::codec {

namespace {
/// What is used of libcrypto. It is loaded with the first hash: the command line seldom needs one and starts without it.
struct Crypto {
    decltype(&EVP_MD_CTX_new) context_new;
    decltype(&EVP_MD_CTX_free) context_free;
    decltype(&EVP_DigestInit_ex2) init;
    decltype(&EVP_DigestUpdate) update;
    decltype(&EVP_DigestFinal_ex) final;
    const EVP_MD *sha256, *sha512;  // fetched once: an implicit fetch for each hash costs a microsecond and a lock

    const EVP_MD* algorithm(DigestAlgorithm algorithm) const { return algorithm == DigestAlgorithm::Sha256 ? sha256 : sha512; }
};

[[noreturn]] void give_up(const char* why) {
    log::error(concat("libcrypto: ", std::string_view(why)));
    abort();  // the package depends on it
}

Crypto load_crypto() {
    void* library = ::dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
    if (!library) give_up(::dlerror());
    auto symbol = [library]<class Function>(const char* name, Function& function) {
        function = reinterpret_cast<Function>(::dlsym(library, name));
        if (!function) give_up(name);
    };
    Crypto crypto{};
    decltype(&EVP_MD_fetch) fetch;
    symbol("EVP_MD_CTX_new", crypto.context_new);
    symbol("EVP_MD_CTX_free", crypto.context_free);
    symbol("EVP_DigestInit_ex2", crypto.init);
    symbol("EVP_DigestUpdate", crypto.update);
    symbol("EVP_DigestFinal_ex", crypto.final);
    symbol("EVP_MD_fetch", fetch);
    crypto.sha256 = fetch(nullptr, "SHA256", nullptr);
    crypto.sha512 = fetch(nullptr, "SHA512", nullptr);
    return crypto;
}

const Crypto& crypto() {
    static const Crypto loaded = load_crypto();
    return loaded;
}

bool is_algorithm_name(std::string_view name) {
    return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+._-") == std::string_view::npos;
}
}  // namespace

Result<Digest> Digest::parse(std::string_view text) {
    auto parts = cut(text, ":");
    if (!parts || !is_algorithm_name(parts->first) || parts->second.empty())
        return fail(ErrorKind::InvalidArgument, "invalid checksum digest format");
    size_t length;
    if (parts->first == "sha256") length = 64;
    else if (parts->first == "sha512") length = 128;
    else return fail(ErrorKind::InvalidArgument, "unsupported digest algorithm");
    if (parts->second.find_first_not_of("0123456789abcdef") != std::string_view::npos)
        return fail(ErrorKind::InvalidArgument, "invalid checksum digest format");
    if (parts->second.size() != length) return fail(ErrorKind::InvalidArgument, "invalid checksum digest length");
    Digest digest;
    digest.text_ = text;
    return digest;
}

Digest Digest::from_hex(DigestAlgorithm algorithm, std::string_view hex) {
    Digest digest;
    digest.text_ = concat(algorithm == DigestAlgorithm::Sha256 ? "sha256:" : "sha512:", hex);
    return digest;
}

Digest Digest::of(std::string_view bytes, DigestAlgorithm algorithm) {
    Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.finish();
}

DigestAlgorithm Digest::algorithm() const {
    return algorithm_name() == "sha512" ? DigestAlgorithm::Sha512 : DigestAlgorithm::Sha256;
}

Hasher::Hasher(DigestAlgorithm algorithm) : algorithm_(algorithm), context_(crypto().context_new()) {
    if (!context_ || crypto().init(context_, crypto().algorithm(algorithm), nullptr) != 1) abort();  // out of memory only
}
Hasher::Hasher(Hasher&& other) noexcept : algorithm_(other.algorithm_), context_(std::exchange(other.context_, nullptr)) {}
Hasher& Hasher::operator=(Hasher&& other) noexcept {
    std::swap(context_, other.context_);
    algorithm_ = other.algorithm_;
    return *this;
}
Hasher::~Hasher() {
    if (context_) crypto().context_free(context_);
}

void Hasher::update(std::string_view bytes) { crypto().update(context_, bytes.data(), bytes.size()); }

Digest Hasher::finish() {
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    crypto().final(context_, raw, &length);
    crypto().init(context_, crypto().algorithm(algorithm_), nullptr);
    return Digest::from_hex(algorithm_, proa::hex(std::string_view(reinterpret_cast<char*>(raw), length)));
}

Result<std::string_view> HashingSource::pull() {
    std::string_view piece = TRY(inner_.pull());
    hasher_.update(piece);
    count_ += piece.size();
    return piece;
}

Result<void> HashingSink::write(std::string_view bytes) {
    hasher_.update(bytes);
    count_ += bytes.size();
    return inner_.write(bytes);
}

}  // namespace proa::codec
