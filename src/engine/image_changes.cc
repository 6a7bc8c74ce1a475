#include "engine/image_changes.h"

#include <algorithm>

#include "base/text.h"
#include "build/configure.h"
#include "dockerfile/commands.h"
#include "dockerfile/parser.h"

namespace proa::engine {
namespace {

Result<void> apply_change(const dockerfile::Instruction& change, char escape, oci::ImageConfig& image, bool& command_set) {
    static constexpr std::string_view kKnown[] = {"CMD",     "ENTRYPOINT", "ENV",  "EXPOSE", "HEALTHCHECK", "LABEL",
                                                  "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"};
    if (std::find(std::begin(kKnown), std::end(kKnown), change.keyword) == std::end(kKnown))
        return fail(ErrorKind::InvalidArgument, concat(to_lower(change.keyword), " is not a valid change command"));
    auto command = TRY(dockerfile::read_command(change));
    dockerfile::Lookup lookup = [&](std::string_view name) -> std::optional<std::string> {
        for (auto& entry : image.config.env.value_or(std::vector<std::string>()))
            if (auto sides = cut(entry, "="); sides && sides->first == name) return std::string(sides->second);
        return std::nullopt;
    };
    if (auto* workdir = std::get_if<dockerfile::Workdir>(&command.what)) {
        image.config.working_dir = build::working_directory(image.config.working_dir, TRY(dockerfile::expand(workdir->path, lookup, escape)));
        return {};
    }
    TRY(build::configure(command, image, command_set, lookup, escape));
    return {};
}

}  // namespace

Result<void> apply_image_changes(const std::vector<std::string>& changes, docker::ContainerConfig& config) {
    std::string text = join(changes, "\n");  // one change may hold several lines
    if (trim(text).empty()) return {};
    auto document = TRY(dockerfile::parse(text));
    oci::ImageConfig image;
    static_cast<docker::ContainerConfig&>(image.config) = config;
    bool command_set = false;
    for (auto& change : document.instructions) TRY(apply_change(change, document.escape, image, command_set));
    config = image.config;
    return {};
}

}  // namespace proa::engine
