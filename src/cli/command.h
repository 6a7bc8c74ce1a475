#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "client/client.h"
#include "client/config_file.h"
#include "client/context_store.h"

namespace proa::cli {

/// What all commands of one call share: the global flags, the config file and the engine.
class Session {
public:
    Session(std::string program, const FlagSet& globals) : program_(std::move(program)), globals_(globals) {}

    /// "docker" or "proa": the name that we were called by.
    const std::string& program() const { return program_; }
    const FlagSet& globals() const { return globals_; }
    const client::ConfigFile& config();
    /// Context and address by flags, environment and config. Errors as choose_endpoint.
    Result<client::EndpointChoice> endpoint();
    /// Name of the context by flags, environment and config; it may not exist.
    Result<std::string> context_name();
    /// The context "default": what the environment says, or what --host and --tls... say.
    Result<client::Context> default_context();
    /// A context of this name, the default one too. Errors as client::load_context.
    Result<client::Context> context(std::string_view name);
    /// One more connection to the engine, with this API version or, when it is empty, what the environment asks for or both agree on.
    Result<std::unique_ptr<client::Client>> connect(const std::string& version = {});
    /// The engine; nothing is sent before the first call.
    Result<client::Client*> engine();

private:
    Result<std::string> host_flag() const;
    std::string program_;
    const FlagSet& globals_;
    std::optional<client::ConfigFile> config_;
    std::optional<client::EndpointChoice> endpoint_;
    std::unique_ptr<client::Client> engine_;
};

/// One call of a command.
struct Invocation {
    Session& session;
    const FlagSet& flags;
    const std::vector<std::string>& arguments;
    std::string path;  ///< "docker container rm", for hints
    const FlagSet* group_flags = nullptr;  ///< those before the command's own name, of a group that has flags
};

/// How many positional arguments a command takes, and which text says so.
struct Arity {
    int minimum = 0;
    int maximum = -1;  ///< -1: any number
};
inline constexpr Arity kNoArguments{0, 0};
inline constexpr Arity exactly(int count) { return {count, count}; }
inline constexpr Arity at_least(int count) { return {count, -1}; }
inline constexpr Arity at_most(int count) { return {0, count}; }

/// A command: its face and its function. `run` gives the exit code; an Error is printed and exits with 1.
struct Command {
    const char* usage;  ///< behind the name: "[OPTIONS] CONTAINER [CONTAINER...]"
    const char* description;
    std::span<const Flag> flags;
    Arity arity;
    Result<int> (*run)(Invocation& call);
    bool interspersed = true;
    const char* long_description = nullptr;
};

/// Where a command stands: under a group ("container") or at the top (""), with its names.
struct Place {
    std::string_view group;
    std::vector<std::string_view> names;  ///< the first is the one that help lists
    const Command* command;
    bool common = false;  ///< listed under "Common Commands"
    bool hidden = false;  ///< for programs: no help lists it
};
struct Group {
    std::string_view name;
    std::string_view description;
    bool swarm = false;
    std::span<const Flag> flags = {};  ///< between the group's and the command's name
    bool plugin_manners = false;       ///< docker has it as a plugin: wrong words give one line and exit code 16, wrong counts one line and 1
};
std::span<const Place> places();
std::span<const Group> groups();

/// The whole program: reads global flags, finds the command, runs it. `arguments` without argv[0]. Returns the exit code.
int run_program(const std::string& program, const std::vector<std::string>& arguments);

/// An error after whose text the program exits with `code` instead of 1.
inline Unexpected fail_with_code(int code, std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message), -code); }

// Standard output and error, whole texts at once. A closed pipe on output ends the program as SIGPIPE would.
void put(std::string_view text);
void put_error(std::string_view text);
inline void put_line(std::string_view text) { put(std::string(text) + "\n"); }
inline void put_error_line(std::string_view text) { put_error(std::string(text) + "\n"); }

/// Runs `action` for each argument, prints what it gives (a line; nothing when empty), goes on after errors.
/// The errors come joined by newlines. Docker: multi-argument verbs.
template <class Action>
Result<int> for_each_argument(const std::vector<std::string>& arguments, Action action) {
    std::string errors;
    for (auto& argument : arguments) {
        Result<std::string> done = action(argument);
        if (!done) errors += (errors.empty() ? "" : "\n") + done.error().message();
        else if (!done->empty()) put_line(*done);
    }
    if (!errors.empty()) return fail(ErrorKind::Internal, errors);
    return 0;
}

/// Asks "Are you sure you want to continue? [y/N] " after `warning`; false on anything but y or Y.
bool confirm(std::string_view warning);

}  // namespace proa::cli
