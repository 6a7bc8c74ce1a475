#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dockerfile/commands.h"
#include "dockerfile/ignore.h"

namespace proa::dockerfile {

/// What an image says of itself.
struct CheckedImage {
    std::string platform;                ///< "linux/arm64/v8"
    std::vector<std::string> variables;  ///< names in its environment
};

/// What the checks see beside the Dockerfile.
struct CheckInputs {
    IgnorePatterns ignored;                                                          ///< of the context
    std::vector<std::string> files;                                                  ///< paths of the context after .dockerignore, for the check of credentials
    std::string platform;                                                            ///< that is built for, "linux/amd64"; "" when nobody knows
    std::function<std::optional<CheckedImage>(const std::string& reference)> image;  ///< a base image, where it is at hand
};

/// Docker's 22 build checks by rule name (StageNameCasing, JSONArgsRecommended, ...), and CredentialsCopied of our own: files that look like
/// keys or credentials would enter the image. `# check=skip=A,B|all;error=true;experimental=C|all` is honoured. Sorted by line.
/// InvalidBaseImagePlatform needs the base image at hand; UndefinedVar too, unless the stage starts from scratch.
struct CheckReport {
    std::vector<Warning> warnings;
    bool is_error = false;  ///< the Dockerfile asks for failure when there is any
};
Result<CheckReport> check_dockerfile(const Document& document, const CheckInputs& inputs);

/// "StageNameCasing" gives the address of its page.
std::string rule_page(const std::string& rule);

}  // namespace proa::dockerfile
