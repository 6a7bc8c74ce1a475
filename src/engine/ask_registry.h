#pragma once
#include "engine/parts.h"
#include "registry/repository.h"

namespace proa::engine {

// Questions to a registry that bring nothing into the store.

struct LoginAnswer {
    std::string identity_token;  ///< "" when the registry gives none
};
/// `POST /auth`. Errors: Unauthorized for wrong credentials, in Docker's words; others as the registry or network says.
Result<LoginAnswer> log_in(Parts& parts, const registry::Credentials& credentials, const std::string& agent);

struct SearchQuery {
    std::string term;
    int64_t limit = 25;
    std::optional<bool> official, automated;
    int64_t stars = 0;
};
/// `GET /images/search`: the results as the index gives them. Docker Hub unless the term begins with a registry's name.
Result<json::Array> search_images(Parts& parts, const SearchQuery& query, const registry::Credentials& credentials, const std::string& agent);

struct DistributionAnswer {
    oci::Descriptor descriptor;
    std::vector<oci::Platform> platforms;
};
/// `GET /distribution/X/json`: what a name stands for at its registry. Errors: NotFound, Unauthorized.
Result<DistributionAnswer> inspect_distribution(Parts& parts, const std::string& name, const registry::Credentials& credentials, const std::string& agent);

}  // namespace proa::engine
