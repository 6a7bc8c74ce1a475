#include "os/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "os/file.h"

namespace proa::os {

Result<MappedFile> MappedFile::open(const std::string& path) {
    Fd file = TRY(open_file(path, O_RDONLY));
    struct stat found {};
    if (::fstat(file.get(), &found) < 0) return fail_errno("fstat", path);
    if (found.st_size == 0) return MappedFile(nullptr, 0);
    auto size = static_cast<size_t>(found.st_size);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (address == MAP_FAILED) return fail_errno("mmap", path);
    ::madvise(address, size, MADV_SEQUENTIAL);
    return MappedFile(address, size);
}

MappedFile::~MappedFile() {
    if (address_) ::munmap(address_, size_);
}

}  // namespace proa::os
