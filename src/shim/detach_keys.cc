#include "shim/detach_keys.h"

namespace proa::shim {

bool DetachKeys::filter(std::string_view input, std::string& out) {
    if (sequence_.empty()) {
        out.append(input);
        return false;
    }
    for (char c : input) {
        if (c == sequence_[matched_]) {
            if (++matched_ < sequence_.size()) continue;
            matched_ = 0;
            return true;
        }
        out.append(held());
        out.push_back(c);
        matched_ = 0;
    }
    return false;
}

}  // namespace proa::shim
