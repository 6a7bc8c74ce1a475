#include "dockerfile/parser.h"

#include <array>
#include <optional>

#include "base/text.h"
#include "codec/json/value.h"

namespace proa::dockerfile {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n'; }

std::string_view trim_left(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return text;
}

bool is_comment(std::string_view line) { return trim_left(line).starts_with('#'); }

/// Hands out lines without their ends, counting.
class Lines {
public:
    explicit Lines(std::string_view text) : rest_(text) {}
    std::optional<std::string_view> next() {
        if (rest_.empty()) return std::nullopt;
        size_t end = rest_.find('\n');
        whole_ = rest_.substr(0, end == rest_.npos ? rest_.size() : end + 1);
        rest_.remove_prefix(whole_.size());
        number++;
        return trim_suffix(trim_suffix(whole_, "\n"), "\r");
    }
    /// The last line with its end.
    std::string_view whole() const { return whole_; }
    int number = 0;

private:
    std::string_view rest_, whole_;
};

/// Takes the escape character off a line that goes on.
bool cut_continuation(std::string_view& line, char escape) {
    std::string_view end = line;
    while (!end.empty() && (end.back() == ' ' || end.back() == '\t')) end.remove_suffix(1);
    if (end.empty() || end.back() != escape) return false;
    end.remove_suffix(1);
    if (!end.empty() && end.back() == escape) return false;
    line = end;
    return true;
}

/// "# name = value" at the top of the file.
struct Directive {
    std::string name, value;
};
std::optional<Directive> directive_of(std::string_view line) {
    line = trim(line);
    if (!line.starts_with('#')) return std::nullopt;
    auto pair = cut(line.substr(1), "=");
    if (!pair) return std::nullopt;
    auto name = trim(pair->first);
    auto value = trim(pair->second);
    if (name.empty() || value.empty() || !isalpha(static_cast<unsigned char>(name[0]))) return std::nullopt;
    for (char c : name)
        if (!isalnum(static_cast<unsigned char>(c))) return std::nullopt;
    return Directive{to_lower(name), std::string(value)};
}

Result<void> read_directives(std::string_view text, Document& document) {
    Lines lines(text);
    bool seen_escape = false, seen_syntax = false, seen_check = false;
    if (text.starts_with("#!")) lines.next();
    while (auto line = lines.next()) {
        auto directive = directive_of(*line);
        if (!directive) return {};
        bool* seen = directive->name == "escape"   ? &seen_escape
                     : directive->name == "syntax" ? &seen_syntax
                     : directive->name == "check"  ? &seen_check
                                                   : nullptr;
        if (!seen) return {};
        if (*seen) return parse_error(lines.number, concat("only one ", directive->name, " parser directive can be used"));
        *seen = true;
        if (directive->name == "syntax") document.syntax = directive->value;
        else if (directive->name == "check") document.check = directive->value;
        else if (directive->value == "\\" || directive->value == "`") document.escape = directive->value[0];
        else return parse_error(lines.number, concat("invalid escape token '", directive->value, "' does not match ` or \\"));
    }
    return {};
}

// --- words ---

/// Flags at the start of the arguments; `rest` is what follows them.
std::vector<std::string> take_flags(std::string_view& rest) {
    std::vector<std::string> flags;
    for (;;) {
        rest = trim_left(rest);
        if (!rest.starts_with("--")) return flags;
        std::string word;
        size_t at = 0;
        char quote_char = 0;
        for (; at < rest.size(); at++) {
            char c = rest[at];
            if (quote_char == 0 && is_blank(c)) break;
            if (quote_char != 0 && c == quote_char) quote_char = 0;
            else if (quote_char == 0 && (c == '\'' || c == '"')) quote_char = c;
            else if (c == '\\') {
                if (at + 1 < rest.size()) word.push_back(rest[++at]);
            } else word.push_back(c);
        }
        rest.remove_prefix(at);
        if (word == "--") return flags;
        flags.push_back(std::move(word));
    }
}

/// Words with their quotes and escapes left in, as ENV, LABEL and ARG take them.
std::vector<std::string> quoted_words(std::string_view text, char escape) {
    std::vector<std::string> words;
    std::string word;
    bool open = false;
    char quote_char = 0;
    for (size_t at = 0; at < text.size(); at++) {
        char c = text[at];
        if (quote_char == 0 && is_blank(c)) {
            if (open) words.push_back(std::exchange(word, {}));
            open = false;
            continue;
        }
        open = true;
        if (c == escape && quote_char != '\'') {
            if (at + 1 == text.size()) continue;  // an escape at the very end means nothing
            word.push_back(c);
            word.push_back(text[++at]);
            continue;
        }
        if (quote_char == 0 && (c == '\'' || c == '"')) quote_char = c;
        else if (c == quote_char) quote_char = 0;
        word.push_back(c);
    }
    if (open && !word.empty()) words.push_back(std::move(word));
    return words;
}

enum class JsonForm { No, Strings, Mixed };

/// The JSON array at the start of `text`; what follows it is ignored, as Docker does.
JsonForm read_json_array(std::string_view text, std::vector<std::string>& words) {
    if (!text.starts_with('[')) return JsonForm::No;
    auto values = json::Splitter().feed(concat(text, "\n"));
    if (values.empty()) return JsonForm::No;
    auto value = json::parse(values.front());
    if (!value || !value->is_array()) return JsonForm::No;
    for (auto& item : value->as_array()) {
        if (!item.is_string()) return JsonForm::Mixed;
        words.push_back(item.as_string());
    }
    return JsonForm::Strings;
}

Result<void> read_pairs(Instruction& instruction, std::string_view rest, char escape, int line) {
    auto words = quoted_words(rest, escape);
    if (words.empty()) return {};
    if (words[0].find('=') == std::string::npos) {
        size_t blank = 0;
        while (blank < rest.size() && !is_blank(rest[blank])) blank++;
        auto value = trim_left(rest.substr(blank));
        if (value.empty()) return parse_error(line, concat(instruction.keyword, " must have two arguments"));
        instruction.legacy_pair = true;
        instruction.arguments = {std::string(rest.substr(0, blank)), std::string(value)};
        return {};
    }
    for (auto& word : words) {
        auto pair = cut(word, "=");
        if (!pair) return parse_error(line, concat("Syntax error - can't find = in ", quote(word), ". Must be of the form: name=value"));
        instruction.arguments.emplace_back(pair->first);
        instruction.arguments.emplace_back(pair->second);
    }
    return {};
}

enum class Shape { Text, Words, QuotedWords, Pairs, JsonOrText, JsonOrWords, Health, Trigger };

Shape shape_of(std::string_view keyword) {
    if (keyword == "ENV" || keyword == "LABEL") return Shape::Pairs;
    if (keyword == "ARG") return Shape::QuotedWords;
    if (keyword == "ADD" || keyword == "COPY" || keyword == "VOLUME") return Shape::JsonOrWords;
    if (keyword == "CMD" || keyword == "ENTRYPOINT" || keyword == "RUN" || keyword == "SHELL") return Shape::JsonOrText;
    if (keyword == "EXPOSE" || keyword == "FROM") return Shape::Words;
    if (keyword == "HEALTHCHECK") return Shape::Health;
    if (keyword == "ONBUILD") return Shape::Trigger;
    return Shape::Text;
}

Result<void> read_json_or(Instruction& instruction, std::string_view rest, int line, bool words) {
    if (rest.empty()) return {};
    std::vector<std::string> items;
    switch (read_json_array(rest, items)) {
        case JsonForm::Strings:
            instruction.json = true;
            for (auto& item : items) instruction.arguments.push_back(std::move(item));
            return {};
        case JsonForm::Mixed: return parse_error(line, "when using JSON array syntax, arrays must be comprised of strings only");
        case JsonForm::No: break;
    }
    if (!words) instruction.arguments.emplace_back(rest);
    else
        for (auto& word : split_fields(rest)) instruction.arguments.push_back(std::move(word));
    return {};
}

Result<void> read_arguments(Instruction& instruction, std::string_view rest, char escape, int line) {
    switch (shape_of(instruction.keyword)) {
        case Shape::Text:
            if (!rest.empty()) instruction.arguments.emplace_back(rest);
            return {};
        case Shape::Words: instruction.arguments = split_fields(rest); return {};
        case Shape::QuotedWords: instruction.arguments = quoted_words(rest, escape); return {};
        case Shape::Pairs: return read_pairs(instruction, rest, escape, line);
        case Shape::JsonOrText: return read_json_or(instruction, rest, line, false);
        case Shape::JsonOrWords: return read_json_or(instruction, rest, line, true);
        case Shape::Health: {
            size_t blank = 0;
            while (blank < rest.size() && !is_blank(rest[blank])) blank++;
            if (blank == 0) return {};
            instruction.arguments.emplace_back(rest.substr(0, blank));
            return read_json_or(instruction, trim_left(rest.substr(blank)), line, false);
        }
        case Shape::Trigger:
            if (!rest.empty()) instruction.trigger = std::make_shared<Instruction>(TRY(parse_instruction(rest, escape, line)));
            return {};
    }
    return {};
}

bool may_hold_heredocs(const Instruction& instruction) {
    const Instruction& inner = instruction.trigger ? *instruction.trigger : instruction;
    return !inner.json && (inner.keyword == "RUN" || inner.keyword == "COPY" || inner.keyword == "ADD");
}

Result<void> read_heredocs(Lines& lines, Instruction& instruction, char escape) {
    if (!may_hold_heredocs(instruction) || instruction.original.find("<<") == std::string::npos) return {};
    Instruction& holder = instruction.trigger ? *instruction.trigger : instruction;
    for (auto& heredoc : find_heredocs(instruction.original, escape)) {
        bool ended = false;
        while (auto line = lines.next()) {
            std::string_view text = *line;
            while (heredoc.strip_tabs && text.starts_with('\t')) text.remove_prefix(1);
            if (text == heredoc.name) {
                ended = true;
                break;
            }
            heredoc.content += lines.whole();
        }
        if (!ended) return parse_error(instruction.first_line, "unterminated heredoc");
        holder.heredocs.push_back(std::move(heredoc));
    }
    return {};
}

}  // namespace

