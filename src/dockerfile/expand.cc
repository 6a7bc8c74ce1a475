#include "dockerfile/expand.h"

#include "base/text.h"

namespace proa::dockerfile {

namespace {

constexpr int kDepthMax = 64;

/// A shell pattern of `*`, `?` and escaped characters against a whole text.
bool glob_matches(std::string_view pattern, std::string_view text) {
    size_t p = 0, t = 0, star = std::string_view::npos, star_text = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            star_text = t;
            continue;
        }
        size_t width = p + 1 < pattern.size() && pattern[p] == '\\' ? 2 : 1;
        bool fits = p < pattern.size() && (pattern[p] == '?' || pattern[p + width - 1] == text[t]);
        if (fits) {
            p += width;
            t++;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++star_text;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') p++;
    return p == pattern.size();
}

std::string trim_matching(std::string_view value, std::string_view pattern, bool prefix, bool greedy) {
    for (size_t i = 0; i <= value.size(); i++) {
        size_t length = greedy ? value.size() - i : i;
        auto piece = prefix ? value.substr(0, length) : value.substr(value.size() - length);
        if (glob_matches(pattern, piece)) return std::string(prefix ? value.substr(length) : value.substr(0, value.size() - length));
    }
    return std::string(value);
}

std::string replace_matching(std::string_view value, std::string_view pattern, std::string_view replacement, bool all) {
    std::string out;
    size_t at = 0;
    while (at < value.size()) {
        size_t length = value.size() - at;
        while (length > 0 && !glob_matches(pattern, value.substr(at, length))) length--;
        if (length == 0) {
            out.push_back(value[at++]);
            continue;
        }
        out += replacement;
        at += length;
        if (!all) break;
    }
    out += value.substr(at);
    return out;
}

class Expander {
public:
    Expander(std::string_view text, const Lookup& lookup, char escape, bool keep_quotes = false)
        : text_(text), lookup_(lookup), escape_(escape), keep_quotes_(keep_quotes) {}

    Result<std::string> run() { return until(0, false, 0); }
    std::vector<std::string> words() {
        end_word();
        return std::move(words_);
    }

private:
    bool at_end() const { return at_ >= text_.size(); }
    char peek() const { return at_end() ? '\0' : text_[at_]; }

