#include "compose/output.h"

namespace proa::compose {

void drop_extensions(json::Value& tree) {
    if (tree.is_array())
        for (auto& item : tree.array()) drop_extensions(item);
    if (!tree.is_object()) return;
    tree.object().erase("#extensions");
    for (auto& member : tree.object()) drop_extensions(member.value);
}

}  // namespace proa::compose
