#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "dockerfile/checks.h"
#include "os/file.h"

namespace proa::cli {

namespace {
/// The lines around a warning, as BuildKit shows them.
std::string excerpt(const std::vector<std::string>& lines, const std::string& name, int line) {
    std::string rule(20, '-');
    std::string out = concat(name, ':', line, "\n", rule, "\n");
    for (int at = std::max(1, line - 2); at <= line + 2 && at <= static_cast<int>(lines.size()); at++) {
        std::string number = concat(at);
        out += concat(std::string(number.size() < 4 ? 4 - number.size() : 0, ' '), number, " | ", at == line ? ">>> " : "    ",
                      lines[static_cast<size_t>(at - 1)], "\n");
    }
    return out + rule + "\n";
}

std::string platform_of(const json::Value& object, std::string_view os, std::string_view architecture) {
    std::string variant = object["Variant"].as_string();
    return concat(object[os].as_string(), '/', object[architecture].as_string(), variant.empty() ? "" : "/", variant);
}

/// Lets the checks ask the engine, when there is one, for its platform and the base images that it has.
void look_at_images(Invocation& call, dockerfile::CheckInputs& inputs) {
    inputs.platform = default_platform(call.flags);
    auto engine = ready_engine(call);
    if (!engine) return;
    if (inputs.platform.empty())
        if (auto version = (*engine)->json({.path = "/version"})) inputs.platform = platform_of(*version, "Os", "Arch");
    inputs.image = [client = *engine](const std::string& reference) -> std::optional<dockerfile::CheckedImage> {
        auto image = client->json({.path = concat("/images/", reference, "/json")});
        if (!image) return std::nullopt;
        dockerfile::CheckedImage found{platform_of(*image, "Os", "Architecture"), {}};
        for (auto& variable : (*image)["Config"]["Env"].as_array()) found.variables.push_back(variable.as_string().substr(0, variable.as_string().find('=')));
        return found;
    };
}
}  // namespace

Result<int> check_build(Invocation& call) {
    std::string source = call.arguments[0], file = call.flags.text("file"), text, name = "Dockerfile";
    dockerfile::CheckInputs inputs;
    if (source == "-" || file == "-") {
        codec::FdSource input(STDIN_FILENO);
        text = TRY(codec::read_all(input, 16 << 20));
    }
    if (source != "-") {
        auto context = TRY(file == "-" ? build_context_with(source, text) : open_build_context(source, file));
        if (file != "-") text = context.has_outside ? context.outside : TRY(os::read_file(concat(context.directory, '/', context.dockerfile), 16 << 20));
        if (!context.has_outside) name = context.dockerfile;
        inputs.ignored = TRY(read_ignore_file(context));
        inputs.files = TRY(list_build_context(context));
    }
    look_at_images(call, inputs);
    auto report = TRY(dockerfile::check_dockerfile(TRY(dockerfile::parse(text)), inputs));
    if (report.warnings.empty()) {
        put_line("Check complete, no warnings found.");
        return 0;
    }
    put_line(concat("Check complete, ", report.warnings.size(), report.warnings.size() == 1 ? " warning has been found!" : " warnings have been found!"));
    auto lines = split(text, '\n');
    for (auto& warning : report.warnings) {
        std::string page = dockerfile::rule_page(warning.rule);
        put(concat("\nWARNING: ", warning.rule, page.empty() ? "" : " - ", page, "\n", warning.text, "\n", excerpt(lines, name, warning.line)));
    }
    return 1;
}

}  // namespace proa::cli
