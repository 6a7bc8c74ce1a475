#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace proa::engine {

/// One long flag of a program, with the grammar of pflag (GNU style).
struct Flag {
    std::string_view name;        ///< without dashes
    char shorthand = 0;           ///< 0: none
    std::string_view value_name;  ///< what the value is, for the help text; "" makes a boolean flag that may stand without "=value"
    std::string_view prose;
    std::string default_text;     ///< shown in the help text; "" shows none
};

using FlagSetter = std::function<Result<void>(const Flag& flag, std::string_view value)>;

/// Gives each flag of `arguments` (without the program's name) to `set` in their order and returns the arguments that are none.
/// Errors (InvalidArgument, Docker's texts): `unknown flag: --x`, `unknown shorthand flag: 'x' in -x`, `flag needs an argument: --x`,
/// `bad flag syntax: --=x`, and a failure of `set` as `invalid argument "v" for "-x, --xx" flag: why`.
Result<std::vector<std::string>> parse_flags(std::span<const Flag> flags, const std::vector<std::string>& arguments, const FlagSetter& set);

/// The flags as a help page's table, one per line, prose wrapped at `width` columns.
std::string flag_table(std::span<const Flag> flags, size_t width = 100);

}  // namespace proa::engine
