#include "dockerfile/checks.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "dockerfile/expand.h"

namespace proa::dockerfile {

namespace {

/// Names of variables that a word uses.
std::set<std::string> variables_in(std::string_view word) {
    std::set<std::string> names;
    (void)expand(word, [&](std::string_view name) {
        names.emplace(name);
        return std::optional<std::string>("x");
    });
    return names;
}

bool is_lower(const std::string& text) { return text == to_lower(text); }

/// A name such as DB_PASSWORD or TOKEN; not PUBLIC_KEY.
bool sounds_secret(const std::string& name) {
    static const std::set<std::string> kWords = {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"};
    auto words = split(to_lower(name), '_');
    if (std::find(words.begin(), words.end(), "public") != words.end()) return false;
    return std::any_of(words.begin(), words.end(), [](auto& word) { return kWords.contains(word); });
}

bool is_credential_file(const std::string& path) {
    static const std::set<std::string> kNames = {".env",   ".npmrc",   ".pypirc",    ".netrc",           ".git-credentials", "id_rsa",
                                                 "id_dsa", "id_ecdsa", "id_ed25519", "credentials.json", ".htpasswd",        "kubeconfig"};
    std::string name = path.substr(path.rfind('/') + 1);
    if (kNames.contains(name) || name.starts_with(".env.")) return name != ".env.example" && name != ".env.sample" && name != ".env.template";
    return name.ends_with(".pem") || name.ends_with(".p12") || name.ends_with(".pfx") || name.ends_with(".key") || path.ends_with(".aws/credentials") ||
           path.ends_with(".docker/config.json") || path.ends_with(".ssh/config");
}

class Checker {
public:
    Checker(const Document& document, const CheckInputs& inputs) : document_(document), inputs_(inputs) {}
    std::vector<Warning> found;

    /// `experimental`: rules that are asked for by name.
    Result<void> run(const std::set<std::string>& experimental) {
        describes_ = experimental.contains("all") || experimental.contains("InvalidDefinitionDescription");
        found = document_.warnings;
        TRY(read_program(document_));
        check_casing();
        for (auto& instruction : document_.instructions) {
            line_ = instruction.first_line;
            if (instruction.keyword == "FROM") check_from(instruction);
            else if (instruction.keyword == "ARG") check_arg(instruction);
            else check_inside(instruction);
        }
        std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.line < b.line; });
        return {};
    }

private:
    void warn(const char* rule, std::string text) { found.push_back({rule, std::move(text), line_}); }

    void check_casing() {
        size_t upper = 0, lower = 0;
        for (auto& instruction : document_.instructions) (instruction.written == instruction.keyword ? upper : lower)++;
        bool majority_upper = upper >= lower;
        for (auto& instruction : document_.instructions) {
            bool fits = majority_upper ? instruction.written == instruction.keyword : is_lower(instruction.written);
            if (fits) continue;
            line_ = instruction.first_line;
            warn("ConsistentInstructionCasing", concat("Command '", instruction.written, "' should match the case of the command majority (",
                                                       majority_upper ? "uppercase" : "lowercase", ')'));
        }
    }

    void check_from(const Instruction& from) {
        begin_stage();
        auto& words = from.arguments;
        for (auto& name : variables_in(words[0])) {
            if (!globals_.contains(name) && !is_automatic(name)) warn("UndefinedArgInFrom", concat("FROM argument '", name, "' is not declared"));
        }
        auto base = expand(words[0], [&](std::string_view name) {
            auto known = globals_.find(std::string(name));
            return known == globals_.end() ? std::nullopt : std::optional(known->second.value_or(""));
        });
        bool all_declared = true;
        for (auto& name : variables_in(words[0])) all_declared = all_declared && globals_.contains(name);
        if (words[0].find('$') != std::string::npos && all_declared && base && (base->empty() || base->ends_with(':') || base->starts_with(':')))
            warn("InvalidDefaultArgInFrom", concat("Default value for ARG ", words[0], " results in empty or invalid base image name"));
        if (words.size() == 3) check_description(from, {words[2]});
        check_base(from, base.value_or(""));
        for (auto& flag : from.flags) {
            if (!flag.starts_with("--platform=")) continue;
            std::string platform = flag.substr(11);
            if (platform == "$TARGETPLATFORM" || platform == "${TARGETPLATFORM}")
                warn("RedundantTargetPlatform", concat("Setting platform to predefined ", platform, " in FROM is redundant as this is the default behavior"));
            else if (platform.find('$') == std::string::npos)
                warn("FromPlatformFlagConstDisallowed", concat("FROM --platform flag should not use constant value ", quote(platform)));
        }
        if (words.size() != 3) return;
        if (is_lower(words[1]) != is_lower(from.written))
            warn("FromAsCasing", concat("'", words[1], "' and '", from.written, "' keywords' casing do not match"));
        if (!is_lower(words[2])) warn("StageNameCasing", concat("Stage name '", words[2], "' should be lowercase"));
        std::string name = to_lower(words[2]);
        if (name == "scratch" || name == "context")
            warn("ReservedStageName", concat("Stage name should not use the same name as reserved stage ", quote(name)));
        if (!stages_.insert(name).second) warn("DuplicateStageName", concat("Duplicate stage name ", quote(words[2]), ", stage names should be unique"));
    }

