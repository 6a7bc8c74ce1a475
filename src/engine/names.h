#pragma once
#include <string>

namespace proa::engine {

/// A random name for a container without one: "adjective_noun", with a digit behind it from the second `attempt` on.
std::string random_name(int attempt);
/// Docker's rule [a-zA-Z0-9][a-zA-Z0-9_.-]+ (without a leading slash).
bool is_valid_name(std::string_view name);

}  // namespace proa::engine
