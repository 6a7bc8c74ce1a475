#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dockerfile/parser.h"

// The eighteen instructions, understood and checked. Nothing is expanded yet: that needs the stage's variables.
namespace proa::dockerfile {

/// Shell form holds one text, exec form its words.
struct CommandLine {
    std::vector<std::string> words;
    bool shell = true;
};

using Pair = std::pair<std::string, std::string>;

struct Arg {
    std::vector<std::pair<std::string, std::optional<std::string>>> values;
};
struct Env {
    std::vector<Pair> pairs;
    bool legacy = false;
};
struct Label {
    std::vector<Pair> pairs;
    bool legacy = false;
};
struct Run {
    CommandLine command;
    std::vector<std::string> mounts;  ///< the texts of --mount
    std::string network, security;
    std::vector<Heredoc> heredocs;
};
/// COPY and ADD.
struct Copy {
    bool add = false;
    std::vector<std::string> sources;  ///< `<<NAME` for a heredoc
    std::vector<Heredoc> heredocs;
    std::string destination;
    std::string from, chown, chmod, checksum;
    bool link = false, parents = false, keep_git_dir = false;
    std::optional<bool> unpack;
    std::vector<std::string> excludes;
};
struct Cmd {
    CommandLine command;
};
struct Entrypoint {
    CommandLine command;
};
struct Workdir {
    std::string path;
};
struct User {
    std::string user;
};
struct Expose {
    std::vector<std::string> ports;
};
struct Volume {
    std::vector<std::string> paths;
};
struct StopSignal {
    std::string signal;
};
struct Shell {
    std::vector<std::string> words;
};
struct Healthcheck {
    bool none = false;
    CommandLine command;
    std::string interval, timeout, start_period, start_interval, retries;  ///< as written, "" when not given
};
struct Onbuild {
    std::string text;
};
struct Maintainer {
    std::string name;
};

struct Command {
    std::variant<Arg, Env, Label, Run, Copy, Cmd, Entrypoint, Workdir, User, Expose, Volume, StopSignal, Shell, Healthcheck, Onbuild, Maintainer> what;
    std::string keyword;   ///< upper case
    std::string original;  ///< the line
    int line = 0;
};

struct Stage {
    std::string name;  ///< lower case; "" for none
    std::string base;  ///< unexpanded
    std::string platform;
    std::string original;
    int line = 0;
    std::vector<Command> commands;
};

struct Program {
    std::vector<Arg> global_args;
    std::vector<Stage> stages;
    char escape = '\\';
    std::vector<Warning> warnings;
};

/// Errors: parse_error() in Docker's words; "no build stage in current context".
Result<Program> read_program(const Document& document);

/// One instruction below FROM.
Result<Command> read_command(const Instruction& instruction);

/// An instruction that ONBUILD kept. Errors as read_command().
Result<Command> read_trigger(const std::string& text);

/// Limits of HEALTHCHECK's values, in nanoseconds and counts; "" is 0. InvalidArgument with Docker's words.
Result<int64_t> health_duration(std::string_view name, const std::string& text);
Result<int64_t> health_retries(const std::string& text);

}  // namespace proa::dockerfile
