#include "codec/yaml/parse.h"

#include <yaml.h>

#include <map>
#include <optional>

#include "base/text.h"
#include "codec/yaml/scalar.h"

namespace proa::yaml {

namespace {
constexpr int kMaximumDepth = 200;
constexpr size_t kMaximumAliasNodes = 200'000;
constexpr std::string_view kCoreTag = "tag:yaml.org,2002:";

/// One event of libyaml, released with it.
class Event {
public:
    Event() = default;
    ~Event() {
        if (filled_) yaml_event_delete(&event_);
    }
    Event(const Event&) = delete;
    bool next(yaml_parser_t& parser) {
        if (std::exchange(filled_, false)) yaml_event_delete(&event_);
        filled_ = yaml_parser_parse(&parser, &event_) != 0;
        return filled_;
    }
    const yaml_event_t& operator*() const { return event_; }
    const yaml_event_t* operator->() const { return &event_; }

private:
    yaml_event_t event_{};
    bool filled_ = false;
};

std::string_view view(const yaml_char_t* text) { return text ? std::string_view(reinterpret_cast<const char*>(text)) : std::string_view(); }

size_t count_nodes(const Node& node) {
    size_t count = 1;
    for (auto& item : node.items) count += count_nodes(item);
    for (auto& member : node.members) count += count_nodes(member.value);
    return count;
}

/// A node and how many nodes it holds.
struct Anchor {
    Node node;
    size_t size = 0;
    bool complete = false;
};

class Builder {
public:
    Builder(std::string_view text, int source) : source_(source) {
        yaml_parser_initialize(&parser_);
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    }
    ~Builder() { yaml_parser_delete(&parser_); }

    Result<std::vector<Node>> documents() {
        std::vector<Node> all;
        for (;;) {
            TRY(advance());
            if (event_->type == YAML_STREAM_START_EVENT || event_->type == YAML_DOCUMENT_END_EVENT) continue;
            if (event_->type == YAML_STREAM_END_EVENT) break;
            anchors_.clear();
            duplicates_.clear();
            TRY(advance());
            all.push_back(TRY(node(0, "")));
            if (!duplicates_.empty()) return fail(ErrorKind::InvalidArgument, "yaml: unmarshal errors:" + duplicates_);
            if (!bad_key_.empty()) return fail(ErrorKind::InvalidArgument, bad_key_);
        }
        return all;
    }
    Mark failed_at() const { return failed_at_; }

private:
    Mark mark() const { return {static_cast<int>(event_->start_mark.line) + 1, static_cast<int>(event_->start_mark.column) + 1, source_}; }

    Unexpected broken(Mark at, std::string text) {
        failed_at_ = at;
        return fail(ErrorKind::InvalidArgument, "yaml: " + std::move(text));
    }
    void note(Mark at) {
        if (failed_at_.line == 0) failed_at_ = at;
    }

    /// yaml.v3's rule for the line: of the context where there is one, counted from 0 unless the scanner failed.
    Result<void> advance() {
        if (event_.next(parser_)) return {};
        size_t line = parser_.context_mark.line != 0 ? parser_.context_mark.line : parser_.problem_mark.line;
        if (line != 0 && parser_.error == YAML_SCANNER_ERROR) ++line;
        Mark at{static_cast<int>(parser_.problem_mark.line) + 1, static_cast<int>(parser_.problem_mark.column) + 1, source_};
        std::string problem = parser_.problem ? parser_.problem : "unknown problem parsing YAML content";
        return broken(at, concat(line != 0 ? concat("line ", line, ": ") : "", problem));
    }

    Result<Node> node(int depth, const std::string& path) {
        if (depth > kMaximumDepth) return broken(mark(), "exceeded max depth of 200");
        switch (event_->type) {
            case YAML_ALIAS_EVENT: return alias();
            case YAML_SCALAR_EVENT: return anchored(event_->data.scalar.anchor, [&] { return scalar(); });
            case YAML_SEQUENCE_START_EVENT: return anchored(event_->data.sequence_start.anchor, [&] { return sequence(depth, path); });
            case YAML_MAPPING_START_EVENT: return anchored(event_->data.mapping_start.anchor, [&] { return mapping(depth, path); });
            default: return broken(mark(), "unexpected event");
        }
    }

    template <class Build>
    Result<Node> anchored(const yaml_char_t* anchor, Build build) {
        if (!anchor) return build();
        std::string name(view(anchor));
        anchors_[name] = Anchor{};
        Node made = TRY(build());
        size_t size = count_nodes(made);
        anchors_[name] = Anchor{made, size, true};
        return made;
    }

    Result<Node> alias() {
        std::string name(view(event_->data.alias.anchor));
        auto found = anchors_.find(name);
        if (found == anchors_.end()) return broken(mark(), concat("unknown anchor '", name, "' referenced"));
        if (!found->second.complete) return broken(mark(), concat("anchor '", name, "' value contains itself"));
        alias_nodes_ += found->second.size;
        if (alias_nodes_ > kMaximumAliasNodes) return broken(mark(), "document contains excessive aliasing");
        return found->second.node;
    }

