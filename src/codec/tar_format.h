#pragma once
#include <cstddef>
#include <optional>
#include <string_view>

// The 512-byte header block, shared by reader and writer. Private to codec/.
namespace proa::codec {

constexpr size_t kTarBlock = 512;

struct TarHeader {
    char name[100];
    char mode[8];
    char uid[8];
    char gid[8];
    char size[12];
    char mtime[12];
    char checksum[8];
    char type;
    char link_name[100];
    char magic[6];
    char version[2];
    char user[32];
    char group[32];
    char device_major[8];
    char device_minor[8];
    char prefix[155];
    char rest[12];
};
static_assert(sizeof(TarHeader) == kTarBlock);

inline std::string_view field_text(const char* field, size_t size) {
    std::string_view text(field, size);
    return text.substr(0, text.find('\0'));
}

}  // namespace proa::codec
