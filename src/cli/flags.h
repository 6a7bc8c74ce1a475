#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Command-line flags with the grammar of Go's pflag library: -itd, -p80:80, --flag=value, --flag value, --no-value, `--`,
// flags between arguments or only before them. A command states its flags as one constant table.
namespace proa::cli {

enum class FlagType {
    Bool,
    String,
    Int,
    Int64,
    Uint16,
    Uint64,
    Bytes,
    SignedBytes,
    Duration,
    Decimal,
    Ip,
    List,
    StringSlice,
    StringToString,
    IpSlice,
    IpNetSlice,
    Map,
    Filter,
    Ulimit,
    Mount,
    Network,
    GpuRequest,
    WeightDevice,
    ThrottleBps,
    ThrottleIops,
};

enum FlagOptions : unsigned { kHidden = 1 };

/// One row of a command's table.
struct Flag {
    const char* name;
    char shorthand = 0;
    FlagType type = FlagType::Bool;
    const char* description = "";
    const char* shown_default = nullptr;  ///< what help puts after the description: `(default "missing")`
    const char* initial = "";             ///< the value when the flag is not given ("true" for a switch that is on)
    unsigned options = 0;
    const char* alias_of = nullptr;                                  ///< another name of that flag
    const char* deprecation = nullptr;                               ///< said when it is used: "use --timeout instead"
    Result<std::string> (*check)(std::string_view value) = nullptr;  ///< validates and normalises one value
};

/// The parsed flags of one call.
class FlagSet {
public:
    explicit FlagSet(std::span<const Flag> table) : table_(table), values_(table.size()) {}

    /// Reads flags from the front of `arguments` (between arguments too when `interspersed`); what is no flag goes to arguments().
    /// Errors: InvalidArgument with pflag's texts: `unknown flag: --x`, `invalid argument "a" for "-n, --last" flag: ...`.
    Result<void> parse(std::span<const std::string> arguments, bool interspersed);

    const std::vector<std::string>& arguments() const { return arguments_; }
    bool help_wanted() const { return help_; }
    /// "Flag --time has been deprecated, ..." lines of this call.
    const std::vector<std::string>& notices() const { return notices_; }

    // The name must stand in the table.
    bool changed(std::string_view name) const;
    bool is(std::string_view name) const;
    std::string text(std::string_view name) const;
    int64_t integer(std::string_view name) const;  ///< Int types and Bytes (in bytes), durations (in nanoseconds)
    const std::vector<std::string>& list(std::string_view name) const;
    bool has(std::string_view name) const;  ///< whether the table knows it

private:
    struct Value {
        bool changed = false;
        std::vector<std::string> items;
    };
    const Flag* find(std::string_view name, size_t* index = nullptr) const;
    const Flag* find_short(char shorthand) const;
    Result<void> parse_long(std::string_view text, std::span<const std::string>& rest);
    Result<void> parse_shorts(std::string_view text, std::span<const std::string>& rest);
    Result<void> set(const Flag& flag, std::string_view value);
    const Value& value(std::string_view name) const;

    std::span<const Flag> table_;
    std::vector<Value> values_;
    std::vector<std::string> arguments_, notices_;
    bool help_ = false;
};

/// The "Options:" block of a help text, wrapped to `columns`.
std::string flag_usages(std::span<const Flag> table, size_t columns);
/// Whether help shows any of the table's flags.
bool has_visible_flags(std::span<const Flag> table);

/// A CSV line as Go's encoding/csv reads it (quotes, doubled quotes). Errors: InvalidArgument `parse error on line 1, column ...`.
Result<std::vector<std::string>> split_csv(std::string_view text);

}  // namespace proa::cli
