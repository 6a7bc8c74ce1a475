#include <algorithm>

#include "base/text.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/copy_files.h"
#include "cli/file_transfer.h"

namespace proa::cli {

namespace {
Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

/// The image's file system as a tar stream, by way of a container that never runs.
Result<void> export_files(client::Client& engine, const std::string& id, const std::function<Result<void>(client::Connection&)>& take) {
    json::Object config;
    config.set("Image", id);
    config.set("Cmd", json::Value::strings({"/"}));
    auto created = TRY(engine.json({.method = "POST", .path = "/containers/create", .body = json::Value(config)}));
    std::string container = created["Id"].as_string();
    auto taken = [&]() -> Result<void> {
        auto answer = TRY(engine.stream({.path = concat("/containers/", container, "/export")}));
        return take(answer);
    }();
    auto removed = engine.text({.method = "DELETE", .path = concat("/containers/", container), .query = {{"force", "1"}, {"v", "1"}}});
    TRY(std::move(taken));
    TRY(std::move(removed));
    return {};
}
}  // namespace

bool BuildOutput::pushes() const {
    auto push = attributes.find("push");
    return type == "registry" || (type == "image" && push != attributes.end() && parse_bool(push->second).value_or(false));
}

Result<BuildOutput> parse_build_output(const std::string& text) {
    BuildOutput output;
    if (text.find('=') == std::string::npos) {
        output.type = text == "-" ? "tar" : "local";
        output.destination = text;
        return output;
    }
    for (auto& field : split(text, ',')) {
        auto pair = cut(field, "=");
        if (!pair) return invalid(concat("invalid value ", field));
        std::string key = to_lower(pair->first), value(pair->second);
        if (key == "type") output.type = value;
        else if (key == "dest") output.destination = value;
        else output.attributes[key] = value;
    }
    if (output.type.empty()) return invalid("type is required for output");
    static const std::vector<std::string> kTypes = {"local", "tar", "oci", "docker", "image", "registry", "cacheonly"};
    if (std::find(kTypes.begin(), kTypes.end(), output.type) == kTypes.end()) return invalid(concat("unsupported output type ", quote(output.type)));
    for (auto& [key, value] : output.attributes) {
        bool known = (key == "name" && output.type != "local" && output.type != "tar") || (key == "push" && output.type == "image") ||
                     (key == "tar" && output.type == "oci" && parse_bool(value)) ||
                     (key == "compression" && value == "gzip" && output.type != "local" && output.type != "tar");
        if (!known) return invalid(concat("output attribute ", key, "=", value, " of type ", output.type, " is not supported by this engine"));
    }
    if ((output.type == "local" || output.type == "oci") && output.destination.empty()) return invalid(concat("dest is required for ", output.type, " output"));
    return output;
}

Result<void> write_build_output(client::Client& engine, const BuildOutput& output, const std::string& id, const std::vector<std::string>& tags) {
    std::string destination = output.destination == "-" ? "" : output.destination;
    if (output.type == "cacheonly" || output.type == "image" || output.type == "registry") return {};
    if (output.type == "docker" || output.type == "oci") {
        if (output.type == "docker" && output.destination.empty()) return {};  // it is in the store
        client::Call request{.path = "/images/get"};
        for (auto& tag : tags) request.query.emplace_back("names", tag);
        if (tags.empty()) request.query.emplace_back("names", id);
        auto answer = TRY(engine.stream(request));
        auto tar = output.attributes.find("tar");
        if (tar != output.attributes.end() && !parse_bool(tar->second).value_or(true)) return unpack_files(answer, destination);
        return receive_file(answer, destination);
    }
    if (output.type == "tar") return export_files(engine, id, [&](client::Connection& answer) { return receive_file(answer, destination); });
    return export_files(engine, id, [&](client::Connection& answer) { return unpack_files(answer, destination); });
}

Result<void> push_image(Invocation& call, const std::string& name, bool quiet) {
    FlagSet flags(kPush.flags);
    std::vector<std::string> words = {name}, arguments = {name};
    if (quiet) words.insert(words.begin(), "--quiet");
    TRY(flags.parse(words, true));
    Invocation push{call.session, flags, arguments, call.path};
    TRY(kPush.run(push));
    return {};
}

}  // namespace proa::cli
