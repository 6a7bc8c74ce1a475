#include "engine/foreign_runtime.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "container/image_accounts.h"
#include "container/oci_config.h"
#include "engine/seccomp_profiles.h"
#include "engine/settings.h"
#include "engine/start_plan.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::Record;

std::string bundle_of(const Parts& parts, const Record& record) { return parts.paths.state(record.id) + "/bundle"; }

/// 0 for a program that can be executed, else why not.
int executable_error(const std::string& path) {
    auto status = os::status(path);
    if (!status) return status.error().number();
    if (S_ISDIR(status->st_mode)) return EISDIR;
    return ::access(path.c_str(), X_OK) == 0 ? 0 : EACCES;
}

std::string error_text(int number) { return number == ENOENT ? "no such file or directory" : number == EACCES ? "permission denied" : to_lower(::strerror(number)); }

/// Where the program is; a name without a slash is looked for in the daemon's PATH.
/// Errors: `exec: "x": executable file not found in $PATH`, with its number.
Result<std::string> locate(const std::string& program) {
    if (program.find('/') == std::string::npos) {
        const char* path = ::getenv("PATH");
        for (auto& directory : split_nonempty(path ? path : "", ':'))
            if (directory[0] == '/' && executable_error(os::join_path(directory, program)) == 0) return os::join_path(directory, program);
        return fail(ErrorKind::InvalidArgument, concat("exec: ", quote(program), ": executable file not found in $PATH"), ENOENT);
    }
    int number = executable_error(program);
    if (number == 0) return program[0] == '/' ? program : os::join_path(TRY(os::read_link("/proc/self/cwd")), program);
    std::string text = number == EACCES || number == EISDIR ? error_text(number) : concat("stat ", program, ": ", error_text(number));
    return fail(ErrorKind::InvalidArgument, concat("exec: ", quote(program), ": ", text), number);
}

/// dockerd has the program behind a script when it takes arguments, and looks for it beforehand only then.
Result<std::string> locate_for_start(const RuntimeProgram& runtime, const std::string& state) {
    auto program = locate(runtime.path);
    if (program) return program;
    int number = program.error().number();
    if (!runtime.arguments.empty()) return fail(std::move(program).error().wrap("error while looking up the specified runtime path"));
    std::string words = runtime.path.find('/') == std::string::npos ? program.error().message() : concat("fork/exec ", runtime.path, ": ", error_text(number));
    return fail(ErrorKind::InvalidArgument,
                concat("failed to create task for container: failed to create shim task: OCI runtime create failed: unable to retrieve OCI runtime error (open ",
                       state, "/runtime.log: no such file or directory): ", words, ": unknown"),
                number);
}

/// Each runtime of the settings keeps its states apart from those of other engines.
std::string state_root(const Parts& parts, const std::string& runtime_name) {
    return concat(parts.paths.exec_root, "/runtime-", replace_all(runtime_name, "/", "_"));
}

Result<void> write_bundle(const Parts& parts, const Record& record, const runtime::Plan& plan, const NetworkAttachment& network) {
    container::OciFacts facts;
    facts.root_path = plan.root.directory;
    facts.mount_prefix = bundle_of(parts, record) + "/mount-";
    facts.identity = TRY(container::identity_in_layers(plan.process, plan.root));
    facts.seccomp = TRY(SeccompProfiles::oci(TRY(seccomp_profile_of(parts, record)), plan.process.capabilities));
    // The namespace's own path: the attachment keeps the descriptor until the start is over.
    if (network.sandbox) facts.descriptor_paths.push_back(concat("/proc/", ::getpid(), "/fd/", network.sandbox->space.descriptor.get()));
    std::string config = TRY(container::oci_config(plan, facts));
    TRY(os::make_directories(bundle_of(parts, record), 0700));
    return os::write_file(bundle_of(parts, record) + "/config.json", config, 0600);
}

}  // namespace

Result<void> check_runtime(const Settings& settings, std::string_view name) {
    auto runtime = TRY(find_runtime(settings, name));
    if (!runtime || runtime->arguments.empty()) return {};
    TRY_WRAP("error while looking up the specified runtime path", locate(runtime->path));
    return {};
}

Result<std::optional<ForeignRuntime>> prepare_foreign_runtime(const Parts& parts, const Record& record, const runtime::Plan& plan,
                                                              const NetworkAttachment& network) {
    auto settings = parts.settings();
    auto runtime = TRY(find_runtime(*settings, record.host_config.runtime));
    if (!runtime) {
        TRY(os::remove_tree(bundle_of(parts, record)));  // of a start before the settings changed
        return std::nullopt;
    }
    if (is_remapped(parts.remap, record.host_config))
        return fail(ErrorKind::Unsupported, concat("the runtime ", record.host_config.runtime, " cannot run a container with mapped ids (userns-remap): run it with --userns=host"));
    ForeignRuntime foreign;
    foreign.program = TRY(locate_for_start(*runtime, parts.paths.state(record.id)));
    foreign.arguments = {"--root", state_root(parts, record.host_config.runtime)};
    if (!plan.cgroup_scope.name.empty()) foreign.arguments.push_back("--systemd-cgroup");
    foreign.arguments.insert(foreign.arguments.end(), runtime->arguments.begin(), runtime->arguments.end());
    foreign.bundle = bundle_of(parts, record);
    foreign.root = plan.root.directory;
    auto written = write_bundle(parts, record, plan, network);
    if (written) return foreign;
    bool caller = written.error().is(ErrorKind::InvalidArgument) || written.error().is(ErrorKind::Unsupported);
    return fail(caller ? written.error().kind() : ErrorKind::Internal, written.error().message());
}

Error explain_foreign_failure(Error error) {
    bool caller = exit_code_of_foreign(error) != 128;
    return Error(caller ? ErrorKind::InvalidArgument : ErrorKind::Internal,
                 concat("failed to create task for container: failed to create shim task: OCI runtime create failed: ", error.message(), ": unknown"), error.number());
}

int64_t exit_code_of_foreign(const Error& error) {
    if (error.number() == ENOENT) return 127;
    return error.number() == EACCES || error.number() == EISDIR ? 126 : 128;
}

bool is_foreign(const Parts& parts, const Record& record) { return os::exists(bundle_of(parts, record) + "/config.json"); }

Result<std::string> write_foreign_process(const Parts& parts, const Record& record, const std::string& exec_id, const runtime::ExecPlan& plan) {
    auto identity = TRY(container::identity_in_running(plan.process, plan.init_pid));
    std::string path = concat(bundle_of(parts, record), "/process-", exec_id, ".json");
    TRY(os::write_file(path, TRY(container::oci_process(plan.process, identity)), 0600));
    return path;
}

}  // namespace proa::engine
