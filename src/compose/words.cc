#include "compose/bind.h"

namespace proa::compose {

namespace {
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
}  // namespace

Result<std::vector<std::string>> split_words(std::string_view line) {
    std::vector<std::string> words;
    std::string word;
    bool started = false, escaped = false, single = false, twice = false, back = false, dollar = false;
    auto broken = [] { return fail(ErrorKind::InvalidArgument, "invalid command line string"); };
    for (char c : line) {
        bool quoted = single || twice || back || dollar;
        if (escaped) {
            word.push_back(c);
            escaped = false;
            started = true;
            continue;
        }
        if (c == '\\' && !single) {
            escaped = true;
            continue;
        }
        if (is_blank(c) && !quoted) {
            if (started) words.push_back(std::move(word));
            word.clear();
            started = false;
            continue;
        }
        if ((c == ';' || c == '&' || c == '|' || c == '<' || c == '>') && !quoted) {
            // A digit before ">" names a descriptor.
            if (c == '>' && !word.empty() && word[0] >= '0' && word[0] <= '9') started = false;
            break;
        }
        if (c == '"' && !single && !dollar) {
            twice = !twice;
            started = true;
            continue;
        }
        if (c == '\'' && !twice && !dollar) {
            single = !single;
            started = true;
            continue;
        }
        if (c == '`' && !single && !twice && !dollar) back = !back;
        if (c == ')' && !single && !twice && !back && !std::exchange(dollar, false)) return broken();
        if (c == '(' && !quoted) {
            if (!word.ends_with('$')) return broken();
            dollar = true;
        }
        started = true;
        word.push_back(c);
    }
    if (started) words.push_back(std::move(word));
    if (escaped || single || twice || back || dollar) return broken();
    return words;
}

}  // namespace proa::compose
