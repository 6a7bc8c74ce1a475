#include <cstdint>

#include "codec/tar.h"

// clang++-19 -fsanitize=fuzzer,address ...: whatever the bytes are, the reader ends and keeps its limits.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa::codec;
    MemorySource source(std::string_view(reinterpret_cast<const char*>(data), size), 700);
    TarReader reader(source, TarLimits{.entries = 1000, .bytes = 1 << 24});
    for (;;) {
        auto entry = reader.next();
        if (!entry || !*entry) return 0;
        (void)clean_entry_name((*entry)->name);
        for (;;) {
            auto piece = reader.stored();
            if (!piece || piece->empty()) break;
        }
    }
}
