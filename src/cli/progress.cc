#include "cli/progress.h"

#include <unistd.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/units.h"
#include "os/pty.h"

namespace proa::cli {

namespace {
/// Draws messages; knows on which line of the terminal each id stands.
class Screen {
public:
    explicit Screen(int fd) : fd_(fd), terminal_(::isatty(fd)) {
        auto size = os::window_size(fd);
        columns_ = size && size->width > 0 ? size->width : 200;
    }

    void show(const json::Value& message) {
        const std::string& id = message["id"].as_string();
        auto& detail = message["progressDetail"];
        bool has_progress = detail["current"].as_int() > 0 || detail["total"].as_int() > 0;
        if (has_progress && !terminal_) return;
        std::string out;
        size_t up = 0;
        if (terminal_ && !id.empty() && detail.is_object()) up = line_of(id, out);
        else if (terminal_ && message["stream"].as_string().empty()) ids_.clear();
        if (up > 0) out += concat("\x1b[", up, "A");
        out += text(message, id, detail, has_progress);
        if (up > 0) out += concat("\x1b[", up, "B");
        (void)os::write_all(fd_, out);
    }

private:
    /// How far above the cursor the id's line is; a new id gets a new last line.
    size_t line_of(const std::string& id, std::string& out) {
        for (size_t i = 0; i < ids_.size(); i++)
            if (ids_[i] == id) return ids_.size() - i;
        ids_.push_back(id);
        out += "\n";
        return 1;
    }

    std::string text(const json::Value& message, const std::string& id, const json::Value& detail, bool has_progress) const {
        std::string out, end;
        const std::string& stream = message["stream"].as_string();
        if (terminal_ && stream.empty() && detail.is_object()) {
            out = "\x1b[2K\r";
            end = "\r";
        }
        if (!id.empty()) out += concat(id, ": ");
        if (!message["from"].as_string().empty()) out += concat("(from ", message["from"].as_string(), ") ");
        if (has_progress) return out + concat(message["status"].as_string(), ' ', bar(detail), end);
        if (!stream.empty()) return out + stream + end;
        return out + message["status"].as_string() + (terminal_ && !end.empty() ? end : "\n");
    }

    std::string bar(const json::Value& detail) const {
        double current = detail["current"].as_double(), total = detail["total"].as_double();
        std::string now = human_size(current);
        now.insert(0, now.size() < 8 ? 8 - now.size() : 0, ' ');
        if (total <= 0) return now;
        std::string drawn;
        if (columns_ > 110) {
            size_t share = std::min<size_t>(50, static_cast<size_t>(current / total * 100) / 2);
            drawn = concat('[', std::string(share, '='), '>', std::string(share < 50 ? 50 - share : 0, ' '), "] ");
        }
        return drawn + (current > total ? now : concat(now, '/', human_size(total)));
    }

    int fd_;
    bool terminal_;
    size_t columns_;
    std::vector<std::string> ids_;
};
}  // namespace

Result<void> show_progress(client::Connection& answer, int fd, bool quiet, const std::function<void(const json::Value&)>& aux) {
    Screen screen(fd);
    json::Splitter splitter;
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer))) {
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value message = TRY(json::parse(text));
            if (auto& error = message["errorDetail"]["message"]; !error.as_string().empty())
                return fail(ErrorKind::Internal, error.as_string());
            if (auto& error = message["error"]; !error.as_string().empty()) return fail(ErrorKind::Internal, error.as_string());
            if (!message["aux"].is_null()) {
                if (aux) aux(message["aux"]);
                continue;
            }
            if (!quiet) screen.show(message);
        }
    }
    return {};
}

}  // namespace proa::cli
