#include "cli/compose/progress_view.h"

#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"
#include "cli/units.h"
#include "os/pty.h"

namespace proa::cli {

namespace {
using State = compose::ProgressEvent::State;

std::string json_line(const compose::ProgressEvent& event) {
    json::Object line{{"id", event.subject}, {"status", event.text}};
    if (event.state == State::Failed) line.set("error", true), line.set("details", event.detail);
    if (event.state == State::Warning) line.set("warning", true);
    return json::print(json::Value(std::move(line))) + "\n";
}

std::string_view sign(State state) {
    switch (state) {
        case State::Working: return "\x1b[33m⠿\x1b[0m";
        case State::Done: return "\x1b[32m✔\x1b[0m";
        case State::Warning: return "\x1b[33m!\x1b[0m";
        case State::Failed: return "\x1b[31m✘\x1b[0m";
    }
    return "";
}

std::string seconds_text(int64_t nanoseconds) { return fixed_number(static_cast<double>(nanoseconds) / 1e9, 1) + "s"; }
}  // namespace

void ProgressView::show(const compose::ProgressEvent& event) {
    std::lock_guard lock(mutex_);
    if (kind_ == Kind::Quiet) return;
    if (kind_ == Kind::Json) return put_error(json_line(event));
    if (event.text.empty()) return put_error_line(event.subject);
    if (kind_ == Kind::Plain) return put_error_line(concat(' ', event.subject, "  ", event.text));
    auto line = std::find_if(lines_.begin(), lines_.end(), [&](auto& each) { return each.event.subject == event.subject; });
    if (line == lines_.end()) line = lines_.insert(lines_.end(), {event, monotonic_nanoseconds(), 0});
    line->event = event;
    line->ended = event.state == State::Working ? 0 : monotonic_nanoseconds();
    draw();
}

void ProgressView::finish() {
    std::lock_guard lock(mutex_);
    lines_.clear();
    drawn_ = 0;
}

void ProgressView::draw() {
    auto size = os::window_size(STDERR_FILENO);
    size_t columns = size && size->width > 20 ? size->width : 80, rows = size && size->height > 3 ? size->height - 2 : 22;
    size_t ready = 0, width = 0;
    for (auto& line : lines_) {
        ready += line.event.state != State::Working;
        width = std::max(width, display_width(line.event.subject));
    }
    std::string out = drawn_ > 0 ? concat("\x1b[", drawn_, "A") : "";
    out += concat("\x1b[2K[+] Running ", ready, '/', lines_.size(), "\n");
    // Of a picture that is higher than the terminal the newest lines are shown.
    size_t first = lines_.size() > rows ? lines_.size() - rows : 0;
    int64_t now = monotonic_nanoseconds();
    for (size_t i = first; i < lines_.size(); i++) {
        auto& line = lines_[i];
        std::string left = concat(line.event.subject, std::string(width - display_width(line.event.subject), ' '), "  ", line.event.text);
        std::string right = seconds_text((line.ended == 0 ? now : line.ended) - line.began);
        size_t used = display_width(left) + right.size() + 5;
        out += concat("\x1b[2K ", sign(line.event.state), ' ', left, std::string(used < columns ? columns - used : 1, ' '), right, "\n");
    }
    drawn_ = 1 + lines_.size() - first;
    put_error(out);
}

}  // namespace proa::cli
