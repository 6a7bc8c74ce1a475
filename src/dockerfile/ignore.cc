#include "dockerfile/ignore.h"

#include "base/text.h"

namespace proa::dockerfile {

namespace {

Unexpected bad_pattern() { return fail(ErrorKind::InvalidArgument, "syntax error in pattern"); }

/// Go's filepath.Clean.
std::string cleaned(std::string_view path) {
    bool rooted = path.starts_with('/');
    std::vector<std::string> kept;
    for (auto& part : split_nonempty(path, '/')) {
        if (part == ".") continue;
        if (part != "..") kept.push_back(part);
        else if (!kept.empty() && kept.back() != "..") kept.pop_back();
        else if (!rooted) kept.push_back(part);
    }
    std::string out = concat(rooted ? "/" : "", join(kept, "/"));
    return out.empty() ? "." : out;
}

/// One `[...]` of filepath.Match from behind the bracket; the text between the brackets.
Result<std::string> take_class(std::string_view pattern, size_t& at) {
    size_t start = at;
    if (at < pattern.size() && pattern[at] == '^') at++;
    for (int ranges = 0;; ranges++) {
        if (at >= pattern.size()) return bad_pattern();
        if (pattern[at] == ']' && ranges > 0) break;
        for (int end = 0; end < 2; end++) {
            if (at >= pattern.size() || pattern[at] == '-' || pattern[at] == ']') return bad_pattern();
            if (pattern[at] == '\\' && ++at >= pattern.size()) return bad_pattern();
            at++;
            if (at >= pattern.size()) return bad_pattern();
            if (end == 0 && pattern[at] != '-') break;
            if (end == 0) at++;
        }
    }
    return std::string(pattern.substr(start, at++ - start));
}

}  // namespace

bool IgnorePatterns::class_has(std::string_view set, unsigned char c) {
    bool negated = set.starts_with('^');
    if (negated) set.remove_prefix(1);
    bool found = false;
    size_t at = 0;
    auto take = [&] {
        if (set[at] == '\\' && at + 1 < set.size()) at++;
        return static_cast<unsigned char>(set[at++]);
    };
    while (at < set.size()) {
        unsigned char low = take(), high = low;
        if (at + 1 < set.size() && set[at] == '-') {
            at++;
            high = take();
        }
        if (low <= c && c <= high) found = true;
    }
    return found != negated;
}

Result<IgnorePatterns::Pattern> IgnorePatterns::compile(std::string text) {
    Pattern pattern;
    if (text.starts_with('!')) {
        if (text.size() == 1) return fail(ErrorKind::InvalidArgument, "illegal exclusion pattern: \"!\"");
        pattern.negated = true;
        text.erase(0, 1);
    }
    pattern.text = text;
    auto& tokens = pattern.tokens;
    for (size_t at = 0; at < text.size();) {
        char c = text[at++];
        if (c == '*' && at < text.size() && text[at] == '*') {
            at++;
            if (at < text.size() && text[at] == '/') at++;
            tokens.push_back({at >= text.size() ? Piece::Rest : Piece::Directories});
        } else if (c == '*') {
            tokens.push_back({Piece::Star});
        } else if (c == '?') {
            tokens.push_back({Piece::Any});
        } else if (c == '[') {
            tokens.push_back({Piece::Class, 0, TRY(take_class(text, at))});
        } else if (c == '\\') {
            if (at >= text.size()) return bad_pattern();
            tokens.push_back({Piece::Literal, text[at++]});
        } else {
            tokens.push_back({Piece::Literal, c});
        }
    }
    return pattern;
}

bool IgnorePatterns::matches_from(const std::vector<Token>& tokens, size_t token, std::string_view path, size_t at, int& budget) {
    for (; token < tokens.size(); token++) {
        if (--budget < 0) return false;
        auto& now = tokens[token];
        switch (now.piece) {
            case Piece::Literal:
                if (at >= path.size() || path[at++] != now.literal) return false;
                break;
            case Piece::Any:
                if (at >= path.size() || path[at] == '/') return false;
                do at++;
                while (at < path.size() && (path[at] & 0xC0) == 0x80);  // one character of UTF-8
                break;
            case Piece::Class:
                if (at >= path.size() || path[at] == '/' || !class_has(now.set, static_cast<unsigned char>(path[at]))) return false;
                at++;
                break;
            case Piece::Rest: return true;
            case Piece::Star:
                for (size_t end = at;; end++) {
                    if (matches_from(tokens, token + 1, path, end, budget)) return true;
                    if (end >= path.size() || path[end] == '/') return false;
                }
            case Piece::Directories:
                if (matches_from(tokens, token + 1, path, at, budget)) return true;
                for (size_t end = at; end < path.size(); end++)
                    if (path[end] == '/' && matches_from(tokens, token + 1, path, end + 1, budget)) return true;
                return false;
        }
    }
    return at == path.size();
}

bool IgnorePatterns::matches(const Pattern& pattern, std::string_view path) {
    int budget = 200000;  // patterns such as *a*a*a*a*b against long names end here
    return matches_from(pattern.tokens, 0, path, 0, budget);
}

Result<bool> match_path(std::string_view pattern, std::string_view path) {
    // `**` is nothing special to filepath.Match, and neither is `!`.
    std::string single;
    for (char c : pattern)
        if (c != '*' || !single.ends_with('*') || single.ends_with("\\*")) single.push_back(c);
    if (single.starts_with('!')) single.insert(0, "\\");
    return IgnorePatterns::matches(TRY(IgnorePatterns::compile(std::move(single))), path);
}

Result<IgnorePatterns> IgnorePatterns::of(const std::vector<std::string>& patterns) {
    IgnorePatterns result;
    for (auto& given : patterns) {
        auto trimmed = trim(given);
        if (trimmed.empty()) continue;
        std::string text = trimmed == "!" ? "!" : cleaned(trimmed);
        auto pattern = TRY(compile(std::move(text)));
        result.has_negated_ = result.has_negated_ || pattern.negated;
        result.patterns_.push_back(std::move(pattern));
    }
    return result;
}

Result<IgnorePatterns> IgnorePatterns::parse(std::string_view text) {
    text = trim_prefix(text, "\xEF\xBB\xBF");
    std::vector<std::string> patterns;
    for (auto& line : split(text, '\n')) {
        if (line.starts_with('#')) continue;
        auto pattern = trim(line);
        if (pattern.empty()) continue;
        bool negated = pattern.starts_with('!');
        if (negated) pattern = trim(pattern.substr(1));
        std::string clean = pattern.empty() ? "" : cleaned(pattern);
        if (clean.size() > 1 && clean[0] == '/') clean.erase(0, 1);
        patterns.push_back(negated ? "!" + clean : clean);
    }
    return of(patterns);
}

bool IgnorePatterns::excludes(std::string_view path) const {
    // From the top down, as Docker walks: a pattern that matched a directory matches all below it, and one that could change nothing
    // at a directory was not tried there.
    std::vector<char> matched(patterns_.size(), 0);
    bool excluded = false;
    for (size_t end = 0; end != path.npos;) {
        end = path.find('/', end + 1);
        excluded = false;
        for (size_t i = 0; i < patterns_.size(); i++) {
            auto& pattern = patterns_[i];
            if (!matched[i] && pattern.negated == excluded) matched[i] = matches(pattern, path.substr(0, end));
            if (matched[i]) excluded = !pattern.negated;
        }
    }
    return excluded;
}

bool IgnorePatterns::may_include_below(std::string_view directory) const {
    if (!has_negated_) return false;
    for (auto& pattern : patterns_) {
        if (!pattern.negated) continue;
        // The literal start of the pattern tells where its matches can lie.
        size_t fixed = pattern.text.find_first_of("*?[\\");
        std::string_view start = std::string_view(pattern.text).substr(0, fixed);
        if (fixed == std::string::npos ? start.starts_with(concat(directory, '/')) : start.starts_with(concat(directory, '/')) || concat(directory, '/').starts_with(start))
            return true;
    }
    return false;
}

}  // namespace proa::dockerfile
