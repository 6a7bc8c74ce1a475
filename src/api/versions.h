#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace proa::api {

/// A version of the REST API, compared number by number: 1 < 1.24 < 1.45 < 1.45.1 < 2.0.
class ApiVersion {
public:
    constexpr ApiVersion() = default;
    constexpr ApiVersion(uint32_t major, uint32_t minor) : numbers_{major, minor, 0, 0} {}
    /// Digits and dots only ("1.45"); nullopt otherwise. An empty piece counts as 0, as in Docker.
    static std::optional<ApiVersion> parse(std::string_view text);

    std::string text() const;  ///< "1.45"
    constexpr auto operator<=>(const ApiVersion&) const = default;

private:
    std::array<uint32_t, 4> numbers_{};
};

constexpr ApiVersion kApiVersionMax{1, 56};       ///< what we speak
constexpr ApiVersion kApiVersionDefaultMin{1, 40};  ///< what we serve unless told otherwise
constexpr ApiVersion kApiVersionFloor{1, 24};     ///< the lowest that min-api-version may name

}  // namespace proa::api
