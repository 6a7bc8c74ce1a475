#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace proa::os {

/// A whole file as memory, read-only. The file must not shrink meanwhile. man: mmap(2)
class MappedFile {
public:
    static Result<MappedFile> open(const std::string& path);
    MappedFile(MappedFile&& other) noexcept : address_(std::exchange(other.address_, nullptr)), size_(other.size_) {}
    MappedFile& operator=(MappedFile&&) = delete;
    ~MappedFile();
    std::string_view bytes() const { return {static_cast<const char*>(address_), address_ ? size_ : 0}; }

private:
    MappedFile(void* address, size_t size) : address_(address), size_(size) {}
    void* address_;
    size_t size_;
};

}  // namespace proa::os
