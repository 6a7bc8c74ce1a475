#include "compose/shape.h"

#include <algorithm>

#include "base/text.h"
#include "codec/yaml/to_json.h"

namespace proa::compose {

namespace {
/// One thing that is wrong. The texts and the choice among several are those of the schema library that compose uses.
struct Finding {
    enum class Kind { Type, OneOf, Other } kind;
    std::string field;  ///< "services.a.ports", "(root)"
    std::string text;
    std::string type_text;  ///< of Kind::Type: what it says when it is the main finding
    yaml::Mark mark;
};

struct Outcome {
    std::vector<Finding> findings;
    int score = 0;

    bool valid() const { return findings.empty(); }
    void add(Finding finding) {
        findings.push_back(std::move(finding));
        score -= 2;  // with what the step itself counts, one less
    }
    void merge(Outcome other) {
        for (auto& finding : other.findings) findings.push_back(std::move(finding));
        score += other.score;
    }
};

std::string_view type_name(const yaml::Node& node) {
    switch (node.kind) {
        case yaml::Kind::Null: return "null";
        case yaml::Kind::Bool: return "boolean";
        case yaml::Kind::Integer: return "integer";
        case yaml::Kind::Float: return node.real == static_cast<double>(static_cast<int64_t>(node.real)) ? "integer" : "number";
        case yaml::Kind::Text: return "string";
        case yaml::Kind::Sequence: return "array";
        case yaml::Kind::Mapping: return "object";
    }
    return "";
}

bool has_type(std::string_view types, std::string_view type) {
    for (auto& one : split(types, ','))
        if (one == type || (one == "number" && type == "integer")) return true;
    return false;
}

/// "number,string" for people: "number or string"; objects are mappings, arrays are lists.
std::string people_types(std::string_view types) {
    auto all = split(types, ',');
    for (auto& one : all) one = one == "object" ? "mapping" : one == "array" ? "list" : one;
    std::string last = all.back();
    all.pop_back();
    return all.empty() ? last : concat(join(all, ", "), " or ", last);
}

bool key_matches(Keys keys, std::string_view key) {
    if (keys == Keys::None || key.empty()) return false;
    if (keys == Keys::Any) return true;
    for (char c : key) {
        bool lower = c >= 'a' && c <= 'z';
        if (keys == Keys::LowerCase ? !lower : !(std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-')) return false;
    }
    return true;
}

class Checker {
public:
    Outcome check(const Shape& shape, const yaml::Node& node, const std::string& field) {
        Outcome outcome;
        check_into(outcome, shape, node, field);
        return outcome;
    }

private:
    static std::string shown(const std::string& field) { return field.empty() ? "(root)" : field; }
    static std::string below(const std::string& field, std::string_view key) { return field.empty() ? std::string(key) : concat(field, '.', key); }
    static void say(Outcome& outcome, const std::string& field, yaml::Mark mark, std::string text) {
        outcome.add({Finding::Kind::Other, shown(field), std::move(text), "", mark});
    }

    void check_into(Outcome& outcome, const Shape& shape, const yaml::Node& node, const std::string& field) {
        auto type = type_name(node);
        if (*shape.types && !has_type(shape.types, type)) {
            auto listed = split(shape.types, ',');
            std::string expected = listed.size() > 1 ? concat('[', shape.types, ']') : listed[0];
            outcome.add({Finding::Kind::Type, shown(field), concat("Invalid type. Expected: ", expected, ", given: ", type),
                         concat("must be a ", people_types(shape.types)), node.mark});
            return;
        }
        check_alternatives(outcome, shape, node, field);
        if (node.is_mapping()) check_mapping(outcome, shape, node, field);
        if (node.is_sequence()) check_list(outcome, shape, node, field);
        if (node.is_text()) ++outcome.score;
        if (node.kind == yaml::Kind::Integer || node.kind == yaml::Kind::Float) check_number(outcome, shape, node, field);
        if (!shape.allowed.empty()) check_allowed(outcome, shape, node, field);
        ++outcome.score;
        if (!node.is_mapping()) return;
        for (auto& one : shape.fields)
            if (auto* value = node.find(one.key)) check_into(outcome, *one.shape, *value, below(field, one.key));
    }

    void check_alternatives(Outcome& outcome, const Shape& shape, const yaml::Node& node, const std::string& field) {
        ++outcome.score;
        if (shape.one_of.empty()) return;
        std::optional<Outcome> best;
        int fitting = 0;
        for (auto* alternative : shape.one_of) {
            Outcome tried = check(*alternative, node, field);
            if (tried.valid()) ++fitting;
            else if (fitting == 0 && (!best || tried.score > best->score)) best = std::move(tried);
        }
        if (fitting == 1) return;
        outcome.add({Finding::Kind::OneOf, shown(field), "Must validate one and only one schema (oneOf)", "", node.mark});
        if (fitting == 0 && best) outcome.merge(std::move(*best));
    }

    void check_mapping(Outcome& outcome, const Shape& shape, const yaml::Node& node, const std::string& field) {
        for (auto* key : shape.required) {
            if (node.find(key)) ++outcome.score;
            else say(outcome, field, node.mark, concat(key, " is required"));
        }
        for (auto& member : node.members) {
            bool known = std::any_of(shape.fields.begin(), shape.fields.end(), [&](auto& one) { return one.key == member.key; });
            bool free = key_matches(shape.keys, member.key);
            if (free && shape.values) outcome.merge(check(*shape.values, member.value, below(field, member.key)));
            if (known || free || (shape.extensions && member.key.starts_with("x-")) || !shape.closed) continue;
            say(outcome, field, member.key_mark, concat("Additional property ", member.key, " is not allowed"));
        }
        ++outcome.score;
    }

    void check_list(Outcome& outcome, const Shape& shape, const yaml::Node& node, const std::string& field) {
        if (shape.items)
            for (size_t i = 0; i < node.items.size(); ++i) outcome.merge(check(*shape.items, node.items[i], below(field, concat(i))));
        if (shape.unique)
            for (size_t i = 0; i < node.items.size(); ++i)
                for (size_t j = 0; j < i; ++j)
                    if (node.items[i].same_value(node.items[j])) {
                        say(outcome, field, node.items[i].mark, concat("array items[", j, ',', i, "] must be unique"));
                        j = i;
                    }
        ++outcome.score;
    }

    void check_number(Outcome& outcome, const Shape& shape, const yaml::Node& node, const std::string& field) {
        double value = node.kind == yaml::Kind::Integer ? static_cast<double>(node.integer) : node.real;
        if (shape.minimum && value < *shape.minimum) say(outcome, field, node.mark, concat("Must be greater than or equal to ", *shape.minimum));
        if (shape.maximum && value > *shape.maximum) say(outcome, field, node.mark, concat("Must be less than or equal to ", *shape.maximum));
        ++outcome.score;
    }

    void check_allowed(Outcome& outcome, const Shape& shape, const yaml::Node& node, const std::string& field) {
        std::string all;
        for (auto* word : shape.allowed) {
            if (node.is_text() && node.text == word) return;
            all += concat(all.empty() ? "" : ", ", '"', word, '"');
        }
        say(outcome, field, node.mark, concat(shown(field), " must be one of the following: ", all));
    }
};

size_t depth(const Finding& finding) { return split(finding.field, '.').size(); }

/// The deepest; among equals a wrong type, else the first.
size_t most_specific(const std::vector<Finding>& findings) {
    size_t best = 0;
    for (size_t i = 1; i < findings.size(); ++i) {
        bool deeper = depth(findings[i]) > depth(findings[best]);
        bool more_telling =
            depth(findings[i]) == depth(findings[best]) && findings[i].kind == Finding::Kind::Type && findings[best].kind != Finding::Kind::Type;
        if (deeper || more_telling) best = i;
    }
    return best;
}
}  // namespace

Result<void> validate(const Context& context, const yaml::Node& model, const std::string& file) {
    Outcome outcome = Checker().check(kProjectShape, model, "");
    if (outcome.valid()) return {};
    size_t which = most_specific(outcome.findings);
    auto& finding = outcome.findings[which];
    std::string text = finding.kind == Finding::Kind::Type ? finding.type_text : finding.text;
    if (finding.kind == Finding::Kind::OneOf && which + 1 < outcome.findings.size()) text = outcome.findings[which + 1].text;
    return context.fail_at(finding.mark, concat("validating ", file, ": ", finding.field, ' ', text));
}

}  // namespace proa::compose
