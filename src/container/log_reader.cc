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

/// Undoes JSON's escapes of a text without quotes; false on a malformed escape.
bool unescape(std::string_view in, std::string& out) {
    out.clear();
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

std::optional<Time> parse_time(std::string_view text, ParsedSecond& second) {
    constexpr size_t kSecond = 19;
    if (text.size() > kSecond + 1 && text.back() == 'Z' && text[kSecond] == '.' && text.substr(0, kSecond) == second.text) {
        std::string_view fraction = text.substr(kSecond + 1, text.size() - kSecond - 2);
        int32_t nanoseconds = 0;
        bool plain = !fraction.empty() && fraction.size() <= 9;
        for (size_t i = 0; plain && i < 9; i++) {
            char digit = i < fraction.size() ? fraction[i] : '0';
            plain = digit >= '0' && digit <= '9';
            nanoseconds = nanoseconds * 10 + (digit - '0');
        }
        if (plain) return Time{second.seconds, nanoseconds};
    }
    auto time = parse_rfc3339(text);
    if (time && text.size() > kSecond && text.back() == 'Z') {
        second.text = text.substr(0, kSecond);
        second.seconds = time->seconds;
    }
    return time;
}

/// The exact form that our shim and Docker write: {"log":"...","stream":"stdout","time":"..."}.
bool parse_fast(std::string_view line, LogMessage& message, ParsedSecond& second) {
    constexpr std::string_view kLog = "{\"log\":\"", kStream = "\",\"stream\":\"std", kTime = "\",\"time\":\"";
    if (!line.starts_with(kLog)) return false;
    size_t end = closing_quote(line, kLog.size());
    if (end == std::string_view::npos || !line.substr(end).starts_with(kStream)) return false;
    std::string_view rest = line.substr(end + kStream.size());
    message.from_stderr = rest.starts_with("err");
    if (!message.from_stderr && !rest.starts_with("out")) return false;
    rest.remove_prefix(3);
    if (!rest.starts_with(kTime)) return false;
    rest.remove_prefix(kTime.size());
    size_t time_end = rest.find('"');
    auto time = parse_time(rest.substr(0, time_end), second);
    if (!time || rest.substr(time_end) != "\"}") return false;
    message.time = *time;
    return unescape(line.substr(kLog.size(), end - kLog.size()), message.text);
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

/// Offset just behind the newline before the last `lines` lines of the file, and how many lines it holds from there.
Result<std::pair<off_t, uint64_t>> tail_offset(const os::Fd& file, uint64_t lines) {
    struct stat st;
    if (::fstat(file.get(), &st) < 0) return fail_errno("fstat");
    uint64_t newlines = 0;
    std::string chunk(64 * 1024, '\0');
    for (off_t end = st.st_size; end > 0;) {
        off_t start = std::max<off_t>(0, end - static_cast<off_t>(chunk.size()));
        ssize_t got = ::pread(file.get(), chunk.data(), static_cast<size_t>(end - start), start);
        if (got < 0) return fail_errno("read");
        for (ssize_t i = got - 1; i >= 0; i--) {
            if (chunk[static_cast<size_t>(i)] != '\n') continue;
            if (newlines == lines) return std::pair{start + i + 1, newlines};
            newlines++;
        }
        end = start;
    }
    return std::pair{off_t{0}, newlines};
}

/// The time of the first line; zero when there is no whole line yet.
Result<Time> first_time(codec::Source& source) {
    std::string head;
    while (head.find('\n') == std::string::npos && head.size() < (1 << 20)) {
        auto piece = TRY(source.pull());
        if (piece.empty()) break;
        head.append(piece);
    }
    size_t end = head.find('\n');
    if (end == std::string::npos) return kZeroTime;
    LogMessage message;
    ParsedSecond second;
    return parse_log_line(std::string_view(head).substr(0, end), false, message, second) ? message.time : kZeroTime;
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

bool parse_log_line(std::string_view line, bool with_attributes, LogMessage& message, ParsedSecond& second) {
    if (!with_attributes && parse_fast(line, message, second)) return true;
    auto value = json::parse(line);
    if (!value || !value->is_object()) return false;
    auto time = parse_rfc3339((*value)["time"].as_string());
    if (!time) return false;
    message.text = (*value)["log"].as_string();
    message.from_stderr = (*value)["stream"].as_string() == "stderr";
    message.time = *time;
    message.attributes = attributes_text((*value)["attrs"].as_object());
    return true;
}

Result<std::optional<LogReader::Segment>> LogReader::open_segment(const std::string& path) {
    auto file = os::open_file(path, O_RDONLY);
    if (!file && file.error().is(ErrorKind::NotFound)) return std::optional<Segment>();
    Segment segment;
    segment.file = TRY(std::move(file));
    segment.compressed = path.ends_with(".gz");
    struct stat st;
    if (::fstat(segment.file.get(), &st) < 0) return fail_errno("fstat", path);
    segment.inode = st.st_ino;
    codec::FileRangeSource plain(segment.file.get(), 0, UINT64_MAX);
    std::unique_ptr<codec::Source> unpacked = segment.compressed ? codec::gzip_source(plain) : nullptr;
    segment.first = TRY_WRAP(path, first_time(unpacked ? *unpacked : plain));
    return std::optional(std::move(segment));
}

/// From the active file to the oldest: a rotation meanwhile shows a file twice (told by its first line's time), but hides none.
Result<std::deque<LogReader::Segment>> LogReader::scan(const std::string& path) {
    std::deque<Segment> segments;
    for (int number = 0;; number++) {
        std::string plain = number == 0 ? path : concat(path, '.', number);
        auto segment = TRY(open_segment(plain));
        if (!segment && number > 0) segment = TRY(open_segment(plain + ".gz"));
        if (!segment && number > 0) segment = TRY(open_segment(plain));  // it moved here between the two looks
        if (!segment && number > 0) return segments;
        if (!segment) continue;
        bool seen = !segments.empty() && (segments.front().inode == segment->inode ||
                                          (!segment->first.is_zero() && !segments.front().first.is_zero() && segments.front().first <= segment->first));
        if (!seen) segments.push_front(std::move(*segment));
    }
}

Result<LogReader> LogReader::open(std::string path, LogOptions options) {
    LogReader reader;
    reader.path_ = std::move(path);
    reader.options_ = std::move(options);
    reader.segments_ = TRY(scan(reader.path_));
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
    for (size_t index = segments_.size(); index-- > 0;) {
        auto& segment = segments_[index];
        if (segment.compressed) {
            segment.file = TRY(unpack(segment.file));
            segment.compressed = false;
        }
        auto [offset, lines] = TRY(tail_offset(segment.file, wanted));
        if (lines < wanted && index > 0) {
            wanted -= lines;
            continue;
        }
        segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(index));
        TRY(begin_next_segment());
        if (::lseek(current_.file.get(), offset, SEEK_SET) < 0) return fail_errno("lseek", path_);
        return {};
    }
    return {};
}

Result<bool> LogReader::begin_next_segment() {
    if (segments_.empty()) return false;
    current_ = std::move(segments_.front());
    segments_.pop_front();
    if (current_.compressed) current_.file = TRY_WRAP(path_, unpack(current_.file));
    buffer_.clear();
    consumed_ = 0;
    return true;
}

Result<bool> LogReader::read_more() {
    if (!current_.file) return false;
    size_t have = buffer_.size();
    buffer_.resize(have + kReadBytes);
    size_t got = TRY(os::read_some(current_.file.get(), std::span(buffer_).subspan(have)));
    buffer_.resize(have + got);
    return got > 0;
}

Result<bool> LogReader::was_rotated() const {
    auto active = os::status(path_);
    return active && (!current_.file || active->st_ino != current_.inode);
}

Result<bool> LogReader::fill() {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
    for (;;) {
        if (TRY(read_more())) return true;
        if (segments_.empty()) {
            if (!TRY(was_rotated())) return false;
            // The writer may have written once more before it rotated: the old file is final now, so this finds all of it.
            if (TRY(read_more())) return true;
            segments_ = TRY(scan(path_));
            Time last = std::max(last_, current_.first);
            while (!segments_.empty() && (segments_.front().inode == current_.inode || (!segments_.front().first.is_zero() && segments_.front().first <= last)))
                segments_.pop_front();
        }
        if (!TRY(begin_next_segment())) return false;
    }
}

std::optional<std::string_view> LogReader::take_line() {
    size_t end = buffer_.find('\n', consumed_);
    if (end == std::string::npos) return std::nullopt;
    std::string_view line = std::string_view(buffer_).substr(consumed_, end - consumed_);
    consumed_ = end + 1;
    return line;
}

Result<const LogMessage*> LogReader::next() {
    if (options_.tail && *options_.tail == 0 && !current_.file) {
        // Nothing of what is there is wanted: begin at the end of the active file.
        options_.tail.reset();
        while (segments_.size() > 1) segments_.pop_front();
        if (TRY(begin_next_segment())) ::lseek(current_.file.get(), 0, SEEK_END);
    }
    while (!finished_) {
        auto line = take_line();
        if (!line) {
            if (!TRY(fill())) return nullptr;
            continue;
        }
        if (!parse_log_line(*line, options_.details, message_, second_)) continue;
        last_ = message_.time;
        if (message_.from_stderr ? !options_.with_stderr : !options_.with_stdout) continue;
        int64_t time = message_.time.unix_nano();
        if (options_.since_unix_nano && time < *options_.since_unix_nano) continue;
        if (options_.until_unix_nano && time > *options_.until_unix_nano) {
            finished_ = true;
            break;
        }
        return &message_;
    }
    return nullptr;
}

}  // namespace proa::container
