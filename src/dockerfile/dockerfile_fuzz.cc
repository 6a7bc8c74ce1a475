#include <cstdint>

#include "dockerfile/commands.h"
#include "dockerfile/expand.h"

// Whatever the bytes are: the parser ends, and what it takes can be expanded without running away.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa::dockerfile;
    auto document = parse(std::string_view(reinterpret_cast<const char*>(data), size));
    if (!document) return 0;
    Lookup lookup = [](std::string_view name) { return name.size() % 2 ? std::optional<std::string>("a/b c") : std::nullopt; };
    for (auto& instruction : document->instructions)
        for (auto& word : instruction.arguments) {
            (void)expand(word, lookup, document->escape);
            (void)expand_words(word, lookup, document->escape);
        }
    (void)read_program(*document);
    return 0;
}
