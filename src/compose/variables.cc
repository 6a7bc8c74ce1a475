#include "compose/variables.h"

#include "base/text.h"

namespace proa::compose {

namespace {
bool starts_name(char c) { return c == '_' || std::isalpha(static_cast<unsigned char>(c)); }
bool in_name(char c) { return c == '_' || std::isalnum(static_cast<unsigned char>(c)); }

size_t end_of_name(std::string_view text, size_t at) {
    while (at < text.size() && in_name(text[at])) ++at;
    return at;
}

/// The length of ":-", "-", ":?" and so on at this place; 0 for none.
size_t operator_length(std::string_view text, size_t at) {
    size_t length = at < text.size() && text[at] == ':' ? 1 : 0;
    if (at + length >= text.size()) return 0;
    char c = text[at + length];
    return c == '-' || c == '?' || c == '+' ? length + 1 : 0;
}

/// One `${...}` taken apart.
struct Braced {
    std::string_view name, operation, word;
    size_t end = 0;  ///< behind the closing brace
};

/// `text` starts with "${". The word ends at the brace that closes it; braces in it pair. A word stands on one line.
std::optional<Braced> read_braced(std::string_view text) {
    Braced braced;
    size_t name_end = text.size() > 2 && starts_name(text[2]) ? end_of_name(text, 2) : 2;
    if (name_end == 2) return std::nullopt;
    braced.name = text.substr(2, name_end - 2);
    if (name_end < text.size() && text[name_end] == '}') {
        braced.end = name_end + 1;
        return braced;
    }
    size_t length = operator_length(text, name_end);
    size_t line_end = std::min(text.find('\n'), text.size());
    size_t last = text.substr(0, line_end).rfind('}');
    if (length == 0 || last == std::string_view::npos || last < name_end + length) return std::nullopt;
    braced.operation = text.substr(name_end, length);
    size_t close = last;
    int open = 0;
    for (size_t at = 0; at <= last; ++at) {
        if (text[at] == '}' && --open == 0) {
            close = at;
            break;
        }
        if (text[at] == '{') {
            ++open;
            ++at;
        }
    }
    if (close < name_end + length) close = last;
    braced.word = text.substr(name_end + length, close - name_end - length);
    braced.end = close + 1;
    return braced;
}

Result<std::string> value_of(const Braced& braced, const Lookup& lookup, const Unset& unset) {
    auto value = lookup(braced.name);
    if (braced.operation.empty()) {
        if (!value) unset(braced.name);
        return value.value_or("");
    }
    std::string word = TRY(substitute(braced.word, lookup, unset));
    bool present = value && (braced.operation[0] != ':' || !value->empty());
    switch (braced.operation.back()) {
        case '-': return present ? *value : word;
        case '+': return present ? word : value.value_or("");
        default: break;
    }
    if (present) return *value;
    return fail(ErrorKind::InvalidArgument, concat("required variable ", braced.name, " is missing a value", word.empty() ? "" : ": ", word));
}
}  // namespace

Result<std::string> substitute(std::string_view text, const Lookup& lookup, const Unset& unset) {
    std::string out;
    for (size_t at = 0; at < text.size();) {
        if (text[at] != '$' || at + 1 == text.size()) {
            out.push_back(text[at++]);
            continue;
        }
        char next = text[at + 1];
        if (next == '$') {
            out.push_back('$');
            at += 2;
        } else if (starts_name(next)) {
            size_t end = end_of_name(text, at + 1);
            out += TRY(value_of(Braced{text.substr(at + 1, end - at - 1), "", "", 0}, lookup, unset));
            at = end;
        } else if (next == '{') {
            auto braced = read_braced(text.substr(at));
            if (!braced) return fail(ErrorKind::InvalidArgument, std::string(text), kInvalidTemplate);
            out += TRY(value_of(*braced, lookup, unset));
            at += braced->end;
        } else {
            out.push_back(text[at++]);
        }
    }
    return out;
}

void extract_variables(std::string_view text, std::map<std::string, Variable>& variables) {
    for (size_t at = 0; at + 1 < text.size();) {
        if (text[at] != '$') {
            ++at;
            continue;
        }
        char next = text[at + 1];
        if (starts_name(next)) {
            size_t end = end_of_name(text, at + 1);
            variables[std::string(text.substr(at + 1, end - at - 1))] = {};
            at = end;
            continue;
        }
        auto braced = next == '{' ? read_braced(text.substr(at)) : std::nullopt;
        if (!braced) {
            at += next == '$' ? 2 : 1;
            continue;
        }
        auto& variable = variables[std::string(braced->name)] = {};
        char kind = braced->operation.empty() ? 0 : braced->operation.back();
        variable.required = kind == '?';
        if (kind == '-') variable.default_value = braced->word;
        if (kind == '+') variable.presence_value = braced->word;
        if (kind == '-' || kind == '+') extract_variables(braced->word, variables);
        at += braced->end;
    }
}

}  // namespace proa::compose
