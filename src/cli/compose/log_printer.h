#pragma once
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace proa::cli {

struct LogStyle {
    bool prefix = true, colours = false, timestamps = false;
};

/// Prints what several containers say, whole lines, each behind its container's name in a colour of its own. Thread-safe.
class LogPrinter {
public:
    explicit LogPrinter(LogStyle style) : style_(style) {}
    /// Names are padded to the longest one that is known.
    void add(const std::string& name);
    /// Bytes as they come, on standard output (1) or error (2) of the container.
    void print(const std::string& name, int stream, std::string_view bytes);
    /// What is left of a line when a stream has ended.
    void flush(const std::string& name);
    /// A line without prefix, between the others.
    void note(std::string_view line);

private:
    void put_log_line(const std::string& name, int stream, std::string_view line);
    std::string prefix_of(const std::string& name);

    LogStyle style_;
    std::mutex mutex_;
    size_t width_ = 0;
    std::map<std::string, size_t> colours_;
    std::map<std::pair<std::string, int>, std::string> pending_;
};

}  // namespace proa::cli
