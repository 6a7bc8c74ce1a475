#include "bundle/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <functional>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "bundle/config.h"
#include "bundle/flags.h"
#include "bundle/lifecycle.h"
#include "bundle/reports.h"
#include "os/file.h"

namespace proa::bundle {

namespace {
struct Globals {
    std::string root = "/run/proa-runtime", log, log_format = "text";
};

struct Command {
    const char* name;
    const char* usage;
    int arguments_min, arguments_max;  ///< -1: any number
    std::vector<FlagSpec> flags;
    std::function<Result<int>(const Globals&, const ParsedFlags&)> run;
    const char* error_prefix;
    int failure_code;
};

void print(std::string_view text) { (void)os::write_all(1, text); }

Result<int> number_flag(const ParsedFlags& flags, const std::string& name) {
    if (!flags.has(name)) return 0;
    auto value = parse_int(flags.text(name));
    if (!value) return fail(ErrorKind::InvalidArgument, concat("invalid value ", quote(flags.text(name)), " for flag -", name));
    return static_cast<int>(*value);
}

Result<CreateOptions> create_options(const Globals& globals, const ParsedFlags& flags, bool detach) {
    CreateOptions options;
    options.root = globals.root;
    options.id = flags.rest[0];
    options.bundle = flags.text("bundle", ".");
    if (options.bundle.empty()) options.bundle = ".";
    options.console_socket = flags.text("console-socket");
    options.pid_file = flags.text("pid-file");
    options.no_pivot = flags.on("no-pivot");
    options.no_new_keyring = flags.on("no-new-keyring");
    options.preserve_fds = TRY(number_flag(flags, "preserve-fds"));
    options.detach = detach;
    options.keep = flags.on("keep");
    options.no_subreaper = flags.on("no-subreaper");
    return options;
}

Result<int> exec_command(const Globals& globals, const ParsedFlags& flags) {
    ExecOptions options;
    options.root = globals.root;
    options.id = flags.rest[0];
    options.args.assign(flags.rest.begin() + 1, flags.rest.end());
    options.process_file = flags.text("process");
    if (options.process_file.empty() && options.args.empty()) return fail(ErrorKind::InvalidArgument, "process args cannot be empty");
    options.console_socket = flags.text("console-socket");
    options.pid_file = flags.text("pid-file");
    options.cwd = flags.text("cwd");
    options.user = flags.text("user");
    options.process_label = flags.text("process-label");
    options.apparmor = flags.text("apparmor");
    options.cgroup = flags.text("cgroup");
    options.env = flags.list("env");
    options.capabilities = flags.list("cap");
    for (auto& text : flags.list("additional-gids")) {
        auto gid = parse_uint(text);
        if (!gid || *gid > UINT32_MAX) return fail(ErrorKind::InvalidArgument, concat("invalid value ", quote(text), " for flag -additional-gids"));
        options.additional_gids.push_back(static_cast<uint32_t>(*gid));
    }
    options.tty = flags.on("tty");
    options.detach = flags.on("detach");
    options.no_new_privs = flags.on("no-new-privs");
    options.ignore_paused = flags.on("ignore-paused");
    options.preserve_fds = TRY(number_flag(flags, "preserve-fds"));
    return execute_in_container(options);
}

Result<void> read_update_flags(const ParsedFlags& flags, cgroup::Limits& limits) {
    auto read = [&]<class T>(const char* name, std::optional<T>& target, bool bytes = false) -> Result<void> {
        if (!flags.has(name)) return {};
        std::string text = flags.text(name);
        auto value = parse_int(text);
        if (!value && bytes) value = TRY(parse_bytes(text));
        if (!value || !std::in_range<T>(*value)) return fail(ErrorKind::InvalidArgument, concat("invalid value for ", std::string_view(name), ": ", quote(text)));
        target = static_cast<T>(*value);
        return {};
    };
    TRY(read("blkio-weight", limits.blkio_weight));
    TRY(read("cpu-period", limits.cpu_period));
    TRY(read("cpu-quota", limits.cpu_quota));
    TRY(read("cpu-burst", limits.cpu_burst));
    TRY(read("cpu-share", limits.cpu_shares));
    TRY(read("cpu-rt-period", limits.cpu_realtime_period));
    TRY(read("cpu-rt-runtime", limits.cpu_realtime_runtime));
    TRY(read("cpu-idle", limits.cpu_idle));
    TRY(read("memory", limits.memory_limit, true));
    TRY(read("memory-reservation", limits.memory_reservation, true));
    TRY(read("memory-swap", limits.memory_swap, true));
    TRY(read("pids-limit", limits.pids_limit));
    if (flags.has("cpuset-cpus")) limits.cpuset_cpus = flags.text("cpuset-cpus");
    if (flags.has("cpuset-mems")) limits.cpuset_mems = flags.text("cpuset-mems");
    return {};
}

Result<int> update_command(const Globals& globals, const ParsedFlags& flags) {
    StateDirectory directory = TRY(StateDirectory::at(globals.root, flags.rest[0]));
    ContainerState state = TRY(directory.load());
    cgroup::Limits limits;
    if (flags.has("resources")) {
        std::string file = flags.text("resources");
        std::string text = file == "-" ? TRY(os::read_to_end(0, 1 << 20)) : TRY(os::read_file(file, 1 << 20));
        limits = TRY(limits_of(TRY(json::parse(text))));
    } else {
        TRY(read_update_flags(flags, limits));
    }
    limits.devices.clear();  // they belong to create: an update would cut off what the container was given
    TRY(TRY(cgroup::Group::at(state.cgroup_path)).apply_without_devices(limits));
    return 0;
}

Result<int> spec_command(const Globals&, const ParsedFlags& flags) {
    std::string directory = flags.text("bundle", ".");
    std::string file = directory + "/config.json";
    if (os::exists(file)) return fail(ErrorKind::Conflict, "File config.json exists. Remove it first");
    TRY(os::write_file(file, specification_template(), 0666));
    return 0;
}

Result<int> printed(Result<std::string> text) {
    print(TRY(std::move(text)));
    return 0;
}
Result<int> done(Result<void> result) {
    TRY(std::move(result));
    return 0;
}

const std::vector<Command>& commands() {
    static const std::vector<FlagSpec> kCreate = {{"bundle,b", true, "path to the bundle, default: the current directory"}, {"console-socket", true, "unix socket that gets the terminal's master"},
        {"pid-file", true, "file to write the process id to"}, {"no-pivot", false, "do not use pivot_root"}, {"no-new-keyring", false, "keep the session keyring"}, {"preserve-fds", true, "further descriptors to hand over"}};
    static const std::vector<Command> kCommands = [] {
        std::vector<FlagSpec> run = kCreate;
        run.insert(run.end(), {{"detach,d", false, "return when the container runs"}, {"keep", false, "keep the container's state after its exit"}, {"no-subreaper", false, "do not reap reparented processes"}});
        std::vector<FlagSpec> update;
        for (auto name : {"resources,r", "blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share", "cpu-rt-period", "cpu-rt-runtime", "cpu-idle", "cpuset-cpus", "cpuset-mems", "memory", "memory-reservation", "memory-swap", "pids-limit"})
            update.push_back({name, true, ""});
        std::vector<FlagSpec> exec = {{"console-socket", true, ""}, {"cwd", true, "working directory"}, {"env,e", true, "environment variable"}, {"tty,t", false, "with a terminal"}, {"user,u", true, "uid[:gid]"},
            {"additional-gids,g", true, ""}, {"process,p", true, "process.json"}, {"detach,d", false, ""}, {"pid-file", true, ""}, {"process-label", true, ""}, {"apparmor", true, ""}, {"no-new-privs", false, ""},
            {"cap,c", true, ""}, {"preserve-fds", true, ""}, {"cgroup", true, ""}, {"ignore-paused", false, ""}};
        using F = const ParsedFlags&;
        using G = const Globals&;
        return std::vector<Command>{
            {"create", "<container-id>", 1, 1, kCreate, [](G g, F f) -> Result<int> { return done(create_container(TRY(create_options(g, f, true)))); }, "runc create failed: ", 1},
            {"run", "<container-id>", 1, 1, run, [](G g, F f) -> Result<int> { return run_container(TRY(create_options(g, f, f.on("detach")))); }, "runc run failed: ", 1},
            {"start", "<container-id>", 1, 1, {}, [](G g, F f) { return done(start_container(g.root, f.rest[0])); }, "", 1},
            {"state", "<container-id>", 1, 1, {}, [](G g, F f) { return printed(state_report(g.root, f.rest[0])); }, "", 1},
            {"kill", "<container-id> [signal]", 1, 2, {{"all,a", false, "every process of the container"}}, [](G g, F f) { return done(kill_container(g.root, f.rest[0], f.rest.size() > 1 ? f.rest[1] : "SIGTERM", f.on("all"))); }, "", 1},
            {"delete", "<container-id>", 1, 1, {{"force,f", false, "kill it first"}}, [](G g, F f) { return done(delete_container(g.root, f.rest[0], f.on("force"))); }, "", 1},
            {"exec", "<container-id> <command> [command options]", 1, -1, exec, exec_command, "exec failed: ", 255},
            {"list", "", 0, 0, {{"format,f", true, "table or json"}, {"quiet,q", false, "ids only"}}, [](G g, F f) { return printed(list_report(g.root, f.text("format", "table"), f.on("quiet"))); }, "", 1},
            {"pause", "<container-id>", 1, 1, {}, [](G g, F f) { return done(pause_container(g.root, f.rest[0])); }, "", 1},
            {"resume", "<container-id>", 1, 1, {}, [](G g, F f) { return done(resume_container(g.root, f.rest[0])); }, "", 1},
            {"update", "<container-id>", 1, 1, update, update_command, "", 1},
            {"ps", "<container-id>", 1, -1, {{"format,f", true, "json"}}, [](G g, F f) -> Result<int> {
                 if (f.text("format", "table") != "json") return fail(ErrorKind::Unsupported, "ps: only --format json is supported");
                 return printed(processes_report(g.root, f.rest[0]));
             }, "", 1},
            {"events", "<container-id>", 1, 1, {{"stats", false, "show the numbers once"}, {"interval", true, ""}}, [](G g, F f) -> Result<int> {
                 if (!f.on("stats")) return fail(ErrorKind::Unsupported, "events: only --stats is supported");
                 return printed(stats_report(g.root, f.rest[0]));
             }, "", 1},
            {"features", "", 0, 0, {}, [](G, F) { return printed(features_report() + "\n"); }, "", 1},
            {"spec", "", 0, 0, {{"bundle,b", true, ""}}, spec_command, "", 1},
        };
    }();
    return kCommands;
}

std::string help_text(const Command& command) {
    std::string text = concat("NAME:\n   proa-runtime ", std::string_view(command.name), "\n\nUSAGE:\n   proa-runtime ", std::string_view(command.name), " [command options] ", std::string_view(command.usage), "\n\nOPTIONS:\n");
    for (auto& flag : command.flags) {
        auto names = split(flag.names, ',');
        text += concat("   --", names[0], names.size() > 1 ? ", -" + names[1] : "", flag.takes_value ? " value" : "", "  ", std::string_view(flag.help), "\n");
    }
    return text;
}

std::string general_help() {
    std::string text = "NAME:\n   proa-runtime - Open Container Initiative runtime\n\nUSAGE:\n   proa-runtime [global options] command [command options] [arguments...]\n\nCOMMANDS:\n";
    for (auto& command : commands()) text += concat("   ", std::string_view(command.name), "\n");
    return text + "\nGLOBAL OPTIONS:\n   --debug --log value --log-format value --root value --systemd-cgroup --rootless value --version\n";
}

/// The last line of the log is what containerd shows.
void report(const Globals& globals, const std::string& message) {
    std::string time = rfc3339_nano({now().seconds, 0});
    std::string line;
    if (globals.log_format == "json") {
        line = "{\"level\":\"error\",\"msg\":";
        json::print_string(line, message, true);
        line += concat(",\"time\":\"", time, "\"}\n");
    } else {
        line = concat("time=\"", time, "\" level=error msg=", quote(message), "\n");
    }
    if (globals.log.empty()) {
        (void)os::write_all(2, line);
        return;
    }
    if (auto file = os::open_file(globals.log, O_WRONLY | O_APPEND | O_CREAT, 0644)) (void)os::write_all(file->get(), line);
    (void)os::write_all(2, message + "\n");
}

int fail_with(const Globals& globals, const std::string& message, int code) {
    report(globals, message);
    return code;
}
}  // namespace

int run_command_line(const std::vector<std::string>& words) {
    static constexpr FlagSpec kGlobals[] = {{"debug", false, ""}, {"log", true, ""}, {"log-format", true, ""}, {"root", true, ""}, {"systemd-cgroup", false, ""}, {"rootless", true, ""}, {"version,v", false, ""}, {"help,h", false, ""}, {"criu", true, ""}};
    Globals globals;
    auto parsed = parse_flags(kGlobals, words);
    if (!parsed) return fail_with(globals, parsed.error().message(), 1);
    globals.root = parsed->text("root", globals.root);
    globals.log = parsed->text("log");
    globals.log_format = parsed->text("log-format", "text");
    if (globals.log_format != "text" && globals.log_format != "json") return fail_with(Globals(), concat("invalid log-format: ", globals.log_format), 1);
    if (parsed->on("version")) {
        print(concat("proa-runtime version ", std::string_view(PROA_RELEASE), "\nspec: 1.2.0\n"));
        return 0;
    }
    if (parsed->rest.empty() || parsed->on("help") || parsed->rest[0] == "help") {
        print(general_help());
        return 0;
    }
    if (parsed->on("systemd-cgroup")) return fail_with(globals, "--systemd-cgroup is not supported: use the cgroupfs driver", 1);
    if (parsed->text("rootless", "auto") == "true") return fail_with(globals, "--rootless true is not supported", 1);
    if (globals.root[0] != '/') globals.root = os::join_path(os::read_link("/proc/self/cwd").value_or("/"), globals.root);
    for (auto& command : commands()) {
        if (command.name != parsed->rest[0]) continue;
        std::vector<FlagSpec> specs = command.flags;
        specs.push_back({"help,h", false, ""});
        auto flags = parse_flags(specs, std::span(parsed->rest).subspan(1));
        if (!flags) {
            print(concat("Incorrect Usage: ", flags.error().message(), "\n\n", help_text(command)));
            return fail_with(globals, flags.error().message(), 1);
        }
        if (flags->on("help")) {
            print(help_text(command));
            return 0;
        }
        int count = static_cast<int>(flags->rest.size());
        if (count < command.arguments_min || (command.arguments_max >= 0 && count > command.arguments_max)) {
            print(concat("Incorrect Usage.\n\n", help_text(command)));
            return fail_with(globals, concat("proa-runtime: ", quote(command.name), " requires ", command.arguments_min == command.arguments_max ? "exactly " : "a minimum of ", command.arguments_min, " argument(s)"), 1);
        }
        auto code = command.run(globals, *flags);
        if (code) return *code;
        return fail_with(globals, command.error_prefix + code.error().message(), command.failure_code);
    }
    print(concat("No help topic for '", parsed->rest[0], "'\n"));
    return 3;
}

}  // namespace proa::bundle
