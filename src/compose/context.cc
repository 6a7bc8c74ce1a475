#include "compose/context.h"

#include "base/text.h"

namespace proa::compose {

Place Context::place(yaml::Mark mark) const {
    if (mark.line == 0 || mark.source < 0 || static_cast<size_t>(mark.source) >= sources.size()) return {};
    return {sources[static_cast<size_t>(mark.source)], mark.line, mark.column};
}

void Context::warn(yaml::Mark mark, std::string text) {
    for (auto& warning : warnings)
        if (warning.text == text) return;
    warnings.push_back({place(mark), std::move(text)});
}

Unexpected Context::fail_at(yaml::Mark mark, std::string text) const {
    return fail(with_place(Error(ErrorKind::InvalidArgument, std::move(text)), place(mark)));
}

Error with_place(Error error, const Place& place) {
    if (place.line == 0 || error.message().find("\n  at ") != std::string::npos) return error;
    return Error(error.kind(), concat(error.message(), "\n  at ", place.file, ':', place.line, ':', place.column), error.number());
}

Path Path::next(std::string_view part) const {
    Path longer = *this;
    longer.parts_.emplace_back(part);
    return longer;
}

std::string Path::text() const { return join(parts_, "."); }

bool Path::matches(std::string_view pattern) const {
    size_t from = 0;
    for (size_t i = 0; i < parts_.size(); ++i) {
        if (from > pattern.size()) return false;
        size_t end = std::min(pattern.find('.', from), pattern.size());
        auto wanted = pattern.substr(from, end - from);
        if (wanted != "*" && wanted != parts_[i]) return false;
        from = end + 1;
    }
    return from == pattern.size() + 1;
}

}  // namespace proa::compose
