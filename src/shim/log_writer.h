#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "os/fd.h"
#include "shim/page_buffer.h"
#include "shim/protocol.h"

namespace proa::shim {

enum class OutputStream : uint8_t { Stdout = 1, Stderr = 2 };  ///< the numbers of the stream frames

constexpr size_t kLogMessageBytes = 16 * 1024;  ///< longer lines become several messages, as in Docker

/// Writes a container's output as Docker's json-file log: one JSON object a line, rotation before the line that would start in a
/// full file, rotated files compressed by a child process. A disk without space costs lines (counted, and told by a line of its
/// own when there is space again), never the container. Format: docs/life/logs.md
class LogWriter {
public:
    /// Opens or continues the file; a last line that a crash cut short is removed. With LogDriver::None everything is accepted
    /// and dropped. Errors: those of opening the file.
    static Result<std::unique_ptr<LogWriter>> open(const LogSettings& settings);

    /// Takes output as it was read at `when`; complete lines are in the file when it returns.
    void append(OutputStream stream, std::string_view bytes, Time when);
    /// The stream's end: writes a last line that had no newline.
    void finish(OutputStream stream, Time when);

    /// A rotation is due but the last rotated file is still being compressed: stop reading until the compressor's end.
    bool blocked() const { return rotation_due_; }
    pid_t compressor() const { return compressor_; }
    void compressor_ended();
    /// Ends a running compressor; what it worked on stays readable and is compressed at the next start.
    void stop_compressor();
    uint64_t dropped_lines() const { return dropped_total_; }
    void release_memory();

private:
    struct Source {
        std::string rest;      ///< a line's beginning that waits for its end
        bool is_continued = false;  ///< messages of the current line were already written
        Time first_time;       ///< of the current line's first message
    };
    static constexpr size_t kBufferBytes = 256 * 1024;

    explicit LogWriter(const LogSettings& settings);
    Result<void> open_file();
    Source& source(OutputStream stream) { return sources_[stream == OutputStream::Stderr]; }
    void continue_line(OutputStream stream, std::string_view& bytes, Time when);
    void put_message(OutputStream stream, std::string_view text, bool complete, Time when);
    void set_tail(OutputStream stream, Time when);
    void flush();
    bool write_marker();
    void drop_from(size_t written, size_t begin);
    void rotate();
    Result<void> shift_files();

    LogSettings settings_;
    os::Fd file_;
    int64_t file_size_ = 0;
    PageBuffer buffer_{kBufferBytes};
    size_t used_ = 0;
    Source sources_[2];
    std::string tail_;  ///< what follows the escaped text in every message of one batch
    OutputStream tail_stream_ = OutputStream::Stdout;
    Time tail_time_;
    Time last_time_;         ///< of the youngest line: the next one is later
    size_t tail_fixed_ = 0;  ///< bytes of tail_ before the fraction of the second
    uint64_t dropped_ = 0, dropped_total_ = 0;
    int drop_errno_ = 0;
    pid_t compressor_ = -1;
    bool rotation_due_ = false, rotation_failed_ = false;
};

/// Compresses `path` to `path`.gz and removes it, in a child process of low priority. The caller reaps the child.
Result<pid_t> start_compressor(const std::string& path);

}  // namespace proa::shim
