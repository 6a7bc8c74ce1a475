#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dockerfile/commands.h"
#include "dockerfile/expand.h"
#include "schema/oci/image.h"

namespace proa::build {

/// --build-arg as clients send it; null takes no value.
using BuildArgs = std::map<std::string, std::optional<std::string>>;

/// Sets `name` in a list of "NAME=value", in its old place when it is there.
void set_variable(std::vector<std::string>& environment, const std::string& name, const std::string& value);
std::optional<std::string> find_variable(const std::vector<std::string>& environment, std::string_view name);

/// HTTP_PROXY and its kin: known to RUN without an ARG, and no part of history and cache.
bool is_proxy_argument(std::string_view name);

/// TARGETPLATFORM, BUILDARCH and so on, for one target platform. `stage` is TARGETSTAGE.
std::map<std::string, std::string> platform_arguments(const oci::Platform& target, const std::string& stage);

/// The arguments of a build as one stage sees them: what ARG declared so far.
/// Spec: Dockerfile reference, "Scope" and "Impact on build caching" of ARG.
class Variables {
public:
    Variables(const BuildArgs& given, std::map<std::string, std::string> automatic) : given_(given), automatic_(std::move(automatic)) {}

    /// `ARG name[=fallback]` before the first FROM.
    void declare_global(const std::string& name, const std::optional<std::string>& fallback);
    /// `ARG name[=fallback]` inside a stage: what was given, else the fallback, else the global one's value.
    void declare(const std::string& name, const std::optional<std::string>& fallback);
    /// Inherited from the stage that this one starts from.
    void inherit(const Variables& parent) { declared_ = parent.declared_; }

    /// For FROM lines.
    std::optional<std::string> global(std::string_view name) const;
    /// In a stage: ENV wins over ARG.
    std::optional<std::string> lookup(std::string_view name, const std::vector<std::string>& environment) const;
    /// "NAME=value" of declared arguments that the environment does not hold, sorted: what a RUN gets and what history and cache say.
    std::vector<std::string> for_run(const std::vector<std::string>& environment) const;
    /// The proxies that were given and not declared.
    std::vector<std::string> proxies(const std::vector<std::string>& environment) const;
    /// Names that were given and that no ARG took.
    const std::set<std::string>& used() const { return used_; }

private:
    const BuildArgs& given_;
    std::map<std::string, std::string> automatic_;
    std::map<std::string, std::optional<std::string>, std::less<>> globals_, declared_;
    std::set<std::string> used_;
};

}  // namespace proa::build
