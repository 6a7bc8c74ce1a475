#include "compose/down.h"

#include "base/text.h"
#include "cli/compose/commands.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"remove-orphans", 0, FlagType::Bool, "Remove containers for services not defined in the Compose file"},
    {"rmi", 0, FlagType::String, "Remove images used by services. \"local\" remove only images that don't have a custom tag (\"local\"|\"all\")"},
    {"timeout", 't', FlagType::Int, "Specify a shutdown timeout in seconds"},
    {"volumes", 'v', FlagType::Bool, "Remove named volumes declared in the \"volumes\" section of the Compose file and anonymous volumes attached to containers"},
};

Result<int> down(Invocation& call) {
    auto& flags = call.flags;
    compose::DownOptions options;
    options.services = call.arguments;
    options.remove_orphans = flags.is("remove-orphans");
    options.volumes = flags.is("volumes");
    std::string images = flags.text("rmi");
    if (!images.empty() && images != "all" && images != "local") return fail(ErrorKind::InvalidArgument, concat("invalid value for --rmi: ", quote(images)));
    if (images == "all") options.images = compose::DownOptions::Images::All;
    if (images == "local") options.images = compose::DownOptions::Images::Local;
    ProjectSession session(call);
    auto target = TRY(session.target());
    compose::Work work = TRY(session.work());
    if (flags.changed("timeout")) work.timeout = flags.integer("timeout");
    TRY(compose::take_down(work, target.name, target.pointer(), options));
    return 0;
}
}  // namespace

const Command kComposeDown = {"[OPTIONS] [SERVICES]", "Stop and remove containers, networks", kFlags, {}, down};

}  // namespace proa::cli
