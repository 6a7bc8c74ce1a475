#include "engine/transfer_progress.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "base/time.h"

namespace proa::engine {

json::Object status_line(std::string status, std::string id) {
    json::Object line;
    line.set("status", std::move(status));
    if (!id.empty()) line.set("id", std::move(id));
    return line;
}

namespace {
std::string size_text(uint64_t bytes) {
    static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double size = static_cast<double>(bytes);
    size_t unit = 0;
    for (; size >= 1000 && unit + 1 < std::size(kUnits); unit++) size /= 1000;
    char text[40];
    snprintf(text, sizeof text, "%.4g%s", size, kUnits[unit]);
    return text;
}

/// API: the `progress` field, `[=====>      ]  1.2kB/3.4kB`.
std::string bar(uint64_t current, uint64_t total) {
    std::string done = size_text(current);
    done.insert(0, 8 - std::min<size_t>(8, done.size()), ' ');
    if (total == 0 || current > total) return done;
    size_t filled = std::min<size_t>(50, static_cast<size_t>(static_cast<double>(current) / static_cast<double>(total) * 100) / 2);
    return concat("[", std::string(filled, '='), ">", std::string(50 - filled, ' '), "] ", done, "/", size_text(total));
}
}  // namespace

json::Object moved_line(std::string status, const std::string& id, uint64_t current, uint64_t total) {
    json::Object line{
        {"status", std::move(status)}, {"progressDetail", json::Object{{"current", current}, {"total", total}}}, {"progress", bar(current, total)}};
    if (!id.empty()) line.set("id", id);
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
    send(moved_line(std::move(status), id, current, total));
}

bool Pace::due() {
    int64_t now = monotonic_nanoseconds();
    if (now - last_ < 100000000) return false;
    last_ = now;
    return true;
}

}  // namespace proa::engine
