#include <cstdint>

#include "dockerfile/checks.h"
#include "dockerfile/expand.h"

// Any text as heredocs, words and checks of a Dockerfile see it: all of it ends, and a heredoc's text is no longer than its content.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa::dockerfile;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    Lookup lookup = [](std::string_view name) { return name.size() % 2 ? std::optional<std::string>("a/b c") : std::nullopt; };
    for (char escape : {'\\', '`'}) {
        for (auto& heredoc : find_heredocs(text.substr(0, text.find('\n')), escape))
            if (heredoc.name.empty()) __builtin_trap();
        (void)expand_heredoc(text, lookup, escape);
    }
    auto document = parse(text);
    if (!document) return 0;
    for (auto& instruction : document->instructions)
        for (auto& heredoc : instruction.heredocs)
            if (heredoc.text().size() > heredoc.content.size()) __builtin_trap();
    CheckInputs inputs;
    inputs.files = {".env", "a/b"};
    inputs.platform = "linux/amd64";
    inputs.image = [](const std::string& name) { return name.size() % 2 ? std::optional(CheckedImage{"linux/arm64", {"PATH"}}) : std::nullopt; };
    (void)check_dockerfile(*document, inputs);
    return 0;
}
