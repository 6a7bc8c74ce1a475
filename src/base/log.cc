#include "base/log.h"

#include <unistd.h>

#include <atomic>

#include "base/text.h"
#include "base/time.h"

namespace proa::log {

namespace {
std::atomic<Level> g_level{Level::Info};
std::atomic<Format> g_format{Format::Text};
constexpr std::string_view kNames[] = {"trace", "debug", "info", "warning", "error", "fatal"};
}  // namespace

void set_level(Level level) { g_level = level; }
void set_format(Format format) { g_format = format; }
Level level() { return g_level; }

bool level_from_name(std::string_view name, Level& level) {
    if (name == "warn") name = "warning";
    if (name == "panic") name = "fatal";
    for (size_t i = 0; i < std::size(kNames); i++) {
        if (kNames[i] != name) continue;
        level = static_cast<Level>(i);
        return true;
    }
    return false;
}

void write(Level level, std::string_view message) {
    if (level < g_level) return;
    std::string_view name = kNames[static_cast<size_t>(level)];
    std::string line = g_format == Format::Text
                           ? concat("time=\"", rfc3339_nano_fixed(now()), "\" level=", name, " msg=", quote(message), "\n")
                           : concat("{\"level\":\"", name, "\",\"msg\":", quote(message), ",\"time\":\"",
                                    rfc3339_nano_fixed(now()), "\"}\n");
    ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    (void)written;  // nobody is left to tell
}

}  // namespace proa::log
