#include "engine/image_changes.h"

#include <algorithm>

#include "base/time.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::engine {

namespace {

Unexpected bad(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

/// Words as a Dockerfile has them: white space parts, quotes keep together and vanish, a backslash takes the next character as it is.
Result<std::vector<std::string>> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false;
    char quote_mark = 0;
    for (size_t i = 0; i < text.size(); i++) {
        char c = text[i];
        if (c == '\\' && quote_mark != '\'' && i + 1 < text.size()) {
            word += text[++i];
            inside = true;
        } else if (quote_mark != 0) {
            if (c == quote_mark) quote_mark = 0;
            else word += c;
        } else if (c == '"' || c == '\'') {
            quote_mark = c;
            inside = true;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (inside) words.push_back(std::move(word));
            word.clear();
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (quote_mark != 0) return bad("unexpected end of statement while looking for matching quote");
    if (inside) words.push_back(std::move(word));
    return words;
}

std::optional<std::vector<std::string>> json_words(std::string_view value) {
    if (!value.starts_with('[')) return std::nullopt;
    auto list = json::parse(value);
    if (!list || !list->is_array()) return std::nullopt;
    std::vector<std::string> words;
    for (auto& word : list->as_array()) {
        if (!word.is_string()) return std::nullopt;
        words.push_back(word.as_string());
    }
    return words;
}

/// CMD ["a"] or CMD a, which a shell runs.
std::vector<std::string> command_of(std::string_view value, const docker::ContainerConfig& config) {
    if (auto words = json_words(value)) return *words;
    if (value.empty()) return {};
    std::vector<std::string> command = config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell;
    command.emplace_back(value);
    return command;
}

/// "a=b c=d" or the old form "a b c".
Result<std::vector<std::pair<std::string, std::string>>> pairs_of(std::string_view name, std::string_view value) {
    std::vector<std::pair<std::string, std::string>> pairs;
    auto words = TRY(split_words(value));
    if (words.empty()) return bad(concat(name, " requires at least one argument"));
    std::string_view first = value.substr(0, value.find_first_of(" \t"));
    if (first.find('=') == std::string_view::npos) {
        auto parts = cut(value, " ");
        if (!parts) return bad(concat(name, " must have two arguments"));
        pairs.emplace_back(parts->first, trim(parts->second));
        return pairs;
    }
    for (auto& word : words) {
        auto parts = cut(word, "=");
        if (!parts) return bad(concat("Syntax error - can't find = in ", quote(word), ". Must be of the form: name=value"));
        if (parts->first.empty()) return bad(concat(name, " names can not be blank"));
        pairs.emplace_back(parts->first, parts->second);
    }
    return pairs;
}

void set_variable(docker::ContainerConfig& config, const std::string& name, const std::string& value) {
    if (!config.env) config.env.emplace();
    for (auto& entry : *config.env)
        if (entry.starts_with(name + "=")) {
            entry = concat(name, '=', value);
            return;
        }
    config.env->push_back(concat(name, '=', value));
}

Result<void> expose(docker::ContainerConfig& config, std::string_view value) {
    if (!config.exposed_ports) config.exposed_ports.emplace();
    for (auto& word : TRY(split_words(value))) {
        auto parts = cut(word, "/");
        std::string ports(parts ? parts->first : word), protocol = parts ? to_lower(parts->second) : "tcp";
        auto range = cut(ports, "-");
        auto first = parse_uint(range ? range->first : ports), last = range ? parse_uint(range->second) : first;
        if (!first || !last || *first == 0 || *last > 65535 || *first > *last || (protocol != "tcp" && protocol != "udp" && protocol != "sctp"))
            return bad(concat("Invalid containerPort: ", word));
        for (uint64_t port = *first; port <= *last; port++) (*config.exposed_ports)[concat(port, '/', protocol)] = json::Object();
    }
    return {};
}

Result<void> set_health_option(docker::HealthConfig& health, std::string_view option) {
    auto parts = cut(option.substr(2), "=");
    if (!parts) return bad(concat("HEALTHCHECK flag ", option, " wants a value"));
    auto [name, value] = *parts;
    if (name == "retries") {
        auto retries = parse_int(value);
        if (!retries || *retries < 0) return bad(concat("--retries must be at least 0 (not ", value, ")"));
        health.retries = *retries;
        return {};
    }
    auto duration = parse_duration(value);
    if (!duration || *duration < 0) return bad(concat("Interval ", quote(std::string("--") + std::string(name)), " cannot be ", quote(value)));
    if (*duration != 0 && *duration < 1'000'000) return bad(concat("Interval ", quote(name), " cannot be less than 1ms"));
    if (name == "interval") health.interval = *duration;
    else if (name == "timeout") health.timeout = *duration;
    else if (name == "start-period") health.start_period = *duration;
    else if (name == "start-interval") health.start_interval = *duration;
    else return bad(concat("unknown flag: ", name));
    return {};
}

Result<void> set_healthcheck(docker::ContainerConfig& config, std::string_view value) {
    docker::HealthConfig health;
    while (value.starts_with("--")) {
        size_t end = value.find_first_of(" \t");
        TRY(set_health_option(health, value.substr(0, end)));
        value = end == std::string_view::npos ? std::string_view() : trim(value.substr(end));
    }
    size_t end = value.find_first_of(" \t");
    std::string type = to_upper(value.substr(0, end));
    std::string_view rest = end == std::string_view::npos ? std::string_view() : trim(value.substr(end));
    if (type == "NONE") {
        if (!rest.empty()) return bad("HEALTHCHECK NONE takes no arguments");
        health.test = {"NONE"};
    } else if (type == "CMD") {
        if (rest.empty()) return bad("Missing command after HEALTHCHECK CMD");
        if (auto words = json_words(rest)) {
            health.test = {"CMD"};
            health.test.insert(health.test.end(), words->begin(), words->end());
        } else {
            health.test = {"CMD-SHELL", std::string(rest)};
        }
    } else {
        return bad(concat("Unknown type ", quote(type), " in HEALTHCHECK (try CMD)"));
    }
    config.healthcheck = std::move(health);
    return {};
}

Result<void> add_volumes(docker::ContainerConfig& config, std::string_view value) {
    auto paths = json_words(value);
    if (!paths) paths = TRY(split_words(value));
    if (paths->empty()) return bad("VOLUME requires at least one argument");
    if (!config.volumes) config.volumes.emplace();
    for (auto& path : *paths) {
        if (trim(path).empty()) return bad("VOLUME specified can not be an empty string");
        (*config.volumes)[std::string(trim(path))] = json::Object();
    }
    return {};
}

Result<void> apply_change(const std::string& change, docker::ContainerConfig& config, bool& has_command) {
    std::string_view line = trim(change);
    size_t end = line.find_first_of(" \t");
    std::string name = to_upper(line.substr(0, end));
    std::string_view value = end == std::string_view::npos ? std::string_view() : trim(line.substr(end));
    static constexpr std::string_view kKnown[] = {"CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"};
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown)) return bad(concat(to_lower(name), " is not a valid change command"));
    if (value.empty() && name != "CMD" && name != "ENTRYPOINT") return bad(concat(name, " requires ", name == "USER" || name == "WORKDIR" || name == "STOPSIGNAL" ? "exactly" : "at least", " one argument"));
    if (name == "CMD") {
        config.cmd = command_of(value, config);
        has_command = true;
    } else if (name == "ENTRYPOINT") {
        config.entrypoint = command_of(value, config);
        if (!has_command) config.cmd.reset();
    } else if (name == "ENV") {
        for (auto& [key, text] : TRY(pairs_of(name, value))) set_variable(config, key, text);
    } else if (name == "LABEL") {
        if (!config.labels) config.labels.emplace();
        for (auto& [key, text] : TRY(pairs_of(name, value))) (*config.labels)[key] = text;
    } else if (name == "EXPOSE") {
        return expose(config, value);
    } else if (name == "HEALTHCHECK") {
        return set_healthcheck(config, value);
    } else if (name == "ONBUILD") {
        if (!config.on_build) config.on_build.emplace();
        config.on_build->emplace_back(value);
    } else if (name == "STOPSIGNAL") {
        if (!os::signal_from_name(value)) return bad(concat("Invalid signal: ", value));
        config.stop_signal = value;
    } else if (name == "USER") {
        config.user = value;
    } else if (name == "VOLUME") {
        return add_volumes(config, value);
    } else {
        std::string path = TRY(split_words(value))[0];
        config.working_dir = path.starts_with('/') ? os::clean_path(path) : os::clean_path(concat('/', config.working_dir, '/', path));
    }
    return {};
}

}  // namespace

Result<void> apply_image_changes(const std::vector<std::string>& changes, docker::ContainerConfig& config) {
    bool has_command = false;
    for (auto& change : changes) TRY(apply_change(change, config, has_command));
    return {};
}

}  // namespace proa::engine
