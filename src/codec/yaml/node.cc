#include "codec/yaml/node.h"

#include <charconv>
#include <cmath>

#include "base/text.h"

namespace proa::yaml {

namespace {
Node make(Kind kind, Mark mark) {
    Node node;
    node.kind = kind;
    node.mark = mark;
    return node;
}
}  // namespace

Node Node::of_text(std::string text, Mark mark) {
    Node node = make(Kind::Text, mark);
    node.text = std::move(text);
    return node;
}

Node Node::of_bool(bool value, Mark mark) {
    Node node = make(Kind::Bool, mark);
    node.boolean = value;
    node.text = value ? "true" : "false";
    return node;
}

Node Node::of_integer(int64_t value, Mark mark) {
    Node node = make(Kind::Integer, mark);
    node.integer = value;
    node.text = concat(value);
    return node;
}

Node Node::of_float(double value, Mark mark) {
    Node node = make(Kind::Float, mark);
    node.real = value;
    node.text = float_text(value);
    return node;
}

Node Node::mapping(Mark mark) { return make(Kind::Mapping, mark); }
Node Node::sequence(Mark mark) { return make(Kind::Sequence, mark); }

Node* Node::find(std::string_view key) {
    for (auto& member : members)
        if (member.key == key) return &member.value;
    return nullptr;
}

const Node* Node::find(std::string_view key) const { return const_cast<Node*>(this)->find(key); }

std::string Node::text_at(std::string_view key) const {
    auto* found = find(key);
    return found && found->is_text() ? found->text : "";
}

Node& Node::set(std::string_view key, Node value) {
    if (auto* found = find(key)) {
        *found = std::move(value);
        return *found;
    }
    Mark mark = value.mark;
    members.push_back({std::string(key), mark, std::move(value)});
    return members.back().value;
}

bool Node::erase(std::string_view key) {
    for (auto it = members.begin(); it != members.end(); ++it)
        if (it->key == key) {
            members.erase(it);
            return true;
        }
    return false;
}

bool Node::same_value(const Node& other) const {
    if (kind != other.kind) return false;
    switch (kind) {
        case Kind::Null: return true;
        case Kind::Bool: return boolean == other.boolean;
        case Kind::Integer: return integer == other.integer;
        case Kind::Float: return real == other.real;
        case Kind::Text: return text == other.text;
        case Kind::Sequence: break;
        case Kind::Mapping:
            if (members.size() != other.members.size()) return false;
            for (auto& member : members) {
                auto* same = other.find(member.key);
                if (!same || !member.value.same_value(*same)) return false;
            }
            return true;
    }
    if (items.size() != other.items.size()) return false;
    for (size_t i = 0; i < items.size(); ++i)
        if (!items[i].same_value(other.items[i])) return false;
    return true;
}

std::string Node::scalar_text() const {
    switch (kind) {
        case Kind::Null: return "<nil>";
        case Kind::Bool: return boolean ? "true" : "false";
        case Kind::Integer: return concat(integer);
        case Kind::Float: return float_text(real);
        default: return text;
    }
}

std::string float_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    char buffer[400];
    // Go's shortest form: plain digits for exponents from -4 to 5, else one digit before the point.
    auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
    std::string_view scientific(buffer, static_cast<size_t>(end - buffer));
    int exponent = static_cast<int>(parse_int(trim_prefix(scientific.substr(scientific.find('e') + 1), "+")).value_or(0));
    if (exponent < -4 || exponent >= 6) return std::string(scientific);
    end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    return std::string(buffer, static_cast<size_t>(end - buffer));
}

}  // namespace proa::yaml
