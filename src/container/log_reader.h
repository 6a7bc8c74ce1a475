#pragma once
#include <deque>
#include <memory>

#include "base/time.h"
#include "os/fd.h"

namespace proa::container {

/// One message of a json-file log.
struct LogMessage {
    std::string text;          ///< with its newline, if it had one
    bool from_stderr = false;
    Time time;
    std::string attributes;    ///< "k=v,k2=v2" with url-escaped values; only filled for `details`
};

/// The second that was parsed last: most lines share it with the one before.
struct ParsedSecond {
    std::string text;  ///< "2006-01-02T15:04:05"
    int64_t seconds = 0;
};

struct LogOptions {
    bool with_stdout = true, with_stderr = true;
    std::optional<int64_t> since_unix_nano, until_unix_nano;  ///< both inclusive
    std::optional<uint64_t> tail;                             ///< the last N messages; unset: all
    bool details = false;
};

/// Reads a json-file log with its rotated files (.1 is the youngest of them) in order, and goes on across rotations by position,
/// so that a follower sees every line once. Not thread-safe.
class LogReader {
public:
    /// A log that does not exist yet reads as empty.
    static Result<LogReader> open(std::string path, LogOptions options);
    /// The next wanted message, good until the next call; nullptr when there is none for now (ask again after the file has grown) or `finished()`.
    Result<const LogMessage*> next();
    /// True once a message behind `until` was met: nothing further will come.
    bool finished() const { return finished_; }

private:
    /// One file of the log, open. Files move to higher numbers while we read, so names are looked at once and never again.
    struct Segment {
        os::Fd file;
        bool compressed = false;
        uint64_t inode = 0;
        Time first;  ///< of its first line: rises from file to file, and a file keeps it when it is compressed
    };

    std::string path_;
    LogOptions options_;
    std::deque<Segment> segments_;  ///< still to read, oldest first
    Segment current_;
    std::string buffer_;
    size_t consumed_ = 0;
    LogMessage message_;
    ParsedSecond second_;
    Time last_;  ///< of the youngest line that was read
    bool finished_ = false;

    static Result<std::deque<Segment>> scan(const std::string& path);
    static Result<std::optional<Segment>> open_segment(const std::string& path);
    Result<void> skip_to_tail();
    Result<bool> begin_next_segment();
    Result<bool> was_rotated() const;
    Result<bool> read_more();
    Result<bool> fill();
    std::optional<std::string_view> take_line();
};

/// Parses one line of a json-file log; false for a line that is none: `message` is then nothing to rely on.
bool parse_log_line(std::string_view line, bool with_attributes, LogMessage& message, ParsedSecond& second);

}  // namespace proa::container
