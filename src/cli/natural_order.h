#pragma once
#include <string_view>

namespace proa::cli {

/// Whether `a` comes before `b` where runs of digits compare as numbers: "net2" before "net10".
bool natural_less(std::string_view a, std::string_view b);

}  // namespace proa::cli
