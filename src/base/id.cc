#include "base/id.h"

#include <sys/random.h>

#include <cstdlib>

#include "base/text.h"

namespace proa {

std::string random_hex(size_t bytes) {
    std::string raw(bytes, '\0');
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = getrandom(raw.data() + have, bytes - have, 0);
        if (got < 0) abort();  // the generator cannot fail once it is seeded
        have += static_cast<size_t>(got);
    }
    return hex(raw);
}

std::string random_id() {
    for (;;) {
        std::string id = random_hex(32);
        if (id.find_first_of("abcdef") < 12) return id;
    }
}

bool is_full_id(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace proa
