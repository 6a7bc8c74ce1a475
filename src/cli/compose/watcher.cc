#include "cli/compose/watcher.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>

#include "base/text.h"
#include "base/time.h"
#include "cli/compose/prepare.h"
#include "client/containers.h"
#include "codec/tar.h"
#include "compose/hooks.h"
#include "compose/labels.h"
#include "compose/parallel.h"
#include "os/file.h"

namespace proa::cli {

namespace {
constexpr int64_t kQuiet = 500'000'000;      // changes belong together until so long nothing happened
constexpr int64_t kLongest = 5'000'000'000;  // but something that never rests is not waited for

/// What of this machine goes into a container: as `build` sends it, owners 0.
class Sender {
public:
    explicit Sender(codec::Sink& out) : writer_(out) {}

    Result<void> add(const compose::SyncedPath& path) {
        auto status = os::link_status(path.here);
        if (!status) return {};  // gone meanwhile: its own change says so
        codec::TarEntry entry;
        entry.name = path.there.substr(1);
        entry.mode = status->st_mode & 07777;
        entry.modified = {status->st_mtim.tv_sec, 0};
        if (entry.name.empty()) return {};
        if (S_ISDIR(status->st_mode)) {
            entry.type = codec::TarType::Directory;
            return writer_.begin(entry);
        }
        if (S_ISLNK(status->st_mode)) {
            auto target = os::read_link(path.here);
            if (!target) return {};
            entry.type = codec::TarType::Symlink;
            entry.link_name = *target;
            return writer_.begin(entry);
        }
        if (!S_ISREG(status->st_mode)) return {};
        return add_file(path, entry);
    }
    Result<void> finish() { return writer_.finish(); }

private:
    /// A file that shrinks meanwhile is filled with zeros: its next change is on its way.
    Result<void> add_file(const compose::SyncedPath& path, codec::TarEntry& entry) {
        auto file = os::open_file(path.here, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
        if (!file) return file.error().is(ErrorKind::NotFound) ? Result<void>() : fail(file.error());
        struct stat opened;
        if (::fstat(file->get(), &opened) != 0) return fail_errno("fstat", path.here);
        entry.size = static_cast<uint64_t>(opened.st_size);
        TRY(writer_.begin(entry));
        uint64_t left = entry.size;
        std::string buffer(256 << 10, '\0');
        while (left > 0) {
            size_t got = TRY(os::read_some(file->get(), std::span<char>(buffer).first(std::min<uint64_t>(left, buffer.size()))));
            if (got == 0) break;
            TRY(writer_.write(std::string_view(buffer).substr(0, got)));
            left -= got;
        }
        std::fill(buffer.begin(), buffer.end(), '\0');
        for (; left > 0; left -= std::min<uint64_t>(left, buffer.size()))
            TRY(writer_.write(std::string_view(buffer).substr(0, std::min<uint64_t>(left, buffer.size()))));
        return {};
    }

    codec::TarWriter writer_;
};

Result<void> send(client::Client& engine, const std::string& container, const std::vector<compose::SyncedPath>& paths) {
    client::Call call{.method = "PUT",
                      .path = client::container_path(container, "archive"),
                      .query = {{"path", "/"}, {"copyUIDGID", "true"}},
                      .chunked = true,
                      .content_type = "application/x-tar"};
    auto connection = TRY(engine.begin(call));
    bool answered = false;
    codec::FunctionSink sink([&](std::string_view bytes) -> Result<void> {
        if (connection.send_chunk(bytes)) return {};
        answered = true;
        return fail(ErrorKind::Cancelled, "the engine answered early");
    });
    Sender sender(sink);
    Result<void> written;
    for (auto& path : paths)
        if (written) written = sender.add(path);
    if (written) written = sender.finish();
    if (!written && !answered) return written;
    if (written) (void)connection.end_chunks();
    TRY(engine.finish(connection, call));
    return {};
}

std::string listed(const std::set<std::string>& services) {
    std::vector<std::string> names;
    for (auto& name : services) names.push_back(quote(name));
    return concat('[', join(names, " "), ']');
}
}  // namespace

Result<std::unique_ptr<Watcher>> Watcher::open(ProjectSession& session, const compose::Project& project, WatchOptions options) {
    auto rules = TRY(compose::WatchRules::of(project, options.services));
    for (auto& warning : rules.warnings()) put_warning(warning);
    std::unique_ptr<Watcher> watcher(new Watcher(session, project, std::move(options), std::move(rules)));
    watcher->tree_.emplace(
        TRY(os::TreeWatch::create(watcher->rules_.paths(), [rules = &watcher->rules_](const std::string& directory) { return rules->skips(directory); })));
    return watcher;
}

Result<void> Watcher::run(int stop) {
    compose::WatchWork initial = rules_.initial_work(TRY(tree_->all()));
    if (!initial.sync.empty()) carry_out(initial);
    put_line("Watch enabled");
    for (std::set<std::string> changed; TRY(collect(stop, changed)); changed.clear()) carry_out(rules_.work_for(changed));
    return {};
}

/// A batch of changes; false once it is over.
Result<bool> Watcher::collect(int stop, std::set<std::string>& changed) {
    pollfd ends[] = {{tree_->fd(), POLLIN, 0}, {stop, POLLIN, 0}};
    int64_t first = 0, last = 0;
    for (;;) {
        int64_t now = monotonic_nanoseconds();
        if (!changed.empty() && (now >= last + kQuiet || now >= first + kLongest)) return true;
        int wait = changed.empty() ? -1 : static_cast<int>((std::min(last + kQuiet, first + kLongest) - now) / 1'000'000 + 1);
        if (::poll(ends, 2, wait) < 0 && errno != EINTR) return fail_errno("poll");
        if (ends[1].revents != 0) return false;
        if (ends[0].revents == 0) continue;
        for (auto& path : TRY(tree_->changes())) {
            compose::WatchWork wanted = rules_.work_for({path});
            if (wanted.rebuild.empty() && wanted.restart.empty() && wanted.sync.empty()) continue;
            last = monotonic_nanoseconds();
            if (changed.empty()) first = last;
            changed.insert(path);
        }
    }
}

void Watcher::carry_out(const compose::WatchWork& work) {
    busy_ = true;
    auto told = [](std::string_view what, const Result<void>& done) {
        if (!done) put_warning(concat(what, ": ", done.error().message()));
        return done.has_value();
    };
    if (!work.rebuild.empty()) told("Build failed. Error", rebuild(work.rebuild));
    std::set<std::string> failed;
    for (auto& [service, paths] : work.sync)
        if (!told("Error handling changed files", synchronise(service, paths))) failed.insert(service);
    std::set<std::string> restarted;
    for (auto& service : work.restart)
        if (!failed.contains(service)) restarted.insert(service);
    if (!restarted.empty() && told("Error handling changed files", restart(restarted))) put_line(concat("service(s) ", listed(restarted), " restarted"));
    for (auto& [service, hooks] : work.exec)
        if (!failed.contains(service)) told("Error handling changed files", execute(service, hooks));
    busy_ = false;
}

Result<void> Watcher::rebuild(const std::set<std::string>& services) {
    put_line(concat("Rebuilding service(s) ", listed(services), " after changes were detected..."));
    std::vector<const compose::Service*> builds;
    for (auto& name : services) builds.push_back(&project_.services.at(name));
    TRY(compose::run_graph(build_graph(builds), 1, [&](const std::string& name) {
        return services.contains(name) ? build_service(session_, project_, project_.services.at(name), {.quiet = options_.quiet_build}) : Result<void>();
    }));
    put_line(concat("service(s) ", listed(services), " successfully built"));
    compose::PlanOptions options;
    options.services = {services.begin(), services.end()};
    options.recreate_dependencies = compose::Recreate::Never;
    options.scale = options_.scale;
    auto prepared = TRY(prepare(session_, *work_, project_, options, {}, {}));
    TRY(compose::start_services(*work_, &project_, compose::start_order(project_), prepared.observed.containers, options.services, 0));
    return options_.prune ? remove_replaced_images() : Result<void>();
}

/// Images of the project that have lost their name.
Result<void> Watcher::remove_replaced_images() {
    auto engine = TRY(session_.engines().take());
    client::Filters filters{{"dangling", {"true"}}, {"label", {concat(compose::kProjectLabel, '=', project_.name)}}};
    TRY(engine->json({.method = "POST", .path = "/images/prune", .query = {{"filters", client::filters_text(filters)}}}));
    return {};
}

Result<std::vector<compose::ProjectContainer>> Watcher::running(const std::string& service) {
    auto engine = TRY(session_.engines().take());
    auto containers = TRY(compose::list_project_containers(*engine, {.project = project_.name, .all = false}));
    std::erase_if(containers, [&](auto& each) { return each.service != service; });
    return containers;
}

Result<void> Watcher::synchronise(const std::string& service, const std::set<compose::SyncedPath>& paths) {
    put_line(concat("Syncing service ", quote(service), " after ", paths.size(), paths.size() == 1 ? " change was detected" : " changes were detected"));
    std::vector<compose::SyncedPath> sent;
    compose::ServiceHook removal;
    removal.command = std::vector<std::string>{"rm", "-rf", "--"};
    removal.user = "0";
    for (auto path = paths.begin(); path != paths.end(); ++path) {
        // Directories come with what is in them: those that the container has keep their owner and mode.
        auto next = std::next(path);
        bool filled = next != paths.end() && next->here.starts_with(path->here + "/");
        if (os::is_directory(path->here) && filled) continue;
        if (os::link_status(path->here)) sent.push_back(*path);
        else if (path->there != "/") removal.command->push_back(path->there);
    }
    auto containers = TRY(running(service));
    return compose::run_parallel(containers.size(), work_->limit, [&](size_t index) -> Result<void> {
        auto& container = containers[index];
        auto engine = TRY(session_.engines().take());
        if (removal.command->size() > 3) TRY_WRAP("remove what is gone", compose::run_hooks(*engine, container.id, container.name, "watch", {removal}));
        if (!sent.empty()) TRY_WRAP(concat("copy files to ", container.name), send(*engine, container.id, sent));
        return {};
    });
}

Result<void> Watcher::restart(const std::set<std::string>& services) {
    for (auto& service : services) {
        auto containers = TRY(running(service));
        TRY(compose::run_parallel(containers.size(), work_->limit, [&](size_t index) -> Result<void> {
            std::string subject = compose::subject_of(containers[index].name);
            compose::working(work_->report, subject, "Restarting");
            auto engine = TRY(session_.engines().take());
            auto done = client::restart_container(*engine, containers[index].id, work_->timeout ? concat(*work_->timeout) : "", "");
            if (!done) {
                compose::failed(work_->report, subject, done.error().message());
                return done;
            }
            compose::done(work_->report, subject, "Started");
            return {};
        }));
    }
    return {};
}

Result<void> Watcher::execute(const std::string& service, const std::vector<const compose::ServiceHook*>& hooks) {
    auto containers = TRY(running(service));
    return compose::run_parallel(containers.size(), work_->limit, [&](size_t index) -> Result<void> {
        auto engine = TRY(session_.engines().take());
        for (auto* hook : hooks) TRY(compose::run_hooks(*engine, containers[index].id, containers[index].name, "watch", {*hook}));
        return {};
    });
}

}  // namespace proa::cli
