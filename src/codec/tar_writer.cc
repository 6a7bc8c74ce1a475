#include <cstring>

#include "base/text.h"
#include "codec/tar.h"
#include "codec/tar_format.h"

namespace proa::codec {

namespace {
constexpr char kZeros[kTarBlock * 2] = {};

char type_flag(TarType type) {
    switch (type) {
        case TarType::Regular: return '0';
        case TarType::HardLink: return '1';
        case TarType::Symlink: return '2';
        case TarType::CharDevice: return '3';
        case TarType::BlockDevice: return '4';
        case TarType::Directory: return '5';
        case TarType::Fifo: return '6';
    }
    return '0';
}

bool is_ascii(std::string_view text) {
    for (char c : text)
        if (static_cast<unsigned char>(c) >= 0x80) return false;
    return true;
}

/// "27 mtime=1350244992.023960108\n": the length counts itself.
void append_record(std::string& out, std::string_view key, std::string_view value) {
    size_t rest = key.size() + value.size() + 3;
    size_t total = rest + 1;
    while (std::to_string(total).size() + rest != total) total = std::to_string(total).size() + rest;
    out += concat(total, ' ', key, '=', value, '\n');
}

std::string time_text(const TarTime& time) {
    int64_t seconds = time.seconds;
    int32_t nanoseconds = time.nanoseconds;
    std::string sign;
    if (seconds < 0 && nanoseconds > 0) {
        seconds += 1;
        nanoseconds = 1000000000 - nanoseconds;
        if (seconds == 0) sign = "-";
    }
    std::string out = concat(sign, seconds);
    if (nanoseconds == 0) return out;
    std::string digits = std::to_string(nanoseconds);
    out += concat('.', std::string(9 - digits.size(), '0'), digits);
    while (out.ends_with('0')) out.pop_back();
    return out;
}

/// Octal in `size` - 1 digits; false when it does not fit.
bool put_number(char* field, size_t size, int64_t value) {
    if (value < 0 || (size < 22 && value >> (3 * (size - 1)) != 0)) {
        memset(field, '0', size - 1);
        return false;
    }
    for (size_t i = size - 1; i-- > 0; value >>= 3) field[i] = static_cast<char>('0' + (value & 7));
    return true;
}

bool put_text(char* field, size_t size, std::string_view text) {
    memcpy(field, text.data(), std::min(size, text.size()));
    return text.size() <= size && is_ascii(text);
}

/// Into name and prefix at a slash, as ustar allows.
bool put_name(TarHeader& header, std::string_view name) {
    if (put_text(header.name, sizeof header.name, name)) return true;
    if (!is_ascii(name) || name.size() > sizeof header.name + sizeof header.prefix + 1) return false;
    size_t slash = name.rfind('/', sizeof header.prefix);
    if (slash == std::string_view::npos || slash == 0) return false;
    std::string_view rest = name.substr(slash + 1);
    if (rest.empty() || rest.size() > sizeof header.name) return false;
    memset(header.name, 0, sizeof header.name);
    memcpy(header.name, rest.data(), rest.size());
    memcpy(header.prefix, name.data(), slash);
    return true;
}

void seal(TarHeader& header) {
    memcpy(header.magic, "ustar\0", 6);
    memcpy(header.version, "00", 2);
    memset(header.checksum, ' ', sizeof header.checksum);
    unsigned sum = 0;
    auto* bytes = reinterpret_cast<const unsigned char*>(&header);
    for (size_t i = 0; i < sizeof header; i++) sum += bytes[i];
    put_number(header.checksum, 7, sum);
    header.checksum[6] = '\0';
    header.checksum[7] = ' ';
}

std::string_view bytes_of(const TarHeader& header) { return {reinterpret_cast<const char*>(&header), sizeof header}; }
}  // namespace

Result<void> TarWriter::begin(const TarEntry& entry) {
    TRY(end_entry());
    TarHeader header{};
    std::string pax;
    std::string name = entry.name;
    if (entry.type == TarType::Directory && !name.ends_with('/')) name += '/';
    uint64_t size = entry.type == TarType::Regular ? entry.size : 0;
    if (!put_name(header, name)) append_record(pax, "path", name);
    if (!put_text(header.link_name, sizeof header.link_name, entry.link_name)) append_record(pax, "linkpath", entry.link_name);
    if (!put_text(header.user, sizeof header.user - 1, entry.user)) append_record(pax, "uname", entry.user);
    if (!put_text(header.group, sizeof header.group - 1, entry.group)) append_record(pax, "gname", entry.group);
    put_number(header.mode, sizeof header.mode, entry.mode & 07777);
    if (!put_number(header.uid, sizeof header.uid, entry.uid)) append_record(pax, "uid", std::to_string(entry.uid));
    if (!put_number(header.gid, sizeof header.gid, entry.gid)) append_record(pax, "gid", std::to_string(entry.gid));
    if (!put_number(header.size, sizeof header.size, static_cast<int64_t>(size))) append_record(pax, "size", std::to_string(size));
    if (!put_number(header.mtime, sizeof header.mtime, entry.modified.seconds) || entry.modified.nanoseconds != 0)
        append_record(pax, "mtime", time_text(entry.modified));
    if (entry.accessed) append_record(pax, "atime", time_text(*entry.accessed));
    if (entry.changed) append_record(pax, "ctime", time_text(*entry.changed));
    if (!put_number(header.device_major, sizeof header.device_major, entry.device_major) ||
        !put_number(header.device_minor, sizeof header.device_minor, entry.device_minor))
        return fail(ErrorKind::InvalidArgument, concat("archive/tar: device number of ", entry.name, " is too large"));
    for (auto& [key, value] : entry.xattrs) append_record(pax, "SCHILY.xattr." + key, value);
    header.type = type_flag(entry.type);
    seal(header);

    if (!pax.empty()) {
        TarHeader extension{};
        std::string_view tail = std::string_view(entry.name).substr(entry.name.size() - std::min<size_t>(entry.name.size(), 80));
        std::string label = concat("PaxHeaders.0/", is_ascii(tail) ? trim_suffix(tail, "/") : std::string_view("entry"));
        put_text(extension.name, sizeof extension.name, label);
        put_number(extension.mode, sizeof extension.mode, 0644);
        put_number(extension.uid, sizeof extension.uid, 0);
        put_number(extension.gid, sizeof extension.gid, 0);
        put_number(extension.mtime, sizeof extension.mtime, 0);
        put_number(extension.size, sizeof extension.size, static_cast<int64_t>(pax.size()));
        extension.type = 'x';
        seal(extension);
        pax.resize((pax.size() + kTarBlock - 1) / kTarBlock * kTarBlock, '\0');
        TRY(sink_.write(concat(bytes_of(extension), pax)));
    }
    left_ = size;
    padding_ = (kTarBlock - size % kTarBlock) % kTarBlock;
    return sink_.write(bytes_of(header));
}

Result<void> TarWriter::write(std::string_view bytes) {
    if (bytes.size() > left_) return fail(ErrorKind::Internal, "archive/tar: write too long");
    left_ -= bytes.size();
    return sink_.write(bytes);
}

Result<void> TarWriter::end_entry() {
    if (left_ > 0) return fail(ErrorKind::Internal, concat("archive/tar: missed writing ", left_, " bytes"));
    if (padding_ > 0) TRY(sink_.write(std::string_view(kZeros, std::exchange(padding_, 0))));
    return {};
}

Result<void> TarWriter::add(const TarEntry& entry, std::string_view content) {
    TRY(begin(entry));
    return write(content);
}

Result<void> TarWriter::finish() {
    TRY(end_entry());
    return sink_.write(std::string_view(kZeros, sizeof kZeros));
}

}  // namespace proa::codec
