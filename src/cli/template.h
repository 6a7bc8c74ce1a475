#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json/value.h"

// Go's text/template over JSON trees, as --format uses it: pipelines, field chains, variables, if, range, with, define,
// template, block, break, continue, trim markers, the comparison and text functions, and Docker's own
// (json split join title lower upper pad truncate println).
namespace proa::cli {

/// What a Go program knows about its values beyond their JSON text.
class TemplateTypes {
public:
    virtual ~TemplateTypes() = default;
    // Paths name how a value was reached: "HostConfig.LogConfig", "Mounts[].Source"; the root is "".

    /// A field that may be left out of the JSON text: its zero value. nullopt: there is no such field.
    virtual std::optional<json::Value> absent_field(std::string_view owner, std::string_view field) const;
    /// Whether the object at the path is a Go map (prints as map[k:v], missing keys are no error) or a struct.
    virtual bool is_map(std::string_view path) const;
    /// How a null at the path prints: "<nil>", "[]", "map[]" or "<no value>".
    virtual std::string null_text(std::string_view path) const;
    /// The text of a value whose Go type prints in its own way (times, durations); nullopt: as JSON shows it.
    virtual std::optional<std::string> own_text(std::string_view path, const json::Value& value) const;
    /// What a printed struct shows behind its JSON members: fields that were left out.
    virtual std::string left_out(std::string_view path, const json::Value& object) const;
    /// The error text for a missing struct field.
    virtual std::string missing_field(std::string_view field) const;
    /// Field names match ignoring case (Go's struct names differ from the JSON names only in case).
    virtual bool ignores_case() const { return false; }
};

/// What a template runs on.
struct TemplateData {
    json::Value value;
    const TemplateTypes* types = nullptr;  ///< null: plain maps (a missing key is "<no value>")
    /// Methods of the dot with arguments: `{{.Label "x"}}`. nullopt: no such method.
    std::function<std::optional<json::Value>(std::string_view name, const std::vector<json::Value>& arguments)> method;
    bool header = false;  ///< run for a table's header line: text functions leave their value as it is
    bool row = false;     ///< a list's row: `{{json .}}` prints it sorted and with HTML escapes
};

class Template {
public:
    /// Errors: InvalidArgument with Go's texts, "template: :1: unclosed action".
    static Result<Template> parse(std::string_view text, std::string_view name = {});
    /// Errors: InvalidArgument `template: :1:2: executing "" at <.Nope>: ...`.
    Result<std::string> execute(const TemplateData& data) const;
    /// Whether a field of that name is read anywhere.
    bool mentions(std::string_view field) const;
    /// Whether the dot as a whole is used (`{{json .}}`).
    bool mentions_dot() const;

    struct Tree;

private:
    std::shared_ptr<const Tree> tree_;
};

}  // namespace proa::cli
