#include "container/log_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "codec/compression.h"
#include "codec/json/value.h"
#include "os/file.h"

namespace proa::container {

namespace {

constexpr size_t kReadBytes = 256 * 1024;

std::vector<std::string> existing_files(const std::string& path) {
    std::vector<std::string> files;  // oldest first
    for (int number = 1;; number++) {
        std::string plain = concat(path, '.', number), packed = plain + ".gz";
        if (os::exists(plain)) files.insert(files.begin(), plain);
        else if (os::exists(packed)) files.insert(files.begin(), packed);
        else break;
    }
    if (os::exists(path)) files.push_back(path);
    return files;
}

/// Undoes JSON's escapes of a text without quotes; false on a malformed escape.
bool unescape(std::string_view in, std::string& out) {
    out.reserve(in.size());
    while (!in.empty()) {
        size_t plain = in.find('\\');
        out.append(in.substr(0, plain));
        if (plain == std::string_view::npos) return true;
        in.remove_prefix(plain + 1);
        if (in.empty()) return false;
        char c = in.front();
        in.remove_prefix(1);
        switch (c) {
            case 'n': out.push_back('\n'); break;
            case 't': out.push_back('\t'); break;
            case 'r': out.push_back('\r'); break;
            case 'b': out.push_back('\b'); break;
            case 'f': out.push_back('\f'); break;
            case 'u': {
                auto code = parse_uint(in.substr(0, 4), 16);
                if (!code || in.size() < 4 || *code >= 0x80) return false;  // rare ones take the slow path
                out.push_back(static_cast<char>(*code));
                in.remove_prefix(4);
                break;
            }
            default: out.push_back(c);
        }
    }
    return true;
}

/// Position of the closing quote of the text that begins at `start`; npos when there is none.
size_t closing_quote(std::string_view line, size_t start) {
    for (size_t at = start;;) {
        at = line.find('"', at);
        if (at == std::string_view::npos) return at;
        size_t backslashes = 0;
        while (at - backslashes > start && line[at - backslashes - 1] == '\\') backslashes++;
        if (backslashes % 2 == 0) return at;
        at++;
    }
}

/// The exact form that our shim and Docker write: {"log":"...","stream":"stdout","time":"..."}.
std::optional<LogMessage> parse_fast(std::string_view line) {
    constexpr std::string_view kLog = "{\"log\":\"", kStream = "\",\"stream\":\"std", kTime = "\",\"time\":\"";
    if (!line.starts_with(kLog)) return std::nullopt;
    size_t end = closing_quote(line, kLog.size());
    if (end == std::string_view::npos || !line.substr(end).starts_with(kStream)) return std::nullopt;
    std::string_view rest = line.substr(end + kStream.size());
    LogMessage message;
    message.from_stderr = rest.starts_with("err");
    if (!message.from_stderr && !rest.starts_with("out")) return std::nullopt;
    rest.remove_prefix(3);
    if (!rest.starts_with(kTime)) return std::nullopt;
    rest.remove_prefix(kTime.size());
    size_t time_end = rest.find('"');
    auto time = parse_rfc3339(rest.substr(0, time_end));
    if (!time || rest.substr(time_end) != "\"}") return std::nullopt;
    message.time = *time;
    if (!unescape(line.substr(kLog.size(), end - kLog.size()), message.text)) return std::nullopt;
    return message;
}

/// A rotated file's plain bytes in an anonymous file: rotated files are small, their size is the log's max-size.
Result<os::Fd> unpack(const os::Fd& packed) {
    codec::FdSource source(packed.get());
    auto plain = codec::gzip_source(source);
    os::Fd memory(::memfd_create("proa-rotated-log", MFD_CLOEXEC));
    if (!memory) return fail_errno("memfd_create");
    codec::FdSink sink(memory.get());
    TRY(codec::copy(*plain, sink));
    if (::lseek(memory.get(), 0, SEEK_SET) < 0) return fail_errno("lseek");
    return memory;
}

/// Opens a log file for reading, through decompression when its name says so.
Result<os::Fd> open_log_file(const std::string& path) {
    os::Fd file = TRY(os::open_file(path, O_RDONLY));
    if (!path.ends_with(".gz")) return file;
    return TRY_WRAP(path, unpack(file));
}

/// Offset just behind the newline before the last `lines` lines of the file, and how many lines it holds from there.
Result<std::pair<off_t, uint64_t>> tail_offset(const std::string& path, uint64_t lines) {
    os::Fd file = TRY(open_log_file(path));
    struct stat st;
    if (::fstat(file.get(), &st) < 0) return fail_errno("fstat", path);
    uint64_t newlines = 0;
    std::string chunk(64 * 1024, '\0');
    for (off_t end = st.st_size; end > 0;) {
        off_t start = std::max<off_t>(0, end - static_cast<off_t>(chunk.size()));
        ssize_t got = ::pread(file.get(), chunk.data(), static_cast<size_t>(end - start), start);
        if (got < 0) return fail_errno("read", path);
        for (ssize_t i = got - 1; i >= 0; i--) {
            if (chunk[static_cast<size_t>(i)] != '\n') continue;
            if (newlines == lines) return std::pair{start + i + 1, newlines};
            newlines++;
        }
        end = start;
    }
    return std::pair{off_t{0}, newlines};
}

/// Go's url.QueryEscape.
std::string query_escape(std::string_view text) { return replace_all(percent_encode(text), "%20", "+"); }

std::string attributes_text(const json::Object& attributes) {
    json::Object sorted = attributes;
    sorted.sort();
    std::string text;
    for (auto& [name, value] : sorted)
        text += concat(text.empty() ? "" : ",", query_escape(name), '=', query_escape(value.as_string()));
    return text;
}

}  // namespace

std::optional<LogMessage> parse_log_line(std::string_view line, bool with_attributes) {
    if (!with_attributes)
        if (auto message = parse_fast(line)) return message;
    auto value = json::parse(line);
    if (!value || !value->is_object()) return std::nullopt;
    auto time = parse_rfc3339((*value)["time"].as_string());
    if (!time) return std::nullopt;
    LogMessage message;
    message.text = (*value)["log"].as_string();
    message.from_stderr = (*value)["stream"].as_string() == "stderr";
    message.time = *time;
    message.attributes = attributes_text((*value)["attrs"].as_object());
    return message;
}

Result<LogReader> LogReader::open(std::string path, LogOptions options) {
    LogReader reader;
    reader.path_ = std::move(path);
    reader.options_ = std::move(options);
    for (auto& file : existing_files(reader.path_)) reader.files_.push_back(std::move(file));
    if (reader.options_.tail) TRY(reader.skip_to_tail());
    return reader;
}

Result<void> LogReader::skip_to_tail() {
    bool filtered = !options_.with_stdout || !options_.with_stderr || options_.since_unix_nano || options_.until_unix_nano;
    uint64_t wanted = *options_.tail;
    if (filtered && wanted > 0) {
        // Lines must be looked at to be counted: read all that is there now, then start before the last `wanted` ones.
        LogOptions all = options_;
        all.tail.reset();
        LogReader counter = TRY(LogReader::open(path_, all));
        uint64_t matching = 0;
        while (TRY(counter.next())) matching++;
        for (uint64_t skip = matching > wanted ? matching - wanted : 0; skip > 0; skip--) TRY(next());
        return {};
    }
    for (size_t index = files_.size(); index-- > 0;) {
        auto [offset, lines] = TRY(tail_offset(files_[index], wanted));
        if (lines < wanted && index > 0) {
            wanted -= lines;
            continue;
        }
        files_.erase(files_.begin(), files_.begin() + static_cast<ptrdiff_t>(index));
        TRY(open_next_file());
        if (::lseek(current_.get(), offset, SEEK_SET) < 0) return fail_errno("lseek", path_);
        return {};
    }
    return {};
}

Result<bool> LogReader::open_next_file() {
    while (!files_.empty()) {
        std::string file = files_.front();
        files_.pop_front();
        auto opened = open_log_file(file);
        // The shim may have compressed it since we looked.
        if (!opened && opened.error().is(ErrorKind::NotFound) && !file.ends_with(".gz") && file != path_) opened = open_log_file(file + ".gz");
        if (!opened && opened.error().is(ErrorKind::NotFound)) continue;
        current_ = TRY(std::move(opened));
        struct stat st;
        if (::fstat(current_.get(), &st) < 0) return fail_errno("fstat", file);
        current_inode_ = st.st_ino;
        return true;
    }
    return false;
}

Result<bool> LogReader::move_past_rotation() {
    if (!files_.empty()) return open_next_file();
    if (!TRY(was_rotated())) return false;
    // The file we read was rotated: what follows is the one that is now one number below it.
    auto files = existing_files(path_);
    size_t after = 0;
    for (size_t i = 0; i < files.size(); i++) {
        auto st = os::status(files[i]);
        if (st && current_ && st->st_ino == current_inode_) after = i + 1;
    }
    files_.assign(files.begin() + static_cast<ptrdiff_t>(after), files.end());
    return open_next_file();
}

Result<bool> LogReader::fill() {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    for (;;) {
        if (TRY(read_more())) return true;
        // The writer may have written once more and then rotated between our read and our look at the name: after a rotation
        // the old file is final, so one more read finds all that is left of it.
        bool rotated = !files_.empty() || TRY(was_rotated());
        if (!rotated) return false;
        if (TRY(read_more())) return true;
        if (!TRY(move_past_rotation())) return false;
        buffer_.clear();
    }
}

Result<bool> LogReader::read_more() {
    if (!current_) return false;
    size_t have = buffer_.size();
    buffer_.resize(have + kReadBytes);
    size_t got = TRY(os::read_some(current_.get(), std::span(buffer_).subspan(have)));
    buffer_.resize(have + got);
    return got > 0;
}

Result<bool> LogReader::was_rotated() const {
    auto active = os::status(path_);
    return active && (!current_ || active->st_ino != current_inode_);
}

std::optional<std::string_view> LogReader::take_line() {
    size_t end = buffer_.find('\n', consumed_);
    if (end == std::string::npos) return std::nullopt;
    std::string_view line = std::string_view(buffer_).substr(consumed_, end - consumed_);
    consumed_ = end + 1;
    return line;
}

Result<std::optional<LogMessage>> LogReader::next() {
    if (options_.tail && *options_.tail == 0 && !current_) {
        // Nothing of what is there is wanted: begin at the end of the active file.
        options_.tail.reset();
        while (files_.size() > 1) files_.pop_front();
        if (TRY(open_next_file())) ::lseek(current_.get(), 0, SEEK_END);
    }
    while (!finished_) {
        auto line = take_line();
        if (!line) {
            if (!TRY(fill())) return std::optional<LogMessage>();
            continue;
        }
        auto message = parse_log_line(*line, options_.details);
        if (!message || (message->from_stderr ? !options_.with_stderr : !options_.with_stdout)) continue;
        int64_t time = message->time.unix_nano();
        if (options_.since_unix_nano && time < *options_.since_unix_nano) continue;
        if (options_.until_unix_nano && time > *options_.until_unix_nano) {
            finished_ = true;
            break;
        }
        return message;
    }
    return std::optional<LogMessage>();
}

}  // namespace proa::container
