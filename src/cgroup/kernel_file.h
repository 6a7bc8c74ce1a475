#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/text.h"
#include "os/fd.h"

// Private to cgroup/: the files of the kernel.
namespace proa::cgroup {

/// One write(2) of the whole value to an existing file.
inline Result<void> write_value(const std::string& file, std::string_view value) {
    os::Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return fail_errno("open", file);
    if (::write(fd.get(), value.data(), value.size()) < 0) return fail_errno("write", concat(quote(value), " to ", file));
    return {};
}

}  // namespace proa::cgroup
