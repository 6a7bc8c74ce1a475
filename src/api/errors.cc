#include "api/errors.h"

#include "codec/json/value.h"

namespace proa::api {

int status_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::InvalidArgument: return 400;
        case ErrorKind::Unauthorized: return 401;
        case ErrorKind::Forbidden: return 403;
        case ErrorKind::NotFound: return 404;
        case ErrorKind::Conflict: return 409;
        case ErrorKind::NotModified: return 304;
        case ErrorKind::Unavailable: return 503;
        case ErrorKind::Unsupported: return 501;
        case ErrorKind::Cancelled: return 499;
        case ErrorKind::Internal: return 500;
    }
    return 500;
}

std::string error_body(std::string_view message) {
    std::string body = "{\"message\":";
    json::print_string(body, message, false);
    return body.append("}\n");
}

}  // namespace proa::api
