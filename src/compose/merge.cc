#include "compose/merge.h"

#include <algorithm>

#include "base/text.h"

namespace proa::compose {

namespace {
using yaml::Node;

enum class Rule { Replace, Append, AppendNew, Build, DependsOn, Networks, Logging, Pools };

struct Special {
    const char* pattern;
    Rule rule;
};
constexpr Special kSpecials[] = {
    {"networks.*.ipam.config", Rule::Pools},
    {"networks.*.labels", Rule::Append},
    {"volumes.*.labels", Rule::Append},
    {"services.*.annotations", Rule::Append},
    {"services.*.build", Rule::Build},
    {"services.*.build.args", Rule::Append},
    {"services.*.build.additional_contexts", Rule::Append},
    {"services.*.build.extra_hosts", Rule::AppendNew},
    {"services.*.build.labels", Rule::Append},
    {"services.*.command", Rule::Replace},
    {"services.*.depends_on", Rule::DependsOn},
    {"services.*.deploy.labels", Rule::Append},
    {"services.*.dns", Rule::Append},
    {"services.*.dns_opt", Rule::Append},
    {"services.*.dns_search", Rule::Append},
    {"services.*.entrypoint", Rule::Replace},
    {"services.*.env_file", Rule::Append},
    {"services.*.label_file", Rule::Append},
    {"services.*.environment", Rule::Append},
    {"services.*.extra_hosts", Rule::AppendNew},
    {"services.*.healthcheck.test", Rule::Replace},
    {"services.*.labels", Rule::Append},
    {"services.*.logging", Rule::Logging},
    {"services.*.networks", Rule::Networks},
    {"services.*.sysctls", Rule::Append},
    {"services.*.tmpfs", Rule::Append},
    {"services.*.ulimits.*", Rule::Replace},
};

/// A mapping as "key=value" texts, sorted; a text as a list of one.
std::vector<Node> to_list(Node node) {
    if (node.is_sequence()) return std::move(node.items);
    if (node.is_text()) return {node};
    std::vector<Node> list;
    for (auto& member : node.members) {
        if (member.value.is_null()) list.push_back(Node::of_text(member.key, member.key_mark));
        else if (member.value.is_sequence())
            for (auto& one : member.value.items) list.push_back(Node::of_text(concat(member.key, '=', one.scalar_text()), one.mark));
        else list.push_back(Node::of_text(concat(member.key, '=', member.value.scalar_text()), member.value.mark));
    }
    std::stable_sort(list.begin(), list.end(), [](auto& a, auto& b) { return a.text < b.text; });
    return list;
}

/// A list of names as a mapping from them to `value`.
Node to_mapping(Node node, const Node& value) {
    if (!node.is_sequence()) return node;
    Node mapping = Node::mapping(node.mark);
    for (auto& item : node.items) {
        Node& made = mapping.set(item.text, value);
        made.mark = item.mark;
    }
    return mapping;
}

Node dependency() {
    Node value = Node::mapping();
    value.set("condition", Node::of_text("service_started"));
    value.set("required", Node::of_bool(true));
    return value;
}

Node to_build(Node node) {
    if (!node.is_text()) return node;
    Node build = Node::mapping(node.mark);
    build.set("context", std::move(node));
    return build;
}

class Merger {
public:
    explicit Merger(const Context& context) : context_(context) {}

    Result<void> merge(Node& base, Node over, const Path& path) {
        for (auto& special : kSpecials)
            if (path.matches(special.pattern)) return merge_special(special.rule, base, std::move(over), path);
        if (over.is_null()) return {};
        if (base.is_mapping() || base.is_sequence()) {
            if (over.kind != base.kind) return context_.fail_at(over.mark, concat("cannot override ", path.text()));
            if (base.is_mapping()) return merge_mappings(base, std::move(over), path);
            for (auto& item : over.items) base.items.push_back(std::move(item));
            return {};
        }
        base = std::move(over);
        return {};
    }

private:
    Result<void> merge_mappings(Node& base, Node over, const Path& path) {
        if (!base.is_mapping() || !over.is_mapping()) {
            if (!base.is_mapping()) base = std::move(over);
            return {};
        }
        for (auto& member : over.members) {
            Node* there = base.find(member.key);
            if (!there || member.key.starts_with("x-")) {
                base.set(member.key, std::move(member.value));
                for (auto& own : base.members)
                    if (own.key == member.key) own.key_mark = member.key_mark;
            } else {
                TRY(merge(*there, std::move(member.value), path.next(member.key)));
            }
        }
        return {};
    }

    Result<void> merge_special(Rule rule, Node& base, Node over, const Path& path) {
        switch (rule) {
            case Rule::Replace: base = std::move(over); return {};
            case Rule::Append:
            case Rule::AppendNew: {
                Node list = Node::sequence(base.mark);
                list.items = to_list(std::move(base));
                for (auto& item : to_list(std::move(over))) {
                    bool there = std::any_of(list.items.begin(), list.items.end(), [&](auto& one) { return one.same_value(item); });
                    if (rule == Rule::Append || !there) list.items.push_back(std::move(item));
                }
                base = std::move(list);
                return {};
            }
            case Rule::Build: base = to_build(std::move(base)); return merge_mappings(base, to_build(std::move(over)), path);
            case Rule::DependsOn: base = to_mapping(std::move(base), dependency()); return merge_mappings(base, to_mapping(std::move(over), dependency()), path);
            case Rule::Networks: base = to_mapping(std::move(base), Node()); return merge_mappings(base, to_mapping(std::move(over), Node()), path);
            case Rule::Logging: return merge_logging(base, std::move(over), path);
            case Rule::Pools: return merge_pools(base, std::move(over), path);
        }
        return {};
    }

    /// Options of another driver do not mix.
    Result<void> merge_logging(Node& base, Node over, const Path& path) {
        auto *own = base.find("driver"), *other = over.find("driver");
        if (!own || !other || own->same_value(*other)) return merge_mappings(base, std::move(over), path);
        base = std::move(over);
        return {};
    }

    /// Pools of one subnet merge.
    Result<void> merge_pools(Node& base, Node over, const Path& path) {
        Node merged = Node::sequence(base.mark);
        auto with_subnet = [&](const std::string& subnet) -> Node* {
            for (auto& pool : merged.items)
                if (pool.text_at("subnet") == subnet) return &pool;
            return nullptr;
        };
        for (auto& own : base.items)
            for (auto& other : over.items) {
                if (own.text_at("subnet") != other.text_at("subnet") && !with_subnet(other.text_at("subnet"))) {
                    merged.items.push_back(other);
                    continue;
                }
                TRY(merge_mappings(own, other, path));
                if (auto* there = with_subnet(own.text_at("subnet"))) *there = own;
                else merged.items.push_back(own);
            }
        base = std::move(merged);
        return {};
    }

    const Context& context_;
};
}  // namespace

Result<void> merge_models(const Context& context, Node& base, Node over) { return Merger(context).merge(base, std::move(over), {}); }

Result<void> merge_service(const Context& context, Node& base, Node over) { return Merger(context).merge(base, std::move(over), {"services", "x"}); }

}  // namespace proa::compose
