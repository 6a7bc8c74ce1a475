#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace proa::docker {

/// The `filters` query parameter: names with their wanted values (any of a name's values, all of the names).
class Filters {
public:
    /// Both wire forms: {"label":{"a=b":true}} and {"label":["a=b"]}; an empty text is no filter.
    /// Errors: InvalidArgument `invalid filter`.
    static Result<Filters> parse(std::string_view text);

    /// Errors: InvalidArgument `invalid filter 'x'` for a name that is not among `known`.
    Result<void> check_names(std::initializer_list<std::string_view> known) const;
    const std::vector<std::string>& values(std::string_view name) const;
    bool has(std::string_view name) const { return !values(name).empty(); }
    bool empty() const { return values_.empty(); }
    const std::map<std::string, std::vector<std::string>, std::less<>>& all() const { return values_; }

    /// True without the filter or when one of its values equals `text`.
    bool matches(std::string_view name, std::string_view text) const;
    /// A boolean filter such as `dangling`: its value, or `otherwise`. Errors: InvalidArgument `invalid filter 'dangling=[zz]'`.
    Result<bool> boolean(std::string_view name, bool otherwise) const;
    /// `label` (all of "k" or "k=v" must be there) and `label!` (none may be).
    bool matches_labels(const std::map<std::string, std::string>& labels) const;

private:
    std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// Whether a POSIX extended regular expression is found in `text`; a bad expression is compared as plain text.
bool matches_expression(const std::string& expression, const std::string& text);

}  // namespace proa::docker
