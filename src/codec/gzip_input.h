#pragma once
#include <string_view>

#include "base/text.h"
#include "codec/compression.h"

// What both readers of gzip share; only they include this.
namespace proa::codec {

constexpr size_t kGzipOutput = 256 << 10;

inline Unexpected damaged_gzip(std::string_view what) { return fail(ErrorKind::InvalidArgument, concat("gzip: ", what)); }

/// The input piece at hand and what may stand between members.
class GzipInput {
public:
    explicit GzipInput(Source& inner) : inner_(inner) {}
    std::string_view rest;
    bool at_end = false;

    Result<void> refill() {
        if (!rest.empty() || at_end) return {};
        rest = TRY(inner_.pull());
        at_end = rest.empty();
        return {};
    }
    /// After a member: true when another one follows. Zero bytes up to the end are padding (tapes, block devices).
    Result<bool> another_member() {
        bool padded = false;
        for (;;) {
            TRY(refill());
            if (rest.empty()) return false;
            if (rest[0] == '\0') {
                padded = true;
                size_t zeros = rest.find_first_not_of('\0');
                rest.remove_prefix(zeros == std::string_view::npos ? rest.size() : zeros);
                continue;
            }
            if (padded || rest[0] != '\x1f') return damaged_gzip("invalid header");
            return true;
        }
    }

private:
    Source& inner_;
};

}  // namespace proa::codec
