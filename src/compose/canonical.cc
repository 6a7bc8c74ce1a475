#include "compose/canonical.h"

#include <span>

#include "base/text.h"
#include "compose/short_forms.h"

namespace proa::compose {

namespace {
using yaml::Node;

Node mapping_of(yaml::Mark mark, std::initializer_list<std::pair<const char*, Node>> members) {
    Node node = Node::mapping(mark);
    for (auto& [key, value] : members) node.set(key, value);
    return node;
}

class Canonizer {
public:
    explicit Canonizer(Context& context) : context_(context) {}

    Result<void> walk(Node& node, const Path& path) {
        for (auto& rule : rules())
            if (path.matches(rule.pattern)) return (this->*rule.change)(node, path);
        return walk_below(node, path);
    }

private:
    struct Rule {
        const char* pattern;
        Result<void> (Canonizer::*change)(Node& node, const Path& path);
    };
    static std::span<const Rule> rules();

    Result<void> walk_below(Node& node, const Path& path) {
        for (auto& member : node.members) TRY(walk(member.value, path.next(member.key)));
        Path item = path.next("[]");
        for (auto& one : node.items) TRY(walk(one, item));
        return {};
    }

    Result<void> additional_contexts(Node& node, const Path& path) {
        if (!node.is_sequence()) return {};
        Node made = Node::mapping(node.mark);
        for (auto& item : node.items) {
            auto parts = cut(item.text, "=");
            if (!parts && !context_.interpolated) return {};
            if (!parts) return context_.fail_at(item.mark, concat(path.text(), ": invalid value ", item.text, ", expected key=value"));
            made.set(parts->first, Node::of_text(std::string(parts->second), item.mark));
        }
        node = std::move(made);
        return {};
    }

    Result<void> depends_on(Node& node, const Path& path) {
        if (node.is_sequence()) {
            Node made = Node::mapping(node.mark);
            for (auto& item : node.items)
                made.set(item.text, mapping_of(item.mark, {{"condition", Node::of_text("service_started", item.mark)}, {"required", Node::of_bool(true, item.mark)}}));
            node = std::move(made);
            return {};
        }
        for (auto& member : node.members) {
            if (!member.value.is_mapping())
                return context_.fail_at(member.value.mark, concat(path.text(), '.', member.key, ": unsupported value ", member.value.scalar_text()));
            if (!member.value.find("condition")) member.value.set("condition", Node::of_text("service_started", member.value.mark));
            if (!member.value.find("required")) member.value.set("required", Node::of_bool(true, member.value.mark));
        }
        return {};
    }

    Result<void> env_file(Node& node, const Path&) {
        if (node.is_text()) {
            Node list = Node::sequence(node.mark);
            list.items.push_back(node);
            node = std::move(list);
        }
        for (auto& item : node.items) {
            if (item.is_text()) item = mapping_of(item.mark, {{"path", item}, {"required", Node::of_bool(true, item.mark)}});
            else if (!item.find("required")) item.set("required", Node::of_bool(true, item.mark));
        }
        return {};
    }

    Result<void> text_or_list(Node& node, const Path&) {
        if (!node.is_text()) return {};
        Node list = Node::sequence(node.mark);
        list.items.push_back(std::move(node));
        node = std::move(list);
        return {};
    }

    Result<void> extends(Node& node, const Path&) {
        if (node.is_text()) node = mapping_of(node.mark, {{"service", node}});
        return {};
    }

    Result<void> gpus(Node& node, const Path& path) {
        if (!node.is_text()) return walk_below(node, path);
        Node all = mapping_of(node.mark, {{"count", Node::of_text("all", node.mark)}});
        node = Node::sequence(node.mark);
        node.items.push_back(std::move(all));
        return {};
    }

    Result<void> service_networks(Node& node, const Path&) {
        if (!node.is_sequence()) return {};
        Node made = Node::mapping(node.mark);
        for (auto& item : node.items) {
            Node none;
            none.mark = item.mark;
            made.set(item.text, none);
        }
        node = std::move(made);
        return {};
    }

    Result<void> mount(Node& node, const Path&) {
        if (!node.is_text()) return {};
        auto made = read_mount(node.text, node.mark);
        if (!made && !context_.interpolated) return {};
        if (!made) return context_.fail_at(node.mark, made.error().message());
        node = std::move(*made);
        return {};
    }

    Result<void> device(Node& node, const Path&) {
        if (!node.is_text()) return {};
        auto parts = split(node.text, ':');
        if (parts.size() > 3) {
            if (!context_.interpolated) return {};
            return context_.fail_at(node.mark, concat("confusing device mapping, please use long syntax: ", node.text));
        }
        std::string target = parts.size() > 1 && !parts[1].empty() ? parts[1] : parts[0];
        node = mapping_of(node.mark, {{"source", Node::of_text(parts[0], node.mark)},
                                      {"target", Node::of_text(target, node.mark)},
                                      {"permissions", Node::of_text(parts.size() > 2 ? parts[2] : "rwm", node.mark)}});
        return {};
    }

    Result<void> file_reference(Node& node, const Path&) {
        if (node.is_text()) node = mapping_of(node.mark, {{"source", node}});
        return {};
    }

