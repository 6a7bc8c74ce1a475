#include "base/text.h"
#include "cli/commands.h"
#include "client/images.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"force", 'f', FlagType::Bool, "Force removal of the image"},
    {"no-prune", 0, FlagType::Bool, "Do not delete untagged parents"},
    {"platform", 0, FlagType::StringSlice, "Remove only the given platform variant (os[/arch[/variant]], e.g. linux/amd64)"},
};

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    bool force = flags.is("force"), fatal = false;
    client::Client& engine = *TRY(ready_engine(call));
    std::vector<std::string> errors;
    for (auto& name : call.arguments) {
        client::Call request{.method = "DELETE", .path = "/images/" + name};
        if (force) request.query.emplace_back("force", "1");
        if (flags.is("no-prune")) request.query.emplace_back("noprune", "1");
        for (auto& platform : flags.list("platform")) request.query.emplace_back("platforms", TRY(client::platform_parameter(platform)));
        auto answer = engine.json(request);
        if (!answer) {
            fatal |= !answer.error().is(ErrorKind::NotFound);
            errors.push_back(answer.error().message());
            continue;
        }
        std::string text;
        for (auto& item : answer->as_array()) {
            if (auto& id = item["Deleted"].as_string(); !id.empty()) text += concat("Deleted: ", id, "\n");
            else text += concat("Untagged: ", item["Untagged"].as_string(), "\n");
        }
        put(text);
    }
    if (errors.empty()) return 0;
    if (!force || fatal) return fail(ErrorKind::Internal, join(errors, "\n"));
    put_error_line(join(errors, "\n"));
    return 0;
}

Result<int> tag(Invocation& call) {
    client::Client& engine = *TRY(ready_engine(call));
    auto target = oci::Reference::parse(call.arguments[1]);
    if (!target)
        return fail(ErrorKind::InvalidArgument,
                    concat("Error parsing reference: ", quote(call.arguments[1]), " is not a valid repository/tag: ", target.error().message()));
    if (!target->digest.empty()) return fail(ErrorKind::InvalidArgument, "refusing to create a tag with a digest reference");
    auto full = target->with_default_tag();
    TRY(engine.text({.method = "POST", .path = concat("/images/", call.arguments[0], "/tag"), .query = {{"repo", full.familiar_name()}, {"tag", full.tag}}}));
    return 0;
}
}  // namespace

const Command kRemoveImage = {"[OPTIONS] IMAGE [IMAGE...]", "Remove one or more images", kFlags, at_least(1), run};
const Command kTag = {"SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", {}, exactly(2), tag};

}  // namespace proa::cli
