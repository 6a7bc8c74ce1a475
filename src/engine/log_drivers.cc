#include "engine/log_drivers.h"

#include "base/time.h"
#include <regex.h>

#include <algorithm>

#include "base/id.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::Record;

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

constexpr std::string_view kCommon[] = {"mode", "max-buffer-size"};
constexpr std::string_view kAttributes[] = {"labels", "labels-regex", "env", "env-regex", "tag"};
constexpr std::string_view kCache[] = {"cache-disabled", "cache-max-size", "cache-max-file", "cache-compress"};

struct Driver {
    std::string_view name;
    std::initializer_list<std::string_view> options;
    bool takes_attributes = true;
    bool sends = false;
};
const Driver kDrivers[] = {
    {"json-file", {"max-size", "max-file", "compress"}},
    {"local", {"max-size", "max-file", "compress"}, false},
    {"none", {}, false},
    {"syslog", {"syslog-address", "syslog-facility", "syslog-format", "syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify"}, true, true},
    {"journald", {}, true, true},
    {"gelf", {"gelf-address", "gelf-compression-type", "gelf-compression-level", "gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"}, true, true},
    {"fluentd", {"fluentd-address", "fluentd-async", "fluentd-async-connect", "fluentd-async-reconnect-interval", "fluentd-buffer-limit", "fluentd-retry-wait",
                 "fluentd-max-retries", "fluentd-request-ack", "fluentd-sub-second-precision", "fluentd-write-timeout"}, true, true},
};

const Driver* find_driver(std::string_view name) {
    for (auto& driver : kDrivers)
        if (driver.name == name) return &driver;
    return nullptr;
}

bool contains(auto& list, std::string_view name) { return std::find(std::begin(list), std::end(list), name) != std::end(list); }

Result<void> check_file_option(const std::string& name, const std::string& value) {
    if ((name == "max-size" || name == "cache-max-size") && value != "-1" && (!parse_bytes(value) || *parse_bytes(value) <= 0)) return invalid(concat("invalid value for ", quote(name), ": ", quote(value)));
    if ((name == "max-file" || name == "cache-max-file") && parse_int(value).value_or(0) < 1) return invalid(concat(name, " cannot be less than 1"));
    if ((name == "compress" || name == "cache-compress" || name == "cache-disabled") && !parse_bool(value)) return invalid(concat("invalid value for ", quote(name), ": ", quote(value)));
    return {};
}

Result<void> check_pattern(const std::string& name, const std::string& value) {
    regex_t pattern;
    if (::regcomp(&pattern, value.c_str(), REG_EXTENDED | REG_NOSUB) != 0) return invalid(concat("error parsing regexp of ", name, ": ", quote(value)));
    ::regfree(&pattern);
    return {};
}

Result<void> check_mode(const docker::StringMap& options) {
    auto mode = options.find("mode");
    if (mode != options.end() && mode->second != "blocking" && mode->second != "non-blocking") return invalid(concat("logger: logging mode not supported: ", mode->second));
    auto size = options.find("max-buffer-size");
    if (size == options.end()) return {};
    if (mode == options.end() || mode->second != "non-blocking") return invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    if (!parse_bytes(size->second)) return invalid(concat("error parsing option max-buffer-size: invalid size: '", size->second, "'"));
    return {};
}

