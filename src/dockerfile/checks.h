#pragma once
#include <functional>
#include <string>
#include <vector>

#include "dockerfile/commands.h"
#include "dockerfile/ignore.h"

namespace proa::dockerfile {

/// What the checks see beside the Dockerfile.
struct CheckInputs {
    IgnorePatterns ignored;               ///< of the context
    std::vector<std::string> files;       ///< paths of the context after .dockerignore, for the check of credentials
};

/// Docker's build checks by rule name (StageNameCasing, JSONArgsRecommended, ...), and CredentialsCopied of our own: files that look like keys
/// or credentials would enter the image. `# check=skip=A,B|all;error=true` is honoured. Sorted by line. Not here, for lack of the base
/// image: InvalidBaseImagePlatform; and UndefinedVar speaks of stages that start from scratch only.
struct CheckReport {
    std::vector<Warning> warnings;
    bool is_error = false;  ///< the Dockerfile asks for failure when there is any
};
Result<CheckReport> check_dockerfile(const Document& document, const CheckInputs& inputs);

/// "StageNameCasing" gives the address of its page.
std::string rule_page(const std::string& rule);

}  // namespace proa::dockerfile
