#include <unistd.h>

#include "base/text.h"
#include "cli/compose/commands.h"

// Commands that hand over to the same command for one container: exec, attach, stats, cp, commit, export.
namespace proa::cli {

namespace {
const Flag kExecFlags[] = {
    {"detach", 'd', FlagType::Bool, "Detached mode: Run command in the background"},
    {"env", 'e', FlagType::List, "Set environment variables"},
    {"index", 0, FlagType::Int, "Index of the container if service has multiple replicas"},
    {"interactive", 'i', FlagType::Bool, "Keep STDIN open even if not attached", nullptr, "true", kHidden},
    {"no-TTY", 'T', FlagType::Bool, "Disable pseudo-TTY allocation. By default `docker compose exec` allocates a TTY."},
    {"no-tty", 0, FlagType::Bool, "", nullptr, "", kHidden, "no-TTY"},
    {"privileged", 0, FlagType::Bool, "Give extended privileges to the process"},
    {"tty", 't', FlagType::Bool, "Allocate a pseudo-TTY", nullptr, "true", kHidden},
    {"user", 'u', FlagType::String, "Run the command as this user"},
    {"workdir", 'w', FlagType::String, "Path to workdir directory for this command"},
};
const Flag kAttachFlags[] = {
    {"detach-keys", 0, FlagType::String, "Override the key sequence for detaching from a container."},
    {"index", 0, FlagType::Int, "index of the container if service has multiple replicas."},
    {"no-stdin", 0, FlagType::Bool, "Do not attach STDIN"},
    {"sig-proxy", 0, FlagType::Bool, "Proxy all received signals to the process", "(default true)", "true"},
};
const Flag kStatsFlags[] = {
    {"all", 'a', FlagType::Bool, "Show all containers (default shows just running)"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"no-stream", 0, FlagType::Bool, "Disable streaming stats and only pull the first result"},
    {"no-trunc", 0, FlagType::Bool, "Do not truncate output"},
};
const Flag kCopyFlags[] = {
    {"all", 0, FlagType::Bool, "Include containers created by the run command"},
    {"archive", 'a', FlagType::Bool, "Archive mode (copy all uid/gid information)"},
    {"follow-link", 'L', FlagType::Bool, "Always follow symbol link in SRC_PATH"},
    {"index", 0, FlagType::Int, "Index of the container if service has multiple replicas"},
};
const Flag kCommitFlags[] = {
    {"author", 'a', FlagType::String, "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")"},
    {"change", 'c', FlagType::List, "Apply Dockerfile instruction to the created image"},
    {"index", 0, FlagType::Int, "index of the container if service has multiple replicas."},
    {"message", 'm', FlagType::String, "Commit message"},
    {"pause", 'p', FlagType::Bool, "Pause container during commit", "(default true)", "true"},
};
const Flag kExportFlags[] = {
    {"index", 0, FlagType::Int, "index of the container if service has multiple replicas."},
    {"output", 'o', FlagType::String, "Write to a file, instead of STDOUT"},
};

Result<int> exec(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto container = TRY(choose_container(session, target, call.arguments[0], flags.integer("index")));
    std::vector<std::string> words;
    bool detached = flags.is("detach"), terminal = flags.is("tty") && !flags.is("no-TTY") && ::isatty(STDOUT_FILENO);
    if (detached) words.push_back("--detach");
    if (!detached && flags.is("interactive")) words.push_back("--interactive");
    if (!detached && terminal) words.push_back("--tty");
    if (flags.is("privileged")) words.push_back("--privileged");
    for (auto& item : flags.list("env")) words.push_back(concat("--env=", item));
    for (auto name : {"user", "workdir"})
        if (flags.changed(name)) words.push_back(concat("--", std::string_view(name), '=', flags.text(name)));
    words.push_back(container.id);
    words.insert(words.end(), call.arguments.begin() + 1, call.arguments.end());
    return run_command_words(call, kExec, words);
}

Result<int> attach(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto container = TRY(choose_container(session, target, call.arguments[0], flags.integer("index")));
    std::vector<std::string> words{concat("--sig-proxy=", flags.is("sig-proxy"))};
    if (flags.is("no-stdin")) words.push_back("--no-stdin");
    if (flags.changed("detach-keys")) words.push_back(concat("--detach-keys=", flags.text("detach-keys")));
    words.push_back(container.id);
    return run_command_words(call, kAttach, words);
}

Result<int> stats(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto containers = TRY(choose_containers(session, target, call.arguments, {.all = flags.is("all")}));
    if (containers.empty()) {
        put_error_line("no container to show");
        return 0;
    }
    std::vector<std::string> words;
    for (auto name : {"all", "no-stream", "no-trunc"})
        if (flags.is(name)) words.push_back(concat("--", std::string_view(name)));
    if (flags.changed("format")) words.push_back(concat("--format=", flags.text("format")));
    for (auto& each : containers) words.push_back(each.name);
    return run_command_words(call, kStats, words);
}

/// "web:/path" of a service; nullopt for a path here.
std::optional<std::pair<std::string, std::string>> service_path(const std::string& text) {
    auto parts = cut(text, ":");
    if (!parts || text.starts_with('/') || text.starts_with('.') || parts->first.find('/') != std::string_view::npos) return std::nullopt;
    return std::pair(std::string(parts->first), std::string(parts->second));
}

Result<int> copy(Invocation& call) {
    auto& flags = call.flags;
    auto from = service_path(call.arguments[0]), to = service_path(call.arguments[1]);
    if (from && to) return fail(ErrorKind::InvalidArgument, "copying between services is not supported");
    if (!from && !to) return fail(ErrorKind::InvalidArgument, "unknown copy direction");
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto& service = from ? from->first : to->first;
    auto containers = TRY(choose_containers(session, target, {service}, {.one_offs = flags.is("all") ? compose::OneOffs::With : compose::OneOffs::Without}));
    int64_t index = flags.integer("index");
    if (index > 0) std::erase_if(containers, [&](auto& each) { return each.number != index; });
    if (containers.empty()) return fail(ErrorKind::NotFound, concat("no container found for service ", quote(service)));
    if (from) containers.resize(1);  // into the service goes into all of its containers
    std::vector<std::string> words;
    if (flags.is("archive")) words.push_back("--archive");
    if (flags.is("follow-link")) words.push_back("--follow-link");
    for (auto& container : containers) {
        auto here = words;
        here.push_back("--");
        here.push_back(from ? concat(container.id, ':', from->second) : call.arguments[0]);
        here.push_back(to ? concat(container.id, ':', to->second) : call.arguments[1]);
        if (int code = TRY(run_command_words(call, kCopy, here)); code != 0) return code;
    }
    return 0;
}

Result<int> commit(Invocation& call) {
    auto& flags = call.flags;
    ProjectSession session(call);
    auto target = TRY(session.target());
    TRY(session.work());  // refuses --dry-run
    auto container = TRY(choose_container(session, target, call.arguments[0], flags.integer("index"), true));
    std::vector<std::string> words{concat("--pause=", flags.is("pause"))};
    for (auto name : {"author", "message"})
        if (flags.changed(name)) words.push_back(concat("--", std::string_view(name), '=', flags.text(name)));
    for (auto& change : flags.list("change")) words.push_back(concat("--change=", change));
    words.push_back(container.id);
    words.insert(words.end(), call.arguments.begin() + 1, call.arguments.end());
    return run_command_words(call, kCommit, words);
}

Result<int> export_container(Invocation& call) {
    ProjectSession session(call);
    auto target = TRY(session.target());
    auto container = TRY(choose_container(session, target, call.arguments[0], call.flags.integer("index"), true));
    std::vector<std::string> words;
    if (call.flags.changed("output")) words.push_back(concat("--output=", call.flags.text("output")));
    words.push_back(container.id);
    return run_command_words(call, kExport, words);
}
}  // namespace

const Command kComposeExec = {"[OPTIONS] SERVICE COMMAND [ARGS...]", "Execute a command in a running container", kExecFlags, at_least(2), exec, false};
const Command kComposeAttach = {"[OPTIONS] SERVICE", "Attach local standard input, output, and error streams to a service's running container", kAttachFlags, exactly(1), attach};
const Command kComposeStats = {"[OPTIONS] [SERVICE]", "Display a live stream of container(s) resource usage statistics", kStatsFlags, at_most(1), stats};
const Command kComposeCopy = {"[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n\tdocker compose cp [OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
                              "Copy files/folders between a service container and the local filesystem", kCopyFlags, exactly(2), copy};
const Command kComposeCommit = {"[OPTIONS] SERVICE [REPOSITORY[:TAG]]", "Create a new image from a service container's changes", kCommitFlags, {1, 2}, commit};
const Command kComposeExport = {"[OPTIONS] SERVICE", "Export a service container's filesystem as a tar archive", kExportFlags, exactly(1), export_container};

}  // namespace proa::cli
