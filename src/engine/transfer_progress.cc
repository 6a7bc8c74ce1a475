#include "engine/transfer_progress.h"

#include "base/time.h"

namespace proa::engine {

json::Object status_line(std::string status, std::string id) {
    json::Object line;
    line.set("status", std::move(status));
    if (!id.empty()) line.set("id", std::move(id));
    return line;
}

void TransferProgress::send(const json::Object& line) {
    std::lock_guard lock(mutex_);
    if (auto sent = sink_(line); !sent) ended_ = true;
}

void TransferProgress::say(std::string status, std::string id) { send(status_line(std::move(status), std::move(id))); }

void TransferProgress::say_about(const std::string& id, std::string status) {
    json::Object line;
    line.set("status", std::move(status));
    line.set("progressDetail", json::Object());
    line.set("id", id);
    send(line);
}

void TransferProgress::moved(const std::string& id, std::string status, uint64_t current, uint64_t total) {
    json::Object detail, line;
    detail.set("current", current);
    detail.set("total", total);
    line.set("status", std::move(status));
    line.set("progressDetail", std::move(detail));
    if (!id.empty()) line.set("id", id);
    send(line);
}

bool Pace::due() {
    int64_t now = monotonic_nanoseconds();
    if (now - last_ < 100000000) return false;
    last_ = now;
    return true;
}

}  // namespace proa::engine
