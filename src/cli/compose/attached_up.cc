#include "cli/compose/attached_up.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "cli/compose/log_streams.h"
#include "cli/streams.h"
#include "client/containers.h"
#include "compose/down.h"
#include "compose/labels.h"
#include "compose/parallel.h"

namespace proa::cli {

namespace {
/// "web-1" of "app-web-1"; a name of the user's own stays.
std::string shown_name(const compose::Project& project, const compose::ProjectContainer& container) {
    return std::string(trim_prefix(container.name, project.name + project.separator));
}

/// All that an attached `up` shows: the outputs by threads, and in the main thread the engine's events and the user's signals.
class AttachedUp {
public:
    AttachedUp(ProjectSession& session, compose::Work& work, const compose::Project& project, const std::vector<compose::ProjectContainer>& containers,
               const AttachedOptions& options)
        : session_(session), work_(work), project_(project), containers_(containers), options_(options), printer_(options.style), signals_(false, true) {}

    Result<int> run(const std::function<Result<void>()>& start) {
        std::vector<std::string> names;
        for (auto& container : containers_) {
            live_.insert(container.id);
            if (shown(container)) {
                names.push_back(shown_name(project_, container));
                printer_.add(names.back());
            }
        }
        session_.progress().finish();
        put_line(concat("Attaching to ", join(names, ", ")));
        TRY(open_events());
        for (auto& container : containers_)
            if (shown(container)) TRY(attach(container));
        std::optional<Error> failure;
        os::Fd started(::eventfd(0, EFD_CLOEXEC));
        std::thread starter([&] {
            if (auto done = start(); !done) {
                failure = done.error();
                start_failed_ = true;
            }
            (void)os::write_all(started.get(), std::string_view("\1\0\0\0\0\0\0\0", 8));
        });
        watch(started.get());
        end_watcher();
        starter.join();
        if (failure && !stopping_) {
            // What has started runs on, as docker leaves it; the threads that still read from it end with the process.
            put_error_line(failure->message());
            std::_Exit(1);
        }
        for (auto& thread : threads_) thread.join();
        ::shutdown(events_->fd(), SHUT_RDWR);
        events_reader_.join();
        if (watcher_left_) std::_Exit(code_);
        return code_;
    }

private:
    bool shown(const compose::ProjectContainer& container) const { return std::find(options_.services.begin(), options_.services.end(), container.service) != options_.services.end(); }

    Result<void> attach(const compose::ProjectContainer& container) {
        std::string name = shown_name(project_, container);
        auto output = AttachedOutput::open(session_.engines(), container.id, name);
        if (!output) return fail(output.error());
        threads_.emplace_back([this, output = std::make_shared<AttachedOutput>(std::move(*output))] { output->print(printer_); });
        return {};
    }

    /// The log since a restart: the attachment has ended with the life before.
    void follow_again(const compose::ProjectContainer& container) {
        threads_.emplace_back([this, id = container.id, name = shown_name(project_, container)] {
            (void)print_log(session_.engines(), id, name, {.since = {}, .until = {}, .follow = true, .this_life = true}, printer_);
        });
    }

    Result<void> open_events() {
        auto engine = TRY(session_.engines().take());
        client::Filters filters{{"type", {"container"}}, {"label", {concat(compose::kProjectLabel, '=', project_.name), concat(compose::kOneOffLabel, "=False")}}};
        events_.emplace(TRY(engine->stream({.path = "/events", .query = {{"filters", client::filters_text(filters)}}})));
        events_reader_ = std::thread([this] { read_events(); });
        return {};
    }

