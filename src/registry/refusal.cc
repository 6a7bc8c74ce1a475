#include "registry/refusal.h"

#include "base/text.h"
#include "codec/json/value.h"
#include "http/message.h"

namespace proa::registry {

namespace {
constexpr size_t kTextLimit = 4096;

ErrorKind kind_of(int status, std::string_view code) {
    if (code == "denied") return ErrorKind::Forbidden;
    if (code == "unauthorized") return ErrorKind::Unauthorized;
    if (status == 401) return ErrorKind::Unauthorized;
    if (status == 403) return ErrorKind::Forbidden;
    if (status == 404) return ErrorKind::NotFound;
    if (status == 429 || status >= 500) return ErrorKind::Unavailable;
    return ErrorKind::Internal;
}

std::string default_message(std::string_view code) {
    if (code == "unauthorized") return "authentication required";
    if (code == "denied") return "requested access to the resource is denied";
    if (code == "toomanyrequests") return "too many requests";
    return std::string(code);
}
}  // namespace

Error refusal(int status, std::string_view body) {
    std::string named = concat(status, ' ', http::status_text(status));
    if (status >= 500 && !trim(body).starts_with('{')) return Error(kind_of(status, ""), concat("received unexpected HTTP status: ", named));
    auto document = json::parse(body);
    if (document && document->is_object()) {
        auto& errors = (*document)["errors"].as_array();
        std::string text, first;
        for (auto& entry : errors) {
            std::string code = to_lower(replace_all(entry["code"].as_string(), "_", " ")), message = entry["message"].as_string().substr(0, kTextLimit);
            if (first.empty()) first = code;
            if (!text.empty()) text += "\n";
            text += concat(code, ": ", message.empty() ? default_message(code) : message);
        }
        if (errors.size() > 1) text = concat("errors:\n", text, "\n");
        if (!text.empty()) return Error(kind_of(status, first), text);
        if (auto& details = (*document)["details"].as_string(); !details.empty()) {
            std::string code = status == 401 ? "unauthorized" : status == 403 ? "denied" : status == 429 ? "toomanyrequests" : "unknown";
            return Error(kind_of(status, code), concat(code, ": ", details.substr(0, kTextLimit)));
        }
    }
    if (status == 401) return Error(ErrorKind::Unauthorized, "unauthorized: authentication required");
    if (status == 403) return Error(ErrorKind::Forbidden, "denied: requested access to the resource is denied");
    if (status == 429) return Error(ErrorKind::Unavailable, "toomanyrequests: too many requests");
    if (status == 404) return Error(ErrorKind::NotFound, "received unexpected HTTP status: 404 Not Found");
    return Error(kind_of(status, ""), concat("received unexpected HTTP status: ", named));
}

}  // namespace proa::registry
