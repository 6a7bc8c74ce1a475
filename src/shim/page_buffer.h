#pragma once
#include <sys/mman.h>

#include <cstddef>

namespace proa::shim {

/// Anonymous memory of which only touched pages count; release() gives them back while the buffer stays usable.
/// data() is null when the kernel refused the mapping.
class PageBuffer {
public:
    explicit PageBuffer(size_t size) : size_(size) {
        void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        data_ = memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
    }
    PageBuffer(const PageBuffer&) = delete;
    PageBuffer& operator=(const PageBuffer&) = delete;
    ~PageBuffer() {
        if (data_) ::munmap(data_, size_);
    }
    void release() {
        if (data_) ::madvise(data_, size_, MADV_DONTNEED);
    }
    char* data() { return data_; }
    size_t size() const { return size_; }

private:
    char* data_ = nullptr;
    size_t size_;
};

}  // namespace proa::shim