    Result<void> ports(Node& node, const Path& path) {
        std::vector<Node> all;
        for (auto& item : node.items) {
            if (item.is_mapping()) {
                all.push_back(std::move(item));
                continue;
            }
            if (!item.is_text() && item.kind != yaml::Kind::Integer)
                return context_.fail_at(item.mark, concat(path.text(), ": invalid type ", item.kind == yaml::Kind::Float ? "float64" : "value", " for port"));
            auto made = read_port(item.scalar_text(), item.mark);
            if (!made && !context_.interpolated) return {};
            if (!made) return context_.fail_at(item.mark, made.error().message());
            for (auto& one : *made) all.push_back(std::move(one));
        }
        node.items = std::move(all);
        return {};
    }

    Result<void> build(Node& node, const Path& path) {
        if (!node.is_text()) return walk_below(node, path);
        node = mapping_of(node.mark, {{"context", node}});
        return {};
    }

    Result<void> ssh(Node& node, const Path&) {
        if (!node.is_sequence()) return {};
        Node made = Node::mapping(node.mark);
        for (auto& item : node.items) {
            auto parts = cut(item.text, "=");
            if (!parts && item.text != "default") return context_.fail_at(item.mark, concat("invalid ssh key ", quote(item.text)));
            Node none;
            made.set(parts ? parts->first : item.text, parts ? Node::of_text(std::string(parts->second), item.mark) : none);
        }
        node = std::move(made);
        return {};
    }

    Result<void> maybe_external(Node& node, const Path& path) {
        if (node.is_null()) return {};
        TRY(walk_below(node, path));
        Node* external = node.find("external");
        if (!external || !external->is_mapping()) return {};
        auto* old = external->find("name");
        std::optional<Node> name;
        if (old) name = *old;
        yaml::Mark mark = external->mark;
        *external = Node::of_bool(true, mark);
        if (!name) return {};
        context_.warn(mark, concat(path.text(), ": external.name is deprecated. Please set name and external: true"));
        auto* own = node.find("name");
        if (own && !own->same_value(*name)) return context_.fail_at(mark, concat(path.text(), ": name and external.name conflict; only use name"));
        if (!own) node.set("name", *name);
        return {};
    }

    Result<void> include(Node& node, const Path&) {
        if (node.is_text()) node = mapping_of(node.mark, {{"path", node}});
        return {};
    }

    Context& context_;
};

std::span<const Canonizer::Rule> Canonizer::rules() {
    static constexpr Rule kRules[] = {
        {"services.*.build.additional_contexts", &Canonizer::additional_contexts},
        {"services.*.depends_on", &Canonizer::depends_on},
        {"services.*.env_file", &Canonizer::env_file},
        {"services.*.label_file", &Canonizer::text_or_list},
        {"services.*.extends", &Canonizer::extends},
        {"services.*.gpus", &Canonizer::gpus},
        {"services.*.networks", &Canonizer::service_networks},
        {"services.*.volumes.*", &Canonizer::mount},
        {"services.*.dns", &Canonizer::text_or_list},
        {"services.*.devices.*", &Canonizer::device},
        {"services.*.secrets.*", &Canonizer::file_reference},
        {"services.*.configs.*", &Canonizer::file_reference},
        {"services.*.build.secrets.*", &Canonizer::file_reference},
        {"services.*.ports", &Canonizer::ports},
        {"services.*.build", &Canonizer::build},
        {"services.*.build.ssh", &Canonizer::ssh},
        {"volumes.*", &Canonizer::maybe_external},
        {"networks.*", &Canonizer::maybe_external},
        {"secrets.*", &Canonizer::maybe_external},
        {"configs.*", &Canonizer::maybe_external},
        {"include.*", &Canonizer::include},
    };
    return kRules;
}

void set_missing(Node& node, std::string_view key, Node value) {
    if (!node.find(key)) node.set(key, std::move(value));
}

void default_requests(Node* list) {
    if (!list) return;
    for (auto& request : list->items)
        if (request.is_mapping() && !request.find("count") && !request.find("device_ids")) request.set("count", Node::of_text("all", request.mark));
}

void drop_empty_dns(Node& service) {
    Node* dns = service.find("dns");
    if (!dns || !dns->is_sequence()) return;
    std::erase_if(dns->items, [](auto& item) { return item.is_null() || (item.is_text() && item.text.empty()); });
}
}  // namespace

Result<void> make_canonical(Context& context, Node& model) {
    TRY(Canonizer(context).walk(model, {}));
    if (Node* services = model.find("services"))
        for (auto& member : services->members) drop_empty_dns(member.value);
    return {};
}

void set_defaults(Node& model) {
    Node* services = model.find("services");
    if (!services) return;
    for (auto& [name, mark, service] : services->members) {
        if (Node* build = service.find("build"); build && build->is_mapping()) set_missing(*build, "context", Node::of_text(".", build->mark));
        if (Node* secrets = service.find("secrets"))
            for (auto& secret : secrets->items)
                if (secret.is_mapping()) set_missing(secret, "target", Node::of_text("/run/secrets/" + secret.text_at("source"), secret.mark));
        if (Node* ports = service.find("ports"))
            for (auto& port : ports->items)
                if (port.is_mapping()) {
                    set_missing(port, "protocol", Node::of_text("tcp", port.mark));
                    set_missing(port, "mode", Node::of_text("ingress", port.mark));
                }
        Node* below = service.find("deploy");
        for (auto* key : {"resources", "reservations", "devices"}) below = below ? below->find(key) : nullptr;
        default_requests(below);
        default_requests(service.find("gpus"));
    }
}

}  // namespace proa::compose
