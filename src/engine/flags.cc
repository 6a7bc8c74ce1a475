#include "engine/flags.h"

#include <algorithm>

#include "base/text.h"

namespace proa::engine {

namespace {

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

/// "-x, --xx" or "--xx".
std::string shown_name(const Flag& flag) {
    if (flag.shorthand == 0) return concat("--", flag.name);
    return concat('-', flag.shorthand, ", --", flag.name);
}

class Parser {
public:
    Parser(std::span<const Flag> flags, const std::vector<std::string>& arguments, const FlagSetter& set)
        : flags_(flags), arguments_(arguments), set_(set) {}

    Result<std::vector<std::string>> run() {
        while (next_ < arguments_.size()) {
            const std::string& argument = arguments_[next_++];
            if (argument == "--") {
                rest_.insert(rest_.end(), arguments_.begin() + static_cast<ptrdiff_t>(next_), arguments_.end());
                break;
            }
            if (argument.starts_with("--")) TRY(long_flag(argument));
            else if (argument.size() > 1 && argument[0] == '-') TRY(short_flags(argument));
            else rest_.push_back(argument);
        }
        return std::move(rest_);
    }

private:
    std::span<const Flag> flags_;
    const std::vector<std::string>& arguments_;
    const FlagSetter& set_;
    size_t next_ = 0;
    std::vector<std::string> rest_;

    Result<void> give(const Flag& flag, std::string_view value) {
        auto done = set_(flag, value);
        if (!done) return invalid(concat("invalid argument ", quote(value), " for ", quote(shown_name(flag)), " flag: ", done.error().message()));
        return {};
    }

    Result<void> long_flag(const std::string& argument) {
        std::string_view name = std::string_view(argument).substr(2);
        if (name[0] == '-' || name[0] == '=') return invalid(concat("bad flag syntax: ", argument));
        auto parts = cut(name, "=");
        if (parts) name = parts->first;
        auto flag = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& one) { return one.name == name; });
        if (flag == flags_.end()) return invalid(concat("unknown flag: --", name));
        if (parts) return give(*flag, parts->second);
        if (flag->value_name.empty()) return give(*flag, "true");
        if (next_ == arguments_.size()) return invalid(concat("flag needs an argument: ", argument));
        return give(*flag, arguments_[next_++]);
    }

    /// "-abc": several booleans, the last of which may take the rest ("-lx", "-l=x") or the next argument ("-l x").
    Result<void> short_flags(const std::string& argument) {
        std::string_view letters = std::string_view(argument).substr(1);
        while (!letters.empty()) {
            char letter = letters[0];
            auto flag = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& one) { return one.shorthand == letter; });
            if (letter == 0 || flag == flags_.end()) return invalid(concat("unknown shorthand flag: '", letter, "' in -", letters));
            std::string_view rest = letters.substr(1);
            if (rest.size() > 1 && rest[0] == '=') return give(*flag, rest.substr(1));
            if (flag->value_name.empty()) {
                TRY(give(*flag, "true"));
                letters = rest;
                continue;
            }
            if (!rest.empty()) return give(*flag, rest);
            if (next_ == arguments_.size()) return invalid(concat("flag needs an argument: '", letter, "' in -", letters));
            return give(*flag, arguments_[next_++]);
        }
        return {};
    }
};

/// `prose` cut at spaces into lines of at most `width` columns.
std::vector<std::string> wrap(std::string_view prose, size_t width) {
    std::vector<std::string> lines(1);
    for (auto& word : split_nonempty(prose, ' ')) {
        if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
        if (!lines.back().empty()) lines.back() += ' ';
        lines.back() += word;
    }
    return lines;
}

}  // namespace

Result<std::vector<std::string>> parse_flags(std::span<const Flag> flags, const std::vector<std::string>& arguments, const FlagSetter& set) {
    return Parser(flags, arguments, set).run();
}

std::string flag_table(std::span<const Flag> flags, size_t width) {
    size_t column = 0;
    auto left = [](const Flag& flag) {
        std::string text = flag.shorthand ? concat("  -", flag.shorthand, ", --", flag.name) : concat("      --", flag.name);
        if (!flag.value_name.empty()) text += concat(' ', flag.value_name);
        return text;
    };
    for (auto& flag : flags) column = std::max(column, left(flag).size() + 3);
    std::string table;
    for (auto& flag : flags) {
        std::string prose(flag.prose);
        if (!flag.default_text.empty()) prose += concat(" (default ", flag.default_text, ")");
        std::string start = left(flag);
        for (auto& line : wrap(prose, width > column + 20 ? width - column : 20)) {
            table += concat(start, std::string(column - start.size(), ' '), line, '\n');
            start.clear();
        }
    }
    return table;
}

}  // namespace proa::engine
