#include "compose/tree.h"

namespace proa::compose {

json::Value to_json(const yaml::Node& node) {
    switch (node.kind) {
        case yaml::Kind::Null: return nullptr;
        case yaml::Kind::Bool: return node.boolean;
        case yaml::Kind::Integer: return node.integer;
        case yaml::Kind::Float: return node.real;
        case yaml::Kind::Text: return node.text;
        case yaml::Kind::Sequence: break;
        case yaml::Kind::Mapping: {
            json::Object object;
            for (auto& member : node.members) object.set(member.key, to_json(member.value));
            return object;
        }
    }
    json::Array array;
    for (auto& item : node.items) array.push_back(to_json(item));
    return array;
}

}  // namespace proa::compose
