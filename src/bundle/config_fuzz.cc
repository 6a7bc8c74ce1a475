// Fuzz target of config.json: whatever the file says, a plan comes out that packs and unpacks, or an error.
#include <cstdlib>

#include "bundle/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa;
    auto config = json::parse(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!config) return 0;
    if (config->is_object() && (*config)["linux"].is_object()) config->object()["linux"].object().erase("seccomp");  // has a target of its own
    auto plan = bundle::plan_of(*config, {"id", "/", "", false, false});
    if (!plan) {
        if (plan.error().message().empty()) abort();
        return 0;
    }
    auto packed = pack(*plan);
    auto again = unpack<runtime::Plan>(packed);
    if (!again || pack(*again) != packed) abort();
    for (auto kind : {"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"})
        if (!bundle::hooks_of(*config, kind)) abort();  // the plan had them
    return 0;
}
