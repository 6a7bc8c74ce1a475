#include "bundle/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "bundle/checkpoint.h"
#include "bundle/config.h"
#include "bundle/flags.h"
#include "bundle/lifecycle.h"
#include "bundle/reports.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::bundle {

namespace {
struct Globals {
    std::string root = "/run/proa-runtime", log, log_format = "text", criu;
    bool debug = false, rootless = false, systemd_cgroup = false;
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

Result<HandOver> hand_over_flags(const ParsedFlags& flags) {
    HandOver wanted{flags.text("console-socket"), flags.text("pidfd-socket"), flags.text("pid-file"), TRY(number_flag(flags, "preserve-fds"))};
    // Not after the container was made and its streams were given away.
    for (int fd = 3; fd < 3 + wanted.preserve_fds; fd++)
        if (::fcntl(fd, F_GETFD) < 0)
            return fail(ErrorKind::InvalidArgument,
                        concat("unable to preserve file descriptor ", fd, " (--preserve-fds ", wanted.preserve_fds, "): it is not open"));
    return wanted;
}

Result<CreateOptions> create_options(const Globals& globals, const ParsedFlags& flags, bool detach) {
    CreateOptions options;
    options.root = globals.root;
    options.id = flags.rest[0];
    options.bundle = flags.text("bundle", ".");
    if (options.bundle.empty()) options.bundle = ".";
    options.hand_over = TRY(hand_over_flags(flags));
    options.rootless = globals.rootless;
    options.systemd_cgroup = globals.systemd_cgroup;
    options.no_pivot = flags.on("no-pivot");
    options.no_new_keyring = flags.on("no-new-keyring");
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
    options.hand_over = TRY(hand_over_flags(flags));
    options.cwd = flags.text("cwd");
    options.user = flags.text("user");
    options.process_label = flags.text("process-label");
    options.apparmor = flags.text("apparmor");
    options.cgroups = flags.list("cgroup");
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
    return execute_in_container(options);
}

Result<int> spec_command(const Globals&, const ParsedFlags& flags) {
    std::string directory = flags.text("bundle", ".");
    std::string file = directory + "/config.json";
    if (os::exists(file)) return fail(ErrorKind::Conflict, "File config.json exists. Remove it first");
    TRY(os::write_file(file, specification_template(flags.on("rootless")), 0666));
    return 0;
}

Result<int> checkpoint_command(const Globals& globals, const ParsedFlags& flags) {
    TRY(checkpoint_container({globals.root, flags.rest[0], globals.criu, flags}));
    return 0;
}

Result<int> restore_command(const Globals& globals, const ParsedFlags& flags) {
    return restore_container({TRY(create_options(globals, flags, flags.on("detach"))), globals.criu, flags});
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
    static const std::vector<FlagSpec> kCreate = {{"bundle,b", true, "path to the bundle, default: the current directory"},
                                                  {"console-socket", true, "unix socket that gets the terminal's master"},
                                                  {"pidfd-socket", true, "unix socket that gets a pidfd of the init"},
                                                  {"pid-file", true, "file to write the process id to"},
                                                  {"no-pivot", false, "do not use pivot_root"},
                                                  {"no-new-keyring", false, "keep the session keyring"},
                                                  {"preserve-fds", true, "further descriptors to hand over"}};
    static const std::vector<Command> kCommands = [] {
        std::vector<FlagSpec> run = kCreate;
        run.insert(run.end(), {{"detach,d", false, "return when the container runs"},
                               {"keep", false, "keep the container's state after its exit"},
                               {"no-subreaper", false, "do not reap reparented processes"}});
        std::vector<FlagSpec> update;
        for (auto name : {"resources,r", "blkio-weight", "cpu-period", "cpu-quota", "cpu-burst", "cpu-share", "cpu-rt-period", "cpu-rt-runtime", "cpu-idle",
                          "cpuset-cpus", "cpuset-mems", "memory", "memory-reservation", "memory-swap", "pids-limit", "kernel-memory", "kernel-memory-tcp",
                          "l3-cache-schema", "mem-bw-schema"})
            update.push_back({name, true, ""});
        std::vector<FlagSpec> checkpoint, restore;
        for (auto name : {"image-path", "work-path", "parent-path", "page-server", "status-fd", "manage-cgroups-mode", "empty-ns"})
            checkpoint.push_back({name, true, ""});
        for (auto name : {"leave-running", "tcp-established", "tcp-skip-in-flight", "ext-unix-sk", "shell-job", "lazy-pages", "file-locks", "pre-dump",
                          "auto-dedup", "link-remap"})
            checkpoint.push_back({name, false, ""});
        for (auto name :
             {"console-socket", "image-path", "work-path", "manage-cgroups-mode", "bundle,b", "pid-file", "empty-ns", "lsm-profile", "lsm-mount-context"})
            restore.push_back({name, true, ""});
        for (auto name :
             {"tcp-established", "ext-unix-sk", "shell-job", "file-locks", "detach,d", "no-subreaper", "no-pivot", "auto-dedup", "lazy-pages", "link-remap"})
            restore.push_back({name, false, ""});
        std::vector<FlagSpec> exec = {{"console-socket", true, ""},
                                      {"pidfd-socket", true, ""},
                                      {"cwd", true, "working directory"},
                                      {"env,e", true, "environment variable"},
                                      {"tty,t", false, "with a terminal"},
                                      {"user,u", true, "uid[:gid]"},
                                      {"additional-gids,g", true, ""},
                                      {"process,p", true, "process.json"},
                                      {"detach,d", false, ""},
                                      {"pid-file", true, ""},
                                      {"process-label", true, ""},
                                      {"apparmor", true, ""},
                                      {"no-new-privs", false, ""},
                                      {"cap,c", true, ""},
                                      {"preserve-fds", true, ""},
                                      {"cgroup", true, ""},
                                      {"ignore-paused", false, ""}};
        using F = const ParsedFlags&;
        using G = const Globals&;
        return std::vector<Command>{
            {"create", "<container-id>", 1, 1, kCreate, [](G g, F f) -> Result<int> { return done(create_container(TRY(create_options(g, f, true)))); },
             "runc create failed: ", 1},
            {"run", "<container-id>", 1, 1, run, [](G g, F f) -> Result<int> { return run_container(TRY(create_options(g, f, f.on("detach")))); },
             "runc run failed: ", 1},
            {"start", "<container-id>", 1, 1, {}, [](G g, F f) { return done(start_container(g.root, f.rest[0])); }, "", 1},
            {"state", "<container-id>", 1, 1, {}, [](G g, F f) { return printed(state_report(g.root, f.rest[0])); }, "", 1},
            {"kill",
             "<container-id> [signal]",
             1,
             2,
             {{"all,a", false, "every process of the container"}},
             [](G g, F f) { return done(kill_container(g.root, f.rest[0], f.rest.size() > 1 ? f.rest[1] : "SIGTERM", f.on("all"))); },
             "",
             1},
            {"delete",
             "<container-id>",
             1,
             1,
             {{"force,f", false, "kill it first"}},
             [](G g, F f) { return done(delete_container(g.root, f.rest[0], f.on("force"))); },
             "",
             1},
            {"exec", "<container-id> <command> [command options]", 1, -1, exec, exec_command, "exec failed: ", 255},
            {"list",
             "",
             0,
             0,
             {{"format,f", true, "table or json"}, {"quiet,q", false, "ids only"}},
             [](G g, F f) { return printed(list_report(g.root, f.text("format", "table"), f.on("quiet"))); },
             "",
             1},
            {"pause", "<container-id>", 1, 1, {}, [](G g, F f) { return done(pause_container(g.root, f.rest[0])); }, "", 1},
            {"resume", "<container-id>", 1, 1, {}, [](G g, F f) { return done(resume_container(g.root, f.rest[0])); }, "", 1},
            {"update", "<container-id>", 1, 1, update, [](G g, F f) { return done(update_container(g.root, f.rest[0], f)); }, "", 1},
            {"ps",
             "<container-id> [ps options]",
             1,
             -1,
             {{"format,f", true, "table or json"}},
             [](G g, F f) { return printed(processes_report(g.root, f.rest[0], f.text("format", "table"), {f.rest.begin() + 1, f.rest.end()})); },
             "",
             1},
            {"events",
             "<container-id>",
             1,
             1,
             {{"stats", false, "show the numbers once"}, {"interval", true, "time between two reports, default 5s"}},
             [](G g, F f) -> Result<int> {
                 if (f.on("stats")) return printed(stats_report(g.root, f.rest[0]));
                 auto interval = parse_duration(f.text("interval", "5s"));
                 if (!interval || *interval <= 0) return fail(ErrorKind::InvalidArgument, "duration interval must be greater than 0");
                 return done(watch_events(g.root, f.rest[0], *interval));
             },
             "",
             1},
            {"checkpoint", "<container-id>", 1, 1, checkpoint, checkpoint_command, "", 1},
            {"restore", "<container-id>", 1, 1, restore, restore_command, "", 1},
            {"features", "", 0, 0, {}, [](G, F) { return printed(features_report() + "\n"); }, "", 1},
            {"spec", "", 0, 0, {{"bundle,b", true, ""}, {"rootless", false, "for a plain user"}}, spec_command, "", 1},
        };
    }();
    return kCommands;
}

std::string help_text(const Command& command) {
    std::string text = concat("NAME:\n   proa-runtime ", std::string_view(command.name), "\n\nUSAGE:\n   proa-runtime ", std::string_view(command.name),
                              " [command options] ", std::string_view(command.usage), "\n\nOPTIONS:\n");
    for (auto& flag : command.flags) {
        auto names = split(flag.names, ',');
        text += concat("   --", names[0], names.size() > 1 ? ", -" + names[1] : "", flag.takes_value ? " value" : "", "  ", std::string_view(flag.help), "\n");
    }
    return text;
}

std::string general_help() {
    std::string text =
        "NAME:\n   proa-runtime - Open Container Initiative runtime\n\nUSAGE:\n   proa-runtime [global options] command [command options] "
        "[arguments...]\n\nCOMMANDS:\n";
    for (auto& command : commands()) text += concat("   ", std::string_view(command.name), "\n");
    return text + "\nGLOBAL OPTIONS:\n   --debug --log value --log-format value --root value --systemd-cgroup --rootless value --version\n";
}

Result<void> write_log(const Globals& globals, std::string_view level, const std::string& message) {
    std::string time = rfc3339_nano({now().seconds, 0});
    std::string line;
    if (globals.log_format == "json") {
        line = concat("{\"level\":\"", level, "\",\"msg\":");
        json::print_string(line, message, true);
        line += concat(",\"time\":\"", time, "\"}\n");
    } else {
        line = concat("time=\"", time, "\" level=", level, " msg=", quote(message), "\n");
    }
    if (globals.log.empty()) return os::write_all(2, line);
    os::Fd file = TRY(os::open_file(globals.log, O_WRONLY | O_APPEND | O_CREAT, 0644));
    return os::write_all(file.get(), line);
}

/// The last line of the log is what containerd shows.
void report(const Globals& globals, const std::string& message) {
    (void)write_log(globals, "error", message);
    if (!globals.log.empty()) (void)os::write_all(2, message + "\n");
}

int fail_with(const Globals& globals, const std::string& message, int code) {
    report(globals, message);
    return code;
}
}  // namespace

int run_command_line(const std::vector<std::string>& words) {
    static constexpr FlagSpec kGlobals[] = {
        {"debug", false, ""},   {"log", true, ""},        {"log-format", true, ""}, {"root", true, ""}, {"systemd-cgroup", false, ""},
        {"rootless", true, ""}, {"version,v", false, ""}, {"help,h", false, ""},    {"criu", true, ""}};
    Globals globals;
    auto parsed = parse_flags(kGlobals, words);
    if (!parsed) return fail_with(globals, parsed.error().message(), 1);
    globals.root = parsed->text("root", globals.root);
    globals.log = parsed->text("log");
    globals.criu = parsed->text("criu");
    globals.log_format = parsed->text("log-format", "text");
    if (globals.log_format != "text" && globals.log_format != "json") return fail_with(Globals(), concat("invalid log-format: ", globals.log_format), 1);
    if (parsed->on("version")) {
        print(concat("proa-runtime version ", std::string_view(PROA_RELEASE), "\nspec: ", std::string_view(kSpecVersion), "\n"));
        return 0;
    }
    if (parsed->rest.empty() || parsed->on("help") || parsed->rest[0] == "help") {
        print(general_help());
        return 0;
    }
    globals.debug = parsed->on("debug");
    std::string rootless = parsed->text("rootless", "auto");
    auto wanted = parse_bool(rootless);
    if (!wanted && rootless != "auto") return fail_with(globals, concat("invalid value ", quote(rootless), " for --rootless: true, false or auto"), 1);
    const bool plain = ::geteuid() != 0 || os::in_user_namespace();
    globals.rootless = wanted.value_or(plain);
    if (!parsed->has("root") && plain)
        if (const char* directory = ::getenv("XDG_RUNTIME_DIR")) globals.root = concat(std::string_view(directory), "/proa-runtime");
    if (!globals.log.empty())
        if (auto file = os::open_file(globals.log, O_WRONLY | O_APPEND | O_CREAT, 0644); !file) {
            std::string message = file.error().message();
            globals.log.clear();
            return fail_with(globals, message, 1);
        }
    globals.systemd_cgroup = parsed->on("systemd-cgroup");
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
            return fail_with(globals,
                             concat("proa-runtime: ", quote(command.name), " requires ",
                                    command.arguments_min == command.arguments_max ? "exactly " : "a minimum of ", command.arguments_min, " argument(s)"),
                             1);
        }
        if (globals.debug)
            (void)write_log(globals, "debug", concat("proa-runtime ", std::string_view(PROA_RELEASE), ", root ", globals.root, ": ", join(parsed->rest, " ")));
        auto code = command.run(globals, *flags);
        if (globals.debug && code) (void)write_log(globals, "debug", concat(std::string_view(command.name), " ends with exit status ", *code));
        if (code) return *code;
        return fail_with(globals, command.error_prefix + code.error().message(), command.failure_code);
    }
    print(concat("No help topic for '", parsed->rest[0], "'\n"));
    return 3;
}

}  // namespace proa::bundle
