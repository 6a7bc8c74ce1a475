#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace proa::oci {

/// The name of an image as users write it, with Docker's defaults: "busybox" is docker.io/library/busybox.
/// A repository alone, with a tag, with a digest, or with both. Spec: distribution/reference grammar
struct Reference {
    std::string domain;  ///< "docker.io", "localhost:5000"
    std::string path;    ///< "library/busybox"
    std::string tag;     ///< empty when none was given
    std::string digest;  ///< "sha256:...", empty when none was given

    /// InvalidArgument with Docker's texts: "invalid reference format", "invalid reference format: repository name (library/X)
    /// must be lowercase", "invalid repository name (HEX), cannot specify 64-byte hexadecimal strings", ...
    static Result<Reference> parse(std::string_view text);

    std::string name() const { return domain + "/" + path; }  ///< "docker.io/library/busybox"
    std::string familiar_name() const;                        ///< "busybox"
    std::string text() const;                                 ///< canonical, with tag and digest
    std::string familiar() const;                             ///< "busybox:latest", "busybox@sha256:..."
    /// With tag "latest" when there is neither tag nor digest.
    Reference with_default_tag() const;
    auto operator<=>(const Reference&) const = default;
};

/// "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
bool is_valid_tag(std::string_view tag);

}  // namespace proa::oci
