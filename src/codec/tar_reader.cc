#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "codec/tar.h"
#include "codec/tar_format.h"

namespace proa::codec {

namespace {
Unexpected malformed(std::string_view what) { return fail(ErrorKind::InvalidArgument, concat("archive/tar: ", what)); }

/// Octal text padded by spaces or zero bytes, or GNU base-256 when the top bit of the first byte is set.
std::optional<int64_t> number(const char* field, size_t size) {
    auto first = static_cast<unsigned char>(field[0]);
    if (first & 0x80) {
        bool negative = first & 0x40;
        unsigned char flip = negative ? 0xff : 0x00;
        uint64_t value = 0;
        for (size_t i = 0; i < size; i++) {
            auto byte = static_cast<unsigned char>(static_cast<unsigned char>(field[i]) ^ flip);
            if (i == 0) byte &= 0x7f;
            if (value >> 56) return std::nullopt;
            value = value << 8 | byte;
        }
        if (value >> 63) return std::nullopt;
        return negative ? ~static_cast<int64_t>(value) : static_cast<int64_t>(value);
    }
    std::string_view text = trim(field_text(field, size));
    if (text.empty()) return 0;
    auto value = parse_int(text, 8);
    return value && *value >= 0 ? value : std::nullopt;
}

bool checksum_matches(const char* block) {
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return block[0] != '\0';  // a fuzzer never finds the right sum and would test nothing behind it
#endif
    TarHeader header;
    memcpy(&header, block, sizeof header);
    auto stored = number(header.checksum, sizeof header.checksum);
    if (!stored) return false;
    int64_t plain = 0, with_sign = 0;
    for (size_t i = 0; i < kTarBlock; i++) {
        bool inside = i >= offsetof(TarHeader, checksum) && i < offsetof(TarHeader, type);
        char byte = inside ? ' ' : block[i];
        plain += static_cast<unsigned char>(byte);
        with_sign += static_cast<signed char>(byte);
    }
    return *stored == plain || *stored == with_sign;
}

/// PAX time: seconds with an optional fraction, maybe negative.
std::optional<TarTime> pax_time(std::string_view text) {
    bool negative = text.starts_with('-');
    auto parts = cut(text, ".");
    std::string_view whole = parts ? parts->first : text;
    auto seconds = parse_int(whole);
    if (!seconds) return std::nullopt;
    TarTime time{*seconds, 0};
    if (!parts) return time;
    std::string digits(parts->second.substr(0, 9));
    if (parts->second.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    digits.resize(9, '0');
    time.nanoseconds = static_cast<int32_t>(parse_int(digits).value_or(0));
    if (negative && time.nanoseconds > 0) {
        time.seconds -= 1;
        time.nanoseconds = 1000000000 - time.nanoseconds;
    }
    return time;
}

std::optional<TarType> type_of_flag(char flag) {
    switch (flag) {
        case '0':
        case '\0':
        case '7':
        case 'S': return TarType::Regular;
        case '1': return TarType::HardLink;
        case '2': return TarType::Symlink;
        case '3': return TarType::CharDevice;
        case '4': return TarType::BlockDevice;
        case '5': return TarType::Directory;
        case '6': return TarType::Fifo;
        default: return std::nullopt;
    }
}
}  // namespace

std::optional<std::string> clean_entry_name(std::string_view name) {
    std::string out;
    out.reserve(name.size());
    while (!name.empty()) {
        size_t slash = name.find('/');
        std::string_view piece = name.substr(0, slash);
        name.remove_prefix(slash == std::string_view::npos ? name.size() : slash + 1);
        if (piece.empty() || piece == ".") continue;
        if (piece == "..") return std::nullopt;
        if (!out.empty()) out.push_back('/');
        out.append(piece);
    }
    return out;
}

/// What came before an entry's own header: PAX records and GNU long names.
struct TarReader::Extensions {
    std::vector<std::pair<std::string, std::string>> records;
    std::optional<std::string> long_name, long_link;
    std::vector<uint64_t> sparse_numbers;  // GNU.sparse.offset and .numbytes in turn (format 0.0)

