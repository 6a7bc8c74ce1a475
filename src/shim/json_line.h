#pragma once
#include <cstddef>
#include <string_view>

// The text of json-file log lines, byte for byte as Docker's json-file driver writes it (docs/life/logs.md).
namespace proa::shim {

/// The most bytes that escape_json writes for `size` bytes of input, its scratch space included.
constexpr size_t escaped_size_max(size_t size) { return 6 * size + 16; }

/// Writes `text` escaped for the inside of a JSON string to `out` and returns the end of what was written: `"` and `\` with a
/// backslash, \n and \r by name, other bytes below 0x20 and `<`, `>`, `&` as \u00XX, bytes that are no UTF-8 as \ufffd each,
/// U+2028 and U+2029 as \u2028 and \u2029, all others as they are. `out` has room for escaped_size_max(text.size()).
char* escape_json(std::string_view text, char* out);

}  // namespace proa::shim
