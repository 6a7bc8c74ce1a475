#include "compose/interpolate.h"

#include <charconv>

#include "base/text.h"

namespace proa::compose {

namespace {
enum class Cast { Integer, LongInteger, Fraction, Boolean };

struct Rule {
    const char* pattern;
    Cast cast;
};
constexpr Rule kRules[] = {
    {"services.*.configs.[].mode", Cast::Integer},
    {"services.*.cpu_count", Cast::LongInteger},
    {"services.*.cpu_percent", Cast::Fraction},
    {"services.*.cpu_period", Cast::LongInteger},
    {"services.*.cpu_quota", Cast::LongInteger},
    {"services.*.cpu_rt_period", Cast::LongInteger},
    {"services.*.cpu_rt_runtime", Cast::LongInteger},
    {"services.*.cpus", Cast::Fraction},
    {"services.*.cpu_shares", Cast::LongInteger},
    {"services.*.init", Cast::Boolean},
    {"services.*.deploy.replicas", Cast::Integer},
    {"services.*.deploy.update_config.parallelism", Cast::Integer},
    {"services.*.deploy.update_config.max_failure_ratio", Cast::Fraction},
    {"services.*.deploy.rollback_config.parallelism", Cast::Integer},
    {"services.*.deploy.rollback_config.max_failure_ratio", Cast::Fraction},
    {"services.*.deploy.restart_policy.max_attempts", Cast::Integer},
    {"services.*.deploy.placement.max_replicas_per_node", Cast::Integer},
    {"services.*.healthcheck.retries", Cast::Integer},
    {"services.*.healthcheck.disable", Cast::Boolean},
    {"services.*.oom_kill_disable", Cast::Boolean},
    {"services.*.oom_score_adj", Cast::LongInteger},
    {"services.*.pids_limit", Cast::LongInteger},
    {"services.*.ports.[].target", Cast::Integer},
    {"services.*.privileged", Cast::Boolean},
    {"services.*.read_only", Cast::Boolean},
    {"services.*.scale", Cast::Integer},
    {"services.*.secrets.[].mode", Cast::Integer},
    {"services.*.stdin_open", Cast::Boolean},
    {"services.*.tty", Cast::Boolean},
    {"services.*.ulimits.*", Cast::Integer},
    {"services.*.ulimits.*.hard", Cast::Integer},
    {"services.*.ulimits.*.soft", Cast::Integer},
    {"services.*.volumes.[].read_only", Cast::Boolean},
    {"services.*.volumes.[].volume.nocopy", Cast::Boolean},
    {"networks.*.external", Cast::Boolean},
    {"networks.*.internal", Cast::Boolean},
    {"networks.*.attachable", Cast::Boolean},
    {"networks.*.enable_ipv4", Cast::Boolean},
    {"networks.*.enable_ipv6", Cast::Boolean},
    {"volumes.*.external", Cast::Boolean},
    {"secrets.*.external", Cast::Boolean},
    {"configs.*.external", Cast::Boolean},
};

Result<yaml::Node> cast(Context& context, const yaml::Node& node, Cast to) {
    switch (to) {
        case Cast::Boolean: return yaml::Node::of_bool(TRY(text_to_boolean(context, node)), node.mark);
        case Cast::Integer: return yaml::Node::of_integer(TRY(text_to_integer(node.text, "Atoi")), node.mark);
        case Cast::LongInteger: return yaml::Node::of_integer(TRY(text_to_integer(node.text, "ParseInt")), node.mark);
        case Cast::Fraction: break;
    }
    double value = 0;
    std::string_view digits = trim_prefix(node.text, "+");
    auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size())
        return fail(ErrorKind::InvalidArgument, concat("strconv.ParseFloat: parsing ", quote(node.text), ": invalid syntax"));
    return yaml::Node::of_float(value, node.mark);
}

class Interpolator {
public:
    Interpolator(Context& context, const Lookup& lookup) : context_(context), lookup_(lookup) {}

    Result<void> walk(yaml::Node& node, const Path& path) {
        if (node.is_text()) return replace(node, path);
        Path item = path.next("[]");
        for (auto& one : node.items) TRY(walk(one, item));
        for (auto& member : node.members) TRY(walk(member.value, path.next(member.key)));
        return {};
    }

private:
    Result<void> replace(yaml::Node& node, const Path& path) {
        auto unset = [&](std::string_view name) {
            context_.warn(node.mark, concat("The ", quote(name), " variable is not set. Defaulting to a blank string."));
        };
        if (node.text.find('$') != std::string::npos) {
            auto text = substitute(node.text, lookup_, unset);
            if (!text && text.error().number() == kInvalidTemplate)
                return context_.fail_at(node.mark, concat("invalid interpolation format for ", path.text(), ".\nYou may need to escape any $ with another $.\n",
                                                          text.error().message()));
            if (!text) return context_.fail_at(node.mark, concat("error while interpolating ", path.text(), ": ", text.error().message()));
            node.text = std::move(*text);
        }
        for (auto& rule : kRules)
            if (path.matches(rule.pattern)) {
                auto typed = cast(context_, node, rule.cast);
                if (!typed)
                    return context_.fail_at(node.mark, concat("error while interpolating ", path.text(), ": failed to cast to expected type: ",
                                                              typed.error().message()));
                node = std::move(*typed);
                break;
            }
        return {};
    }

    Context& context_;
    const Lookup& lookup_;
};
}  // namespace

Result<void> interpolate(Context& context, yaml::Node& model, const Lookup& lookup) { return Interpolator(context, lookup).walk(model, {}); }

Result<bool> text_to_boolean(Context& context, const yaml::Node& node) {
    std::string word = to_lower(node.text);
    bool yes = word == "y" || word == "yes" || word == "on";
    bool no = word == "n" || word == "no" || word == "off";
    if (yes || no)
        context.warn(node.mark, concat(quote(node.text), " for boolean is not supported by YAML 1.2, please use `", yes ? "true" : "false", "`"));
    if (yes || word == "true") return true;
    if (no || word == "false") return false;
    return fail(ErrorKind::InvalidArgument, concat("invalid boolean: ", node.text));
}

Result<int64_t> text_to_integer(std::string_view text, std::string_view function) {
    auto value = parse_int(trim_prefix(text, "+"));
    if (!value) return fail(ErrorKind::InvalidArgument, concat("strconv.", function, ": parsing ", quote(text), ": invalid syntax"));
    return *value;
}

}  // namespace proa::compose
