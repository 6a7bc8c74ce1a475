#include "base/text.h"
#include "cli/commands.h"
#include "compose/project.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"dry-run", 0, FlagType::Bool, "Execute command in dry run mode"},
    {"format", 'f', FlagType::String, "Format the output. Values: [pretty | json]. (Default: pretty)"},
    {"short", 0, FlagType::Bool, "Shows only Compose's version number"},
};

Result<int> run(Invocation& call) {
    std::string version(compose::kComposeVersion);
    std::string format = call.flags.text("format");
    if (call.flags.is("short")) put_line(version);
    else if (format == "json") put_line(json::print(json::Value(json::Object{{"version", version}})));
    else if (call.session.program() == "docker") put_line(concat("Docker Compose version ", version));
    else put_line(concat("Proa Compose version ", PROA_RELEASE, ", build docker-compose-", version));
    return 0;
}
}  // namespace

const Command kComposeVersion = {"[OPTIONS]", "Show the Docker Compose version information", kFlags, kNoArguments, run};

}  // namespace proa::cli
