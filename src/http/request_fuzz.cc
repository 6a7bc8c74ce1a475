// libFuzzer target: heads and chunked bodies, cut at every place. Links http/parser, http/message, base/text, base/result;
// clang++-19 -std=gnu++23 -fsanitize=fuzzer,address.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "http/parser.h"

namespace {

using namespace proa::http;

/// What came out of one input; equal however the input was cut.
struct Outcome {
    int refused = 0;
    bool head = false, body = false;
    size_t consumed = 0;
    std::string decoded;
    std::string target;
    size_t headers = 0;
    bool operator==(const Outcome&) const = default;
};

Outcome run(std::string_view input, size_t step, size_t room) {
    Outcome outcome;
    RequestParser parser(2048);
    std::vector<char> buffer(room);
    for (size_t end = 0; end < input.size() && !outcome.refused && !outcome.body;) {
        end += std::min(step, input.size() - end);
        while (!parser.head_done()) {
            auto consumed = parser.take_head(input.substr(outcome.consumed, end - outcome.consumed));
            if (!consumed) {
                outcome.refused = consumed.error().status;
                return outcome;
            }
            outcome.consumed += *consumed;
            if (*consumed == 0 || outcome.consumed == end) break;
        }
        outcome.head = parser.head_done();
        if (!outcome.head) continue;
        outcome.target = parser.request().target.path;
        outcome.headers = parser.request().headers.size();
        if (!parser.request().chunked) break;
        for (;;) {
            auto progress = parser.take_chunked(input.substr(outcome.consumed, end - outcome.consumed), buffer);
            if (!progress) {
                outcome.refused = progress.error().status;
                return outcome;
            }
            outcome.consumed += progress->consumed;
            outcome.decoded.append(buffer.data(), progress->produced);
            outcome.body = parser.body_done();
            if (outcome.body || (progress->consumed == 0 && progress->produced == 0)) break;
        }
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    auto whole = run(input, SIZE_MAX, 4096), bytes = run(input, 1, 1), pieces = run(input, 7, 64);
    for (auto* cut : {&bytes, &pieces}) {
        if (!whole.head && !cut->head) continue;  // how much of an unfinished head is taken may differ
        // Limits may strike at another byte when more is seen at once; what is accepted must not differ.
        if (!whole.refused && !cut->refused && !(whole == *cut)) abort();
        if (!whole.refused && cut->refused && cut->refused != 431) abort();
    }
    return 0;
}
