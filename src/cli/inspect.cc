#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/inspect_output.h"
#include "client/containers.h"
#include "client/images.h"

namespace proa::cli {

namespace {
const Flag kPlainFlags[] = {{"format", 'f', FlagType::String, kInspectFormatHelp}};
const Flag kContainerFlags[] = {
    {"format", 'f', FlagType::String, kInspectFormatHelp},
    {"size", 's', FlagType::Bool, "Display total file sizes"},
};
const Flag kImageFlags[] = {
    {"format", 'f', FlagType::String, kInspectFormatHelp},
    {"platform", 0, FlagType::String, "Inspect a specific platform of a multi-platform image (os[/arch[/variant]], e.g. linux/amd64)"},
};
const Flag kNetworkFlags[] = {
    {"format", 'f', FlagType::String, kInspectFormatHelp},
    {"verbose", 'v', FlagType::Bool, "Verbose output for diagnostics"},
};
const Flag kAnyFlags[] = {
    {"format", 'f', FlagType::String, kInspectFormatHelp},
    {"size", 's', FlagType::Bool, "Display total file sizes if the type is container"},
    {"type", 0, FlagType::String, "Only inspect objects of the given type"},
};

using Getter = std::function<Result<std::string>(const std::string& name)>;

/// Prints what was found, then the errors of what was not.
Result<int> inspect_all(Invocation& call, const Getter& get) {
    std::string format = call.flags.text("format");
    if (!format.empty() && format != "json") TRY(parse_object_format(format));
    std::vector<std::string> texts, errors;
    for (auto& name : call.arguments) {
        auto text = name.empty() ? Result<std::string>(fail(ErrorKind::InvalidArgument, "invalid empty name")) : get(name);
        if (text) texts.push_back(std::move(*text));
        else errors.push_back(text.error().message());
    }
    auto printed = print_inspected(texts, format);
    if (printed) {
        put(texts.empty() && !format.empty() && format != "json" ? std::string("\n") : *printed);
    } else {
        if (format != "json") put("\n");
        errors.push_back(printed.error().message());
    }
    if (!errors.empty()) return fail(ErrorKind::Internal, join(errors, "\n"));
    return 0;
}

Result<int> container(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    return inspect_all(call, [&](const std::string& name) { return client::inspect_container_text(engine, name, call.flags.is("size")); });
}

Result<int> image(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    return inspect_all(call, [&](const std::string& name) { return client::inspect_image_text(engine, name, call.flags.text("platform")); });
}

Result<int> network(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    client::Parameters query;
    if (call.flags.is("verbose")) query.emplace_back("verbose", "true");
    return inspect_all(call, [&](const std::string& name) { return engine.text({.path = "/networks/" + name, .query = query}); });
}

Result<int> volume(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    return inspect_all(call, [&](const std::string& name) { return engine.text({.path = "/volumes/" + name}); });
}

/// The kinds in Docker's order; swarm's and plugins come last, where an engine without them answers 404, 501 or 503.
struct Kind {
    std::string_view name;
    std::function<Result<std::string>(const std::string&)> get;
};
bool is_elsewhere(const Error& error) {
    return error.is(ErrorKind::NotFound) || error.is(ErrorKind::Unsupported) || error.message().find("This node is not a swarm manager") != std::string::npos ||
           error.message().find("Error response from daemon: page not found") != std::string::npos;
}

Result<int> any(Invocation& call) {
    std::string type = call.flags.text("type");
    client::Client& engine = *TRY(ready_engine(call));
    bool size = call.flags.is("size");
    auto at = [&](std::string prefix, std::string suffix) {
        return [&engine, prefix, suffix](const std::string& name) { return engine.text({.path = prefix + name + suffix}); };
    };
    const Kind kinds[] = {{"container", [&](const std::string& name) { return client::inspect_container_text(engine, name, size); }},
                          {"image", [&](const std::string& name) { return client::inspect_image_text(engine, name); }},
                          {"network", at("/networks/", "")},
                          {"volume", at("/volumes/", "")},
                          {"service", at("/services/", "")},
                          {"task", at("/tasks/", "")},
                          {"node", at("/nodes/", "")},
                          {"plugin", at("/plugins/", "/json")},
                          {"secret", at("/secrets/", "")},
                          {"config", at("/configs/", "")}};
    bool known = type.empty() || std::any_of(std::begin(kinds), std::end(kinds), [&](auto& kind) { return kind.name == type; });
    if (!known)
        return fail(ErrorKind::InvalidArgument,
                    concat("unknown type: ", quote(type), ": must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\""));
    return inspect_all(call, [&](const std::string& name) -> Result<std::string> {
        for (auto& kind : kinds) {
            if (!type.empty() && kind.name != type) continue;
            auto text = kind.get(name);
            if (text) return text;
            if (!type.empty() || !is_elsewhere(text.error())) return text;
        }
        return fail(ErrorKind::NotFound, concat("Error: No such object: ", name));
    });
}
}  // namespace

const Command kContainerInspect = {"[OPTIONS] CONTAINER [CONTAINER...]", "Display detailed information on one or more containers", kContainerFlags, at_least(1), container};
const Command kImageInspect = {"[OPTIONS] IMAGE [IMAGE...]", "Display detailed information on one or more images", kImageFlags, at_least(1), image};
const Command kNetworkInspect = {"[OPTIONS] NETWORK [NETWORK...]", "Display detailed information on one or more networks", kNetworkFlags, at_least(1), network};
const Command kVolumeInspect = {"[OPTIONS] VOLUME [VOLUME...]", "Display detailed information on one or more volumes", kPlainFlags, at_least(1), volume};
const Command kInspect = {"[OPTIONS] NAME|ID [NAME|ID...]", "Return low-level information on objects", kAnyFlags, at_least(1), any};

}  // namespace proa::cli
