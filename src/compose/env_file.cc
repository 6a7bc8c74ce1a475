#include "compose/env_file.h"

#include <sys/stat.h>

#include "base/text.h"
#include "os/file.h"

namespace proa::compose {

namespace {
/// White space that does not end a line.
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r'; }
bool is_any_space(char c) { return is_space(c) || c == '\n'; }
bool may_stand_in_key(char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) || c == '_' || c == '.' || c == '-' || c == '[' || c == ']';
}

std::string_view trim_right(std::string_view text) {
    while (!text.empty() && is_any_space(text.back())) text.remove_suffix(1);
    return text;
}

class Reader {
public:
    Reader(std::string_view text, const Lookup& outside, const Unset& unset) : rest_(text), outside_(outside), unset_(unset) {
        if (rest_.starts_with("\xef\xbb\xbf")) rest_.remove_prefix(3);
    }

    Result<Mapping> read() {
        while (to_statement()) {
            std::string key;
            bool inherited = false;
            TRY(read_key(key, inherited));
            if (key.find(' ') != std::string::npos) return fail(ErrorKind::InvalidArgument, concat("line ", line_, ": key cannot contain a space"));
            if (inherited) {
                if (auto value = outside_(key)) values_[key] = *value;
                continue;
            }
            std::string value = TRY(read_value());
            values_[key] = std::move(value);
        }
        return std::move(values_);
    }

private:
    /// Skips blanks and comments; false at the end.
    bool to_statement() {
        for (;;) {
            while (!rest_.empty() && is_any_space(rest_[0])) {
                if (rest_[0] == '\n') ++line_;
                rest_.remove_prefix(1);
            }
            if (rest_.empty() || rest_[0] != '#') return !rest_.empty();
            rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
        }
    }

    void skip_spaces() {
        while (!rest_.empty() && is_space(rest_[0])) rest_.remove_prefix(1);
    }

    Result<void> read_key(std::string& key, bool& inherited) {
        if (rest_.starts_with("export") && rest_.size() > 6 && is_any_space(rest_[6])) {
            rest_.remove_prefix(6);
            skip_spaces();
        }
        size_t end = 0;
        while (end < rest_.size() && rest_[end] != '=' && rest_[end] != ':' && rest_[end] != '\n') {
            if (!is_space(rest_[end]) && !may_stand_in_key(rest_[end]))
                return fail(ErrorKind::InvalidArgument, concat("line ", line_, ": unexpected character ", quote(rest_.substr(end, 1)), " in variable name ",
                                                               quote(rest_.substr(0, rest_.find('\n')))));
            ++end;
        }
        if (rest_.empty()) return fail(ErrorKind::InvalidArgument, "zero length string");
        bool at_end = end == rest_.size();
        inherited = at_end || rest_[end] == '\n';
        key = std::string(trim_right(rest_.substr(0, end)));
        rest_.remove_prefix(at_end ? end : end + 1);
        if (inherited) ++line_;
        skip_spaces();
        return {};
    }

    Result<std::string> expand(std::string_view text) {
        auto lookup = [&](std::string_view name) -> std::optional<std::string> {
            if (auto value = outside_(name)) return value;
            auto found = values_.find(std::string(name));
            return found == values_.end() ? std::nullopt : std::optional(found->second);
        };
        auto expanded = substitute(text, lookup, unset_);
        if (!expanded && expanded.error().number() == kInvalidTemplate)
            return fail(ErrorKind::InvalidArgument, concat("Invalid template: ", quote(expanded.error().message())));
        return expanded;
    }

    Result<std::string> read_value() {
        if (!rest_.empty() && (rest_[0] == '"' || rest_[0] == '\'')) return read_quoted(rest_[0]);
        size_t end = std::min(rest_.find('\n'), rest_.size());
        std::string_view value = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        value = trim_right(value.substr(0, value.find(" #")));
        std::string expanded = TRY(expand(value));
        ++line_;
        return expanded;
    }

