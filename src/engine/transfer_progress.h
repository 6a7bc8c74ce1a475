#pragma once
#include <atomic>
#include <functional>
#include <mutex>

#include "base/result.h"
#include "codec/json/value.h"

namespace proa::engine {

/// Progress lines as clients read them: one JSON object each.
using ProgressSink = std::function<Result<void>(const json::Object& line)>;

json::Object status_line(std::string status, std::string id = "");
/// How far something has come, in numbers and as the bar that clients without a terminal of their own print.
json::Object moved_line(std::string status, const std::string& id, uint64_t current, uint64_t total);

/// The lines of a pull or push, from several threads. A client that does not take them any more has gone.
class TransferProgress {
public:
    TransferProgress(const ProgressSink& sink, std::function<bool()> gone) : sink_(sink), gone_(std::move(gone)) {}

    void say(std::string status, std::string id = "");
    /// Without numbers, but still a line that a terminal draws in place.
    void say_about(const std::string& id, std::string status);
    void moved(const std::string& id, std::string status, uint64_t current, uint64_t total);
    void send(const json::Object& line);

    /// Ends whatever is under way: another part of it has failed.
    void give_up() { ended_ = true; }
    bool cancelled() const { return ended_ || (gone_ && gone_()); }

private:
    const ProgressSink& sink_;
    std::function<bool()> gone_;
    std::mutex mutex_;
    std::atomic<bool> ended_ = false;
};

/// Says at most ten times a second how far one thing has come.
class Pace {
public:
    bool due();

private:
    int64_t last_ = 0;
};

}  // namespace proa::engine