    /// What the stage begins with: nothing, an earlier stage, or an image that is at hand.
    void check_base(const Instruction& from, const std::string& base) {
        base_known_ = base == "scratch";
        auto earlier = stage_variables_.find(to_lower(base));
        if (earlier != stage_variables_.end()) {
            base_known_ = earlier->second.first;
            set_ = earlier->second.second;
        } else if (auto image = base_known_ || base.empty() || !inputs_.image ? std::nullopt : inputs_.image(base)) {
            base_known_ = true;
            set_.insert(image->variables.begin(), image->variables.end());
            std::string expected = inputs_.platform;
            for (auto& flag : from.flags)
                if (flag.starts_with("--platform=") && flag.find('$') == std::string::npos) expected = flag.substr(11);
            if (expected.find('/') == std::string::npos && !expected.empty()) expected = "linux/" + expected;
            if (!expected.empty() && image->platform != expected)
                warn("InvalidBaseImagePlatform",
                     concat("Base image ", base, " was pulled with platform ", quote(image->platform), ", expected ", quote(expected), " for current build"));
        }
        stage_ = from.arguments.size() == 3 ? to_lower(from.arguments[2]) : "";
        remember_stage();
    }

    void remember_stage() {
        if (!stage_.empty()) stage_variables_[stage_] = {base_known_, set_};
    }

    void check_description(const Instruction& instruction, const std::vector<std::string>& names) {
        if (!describes_ || instruction.comment.empty()) return;
        std::string word = instruction.comment.substr(0, instruction.comment.find(' '));
        if (std::find(names.begin(), names.end(), word) != names.end()) return;
        warn("InvalidDefinitionDescription",
             concat("Comment for ", instruction.keyword, " should follow the format: `# ", names.size() > 1 ? "<arg_key>" : names[0], " <description>`"));
    }

    static bool is_automatic(const std::string& name) {
        for (auto prefix : {"TARGET", "BUILD"})
            for (auto suffix : {"PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION", "STAGE"})
                if (name == concat(std::string_view(prefix), std::string_view(suffix))) return true;
        return false;
    }

    void begin_stage() {
        in_stage_ = true;
        absolute_workdir_ = shell_given_ = false;
        once_.clear();
        set_.clear();
    }

    void check_arg(const Instruction& arg) {
        std::vector<std::string> names;
        for (auto& word : arg.arguments) names.push_back(word.substr(0, word.find('=')));
        if (!names.empty()) check_description(arg, names);
        for (auto& word : arg.arguments) {
            auto pair = cut(word, "=");
            std::string name(pair ? pair->first : word);
            if (sounds_secret(name)) warn("SecretsUsedInArgOrEnv", concat("Do not use ARG or ENV instructions for sensitive data (ARG ", quote(name), ')'));
            if (!in_stage_) globals_[name] = pair ? std::optional(std::string(pair->second)) : std::nullopt;
            else set_.insert(name);
        }
        if (in_stage_) remember_stage();
    }

    void check_variables(const std::string& word) {
        if (!base_known_) return;
        for (auto& name : variables_in(word))
            if (!set_.contains(name) && name != "PATH" && !name.empty() && (isalpha(static_cast<unsigned char>(name[0])) || name[0] == '_'))
                warn("UndefinedVar", concat("Usage of undefined variable '$", name, '\''));
    }

    void check_inside(const Instruction& instruction) {
        auto& keyword = instruction.keyword;
        if (keyword == "MAINTAINER") warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label");
        if (keyword == "SHELL") shell_given_ = true;
        if (keyword == "CMD" || keyword == "ENTRYPOINT" || keyword == "HEALTHCHECK") {
            if (!once_.insert(keyword).second)
                warn("MultipleInstructionsDisallowed",
                     concat("Multiple ", keyword, " instructions should not be used in the same stage because only the last one will be used"));
            if (keyword != "HEALTHCHECK" && !instruction.json && !shell_given_ && !instruction.arguments.empty())
                warn("JSONArgsRecommended", concat("JSON arguments recommended for ", keyword, " to prevent unintended behavior related to OS signals"));
        }
        if (keyword == "ENV" || keyword == "LABEL") {
            if (instruction.legacy_pair)
                warn("LegacyKeyValueFormat", concat("\"", keyword, " key=value\" should be used instead of legacy \"", keyword, " key value\" format"));
            for (size_t i = 0; i + 1 < instruction.arguments.size(); i += 2) {
                check_variables(instruction.arguments[i + 1]);
                if (keyword == "ENV" && sounds_secret(instruction.arguments[i]))
                    warn("SecretsUsedInArgOrEnv", concat("Do not use ARG or ENV instructions for sensitive data (ENV ", quote(instruction.arguments[i]), ')'));
            }
            if (keyword == "ENV")
                for (size_t i = 0; i < instruction.arguments.size(); i += 2) set_.insert(instruction.arguments[i]);
            remember_stage();
        }
        if (keyword == "WORKDIR" && !instruction.arguments.empty()) {
            auto& path = instruction.arguments[0];
            check_variables(path);
            if (path.starts_with('/') || path.starts_with('$')) absolute_workdir_ = true;
            else if (!absolute_workdir_)
                warn("WorkdirRelativePath", concat("Relative workdir ", quote(path), " can have unexpected results if the base image changes"));
        }
        if (keyword == "EXPOSE") check_expose(instruction);
        if (keyword == "COPY" || keyword == "ADD") check_copy(instruction);
    }

