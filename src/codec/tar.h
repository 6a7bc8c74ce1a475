#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "codec/stream.h"

// Tar archives as streams: ustar, POSIX PAX (with SCHILY.xattr.*), GNU long names, base-256 numbers and sparse files.
// Spec: POSIX.1-2017 pax; GNU tar manual, "Basic Tar Format" and "Storing Sparse Files"; OCI image-spec layer.md
namespace proa::codec {

enum class TarType { Regular, HardLink, Symlink, CharDevice, BlockDevice, Directory, Fifo };

struct TarTime {
    int64_t seconds = 0;
    int32_t nanoseconds = 0;
    auto operator<=>(const TarTime&) const = default;
};

struct TarEntry {
    TarType type = TarType::Regular;
    std::string name;       ///< as it stands in the archive: may be absolute, hold ".." or end in '/'
    std::string link_name;  ///< of hard links and symbolic links
    mode_t mode = 0;        ///< permission bits with set-id and sticky bits
    int64_t uid = 0, gid = 0;
    std::string user, group;
    uint64_t size = 0;  ///< of the file (expanded when it is sparse); 0 for all but regular files
    TarTime modified;
    std::optional<TarTime> accessed, changed;
    uint32_t device_major = 0, device_minor = 0;
    std::vector<std::pair<std::string, std::string>> xattrs;  ///< names with their namespace ("security.capability")

    /// Where the stored bytes of a sparse file belong, ascending; the rest are holes. Empty and `sparse` false otherwise.
    struct Segment {
        uint64_t offset, length;
    };
    bool sparse = false;
    std::vector<Segment> segments;
};

/// What a reader takes before it refuses (InvalidArgument, naming the limit). Rule C21.
struct TarLimits {
    uint64_t entries = 10'000'000;
    uint64_t bytes = uint64_t(1) << 44;        ///< stored content of all entries
    size_t extension_bytes = 1 << 20;          ///< one PAX header or one long name
    size_t name_bytes = 4096;                  ///< PATH_MAX
    size_t depth = 1000;                       ///< components of a name
    size_t segments = 1 << 20;                 ///< of one sparse file
};

/// Reads entries in order. Not thread-safe. `source` is borrowed.
class TarReader {
public:
    explicit TarReader(Source& source, TarLimits limits = {}) : source_(source), limits_(limits) {}

    /// The next entry, or nullopt at the end of the archive (two zero blocks, or the end of input behind an entry's
    /// content or padding). Content that was not read is skipped. PAX globals apply to all later entries.
    /// Errors: InvalidArgument "archive/tar: ..." for damaged input and limits.
    Result<std::optional<TarEntry>> next();

    /// The next stored bytes of the current entry; empty at its end. For a sparse file these are the segments' bytes one
    /// after the other.
    Result<std::string_view> stored();
    /// All stored bytes that are left of the current entry; InvalidArgument above `limit`.
    Result<std::string> content(size_t limit);
    /// Reads the rest of the input after the end of the archive (to let a hash or a pipe see all of it).
    Result<void> drain();

private:
    struct Extensions;
    Result<bool> block(char* out);
    Result<std::string_view> take(uint64_t most);
    Result<std::string> read_extension(uint64_t size);
    Result<void> skip(uint64_t count);
    Result<void> read_pax(std::string_view text, Extensions& extensions);
    Result<void> read_old_sparse_map(const char* header, TarEntry& entry, uint64_t& stored);
    Result<void> read_sparse_map_1_0(TarEntry& entry);
    Result<void> finish_entry(const char* header, Extensions& extensions, TarEntry& entry);

    Source& source_;
    TarLimits limits_;
    std::string_view rest_;
    std::vector<std::pair<std::string, std::string>> global_;
    uint64_t left_ = 0;     // stored bytes of the current entry
    uint64_t padding_ = 0;  // zero bytes behind them
    uint64_t entries_ = 0, bytes_ = 0;
    bool ended_ = false;
};

/// Writes entries: plain ustar where everything fits, a PAX header before the entry where it does not (long or non-ASCII
/// names, large numbers, nanoseconds, extended attributes). The bytes depend on the entries only.
class TarWriter {
public:
    explicit TarWriter(Sink& sink) : sink_(sink) {}
    /// Directories get a trailing '/'. `entry.size` bytes of content must follow for regular files. Sparse files are
    /// written expanded: the caller writes the zeros.
    Result<void> begin(const TarEntry& entry);
    Result<void> write(std::string_view bytes);  ///< Internal when there are more than announced
    Result<void> add(const TarEntry& entry, std::string_view content);
    /// Two zero blocks. Internal when the last entry is incomplete.
    Result<void> finish();

private:
    Result<void> end_entry();
    Sink& sink_;
    uint64_t left_ = 0, padding_ = 0;
};

/// "a//./b/" gives "a/b"; leading slashes go too; "." and "/" give "". nullopt when a component is "..".
std::optional<std::string> clean_entry_name(std::string_view name);

}  // namespace proa::codec
