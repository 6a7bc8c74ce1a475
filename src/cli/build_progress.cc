#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "base/time.h"
#include "cli/build.h"
#include "cli/build_board.h"
#include "cli/commands.h"
#include "codec/digest.h"
#include "os/pty.h"

namespace proa::cli {

namespace {
constexpr size_t kUnseenMax = 1 << 20;

/// Draws the board again and again at the same place of the terminal.
class LiveView {
public:
    LiveView() : ticker_([this] { tick(); }) {}
    ~LiveView() { end(); }
    LiveView(const LiveView&) = delete;

    void see(const json::Value& message) {
        std::lock_guard lock(mutex_);
        if (board_.see(message, monotonic_nanoseconds())) return;
        if (auto& text = message["stream"].as_string(); !text.empty()) last_words_ += text;
    }

    /// The last picture stays, and below it what was said of the build as a whole.
    void end() {
        {
            std::lock_guard lock(mutex_);
            if (std::exchange(over_, true)) return;
        }
        wake_.notify_all();
        ticker_.join();
        draw();
        (void)os::write_all(STDERR_FILENO, last_words_);
    }

private:
    void tick() {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, std::chrono::milliseconds(100), [&] { return over_; })) draw();
    }

    void draw() {
        auto size = os::window_size(STDERR_FILENO);
        size_t columns = size && size->width > 0 ? size->width : 80, rows = size && size->height > 1 ? size->height - 1u : 24;
        std::string out = lines_ > 0 ? concat("\x1b[", lines_, "A") : "";
        auto picture = board_.draw(monotonic_nanoseconds(), columns, rows);
        for (auto& line : picture) out += concat("\r\x1b[2K", line, "\n");
        out += "\x1b[J";
        lines_ = picture.size();
        (void)os::write_all(STDERR_FILENO, out);
    }

    std::mutex mutex_;
    std::condition_variable wake_;
    bool over_ = false;
    BuildBoard board_;
    std::string last_words_;
    size_t lines_ = 0;
    std::thread ticker_;
};

/// BuildKit's SolveStatus, one JSON object a line on standard error.
class StatusLines {
public:
    void see(const json::Value& message) {
        if (!board_.see(message, now().unix_nano()) || board_.steps().empty()) return;
        size_t index = board_.changed();
        auto& step = board_.steps()[index];
        std::string digest = codec::Digest::of(concat(index, ' ', step.name)).text();
        json::Object line;
        if (message["step"].is_object()) {
            json::Object vertex{{"digest", digest}, {"name", step.name}, {"started", rfc3339_nano(Time::from_unix_nano(step.began))}};
            if (step.state != BuildBoard::State::Running) vertex.set("completed", rfc3339_nano(Time::from_unix_nano(step.ended)));
            if (step.state == BuildBoard::State::Cached) vertex.set("cached", true);
            if (step.state == BuildBoard::State::Failed) vertex.set("error", "failed");
            line.set("vertexes", json::Array{std::move(vertex)});
        } else if (auto& text = message["stream"].as_string(); !text.empty()) {
            bool error = text.starts_with("\x1b[91m") && text.ends_with("\x1b[0m");
            json::Object log{{"vertex", digest},
                             {"stream", error ? 2 : 1},
                             {"data", base64(error ? text.substr(5, text.size() - 9) : text)},
                             {"timestamp", rfc3339_nano(now())}};
            line.set("logs", json::Array{std::move(log)});
        } else {
            return;
        }
        put_error_line(json::print(json::Value(std::move(line))));
    }

private:
    BuildBoard board_;
};

void put_plain(const json::Value& message) {
    if (auto& stream = message["stream"]; stream.is_string()) put(stream.as_string());
    else if (!message["status"].as_string().empty() && message["progressDetail"]["total"].is_null())
        put_line(concat(message["id"].as_string(), message["id"].as_string().empty() ? "" : ": ", message["status"].as_string()));
}
}  // namespace

Result<std::vector<std::string>> follow_build(client::Connection& answer, BuildProgress progress) {
    json::Splitter splitter;
    std::vector<std::string> images;
    std::optional<LiveView> view;
    if (progress == BuildProgress::Live) view.emplace();
    StatusLines status;
    std::string unseen;  // quiet: what is said only when the build fails
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer))) {
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value message = TRY(json::parse(text));
            if (auto& error = message["errorDetail"]; error.is_object()) {
                if (view) view->end();
                put_error(unseen);
                auto code = error["code"].as_int();
                return fail_with_code(code > 0 && code < 256 ? static_cast<int>(code) : 1, error["message"].as_string());
            }
            if (!message["error"].as_string().empty()) return fail(ErrorKind::Internal, message["error"].as_string());
            if (auto& aux = message["aux"]["ID"]; aux.is_string()) images.push_back(aux.as_string());
            else if (view) view->see(message);
            else if (progress == BuildProgress::Raw) status.see(message);
            else if (progress == BuildProgress::Plain) put_plain(message);
            else if (unseen.size() < kUnseenMax) unseen += message["stream"].as_string();
        }
    }
    if (view) view->end();
    return images;
}

}  // namespace proa::cli
