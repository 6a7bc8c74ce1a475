#include "schema/oci/reference.h"

#include "base/text.h"

namespace proa::oci {

namespace {
constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kOfficialPrefix = "library/";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alphanumeric(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }
bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

/// [a-z0-9]+ ((\.|_|__|-+) [a-z0-9]+)*
bool is_path_component(std::string_view text) {
    size_t at = 0;
    for (;;) {
        size_t begin = at;
        while (at < text.size() && is_lower_or_digit(text[at])) at++;
        if (at == begin) return false;
        if (at == text.size()) return true;
        if (text[at] == '.') at++;
        else if (text[at] == '_') at += text.substr(at).starts_with("__") ? 2 : 1;
        else if (text[at] == '-') while (at < text.size() && text[at] == '-') at++;
        else return false;
    }
}

bool is_path(std::string_view text) {
    for (auto& component : split(text, '/'))
        if (!is_path_component(component)) return false;
    return true;
}

/// Host labels or an IPv6 address in brackets, with an optional port.
bool is_domain(std::string_view text) {
    std::string_view host = text;
    size_t colon = text.rfind(':');
    bool bracketed = text.starts_with('[');
    if (colon != std::string_view::npos && (!bracketed || text.find(']') < colon)) {
        std::string_view port = text.substr(colon + 1);
        if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
        host = text.substr(0, colon);
    }
    if (bracketed) {
        if (!host.ends_with(']') || host.size() < 3) return false;
        return host.substr(1, host.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
    }
    for (auto& label : split(host, '.')) {
        if (label.empty() || !is_alphanumeric(label.front()) || !is_alphanumeric(label.back())) return false;
        for (char c : label)
            if (!is_alphanumeric(c) && c != '-') return false;
    }
    return true;
}

Result<void> check_digest(std::string_view digest) {
    auto parts = cut(digest, ":");
    if (!parts || parts->first.empty() || parts->second.size() < 32 ||
        to_lower(parts->second).find_first_not_of("0123456789abcdef") != std::string::npos)
        return fail(ErrorKind::InvalidArgument, "invalid reference format");
    size_t wanted = parts->first == "sha256" ? 64 : parts->first == "sha384" ? 96 : parts->first == "sha512" ? 128 : 0;
    if (wanted == 0) return fail(ErrorKind::InvalidArgument, "unsupported digest algorithm");
    if (parts->second.size() != wanted) return fail(ErrorKind::InvalidArgument, "invalid checksum digest length");
    if (!is_hex(parts->second)) return fail(ErrorKind::InvalidArgument, "invalid checksum digest format");
    return {};
}

/// The domain and what follows it. Only a first component with '.', ':' or an upper-case letter, or "localhost", is a domain.
std::pair<std::string, std::string> split_domain(std::string_view text) {
    auto parts = cut(text, "/");
    bool has_domain = parts && (parts->first.find_first_of(".:") != std::string_view::npos || parts->first == "localhost" ||
                                to_lower(parts->first) != parts->first);
    std::string domain(has_domain ? parts->first : kDefaultDomain), rest(has_domain ? parts->second : text);
    if (domain == "index.docker.io") domain = kDefaultDomain;
    if (domain == kDefaultDomain && rest.find('/') == std::string::npos) rest = concat(kOfficialPrefix, rest);
    return {std::move(domain), std::move(rest)};
}
}  // namespace

bool is_valid_tag(std::string_view tag) {
    if (tag.empty() || tag.size() > 128 || tag[0] == '.' || tag[0] == '-') return false;
    for (char c : tag)
        if (!is_alphanumeric(c) && c != '_' && c != '.' && c != '-') return false;
    return true;
}

Result<Reference> Reference::parse(std::string_view text) {
    if (text.size() == 64 && is_hex(text))
        return fail(ErrorKind::InvalidArgument,
                    concat("invalid repository name (", text, "), cannot specify 64-byte hexadecimal strings"));
    auto [domain, rest] = split_domain(text);
    std::string_view remote_name = std::string_view(rest).substr(0, rest.find(':'));
    if (to_lower(remote_name) != remote_name)
        return fail(ErrorKind::InvalidArgument,
                    concat("invalid reference format: repository name (", remote_name, ") must be lowercase"));
    Reference reference;
    std::string_view left = rest;
    if (auto parts = cut(left, "@")) {
        left = parts->first;
        TRY(check_digest(parts->second));
        reference.digest = parts->second;
    }
    size_t colon = left.rfind(':');
    if (colon != std::string_view::npos && left.find('/', colon) == std::string_view::npos) {
        reference.tag = left.substr(colon + 1);
        left = left.substr(0, colon);
        if (!is_valid_tag(reference.tag)) return fail(ErrorKind::InvalidArgument, "invalid reference format");
    }
    if (!is_domain(domain) || !is_path(left)) return fail(ErrorKind::InvalidArgument, "invalid reference format");
    reference.domain = domain;
    reference.path = left;
    if (reference.path.size() > 255)
        return fail(ErrorKind::InvalidArgument, "repository name must not be more than 255 characters");
    return reference;
}

std::string Reference::familiar_name() const {
    if (domain != kDefaultDomain) return name();
    if (path.starts_with(kOfficialPrefix) && path.find('/', kOfficialPrefix.size()) == std::string::npos)
        return path.substr(kOfficialPrefix.size());
    return path;
}

namespace {
std::string with_suffixes(std::string name, const Reference& reference) {
    if (!reference.tag.empty()) name += ":" + reference.tag;
    if (!reference.digest.empty()) name += "@" + reference.digest;
    return name;
}
}  // namespace

std::string Reference::text() const { return with_suffixes(name(), *this); }
std::string Reference::familiar() const { return with_suffixes(familiar_name(), *this); }

Reference Reference::with_default_tag() const {
    Reference out = *this;
    if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
    return out;
}

}  // namespace proa::oci
