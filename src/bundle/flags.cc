#include "bundle/flags.h"

#include "base/text.h"

namespace proa::bundle {

std::string ParsedFlags::text(const std::string& name, std::string fallback) const {
    auto found = values.find(name);
    return found == values.end() ? std::move(fallback) : found->second.back();
}

std::vector<std::string> ParsedFlags::list(const std::string& name) const {
    auto found = values.find(name);
    return found == values.end() ? std::vector<std::string>() : found->second;
}

bool ParsedFlags::on(const std::string& name) const { return has(name) && parse_bool(text(name)).value_or(false); }

Result<ParsedFlags> parse_flags(std::span<const FlagSpec> specs, std::span<const std::string> words) {
    ParsedFlags parsed;
    size_t i = 0;
    for (; i < words.size(); i++) {
        std::string_view word = words[i];
        if (word == "--") {
            i++;
            break;
        }
        if (word.size() < 2 || word[0] != '-') break;
        word.remove_prefix(word[1] == '-' ? 2 : 1);
        auto assigned = cut(word, "=");
        std::string_view name = assigned ? assigned->first : word;
        const FlagSpec* spec = nullptr;
        std::string key;
        for (auto& candidate : specs) {
            auto names = split(candidate.names, ',');
            for (auto& known : names)
                if (known == name) spec = &candidate;
            if (spec) {
                key = names[0];
                break;
            }
        }
        if (!spec) return fail(ErrorKind::InvalidArgument, concat("flag provided but not defined: -", name));
        std::string value = assigned ? std::string(assigned->second) : "true";
        if (spec->takes_value && !assigned) {
            if (i + 1 >= words.size()) return fail(ErrorKind::InvalidArgument, concat("flag needs an argument: -", name));
            value = words[++i];
        }
        if (!spec->takes_value && !parse_bool(value)) return fail(ErrorKind::InvalidArgument, concat("invalid boolean value ", quote(value), " for -", name));
        parsed.values[key].push_back(value);
    }
    parsed.rest.assign(words.begin() + static_cast<ptrdiff_t>(std::min(i, words.size())), words.end());
    return parsed;
}

}  // namespace proa::bundle
