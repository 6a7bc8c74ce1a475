#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "cli/progress.h"
#include "client/images.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
const Flag kPullFlags[] = {
    {"all-tags", 'a', FlagType::Bool, "Download all tagged images in the repository"},
    {"disable-content-trust", 0, FlagType::Bool, "Skip image verification", "(default true)", "true"},
    {"platform", 0, FlagType::String, "Set platform if server is multi-platform capable"},
    {"quiet", 'q', FlagType::Bool, "Suppress verbose output"},
};
const Flag kPushFlags[] = {
    {"all-tags", 'a', FlagType::Bool, "Push all tags of an image to the repository"},
    {"disable-content-trust", 0, FlagType::Bool, "Skip image signing", "(default true)", "true"},
    {"platform", 0, FlagType::String, "Push a platform-specific manifest as a single-platform image (os[/arch[/variant]], e.g. linux/amd64)"},
    {"quiet", 'q', FlagType::Bool, "Suppress verbose output"},
};

Result<int> pull(Invocation& call) {
    auto& flags = call.flags;
    auto reference = TRY(oci::Reference::parse(call.arguments[0]));
    bool bare = reference.tag.empty() && reference.digest.empty(), all = flags.is("all-tags");
    if (all && !bare) return fail(ErrorKind::InvalidArgument, "tag can't be used with --all-tags/-a");
    if (!all && bare) {
        reference = reference.with_default_tag();
        if (!flags.is("quiet")) put_line("Using default tag: latest");
    }
    client::Client& engine = *TRY(ready_engine(call));
    std::string auth = client::registry_auth(call.session.config(), reference.domain);
    std::string tag = reference.digest.empty() ? reference.tag : reference.digest;
    auto answer = TRY(client::pull_image(engine, reference.familiar_name(), tag, default_platform(flags), auth));
    TRY(show_progress(answer, STDOUT_FILENO, flags.is("quiet")));
    put_line(reference.text());
    return 0;
}

Result<int> push(Invocation& call) {
    auto& flags = call.flags;
    auto reference = TRY(oci::Reference::parse(call.arguments[0]));
    bool bare = reference.tag.empty(), all = flags.is("all-tags");
    if (!reference.digest.empty()) return fail(ErrorKind::InvalidArgument, "cannot push a digest reference");
    if (all && !bare) return fail(ErrorKind::InvalidArgument, "tag can't be used with --all-tags/-a");
    if (!all && bare) {
        reference = reference.with_default_tag();
        if (!flags.is("quiet")) put_line("Using default tag: latest");
    }
    client::Client& engine = *TRY(ready_engine(call));
    std::string auth = client::registry_auth(call.session.config(), reference.domain), platform;
    if (auto text = flags.text("platform"); !text.empty()) platform = TRY(client::platform_parameter(text));
    auto answer = TRY(client::push_image(engine, reference.familiar_name(), reference.tag, platform, auth));
    TRY(show_progress(answer, STDOUT_FILENO, flags.is("quiet")));
    if (flags.is("quiet")) put_line(reference.text());
    return 0;
}
}  // namespace

const Command kPull = {"[OPTIONS] NAME[:TAG|@DIGEST]", "Download an image from a registry", kPullFlags, exactly(1), pull};
const Command kPush = {"[OPTIONS] NAME[:TAG]", "Upload an image to a registry", kPushFlags, exactly(1), push};

}  // namespace proa::cli
