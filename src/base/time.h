#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proa {

/// A moment in nanoseconds since the Unix epoch, UTC. `kZeroTime` is Go's zero time.Time (year 1), "never" in Docker's API.
struct Time {
    int64_t seconds = -62135596800;
    int32_t nanoseconds = 0;

    bool is_zero() const { return seconds == -62135596800 && nanoseconds == 0; }
    int64_t unix_nano() const { return seconds * 1000000000 + nanoseconds; }
    static Time from_unix_nano(int64_t nano);
    auto operator<=>(const Time&) const = default;
};

constexpr Time kZeroTime{};

Time now();                         ///< CLOCK_REALTIME
int64_t monotonic_nanoseconds();    ///< CLOCK_MONOTONIC

/// Go's RFC3339Nano in UTC: trailing zeros of the fraction dropped, "0001-01-01T00:00:00Z" for the zero time.
std::string rfc3339_nano(Time time);
/// "2006-01-02T15:04:05.000000000Z": always nine digits, as `docker logs -t` prints.
std::string rfc3339_nano_fixed(Time time);
/// RFC 3339 with any offset and fraction; nullopt when the text is anything else.
std::optional<Time> parse_rfc3339(std::string_view text);
/// Unix seconds with an optional fraction: "1700000000.000000001".
std::optional<Time> parse_unix_timestamp(std::string_view text);

/// Go's time.ParseDuration ("1h30m", "250ms", "-1.5s"); nanoseconds.
std::optional<int64_t> parse_duration(std::string_view text);
/// Go's time.Duration.String(): "1m30s", "250ms", "0s".
std::string duration_text(int64_t nanoseconds);
/// Docker's units.HumanDuration: "Less than a second", "5 minutes", "About an hour", "3 weeks".
std::string human_duration(int64_t nanoseconds);

}  // namespace proa
