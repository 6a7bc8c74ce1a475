#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace proa::cli {

struct ZipEntry {
    std::string name, content;
};
/// The files of a zip archive in memory, directories left out. Stored and deflated entries; checksums are verified.
/// Errors: InvalidArgument `zip: ...`, also when all files together hold more than `limit` bytes. Spec: PKWARE APPNOTE.TXT 6.3, 4.3
Result<std::vector<ZipEntry>> read_zip(std::string_view archive, size_t limit);

}  // namespace proa::cli
