#include "registry/challenge.h"

#include "base/text.h"

namespace proa::registry {

namespace {
bool is_token_character(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos; }

class Cursor {
public:
    explicit Cursor(std::string_view text) : rest_(text) {}
    bool at_end() const { return rest_.empty(); }
    void skip(std::string_view what) { rest_.remove_prefix(std::min(rest_.find_first_not_of(what), rest_.size())); }
    bool take(char c) {
        if (rest_.empty() || rest_[0] != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    std::string token() {
        size_t length = 0;
        while (length < rest_.size() && is_token_character(rest_[length])) length++;
        std::string found(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return found;
    }
    std::string value() {
        if (!take('"')) {
            size_t end = std::min(rest_.find_first_of(", \t"), rest_.size());
            std::string found(rest_.substr(0, end));
            rest_.remove_prefix(end);
            return found;
        }
        std::string found;
        while (!rest_.empty() && rest_[0] != '"') {
            if (rest_[0] == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
            found += rest_[0];
            rest_.remove_prefix(1);
        }
        take('"');
        return found;
    }
    void drop() {
        if (!rest_.empty()) rest_.remove_prefix(1);
    }

private:
    std::string_view rest_;
};
}  // namespace

std::vector<Challenge> parse_challenges(std::string_view value) {
    std::vector<Challenge> challenges;
    Cursor cursor(value);
    while (!cursor.at_end()) {
        cursor.skip(", \t");
        std::string word = cursor.token();
        if (word.empty()) {
            cursor.drop();
            continue;
        }
        cursor.skip(" \t");
        if (!cursor.take('=')) {
            challenges.push_back({to_lower(word), {}});
            continue;
        }
        cursor.skip(" \t");
        std::string text = cursor.value();
        if (!challenges.empty()) challenges.back().parameters.try_emplace(to_lower(word), std::move(text));
    }
    return challenges;
}

}  // namespace proa::registry
