#include "build/configure.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "build/variables.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::build {

namespace {
using dockerfile::Lookup;

/// Go's %q of a list of texts.
std::string quoted_list(const std::vector<std::string>& words) {
    std::string out = "[";
    for (size_t i = 0; i < words.size(); i++) out += concat(i > 0 ? " " : "", quote(words[i]));
    return out + "]";
}

class Configurer {
public:
    Configurer(oci::ImageConfig& config, bool& command_set, const Lookup& lookup, char escape)
        : image_(config), config_(config.config), command_set_(command_set), lookup_(lookup), escape_(escape) {}

    Result<std::string> operator()(const dockerfile::Env& env) {
        std::string summary = "ENV";
        auto environment = config_.env.value_or(std::vector<std::string>());
        std::vector<dockerfile::Pair> pairs;
        for (auto& [name, value] : env.pairs) pairs.emplace_back(TRY(expanded(name)), TRY(expanded(value)));
        for (auto& [name, value] : pairs) {
            if (name.empty()) return fail(ErrorKind::InvalidArgument, "ENV names can not be blank");
            set_variable(environment, name, value);
            summary += concat(' ', name, '=', value);
        }
        config_.env = std::move(environment);
        return summary;
    }
    Result<std::string> operator()(const dockerfile::Label& label) {
        std::string summary = "LABEL";
        if (!config_.labels) config_.labels.emplace();
        for (auto& [name, value] : label.pairs) {
            std::string key = TRY(expanded(name)), text = TRY(expanded(value));
            if (key.empty()) return fail(ErrorKind::InvalidArgument, "LABEL names can not be blank");
            (*config_.labels)[key] = text;
            summary += concat(' ', key, '=', text);
        }
        return summary;
    }
    Result<std::string> operator()(const dockerfile::Cmd& cmd) {
        auto words = full_command(cmd.command, image_);
        if (words.empty()) config_.cmd.reset();
        else config_.cmd = words;
        command_set_ = !words.empty();
        return concat("CMD ", quoted_list(words));
    }
    Result<std::string> operator()(const dockerfile::Entrypoint& entrypoint) {
        auto words = full_command(entrypoint.command, image_);
        if (words.empty()) config_.entrypoint.reset();
        else config_.entrypoint = words;
        if (!command_set_) config_.cmd.reset();
        return concat("ENTRYPOINT ", quoted_list(words));
    }
    Result<std::string> operator()(const dockerfile::User& user) {
        config_.user = TRY(expanded(user.user));
        return concat("USER ", config_.user);
    }
    Result<std::string> operator()(const dockerfile::Expose& expose) {
        std::vector<std::string> ports;
        for (auto& word : expose.ports)
            for (auto& port : TRY(dockerfile::expand_words(word, lookup_, escape_))) ports.push_back(port);
        std::sort(ports.begin(), ports.end());
        for (auto& port : ports) TRY(expose_port(port));
        return concat("EXPOSE ", join(ports, " "));
    }
    Result<std::string> operator()(const dockerfile::Volume& volume) {
        std::vector<std::string> paths;
        if (!config_.volumes) config_.volumes.emplace();
        for (auto& given : volume.paths) {
            std::string path(trim(TRY(expanded(given))));
            if (path.empty()) return fail(ErrorKind::InvalidArgument, "VOLUME specified can not be an empty string");
            (*config_.volumes)[path] = json::Object();
            paths.push_back(std::move(path));
        }
        return concat("VOLUME [", join(paths, " "), ']');
    }
    Result<std::string> operator()(const dockerfile::StopSignal& stop) {
        std::string signal = TRY(expanded(stop.signal));
        if (!os::signal_from_name(signal)) return fail(ErrorKind::InvalidArgument, concat("invalid signal: ", signal));
        config_.stop_signal = signal;
        return concat("STOPSIGNAL ", signal);
    }
    Result<std::string> operator()(const dockerfile::Shell& shell) {
        config_.shell = shell.words;
        return concat("SHELL [", join(shell.words, " "), ']');
    }
    Result<std::string> operator()(const dockerfile::Healthcheck& check) {
        docker::HealthConfig health;
        if (check.none) {
            health.test = {"NONE"};
        } else {
            health.test = {check.command.shell ? "CMD-SHELL" : "CMD"};
            health.test.insert(health.test.end(), check.command.words.begin(), check.command.words.end());
            health.interval = TRY(dockerfile::health_duration("interval", TRY(expanded(check.interval))));
            health.timeout = TRY(dockerfile::health_duration("timeout", TRY(expanded(check.timeout))));
            health.start_period = TRY(dockerfile::health_duration("start-period", TRY(expanded(check.start_period))));
            health.start_interval = TRY(dockerfile::health_duration("start-interval", TRY(expanded(check.start_interval))));
            health.retries = TRY(dockerfile::health_retries(TRY(expanded(check.retries))));
        }
        config_.healthcheck = health;
        char retries[8] = {static_cast<char>(health.retries), 0};
        std::string count = health.retries == 0 ? "'\\x00'" : health.retries < 128 ? concat('\'', trim_suffix(std::string_view(quote(retries)).substr(1), "\""), '\'') : concat(health.retries);
        auto duration = [](int64_t value) { return quote(duration_text(value)); };
        return concat("HEALTHCHECK &{", quoted_list(health.test), ' ', duration(health.interval), ' ', duration(health.timeout), ' ', duration(health.start_period), ' ',
                      duration(health.start_interval), ' ', count, '}');
    }
    Result<std::string> operator()(const dockerfile::Onbuild& onbuild) {
        if (!config_.on_build) config_.on_build.emplace();
        config_.on_build->push_back(onbuild.text);
        return concat("ONBUILD ", onbuild.text);
    }
    Result<std::string> operator()(const dockerfile::Maintainer& maintainer) {
        image_.author = maintainer.name;
        return concat("MAINTAINER ", maintainer.name);
    }
    template <class Other>
    Result<std::string> operator()(const Other&) {
        return fail(ErrorKind::Internal, "this instruction changes more than the configuration");
    }

private:
    Result<std::string> expanded(const std::string& text) { return dockerfile::expand(text, lookup_, escape_); }

