#include "base/text.h"
#include "cli/commands.h"
#include "cli/file_transfer.h"

// What docker has not: docs/extensions.md.
namespace proa::cli {

namespace {
/// POSTs to one of the engine's own routes of a volume; prints the name of what came out.
Result<int> post(Invocation& call, const char* verb, const std::string& target) {
    client::Client& engine = *TRY(ready_engine(call));
    json::Object body;
    if (!target.empty()) body.set("Name", target);
    json::Value answer =
        TRY(engine.json({.method = "POST", .path = concat("/volumes/", call.arguments[0], '/', std::string_view(verb)), .body = json::Value(std::move(body))}));
    put_line(answer["Name"].as_string());
    return 0;
}

Result<int> snapshot(Invocation& call) { return post(call, "snapshot", call.arguments.size() > 1 ? call.arguments[1] : ""); }
Result<int> clone(Invocation& call) { return post(call, "clone", call.arguments[1]); }
Result<int> rename(Invocation& call) { return post(call, "rename", call.arguments[1]); }

Result<int> export_volume(Invocation& call) {
    TRY(export_archive(call, {.path = concat("/volumes/", call.arguments[0], "/export")}));
    return 0;
}

Result<int> import_volume(Invocation& call) {
    std::string answer = TRY(import_archive(call, {.method = "POST", .path = concat("/volumes/", call.arguments[0], "/import")}));
    put_line(TRY(json::parse(answer))["Name"].as_string());
    return 0;
}
}  // namespace

const Command kVolumeSnapshot = {
    "VOLUME [SNAPSHOT]",
    "Copy a volume as it is now (proa only)",
    {},
    Arity{1, 2},
    snapshot,
    true,
    "Copy a volume as it is now into a new one, named VOLUME-DATE-TIME unless a name is given. Where the file system can, content is shared until it changes."};
const Command kVolumeClone = {"VOLUME NEW_VOLUME", "Copy a volume with its labels (proa only)", {}, exactly(2), clone};
const Command kVolumeRename = {"VOLUME NEW_NAME", "Rename a volume that no container uses (proa only)", {}, exactly(2), rename};

const Command kVolumeExport = {"[OPTIONS] VOLUME", "Write the content of a volume as a tar archive (proa only)", kArchiveOutputFlags, exactly(1),
                               export_volume};
const Command kVolumeImport = {"[OPTIONS] NEW_VOLUME", "Create a volume with the content of a tar archive (proa only)", kArchiveInputFlags, exactly(1),
                               import_volume};

}  // namespace proa::cli
