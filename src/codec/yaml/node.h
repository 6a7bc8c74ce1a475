#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proa::yaml {

enum class Kind { Null, Bool, Integer, Float, Text, Sequence, Mapping };

/// Where a node stands: lines and columns count from 1; line 0 is nowhere. `source` is the caller's number of the text.
struct Mark {
    int line = 0, column = 0, source = 0;
};

/// One value of a document, anchors and merge keys already resolved. A tree of values: copies are deep.
struct Node {
    struct Member;

    Kind kind = Kind::Null;
    bool boolean = false;
    int64_t integer = 0;
    double real = 0;
    std::string text;  ///< Text: the value; other scalars: as written
    std::vector<Node> items;
    std::vector<Member> members;  ///< in the order of the document, keys unique
    std::string tag;              ///< "!reset", "!override" and other tags of the application; "" for YAML's own
    Mark mark;

    static Node of_text(std::string text, Mark mark = {});
    static Node of_bool(bool value, Mark mark = {});
    static Node of_integer(int64_t value, Mark mark = {});
    static Node of_float(double value, Mark mark = {});
    static Node mapping(Mark mark = {});
    static Node sequence(Mark mark = {});

    bool is_null() const { return kind == Kind::Null; }
    bool is_text() const { return kind == Kind::Text; }
    bool is_mapping() const { return kind == Kind::Mapping; }
    bool is_sequence() const { return kind == Kind::Sequence; }

    /// The member of this key; nullptr when there is none or this is no mapping.
    Node* find(std::string_view key);
    const Node* find(std::string_view key) const;
    /// Text of the member of this key; "" when there is none or it is no text.
    std::string text_at(std::string_view key) const;
    /// Replaces or appends.
    Node& set(std::string_view key, Node value);
    bool erase(std::string_view key);

    /// Equal values, wherever they stand and in whatever order their members do.
    bool same_value(const Node& other) const;
    /// A scalar as Go's fmt.Sprint shows it: "1000" for 1e3, "<nil>" for null.
    std::string scalar_text() const;
};

struct Node::Member {
    std::string key;
    Mark key_mark;
    Node value;
};

/// Go's %v of a float64.
std::string float_text(double value);

}  // namespace proa::yaml
