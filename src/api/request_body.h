#pragma once
#include "api/call.h"
#include "codec/stream.h"

namespace proa::api {

/// Cmd and Entrypoint of a container's configuration may be a bare text: one element, not split.
void wrap_bare_texts(json::Value& body);

/// The request's body as a source of an archive.
class BodySource : public codec::Source {
public:
    explicit BodySource(http::Exchange& exchange) : exchange_(exchange), buffer_(256 * 1024, '\0') {}
    Result<std::string_view> pull() override {
        size_t got = TRY(exchange_.read_body(buffer_));
        return std::string_view(buffer_).substr(0, got);
    }

private:
    http::Exchange& exchange_;
    std::string buffer_;
};

}  // namespace proa::api