    /// "80", "80-82/UDP", "8080:80": the container's side counts.
    Result<void> expose_port(std::string_view port) {
        auto parts = cut(port, "/");
        std::string protocol = to_lower(parts ? parts->second : "tcp");
        std::string_view range = parts ? parts->first : port;
        if (size_t colon = range.rfind(':'); colon != range.npos) range = range.substr(colon + 1);
        auto ends = cut(range, "-");
        auto first = parse_uint(ends ? ends->first : range), last = ends ? parse_uint(ends->second) : first;
        if (!first || !last || *first > 65535 || *last > 65535) return fail(ErrorKind::InvalidArgument, concat("Invalid containerPort: ", range));
        if (*first > *last) return fail(ErrorKind::InvalidArgument, concat("Invalid range specified for the Port: ", range));
        if (protocol.empty()) protocol = "tcp";
        if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return fail(ErrorKind::InvalidArgument, concat("Invalid proto: ", protocol));
        if (!config_.exposed_ports) config_.exposed_ports.emplace();
        config_.exposed_ports->insert_run(protocol, static_cast<uint16_t>(*first), static_cast<uint16_t>(*last));
        return {};
    }

    oci::ImageConfig& image_;
    oci::RunConfig& config_;
    bool& command_set_;
    const Lookup& lookup_;
    char escape_;
};
}  // namespace

Result<Configured> configure(const dockerfile::Command& command, oci::ImageConfig& config, bool& command_set, const Lookup& lookup, char escape) {
    Configurer configurer(config, command_set, lookup, escape);
    return Configured{TRY(std::visit(configurer, command.what))};
}

std::vector<std::string> shell_of(const oci::ImageConfig& config) {
    return config.config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.config.shell;
}

std::vector<std::string> full_command(const dockerfile::CommandLine& command, const oci::ImageConfig& config) {
    if (!command.shell) return command.words;
    auto words = shell_of(config);
    words.push_back(command.words.empty() ? "" : command.words[0]);
    return words;
}

std::string history_text(const oci::ImageConfig& config, const std::string& summary) { return concat(join(shell_of(config), " "), " #(nop)  ", summary); }

std::string working_directory(const std::string& current, const std::string& given) {
    return os::join_path(given.starts_with('/') ? "/" : current.empty() ? "/" : current, given);
}

}  // namespace proa::build
