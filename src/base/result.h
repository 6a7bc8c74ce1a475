#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace proa {

/// What class of failure an Error is. Each kind maps to one HTTP status (api/) and one exit code (cli/).
enum class ErrorKind {
    Internal,         ///< 500: a failure of ours or of the kernel that the caller cannot correct
    InvalidArgument,  ///< 400
    Unauthorized,     ///< 401
    Forbidden,        ///< 403
    NotFound,         ///< 404
    Conflict,         ///< 409
    NotModified,      ///< 304: the requested state is already there
    Unavailable,      ///< 503
    Unsupported,      ///< 501: this host, kernel or build cannot do it
    Cancelled,        ///< the caller went away
};

/// A failure: its kind, what was being done to what and why it failed, and the errno behind it (0 when there is none).
/// Texts are lower case without a full stop unless Docker's own text is quoted.
class Error {
public:
    Error(ErrorKind kind, std::string message, int number = 0)
        : kind_(kind), errno_(number), message_(std::move(message)) {}

    ErrorKind kind() const { return kind_; }
    const std::string& message() const { return message_; }
    int number() const { return errno_; }
    bool is(ErrorKind kind) const { return kind_ == kind; }

    /// The same failure seen from one level up: "`context`: message".
    Error wrap(std::string_view context) && {
        message_ = std::string(context) + ": " + message_;
        return std::move(*this);
    }
    Error with_kind(ErrorKind kind) && {
        kind_ = kind;
        return std::move(*this);
    }

private:
    ErrorKind kind_;
    int errno_;
    std::string message_;
};

template <class T = void>
using Result = std::expected<T, Error>;

using Unexpected = std::unexpected<Error>;

inline Unexpected fail(ErrorKind kind, std::string message, int number = 0) {
    return Unexpected(Error(kind, std::move(message), number));
}
inline Unexpected fail(Error error) { return Unexpected(std::move(error)); }

/// A failed system call: "`call` `subject`: strerror(number)". Kind by number: ENOENT NotFound, EEXIST/EBUSY Conflict,
/// EACCES/EPERM Forbidden, EINVAL InvalidArgument, ENOSYS/EOPNOTSUPP Unsupported, all others Internal.
Error errno_error(std::string_view call, std::string_view subject, int number);
/// The same with the calling thread's errno.
Error errno_error(std::string_view call, std::string_view subject = {});
inline Unexpected fail_errno(std::string_view call, std::string_view subject = {}) {
    return Unexpected(errno_error(call, subject));
}

}  // namespace proa

#define PROA_CONCAT_INNER(a, b) a##b
#define PROA_CONCAT(a, b) PROA_CONCAT_INNER(a, b)

/// `auto x = TRY(expression);` yields the value or returns the error from the enclosing function.
#define TRY(...)                                                          \
    ({                                                                    \
        auto&& proa_try_result = (__VA_ARGS__);                           \
        if (!proa_try_result) [[unlikely]]                                \
            return ::proa::Unexpected(std::move(proa_try_result).error()); \
        ::proa::detail::take(std::move(proa_try_result));                 \
    })

/// As TRY, with `context` put before the message.
#define TRY_WRAP(context, ...)                                                           \
    ({                                                                                   \
        auto&& proa_try_result = (__VA_ARGS__);                                          \
        if (!proa_try_result) [[unlikely]]                                               \
            return ::proa::Unexpected(std::move(proa_try_result).error().wrap(context)); \
        ::proa::detail::take(std::move(proa_try_result));                                \
    })

namespace proa::detail {
template <class T>
T take(std::expected<T, Error>&& result) {
    return std::move(*result);
}
inline void take(std::expected<void, Error>&&) {}
}  // namespace proa::detail
