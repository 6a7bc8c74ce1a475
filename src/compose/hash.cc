#include "codec/digest.h"
#include "compose/load.h"
#include "compose/output.h"

namespace proa::compose {

std::string config_hash(const Service& service) {
    Service shaped = service;
    shaped.build.reset();
    shaped.pull_policy.clear();
    shaped.scale.reset();
    if (shaped.deploy) shaped.deploy->replicas.reset();
    json::Value tree = json::to_value(shaped);
    drop_extensions(tree);
    return std::string(codec::Digest::of(json::print(tree, {.escape_html = true})).hex());
}

}  // namespace proa::compose