    /// Until nothing is left to wait for.
    void watch(int started) {
        pollfd ends[] = {{events_waiting_.get(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}, {started, POLLIN, 0}};
        while (!live_.empty() || (options_.watcher && !stopping_)) {
            if (::poll(ends, 3, -1) < 0 && errno != EINTR) return;
            if (ends[1].revents != 0)
                if (auto signal = signals_.next(); signal && (*signal == SIGINT || *signal == SIGTERM)) interrupted();
            if (ends[2].revents != 0) {
                ends[2].fd = -1;
                if (start_failed_ && !stopping_) return;
                forget_what_never_ran();
                start_watcher();
            }
            if (ends[0].revents != 0 && !take_events()) return;
        }
    }

    /// After the start: what did not start will never end.
    void forget_what_never_ran() {
        auto engine = session_.engines().take();
        auto now = engine ? compose::list_project_containers(**engine, {.project = project_.name}) : Result<std::vector<compose::ProjectContainer>>(std::vector<compose::ProjectContainer>());
        if (!now) return;
        for (auto& container : *now)
            if (container.state == "created") live_.erase(container.id);
    }

    void start_watcher() {
        if (!options_.watcher || stopping_) return;
        watcher_thread_ = std::thread([this] {
            if (auto watched = options_.watcher->run(watcher_stop_.get()); !watched) put_error_line(concat("watch: ", watched.error().message()));
        });
    }
    /// One that is at work is not waited for: a build may take long, and the engine ends it with the connection.
    void end_watcher() {
        if (!watcher_thread_.joinable()) return;
        os::signal_eventfd(watcher_stop_.get());
        if (options_.watcher->busy()) watcher_thread_.detach(), watcher_left_ = true;
        else watcher_thread_.join();
    }

    /// The reader's thread: a stream cannot be polled, bytes of it may wait in a buffer.
    void read_events() {
        json::Splitter splitter;
        char buffer[16384];
        for (bool open = true; open;) {
            auto got = events_->read(buffer);
            open = got && *got > 0;
            std::lock_guard lock(events_mutex_);
            if (!open) events_ended_ = true;
            else
                for (auto& text : splitter.feed(std::string_view(buffer, *got)))
                    if (auto event = json::parse(text)) events_read_.push_back(std::move(*event));
            (void)os::write_all(events_waiting_.get(), std::string_view("\1\0\0\0\0\0\0\0", 8));
        }
    }
    /// False once there will be no more.
    bool take_events() {
        char counter[8];
        (void)os::read_some(events_waiting_.get(), counter);
        std::vector<json::Value> events;
        bool ended = false;
        {
            std::lock_guard lock(events_mutex_);
            events.swap(events_read_);
            ended = events_ended_;
        }
        for (auto& event : events) take(event);
        return !ended;
    }

    void take(const json::Value& event) {
        const std::string& action = event["Action"].as_string();
        auto container = std::find_if(containers_.begin(), containers_.end(), [&](auto& each) { return each.id == event["Actor"]["ID"].as_string(); });
        if (container == containers_.end()) {
            if (options_.watcher && action == "start" && !stopping_) adopt(event["Actor"]);
            return;
        }
        if (action == "start") {
            bool again = ended_.erase(container->id) > 0;
            live_.insert(container->id);
            if (again && shown(*container)) follow_again(*container);
        } else if (action == "die") {
            died(*container, parse_int(event["Actor"]["Attributes"]["exitCode"].as_string()).value_or(0));
        } else if (action == "destroy") {
            live_.erase(container->id);
            gone_.insert(container->id);
        }
    }

    /// A container that a rebuild has made.
    void adopt(const json::Value& actor) {
        auto& labels = actor["Attributes"];
        compose::ProjectContainer container;
        container.id = actor["ID"].as_string();
        container.name = labels["name"].as_string();
        container.service = labels[compose::kServiceLabel].as_string();
        container.number = parse_int(labels[compose::kNumberLabel].as_string()).value_or(0);
        container.state = "running";
        live_.insert(container.id);
        containers_.push_back(container);
        if (shown(container)) follow_again(container);
    }

    void died(const compose::ProjectContainer& container, int64_t code) {
        bool restarts = false;
        if (auto engine = session_.engines().take())
            if (auto inspect = client::inspect_container(**engine, container.id)) restarts = (*inspect)["State"]["Restarting"].as_bool();
        if (shown(container) && !stopping_) printer_.note(concat(shown_name(project_, container), " exited with code ", code, restarts ? " (restarting)" : ""));
        ended_.insert(container.id);
        if (!restarts) live_.erase(container.id);
        if (options_.exit_code_from == container.service && !code_taken_) {
            code_ = static_cast<int>(code);
            code_taken_ = true;
        }
        if (stopping_ || restarts) return;
        if (options_.abort_on_exit || (options_.abort_on_failure && code != 0)) {
            if (options_.exit_code_from.empty()) code_ = static_cast<int>(code);
            put_error_line("Aborting on container exit...");
            stop_all(false);
        }
    }

    void interrupted() {
        if (stopping_) {
            stop_all(true);
            return;
        }
        put_error_line("Gracefully stopping... (press Ctrl+C again to force)");
        code_ = 130;
        code_taken_ = true;
        stop_all(false);
    }

    /// In a thread of its own, so that a second Ctrl-C is heard.
    void stop_all(bool kill) {
        stopping_ = true;
        std::vector<compose::ProjectContainer> containers = containers_;
        std::erase_if(containers, [this](auto& each) { return gone_.contains(each.id); });
        threads_.emplace_back([this, kill, containers = std::move(containers)] {
            if (kill) (void)compose::run_parallel(containers.size(), 0, [&](size_t index) { return compose::kill_container(work_, containers[index], "SIGKILL"); });
            else (void)compose::stop_containers(work_, &project_, containers);
        });
    }

    ProjectSession& session_;
    compose::Work& work_;
    const compose::Project& project_;
    std::vector<compose::ProjectContainer> containers_;
    const AttachedOptions& options_;
    LogPrinter printer_;
    SignalWatch signals_;
    std::optional<client::Connection> events_;
    os::Fd events_waiting_{::eventfd(0, EFD_CLOEXEC)};
    std::mutex events_mutex_;
    std::vector<json::Value> events_read_;
    bool events_ended_ = false;
    std::thread events_reader_;
    std::vector<std::thread> threads_;
    std::set<std::string> live_, ended_, gone_;
    os::Fd watcher_stop_{::eventfd(0, EFD_CLOEXEC)};
    std::thread watcher_thread_;
    std::atomic<bool> start_failed_ = false;
    bool stopping_ = false, code_taken_ = false, watcher_left_ = false;
    int code_ = 0;
};
}  // namespace

Result<int> run_attached(ProjectSession& session, compose::Work& work, const compose::Project& project, const std::vector<compose::ProjectContainer>& containers,
                         const AttachedOptions& options, const std::function<Result<void>()>& start) {
    return AttachedUp(session, work, project, containers, options).run(start);
}

}  // namespace proa::cli