    static Unexpected bad(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

    // The list of words that expand_words() gives: quoted text never splits.
    void add_plain(std::string_view text) {
        for (char c : text)
            if (c == ' ' || c == '\t' || c == '\n' || c == '\r') end_word();
            else add_kept(std::string_view(&c, 1));
    }
    void add_kept(std::string_view text) {
        if (nested_ > 0) return;
        word_ += text;
        open_ = true;
    }
    void end_word() {
        if (nested_ > 0) return;
        if (open_) words_.push_back(std::exchange(word_, {}));
        open_ = false;
    }

    /// Up to `stop` (which is taken) or the end when `stop` is 0.
    Result<std::string> until(char stop, bool raw_escapes, int depth) {
        if (depth > kDepthMax) return bad("syntax error: too many nested substitutions");
        std::string out;
        while (!at_end()) {
            char c = peek();
            if (stop != 0 && c == stop) {
                at_++;
                return out;
            }
            if (keep_quotes_ && depth == 0 && c != '$') {
                if (c == escape_ && at_ + 1 < text_.size() && text_[at_ + 1] == '$') at_++;
                out.push_back(text_[at_++]);
                continue;
            }
            if (c == '\'') {
                auto piece = TRY(single_quoted());
                out += piece;
                add_kept(piece);
            } else if (c == '"') {
                auto piece = TRY(double_quoted(depth));
                out += piece;
                add_kept(piece);
            } else if (c == '$') {
                auto piece = TRY(dollar(depth));
                out += piece;
                add_plain(piece);
            } else if (c == escape_) {
                at_++;
                if (raw_escapes) out.push_back(c);
                if (at_end()) break;
                out.push_back(text_[at_]);
                add_kept(text_.substr(at_++, 1));
            } else {
                out.push_back(c);
                add_plain(text_.substr(at_++, 1));
            }
        }
        if (stop != 0) return bad(concat("syntax error: missing '", stop, "'"));
        return out;
    }

    Result<std::string> single_quoted() {
        size_t end = text_.find('\'', at_ + 1);
        if (end == text_.npos) return bad("unexpected end of statement while looking for matching single-quote");
        std::string out(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        return out;
    }

    Result<std::string> double_quoted(int depth) {
        std::string out;
        at_++;
        nested_++;
        while (!at_end()) {
            char c = peek();
            if (c == '"') {
                at_++;
                nested_--;
                return out;
            }
            if (c == '$') {
                out += TRY(dollar(depth + 1));
                continue;
            }
            at_++;
            if (c == escape_ && !at_end() && (peek() == '"' || peek() == '$' || peek() == escape_)) c = text_[at_++];
            out.push_back(c);
        }
        return bad("unexpected end of statement while looking for matching double-quote");
    }

    static bool is_special(char c) { return c == '@' || c == '*' || c == '#' || c == '?' || c == '-' || c == '$' || c == '!' || c == '0'; }

    std::string name() {
        size_t start = at_;
        if (!at_end() && isdigit(static_cast<unsigned char>(peek()))) {
            while (!at_end() && isdigit(static_cast<unsigned char>(peek()))) at_++;
        } else if (!at_end() && is_special(peek())) {
            at_++;
        } else {
            while (!at_end() && (isalnum(static_cast<unsigned char>(peek())) || peek() == '_' || (peek() & 0x80))) at_++;
        }
        return std::string(text_.substr(start, at_ - start));
    }

    Result<std::string> dollar(int depth) {
        nested_++;
        auto value = substitution(depth);
        nested_--;
        return value;
    }

    Result<std::string> substitution(int depth) {
        at_++;
        if (peek() != '{') {
            std::string variable = name();
            if (variable.empty()) return std::string("$");
            return lookup_(variable).value_or("");
        }
        at_++;
        if (at_end()) return bad("syntax error: missing '}'");
        if (peek() == '{' || peek() == '}' || peek() == ':') return bad("syntax error: bad substitution");
        std::string variable = name();
        if (at_end()) return bad("unsupported modifier (\xEF\xBF\xBD) in substitution");
        char operation = text_[at_++];
        if (operation == '}') return lookup_(variable).value_or("");
        bool null_is_unset = operation == ':';
        std::string written(1, operation);
        if (null_is_unset) {
            if (at_end()) return bad("syntax error: missing '}'");
            operation = text_[at_++];
            written.push_back(operation);
        }
        if (operation == '/' && !null_is_unset) return replacement(variable, depth);
        bool known = operation == '+' || operation == '-' || operation == '?' || (!null_is_unset && (operation == '#' || operation == '%'));
        if (!known && !null_is_unset) return bad(concat("unsupported modifier (", written, ") in substitution"));
        std::string word = TRY(until('}', operation == '#' || operation == '%', depth + 1));
        if (!known) return bad(concat("unsupported modifier (", written, ") in substitution"));
        return modified(variable, operation, null_is_unset, std::move(word));
    }

    Result<std::string> modified(const std::string& variable, char operation, bool null_is_unset, std::string word) {
        auto value = lookup_(variable);
        bool missing = !value || (null_is_unset && value->empty());
        if (operation == '-') return missing ? word : *value;
        if (operation == '+') return missing ? std::string() : word;
        if (operation == '?') {
            if (!missing) return *value;
            return bad(concat(variable, ": ", word.empty() ? std::string("is not allowed to be unset") : word));
        }
        bool greedy = word.starts_with(operation);
        return trim_matching(value.value_or(""), std::string_view(word).substr(greedy ? 1 : 0), operation == '#', greedy);
    }

    Result<std::string> replacement(const std::string& variable, int depth) {
        bool all = peek() == '/';
        if (all) at_++;
        std::string pattern = TRY(until('/', true, depth + 1));
        std::string with = TRY(until('}', true, depth + 1));
        return replace_matching(lookup_(variable).value_or(""), pattern, with, all);
    }

    std::string_view text_;
    const Lookup& lookup_;
    char escape_;
    bool keep_quotes_;
    size_t at_ = 0;
    int nested_ = 0;  // inside a substitution or double quotes: the outer level adds the result
    std::string word_;
    bool open_ = false;
    std::vector<std::string> words_;
};

}  // namespace

Result<std::string> expand(std::string_view word, const Lookup& lookup, char escape) {
    Expander expander(word, lookup, escape);
    auto done = expander.run();
    if (!done) return fail(std::move(done).error().wrap(concat("failed to process ", quote(word))));
    return done;
}

Result<std::string> expand_heredoc(std::string_view text, const Lookup& lookup, char escape) { return Expander(text, lookup, escape, true).run(); }

Result<std::vector<std::string>> expand_words(std::string_view word, const Lookup& lookup, char escape) {
    Expander expander(word, lookup, escape);
    auto done = expander.run();
    if (!done) return fail(std::move(done).error().wrap(concat("failed to process ", quote(word))));
    return expander.words();
}

}  // namespace proa::dockerfile
