#include "codec/yaml/print.h"

#include <algorithm>

#include "base/text.h"
#include "codec/yaml/node.h"
#include "codec/yaml/scalar.h"

namespace proa::yaml {

namespace {
/// One character of valid UTF-8.
struct Character {
    uint32_t code;
    size_t length;
};
Character character_at(std::string_view text, size_t at) {
    auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
    unsigned char first = byte(0);
    if (first < 0x80) return {first, 1};
    if (first < 0xe0 && at + 1 < text.size()) return {(first & 0x1fu) << 6 | (byte(1) & 0x3fu), 2};
    if (first < 0xf0 && at + 2 < text.size()) return {(first & 0x0fu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu), 3};
    if (at + 3 < text.size()) return {(first & 0x07u) << 18 | (byte(1) & 0x3fu) << 12 | (byte(2) & 0x3fu) << 6 | (byte(3) & 0x3fu), 4};
    return {0xfffd, 1};
}

bool is_break(uint32_t code) { return code == '\n' || code == '\r' || code == 0x85 || code == 0x2028 || code == 0x2029; }
bool is_blank(uint32_t code) { return code == ' ' || code == '\t'; }
/// What yaml.v3 writes as it is; characters above U+FFFF it escapes.
bool is_printable(uint32_t code) {
    return code == '\n' || (code >= 0x20 && code <= 0x7e) || (code >= 0xa0 && code <= 0xd7ff) || (code >= 0xe000 && code <= 0xfffd && code != 0xfeff);
}

/// In which styles a text can stand.
struct Styles {
    bool plain = true, single_quoted = true, literal = true;
    bool multiline = false;
};

/// Indicators that end a plain text, at its start or inside.
bool is_indicator(uint32_t code, bool first, bool blank_before, bool blank_after) {
    if (first) {
        if (code < 0x80 && std::string_view("#,[]{}&*!|>'\"%@`").find(static_cast<char>(code)) != std::string_view::npos) return true;
        return (code == '?' || code == ':' || code == '-') && blank_after;
    }
    return (code == ':' && blank_after) || (code == '#' && blank_before);
}

Styles analyze(std::string_view text) {
    Styles styles;
    if (text.empty()) return {.literal = false};
    bool indicators = text.starts_with("---") || text.starts_with("...");
    bool special = false, tabs = false, space_break = false, break_space = false, edges = false, trailing_space = false;
    bool previous_space = false, previous_break = false, blank_before = true;
    for (size_t at = 0; at < text.size();) {
        auto [code, length] = character_at(text, at);
        size_t next = at + length;
        uint32_t after = next < text.size() ? character_at(text, next).code : ' ';
        if (is_indicator(code, at == 0, blank_before, is_blank(after))) indicators = true;
        if (code == '\t') tabs = true;
        else if (!is_printable(code)) special = true;
        if (code == ' ') {
            if (at == 0 || next == text.size()) edges = true;
            if (next == text.size()) trailing_space = true;
            if (previous_break) break_space = true;
            previous_space = true, previous_break = false;
        } else if (is_break(code)) {
            styles.multiline = true;
            if (at == 0 || next == text.size()) edges = true;
            if (previous_space) space_break = true;
            previous_space = false, previous_break = true;
        } else {
            previous_space = previous_break = false;
        }
        blank_before = is_blank(code) || is_break(code);
        at = next;
    }
    bool unquotable = break_space || space_break || tabs || special;
    styles.plain = !edges && !unquotable && !styles.multiline && !indicators;
    styles.single_quoted = !unquotable;
    styles.literal = !trailing_space && !space_break && !special;
    return styles;
}

void append_escaped(std::string& out, uint32_t code, std::string_view bytes) {
    static constexpr std::pair<uint32_t, char> kShort[] = {{0, '0'},     {7, 'a'},    {8, 'b'},    {9, 't'},      {10, 'n'},
                                                           {11, 'v'},    {12, 'f'},   {13, 'r'},   {27, 'e'},     {'"', '"'},
                                                           {'\\', '\\'}, {0x85, 'N'}, {0xa0, '_'}, {0x2028, 'L'}, {0x2029, 'P'}};
    if (is_printable(code) && !is_break(code) && code != '"' && code != '\\') {
        out += bytes;
        return;
    }
    out.push_back('\\');
    for (auto& [which, letter] : kShort)
        if (which == code) {
            out.push_back(letter);
            return;
        }
    int digits = code <= 0xff ? 2 : code <= 0xffff ? 4 : 8;
    out.push_back(digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out.push_back("0123456789ABCDEF"[code >> shift & 15]);
}

std::string double_quoted(std::string_view text) {
    std::string out = "\"";
    for (size_t at = 0; at < text.size();) {
        auto [code, length] = character_at(text, at);
        append_escaped(out, code, text.substr(at, length));
        at += length;
    }
    return out + "\"";
}

std::string literal(std::string_view text, size_t indent) {
    std::string out = "|";
    if (text[0] == ' ' || text[0] == '\n') out += "2";
    if (text.back() != '\n') out += "-";
    else if (text.size() == 1 || text[text.size() - 2] == '\n') out += "+";
    bool ended = text.back() == '\n';
    if (text[0] == '\n' && text.size() > 1) text.remove_prefix(1);  // as yaml.v3 does: the first empty line is lost
    for (auto& line : split(ended ? text.substr(0, text.size() - 1) : text, '\n')) {
        out.push_back('\n');
        if (!line.empty()) out += std::string(indent, ' ') + line;
    }
    return out;
}

std::string text_form(const std::string& raw, size_t indent, bool key) {
    std::string text = to_valid_utf8(raw);
    Styles styles = analyze(text);
    if (text.find('\n') != std::string::npos) return styles.literal && !key ? literal(text, indent) : double_quoted(text);
    if (needs_quotes(text)) return double_quoted(text);
    if (styles.plain && !(key && styles.multiline)) return text;
    return styles.single_quoted && !(key && styles.multiline) ? concat('\'', replace_all(text, "'", "''"), '\'') : double_quoted(text);
}

class Printer {
public:
    std::string out;

    /// Behind "key:" or "-", or at the start of the document.
    void value(const json::Value& value, size_t indent, bool in_sequence) {
        if (value.is_object() && !value.as_object().empty()) return mapping(value.as_object(), indent, in_sequence);
        if (value.is_array() && !value.as_array().empty()) return sequence(value.as_array(), indent, in_sequence);
        if (!out.empty()) out.push_back(' ');
        if (value.is_object()) out += "{}";
        else if (value.is_array()) out += "[]";
        else if (value.is_string()) out += text_form(value.as_string(), std::max<size_t>(indent, 2), false);  // a block is indented at the root too
        else if (value.is_double()) out += float_text(value.as_double());
        else out += json::print(value);
        out.push_back('\n');
    }

private:
    void mapping(const json::Object& object, size_t indent, bool in_sequence) {
        bool first = true;
        if (!in_sequence && !out.empty()) out.push_back('\n');
        for (auto& member : object) {
            if (in_sequence && std::exchange(first, false)) out.push_back(' ');
            else out += std::string(indent, ' ');
            std::string key = text_form(member.name, indent, true);
            // A longer key may stand before a colon only when it is marked.
            out += member.name.size() > 128 ? concat("? ", key, "\n", std::string(indent, ' '), ":") : key + ":";
            value(member.value, indent + 2, false);
        }
    }
    void sequence(const json::Array& array, size_t indent, bool in_sequence) {
        bool first = true;
        if (!in_sequence && !out.empty()) out.push_back('\n');
        for (auto& item : array) {
            if (in_sequence && std::exchange(first, false)) out.push_back(' ');
            else out += std::string(indent, ' ');
            out.push_back('-');
            value(item, indent + 2, true);
        }
    }
};
}  // namespace

std::string print(const json::Value& value) {
    Printer printer;
    printer.value(value, 0, false);
    return std::move(printer.out);
}

}  // namespace proa::yaml
