#include "dockerfile/commands.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"

namespace proa::dockerfile {

namespace {

const char* const kKeywords[] = {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"};

size_t distance(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); j++) row[j] = j;
    for (size_t i = 1; i <= a.size(); i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); j++) {
            size_t above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

/// " (did you mean X?)" for a slip of the fingers.
std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
    std::string best;
    size_t best_distance = 3;
    for (auto& candidate : known) {
        size_t far = distance(to_lower(word), to_lower(candidate));
        if (far < best_distance && far < candidate.size()) {
            best_distance = far;
            best = candidate;
        }
    }
    return best.empty() ? "" : concat(" (did you mean ", best, "?)");
}

/// The flags of one instruction, checked against those that it knows.
class Flags {
public:
    Flags(const Instruction& instruction) : instruction_(instruction) {}

    void text(const char* name, std::string& into) { known_.push_back({name, &into, nullptr, nullptr}); }
    void list(const char* name, std::vector<std::string>& into) { known_.push_back({name, nullptr, &into, nullptr}); }
    void boolean(const char* name, std::optional<bool>& into) { known_.push_back({name, nullptr, nullptr, &into}); }

    Result<void> read() {
        std::vector<std::string> used;
        for (auto& word : instruction_.flags) {
            auto pair = cut(std::string_view(word).substr(2), "=");
            std::string name(pair ? pair->first : std::string_view(word).substr(2));
            auto known = std::find_if(known_.begin(), known_.end(), [&](auto& one) { return name == one.name; });
            if (known == known_.end()) {
                std::vector<std::string> names;
                for (auto& one : known_) names.emplace_back(one.name);
                return failed(concat("unknown flag: ", name, suggestion(name, names)));
            }
            if (!known->list && std::find(used.begin(), used.end(), name) != used.end()) return failed(concat("Duplicate flag specified: ", name));
            used.push_back(name);
            if (known->flag) {
                auto value = pair ? parse_bool(pair->second) : std::optional<bool>(true);
                if (!value) return failed(concat("Expecting boolean value for flag ", name, ", not: ", pair->second));
                *known->flag = value;
                continue;
            }
            if (!pair) return failed(concat("Missing a value on flag: ", name));
            if (known->list) known->list->emplace_back(pair->second);
            else *known->text = pair->second;
        }
        return {};
    }

private:
    struct Known {
        const char* name;
        std::string* text;
        std::vector<std::string>* list;
        std::optional<bool>* flag;
    };
    Unexpected failed(std::string_view text) const { return parse_error(instruction_.first_line, text); }
    const Instruction& instruction_;
    std::vector<Known> known_;
};

Unexpected bad(const Instruction& instruction, std::string_view text) { return parse_error(instruction.first_line, text); }

Result<void> no_flags(const Instruction& instruction) { return Flags(instruction).read(); }

Result<void> exactly_one(const Instruction& instruction) {
    TRY(no_flags(instruction));
    if (instruction.arguments.size() != 1) return bad(instruction, concat(instruction.keyword, " requires exactly one argument"));
    return {};
}

Result<void> at_least_one(const Instruction& instruction) {
    if (instruction.arguments.empty()) return bad(instruction, concat(instruction.keyword, " requires at least one argument"));
    return {};
}

CommandLine command_line(const Instruction& instruction, size_t from = 0) {
    CommandLine line;
    line.shell = !instruction.json;
    line.words.assign(instruction.arguments.begin() + static_cast<std::ptrdiff_t>(std::min(from, instruction.arguments.size())), instruction.arguments.end());
    return line;
}

Result<std::vector<Pair>> read_pairs(const Instruction& instruction) {
    TRY(no_flags(instruction));
    TRY(at_least_one(instruction));
    std::vector<Pair> pairs;
    for (size_t i = 0; i + 1 < instruction.arguments.size(); i += 2) {
        if (instruction.arguments[i].empty()) return bad(instruction, concat(instruction.keyword, " names can not be blank"));
        pairs.emplace_back(instruction.arguments[i], instruction.arguments[i + 1]);
    }
    return pairs;
}

Result<Arg> read_arg(const Instruction& instruction) {
    TRY(no_flags(instruction));
    TRY(at_least_one(instruction));
    Arg arg;
    for (auto& word : instruction.arguments) {
        auto pair = cut(word, "=");
        if (pair && pair->first.empty()) return bad(instruction, "ARG names can not be blank");
        if (pair) arg.values.emplace_back(std::string(pair->first), std::string(pair->second));
        else arg.values.emplace_back(word, std::nullopt);
    }
    return arg;
}

Result<Run> read_run(const Instruction& instruction) {
    Run run;
    Flags flags(instruction);
    std::vector<std::string> devices;
    flags.list("mount", run.mounts);
    flags.text("network", run.network);
    flags.text("security", run.security);
    flags.list("device", devices);
    TRY(flags.read());
    if (!devices.empty()) return bad(instruction, "RUN --device is not supported by this engine");
    if (!run.network.empty() && run.network != "default" && run.network != "none" && run.network != "host")
        return bad(instruction, concat("invalid network mode ", quote(run.network)));
    if (!run.security.empty() && run.security != "sandbox" && run.security != "insecure")
        return bad(instruction, concat("security ", quote(run.security), " is not supported"));
    if (instruction.arguments.empty() && !instruction.json) return bad(instruction, "RUN requires at least one argument");
    run.command = command_line(instruction);
    run.heredocs = instruction.heredocs;
    return run;
}

Result<Copy> read_copy(const Instruction& instruction) {
    Copy copy;
    copy.add = instruction.keyword == "ADD";
    std::optional<bool> link, parents, keep_git_dir;
    Flags flags(instruction);
    flags.text("chown", copy.chown);
    flags.text("chmod", copy.chmod);
    flags.boolean("link", link);
    flags.list("exclude", copy.excludes);
    if (copy.add) {
        flags.boolean("keep-git-dir", keep_git_dir);
        flags.text("checksum", copy.checksum);
        flags.boolean("unpack", copy.unpack);
    } else {
        flags.text("from", copy.from);
        flags.boolean("parents", parents);
    }
    TRY(flags.read());
    copy.link = link.value_or(false);
    copy.parents = parents.value_or(false);
    copy.keep_git_dir = keep_git_dir.value_or(false);
    auto& words = instruction.arguments;
    if (words.size() < 2)
        return bad(instruction, words.empty() ? concat(copy.add ? "ADD" : "COPY", " requires at least two arguments, but none was provided. Destination could not be determined")
                                              : concat(copy.add ? "ADD" : "COPY", " requires at least two arguments, but only one was provided. Destination could not be determined"));
    copy.sources.assign(words.begin(), words.end() - 1);
    copy.destination = words.back();
    copy.heredocs = instruction.heredocs;
    if (!heredoc_of_word(copy.destination).name.empty() && !copy.heredocs.empty()) return bad(instruction, concat(instruction.keyword, " cannot accept a heredoc as a destination"));
    return copy;
}

Result<Healthcheck> read_healthcheck(const Instruction& instruction) {
    Healthcheck check;
    Flags flags(instruction);
    flags.text("interval", check.interval);
    flags.text("timeout", check.timeout);
    flags.text("start-period", check.start_period);
    flags.text("start-interval", check.start_interval);
    flags.text("retries", check.retries);
    if (instruction.arguments.empty()) return bad(instruction, "HEALTHCHECK requires at least one argument");
    std::string type = to_upper(instruction.arguments[0]);
    if (type == "NONE") {
        if (instruction.arguments.size() > 1) return bad(instruction, "HEALTHCHECK NONE takes no arguments");
        check.none = true;
        return check;
    }
    if (type != "CMD") return bad(instruction, concat("Unknown type ", quote(type), " in HEALTHCHECK (try CMD)"));
    TRY(flags.read());
    check.command = command_line(instruction, 1);
    if (check.command.words.empty()) return bad(instruction, "Missing command after HEALTHCHECK CMD");
    auto check_value = [&](const char* name, const std::string& value) -> Result<void> {
        if (value.find('$') != std::string::npos) return {};  // known when the stage is built
        auto number = std::string_view(name) == "retries" ? health_retries(value) : health_duration(name, value);
        if (!number) return bad(instruction, number.error().message());
        return {};
    };
    TRY(check_value("interval", check.interval));
    TRY(check_value("timeout", check.timeout));
    TRY(check_value("start-period", check.start_period));
    TRY(check_value("start-interval", check.start_interval));
    TRY(check_value("retries", check.retries));
    return check;
}

Result<Onbuild> read_onbuild(const Instruction& instruction) {
    TRY(no_flags(instruction));
    if (!instruction.trigger) return bad(instruction, "ONBUILD requires at least one argument");
    auto& keyword = instruction.trigger->keyword;
    if (keyword == "ONBUILD") return bad(instruction, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (keyword == "MAINTAINER" || keyword == "FROM") return bad(instruction, concat(keyword, " isn't allowed as an ONBUILD trigger"));
    TRY(read_command(*instruction.trigger));
    Onbuild onbuild;
    std::string_view rest = instruction.original;
    onbuild.text = trim(rest.substr(instruction.written.size()));
    for (auto& heredoc : instruction.trigger->heredocs) onbuild.text += concat("\n", heredoc.content, heredoc.name);
    return onbuild;
}

bool is_stage_name(std::string_view name) {
    if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
    return std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'; });
}

Result<Stage> read_from(const Instruction& instruction) {
    Stage stage;
    Flags flags(instruction);
    flags.text("platform", stage.platform);
    TRY(flags.read());
    auto& words = instruction.arguments;
    if (words.size() == 3 && equals_ignoring_case(words[1], "as")) {
        stage.name = to_lower(words[2]);
        if (!is_stage_name(stage.name))
            return bad(instruction, concat("invalid name for build stage: ", quote(words[2]), ", name can't start with a number or contain symbols"));
    } else if (words.size() != 1) {
        return bad(instruction, "FROM requires either one or three arguments");
    }
    stage.base = words[0];
    stage.original = instruction.original;
    stage.line = instruction.first_line;
    return stage;
}

}  // namespace

Result<int64_t> health_duration(std::string_view name, const std::string& text) {
    if (text.empty()) return 0;
    auto value = parse_duration(text);
    if (!value) return fail(ErrorKind::InvalidArgument, concat("time: invalid duration ", quote(text)));
    if (*value == 0) return 0;
    if (*value < 1000000) return fail(ErrorKind::InvalidArgument, concat("Interval ", quote(name), " cannot be less than 1ms"));
    return *value;
}

Result<int64_t> health_retries(const std::string& text) {
    if (text.empty()) return 0;
    auto value = parse_int(text);
    if (!value) return fail(ErrorKind::InvalidArgument, concat("strconv.ParseInt: parsing ", quote(text), ": invalid syntax"));
    if (*value < 0) return fail(ErrorKind::InvalidArgument, concat("--retries cannot be negative (", *value, ")"));
    return *value;
}

Result<Command> read_command(const Instruction& instruction) {
    Command command;
    command.keyword = instruction.keyword;
    command.original = instruction.original;
    command.line = instruction.first_line;
    auto& keyword = instruction.keyword;
    if (keyword == "ARG") command.what = TRY(read_arg(instruction));
    else if (keyword == "ENV") command.what = Env{TRY(read_pairs(instruction)), instruction.legacy_pair};
    else if (keyword == "LABEL") command.what = Label{TRY(read_pairs(instruction)), instruction.legacy_pair};
    else if (keyword == "RUN") command.what = TRY(read_run(instruction));
    else if (keyword == "COPY" || keyword == "ADD") command.what = TRY(read_copy(instruction));
    else if (keyword == "CMD" || keyword == "ENTRYPOINT") {
        TRY(no_flags(instruction));
        if (keyword == "CMD") command.what = Cmd{command_line(instruction)};
        else command.what = Entrypoint{command_line(instruction)};
    } else if (keyword == "WORKDIR") {
        TRY(exactly_one(instruction));
        command.what = Workdir{instruction.arguments[0]};
    } else if (keyword == "USER") {
        TRY(exactly_one(instruction));
        command.what = User{instruction.arguments[0]};
    } else if (keyword == "STOPSIGNAL") {
        TRY(exactly_one(instruction));
        command.what = StopSignal{instruction.arguments[0]};
    } else if (keyword == "MAINTAINER") {
        TRY(exactly_one(instruction));
        command.what = Maintainer{instruction.arguments[0]};
    } else if (keyword == "EXPOSE") {
        TRY(no_flags(instruction));
        TRY(at_least_one(instruction));
        command.what = Expose{instruction.arguments};
    } else if (keyword == "VOLUME") {
        TRY(no_flags(instruction));
        TRY(at_least_one(instruction));
        for (auto& path : instruction.arguments)
            if (trim(path).empty()) return bad(instruction, "VOLUME specified can not be an empty string");
        command.what = Volume{instruction.arguments};
    } else if (keyword == "SHELL") {
        TRY(no_flags(instruction));
        if (instruction.json && instruction.arguments.empty()) return bad(instruction, "SHELL requires at least one argument");
        if (!instruction.json) return bad(instruction, instruction.arguments.empty() ? "SHELL requires at least one argument" : "SHELL requires the arguments to be in JSON form");
        command.what = Shell{instruction.arguments};
    } else if (keyword == "HEALTHCHECK") {
        command.what = TRY(read_healthcheck(instruction));
    } else if (keyword == "ONBUILD") {
        command.what = TRY(read_onbuild(instruction));
    } else {
        return bad(instruction, concat("unknown instruction: ", instruction.written, suggestion(instruction.written, {std::begin(kKeywords), std::end(kKeywords)})));
    }
    return command;
}

Result<Command> read_trigger(const std::string& text) {
    auto document = TRY(parse(text));
    if (document.instructions.size() != 1) return fail(ErrorKind::InvalidArgument, concat("ONBUILD trigger ", quote(text), " is not one instruction"));
    auto& keyword = document.instructions[0].keyword;
    if (keyword == "ONBUILD") return fail(ErrorKind::InvalidArgument, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (keyword == "MAINTAINER" || keyword == "FROM") return fail(ErrorKind::InvalidArgument, concat(keyword, " isn't allowed as an ONBUILD trigger"));
    return read_command(document.instructions[0]);
}

Result<Program> read_program(const Document& document) {
    Program program;
    program.escape = document.escape;
    program.warnings = document.warnings;
    for (auto& instruction : document.instructions) {
        if (instruction.keyword == "FROM") {
            program.stages.push_back(TRY(read_from(instruction)));
            continue;
        }
        Command command = TRY(read_command(instruction));
        if (!program.stages.empty()) {
            program.stages.back().commands.push_back(std::move(command));
            continue;
        }
        auto* arg = std::get_if<Arg>(&command.what);
        if (!arg) return fail(ErrorKind::InvalidArgument, "no build stage in current context");
        program.global_args.push_back(std::move(*arg));
    }
    if (program.stages.empty()) return fail(ErrorKind::InvalidArgument, "no build stage in current context");
    return program;
}

}  // namespace proa::dockerfile
