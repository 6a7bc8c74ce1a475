#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/yaml/node.h"
#include "compose/project.h"

namespace proa::compose {

/// What the steps of one load share: the names of the files that marks speak of, and what has to be said at the end.
struct Context {
    std::vector<std::string> sources;  ///< by Mark::source
    std::vector<Warning> warnings;     ///< each text once
    bool interpolated = true;          ///< false: values may still hold variables, so what does not parse stays as it is

    Place place(yaml::Mark mark) const;
    void warn(yaml::Mark mark, std::string text);
    /// compose's text, and below it "  at FILE:LINE:COLUMN" where the mark is known.
    Unexpected fail_at(yaml::Mark mark, std::string text) const;
};

/// The error with a line that says where, unless it has one already.
Error with_place(Error error, const Place& place);

/// Where a node stands in a model: keys, and "[]" for an item of a list.
class Path {
public:
    Path() = default;
    Path(std::initializer_list<std::string_view> parts) : parts_(parts.begin(), parts.end()) {}
    Path next(std::string_view part) const;
    /// Joined by dots.
    std::string text() const;
    /// "services.*.ports": `*` stands for any part.
    bool matches(std::string_view pattern) const;
    const std::vector<std::string>& parts() const { return parts_; }

private:
    std::vector<std::string> parts_;
};

}  // namespace proa::compose
