#include "base/text.h"
#include "compose/merge.h"
#include "compose/short_forms.h"

namespace proa::compose {

namespace {
using yaml::Node;

enum class Index { Key, Mount, Device, Config, Secret, Expose, Port, EnvFile };

struct Rule {
    const char* pattern;
    Index index;
};
constexpr Rule kRules[] = {
    {"networks.*.labels", Index::Key},
    {"networks.*.ipam.options", Index::Key},
    {"services.*.annotations", Index::Key},
    {"services.*.build.args", Index::Key},
    {"services.*.build.additional_contexts", Index::Key},
    {"services.*.build.tags", Index::Key},
    {"services.*.build.labels", Index::Key},
    {"services.*.cap_add", Index::Key},
    {"services.*.cap_drop", Index::Key},
    {"services.*.devices", Index::Device},
    {"services.*.configs", Index::Config},
    {"services.*.deploy.labels", Index::Key},
    {"services.*.dns", Index::Key},
    {"services.*.dns_opt", Index::Key},
    {"services.*.dns_search", Index::Key},
    {"services.*.environment", Index::Key},
    {"services.*.env_file", Index::EnvFile},
    {"services.*.expose", Index::Expose},
    {"services.*.labels", Index::Key},
    {"services.*.links", Index::Key},
    {"services.*.networks.*.aliases", Index::Key},
    {"services.*.networks.*.link_local_ips", Index::Key},
    {"services.*.ports", Index::Port},
    {"services.*.profiles", Index::Key},
    {"services.*.secrets", Index::Secret},
    {"services.*.sysctls", Index::Key},
    {"services.*.tmpfs", Index::Key},
    {"services.*.volumes", Index::Mount},
};

std::string_view go_type(const Node& node) {
    switch (node.kind) {
        case yaml::Kind::Null: return "<nil>";
        case yaml::Kind::Bool: return "bool";
        case yaml::Kind::Integer: return "int";
        case yaml::Kind::Float: return "float64";
        case yaml::Kind::Text: return "string";
        case yaml::Kind::Sequence: return "[]interface {}";
        case yaml::Kind::Mapping: return "map[string]interface {}";
    }
    return "";
}

Result<std::string> target_of(const Context& context, const Node& entry, std::string_view what, const std::string& path) {
    auto* target = entry.find("target");
    if (!target || !target->is_text()) return context.fail_at(entry.mark, concat("service ", what, ' ', path, " is missing a mount target"));
    return target->text;
}

Result<std::string> port_key(const Context& context, const Node& entry, const std::string& path) {
    if (!entry.is_mapping()) return entry.scalar_text();
    auto* target = entry.find("target");
    if (!target) return context.fail_at(entry.mark, concat("service ports ", path, " is missing a target port"));
    auto or_else = [&](std::string_view key, std::string_view fallback) {
        auto* found = entry.find(key);
        return found ? found->scalar_text() : std::string(fallback);
    };
    return concat(or_else("host_ip", "0.0.0.0"), ':', or_else("published", "<nil>"), ':', target->scalar_text(), '/', or_else("protocol", "tcp"));
}

Result<std::string> index_of(const Context& context, Index index, const Node& entry, const std::string& path) {
    switch (index) {
        case Index::Key: {
            if (!entry.is_text()) return context.fail_at(entry.mark, concat(path, ": unexpected type ", go_type(entry)));
            auto parts = cut(entry.text, "=");
            return parts ? std::string(parts->first) : entry.text;
        }
        case Index::Mount: {
            if (entry.is_mapping()) return target_of(context, entry, "volume", path);
            if (!entry.is_text()) return std::string();
            auto mount = read_mount(entry.text, entry.mark);
            if (!mount && !context.interpolated) return entry.text;
            if (!mount) return context.fail_at(entry.mark, mount.error().message());
            return mount->text_at("target");
        }
        case Index::Device: {
            if (entry.is_mapping()) return target_of(context, entry, "device", path);
            auto parts = split(entry.text, ':');
            return parts.size() == 1 ? parts[0] : parts[1];
        }
        case Index::Config:
        case Index::Secret: {
            std::string directory = index == Index::Secret ? "/run/secrets/" : "/";
            if (entry.is_text()) return directory + entry.text;
            if (!entry.is_mapping()) return context.fail_at(entry.mark, concat(path, ": unsupported expose value ", entry.scalar_text()));
            auto* target = entry.find("target");
            return target ? target->text : directory + entry.text_at("source");
        }
        case Index::Expose:
            if (!entry.is_text() && entry.kind != yaml::Kind::Integer) return context.fail_at(entry.mark, concat(path, ": unsupported expose value ", entry.scalar_text()));
            return entry.scalar_text();
        case Index::Port: return port_key(context, entry, path);
        case Index::EnvFile:
            if (!entry.is_mapping()) return entry.text;
            if (!entry.find("path")) return context.fail_at(entry.mark, concat("environment path attribute ", path, " is missing"));
            return entry.text_at("path");
    }
    return std::string();
}

Result<void> walk(const Context& context, Node& node, const Path& path) {
    for (auto& member : node.members) TRY(walk(context, member.value, path.next(member.key)));
    if (!node.is_sequence()) return {};
    for (auto& rule : kRules) {
        if (!path.matches(rule.pattern)) continue;
        std::vector<Node> kept;
        std::map<std::string, size_t> places;
        for (size_t i = 0; i < node.items.size(); ++i) {
            std::string key = TRY(index_of(context, rule.index, node.items[i], concat(path.text(), ".[", i, ']')));
            auto [place, added] = places.emplace(key, kept.size());
            if (added) kept.push_back(std::move(node.items[i]));
            else kept[place->second] = std::move(node.items[i]);
        }
        node.items = std::move(kept);
        break;
    }
    return {};
}
}  // namespace

Result<void> keep_unique(const Context& context, Node& model) { return walk(context, model, {}); }

}  // namespace proa::compose
