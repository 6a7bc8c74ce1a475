#include "cli/zip_entries.h"

#include <zlib.h>

#include "base/text.h"

namespace proa::cli {

namespace {
constexpr size_t kEndSize = 22, kCentralSize = 46, kLocalSize = 30;

Unexpected damaged(std::string_view what) { return fail(ErrorKind::InvalidArgument, concat("zip: ", what)); }

uint32_t number(std::string_view bytes, size_t at, size_t size) {
    uint32_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
}

Result<std::string> inflated(std::string_view data, size_t size) {
    std::string out(size, '\0');
    z_stream stream{};
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(size);
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return damaged("inflate cannot start");
    int code = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    if (code != Z_STREAM_END || stream.avail_out != 0) return damaged("damaged content");
    return out;
}

Result<std::string> content_at(std::string_view archive, uint32_t offset, uint32_t method, uint32_t packed, uint32_t size) {
    if (offset > archive.size() || archive.size() - offset < kLocalSize) return damaged("not a valid zip file");
    std::string_view local = archive.substr(offset);
    size_t start = kLocalSize + number(local, 26, 2) + number(local, 28, 2);
    if (!local.starts_with("PK\x03\x04") || start > local.size() || local.size() - start < packed) return damaged("not a valid zip file");
    std::string_view data = local.substr(start, packed);
    if (method == 8) return inflated(data, size);
    if (method != 0 || packed != size) return damaged("unsupported compression algorithm");
    return std::string(data);
}
}  // namespace

Result<std::vector<ZipEntry>> read_zip(std::string_view archive, size_t limit) {
    size_t end = archive.rfind("PK\x05\x06");
    if (end == archive.npos || archive.size() - end < kEndSize) return damaged("not a valid zip file");
    size_t count = number(archive, end + 10, 2), at = number(archive, end + 16, 4), total = 0;
    std::vector<ZipEntry> entries;
    for (size_t i = 0; i < count; i++) {
        if (at > archive.size() || archive.size() - at < kCentralSize) return damaged("not a valid zip file");
        std::string_view head = archive.substr(at);
        size_t name_size = number(head, 28, 2), next = kCentralSize + name_size + number(head, 30, 2) + number(head, 32, 2);
        if (!head.starts_with("PK\x01\x02") || next > head.size()) return damaged("not a valid zip file");
        std::string name(head.substr(kCentralSize, name_size));
        uint32_t size = number(head, 24, 4);
        total += size;
        if (total > limit) return damaged(concat("more than ", limit, " bytes"));
        at += next;
        if (name.ends_with('/')) continue;
        std::string content = TRY(content_at(archive, number(head, 42, 4), number(head, 10, 2), number(head, 20, 4), size));
        if (crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())) != number(head, 16, 4))
            return damaged("checksum error");
        entries.push_back({std::move(name), std::move(content)});
    }
    return entries;
}

}  // namespace proa::cli
