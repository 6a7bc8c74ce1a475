#include "compose/bind.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "compose/interpolate.h"
#include "codec/yaml/to_json.h"

namespace proa::compose {

namespace {
using yaml::Node;

enum class To { Mapping, Nullable, Words, HealthTest, TextList, Hosts, DeviceCount, Bytes, Duration, Boolean, Integer, Fraction, Text, Natural };

struct Rule {
    const char* pattern;
    To to;
};
constexpr Rule kServiceRules[] = {
    {"annotations", To::Mapping},
    {"labels", To::Mapping},
    {"sysctls", To::Mapping},
    {"storage_opt", To::Mapping},
    {"build.labels", To::Mapping},
    {"build.additional_contexts", To::Mapping},
    {"deploy.labels", To::Mapping},
    {"logging.options", To::Mapping},
    {"networks.*.driver_opts", To::Mapping},
    {"gpus.[].options", To::Mapping},
    {"deploy.resources.reservations.devices.[].options", To::Mapping},
    {"environment", To::Nullable},
    {"build.args", To::Nullable},
    {"build.ssh", To::Nullable},
    {"post_start.[].environment", To::Nullable},
    {"pre_stop.[].environment", To::Nullable},
    {"develop.watch.[].exec.environment", To::Nullable},
    {"command", To::Words},
    {"entrypoint", To::Words},
    {"post_start.[].command", To::Words},
    {"pre_stop.[].command", To::Words},
    {"develop.watch.[].exec.command", To::Words},
    {"healthcheck.test", To::HealthTest},
    {"dns", To::TextList},
    {"dns_search", To::TextList},
    {"tmpfs", To::TextList},
    {"expose", To::TextList},
    {"group_add", To::TextList},
    {"label_file", To::TextList},
    {"develop.watch.[].ignore", To::TextList},
    {"develop.watch.[].include", To::TextList},
    {"extra_hosts", To::Hosts},
    {"build.extra_hosts", To::Hosts},
    {"gpus.[].count", To::DeviceCount},
    {"deploy.resources.reservations.devices.[].count", To::DeviceCount},
    {"mem_limit", To::Bytes},
    {"mem_reservation", To::Bytes},
    {"memswap_limit", To::Bytes},
    {"mem_swappiness", To::Bytes},
    {"shm_size", To::Bytes},
    {"build.shm_size", To::Bytes},
    {"volumes.[].tmpfs.size", To::Bytes},
    {"deploy.resources.limits.memory", To::Bytes},
    {"deploy.resources.reservations.memory", To::Bytes},
    {"blkio_config.device_read_bps.[].rate", To::Bytes},
    {"blkio_config.device_read_iops.[].rate", To::Bytes},
    {"blkio_config.device_write_bps.[].rate", To::Bytes},
    {"blkio_config.device_write_iops.[].rate", To::Bytes},
    {"stop_grace_period", To::Duration},
    {"healthcheck.interval", To::Duration},
    {"healthcheck.timeout", To::Duration},
    {"healthcheck.start_period", To::Duration},
    {"healthcheck.start_interval", To::Duration},
    {"deploy.update_config.delay", To::Duration},
    {"deploy.update_config.monitor", To::Duration},
    {"deploy.rollback_config.delay", To::Duration},
    {"deploy.rollback_config.monitor", To::Duration},
    {"deploy.restart_policy.delay", To::Duration},
    {"deploy.restart_policy.window", To::Duration},
    {"attach", To::Boolean},
    {"init", To::Boolean},
    {"oom_kill_disable", To::Boolean},
    {"privileged", To::Boolean},
    {"read_only", To::Boolean},
    {"stdin_open", To::Boolean},
    {"tty", To::Boolean},
    {"build.no_cache", To::Boolean},
    {"build.pull", To::Boolean},
    {"build.privileged", To::Boolean},
    {"post_start.[].privileged", To::Boolean},
    {"pre_stop.[].privileged", To::Boolean},
    {"develop.watch.[].exec.privileged", To::Boolean},
    {"develop.watch.[].initial_sync", To::Boolean},
    {"depends_on.*.restart", To::Boolean},
    {"healthcheck.disable", To::Boolean},
    {"env_file.[].required", To::Boolean},
    {"volumes.[].read_only", To::Boolean},
    {"volumes.[].bind.create_host_path", To::Boolean},
    {"volumes.[].volume.nocopy", To::Boolean},
    {"cpu_count", To::Integer},
    {"cpu_period", To::Integer},
    {"cpu_quota", To::Integer},
    {"cpu_rt_period", To::Integer},
    {"cpu_rt_runtime", To::Integer},
    {"cpu_shares", To::Integer},
    {"oom_score_adj", To::Integer},
    {"pids_limit", To::Integer},
    {"scale", To::Integer},
    {"healthcheck.retries", To::Natural},
    {"ports.[].target", To::Natural},
    {"networks.*.priority", To::Integer},
    {"networks.*.gw_priority", To::Integer},
    {"configs.[].mode", To::Natural},
    {"secrets.[].mode", To::Natural},
    {"build.secrets.[].mode", To::Natural},
    {"volumes.[].tmpfs.mode", To::Natural},
    {"blkio_config.weight", To::Natural},
    {"blkio_config.weight_device.[].weight", To::Natural},
    {"deploy.replicas", To::Integer},
    {"deploy.update_config.parallelism", To::Natural},
    {"deploy.rollback_config.parallelism", To::Natural},
    {"deploy.restart_policy.max_attempts", To::Natural},
    {"deploy.placement.max_replicas_per_node", To::Natural},
    {"deploy.resources.limits.pids", To::Integer},
    {"deploy.resources.reservations.generic_resources.[].discrete_resource_spec.value", To::Integer},
    {"ulimits.*", To::Integer},
    {"ulimits.*.soft", To::Integer},
    {"ulimits.*.hard", To::Integer},
    {"build.ulimits.*", To::Integer},
    {"build.ulimits.*.soft", To::Integer},
    {"build.ulimits.*.hard", To::Integer},
    {"cpus", To::Fraction},
    {"cpu_percent", To::Fraction},
    {"deploy.resources.limits.cpus", To::Fraction},
    {"deploy.resources.reservations.cpus", To::Fraction},
    {"deploy.update_config.max_failure_ratio", To::Fraction},
    {"deploy.rollback_config.max_failure_ratio", To::Fraction},
    {"ports.[].published", To::Text},
};
constexpr Rule kResourceRules[] = {
    {"labels", To::Mapping},       {"driver_opts", To::Mapping}, {"ipam.options", To::Mapping}, {"ipam.config.[].aux_addresses", To::Mapping},
    {"external", To::Boolean},     {"internal", To::Boolean},    {"attachable", To::Boolean},   {"enable_ipv4", To::Boolean},
    {"enable_ipv6", To::Boolean},
};

Unexpected undecodable(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

json::Value words_of(const Node& node) {
    json::Array words;
    for (auto& item : node.items) words.emplace_back(item.scalar_text());
    return words;
}

/// "key=value" items or members; a null, or an item without "=", becomes `bare`.
json::Value entries_of(const Node& node, const json::Value& bare) {
    json::Object object;
    for (auto& item : node.items) {
        std::string text = item.scalar_text();
        auto parts = cut(text, "=");
        object.set(parts ? parts->first : text, parts ? json::Value(std::string(parts->second)) : bare);
    }
    for (auto& member : node.members) object.set(member.key, member.value.is_null() ? bare : json::Value(member.value.scalar_text()));
    object.sort();
    return object;
}

/// "name=address", sorted.
Result<json::Value> hosts_of(const Node& node) {
    std::vector<std::string> hosts;
    auto add = [&](std::string_view name, std::string_view addresses) -> Result<void> {
        if (name.empty() || name.find_first_of(":=") != name.npos) return undecodable(concat("bad host name '", name, "'"));
        for (auto& address : split(addresses, ',')) {
            bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
            hosts.push_back(concat(name, '=', bracketed ? std::string_view(address).substr(1, address.size() - 2) : std::string_view(address)));
        }
        return {};
    };
    for (auto& item : node.items) {
        std::string text = item.scalar_text();
        auto parts = text.find('=') != std::string::npos ? cut(text, "=") : cut(text, ":");
        if (!parts) return undecodable(concat("invalid additional host, missing IP: ", text));
        TRY(add(parts->first, parts->second));
    }
    for (auto& member : node.members) {
        if (!member.value.is_sequence()) TRY(add(member.key, member.value.is_null() ? "" : member.value.scalar_text()));
        for (auto& address : member.value.items) TRY(add(member.key, address.scalar_text()));
    }
    std::sort(hosts.begin(), hosts.end());
    return json::Value::strings(hosts);
}

class Binder {
public:
    explicit Binder(Context& context) : context_(context) {}

    Result<json::Value> section(const Node& node, const std::string& name, std::span<const Rule> rules) {
        rules_ = rules;
        json::Object object;
        for (auto& member : node.members)
            if (!member.value.is_null() || rules.data() != kServiceRules)
                object.set(member.key, TRY(bind(member.value, {}, concat(name, '[', member.key, ']'))));
        return object;
    }

private:
    Result<json::Value> bind(const Node& node, const Path& path, const std::string& shown) {
        for (auto& rule : rules_) {
            if (!path.matches(rule.pattern) || (node.is_null() && rule.to != To::Mapping && rule.to != To::Nullable)) continue;
            if (rule.to == To::Integer && node.is_mapping()) break;
            auto value = convert(node, rule.to);
            if (value) return value;
            bool bare = value.error().message().starts_with("expected type");
            return context_.fail_at(node.mark, concat("decoding failed due to the following error(s):\n\n", bare ? "" : "error decoding ", '\'', shown, '\'',
                                                      bare ? " " : ": ", value.error().message()));
        }
        if (node.is_sequence()) {
            json::Array array;
            Path item = path.next("[]");
            for (size_t i = 0; i < node.items.size(); ++i) array.push_back(TRY(bind(node.items[i], item, concat(shown, '[', i, ']'))));
            return array;
        }
        if (!node.is_mapping()) return to_json(node);
        return members(node, path, shown);
    }

    Result<json::Value> members(const Node& node, const Path& path, const std::string& shown) {
        json::Object object, extensions;
        bool user_keys = path.matches("depends_on") || path.matches("networks") || path.matches("ulimits") || path.matches("build.ulimits");
        for (auto& member : node.members) {
            if (member.key.starts_with("x-") && !user_keys) extensions.set(member.key, to_json(member.value));
            else object.set(member.key, TRY(bind(member.value, path.next(member.key), user_keys ? concat(shown, '[', member.key, ']') : concat(shown, '.', member.key))));
        }
        if (user_keys) object.sort();
        if (!extensions.empty()) {
            extensions.sort();
            object.set("#extensions", std::move(extensions));
        }
        return object;
    }

    Result<json::Value> convert(const Node& node, To to) {
        switch (to) {
            case To::Mapping: return entries_of(node, "");
            case To::Nullable: return entries_of(node, nullptr);
            case To::Words:
                if (node.is_sequence()) return words_of(node);
                return json::Value::strings(TRY(split_words(node.scalar_text())));
            case To::HealthTest:
                if (node.is_sequence()) return words_of(node);
                return json::Array{"CMD-SHELL", node.scalar_text()};
            case To::TextList:
                if (node.is_sequence()) return words_of(node);
                return json::Array{node.scalar_text()};
            case To::Hosts: return hosts_of(node);
            case To::DeviceCount: return count(node);
            case To::Bytes: return bytes(node);
            case To::Duration: return duration(node);
            case To::Boolean:
                if (node.is_text()) return TRY(text_to_boolean(context_, node));
                return to_json(node);
            case To::Integer:
            case To::Natural: return integer(node, to == To::Natural);
            case To::Fraction: return fraction(node);
            case To::Text: return node.scalar_text();
        }
        return json::Value();
    }

    static Result<json::Value> count(const Node& node) {
        if (node.kind == yaml::Kind::Integer) return node.integer;
        if (to_lower(node.text) == "all") return -1;
        auto value = parse_int(node.text);
        if (!value) return undecodable(concat("invalid value ", quote(node.text), ", the only value allowed is 'all' or a number"));
        return *value;
    }
    static Result<json::Value> bytes(const Node& node) {
        if (node.text == "-1") return -1;  // without a limit, as `config` prints it
        if (node.is_text()) return TRY(parse_bytes(node.text));
        return node.kind == yaml::Kind::Float ? static_cast<int64_t>(node.real) : node.integer;
    }
    static Result<json::Value> duration(const Node& node) {
        if (parse_duration(node.text)) return node.text;
        bool number = parse_int(node.text).has_value();
        return undecodable(concat("time: ", number ? "missing unit in" : "invalid", " duration ", quote(node.text)));
    }
    static Result<json::Value> integer(const Node& node, bool natural) {
        int64_t value = node.kind == yaml::Kind::Float ? static_cast<int64_t>(node.real) : node.integer;
        if (node.is_text()) value = TRY(text_to_integer(node.text, "ParseInt"));
        if (natural && value < 0) return undecodable(concat("expected type 'uint', got ", value));
        return value;
    }
    static Result<json::Value> fraction(const Node& node) {
        if (!node.is_text()) return to_json(node);
        Fraction value;
        TRY(json::type_of<Fraction>().decode(node.text, &value));
        return json::Value(node.text);
    }

    Context& context_;
    std::span<const Rule> rules_;
};
}  // namespace

Result<json::Value> bind_model(Context& context, const Node& model) {
    json::Object bound, extensions;
    Binder binder(context);
    for (auto& member : model.members) {
        bool services = member.key == "services";
        bool resources = member.key == "networks" || member.key == "volumes" || member.key == "secrets" || member.key == "configs";
        if (member.key.starts_with("x-")) extensions.set(member.key, to_json(member.value));
        else if (services) bound.set(member.key, TRY(binder.section(member.value, member.key, kServiceRules)));
        else if (resources) bound.set(member.key, TRY(binder.section(member.value, member.key, kResourceRules)));
    }
    extensions.sort();
    if (!extensions.empty()) bound.set("#extensions", std::move(extensions));
    return bound;
}

}  // namespace proa::compose