std::string Heredoc::text() const {
    if (!strip_tabs) return content;
    std::string out;
    bool at_start = true;
    for (char c : content) {
        if (at_start && c == '\t') continue;
        at_start = c == '\n';
        out.push_back(c);
    }
    return out;
}

Unexpected parse_error(int line, std::string_view text) {
    return fail(ErrorKind::InvalidArgument, concat("dockerfile parse error on line ", line, ": ", text));
}

Heredoc heredoc_of_word(std::string_view word) {
    Heredoc heredoc;
    size_t at = 0;
    while (at < word.size() && isdigit(static_cast<unsigned char>(word[at]))) at++;
    if (!word.substr(at).starts_with("<<")) return heredoc;
    std::string_view name = word.substr(at + 2);
    bool strip = name.starts_with('-');
    if (strip) name.remove_prefix(1);
    if (name.find('<') != name.npos) return heredoc;
    std::string plain;
    char quote_char = 0;
    for (char c : name) {
        if (quote_char == 0 && (c == '\'' || c == '"')) quote_char = c;
        else if (c == quote_char) quote_char = 0;
        else plain.push_back(c);
    }
    if (quote_char != 0) return heredoc;
    heredoc.expand = plain == name;
    heredoc.strip_tabs = strip;
    heredoc.name = std::move(plain);
    return heredoc;
}

