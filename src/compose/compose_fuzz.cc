#include <cstdint>

#include "codec/yaml/parse.h"
#include "codec/yaml/print.h"
#include "compose/bind.h"
#include "compose/canonical.h"
#include "compose/env_file.h"
#include "compose/interpolate.h"
#include "compose/merge.h"
#include "compose/normalize.h"
#include "compose/output.h"
#include "compose/shape.h"
#include "codec/yaml/to_json.h"

// Whatever the bytes are: the front end ends, what it prints reads back as the same, and all that follows it takes any tree. The first byte
// says how: as an env file, or as compose files laid over each other.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa;
    using namespace proa::compose;
    if (size == 0) return 0;
    std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    Lookup lookup = [](std::string_view name) { return name.size() % 2 ? std::optional<std::string>("5") : std::nullopt; };
    if (data[0] == 'e') {
        (void)parse_env_file(text, lookup, [](std::string_view) {});
        (void)parse_raw_env_file(text, lookup);
        return 0;
    }
    auto documents = yaml::parse(text);
    if (!documents) return 0;
    Context context;
    context.sources = {"compose.yaml"};
    yaml::Node model = yaml::Node::mapping();
    for (auto& document : *documents) {
        std::string printed = tree_yaml(to_json(document));
        auto again = yaml::parse(printed);
        if (!again && again.error().message().find("max depth") == std::string::npos) __builtin_trap();
        if (!document.is_mapping() || !interpolate(context, document, lookup)) return 0;
        if (!merge_models(context, model, std::move(document)) || !keep_unique(context, model) || !validate(context, model, "compose.yaml") ||
            !make_canonical(context, model) || !keep_unique(context, model))
            return 0;
    }
    set_defaults(model);
    if (!check_rules(context, model)) return 0;
    normalize(model, "fuzz", {});
    if (auto bound = bind_model(context, model)) (void)json::print(*bound);
    return 0;
}
