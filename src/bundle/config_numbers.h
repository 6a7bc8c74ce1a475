#pragma once
#include <utility>

#include "base/text.h"
#include "codec/json/value.h"

// Private to bundle/: numbers of config.json with their range, and refusals.
namespace proa::bundle {

inline Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

template <class T>
Result<T> number(const json::Value& value, std::string_view field) {
    if (!value.is_integer()) return invalid(concat(field, " must be a number"));
    if (auto* large = std::get_if<uint64_t>(&value.storage())) {
        if (!std::in_range<T>(*large)) return invalid(concat(field, " is out of range"));
        return static_cast<T>(*large);
    }
    if (!std::in_range<T>(value.as_int())) return invalid(concat(field, " is out of range"));
    return static_cast<T>(value.as_int());
}
template <class T>
Result<void> read_number(const json::Value& value, std::string_view field, T& target) {
    if (!value.is_null()) target = TRY(number<T>(value, field));
    return {};
}

}  // namespace proa::bundle
