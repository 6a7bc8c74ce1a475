#pragma once
#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace proa {

namespace detail {
inline void append_piece(std::string& out, std::string_view piece) { out.append(piece); }
inline void append_piece(std::string& out, char piece) { out.push_back(piece); }
template <std::integral T>
    requires(!std::same_as<T, char> && !std::same_as<T, bool>)
void append_piece(std::string& out, T piece) {
    char digits[24];
    auto end = std::to_chars(digits, digits + sizeof digits, piece).ptr;
    out.append(digits, static_cast<size_t>(end - digits));
}
template <std::same_as<bool> T>
void append_piece(std::string& out, T piece) {
    out.append(piece ? "true" : "false");
}
}  // namespace detail

/// Joins texts, characters, integers and booleans: concat("port ", 80, '/', "tcp"). Our replacement for formatting
/// libraries: it compiles fast and works in the static shim.
template <class... Pieces>
std::string concat(const Pieces&... pieces) {
    std::string out;
    (detail::append_piece(out, pieces), ...);
    return out;
}

/// Go's %q / strconv.Quote, for error texts that clients match.
std::string quote(std::string_view text);

std::vector<std::string> split(std::string_view text, char separator);          ///< "a,,b" gives "a","","b"; "" gives {""}
std::vector<std::string> split_nonempty(std::string_view text, char separator);  ///< drops empty pieces
std::vector<std::string> split_fields(std::string_view text);                    ///< by runs of ASCII white space
/// Both sides of the first separator, or nullopt when there is none.
std::optional<std::pair<std::string_view, std::string_view>> cut(std::string_view text, std::string_view separator);
std::string join(const std::vector<std::string>& pieces, std::string_view separator);
std::string_view trim(std::string_view text);  ///< ASCII white space at both ends
std::string_view trim_suffix(std::string_view text, std::string_view suffix);
std::string_view trim_prefix(std::string_view text, std::string_view prefix);
std::string to_lower(std::string_view text);  ///< ASCII only
std::string to_upper(std::string_view text);  ///< ASCII only
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string replace_all(std::string_view text, std::string_view from, std::string_view to);

/// The whole text as a number; nullopt on anything else (spaces, a sign for unsigned types, overflow).
std::optional<int64_t> parse_int(std::string_view text, int base = 10);
std::optional<uint64_t> parse_uint(std::string_view text, int base = 10);
/// Go's strconv.ParseBool: 1 t T TRUE true True, 0 f F FALSE false False.
std::optional<bool> parse_bool(std::string_view text);

/// Bytes with a unit as docker's flags take them (go-units RAMInBytes): "64m", "1.5GiB", "512", case-insensitive, 1024-based.
Result<int64_t> parse_bytes(std::string_view text);
std::string hex(std::string_view bytes);
std::string base64(std::string_view bytes);                             ///< standard alphabet, padded
std::optional<std::string> from_base64(std::string_view text);          ///< either alphabet, padding optional
std::string percent_decode(std::string_view text, bool plus_is_space);  ///< malformed escapes stay as they are
std::string percent_encode(std::string_view text);                      ///< all but unreserved characters
/// Valid UTF-8: each bad byte becomes U+FFFD, as Go's encoding/json does.
std::string to_valid_utf8(std::string_view text);

}  // namespace proa