    const std::string* find(std::string_view key) const {
        for (auto record = records.rbegin(); record != records.rend(); ++record)
            if (record->first == key) return &record->second;
        return nullptr;
    }
};

Result<std::string_view> TarReader::take(uint64_t most) {
    if (rest_.empty()) rest_ = TRY(source_.pull());
    std::string_view piece = rest_.substr(0, static_cast<size_t>(std::min<uint64_t>(most, SIZE_MAX)));
    rest_.remove_prefix(piece.size());
    return piece;
}

Result<bool> TarReader::block(char* out) {
    size_t have = 0;
    while (have < kTarBlock) {
        std::string_view piece = TRY(take(kTarBlock - have));
        if (piece.empty()) {
            if (have == 0) return false;
            return malformed("unexpected EOF");
        }
        memcpy(out + have, piece.data(), piece.size());
        have += piece.size();
    }
    return true;
}

Result<void> TarReader::skip(uint64_t count) {
    while (count > 0) {
        std::string_view piece = TRY(take(count));
        if (piece.empty()) return malformed("unexpected EOF");
        count -= piece.size();
    }
    return {};
}

Result<std::string> TarReader::read_extension(uint64_t size) {
    if (size > limits_.extension_bytes) return malformed(concat("header longer than ", limits_.extension_bytes, " bytes"));
    std::string text;
    while (text.size() < size) {
        std::string_view piece = TRY(take(size - text.size()));
        if (piece.empty()) return malformed("unexpected EOF");
        text.append(piece);
    }
    TRY(skip((kTarBlock - size % kTarBlock) % kTarBlock));
    return text;
}

Result<void> TarReader::read_pax(std::string_view text, Extensions& extensions) {
    while (!text.empty()) {
        auto head = cut(text, " ");
        auto length = head ? parse_uint(head->first) : std::nullopt;
        if (!length || *length > text.size() || *length < head->first.size() + 3 || text[*length - 1] != '\n')
            return malformed("invalid PAX record");
        std::string_view record = text.substr(head->first.size() + 1, *length - head->first.size() - 2);
        text.remove_prefix(*length);
        auto pair = cut(record, "=");
        if (!pair || pair->first.empty()) return malformed("invalid PAX record");
        if (pair->first == "GNU.sparse.offset" || pair->first == "GNU.sparse.numbytes") {
            auto value = parse_uint(pair->second);
            bool offset_next = extensions.sparse_numbers.size() % 2 == 0;
            if (!value || offset_next != (pair->first == "GNU.sparse.offset")) return malformed("invalid sparse map");
            extensions.sparse_numbers.push_back(*value);
            continue;
        }
        bool may_hold_zero = pair->first.starts_with("SCHILY.xattr.");
        if (!may_hold_zero && pair->second.find('\0') != std::string_view::npos) return malformed("invalid PAX record");
        extensions.records.emplace_back(pair->first, pair->second);
    }
    return {};
}

Result<std::optional<TarEntry>> TarReader::next() {
    if (ended_) return std::optional<TarEntry>();
    TRY(skip(std::exchange(left_, 0)));
    // docker's own client cuts the stream behind the last byte of the last file: the padding may be missing there.
    for (uint64_t padding = std::exchange(padding_, 0); padding > 0;) {
        std::string_view piece = TRY(take(padding));
        if (piece.empty()) {
            ended_ = true;
            return std::optional<TarEntry>();
        }
        padding -= piece.size();
    }
    Extensions extensions;
    extensions.records = global_;
    char raw[kTarBlock];
    for (;;) {
        if (++entries_ > limits_.entries) return malformed(concat("more than ", limits_.entries, " entries"));
        bool any = TRY(block(raw));
        if (!any || std::all_of(raw, raw + kTarBlock, [](char byte) { return byte == 0; })) {
            ended_ = true;
            return std::optional<TarEntry>();
        }
        if (!checksum_matches(raw)) return malformed("invalid tar header");
        TarHeader header;
        memcpy(&header, raw, sizeof header);
        auto size = number(header.size, sizeof header.size);
        if (!size || *size < 0) return malformed("invalid tar header");
        switch (header.type) {
            case 'x':
            case 'X': TRY(read_pax(TRY(read_extension(static_cast<uint64_t>(*size))), extensions)); continue;
            case 'g': {
                Extensions global;
                TRY(read_pax(TRY(read_extension(static_cast<uint64_t>(*size))), global));
                for (auto& record : global.records) global_.push_back(record), extensions.records.push_back(record);
                if (global_.size() > 1000) return malformed("too many global PAX records");
                continue;
            }
            case 'L':
            case 'K': {
                std::string text = TRY(read_extension(static_cast<uint64_t>(*size)));
                text.resize(strnlen(text.data(), text.size()));
                (header.type == 'L' ? extensions.long_name : extensions.long_link) = std::move(text);
                continue;
            }
            case 'V': TRY(skip((static_cast<uint64_t>(*size) + kTarBlock - 1) / kTarBlock * kTarBlock)); continue;  // volume label
            default: break;
        }
        TarEntry entry;
        TRY(finish_entry(raw, extensions, entry));
        return std::optional<TarEntry>(std::move(entry));
    }
}

namespace {
Result<void> apply_records(TarEntry& entry, const std::vector<std::pair<std::string, std::string>>& records, uint64_t& size) {
    for (auto& [key, value] : records) {
        // An empty value takes back what a global header said.
        if (key.starts_with("SCHILY.xattr.")) {
            std::string name = key.substr(13);
            std::erase_if(entry.xattrs, [&](auto& pair) { return pair.first == name; });
            entry.xattrs.emplace_back(std::move(name), value);
        } else if (value.empty()) {
            continue;
        } else if (key == "path") {
            entry.name = value;
        } else if (key == "linkpath") {
            entry.link_name = value;
        } else if (key == "uname") {
            entry.user = value;
        } else if (key == "gname") {
            entry.group = value;
        } else if (key == "size" || key == "uid" || key == "gid") {
            auto parsed = parse_int(value);
            if (!parsed || *parsed < 0) return malformed(concat("invalid PAX record ", key));
            if (key == "size") size = static_cast<uint64_t>(*parsed);
            else (key == "uid" ? entry.uid : entry.gid) = *parsed;
        } else if (key == "mtime" || key == "atime" || key == "ctime") {
            auto time = pax_time(value);
            if (!time) return malformed(concat("invalid PAX record ", key));
            if (key == "mtime") entry.modified = *time;
            else (key == "atime" ? entry.accessed : entry.changed) = *time;
        }
    }
    return {};
}

Result<void> check_segments(const TarEntry& entry, uint64_t stored) {
    uint64_t end = 0, sum = 0;
    for (auto& segment : entry.segments) {
        if (segment.offset < end || segment.length > INT64_MAX || segment.offset > INT64_MAX - segment.length)
            return malformed("invalid sparse map");
        end = segment.offset + segment.length;
        sum += segment.length;
    }
    if (end > entry.size || sum != stored) return malformed("invalid sparse map");
    return {};
}
}  // namespace

Result<void> TarReader::read_old_sparse_map(const char* raw, TarEntry& entry, uint64_t& stored) {
    auto real_size = number(raw + 483, 12);
    if (!real_size || *real_size < 0) return malformed("invalid sparse map");
    char more[kTarBlock];
    const char* at = raw + 386;
    size_t slots = 4;
    bool extended = raw[482] != 0;
    for (;;) {
        for (size_t i = 0; i < slots; i++, at += 24) {
            if (*at == 0) break;
            auto offset = number(at, 12), length = number(at + 12, 12);
            if (!offset || !length || *offset < 0 || *length < 0) return malformed("invalid sparse map");
            entry.segments.push_back({static_cast<uint64_t>(*offset), static_cast<uint64_t>(*length)});
        }
        if (!extended) break;
        if (entry.segments.size() > limits_.segments) return malformed("sparse map too long");
        if (!TRY(block(more))) return malformed("unexpected EOF");
        at = more;
        slots = 21;
        extended = more[504] != 0;
    }
    entry.sparse = true;
    entry.size = static_cast<uint64_t>(*real_size);
    return check_segments(entry, stored);
}

/// Format 1.0: the map is decimal lines in whole blocks before the data.
Result<void> TarReader::read_sparse_map_1_0(TarEntry& entry) {
    std::string text;
    size_t at = 0;
    auto line = [&]() -> Result<uint64_t> {
        for (;;) {
            size_t end = text.find('\n', at);
            if (end != std::string::npos) {
                auto value = parse_uint(std::string_view(text).substr(at, end - at));
                at = end + 1;
                if (!value) return malformed("invalid sparse map");
                return *value;
            }
            if (left_ < kTarBlock || text.size() > limits_.segments * 44) return malformed("invalid sparse map");
            char raw[kTarBlock];
            if (!TRY(block(raw))) return malformed("unexpected EOF");
            left_ -= kTarBlock;
            text.append(raw, kTarBlock);
        }
    };
    uint64_t count = TRY(line());
    if (count > limits_.segments) return malformed("sparse map too long");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = TRY(line());
        entry.segments.push_back({offset, TRY(line())});
    }
    return {};
}

Result<void> TarReader::finish_entry(const char* raw, Extensions& extensions, TarEntry& entry) {
    TarHeader header;
    memcpy(&header, raw, sizeof header);
    auto type = type_of_flag(header.type);
    if (!type) return malformed(concat("unknown entry type ", quote(std::string_view(&header.type, 1))));
    entry.type = *type;
    bool ustar = memcmp(header.magic, "ustar\0", 6) == 0, gnu = memcmp(header.magic, "ustar ", 6) == 0;
    entry.name = field_text(header.name, sizeof header.name);
    std::string_view prefix = field_text(header.prefix, sizeof header.prefix);
    if (ustar && !prefix.empty()) entry.name = concat(prefix, '/', entry.name);
    entry.link_name = field_text(header.link_name, sizeof header.link_name);
    entry.user = field_text(header.user, sizeof header.user);
    entry.group = field_text(header.group, sizeof header.group);
    auto mode = number(header.mode, sizeof header.mode), uid = number(header.uid, sizeof header.uid);
    auto gid = number(header.gid, sizeof header.gid), mtime = number(header.mtime, sizeof header.mtime);
    if (!mode || !uid || !gid || !mtime || *uid < 0 || *gid < 0) return malformed("invalid tar header");
    entry.mode = static_cast<mode_t>(*mode & 07777);
    entry.uid = *uid;
    entry.gid = *gid;
    entry.modified = {*mtime, 0};
    if ((ustar || gnu) && (*type == TarType::CharDevice || *type == TarType::BlockDevice)) {
        auto major = number(header.device_major, sizeof header.device_major);
        auto minor = number(header.device_minor, sizeof header.device_minor);
        if (!major || !minor || *major < 0 || *minor < 0 || *major > 0xfff || *minor > 0xfffff) return malformed("invalid device number");
        entry.device_major = static_cast<uint32_t>(*major);
        entry.device_minor = static_cast<uint32_t>(*minor);
    }
    uint64_t size = static_cast<uint64_t>(number(header.size, sizeof header.size).value_or(0));
    TRY(apply_records(entry, extensions.records, size));
    if (extensions.long_name) entry.name = *extensions.long_name;
    if (extensions.long_link) entry.link_name = *extensions.long_link;
    if (entry.type == TarType::Regular && header.type != 'S' && entry.name.ends_with('/')) entry.type = TarType::Directory;  // pre-POSIX
    bool has_content = header.type == '0' || header.type == '\0' || header.type == '7' || header.type == 'S';
    if (!has_content) size = 0;  // some writers put the target's size into link headers
    if (size > INT64_MAX - kTarBlock || (bytes_ += size) > limits_.bytes) return malformed(concat("more than ", limits_.bytes, " bytes"));
    left_ = size;
    padding_ = (kTarBlock - size % kTarBlock) % kTarBlock;
    entry.size = entry.type == TarType::Regular ? size : 0;

    if (header.type == 'S') {
        TRY(read_old_sparse_map(raw, entry, size));
    } else if (const std::string* major = extensions.find("GNU.sparse.major"); major && *major == "1") {
        auto* real_size = extensions.find("GNU.sparse.realsize");
        auto parsed = real_size ? parse_uint(*real_size) : std::nullopt;
        if (!parsed || *parsed > INT64_MAX) return malformed("invalid sparse map");
        TRY(read_sparse_map_1_0(entry));
        entry.sparse = true;
        entry.size = *parsed;
        TRY(check_segments(entry, left_));
    } else if (auto* map = extensions.find("GNU.sparse.map"); map || !extensions.sparse_numbers.empty()) {
        std::vector<uint64_t> numbers = extensions.sparse_numbers;
        for (auto& text : map ? split(*map, ',') : std::vector<std::string>()) {
            auto value = parse_uint(text);
            if (!value) return malformed("invalid sparse map");
            numbers.push_back(*value);
        }
        auto* real_size = extensions.find("GNU.sparse.size");
        auto parsed = real_size ? parse_uint(*real_size) : std::nullopt;
        if (!parsed || *parsed > INT64_MAX || numbers.size() % 2 != 0) return malformed("invalid sparse map");
        for (size_t i = 0; i < numbers.size(); i += 2) entry.segments.push_back({numbers[i], numbers[i + 1]});
        entry.sparse = true;
        entry.size = *parsed;
        TRY(check_segments(entry, size));
    }
    if (entry.sparse)
        if (auto* real_name = extensions.find("GNU.sparse.name"); real_name && !real_name->empty()) entry.name = *real_name;
    if (entry.name.size() > limits_.name_bytes || entry.link_name.size() > limits_.name_bytes)
        return malformed(concat("name longer than ", limits_.name_bytes, " bytes"));
    if (static_cast<size_t>(std::count(entry.name.begin(), entry.name.end(), '/')) > limits_.depth)
        return malformed(concat("name deeper than ", limits_.depth, " directories"));
    if (entry.name.find('\0') != std::string::npos || entry.link_name.find('\0') != std::string::npos)
        return malformed("name holds a zero byte");
    return {};
}

Result<std::string_view> TarReader::stored() {
    if (left_ == 0) return std::string_view();
    std::string_view piece = TRY(take(left_));
    if (piece.empty()) return malformed("unexpected EOF");
    left_ -= piece.size();
    return piece;
}

Result<std::string> TarReader::content(size_t limit) {
    std::string out;
    for (;;) {
        std::string_view piece = TRY(stored());
        if (piece.empty()) return out;
        if (piece.size() > limit - out.size()) return malformed(concat("entry longer than ", limit, " bytes"));
        out.append(piece);
    }
}

Result<void> TarReader::drain() {
    rest_ = {};
    while (!TRY(source_.pull()).empty()) {
    }
    return {};
}

}  // namespace proa::codec
