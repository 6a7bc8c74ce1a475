#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace proa::registry {

/// One way to prove oneself, out of WWW-Authenticate. Spec: RFC 9110 section 11.6.1
struct Challenge {
    std::string scheme;  ///< lower case: "bearer", "basic"
    std::map<std::string, std::string> parameters;  ///< names in lower case

    std::string parameter(const std::string& name) const {
        auto found = parameters.find(name);
        return found == parameters.end() ? "" : found->second;
    }
};

/// All challenges of one field value; what cannot be read is left out.
std::vector<Challenge> parse_challenges(std::string_view value);

}  // namespace proa::registry
