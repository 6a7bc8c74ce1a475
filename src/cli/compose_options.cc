#include "cli/compose_options.h"

#include <unistd.h>

#include "base/text.h"
#include "base/time.h"

namespace proa::cli {

namespace {
const Flag kComposeFlags[] = {
    {"all-resources", 0, FlagType::Bool, "Include all resources, even those not used by services"},
    {"ansi", 0, FlagType::String, "Control when to print ANSI control characters (\"never\"|\"always\"|\"auto\")", "(default \"auto\")", "auto"},
    {"compatibility", 0, FlagType::Bool, "Run compose in backward compatibility mode"},
    {"dry-run", 0, FlagType::Bool, "Execute command in dry run mode"},
    {"env-file", 0, FlagType::List, "Specify an alternate environment file"},
    {"file", 'f', FlagType::List, "Compose configuration files"},
    {"no-ansi", 0, FlagType::Bool, "Do not print ANSI control characters (DEPRECATED)", nullptr, "", kHidden},
    {"parallel", 0, FlagType::Int, "Control max parallelism, -1 for unlimited", "(default -1)", "-1"},
    {"profile", 0, FlagType::List, "Specify a profile to enable"},
    {"progress", 0, FlagType::String, "Set type of progress output (auto, tty, plain, json, quiet)", "(default \"auto\")", "auto"},
    {"project-directory", 0, FlagType::String, "Specify an alternate working directory\n(default: the path of the, first specified, Compose file)"},
    {"project-name", 'p', FlagType::String, "Project name"},
    {"verbose", 0, FlagType::Bool, "Show more output", nullptr, "", kHidden},
    {"version", 'v', FlagType::Bool, "Show the Docker Compose version information", nullptr, "", kHidden},
    {"workdir", 0, FlagType::String, "Specify an alternate working directory (DEPRECATED, use --project-directory)", nullptr, "", kHidden},
};

/// logrus writes key="value" pairs to what is no terminal; time and place of a warning come first.
std::string warning_line(const compose::Warning& warning, bool terminal) {
    std::string text = warning.text;
    if (warning.place.line > 0 && text.find(warning.place.file) == std::string::npos)
        text = concat(text, " (", warning.place.file, ':', warning.place.line, ':', warning.place.column, ')');
    if (terminal) return concat("\x1b[33mWARN\x1b[0m[0000] ", text);
    Time moment = now();
    moment.nanoseconds = 0;
    return concat("time=\"", rfc3339_nano(moment), "\" level=warning msg=", quote(text));
}
}  // namespace

std::span<const Flag> compose_flags() { return kComposeFlags; }

compose::LoadOptions compose_load_options(const Invocation& call) {
    compose::LoadOptions options;
    options.process_environment = compose::process_environment();
    if (!call.group_flags) return options;
    auto& flags = *call.group_flags;
    options.files = flags.list("file");
    options.profiles = flags.list("profile");
    options.env_files = flags.list("env-file");
    options.project_name = flags.text("project-name");
    options.project_directory = flags.text("project-directory").empty() ? flags.text("workdir") : flags.text("project-directory");
    options.keep_unused_resources = flags.is("all-resources");
    return options;
}

Error with_compose_code(Error error) {
    if (error.number() < 0) return error;
    std::string_view text = error.message();
    bool file = text.find("no such file or directory") != text.npos || text.find("no configuration file provided") != text.npos;
    bool wrong_file = (error.is(ErrorKind::InvalidArgument) || error.is(ErrorKind::Unsupported)) && !text.starts_with("invalid project name");
    int code = error.is(ErrorKind::NotFound) && file ? 14 : wrong_file ? 15 : 1;
    return Error(error.kind(), error.message(), -code);
}

void say_warnings(const std::vector<compose::Warning>& warnings) {
    bool terminal = ::isatty(STDERR_FILENO);
    for (auto& warning : warnings) put_error_line(warning_line(warning, terminal));
}

Result<compose::Project> load_compose_project(const Invocation&, const compose::LoadOptions& options) {
    auto project = compose::load_project(options);
    if (!project) return fail(with_compose_code(project.error()));
    say_warnings(project->warnings);
    return project;
}

}  // namespace proa::cli
