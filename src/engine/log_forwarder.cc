#include "engine/log_forwarder.h"

#include <sys/inotify.h>

#include "base/log.h"
#include "engine/log_drivers.h"
#include "engine/parts.h"
#include "os/file.h"
#include "os/watch.h"

namespace proa::engine {

namespace {

using container::LogMessage;
using container::Record;

constexpr int kStepMs = 100;
constexpr int kLastRetries = 5;

/// One container's way out; runs on its own thread.
class Sender {
public:
    Sender(Record record, std::string path, std::string position_file, std::unique_ptr<RemoteLog> remote, int ending, std::shared_ptr<std::atomic<bool>> abandoned)
        : record_(std::move(record)), path_(std::move(path)), position_file_(std::move(position_file)), remote_(std::move(remote)), ending_(ending), abandoned_(std::move(abandoned)) {}

    /// Before the thread begins, while the container is sure to be there: what is open stays readable when it is removed.
    Result<void> prepare() {
        container::LogOptions options;
        if (auto sent = os::read_file(position_file_, 64))
            if (auto nanoseconds = parse_int(trim(*sent))) options.since_unix_nano = *nanoseconds + 1;
        watch_.emplace(TRY(os::Watch::create()));
        TRY(watch_->add(os::directory_of(path_), IN_MODIFY | IN_CREATE | IN_MOVED_TO));
        reader_.emplace(TRY(container::LogReader::open(path_, options)));
        return {};
    }

    Result<void> run() {
        int wakers[] = {watch_->fd(), ending_};
        os::Fd woken = TRY(os::combine_readable(wakers));
        for (;;) {
            bool last = TRY(os::wait_readable(ending_, 0));
            if (!TRY(send_all(*reader_))) return {};
            if (last || *abandoned_) return {};
            TRY(os::wait_readable(woken.get(), -1));
            TRY(watch_->changes());
        }
    }

private:
    /// False when it was given up.
    Result<bool> send_all(container::LogReader& reader) {
        int64_t position = 0;
        auto keep = [&] {
            if (position != 0) (void)os::replace_file(position_file_, concat(position, '\n'), 0600, false);  // lost: some lines are sent twice
        };
        while (auto message = TRY(reader.next())) {
            uint64_t failures = 0;
            int last_failures = 0;
            while (!send(*message)) {
                bool last = TRY(os::wait_readable(ending_, 0));
                if (retries_.most && ++failures > *retries_.most) {
                    log::warn(concat("a message in the log of container ", record_.id, " is not sent: ", *retries_.most, " retries have failed"));
                    break;
                }
                if (*abandoned_ || (last && ++last_failures > kLastRetries)) {
                    keep();
                    return false;
                }
                for (int64_t waited = 0; waited < std::max<int64_t>(retries_.wait_ms, kStepMs) && !*abandoned_; waited += kStepMs) {
                    if (!last) (void)os::wait_readable(ending_, kStepMs);
                    else std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));  // the end has been told and stays readable
                }
            }
            position = message->time.unix_nano();
        }
        keep();
        return true;
    }

    bool send(const LogMessage& message) {
        if (!remote_) {
            auto opened = open_remote_log(record_);
            if (!opened) return complain(opened.error());
            remote_ = std::move(*opened);
        }
        std::string_view text = message.text;
        auto sent = remote_->send(message, trim_suffix(text, "\n"));
        if (sent) {
            complained_ = false;
            return true;
        }
        remote_.reset();
        return complain(sent.error());
    }

    bool complain(const Error& error) {
        if (!complained_) log::warn(concat("the log of container ", record_.id, " cannot be sent for now: ", error.message()));
        complained_ = true;
        return false;
    }

    Record record_;
    std::string path_, position_file_;
    std::optional<os::Watch> watch_;
    std::optional<container::LogReader> reader_;
    std::unique_ptr<RemoteLog> remote_;
    int ending_;
    std::shared_ptr<std::atomic<bool>> abandoned_;
    bool complained_ = false;
    LogRetries retries_ = log_retries(record_.host_config.log_config);
};

}  // namespace

Result<std::unique_ptr<RemoteLog>> LogForwarder::connect(const Record& record) const {
    if (!sends_away(record.host_config.log_config)) return std::unique_ptr<RemoteLog>();
    auto remote = open_remote_log(record);
    if (!remote) return fail(std::move(remote).error().wrap("failed to initialize logging driver"));
    return remote;
}

void LogForwarder::begin(const Parts& parts, const Record& record, std::unique_ptr<RemoteLog> remote) {
    if (!sends_away(record.host_config.log_config)) return;
    auto ending = os::make_eventfd();
    if (!ending) return log::error(concat("the log of container ", record.id, " is not sent: ", ending.error().message()));
    std::lock_guard lock(mutex_);
    join_finished();
    Forward forward;
    forward.ending = std::move(*ending);
    auto sender = std::make_shared<Sender>(record, log_file(parts.paths, record), parts.paths.container_file(record.id, "log-sent"), std::move(remote), forward.ending.get(), forward.abandoned);
    if (auto prepared = sender->prepare(); !prepared) return log::error(concat("the log of container ", record.id, " is not sent: ", prepared.error().message()));
    forward.thread = std::thread([sender, done = forward.done, id = record.id] {
        auto sent = sender->run();
        if (!sent) log::error(concat("the log of container ", id, " is not sent any more: ", sent.error().message()));
        *done = true;
    });
    forwards_.emplace(record.id, std::move(forward));
}

void LogForwarder::finish(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    auto [first, last] = forwards_.equal_range(container_id);
    for (auto one = first; one != last; ++one) os::signal_eventfd(one->second.ending.get());
}

void LogForwarder::join_finished() {
    for (auto one = forwards_.begin(); one != forwards_.end();) {
        if (!*one->second.done) {
            ++one;
            continue;
        }
        one->second.thread.join();
        one = forwards_.erase(one);
    }
}

void LogForwarder::stop() {
    std::lock_guard lock(mutex_);
    for (auto& [id, forward] : forwards_) {
        *forward.abandoned = true;
        os::signal_eventfd(forward.ending.get());
    }
    for (auto& [id, forward] : forwards_) forward.thread.join();
    forwards_.clear();
}

}  // namespace proa::engine
