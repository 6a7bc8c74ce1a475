#include "cli/command.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "base/log.h"
#include "base/text.h"
#include "cli/completion.h"
#include "cli/plugins.h"
#include "os/file.h"
#include "os/pty.h"

namespace proa::cli {

namespace {
constexpr char kDefaultHost[] = "unix:///run/proa/proa.sock";

const Flag kGlobalFlags[] = {
    {"config", 0, FlagType::String, "Location of client config files", "(default \"~/.docker\")"},
    {"context", 'c', FlagType::String,
     "Name of the context to use to connect to the daemon (overrides DOCKER_HOST env var and default context set with \"context use\")"},
    {"debug", 'D', FlagType::Bool, "Enable debug mode"},
    {"host", 'H', FlagType::List, "Daemon socket to connect to"},
    {"log-level", 'l', FlagType::String, "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")", "(default \"info\")", "info"},
    {"tls", 0, FlagType::Bool, "Use TLS; implied by --tlsverify"},
    {"tlscacert", 0, FlagType::String, "Trust certs signed only by this CA", "(default \"~/.docker/ca.pem\")"},
    {"tlscert", 0, FlagType::String, "Path to TLS certificate file", "(default \"~/.docker/cert.pem\")"},
    {"tlskey", 0, FlagType::String, "Path to TLS key file", "(default \"~/.docker/key.pem\")"},
    {"tlsverify", 0, FlagType::Bool, "Use TLS and verify the remote"},
    {"version", 'v', FlagType::Bool, "Print version information and quit"},
};

/// What --tls... and DOCKER_TLS... ask for; any value of the variables counts. Without verification missing files are left out.
std::optional<client::TlsFiles> tls_files(const FlagSet& globals, const std::string& config_directory) {
    auto environment = [](const char* name) -> std::string {
        const char* value = ::getenv(name);
        return value ? value : "";
    };
    bool verify = globals.changed("tlsverify") ? globals.is("tlsverify") : !environment("DOCKER_TLS_VERIFY").empty();
    if (!verify && !globals.is("tls") && environment("DOCKER_TLS").empty()) return std::nullopt;
    std::string directory = environment("DOCKER_CERT_PATH").empty() ? config_directory : environment("DOCKER_CERT_PATH");
    auto file = [&](const char* flag, const char* base) -> std::string {
        if (globals.changed(flag)) return globals.text(flag);
        std::string path = concat(directory, '/', base);
        return os::exists(path) || (verify && std::string_view(base) == "ca.pem") ? path : "";
    };
    return client::TlsFiles{verify ? file("tlscacert", "ca.pem") : "", file("tlscert", "cert.pem"), file("tlskey", "key.pem"), verify};
}

size_t terminal_columns() {
    auto size = os::window_size(STDOUT_FILENO);
    return size && size->width > 0 ? size->width : 80;
}

void write_all_or_end(int fd, std::string_view text) {
    auto done = os::write_all(fd, text);
    if (done || fd == STDERR_FILENO) return;
    if (done.error().number() == EPIPE) {
        ::signal(SIGPIPE, SIG_DFL);
        ::raise(SIGPIPE);
    }
    ::_exit(1);
}

std::string usage_line(std::string_view path, const Command& command) {
    std::string line = concat("Usage:  ", path);
    if (*command.usage) line += concat(' ', command.usage);
    return line;
}

std::string aliases_line(const std::string& program, const Command& command) {
    std::vector<std::string> paths;
    for (bool top : {false, true})
        for (auto& place : places()) {
            if (place.command != &command || place.group.empty() != top) continue;
            for (auto name : place.names) paths.push_back(concat(program, place.group.empty() ? "" : " ", place.group, ' ', name));
        }
    return paths.size() > 1 ? join(paths, ", ") : "";
}

std::string command_help(const std::string& program, std::string_view path, const Command& command) {
    std::string text = concat(usage_line(path, command), "\n\n", command.long_description ? command.long_description : command.description, "\n");
    if (auto aliases = aliases_line(program, command); !aliases.empty()) text += concat("\nAliases:\n  ", aliases, "\n");
    if (has_visible_flags(command.flags)) text += "\nOptions:\n" + flag_usages(command.flags, terminal_columns());
    return text;
}

struct Entry {
    std::string name, description;
};
std::string entries_text(std::string_view title, std::vector<Entry> entries, bool sorted) {
    if (entries.empty()) return "";
    if (sorted) std::sort(entries.begin(), entries.end(), [](auto& a, auto& b) { return a.name < b.name; });
    std::string text = concat(title, ":\n");
    for (auto& entry : entries)
        text += concat("  ", entry.name, std::string(entry.name.size() < 11 ? 11 - entry.name.size() : 0, ' '), ' ', entry.description, "\n");
    return text + "\n";
}

std::string group_help(const std::string& program, const Group& group) {
    std::vector<Entry> entries;
    for (auto& place : places())
        if (place.group == group.name && !place.hidden) entries.push_back({std::string(place.names[0]), place.command->description});
    bool options = has_visible_flags(group.flags);
    return concat("Usage:  ", program, ' ', group.name, options ? " [OPTIONS]" : "", " COMMAND\n\n", group.description, "\n\n",
                  options ? concat("Options:\n", flag_usages(group.flags, terminal_columns()), "\n") : "", entries_text("Commands", entries, true), "Run '", program,
                  ' ', group.name, " COMMAND --help' for more information on a command.\n");
}

std::string program_help(const std::string& program, const std::vector<std::string>& plugins) {
    std::vector<Entry> common, management, others;
    for (auto& place : places())
        if (place.group.empty()) (place.common ? common : others).push_back({std::string(place.names[0]), place.command->description});
    for (auto& group : groups()) management.push_back({std::string(group.name), std::string(group.description)});
    for (auto& name : plugins) management.push_back({name + "*", "(plugin)"});
    return concat("Usage:  ", program, " [OPTIONS] COMMAND\n\nA self-sufficient runtime for containers\n\n", entries_text("Common Commands", common, false),
                  entries_text("Management Commands", management, true), entries_text("Commands", others, true), "Global Options:\n",
                  flag_usages(kGlobalFlags, terminal_columns()), "\nRun '", program, " COMMAND --help' for more information on a command.\n");
}

int usage_error(std::string_view path, std::string_view usage, std::string_view message) {
    put_error(concat(message, "\n\n", usage, "\n\nRun '", path, " --help' for more information\n"));
    return 125;
}

/// Docker's texts for wrong argument counts; empty when the count is right.
std::string arity_error(const Arity& arity, int count, std::string_view path, bool& see) {
    if (count >= arity.minimum && (arity.maximum < 0 || count <= arity.maximum)) return "";
    auto arguments = [](int number) { return concat(number, number == 1 ? " argument" : " arguments"); };
    std::string quoted = concat('\'', path, '\'');
    if (arity.maximum == 0) return concat(quoted, " accepts no arguments");
    if (arity.minimum == arity.maximum) return concat(quoted, " requires ", arguments(arity.minimum));
    if (arity.maximum < 0) {
        see = true;
        return concat(quoted, " requires at least ", arguments(arity.minimum));
    }
    if (arity.minimum == 0) return concat(quoted, " requires at most ", arguments(arity.maximum));
    return concat(quoted, " requires at least ", arity.minimum, " and at most ", arguments(arity.maximum));
}

/// Wrong words: as docker says it, or as its plugins do.
int wrong_words(const Group* group, std::string_view path, std::string_view usage, std::string_view message) {
    if (!group || !group->plugin_manners) return usage_error(path, usage, message);
    put_error_line(message);
    return 16;
}

/// The plugins' texts for wrong argument counts (cobra's); empty when the count is right.
std::string plugin_arity_error(const Arity& arity, int count) {
    auto received = [&](std::string_view wanted) { return concat(wanted, " arg(s), ", arity.maximum == arity.minimum ? "" : "only ", "received ", count); };
    if (count < arity.minimum) return arity.minimum == arity.maximum ? received(concat("accepts ", arity.minimum)) : received(concat("requires at least ", arity.minimum));
    if (arity.maximum < 0 || count <= arity.maximum) return "";
    return arity.minimum == arity.maximum ? concat("accepts ", arity.minimum, " arg(s), received ", count) : concat("accepts at most ", arity.maximum, " arg(s), received ", count);
}

int run_command(Session& session, const std::string& path, const Command& command, std::span<const std::string> rest, const Group* group = nullptr, const FlagSet* group_flags = nullptr) {
    FlagSet flags(command.flags);
    auto parsed = flags.parse(rest, command.interspersed);
    for (auto& notice : flags.notices()) put_line(notice);
    if (!parsed) return wrong_words(group, path, usage_line(path, command), parsed.error().message());
    if (flags.help_wanted() || flags.is("help")) {
        put(command_help(session.program(), path, command));
        return 0;
    }
    bool see = false;
    int count = static_cast<int>(flags.arguments().size());
    if (group && group->plugin_manners) {
        if (auto wrong = plugin_arity_error(command.arity, count); !wrong.empty()) {
            put_error_line(wrong);
            return 1;
        }
    }
    auto wrong = arity_error(command.arity, count, path, see);
    if (!wrong.empty()) {
        put_error(concat(session.program(), ": ", wrong, "\n\n", usage_line(path, command), "\n\n", see ? "See" : "Run", " '", path,
                         " --help' for more information\n"));
        return 1;
    }
    Invocation call{session, flags, flags.arguments(), path, group_flags};
    auto code = command.run(call);
    if (code) return *code;
    if (!code.error().message().empty()) put_error_line(code.error().message());
    return code.error().number() < 0 ? -code.error().number() : 1;
}

const Command* find_command(std::string_view group, std::string_view name) {
    for (auto& place : places())
        if (place.group == group && std::find(place.names.begin(), place.names.end(), name) != place.names.end()) return place.command;
    return nullptr;
}

const Group* find_group(std::string_view name) {
    for (auto& group : groups())
        if (group.name == name) return &group;
    return nullptr;
}

int unknown_command(const std::string& program, std::string_view path, std::string_view name, bool in_group) {
    put_error(concat(program, ": unknown command: ", path, ' ', name, "\n\n", in_group ? concat("Usage:  ", path, "\n\n") : "", "Run '", path,
                     " --help' for more information\n"));
    return 1;
}

int run_help(Session& session, std::span<const std::string> rest) {
    const std::string& program = session.program();
    if (rest.empty()) {
        put(program_help(program, plugin_names(session)));
        return 0;
    }
    if (auto* group = find_group(rest[0])) {
        if (rest.size() == 1) {
            put(group_help(program, *group));
            return 0;
        }
        if (auto* command = find_command(rest[0], rest[1])) {
            put(command_help(program, concat(program, ' ', rest[0], ' ', rest[1]), *command));
            return 0;
        }
    } else if (auto* command = find_command("", rest[0])) {
        put(command_help(program, concat(program, ' ', rest[0]), *command));
        return 0;
    }
    std::string name;
    for (auto& word : rest) name += (name.empty() ? "" : " ") + word;
    put_error_line("unknown help topic: " + name);
    return 1;
}

int run_group(Session& session, const Group& group, std::span<const std::string> rest) {
    const std::string& program = session.program();
    std::string path = concat(program, ' ', group.name);
    FlagSet flags(group.flags);
    auto parsed = flags.parse(rest, false);
    if (!parsed) return wrong_words(&group, path, concat("Usage:  ", path), parsed.error().message());
    auto& words = flags.arguments();
    if (auto* version = find_command(group.name, "version"); version && flags.has("version") && flags.is("version"))
        return run_command(session, concat(path, " version"), *version, {}, &group, &flags);
    if (flags.help_wanted() || (words.empty() && group.plugin_manners)) {
        put(group_help(program, group));
        return 0;
    }
    if (words.empty()) {
        put_error(group_help(program, group));
        return 0;
    }
    auto* command = find_command(group.name, words[0]);
    if (!command && group.plugin_manners) {
        put(group_help(program, group));
        put_error_line(concat("unknown docker command: ", quote(concat(group.name, ' ', words[0]))));
        return 16;
    }
    if (!command) return unknown_command(program, path, words[0], true);
    return run_command(session, concat(path, ' ', words[0]), *command, std::span(words).subspan(1), &group, &flags);
}
}  // namespace

void put(std::string_view text) { write_all_or_end(STDOUT_FILENO, text); }
void put_error(std::string_view text) { write_all_or_end(STDERR_FILENO, text); }

const client::ConfigFile& Session::config() {
    if (config_) return *config_;
    std::string directory = globals_.text("config");
    if (directory.empty()) directory = client::default_config_directory();
    std::string warning;
    config_ = client::load_config_file(directory, warning);
    if (!warning.empty()) put_error_line(warning);
    return *config_;
}

Result<std::string> Session::host_flag() const {
    auto& hosts = globals_.list("host");
    if (hosts.size() > 1) return fail(ErrorKind::InvalidArgument, "Specify only one -H");
    return hosts.empty() ? "" : hosts[0];
}

Result<client::EndpointChoice> Session::endpoint() {
    if (endpoint_) return *endpoint_;
    endpoint_ = TRY(client::choose_endpoint(config(), TRY(host_flag()), globals_.text("context"), kDefaultHost));
    if (endpoint_->context == "default") endpoint_->tls = tls_files(globals_, config().directory);
    return *endpoint_;
}

Result<std::string> Session::context_name() { return client::choose_context(config(), TRY(host_flag()), globals_.text("context")); }

Result<client::Context> Session::default_context() {
    std::string host = TRY(host_flag());
    const char* variable = ::getenv("DOCKER_HOST");
    if (host.empty() && variable) host = variable;
    auto tls = tls_files(globals_, config().directory);
    client::Context context = client::make_context("default", "", client::complete_host(host, kDefaultHost), tls && !tls->verify);
    if (!tls) return context;
    for (auto& [name, path] : {std::pair("ca.pem", &tls->ca), std::pair("cert.pem", &tls->certificate), std::pair("key.pem", &tls->key)})
        if (!path->empty()) context.tls["docker"][name] = TRY(os::read_file(*path));
    return context;
}

Result<client::Context> Session::context(std::string_view name) {
    return name == "default" ? default_context() : client::load_context(config().directory, name);
}

Result<client::Client*> Session::engine() {
    if (!engine_) engine_ = TRY(connect());
    return engine_.get();
}

Result<std::unique_ptr<client::Client>> Session::connect(const std::string& version) {
    auto choice = TRY(endpoint());
    auto tls = choice.tls;
    if (tls && tls->verify && !tls->ca.empty() && !os::exists(tls->ca))
        return fail(ErrorKind::NotFound, concat("Failed to initialize: unable to resolve docker endpoint: open ", tls->ca, ": no such file or directory"));
    auto address = TRY_WRAP("Failed to initialize", client::Endpoint::parse(choice.host, std::move(tls)));
    address.remote_program = program_;
    client::HeaderList headers;
    if (auto* custom = config().content.as_object().find("HttpHeaders"); custom && custom->is_object())
        for (auto& member : custom->as_object()) headers.emplace_back(member.name, member.value.as_string());
    if (const char* text = ::getenv("DOCKER_CUSTOM_HEADERS"); text && *text) {
        headers.clear();
        auto fields = TRY_WRAP("Failed to initialize: failed to set custom headers from DOCKER_CUSTOM_HEADERS", split_csv(text));
        for (auto& field : fields) {
            auto parts = cut(field, "=");
            if (!parts)
                return fail(ErrorKind::InvalidArgument,
                            concat("Failed to initialize: failed to set custom headers from DOCKER_CUSTOM_HEADERS environment variable: "
                                   "missing \"=\" separator, must be formatted as comma-separated key=value pairs, got ",
                                   quote(field)));
            headers.emplace_back(trim(parts->first), parts->second);
        }
    }
    std::optional<std::string> pinned;
    if (const char* wanted = ::getenv("DOCKER_API_VERSION"); wanted && *wanted) pinned = wanted;
    if (!version.empty()) pinned = version;
    return std::make_unique<client::Client>(std::move(address), std::move(headers), std::move(pinned));
}

bool confirm(std::string_view warning) {
    put(concat(warning, "\nAre you sure you want to continue? [y/N] "));
    std::string answer;
    char c;
    while (answer.size() < 64) {
        auto got = os::read_some(STDIN_FILENO, std::span(&c, 1));
        if (!got || *got == 0 || c == '\n') break;
        answer.push_back(c);
    }
    auto word = trim(answer);
    return word == "y" || word == "Y";
}

namespace {
/// The plugin that config.json's `aliases` put in the place of a command; "" for none. Docker allows that for `builder` alone.
Result<std::string> alias_of(Session& session, std::string_view command) {
    for (auto& alias : session.config().content["aliases"].as_object()) {
        if (alias.name != "builder") return fail(ErrorKind::InvalidArgument, concat("not allowed to alias ", quote(alias.name), " (allowed: \"builder\")"));
        if (find_group(alias.value.as_string()) || find_command("", alias.value.as_string()))
            return fail(ErrorKind::InvalidArgument, concat("not allowed to alias with builtin ", quote(alias.value.as_string()), " as target"));
        if (command == alias.name) return alias.value.as_string();
    }
    return std::string();
}
}  // namespace

int run_program(const std::string& program, const std::vector<std::string>& arguments) {
    FlagSet globals(kGlobalFlags);
    auto parsed = globals.parse(arguments, false);
    if (!parsed) return usage_error(program, concat("Usage:  ", program, " [OPTIONS] COMMAND [ARG...]"), parsed.error().message());
    log::Level level;
    if (!log::level_from_name(globals.text("log-level"), level)) {
        put_error_line(concat("Unable to parse logging level: ", globals.text("log-level")));
        return 1;
    }
    log::set_level(globals.is("debug") ? log::Level::Debug : level);
    Session session(program, globals);
    if (globals.is("version")) {
        put_line(program == "docker" ? concat("Docker version ", PROA_VERSION, ", build proa-", PROA_RELEASE)
                                     : concat("Proa version ", PROA_RELEASE, ", build docker-", PROA_VERSION));
        return 0;
    }
    std::span<const std::string> rest = globals.arguments();
    if (globals.help_wanted()) return run_help(session, {});
    if (rest.empty()) {
        put_error(program_help(program, plugin_names(session)));
        return 0;
    }
    if (rest[0] == "help") return run_help(session, rest.subspan(1));
    auto alias = alias_of(session, rest[0]);
    if (!alias) {
        put_error_line(alias.error().message());
        return 1;
    }
    if (auto& target = *alias; !target.empty()) {
        auto plugin = find_plugin(session, target);
        if (plugin.empty()) return unknown_command(program, program, target, false);
        std::vector<std::string> words = arguments;
        words[arguments.size() - rest.size()] = target;
        return run_plugin(session, plugin, words);
    }
    if (auto* group = find_group(rest[0])) return run_group(session, *group, rest.subspan(1));
    if (auto* command = find_command("", rest[0])) return run_command(session, concat(program, ' ', rest[0]), *command, rest.subspan(1));
    if (rest[0] == "__complete") return complete_words(session, rest.subspan(1), kGlobalFlags);
    if (rest[0] == "__man" && rest.size() == 2) return write_manual(program, rest[1], kGlobalFlags);
    if (auto plugin = find_plugin(session, rest[0]); !plugin.empty()) return run_plugin(session, plugin, arguments);
    return unknown_command(program, program, rest[0], false);
}

}  // namespace proa::cli
