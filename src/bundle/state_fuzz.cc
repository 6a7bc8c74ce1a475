// Fuzz target of state.json: what is read must print to a text that reads as the same.
#include <cstdlib>

#include "bundle/state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa::bundle;
    auto state = parse_state(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!state) return 0;
    std::string text = state_text(*state);
    auto again = parse_state(text);
    if (!again || state_text(*again) != text) abort();
    return 0;
}
