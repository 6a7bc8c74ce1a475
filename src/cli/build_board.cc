#include "cli/build_board.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
constexpr size_t kLinesMax = 100, kLinesShown = 4;

std::string seconds(int64_t nanoseconds) { return fixed_number(static_cast<double>(nanoseconds) / 1e9, 1) + "s"; }

BuildBoard::State state_of(const std::string& text) {
    if (text == "running") return BuildBoard::State::Running;
    if (text == "cached") return BuildBoard::State::Cached;
    return text == "failed" ? BuildBoard::State::Failed : BuildBoard::State::Done;
}

/// `left`, blanks, `right`: `columns` wide.
std::string justified(std::string left, const std::string& right, size_t columns) {
    size_t room = columns > right.size() + 1 ? columns - right.size() - 1 : 1;
    left = ellipsis(left, room);
    size_t width = display_width(left);
    return left + std::string(room > width ? room - width : 0, ' ') + " " + right;
}

void add_output(BuildBoard::Step& step, std::string_view text) {
    step.rest += text;
    for (size_t end; (end = step.rest.find('\n')) != std::string::npos; step.rest.erase(0, end + 1))
        step.lines.push_back(plain_line(std::string_view(step.rest).substr(0, end)));
    if (step.rest.size() > 4096) step.rest.erase(0, step.rest.size() - 4096);  // a bar that is drawn on one line
    if (step.lines.size() > kLinesMax) step.lines.erase(step.lines.begin(), step.lines.end() - kLinesMax);
}
}  // namespace

std::string plain_line(std::string_view text) {
    while (text.ends_with('\r')) text.remove_suffix(1);
    if (auto overwritten = text.rfind('\r'); overwritten != text.npos) text.remove_prefix(overwritten + 1);
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        auto byte = static_cast<unsigned char>(text[i]);
        if (byte == 27 && i + 1 < text.size() && text[i + 1] == '[') {  // ECMA-48: CSI ends with a byte from @ to ~
            for (i += 2; i < text.size() && (text[i] < '@' || text[i] > '~');) i++;
        } else if (byte == '\t') {
            out += "    ";
        } else if (byte >= ' ' && byte != 127) {
            out.push_back(text[i]);
        }
    }
    return out;
}

bool BuildBoard::see(const json::Value& message, int64_t now) {
    if (began_ < 0) began_ = now;
    if (!message["stage"].is_number()) return false;
    int64_t stage = message["stage"].as_int();
    auto& told = message["step"];
    if (told.is_object()) {
        auto state = state_of(told["state"].as_string());
        if (state == State::Running) {
            current_[stage] = steps_.size();
            Step step{.name = concat('[', told["stage"].as_string(), ' ', told["number"].as_int(), '/', told["count"].as_int(), "] ",
                                     plain_line(replace_all(told["text"].as_string(), "\n", " ")))};
            step.began = now;
            steps_.push_back(std::move(step));
        } else if (current_.contains(stage)) {
            auto& step = steps_[current_[stage]];
            step.state = state;
            step.ended = now;
        }
        if (current_.contains(stage)) changed_ = current_[stage];
        return true;
    }
    if (!current_.contains(stage)) return true;
    changed_ = current_[stage];
    auto& step = steps_[changed_];
    if (auto& text = message["stream"].as_string(); !text.empty()) add_output(step, text);
    else if (auto& status = message["status"].as_string(); !status.empty() && message["progressDetail"]["total"].is_null())
        add_output(step, concat(message["id"].as_string(), message["id"].as_string().empty() ? "" : ": ", status, '\n'));
    return true;
}

size_t BuildBoard::done() const {
    return static_cast<size_t>(
        std::count_if(steps_.begin(), steps_.end(), [](auto& step) { return step.state == State::Done || step.state == State::Cached; }));
}

std::vector<std::string> BuildBoard::draw(int64_t now, size_t columns, size_t rows) const {
    std::vector<std::vector<std::string>> blocks;
    size_t height = 1;
    for (auto& step : steps_) {
        std::vector<std::string> block;
        bool open = step.state == State::Running || step.state == State::Failed;
        const char* mark = step.state == State::Cached ? "CACHED " : step.state == State::Failed ? "ERROR " : "";
        block.push_back(justified(concat(" => ", mark, step.name), seconds((open && step.ended == 0 ? now : step.ended) - step.began), columns));
        if (open) {
            auto lines = step.lines;
            if (!step.rest.empty()) lines.push_back(plain_line(step.rest));
            for (size_t i = lines.size() > kLinesShown ? lines.size() - kLinesShown : 0; i < lines.size(); i++)
                block.push_back(ellipsis(" => => " + lines[i], columns));
        }
        height += block.size();
        blocks.push_back(std::move(block));
    }
    std::vector<std::string> picture{concat("[+] Building ", seconds(now - std::max<int64_t>(began_, 0)), " (", done(), '/', steps_.size(), ")")};
    for (size_t i = 0; i < blocks.size(); i++) {
        bool finished = steps_[i].state == State::Done || steps_[i].state == State::Cached;
        if (finished && height > rows) {
            height -= blocks[i].size();
            continue;
        }
        picture.insert(picture.end(), blocks[i].begin(), blocks[i].end());
    }
    if (picture.size() > rows && rows > 1) picture.erase(picture.begin() + 1, picture.begin() + 1 + static_cast<std::ptrdiff_t>(picture.size() - rows));
    return picture;
}

}  // namespace proa::cli
