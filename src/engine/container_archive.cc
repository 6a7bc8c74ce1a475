#include "engine/container_archive.h"

#include <fcntl.h>
#include <sys/mount.h>

#include <algorithm>
#include <cerrno>

#include "archive/helper.h"
#include "codec/compression.h"
#include "engine/container_events.h"
#include "engine/container_mounts.h"
#include "os/file.h"
#include "shim/records.h"
#include "store/image_store.h"

namespace proa::engine {

namespace {

using archive::Helper;
using archive::Request;
using archive::Verb;
using container::ContainerPointer;
using container::Record;

std::string helper_program() { return os::directory_of(os::read_link("/proc/self/exe").value_or("/usr/libexec/proa/proad")) + "/proa-archive"; }

/// Descriptor 5 of the helper; NotFound when the container's init has ended meanwhile.
Result<os::Fd> open_running_root(Parts& parts, const Record& record, Verb verb) {
    auto running = TRY(shim::read_running_record(parts.paths.state(record.id)));
    std::string process = concat("/proc/", running.init_pid);
    os::Fd root = TRY(verb == Verb::Export ? os::open_file(process + "/ns/mnt", O_RDONLY) : os::open_file(process + "/root", O_PATH | O_DIRECTORY));
    if (!shim::is_same_process(running.init_pid, running.init_start_time)) return fail(ErrorKind::NotFound, "the container's process has ended");
    return root;
}

bool has_process(const docker::ContainerState& state) { return state.running && !state.restarting && state.pid > 0; }

/// Descriptor 6 of the helper for a container with mapped ids.
Result<os::Fd> open_user_namespace(const Parts& parts, const Record& record, bool running) {
    if (!is_remapped(parts.remap, record.host_config)) return os::Fd();
    if (!running) return parts.remap.space.duplicate();
    return os::open_file(concat("/proc/", TRY(shim::read_running_record(parts.paths.state(record.id))).init_pid, "/ns/user"), O_RDONLY);
}

/// The root of a container that does not run: overlay and binds, parents before what lies in them.
Result<void> plan_stopped_root(Parts& parts, const Record& record, const Request& request, runtime::Plan& plan, std::vector<std::shared_ptr<void>>& lease) {
    auto layer = parts.images.writable_layer(record.id);
    if (parts.images.driver() == store::StorageDriver::Overlay2) plan.root.overlay_lower = TRY(parts.images.lower_directories_of(record.id));
    plan.root.overlay_upper = layer.upper;
    plan.root.overlay_work = layer.work;
    plan.root.directory = layer.merged;
    if (request.mapped) plan.root.mapped_directory = parts.images.layers_directory();
    for (auto& point : record.mounts) {
        auto source = lend_mount(parts, record, point, lease);
        bool wanted = os::clean_path("/" + request.path).starts_with(point.destination);
        if (!source && wanted) return fail(std::move(source).error());
        if (!source || source->empty()) continue;
        runtime::Mount mount;
        mount.destination = point.destination;
        mount.source = *source;
        mount.flags = MS_BIND | MS_REC;
        mount.propagation = runtime::Propagation::RecursivePrivate;
        plan.mounts.push_back(std::move(mount));
    }
    std::stable_sort(plan.mounts.begin(), plan.mounts.end(), [](auto& a, auto& b) { return a.destination.size() < b.destination.size(); });
    return {};
}

/// A helper at work. A container that does not run cannot be started, removed or copied to by another one meanwhile.
struct Session {
    std::vector<std::shared_ptr<void>> lease;  ///< of volumes; given back before the operation
    std::unique_lock<std::timed_mutex> operation;
    Helper helper;
};

Result<Session> begin_session(Parts& parts, const ContainerPointer& container, Request request) {
    auto record = container->record();
    request.read_only_root = record.host_config.readonly_rootfs;
    request.mapped = is_remapped(parts.remap, record.host_config);
    for (auto& point : record.mounts) request.mounts.push_back({point.destination, point.rw});
    if (has_process(record.state)) {
        auto user = open_user_namespace(parts, record, true);
        if (auto root = open_running_root(parts, record, request.verb); root && user) {
            request.running = true;
            return Session{{}, {}, TRY(Helper::start(helper_program(), request, root->get(), user->get()))};
        }
    }
    std::unique_lock operation(container->operation());
    record = container->record();
    if (record.removing || record.state.dead) return fail(ErrorKind::Conflict, concat("container ", record.id, " is marked for removal"));
    if (has_process(record.state)) {
        auto user = TRY(open_user_namespace(parts, record, true));
        auto root = TRY(open_running_root(parts, record, request.verb));
        request.running = true;
        return Session{{}, {}, TRY(Helper::start(helper_program(), request, root.get(), user.get()))};
    }
    std::vector<std::shared_ptr<void>> lease;
    TRY(plan_stopped_root(parts, record, request, request.plan, lease));
    auto user = TRY(open_user_namespace(parts, record, false));
    auto helper = TRY(Helper::start(helper_program(), request, -1, user.get()));
    return Session{std::move(lease), std::move(operation), std::move(helper)};
}

Result<Request> path_request(Verb verb, const std::string& reference, const std::string& path) {
    if (path.empty()) return fail(ErrorKind::InvalidArgument, "bad parameter: path cannot be empty");
    Request request;
    request.verb = verb;
    request.container = reference;
    request.path = path;
    return request;
}

Result<void> pass_output(Helper& helper, codec::Sink& out) {
    codec::FdSource tar(helper.output().get(), 1 << 20);
    TRY(codec::copy(tar, out));
    TRY(helper.reply());
    return {};
}

}  // namespace

Result<archive::PathStat> stat_container_path(Parts& parts, const ContainerPointer& container, const std::string& reference, const std::string& path) {
    auto session = TRY(begin_session(parts, container, TRY(path_request(Verb::Stat, reference, path))));
    return TRY(session.helper.reply()).stat;
}

Result<void> read_container_path(Parts& parts, const ContainerPointer& container, const std::string& reference, const std::string& path,
                                 const std::function<Result<void>(const archive::PathStat&)>& begin, codec::Sink& out) {
    auto session = TRY(begin_session(parts, container, TRY(path_request(Verb::Read, reference, path))));
    TRY(begin(TRY(session.helper.reply()).stat));
    TRY(pass_output(session.helper, out));
    publish_container_event(parts.events, *container, "archive-path");
    return {};
}

Result<void> write_container_path(Parts& parts, const ContainerPointer& container, const std::string& reference, const std::string& path,
                                  const WriteOptions& options, codec::Source& tar) {
    auto request = TRY(path_request(Verb::Write, reference, path));
    request.keep_kinds = options.keep_kinds;
    auto user = container->read([](const Record& record) { return record.config.user; });
    if (options.own_by_user && !user.empty()) request.owner = user;
    auto session = TRY(begin_session(parts, container, std::move(request)));
    TRY(session.helper.reply());
    auto plain = TRY(codec::decompress_detected(tar));  // outside: a decoder never sees the container
    codec::FdSink in(session.helper.input().get());
    auto copied = codec::copy(*plain, in);
    session.helper.input().reset();
    // When the helper gave up in the middle its own error says why, not our broken pipe. Of a client that broke off nothing more is wanted.
    if (!copied && copied.error().number() != EPIPE) return fail(std::move(copied).error());
    TRY(session.helper.reply());
    publish_container_event(parts.events, *container, "extract-to-dir");
    return {};
}

Result<void> export_container(Parts& parts, const ContainerPointer& container, const std::function<Result<void>()>& begin, codec::Sink& out) {
    Request request;
    request.verb = Verb::Export;
    auto session = TRY(begin_session(parts, container, std::move(request)));
    TRY(session.helper.reply());
    TRY(begin());
    TRY(pass_output(session.helper, out));
    publish_container_event(parts.events, *container, "export");
    return {};
}

}  // namespace proa::engine