    Result<Node> scalar() {
        auto& data = event_->data.scalar;
        std::string_view text(reinterpret_cast<const char*>(data.value), data.length);
        std::string_view tag = view(data.tag);
        Mark at = mark();
        if (tag.starts_with(kCoreTag)) {
            auto type = tag.substr(kCoreTag.size());
            if (type == "str" || type == "timestamp") return Node::of_text(std::string(text), at);
            if (type == "binary") {
                auto bytes = from_base64(replace_all(replace_all(text, "\n", ""), " ", ""));
                if (!bytes) return broken(at, "!!binary value contains invalid base64 data");
                return Node::of_text(*bytes, at);
            }
            Node made = resolve_plain(text, at);
            if (type == "float" && made.kind == Kind::Integer) return Node::of_float(static_cast<double>(made.integer), at);
            bool fits = (type == "null" && made.is_null()) || (type == "bool" && made.kind == Kind::Bool) || (type == "int" && made.kind == Kind::Integer) ||
                        (type == "float" && made.kind == Kind::Float);
            if (!fits) return broken(at, concat("cannot decode !!", made.is_text() ? "str" : "value", " `", text, "` as a !!", type));
            return made;
        }
        bool plain = data.style == YAML_PLAIN_SCALAR_STYLE && data.plain_implicit;
        Node made = plain || (tag == "!reset" || tag == "!override") ? resolve_plain(text, at) : Node::of_text(std::string(text), at);
        if (!tag.empty() && tag != "!") made.tag = tag;
        return made;
    }

    static std::string own_tag(const yaml_char_t* tag) {
        auto text = view(tag);
        return text.starts_with(kCoreTag) ? "" : std::string(text);
    }

    Result<Node> sequence(int depth, const std::string& path) {
        Node made = Node::sequence(mark());
        made.tag = own_tag(event_->data.sequence_start.tag);
        for (;;) {
            TRY(advance());
            if (event_->type == YAML_SEQUENCE_END_EVENT) return made;
            made.items.push_back(TRY(node(depth + 1, concat(path, '[', made.items.size(), ']'))));
        }
    }

    Result<Node> mapping(int depth, const std::string& path) {
        Node made = Node::mapping(mark());
        made.tag = own_tag(event_->data.mapping_start.tag);
        std::vector<Node> merges;
        for (;;) {
            TRY(advance());
            if (event_->type == YAML_MAPPING_END_EVENT) break;
            Mark at = mark();
            bool merge = event_->type == YAML_SCALAR_EVENT && event_->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && view(event_->data.scalar.value) == "<<";
            Node key = TRY(node(depth + 1, path));
            std::string name = key.kind == Kind::Sequence || key.kind == Kind::Mapping ? "" : key.text;
            std::string below = path.empty() ? name : concat(path, '.', name);
            TRY(advance());
            Node value = TRY(node(depth + 1, merge ? path : below));
            if (merge) {
                merges.push_back(std::move(value));
                continue;
            }
            if (!key.is_text()) {
                if (bad_key_.empty()) {
                    note(at);
                    bad_key_ = concat("Non-string key ", path.empty() ? "at top level" : concat("in ", path), ": ", key.scalar_text());
                }
                continue;
            }
            add_member(made, std::move(key), at, std::move(value));
        }
        for (auto& merge : merges) TRY(merge_into(made, std::move(merge)));
        return made;
    }

    void add_member(Node& mapping, Node key, Mark at, Node value) {
        for (auto& member : mapping.members)
            if (member.key == key.text) {
                note(at);
                duplicates_ += concat("\n  line ", at.line, ": mapping key ", quote(key.text), " already defined at line ", member.key_mark.line);
                return;
            }
        mapping.members.push_back({std::move(key.text), at, std::move(value)});
    }

    /// Members that are there already stay.
    Result<void> merge_into(Node& mapping, Node merge) {
        if (merge.is_mapping()) {
            for (auto& member : merge.members)
                if (!mapping.find(member.key)) mapping.members.push_back(std::move(member));
            return {};
        }
        if (!merge.is_sequence()) return broken(merge.mark, "map merge requires map or sequence of maps as the value");
        for (auto& item : merge.items) {
            if (!item.is_mapping()) return broken(item.mark, "map merge requires map or sequence of maps as the value");
            TRY(merge_into(mapping, std::move(item)));
        }
        return {};
    }

    yaml_parser_t parser_{};
    Event event_;
    int source_;
    std::map<std::string, Anchor> anchors_;
    size_t alias_nodes_ = 0;
    std::string duplicates_, bad_key_;
    Mark failed_at_;
};
}  // namespace

Result<std::vector<Node>> parse(std::string_view text, int source, Mark* at) {
    Builder builder(text, source);
    auto documents = builder.documents();
    if (!documents && at) *at = builder.failed_at();
    return documents;
}

}  // namespace proa::yaml
