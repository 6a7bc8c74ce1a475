#pragma once
#include <cstdint>
#include <string>
#include <string_view>

// Numbers and names as Docker's tables show them.
namespace proa::cli {

std::string human_size(double bytes, int digits = 4);   ///< 1000-based: "1.04GB", "19.97kB", "0B"
std::string binary_size(double bytes, int digits = 4);  ///< 1024-based: "23.54GiB"
/// C's %.*g, which is Go's.
std::string general_number(double value, int digits);
std::string fixed_number(double value, int decimals);   ///< %.*f

size_t display_width(std::string_view text);            ///< code points; East Asian wide ones count twice
/// At most `width` columns, the last one `…` when something was cut.
std::string ellipsis(std::string_view text, size_t width);
/// Twelve digits of an id without its algorithm.
std::string truncated_id(std::string_view id);
/// "2024-12-10 15:43:29 -0600 CST" in local time.
std::string local_time_text(int64_t unix_seconds);
std::string since_text(int64_t unix_seconds);  ///< "5 minutes" until now

}  // namespace proa::cli
