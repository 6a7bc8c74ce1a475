#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// A seccomp profile as `docker run --security-opt seccomp=FILE` and config.json's linux.seccomp describe it.
namespace proa::seccomp {

enum class Action : uint8_t { KillThread, KillProcess, Trap, Errno, Trace, Log, Allow, Notify };
enum class Operator : uint8_t { NotEqual, Less, LessEqual, Equal, GreaterEqual, Greater, MaskedEqual };

struct Argument {
    uint32_t index = 0;
    uint64_t value = 0, value_two = 0;  ///< MaskedEqual: argument & value == value_two
    Operator op = Operator::Equal;
};

/// When a rule holds: with all of the capabilities, on one of the architectures (Go's names), from this kernel on.
struct Condition {
    std::vector<std::string> capabilities, architectures;
    std::string minimum_kernel;
};

struct Rule {
    std::vector<std::string> names;
    Action action = Action::Allow;
    std::optional<uint32_t> errno_value;
    std::vector<Argument> arguments;  ///< all must hold
    Condition includes, excludes;     ///< excluded when any capability or architecture is there
};

struct Profile {
    Action default_action = Action::Errno;
    std::optional<uint32_t> default_errno;
    /// "SCMP_ARCH_X86_64" ...; empty: the native one and those that it runs as well.
    std::vector<std::string> architectures;
    std::vector<std::string> flags;  ///< "SECCOMP_FILTER_FLAG_LOG" ...
    std::string listener_path, listener_metadata;
    std::vector<Rule> rules;
};

/// Docker's default posture.
const Profile& default_profile();

/// Reads a profile's JSON (moby's form with archMap, includes and excludes, or OCI's).
/// Errors: InvalidArgument, "Decoding seccomp profile failed: ..." as dockerd says it.
Result<Profile> parse_profile(std::string_view json);

std::optional<Action> action_from_name(std::string_view name);      ///< "SCMP_ACT_ERRNO"
std::optional<Operator> operator_from_name(std::string_view name);  ///< "SCMP_CMP_EQ"
std::string_view action_name(Action action);      ///< "SCMP_ACT_ERRNO"; of two names the older one
std::string_view operator_name(Operator op);      ///< "SCMP_CMP_EQ"

}  // namespace proa::seccomp
