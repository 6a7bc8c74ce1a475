#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace proa::bundle {

/// One flag of a command as Go's flag package reads it: -name, --name, --name=value, --name value.
struct FlagSpec {
    const char* names;  ///< "bundle,b": the first is the key of the result
    bool takes_value;
    const char* help;
};

struct ParsedFlags {
    std::map<std::string, std::vector<std::string>> values;  ///< "true" for flags without a value
    std::vector<std::string> rest;                           ///< from the first word that is no flag on

    bool has(const std::string& name) const { return values.contains(name); }
    std::string text(const std::string& name, std::string fallback = "") const;
    std::vector<std::string> list(const std::string& name) const;
    bool on(const std::string& name) const;
};

/// Errors: InvalidArgument with Go's texts: `flag provided but not defined: -x`, `flag needs an argument: -x`.
Result<ParsedFlags> parse_flags(std::span<const FlagSpec> specs, std::span<const std::string> words);

}  // namespace proa::bundle
