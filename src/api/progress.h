#pragma once
#include "api/call.h"
#include "engine/pull_image.h"

namespace proa::api {

/// Progress lines; the head goes out with the first of them, so that an early failure is a plain error answer.
class Progress {
public:
    explicit Progress(Call& call) : call_(call) {}
    Result<void> line(const json::Object& object) {
        if (!call_.exchange().response_started()) TRY(call_.begin_stream("application/json"));
        return call_.exchange().write_chunk(json::print(object, json::Style{true, ""}) + "\r\n");
    }
    /// Ends the stream; a failure after the first line becomes its last one.
    Result<void> finish(Result<void> outcome) {
        if (!outcome) {
            if (!call_.exchange().response_started()) return outcome;
            json::Object detail;
            detail.set("message", outcome.error().message());
            json::Object object;
            object.set("errorDetail", std::move(detail));
            object.set("error", outcome.error().message());
            TRY(line(object));
        }
        if (!call_.exchange().response_started()) TRY(call_.begin_stream("application/json"));
        return call_.exchange().end_stream();
    }
    engine::ProgressSink sink() {
        return [this](const json::Object& object) { return line(object); };
    }

private:
    Call& call_;
};

/// Who asks for a pull or push by `call`.
inline engine::TransferCaller transfer_caller(Call& call, Progress& progress) {
    auto& headers = call.request().headers;
    return {registry::Credentials::from_header(headers.get("X-Registry-Auth")), std::string(headers.get("User-Agent")), progress.sink(),
            [&call] { return call.exchange().client_gone(); }};
}

}  // namespace proa::api
