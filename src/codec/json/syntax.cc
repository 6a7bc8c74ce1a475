#include "codec/json/syntax.h"

#include <vector>

#include "base/text.h"

namespace proa::json {

namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// One character in single quotes, as Go's scanner prints it: bytes above 0x7f stand for the Latin-1 character.
std::string quote_character(char c) {
    if (c == '\'') return "'\\''";
    if (c == '"') return "'\"'";
    auto byte = static_cast<unsigned char>(c);
    std::string utf8 = byte < 0x80 ? std::string(1, c) : std::string{static_cast<char>(0xc0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3f))};
    std::string quoted = quote(utf8);
    return concat('\'', std::string_view(quoted).substr(1, quoted.size() - 2), '\'');
}

/// Walks over one text without building anything. Reads a space behind the end, as Go does, so that "nul" is a bad literal.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::string run() {
        if (!value()) return problem_;
        skip_spaces();
        if (at_end()) return "";
        bad("after top-level value");
        return problem_;
    }

private:
    std::string_view text_;
    size_t at_ = 0;
    std::string problem_;

    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? ' ' : text_[at_]; }
    void skip_spaces() {
        while (!at_end() && is_space(text_[at_])) at_++;
    }
    bool bad(std::string_view where) {
        problem_ = concat("invalid character ", quote_character(peek()), ' ', where);
        return false;
    }
    bool cut_short() {
        problem_ = "unexpected end of JSON input";
        return false;
    }

    bool literal(std::string_view word) {
        for (size_t i = 0; i < word.size(); i++, at_++)
            if (peek() != word[i]) return bad(concat("in literal ", word, " (expecting '", word[i], "')"));
        return true;
    }

    bool string() {
        for (at_++; !at_end(); at_++) {
            char c = text_[at_];
            if (c == '"') {
                at_++;
                return true;
            }
            if (static_cast<unsigned char>(c) < 0x20) return bad("in string literal");
            if (c != '\\') continue;
            if (++at_; at_end()) break;
            if (std::string_view("\"\\/bfnrt").find(peek()) != std::string_view::npos) continue;
            if (peek() != 'u') return bad("in string escape code");
            for (int i = 0; i < 4; i++) {
                if (++at_; at_end()) return bad("in \\u hexadecimal character escape");
                if (!is_hex(peek())) return bad("in \\u hexadecimal character escape");
            }
        }
        return cut_short();
    }

    bool digits(std::string_view where) {
        if (!is_digit(peek())) return bad(where);
        while (is_digit(peek())) at_++;
        return true;
    }

    bool number() {
        if (peek() == '-') at_++;
        if (peek() == '0') at_++;
        else if (!digits("in numeric literal")) return false;
        if (peek() == '.') {
            at_++;
            if (!digits("after decimal point in numeric literal")) return false;
        }
        if (peek() != 'e' && peek() != 'E') return true;
        at_++;
        if (peek() == '+' || peek() == '-') at_++;
        return digits("in exponent of numeric literal");
    }

    bool scalar() {
        char c = peek();
        if (c == '"') return string();
        if (c == '-' || is_digit(c)) return number();
        if (c == 't') return literal("true");
        if (c == 'f') return literal("false");
        if (c == 'n') return literal("null");
        return bad("looking for beginning of value");
    }

    bool key() {
        skip_spaces();
        if (at_end()) return cut_short();
        if (peek() != '"') return bad("looking for beginning of object key string");
        if (!string()) return false;
        skip_spaces();
        if (at_end()) return cut_short();
        if (peek() != ':') return bad("after object key");
        at_++;
        return true;
    }

    /// One value of any depth; `open` holds the brackets around the place we are at, so that no text overflows the stack.
    bool value() {
        std::vector<char> open;
        for (;;) {
            skip_spaces();
            if (at_end()) return cut_short();
            if (peek() == '{' || peek() == '[') {
                char bracket = text_[at_++];
                skip_spaces();
                if (!at_end() && peek() == (bracket == '{' ? '}' : ']')) {
                    at_++;
                } else {
                    open.push_back(bracket);
                    if (bracket == '{' && !key()) return false;
                    continue;
                }
            } else if (!scalar()) {
                return false;
            }
            if (!close(open)) return false;
            if (open.empty()) return true;
        }
    }

    /// After a value: closes what ends here and steps over the comma; an empty `open` means that the text's value is complete.
    bool close(std::vector<char>& open) {
        while (!open.empty()) {
            skip_spaces();
            if (at_end()) return cut_short();
            bool object = open.back() == '{';
            if (peek() == ',') {
                at_++;
                return !object || key();
            }
            if (peek() != (object ? '}' : ']')) return bad(object ? "after object key:value pair" : "after array element");
            at_++;
            open.pop_back();
        }
        return true;
    }
};

}  // namespace

std::string syntax_error(std::string_view text) { return Scanner(text).run(); }

}  // namespace proa::json
