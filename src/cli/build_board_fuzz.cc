#include <cstdint>

#include "cli/build_board.h"
#include "cli/units.h"

// A build's stream, cut anywhere: whatever an engine sends, the board is drawn, and no line is wider than the terminal or steers it.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace proa;
    if (size < 2) return 0;
    std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    size_t piece = 1 + data[0], columns = 20 + data[1];
    json::Splitter splitter;
    cli::BuildBoard board;
    int64_t now = 0;
    for (size_t at = 0; at < text.size(); at += piece)
        for (auto& one : splitter.feed(text.substr(at, piece)))
            if (auto message = json::parse(one)) (void)board.see(*message, now += 1000000);
    for (auto& line : board.draw(now, columns, 10)) {
        for (char c : line)
            if (static_cast<unsigned char>(c) < ' ' || c == 127) __builtin_trap();
        if (!line.starts_with("[+]") && cli::display_width(line) > columns) __builtin_trap();
    }
    return 0;
}
