#include "base/id.h"
#include "engine/build_stage.h"
#include "engine/create_container.h"
#include "engine/remove_container.h"
#include "engine/start_container.h"
#include "engine/stop_container.h"
#include "os/file.h"
#include "os/socket.h"

namespace proa::engine {

namespace {
using store::LayerWriter;

/// Cuts the frames of an attached stream.
class FrameReader {
public:
    FrameReader(BuildContext& build, size_t stage) : build_(build), stage_(stage) {}

    void feed(std::string_view bytes) {
        pending_ += bytes;
        while (pending_.size() >= 8) {
            auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(pending_[i])); };
            size_t size = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
            if (pending_.size() < 8 + size) return;
            std::string text = pending_.substr(8, size);
            if (pending_[0] == 2) build_.messages.standard_error(stage_, text);
            else build_.messages.text(stage_, std::move(text));
            pending_.erase(0, 8 + size);
        }
    }

private:
    BuildContext& build_;
    size_t stage_;
    std::string pending_;
};

docker::CreateRequest container_request(const BuildContext& build, const StageState& state, const RunWork& work) {
    docker::CreateRequest request;
    auto& config = request.config;
    config.image = state.image.text();
    config.cmd = work.words;
    config.env = work.environment;
    config.user = state.config.config.user;
    config.working_dir = state.config.config.working_dir;
    config.labels = state.config.config.labels;
    config.attach_stdout = config.attach_stderr = true;
    request.host_config = build.request.host;
    request.host_config.network_mode = work.network;
    request.host_config.log_config.type = "none";
    request.host_config.mounts = work.mounts;
    if (work.run && work.run->security == "insecure") request.host_config.privileged = true;
    return request;
}

/// Shows the output until it ends; Cancelled, with the container killed, when the client goes.
Result<void> follow_output(BuildContext& build, size_t stage, const container::ContainerPointer& container, const os::Fd& stream) {
    FrameReader reader(build, stage);
    std::string buffer(64 << 10, '\0');
    for (;;) {
        bool readable = TRY(os::wait_readable(stream.get(), 250));
        if (build.listener.cancelled() || build.messages.broken()) {
            (void)kill_container(build.parts, container, "KILL");  // it may have ended by itself
            return fail(ErrorKind::Cancelled, "the build was cancelled");
        }
        if (!readable) continue;
        size_t got = TRY(os::read_some(stream.get(), buffer));
        if (got == 0) return {};
        reader.feed(std::string_view(buffer).substr(0, got));
    }
}

Result<int64_t> run_container(BuildContext& build, size_t stage, const container::ContainerPointer& container, const std::vector<std::string>& secret_environment) {
    auto pair = TRY(os::make_socket_pair(os::SocketType::Stream));
    container::PendingAttach attach;
    attach.stream = std::move(pair.first);
    attach.use_stdout = attach.use_stderr = true;
    container->add_pending_attach(std::move(attach));
    auto waiter = TRY(container->wait_for(container::WaitCondition::NextExit));
    TRY(start_container(build.parts, container, secret_environment));
    auto shown = follow_output(build, stage, container, pair.second);
    while (!waiter->result()) {
        TRY(os::wait_readable(waiter->ready_fd(), 250));
        if (shown && build.listener.cancelled()) {
            (void)kill_container(build.parts, container, "KILL");
            shown = fail(ErrorKind::Cancelled, "the build was cancelled");
        }
    }
    TRY(std::move(shown));
    return waiter->result()->exit_code;
}

Result<std::optional<LayerWriter::Written>> take_layer(BuildContext& build, store::Lease& lease, const StageState& state, const RunWork& work,
                                                       const std::string& container, bool stays) {
    std::vector<std::string> stubs = {"/.dockerenv", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab", "/dev/console", "/dev/pts", "/dev/shm",
                                      "/dev/mqueue", "/dev",       "/proc",         "/sys/fs/cgroup",   "/sys"};
    stubs.insert(stubs.begin(), work.stubs.rbegin(), work.stubs.rend());
    auto changed = TRY(build.parts.images.changed_tree(container));
    auto& upper = changed.path();
    ScratchDirectory scratch = TRY(ScratchDirectory::make(build.scratch));
    bool empty = TRY(build::tidy_upper(upper, TRY(lower_of(build, state)), stubs, scratch.path(), build.parts.images.driver()));
    if (empty) return std::optional<LayerWriter::Written>();
    if (build.epoch) TRY(build::clamp_times(upper, *build.epoch));
    if (stays) return std::optional(TRY(build.parts.images.copy_layer(lease, upper, codec::Compression::Gzip, 1)));
    return std::optional(TRY(build.parts.images.adopt_layer(lease, upper, codec::Compression::Gzip, 1)));
}

/// Names a container of this build on disk: boot removes what a daemon that died in the middle left running.
class ContainerMark {
public:
    static Result<ContainerMark> make(const BuildContext& build, const std::string& container) {
        std::string directory = build.scratch + "/containers";
        TRY(os::make_directories(directory, 0700));
        std::string path = concat(directory, '/', container);
        TRY(os::write_file(path, ""));
        return ContainerMark(std::move(path));
    }
    ContainerMark(ContainerMark&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    ContainerMark& operator=(ContainerMark&&) = delete;
    ~ContainerMark() {
        if (!path_.empty()) (void)os::remove_file(path_);  // its directory goes with the build
    }

private:
    explicit ContainerMark(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

}  // namespace

Result<std::optional<LayerWriter::Written>> run_step(BuildContext& build, size_t stage, store::Lease& lease, const StageState& state, const RunWork& work) {
    auto& run = *work.run;
    if (run.security == "insecure" && !build.request.allowed.contains("security.insecure"))
        return fail(ErrorKind::Forbidden,
                    "security.insecure is not allowed: it gives the command all rights on this host; allow it with --allow security.insecure");
    CreateOptions options;
    options.for_build = true;
    options.id = random_id();
    ContainerMark mark = TRY(ContainerMark::make(build, options.id));  // before there is anything to forget
    auto created = TRY(create_container(build.parts, container_request(build, state, work), options));
    auto container = TRY(build.parts.containers.find(created.id));
    build.messages.classic(stage, concat(" ---> Running in ", short_id(created.id), "\n"));
    auto remove = [&] {
        RemoveOptions forced;
        forced.force = forced.volumes = true;
        auto removed = remove_container(build.parts, container, forced);
        if (removed) build.messages.classic(stage, concat(" ---> Removed intermediate container ", short_id(created.id), "\n"));
    };
    auto exit_code = run_container(build, stage, container, work.secret_environment);
    if (!exit_code || *exit_code != 0) {
        bool cancelled = !exit_code && exit_code.error().is(ErrorKind::Cancelled);
        if (build.request.force_remove || cancelled) remove();
        if (!exit_code) return fail(std::move(exit_code).error());
        std::lock_guard lock(build.mutex);
        build.exit_code = static_cast<int>(*exit_code);
        return fail(ErrorKind::InvalidArgument, concat("The command '", join(work.words, " "), "' returned a non-zero code: ", *exit_code));
    }
    auto layer = take_layer(build, lease, state, work, created.id, !build.request.remove);
    if (build.request.remove || build.request.force_remove) remove();
    return layer;
}

}  // namespace proa::engine
