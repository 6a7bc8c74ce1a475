#include "cli/natural_order.h"

#include "base/text.h"

namespace proa::cli {

bool natural_less(std::string_view a, std::string_view b) {
    auto digit = [](char c) { return c >= '0' && c <= '9'; };
    auto number = [&](std::string_view text) {
        size_t end = 0;
        while (end < text.size() && digit(text[end])) end++;
        return text.substr(0, end);
    };
    while (!a.empty() && !b.empty()) {
        std::string_view x = number(a), y = number(b);
        if (!x.empty() && !y.empty()) {
            auto left = x, right = y;
            while (left.size() > 1 && left[0] == '0') left.remove_prefix(1);
            while (right.size() > 1 && right[0] == '0') right.remove_prefix(1);
            if (left.size() != right.size()) return left.size() < right.size();
            if (left != right) return left < right;
            a.remove_prefix(x.size());
            b.remove_prefix(y.size());
        } else {
            if (a[0] != b[0]) return a[0] < b[0];
            a.remove_prefix(1);
            b.remove_prefix(1);
        }
    }
    return a.size() < b.size();
}

}  // namespace proa::cli