    Result<std::string> read_quoted(char quote_mark) {
        std::string value;
        bool escaped = false;
        for (size_t at = 1; at < rest_.size(); ++at) {
            char c = rest_[at];
            if (c == '\n') ++line_;
            if (c == quote_mark && !escaped) {
                rest_.remove_prefix(at + 1);
                return quote_mark == '"' ? expand(unescape(value)) : Result<std::string>(value);
            }
            if (c == '\\' && !escaped) {
                escaped = true;
                continue;
            }
            if (escaped && c != quote_mark) value.push_back('\\');
            escaped = false;
            value.push_back(c);
        }
        return fail(ErrorKind::InvalidArgument, concat("line ", line_, ": unterminated quoted value ", rest_.substr(0, rest_.find('\n'))));
    }

    /// \a \b \c \f \n \r \t \v \\ \" and \0 with up to three octal digits; `\$` becomes `$$`, which is a dollar sign to substitute().
    static std::string unescape(std::string_view text) {
        static constexpr std::pair<char, char> kLetters[] = {{'a', '\a'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'}, {'r', '\r'},
                                                             {'t', '\t'}, {'v', '\v'}, {'\\', '\\'}, {'"', '"'}};
        std::string out;
        for (size_t at = 0; at < text.size(); ++at) {
            char next = at + 1 < text.size() ? text[at + 1] : 0;
            auto letter = std::find_if(std::begin(kLetters), std::end(kLetters), [&](auto& pair) { return pair.first == next; });
            if (text[at] != '\\' || next == 0) {
                out.push_back(text[at]);
            } else if (next == '$') {
                out += "$$";
                ++at;
            } else if (letter != std::end(kLetters)) {
                out.push_back(letter->second);
                ++at;
            } else if (next == '0' && at + 4 < text.size() && parse_uint(text.substr(at + 2, 3), 8).value_or(256) < 256) {
                append_code(out, static_cast<unsigned char>(*parse_uint(text.substr(at + 2, 3), 8)));
                at += 4;
            } else {
                out.push_back('\\');
            }
        }
        return out;
    }
    /// The character of this number in UTF-8.
    static void append_code(std::string& out, unsigned char code) {
        if (code < 0x80) {
            out.push_back(static_cast<char>(code));
            return;
        }
        out.push_back(static_cast<char>(0xc0 | code >> 6));
        out.push_back(static_cast<char>(0x80 | (code & 0x3f)));
    }

    std::string_view rest_;
    int line_ = 1;
    Mapping values_;
    const Lookup& outside_;
    const Unset& unset_;
};
}  // namespace

Result<Mapping> parse_env_file(std::string_view text, const Lookup& outside, const Unset& unset) { return Reader(text, outside, unset).read(); }

Result<Mapping> parse_raw_env_file(std::string_view text, const Lookup& outside) {
    Mapping values;
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    int number = 0;
    for (auto& whole : split(text, '\n')) {
        ++number;
        std::string_view line = trim_suffix(whole, "\r");
        std::string_view start = line;
        while (!start.empty() && is_space(start[0])) start.remove_prefix(1);
        if (start.empty() || start[0] == '#') continue;
        auto parts = cut(start, "=");
        std::string key(parts ? parts->first : start);
        if (key.empty()) return fail(ErrorKind::InvalidArgument, concat("no variable name on line '", line, "'"));
        for (char c : key)
            if (is_space(c)) return fail(ErrorKind::InvalidArgument, concat("variable '", key, "' contains whitespaces"));
        if (parts) values[key] = std::string(parts->second);
        else if (auto value = outside(key)) values[key] = *value;
    }
    return values;
}

Result<Mapping> read_env_files(const std::vector<std::string>& paths, const Mapping& current, const Unset& unset) {
    Mapping all;
    for (auto& path : paths) {
        auto status = os::status(path);
        if (!status && status.error().is(ErrorKind::NotFound)) return fail(ErrorKind::NotFound, concat("Couldn't find env file: ", path));
        if (!status) return fail(status.error());
        if (S_ISDIR(status->st_mode)) return fail(ErrorKind::InvalidArgument, concat(path, " is a directory"));
        auto outside = [&](std::string_view name) -> std::optional<std::string> {
            std::string key(name);
            if (auto found = current.find(key); found != current.end()) return found->second;
            auto found = all.find(key);
            return found == all.end() ? std::nullopt : std::optional(found->second);
        };
        auto values = TRY_WRAP("failed to read " + path, parse_env_file(TRY(os::read_file(path)), outside, unset));
        for (auto& [key, value] : values) all[key] = value;
    }
    return all;
}

}  // namespace proa::compose
