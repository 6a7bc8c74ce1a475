#include "api/versions.h"

#include "base/text.h"

namespace proa::api {

std::optional<ApiVersion> ApiVersion::parse(std::string_view text) {
    if (text.empty() || text.find_first_not_of("0123456789.") != text.npos) return std::nullopt;
    ApiVersion version;
    size_t place = 0;
    for (auto& piece : split(text, '.')) {
        if (place == version.numbers_.size()) break;
        uint64_t number = parse_uint(piece).value_or(piece.empty() ? 0 : UINT32_MAX);
        version.numbers_[place++] = static_cast<uint32_t>(std::min<uint64_t>(number, UINT32_MAX));
    }
    return version;
}

std::string ApiVersion::text() const {
    auto out = concat(numbers_[0], '.', numbers_[1]);
    for (size_t place = 2; place < numbers_.size() && numbers_[place] != 0; place++) out += concat('.', numbers_[place]);
    return out;
}

}  // namespace proa::api