Result<void> check_addresses(const docker::LogConfig& log) {
    auto scheme = [&](std::string_view name) { return std::string(cut(log_option(log, name), "://").value_or(std::pair<std::string_view, std::string_view>("", "")).first); };
    if (log.type == "syslog") {
        std::string address = log_option(log, "syslog-address"), protocol = scheme("syslog-address");
        if (!address.empty() && protocol != "udp" && protocol != "tcp" && protocol != "tcp+tls" && protocol != "unix" && protocol != "unixgram") return invalid(concat("syslog-address should be in form proto://address, got ", address));
        std::string format = log_option(log, "syslog-format");
        if (!format.empty() && format != "rfc3164" && format != "rfc5424" && format != "rfc5424micro") return invalid("Invalid syslog format");
        for (auto name : {"syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify"})
            if (!log_option(log, name).empty() && protocol != "tcp+tls") return invalid(concat("log opt ", std::string_view(name), " needs a syslog-address tcp+tls://host:port"));
        if (log_option(log, "syslog-tls-cert").empty() != log_option(log, "syslog-tls-key").empty()) return invalid("syslog-tls-cert and syslog-tls-key are only good together");
    }
    if (log.type == "gelf") {
        if (log_option(log, "gelf-address").empty()) return invalid("gelf-address is a required parameter");
        if (scheme("gelf-address") != "udp" && scheme("gelf-address") != "tcp") return invalid(concat("gelf-address should be in form proto://address, got ", log_option(log, "gelf-address")));
        std::string type = log_option(log, "gelf-compression-type");
        if (!type.empty() && type != "gzip" && type != "zlib" && type != "none") return invalid(concat("gelf: invalid compression type ", quote(type)));
        if (scheme("gelf-address") == "tcp" && !type.empty()) return invalid("compression is only supported on UDP");
        for (std::string name : {"gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"}) {
            if (log_option(log, name).empty()) continue;
            if (scheme("gelf-address") != "tcp") return invalid(concat(quote(name), " is only valid for TCP"));
            if (parse_int(log_option(log, name)).value_or(-1) < 0) return invalid(concat(quote(name), " must be a positive integer"));
        }
    }
    if (log.type == "fluentd") {
        for (auto name : {"fluentd-async", "fluentd-async-connect", "fluentd-request-ack", "fluentd-sub-second-precision"})
            if (!log_option(log, name).empty() && !parse_bool(log_option(log, name))) return invalid(concat("invalid value for ", quote(name), ": ", quote(log_option(log, name))));
        for (auto name : {"fluentd-retry-wait", "fluentd-write-timeout", "fluentd-async-reconnect-interval"})
            if (!log_option(log, name).empty() && parse_duration(log_option(log, name)).value_or(-1) < 0) return invalid(concat("invalid value for ", quote(name), ": ", quote(log_option(log, name))));
        if (auto interval = parse_duration(log_option(log, "fluentd-async-reconnect-interval")); interval && *interval != 0 && (*interval < 100'000'000 || *interval > 10'000'000'000))
            return invalid("invalid value for \"fluentd-async-reconnect-interval\": it must be between 100ms and 10s");
        if (std::string retries = log_option(log, "fluentd-max-retries"); !retries.empty() && parse_uint(retries).value_or(UINT64_MAX) > UINT32_MAX) return invalid(concat("invalid value for \"fluentd-max-retries\": ", quote(retries)));
        if (std::string limit = log_option(log, "fluentd-buffer-limit"); !limit.empty() && !parse_bytes(limit)) return invalid(concat("invalid value for \"fluentd-buffer-limit\": ", quote(limit)));
    }
    return {};
}

}  // namespace

std::string log_option(const docker::LogConfig& log, std::string_view name) {
    if (!log.config) return "";
    auto found = log.config->find(std::string(name));
    return found == log.config->end() ? "" : found->second;
}

Result<void> check_log_config(const docker::LogConfig& log) {
    auto* driver = find_driver(log.type);
    if (log.type == "awslogs" || log.type == "splunk" || log.type == "gcplogs" || log.type == "etwlogs")
        return fail(ErrorKind::Unsupported, concat("logging driver ", log.type, " is not supported by this engine"));
    if (!driver) return invalid(concat("error looking up logging plugin ", log.type, ": plugin ", quote(log.type), " not found"));
    auto options = log.config.value_or(docker::StringMap());
    if (log.type == "none") return {};
    for (auto& [name, value] : options) {
        bool known = contains(driver->options, name) || contains(kCommon, name) || (driver->takes_attributes && contains(kAttributes, name)) || (driver->sends && contains(kCache, name));
        if (!known) return invalid(concat("unknown log opt '", name, "' for ", log.type, " log driver"));
        TRY(check_file_option(name, value));
        if (name.ends_with("-regex")) TRY(check_pattern(name, value));
    }
    TRY(check_mode(options));
    Record probe;
    probe.id = std::string(64, '0');
    probe.host_config.log_config = log;
    TRY(log_tag(probe));
    return check_addresses(log);
}

bool sends_away(const docker::LogConfig& log) {
    auto* driver = find_driver(log.type);
    return driver && driver->sends;
}

LogRetries log_retries(const docker::LogConfig& log) {
    LogRetries retries;
    if (log.type == "gelf") {
        if (auto delay = parse_int(log_option(log, "gelf-tcp-reconnect-delay"))) retries.wait_ms = *delay * 1000;
        if (auto most = parse_uint(log_option(log, "gelf-tcp-max-reconnect"))) retries.most = *most;
    } else if (log.type == "fluentd") {
        if (auto wait = parse_duration(log_option(log, "fluentd-retry-wait"))) retries.wait_ms = *wait / 1'000'000;
        if (auto most = parse_uint(log_option(log, "fluentd-max-retries"))) retries.most = *most;
    }
    return retries;
}

std::optional<std::string> warn_of_log_options(const docker::LogConfig& log) {
    if (log_option(log, "fluentd-buffer-limit").empty()) return std::nullopt;
    return "The log option fluentd-buffer-limit has no effect on this engine: messages wait in the container's log files (cache-max-size, cache-max-file) until the server has them";
}

bool is_log_readable(const docker::LogConfig& log) { return log.type != "none" && !parse_bool(log_option(log, "cache-disabled")).value_or(false); }

std::string log_file(const Paths& paths, const Record& record) {
    auto& type = record.host_config.log_config.type;
    if (type == "none") return "";
    if (type == "json-file") return record.log_path.empty() ? paths.container_file(record.id, record.id + "-json.log") : record.log_path;
    return paths.container_file(record.id, "local-logs/container.log");
}

shim::LogSettings log_settings(const Paths& paths, const Record& record) {
    shim::LogSettings log;
    auto& config = record.host_config.log_config;
    log.path = log_file(paths, record);
    if (log.path.empty()) return log;
    log.driver = shim::LogDriver::JsonFile;
    std::string prefix = sends_away(config) ? "cache-" : "";
    bool is_json_file = config.type == "json-file";
    // Without a word from anybody a log is bounded all the same: five files of 20 MB. `max-size=-1` lifts that.
    log.max_size = 20 << 20;
    log.max_files = 5;
    log.compress = !is_json_file;
    if (auto size = log_option(config, prefix + "max-size"); !size.empty()) {
        log.max_size = parse_bytes(size).value_or(-1);
        if (is_json_file) log.max_files = 1;
    }
    if (auto files = log_option(config, prefix + "max-file"); !files.empty()) log.max_files = static_cast<int32_t>(parse_int(files).value_or(1));
    if (auto compress = log_option(config, prefix + "compress"); !compress.empty()) log.compress = parse_bool(compress).value_or(false);
    json::Object attributes;
    for (auto& [name, value] : chosen_log_attributes(record)) attributes.set(name, value);
    if (!attributes.empty()) log.attributes = json::print(attributes, json::Style{true, ""});
    return log;
}

docker::StringMap chosen_log_attributes(const Record& record) {
    auto& config = record.host_config.log_config;
    docker::StringMap chosen;
    auto labels = record.config.labels.value_or(docker::StringMap());
    docker::StringMap variables;
    for (auto& entry : record.config.env.value_or(std::vector<std::string>()))
        if (auto parts = cut(entry, "=")) variables[std::string(parts->first)] = parts->second;
    auto take = [&](std::string_view option, const docker::StringMap& from) {
        for (auto& name : split_nonempty(log_option(config, option), ','))
            if (auto found = from.find(name); found != from.end()) chosen[name] = found->second;
        std::string pattern_text = log_option(config, concat(option, "-regex"));
        regex_t pattern;
        if (pattern_text.empty() || ::regcomp(&pattern, pattern_text.c_str(), REG_EXTENDED | REG_NOSUB) != 0) return;
        for (auto& [name, value] : from)
            if (::regexec(&pattern, name.c_str(), 0, nullptr, 0) == 0) chosen[name] = value;
        ::regfree(&pattern);
    };
    take("labels", labels);
    take("env", variables);
    if (config.type == "json-file")
        if (auto tag = log_option(config, "tag"); !tag.empty()) chosen["tag"] = log_tag(record).value_or("");
    return chosen;
}

Result<std::string> log_tag(const Record& record) {
    std::string text = log_option(record.host_config.log_config, "tag"), out;
    if (text.empty()) return std::string(short_id(record.id));
    auto bad = [&](std::string_view why) { return invalid(concat("template: log-tag: ", why, " in ", quote(text))); };
    std::string_view rest = text;
    for (;;) {
        size_t open = rest.find("{{");
        out += rest.substr(0, open);
        if (open == std::string_view::npos) return out;
        size_t close = rest.find("}}", open);
        if (close == std::string_view::npos) return bad("unclosed action");
        auto words = split_fields(rest.substr(open + 2, close - open - 2));
        rest.remove_prefix(close + 2);
        std::string image_id(trim_prefix(record.image_id, "sha256:"));
        if (words.size() == 3 && words[0] == "index" && words[1] == ".ContainerLabels" && words[2].size() > 2 && words[2].front() == '"') {
            auto labels = record.config.labels.value_or(docker::StringMap());
            if (auto label = labels.find(words[2].substr(1, words[2].size() - 2)); label != labels.end()) out += label->second;
            continue;
        }
        if (words.size() != 1) return bad("only single fields are supported");
        auto& field = words[0];
        if (field == ".ID") out += short_id(record.id);
        else if (field == ".FullID") out += record.id;
        else if (field == ".Name") out += record.name;
        else if (field == ".ImageID") out += std::string_view(image_id).substr(0, 12);
        else if (field == ".ImageFullID") out += record.image_id;
        else if (field == ".ImageName") out += record.config.image;
        else if (field == ".DaemonName") out += "docker";
        else if (field == ".Command") out += join(record.args.empty() ? std::vector<std::string>{record.path} : [&] { auto all = record.args; all.insert(all.begin(), record.path); return all; }(), " ");
        else return bad(concat("can't evaluate field ", field.substr(1)));
    }
}

}  // namespace proa::engine
