#include "cli/compose/log_printer.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"

namespace proa::cli {

namespace {
constexpr std::string_view kColours[] = {"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"};
}  // namespace

void LogPrinter::add(const std::string& name) {
    std::lock_guard lock(mutex_);
    width_ = std::max(width_, name.size());
    colours_.emplace(name, colours_.size());
}

std::string LogPrinter::prefix_of(const std::string& name) {
    if (!style_.prefix) return "";
    width_ = std::max(width_, name.size());
    std::string text = concat(name, std::string(width_ - name.size(), ' '), "  | ");
    size_t colour = colours_.emplace(name, colours_.size()).first->second;
    return style_.colours ? concat("\x1b[", kColours[colour % std::size(kColours)], 'm', text, "\x1b[0m") : text;
}

void LogPrinter::put_log_line(const std::string& name, int stream, std::string_view line) {
    std::string time = style_.timestamps ? rfc3339_nano_fixed(now()) + " " : "";
    std::string text = concat(prefix_of(name), time, line, "\n");
    stream == 2 ? put_error(text) : put(text);
}

void LogPrinter::print(const std::string& name, int stream, std::string_view bytes) {
    std::lock_guard lock(mutex_);
    std::string& pending = pending_[{name, stream}];
    pending.append(bytes);
    size_t start = 0;
    for (size_t end = pending.find('\n'); end != pending.npos; end = pending.find('\n', start)) {
        put_log_line(name, stream, trim_suffix(std::string_view(pending).substr(start, end - start), "\r"));
        start = end + 1;
    }
    pending.erase(0, start);
}

void LogPrinter::flush(const std::string& name) {
    std::lock_guard lock(mutex_);
    for (int stream : {1, 2})
        if (auto found = pending_.find({name, stream}); found != pending_.end() && !found->second.empty()) {
            put_log_line(name, stream, found->second);
            pending_.erase(found);
        }
}

void LogPrinter::note(std::string_view line) {
    std::lock_guard lock(mutex_);
    put_line(line);
}

}  // namespace proa::cli