    void check_expose(const Instruction& expose) {
        for (auto& port : expose.arguments) {
            if (port.find('$') != std::string::npos) continue;
            auto parts = cut(port, "/");
            if (parts && !is_lower(std::string(parts->second)))
                warn("ExposeProtoCasing", concat("Defined protocol '", port, "' in EXPOSE instruction should be lowercase"));
            if (port.find(':') != std::string::npos)
                warn("ExposeInvalidFormat", concat("EXPOSE instruction should not define an IP address or host-port mapping, found '", port, '\''));
        }
    }

    void check_copy(const Instruction& copy) {
        for (auto& flag : copy.flags)
            if (flag.starts_with("--from=")) return;
        for (size_t i = 0; i + 1 < copy.arguments.size(); i++) {
            auto& word = copy.arguments[i];
            if (word.find("://") != std::string::npos || word.starts_with("<<") || word.find('$') != std::string::npos) continue;
            std::string path(trim_prefix(trim_prefix(word, "./"), "/"));
            while (path.ends_with('/')) path.pop_back();
            bool pattern = path.find_first_of("*?[") != std::string::npos;
            if (!pattern && !path.empty() && path != "." && inputs_.ignored.excludes(path) && !inputs_.ignored.may_include_below(path))
                warn("CopyIgnoredFile",
                     concat("Attempting to ", copy.keyword == "ADD" ? "Add" : "Copy", " file ", quote(word), " that is excluded by .dockerignore"));
            for (auto& file : inputs_.files) {
                bool covered =
                    path.empty() || path == "." || file == path || file.starts_with(path + "/") || (pattern && match_path(path, file).value_or(false));
                if (covered && is_credential_file(file))
                    warn("CredentialsCopied",
                         concat(copy.keyword, " ", word, " takes ", quote(file), " into the image, which looks like credentials; name it in .dockerignore"));
            }
        }
    }

    const Document& document_;
    const CheckInputs& inputs_;
    int line_ = 0;
    bool in_stage_ = false, absolute_workdir_ = false, shell_given_ = false, describes_ = false;
    bool base_known_ = false;  ///< `set_` holds all variables of the stage
    std::map<std::string, std::optional<std::string>> globals_;
    std::set<std::string> stages_, once_, set_;
    std::string stage_;
    std::map<std::string, std::pair<bool, std::set<std::string>>> stage_variables_;  // base_known_ and set_ of named stages
};

}  // namespace

Result<CheckReport> check_dockerfile(const Document& document, const CheckInputs& inputs) {
    CheckReport report;
    std::set<std::string> skipped, experimental;
    for (auto& field : split_nonempty(document.check, ';')) {
        auto pair = cut(trim(field), "=");
        if (!pair) continue;
        if (trim(pair->first) == "error") report.is_error = parse_bool(trim(pair->second)).value_or(false);
        for (auto& rule : split_nonempty(pair->second, ',')) {
            if (trim(pair->first) == "skip") skipped.emplace(trim(rule));
            if (trim(pair->first) == "experimental") experimental.emplace(trim(rule));
        }
    }
    Checker checker(document, inputs);
    TRY(checker.run(experimental));
    for (auto& warning : checker.found)
        if (!skipped.contains("all") && !skipped.contains(warning.rule)) report.warnings.push_back(std::move(warning));
    return report;
}

std::string rule_page(const std::string& rule) {
    if (rule == "CredentialsCopied") return "";
    std::string words;
    for (size_t i = 0; i < rule.size(); i++) {
        bool begins = isupper(static_cast<unsigned char>(rule[i])) && i > 0 &&
                      (islower(static_cast<unsigned char>(rule[i - 1])) || (i + 1 < rule.size() && islower(static_cast<unsigned char>(rule[i + 1]))));
        if (begins) words += '-';
        words += static_cast<char>(tolower(rule[i]));
    }
    return concat("https://docs.docker.com/go/dockerfile/rule/", words, '/');
}

}  // namespace proa::dockerfile
