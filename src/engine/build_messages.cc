#include "engine/build_messages.h"

#include <algorithm>

namespace proa::engine {

namespace {
json::Object stream_line(std::string text) {
    json::Object line;
    line.set("stream", to_valid_utf8(text));
    return line;
}
}  // namespace

void BuildMessages::expect(const std::vector<size_t>& stages) {
    std::lock_guard lock(mutex_);
    order_ = stages;
    done_.assign(stages.size(), false);
    waiting_.assign(stages.size(), {});
}

void BuildMessages::send(const json::Object& object) {
    if (!broken_ && !sink_(object)) broken_ = true;
}

void BuildMessages::done(size_t stage) {
    std::lock_guard lock(mutex_);
    auto place = std::find(order_.begin(), order_.end(), stage);
    if (place == order_.end()) return;
    done_[static_cast<size_t>(place - order_.begin())] = true;
    while (current_ < order_.size() && done_[current_]) {
        if (++current_ >= order_.size()) break;
        for (auto& object : waiting_[current_]) send(object);
        waiting_[current_].clear();
    }
}

void BuildMessages::object(size_t stage, json::Object object) {
    if (telling_ == BuildTelling::Quiet) return;
    std::lock_guard lock(mutex_);
    if (telling_ == BuildTelling::Live) {
        object.set("stage", static_cast<int64_t>(stage));
        return send(object);
    }
    auto place = std::find(order_.begin(), order_.end(), stage);
    auto index = static_cast<size_t>(place - order_.begin());
    if (place == order_.end() || index <= current_) send(object);
    else waiting_[index].push_back(std::move(object));
}

void BuildMessages::text(size_t stage, std::string text) { object(stage, stream_line(std::move(text))); }

void BuildMessages::classic(size_t stage, std::string text) {
    if (telling_ == BuildTelling::Classic) object(stage, stream_line(std::move(text)));
}

void BuildMessages::step(size_t stage, const Step& step, std::string_view state) {
    if (telling_ != BuildTelling::Live) return;
    json::Object told, line;
    told.set("stage", step.stage_name);
    told.set("number", step.number);
    told.set("count", step.count);
    told.set("text", step.text);
    told.set("state", std::string(state));
    line.set("step", std::move(told));
    object(stage, std::move(line));
}

void BuildMessages::standard_error(size_t stage, std::string_view text) { object(stage, stream_line(concat("\x1b[91m", text, "\x1b[0m"))); }

void BuildMessages::final_text(std::string text) { final_object(stream_line(std::move(text))); }

void BuildMessages::final_object(const json::Object& object) {
    std::lock_guard lock(mutex_);
    send(object);
}

bool BuildMessages::broken() const {
    std::lock_guard lock(mutex_);
    return broken_;
}

}  // namespace proa::engine
