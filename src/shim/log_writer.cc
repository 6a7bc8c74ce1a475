#include "shim/log_writer.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "os/file.h"
#include "os/process.h"
#include "shim/json_line.h"

namespace proa::shim {

namespace {
constexpr std::string_view kHead = "{\"log\":\"";
constexpr mode_t kLogMode = 0640;

std::string rotated_name(const std::string& path, int number) { return concat(path, ".", number); }

/// The offset behind the last complete line; only the end of the file is looked at.
int64_t end_of_lines(int file, int64_t size) {
    constexpr int64_t kWindow = 128 * 1024;  // more than the longest line
    int64_t begin = std::max<int64_t>(0, size - kWindow);
    std::string window(static_cast<size_t>(size - begin), '\0');
    ssize_t got = ::pread(file, window.data(), window.size(), begin);
    if (got != static_cast<ssize_t>(window.size())) return size;
    size_t last = window.rfind('\n');
    if (last == std::string::npos) return begin == 0 ? 0 : size;
    return begin + static_cast<int64_t>(last) + 1;
}
}  // namespace

LogWriter::LogWriter(const LogSettings& settings) : settings_(settings) {}

Result<std::unique_ptr<LogWriter>> LogWriter::open(const LogSettings& settings) {
    std::unique_ptr<LogWriter> writer(new LogWriter(settings));
    if (settings.driver == LogDriver::None) return writer;
    if (!writer->buffer_.data()) return fail(ErrorKind::Internal, "no memory for the log buffer", ENOMEM);
    TRY(writer->open_file());
    const std::string left_over = rotated_name(settings.path, 1);
    if (settings.compress && settings.max_files > 1 && os::exists(left_over)) {
        auto child = start_compressor(left_over);
        if (child) writer->compressor_ = *child;
    }
    return writer;
}

Result<void> LogWriter::open_file() {
    file_ = TRY(os::open_file(settings_.path, O_RDWR | O_CREAT | O_APPEND, kLogMode));
    off_t size = ::lseek(file_.get(), 0, SEEK_END);
    if (size < 0) return fail_errno("lseek", settings_.path);
    file_size_ = size > 0 ? end_of_lines(file_.get(), size) : 0;
    if (file_size_ != size && ::ftruncate(file_.get(), file_size_) < 0) return fail_errno("ftruncate", settings_.path);
    return {};
}

void LogWriter::append(OutputStream stream, std::string_view bytes, Time when) {
    if (settings_.driver == LogDriver::None) return;
    rotation_failed_ = false;
    Source& from = source(stream);
    if (!from.rest.empty()) continue_line(stream, bytes, when);
    while (!bytes.empty()) {
        size_t span = std::min(bytes.size(), kLogMessageBytes);
        auto newline = static_cast<const char*>(memchr(bytes.data(), '\n', span));
        if (newline) {
            auto length = static_cast<size_t>(newline - bytes.data());
            put_message(stream, bytes.substr(0, length), true, when);
            bytes.remove_prefix(length + 1);
        } else if (span == kLogMessageBytes) {
            put_message(stream, bytes.substr(0, span), false, when);
            bytes.remove_prefix(span);
        } else {
            from.rest.assign(bytes);
            break;
        }
    }
    flush();
}

void LogWriter::continue_line(OutputStream stream, std::string_view& bytes, Time when) {
    Source& from = source(stream);
    size_t span = std::min(bytes.size(), kLogMessageBytes - from.rest.size());
    auto newline = static_cast<const char*>(memchr(bytes.data(), '\n', span));
    size_t length = newline ? static_cast<size_t>(newline - bytes.data()) : span;
    from.rest.append(bytes.substr(0, length));
    bytes.remove_prefix(newline ? length + 1 : length);
    if (!newline && from.rest.size() < kLogMessageBytes) return;
    put_message(stream, from.rest, newline != nullptr, when);
    if (from.rest.capacity() > 1024)
        from.rest = {};
    else
        from.rest.clear();
}

void LogWriter::finish(OutputStream stream, Time when) {
    Source& from = source(stream);
    if (!from.rest.empty()) put_message(stream, from.rest, false, when);
    from = {};
    flush();
}

namespace {
Time a_nanosecond_after(Time time) {
    if (++time.nanoseconds < 1'000'000'000) return time;
    return Time{time.seconds + 1, 0};
}
}  // namespace

void LogWriter::put_message(OutputStream stream, std::string_view text, bool complete, Time when) {
    const bool waits = rotation_failed_ || (rotation_due_ && compressor_ > 0);
    if (settings_.max_size > 0 && !waits && file_size_ + static_cast<int64_t>(used_) >= settings_.max_size) {
        flush();
        if (file_size_ >= settings_.max_size) rotate();
    }
    Source& from = source(stream);
    if (!from.is_continued) {
        // Lines that came in one read still get times of their own, rising: `logs --since` and followers can tell them apart.
        if (when <= last_time_) when = a_nanosecond_after(last_time_);
        last_time_ = from.first_time = when;
    }
    set_tail(stream, from.first_time);
    from.is_continued = !complete;
    if (used_ + kHead.size() + escaped_size_max(text.size()) + 2 + tail_.size() > kBufferBytes) flush();
    char* out = buffer_.data() + used_;
    memcpy(out, kHead.data(), kHead.size());
    out = escape_json(text, out + kHead.size());
    if (complete) {
        *out++ = '\\';
        *out++ = 'n';
    }
    memcpy(out, tail_.data(), tail_.size());
    used_ = static_cast<size_t>(out + tail_.size() - buffer_.data());
}

namespace {
/// ".000000001" without the zeros at its end, nothing for 0.
void append_fraction(std::string& out, int32_t nanoseconds) {
    if (nanoseconds == 0) return;
    char digits[10] = {'.'};
    for (int i = 9; i > 0; i--, nanoseconds /= 10) digits[i] = static_cast<char>('0' + nanoseconds % 10);
    size_t length = sizeof digits;
    while (digits[length - 1] == '0') length--;
    out.append(digits, length);
}
}  // namespace

void LogWriter::set_tail(OutputStream stream, Time when) {
    if (!tail_.empty() && tail_stream_ == stream && tail_time_ == when) return;
    // Lines of one read are a nanosecond apart: mostly that is the last digit.
    const int last_digit = tail_time_.nanoseconds % 10;
    if (!tail_.empty() && tail_stream_ == stream && tail_time_.seconds == when.seconds && tail_time_.nanoseconds + 1 == when.nanoseconds && last_digit != 0 && last_digit != 9) {
        tail_[tail_fixed_ + 9]++;
        tail_time_ = when;
        return;
    }
    const bool same_second = !tail_.empty() && tail_stream_ == stream && tail_time_.seconds == when.seconds;
    tail_stream_ = stream;
    tail_time_ = when;
    if (!same_second) {
        tail_ = concat("\",\"stream\":\"", stream == OutputStream::Stdout ? "stdout" : "stderr", "\",");
        if (!settings_.attributes.empty()) tail_ += concat("\"attrs\":", settings_.attributes, ",");
        tail_ += concat("\"time\":\"", trim_suffix(rfc3339_nano(Time{when.seconds, 0}), "Z"));
        tail_fixed_ = tail_.size();
    }
    tail_.resize(tail_fixed_);
    append_fraction(tail_, when.nanoseconds);
    tail_ += "Z\"}\n";
}

void LogWriter::flush() {
    if (used_ == 0) return;
    if (dropped_ > 0 && !write_marker()) {
        drop_from(0, 0);
        return;
    }
    size_t written = 0;
    while (written < used_) {
        auto put = os::write_some(file_.get(), {buffer_.data() + written, used_ - written});
        if (!put || *put == 0) {
            drop_errno_ = put ? ENOSPC : put.error().number();
            break;
        }
        written += *put;
    }
    if (written == used_) {
        file_size_ += static_cast<int64_t>(used_);
        used_ = 0;
        return;
    }
    auto last = static_cast<const char*>(memrchr(buffer_.data(), '\n', written));
    drop_from(written, last ? static_cast<size_t>(last - buffer_.data()) + 1 : 0);
}

/// `written` bytes of the buffer reached the file, the lines up to `begin` whole: the rest is counted and given up.
void LogWriter::drop_from(size_t written, size_t begin) {
    file_size_ += static_cast<int64_t>(begin);
    if (written > begin && ::ftruncate(file_.get(), file_size_) < 0) drop_errno_ = errno;
    uint64_t lines = 0;
    for (size_t i = begin; i < used_; i++) lines += buffer_.data()[i] == '\n';
    dropped_ += lines;
    dropped_total_ += lines;
    used_ = 0;
}

/// Tells how many lines were lost; false when there is still no space.
bool LogWriter::write_marker() {
    std::string text = concat("proa: ", dropped_, dropped_ == 1 ? " log message" : " log messages", " lost: ", strerror(drop_errno_));
    std::string line(escaped_size_max(text.size()), '\0');
    line.resize(static_cast<size_t>(escape_json(text, line.data()) - line.data()));
    line = concat(kHead, line, "\\n\",\"stream\":\"stderr\",\"time\":\"", rfc3339_nano(now()), "\"}\n");
    auto put = os::write_some(file_.get(), line);
    if (put && *put == line.size()) {
        file_size_ += static_cast<int64_t>(line.size());
        dropped_ = 0;
        return true;
    }
    if (put && *put > 0 && ::ftruncate(file_.get(), file_size_) < 0) drop_errno_ = errno;
    return false;
}

void LogWriter::rotate() {
    if (compressor_ > 0) {
        rotation_due_ = true;  // the shim stops reading; the rest of this batch still goes to the full file
        return;
    }
    rotation_due_ = false;
    if (settings_.max_files < 2) {
        if (::ftruncate(file_.get(), 0) == 0) file_size_ = 0;
        return;
    }
    auto shifted = shift_files();
    if (!shifted) {
        rotation_failed_ = true;  // the full file goes on; the next batch tries again
        return;
    }
    if (!settings_.compress) return;
    auto child = start_compressor(rotated_name(settings_.path, 1));
    if (child) compressor_ = *child;
}

Result<void> LogWriter::shift_files() {
    // The new file exists before anything moves: a disk without space leaves all as it was.
    const std::string fresh = settings_.path + ".new";
    os::Fd file = TRY(os::open_file(fresh, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, kLogMode));
    const int last = settings_.max_files - 1;
    for (const char* ending : {"", ".gz"}) {
        TRY(os::remove_file(rotated_name(settings_.path, last) + ending));
        for (int number = last; number > 1; number--) {
            const std::string from = rotated_name(settings_.path, number - 1) + ending;
            if (::rename(from.c_str(), (rotated_name(settings_.path, number) + ending).c_str()) < 0 && errno != ENOENT)
                return fail_errno("rename", from);
        }
    }
    TRY(os::rename_path(settings_.path, rotated_name(settings_.path, 1)));
    TRY(os::rename_path(fresh, settings_.path));
    file_ = std::move(file);
    file_size_ = 0;
    return {};
}

void LogWriter::compressor_ended() {
    compressor_ = -1;
    if (rotation_due_) rotate();
}

void LogWriter::stop_compressor() {
    if (compressor_ <= 0) return;
    ::kill(compressor_, SIGKILL);
    (void)os::wait_for_exit(compressor_);
    (void)os::remove_file(rotated_name(settings_.path, 1) + ".gz.new");
    compressor_ = -1;
}

void LogWriter::release_memory() { buffer_.release(); }

}  // namespace proa::shim
