#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace proa::dockerfile {

/// Go's filepath.Match of one path: `*` and `?` stop at '/', `[a-z]` and `[^a]` are classes, `\` escapes.
/// Errors: InvalidArgument "syntax error in pattern".
Result<bool> match_path(std::string_view pattern, std::string_view path);

/// The lines of a .dockerignore file. Spec: Dockerfile reference, ".dockerignore file"
class IgnorePatterns {
public:
    IgnorePatterns() = default;
    /// Errors: InvalidArgument `illegal exclusion pattern: "!"`, "syntax error in pattern".
    static Result<IgnorePatterns> parse(std::string_view text);
    /// Patterns that need no reading of lines: --exclude.
    static Result<IgnorePatterns> of(const std::vector<std::string>& patterns);

    bool empty() const { return patterns_.empty(); }
    /// Whether the path ("a/b", no slash at either end) is left out. The last pattern that matches it or one of its parents decides.
    bool excludes(std::string_view path) const;
    /// Whether something below the excluded directory may still come in.
    bool may_include_below(std::string_view directory) const;

private:
    friend Result<bool> match_path(std::string_view pattern, std::string_view path);
    enum class Piece { Literal, Any, Star, Directories, Rest, Class };
    struct Token {
        Piece piece;
        char literal = 0;
        std::string set;  // of a class: as written between the brackets
    };
    struct Pattern {
        bool negated = false;
        std::string text;
        std::vector<Token> tokens;
    };
    static Result<Pattern> compile(std::string pattern);
    static bool matches(const Pattern& pattern, std::string_view path);
    static bool matches_from(const std::vector<Token>& tokens, size_t token, std::string_view path, size_t at, int& budget);
    static bool class_has(std::string_view set, unsigned char c);

    std::vector<Pattern> patterns_;
    bool has_negated_ = false;
};

}  // namespace proa::dockerfile
