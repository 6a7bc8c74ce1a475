#include "base/text.h"
#include "cli/commands.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"dry-run", 0, FlagType::Bool, "Name damage and leave everything as it is"},
    {"format", 'f', FlagType::String, "Format the output: 'text' or 'json'", "(default \"text\")", "text"},
};

std::string report_text(const json::Value& report) {
    std::string text;
    for (auto& damage : report["Damage"].as_array()) {
        text += concat(damage["Kind"].as_string(), ' ', damage["Name"].as_string(), ": ", damage["Reason"].as_string(), "\n");
        std::vector<std::string> images;
        for (auto& image : damage["Images"].as_array()) images.push_back(image.as_string());
        if (!images.empty()) text += concat("  of ", join(images, ", "), "\n");
        if (auto& action = damage["Action"].as_string(); !action.empty()) text += concat("  ", action, "\n");
    }
    return text + concat("Checked ", report["Blobs"].as_int(), " blobs (", human_size(report["Bytes"].as_double(), 3), ") and ", report["Layers"].as_int(),
                         " unpacked layers: ", report["Damage"].as_array().empty() ? "no damage" : concat(report["Damage"].as_array().size(), " damaged"),
                         "\n");
}

Result<int> run(Invocation& call) {
    std::string format = call.flags.text("format");
    if (format != "text" && format != "json") return fail(ErrorKind::InvalidArgument, concat("unknown format ", quote(format), ": text and json are there"));
    client::Client& engine = *TRY(ready_engine(call));
    json::Value report = TRY(engine.json({.method = "POST", .path = "/system/fsck", .query = {{"repair", call.flags.is("dry-run") ? "0" : "1"}}}));
    put(format == "json" ? json::print(report) + "\n" : report_text(report));
    return report["Damage"].as_array().empty() ? 0 : 1;
}
}  // namespace

const Command kSystemFsck = {
    "[OPTIONS]",
    "Check the content of images and put damage out of the way",
    kFlags,
    kNoArguments,
    run,
    true,
    "Check the content of images: every blob is hashed, every unpacked layer compared with its blob. Damaged blobs are moved\nto content/quarantine in the "
    "data root; a pull or load of their images brings them again. The exit code is 1 when something was damaged."};

}  // namespace proa::cli
