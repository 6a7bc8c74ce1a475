#include "cli/units.h"

#include <cstdio>
#include <ctime>

#include "base/text.h"
#include "base/time.h"

namespace proa::cli {

namespace {
std::string scaled(double value, double base, const char* const* units, size_t count, int digits) {
    size_t unit = 0;
    while (value >= base && unit + 1 < count) {
        value /= base;
        unit++;
    }
    return general_number(value, digits) + units[unit];
}

size_t sequence_length(unsigned char lead) { return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4; }
}  // namespace

std::string general_number(double value, int digits) {
    char buffer[64];
    snprintf(buffer, sizeof buffer, "%.*g", digits, value);
    return buffer;
}

std::string fixed_number(double value, int decimals) {
    char buffer[64];
    snprintf(buffer, sizeof buffer, "%.*f", decimals, value);
    return buffer;
}

std::string human_size(double bytes, int digits) {
    static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
    return scaled(bytes, 1000, kUnits, std::size(kUnits), digits);
}

std::string binary_size(double bytes, int digits) {
    static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
    return scaled(bytes, 1024, kUnits, std::size(kUnits), digits);
}

size_t display_width(std::string_view text) {
    size_t width = 0;
    for (unsigned char c : text) width += (c & 0xc0) != 0x80;
    return width;
}

std::string ellipsis(std::string_view text, size_t width) {
    if (width == 0) return "";
    if (display_width(text) <= width) return std::string(text);
    size_t end = 0;
    for (size_t shown = 0; shown + 1 < width; shown++) end += sequence_length(static_cast<unsigned char>(text[end]));
    return std::string(text.substr(0, end)) + "\u2026";
}

std::string truncated_id(std::string_view id) {
    if (size_t colon = id.find(':'); colon != id.npos) id = id.substr(colon + 1);
    return std::string(id.substr(0, 12));
}

std::string local_time_text(int64_t unix_seconds) {
    time_t seconds = unix_seconds;
    tm local{};
    ::localtime_r(&seconds, &local);
    char buffer[80];
    strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S %z %Z", &local);
    return buffer;
}

std::string since_text(int64_t unix_seconds) { return human_duration(now().unix_nano() - unix_seconds * 1000000000); }

}  // namespace proa::cli
