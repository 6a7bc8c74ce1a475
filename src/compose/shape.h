#pragma once
#include <optional>
#include <span>

#include "compose/context.h"

// What a compose file may hold, as a table, and the check against it. Spec: compose-spec's JSON schema
namespace proa::compose {

struct Shape;

/// A key of a mapping.
struct Field {
    const char* key;
    const Shape* shape;
};

/// Which keys of its user's choice a mapping may have.
enum class Keys { None, Any, Name, LowerCase };

/// One place of the model. All that is set has to hold.
struct Shape {
    const char* types = "";  ///< "number,string": array, boolean, integer, null, number, object, string; "": any
    std::span<const Field> fields = {};
    Keys keys = Keys::None;        ///< keys beside `fields`
    const Shape* values = nullptr; ///< what stands behind those
    bool closed = false;           ///< other keys are errors
    bool extensions = false;       ///< but for x-
    std::span<const char* const> required = {};
    const Shape* items = nullptr;
    bool unique = false;
    std::span<const Shape* const> one_of = {};
    std::span<const char* const> allowed = {};
    std::optional<int> minimum = std::nullopt, maximum = std::nullopt;
};

extern const Shape kProjectShape;

/// Checks a model. The error is the one that lies deepest, in compose's words: `validating FILE: services.a.ports must be a list`, with the
/// place of the node.
Result<void> validate(const Context& context, const yaml::Node& model, const std::string& file);

}  // namespace proa::compose
