#include "base/text.h"
#include "cli/commands.h"
#include "cli/streams.h"
#include "cli/time_flags.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
/// Gathers what goes to one stream, so that a log of short lines is not a system call a line; the streams keep their order.
class Gatherer {
public:
    void add(int stream, std::string_view bytes) {
        if (stream != stream_) flush();
        stream_ = stream;
        pending_ += bytes;
    }
    void flush() {
        if (!pending_.empty()) stream_ == 2 ? put_error(pending_) : put(pending_);
        pending_.clear();
    }

private:
    int stream_ = 1;
    std::string pending_;
};

const Flag kFlags[] = {
    {"details", 0, FlagType::Bool, "Show extra details provided to logs"},
    {"follow", 'f', FlagType::Bool, "Follow log output"},
    {"since", 0, FlagType::String, "Show logs since a timestamp (e.g. \"2013-01-02T13:23:37Z\") or a duration (e.g. \"42m\" for 42 minutes)"},
    {"tail", 'n', FlagType::String, "Number of lines to show from the end of the logs", "(default \"all\")", "all"},
    {"timestamps", 't', FlagType::Bool, "Show timestamps"},
    {"until", 0, FlagType::String, "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or a duration (e.g. \"42m\" for 42 minutes)"},
};

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    client::Client& engine = *TRY(ready_engine(call));
    // Only the container knows whether its log has frames; newer daemons say so in the answer too.
    json::Value container = TRY(client::inspect_container(engine, call.arguments[0]));
    client::Call request{.path = client::container_path(container["Id"].as_string(), "logs")};
    request.query = {{"stdout", "1"}, {"stderr", "1"}};
    auto invalid = [](std::string_view flag, const Error& error) {
        return fail(ErrorKind::InvalidArgument, concat("invalid value for ", quote(flag), ": ", error.message()));
    };
    for (auto name : {"since", "until"}) {
        auto time = api_time(flags.text(name));
        if (!time) return invalid(name, time.error());
        if (!time->empty()) request.query.emplace_back(name, *time);
    }
    if (flags.is("timestamps")) request.query.emplace_back("timestamps", "1");
    if (flags.is("details")) request.query.emplace_back("details", "1");
    if (flags.is("follow")) request.query.emplace_back("follow", "1");
    request.query.emplace_back("tail", flags.text("tail"));
    auto answer = TRY(engine.stream(request));
    bool tty = container["Config"]["Tty"].as_bool();
    FrameReader frames;
    Gatherer gathered;
    static char buffer[256 << 10];
    while (size_t got = TRY(answer.read(buffer))) {
        std::string_view data(buffer, got);
        if (tty) put(data);
        else {
            auto fed = frames.feed(data, [&](int stream, std::string_view bytes) { gathered.add(stream, bytes); });
            gathered.flush();
            TRY(std::move(fed));
        }
    }
    return 0;
}
}  // namespace

const Command kLogs = {"[OPTIONS] CONTAINER", "Fetch the logs of a container", kFlags, exactly(1), run};

}  // namespace proa::cli
