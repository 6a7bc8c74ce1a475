#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "cli/template.h"

namespace proa::cli {

/// One value while a template runs: a place in a JSON tree that stays alive with it, and the path it was reached by.
/// An empty one is Go's "no value".
struct TemplateValue {
    std::shared_ptr<const json::Value> owner;
    const json::Value* value = nullptr;
    std::string path;
    bool is_map = false;   ///< made by a function, or a Go map by its key

    static TemplateValue of(json::Value value);
    bool is_none() const { return !value; }
    const json::Value& json() const;
};

std::string child_path(std::string_view owner, std::string_view name);

/// Go's truth: neither false, 0, "", null nor an empty collection.
bool is_true(const json::Value& value);
/// As fmt.Fprint shows it.
std::string template_text(const TemplateValue& value, const TemplateTypes* types);
/// fmt.Sprintf.
std::string go_printf(std::string_view format, const std::vector<TemplateValue>& arguments, const TemplateTypes* types);
/// Calls a function by name. Errors carry Go's text without the place. and, or and not are the executor's.
Result<TemplateValue> call_template_function(std::string_view name, const std::vector<TemplateValue>& arguments, const TemplateTypes* types,
                                             bool header);

}  // namespace proa::cli
