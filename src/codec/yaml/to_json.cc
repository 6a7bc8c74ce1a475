#include "codec/yaml/to_json.h"

namespace proa::yaml {

json::Value to_json(const Node& node) {
    switch (node.kind) {
        case Kind::Null: return nullptr;
        case Kind::Bool: return node.boolean;
        case Kind::Integer: return node.integer;
        case Kind::Float: return node.real;
        case Kind::Text: return node.text;
        case Kind::Sequence: break;
        case Kind::Mapping: {
            json::Object object;
            for (auto& member : node.members) object.set(member.key, to_json(member.value));
            return object;
        }
    }
    json::Array array;
    for (auto& item : node.items) array.push_back(to_json(item));
    return array;
}

}  // namespace proa::yaml