std::vector<Heredoc> find_heredocs(std::string_view line, char escape) {
    std::vector<Heredoc> found;
    for (auto& word : quoted_words(line, escape))
        if (auto heredoc = heredoc_of_word(word); !heredoc.name.empty()) found.push_back(std::move(heredoc));
    return found;
}

Result<Instruction> parse_instruction(std::string_view line, char escape, int line_number) {
    Instruction instruction;
    line = trim(line);
    instruction.original = line;
    size_t blank = 0;
    while (blank < line.size() && !is_blank(line[blank])) blank++;
    instruction.written = line.substr(0, blank);
    instruction.keyword = to_upper(instruction.written);
    instruction.first_line = instruction.last_line = line_number;
    std::string_view rest = trim(line.substr(blank));
    instruction.flags = take_flags(rest);
    TRY(read_arguments(instruction, trim(rest), escape, line_number));
    return instruction;
}

Result<Document> parse(std::string_view text) {
    text = trim_prefix(text, "\xEF\xBB\xBF");
    if (text.empty()) return fail(ErrorKind::InvalidArgument, "the Dockerfile cannot be empty");
    Document document;
    TRY(read_directives(text, document));
    Lines lines(text);
    std::string comment;
    while (auto line = lines.next()) {
        if (is_comment(*line)) {
            auto directive = document.instructions.empty() ? directive_of(*line) : std::nullopt;
            bool speaks_to_us = directive && (directive->name == "syntax" || directive->name == "escape" || directive->name == "check");
            comment = speaks_to_us ? "" : trim(trim_left(*line).substr(1));
            continue;
        }
        std::string_view piece = trim_left(*line);
        int first_line = lines.number;
        bool goes_on = cut_continuation(piece, document.escape);
        if (!goes_on && trim(piece).empty()) {
            comment.clear();
            continue;
        }
        std::string joined(piece);
        bool empty_continuation = false;
        while (goes_on) {
            auto next = lines.next();
            if (!next) break;
            if (is_comment(*next)) continue;
            if (trim(*next).empty()) {
                empty_continuation = true;
                continue;
            }
            piece = *next;
            goes_on = cut_continuation(piece, document.escape);
            joined += piece;
        }
        if (trim(joined).empty()) continue;
        if (empty_continuation)
            document.warnings.push_back({"NoEmptyContinuation", "Empty continuation line found in: " + std::string(trim(joined)), lines.number});
        Instruction instruction = TRY(parse_instruction(joined, document.escape, first_line));
        TRY(read_heredocs(lines, instruction, document.escape));
        instruction.last_line = lines.number;
        instruction.comment = std::exchange(comment, {});
        document.instructions.push_back(std::move(instruction));
    }
    if (document.instructions.empty()) return fail(ErrorKind::InvalidArgument, "file with no instructions");
    return document;
}

}  // namespace proa::dockerfile
