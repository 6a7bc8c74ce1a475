#include "engine/read_logs.h"

#include <sys/inotify.h>

#include "engine/log_drivers.h"
#include "os/file.h"
#include "os/watch.h"

namespace proa::engine {

using container::LogReader;

namespace {

Result<void> send_what_is_there(LogReader& reader, const LogSink& sink) {
    while (auto message = TRY(reader.next())) TRY(sink.message(*message));
    return sink.flush();
}

}  // namespace

Result<void> read_logs(const Parts& parts, const container::ContainerPointer& container, const LogsRequest& request, const LogSink& sink) {
    auto record = container->record();
    if (!is_log_readable(record.host_config.log_config)) return fail(ErrorKind::Unsupported, "configured logging driver does not support reading");
    std::string path = log_file(parts.paths, record);
    LogReader reader = TRY(LogReader::open(path, request.options));
    if (!request.follow) return send_what_is_there(reader, sink);
    // The watch and the waiter come before the first look, so that nothing that happens in between is missed.
    if (record.host_config.log_config.type != "json-file") TRY(os::make_directories(os::directory_of(path), 0700));  // before the first start there is none
    os::Watch watch = TRY(os::Watch::create());
    TRY(watch.add(os::directory_of(path), IN_MODIFY | IN_CREATE | IN_MOVED_TO));
    auto waiter = TRY(container->wait_for(container::WaitCondition::NotRunning));
    int wakers[] = {watch.fd(), waiter->ready_fd()};
    os::Fd woken = TRY(os::combine_readable(wakers));
    for (;;) {
        bool ended = waiter->result().has_value();
        TRY(send_what_is_there(reader, sink));
        if (ended || reader.finished()) return {};
        TRY(sink.wait(woken.get(), -1));
        TRY(watch.changes());
    }
}

}  // namespace proa::engine
