#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace proa {

namespace {
ErrorKind kind_of_errno(int number) {
    switch (number) {
        case ENOENT: return ErrorKind::NotFound;
        case EEXIST:
        case EBUSY: return ErrorKind::Conflict;
        case EACCES:
        case EPERM: return ErrorKind::Forbidden;
        case EINVAL: return ErrorKind::InvalidArgument;
        case ENOSYS:
        case EOPNOTSUPP: return ErrorKind::Unsupported;
        default: return ErrorKind::Internal;
    }
}
}  // namespace

Error errno_error(std::string_view call, std::string_view subject, int number) {
    std::string message(call);
    if (!subject.empty()) message.append(" ").append(subject);
    message.append(": ").append(strerrordesc_np(number) ? strerrordesc_np(number) : "unknown error");
    return Error(kind_of_errno(number), std::move(message), number);
}

Error errno_error(std::string_view call, std::string_view subject) { return errno_error(call, subject, errno); }

}  // namespace proa
