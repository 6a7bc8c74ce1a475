#include "cli/completion.h"

#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "client/containers.h"

namespace proa::cli {

namespace {

bool takes_value(const Flag& flag) { return flag.type != FlagType::Bool; }

class Completer {
public:
    Completer(Session& session, std::string word) : session_(session), word_(std::move(word)) {}

    void offer(std::string_view name, std::string_view description = "") {
        if (name.starts_with(word_)) out_ += description.empty() ? concat(name, "\n") : concat(name, '\t', description, "\n");
    }
    void offer_flags(std::span<const Flag> flags) {
        for (auto& flag : flags)
            if (!(flag.options & kHidden) && !flag.deprecation) offer(concat("--", std::string_view(flag.name)), flag.description);
        offer("--help", "Print usage");
    }
    void offer_commands(std::string_view group) {
        for (auto& place : places())
            if (place.group == group && !place.hidden) offer(place.names[0], place.command->description);
        if (!group.empty()) return;
        for (auto& one : groups()) offer(one.name, one.description);
        offer("help", "Help about any command");
    }
    /// What the command's usage says it takes.
    void offer_arguments(std::string_view usage) {
        auto wants = [&](std::string_view what) { return usage.find(what) != std::string_view::npos; };
        if (wants("CONTAINER") && !wants("IMAGE [")) offer_list("/containers/json?all=1", {}, "Names", "Image");
        if (wants("IMAGE")) offer_list("/images/json", {}, "RepoTags", "");
        if (wants("NETWORK")) offer_list("/networks", {}, "Name", "Driver");
        if (wants("VOLUME")) offer_list("/volumes", "Volumes", "Name", "Driver");
    }
    const std::string& result() const { return out_; }

private:
    void offer_list(const std::string& path, const char* member, const char* name, const char* description) {
        auto engine = session_.engine();
        if (!engine) return;
        auto query = cut(path, "?");
        client::Call call{.path = std::string(query ? query->first : path)};
        if (query) call.query = {{"all", "1"}};
        auto answer = (*engine)->json(call);
        if (!answer) return;
        const json::Value& list = member ? (*answer)[member] : *answer;
        for (auto& entry : list.as_array()) {
            std::string about = *description ? entry[description].as_string() : "";
            if (entry[name].is_string()) offer(entry[name].as_string(), about);
            for (auto& one : entry[name].as_array()) offer(trim_prefix(one.as_string(), "/"), about);
        }
    }

    Session& session_;
    std::string word_, out_;
};

/// Takes the flags off the front; true when the last of `words` is the value of one.
bool skip_flags(std::span<const std::string>& words, std::span<const Flag> flags) {
    while (words.size() > 1 && words[0].starts_with('-') && words[0].size() > 1) {
        std::string_view text = words[0];
        const Flag* flag = nullptr;
        for (auto& one : flags)
            if (text == concat("--", std::string_view(one.name)) || (one.shorthand && text.size() == 2 && text[1] == one.shorthand)) flag = &one;
        bool separate = flag && takes_value(*flag) && text.find('=') == std::string_view::npos;
        words = words.subspan(1);
        if (!separate) continue;
        if (words.size() == 1) return true;
        words = words.subspan(1);
    }
    return false;
}

const Command* find(std::string_view group, std::string_view name) {
    for (auto& place : places())
        if (place.group == group && std::find(place.names.begin(), place.names.end(), name) != place.names.end()) return place.command;
    return nullptr;
}

}  // namespace

int complete_words(Session& session, std::span<const std::string> words, std::span<const Flag> global_flags) {
    if (words.empty()) return 0;
    Completer completer(session, words.back());
    bool is_value = skip_flags(words, global_flags);
    if (is_value) return 0;
    if (words.size() == 1) {
        if (words[0].starts_with('-')) completer.offer_flags(global_flags);
        else completer.offer_commands("");
        put(completer.result());
        return 0;
    }
    std::string group;
    std::span<const Flag> group_flags;
    for (auto& one : groups())
        if (one.name == words[0]) {
            group = words[0];
            group_flags = one.flags;
        }
    if (!group.empty()) words = words.subspan(1);
    if (skip_flags(words, group_flags)) return 0;
    if (words.size() == 1) {
        if (words[0].starts_with('-') && !group_flags.empty()) completer.offer_flags(group_flags);
        else completer.offer_commands(group);
        put(completer.result());
        return 0;
    }
    auto* command = find(group, words[0]);
    if (!command) return 0;
    std::vector<std::string> rest(words.begin() + 1, words.end());
    int positional = 0;
    for (std::span<const std::string> left(rest); !left.empty();) {
        if (skip_flags(left, command->flags)) return 0;
        if (left.size() == 1) break;
        positional++;
        left = left.subspan(1);
    }
    // `run IMAGE COMMAND...`: behind the image everything is the container's own.
    if (!command->interspersed && positional >= command->arity.minimum) return 0;
    if (rest.back().starts_with('-')) completer.offer_flags(command->flags);
    else completer.offer_arguments(command->usage);
    put(completer.result());
    return 0;
}

namespace {

// PROGRAM stands for the name that we were called by.
constexpr std::string_view kBash = R"(# bash completion for PROGRAM
_PROGRAM_complete() {
    local IFS=$'\n' line
    COMPREPLY=()
    while read -r line; do COMPREPLY+=("${line%%$'\t'*}"); done < <(PROGRAM __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _PROGRAM_complete PROGRAM
)";
constexpr std::string_view kZsh = R"(#compdef PROGRAM
_PROGRAM() {
    local -a lines items
    local line
    lines=("${(@f)$(PROGRAM __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    for line in $lines; do
        [[ -n $line ]] && items+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#items )) && _describe 'PROGRAM' items || _files
}
compdef _PROGRAM PROGRAM
)";
constexpr std::string_view kFish = R"(# fish completion for PROGRAM
complete -c PROGRAM -a '(PROGRAM __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)";

Result<int> completion(Invocation& call) {
    auto& shell = call.arguments[0];
    std::string_view script = shell == "bash" ? kBash : shell == "zsh" ? kZsh : shell == "fish" ? kFish : std::string_view();
    if (script.empty()) return fail(ErrorKind::InvalidArgument, concat("unknown shell ", quote(shell), ": bash, zsh and fish are there"));
    put(replace_all(script, "PROGRAM", call.session.program() == "docker" ? "docker" : "proa"));
    return 0;
}

}  // namespace

const Command kCompletion = {"bash|zsh|fish",
                             "Generate the autocompletion script for the specified shell",
                             {},
                             exactly(1),
                             completion,
                             true,
                             "Generate the autocompletion script for the specified shell\n\nbash:  source <(docker completion bash)\nzsh:   docker completion "
                             "zsh > \"${fpath[1]}/_docker\"\n"
                             "fish:  docker completion fish > ~/.config/fish/completions/docker.fish"};

}  // namespace proa::cli
