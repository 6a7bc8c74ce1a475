// The daemon: builds the parts and waits for signals. Everything else stands in the layers below.
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "api/listeners.h"
#include "api/routes.h"
#include "base/log.h"
#include "build/cache.h"
#include "container/shim_supply.h"
#include "distribution/serve.h"
#include "engine/apparmor.h"
#include "engine/build_image.h"
#include "engine/container_cgroup.h"
#include "engine/health_monitor.h"
#include "engine/instance.h"
#include "engine/log_forwarder.h"
#include "engine/networks.h"
#include "engine/reload.h"
#include "engine/restart_scheduler.h"
#include "engine/restore_containers.h"
#include "engine/seccomp_profiles.h"
#include "engine/settings.h"
#include "engine/shim_reports.h"
#include "engine/start_container.h"
#include "engine/tear_down.h"
#include "engine/transfers.h"
#include "http/server.h"
#include "os/file.h"
#include "os/signal.h"
#include "store/image_store.h"
#include "volume/store.h"

namespace proa {

namespace {

void apply_log_settings(const engine::Settings& settings) {
    log::Level level = log::Level::Info;
    if (log::level_from_name(engine::effective_log_level(settings), level)) log::set_level(level);
    log::set_format(settings.log_format == "json" ? log::Format::Json : log::Format::Text);
}

/// The shim stands beside the daemon's own program.
std::string shim_path() { return os::directory_of(os::read_link("/proc/self/exe").value_or("/usr/libexec/proa/proad")) + "/proa-shim"; }

/// Serves until SIGTERM or SIGINT.
Result<void> serve(engine::Settings& settings, int signals) {
    auto remap = TRY(engine::resolve_user_remap(settings.userns_remap));
    engine::Paths paths{TRY(engine::data_root_of(settings, remap)), settings.exec_root};
    auto instance = TRY(engine::Instance::claim(settings, paths));
    auto records = TRY(container::RecordStore::open(paths.data_root + "/records.db"));
    const char* docker_driver = std::getenv("DOCKER_DRIVER");  // as dockerd: for a daemon that is not told otherwise
    auto driver =
        TRY(store::choose_storage_driver(paths.data_root, !settings.storage_driver.empty() || !docker_driver ? settings.storage_driver : docker_driver));
    auto images = TRY(store::ImageStore::open(paths.data_root, driver));
    if (remap.active() && driver == store::StorageDriver::Vfs)
        return fail(ErrorKind::Unsupported, "userns-remap needs the storage driver overlay2: vfs cannot show layers with mapped ids");
    TRY(engine::check_user_remap(remap, images->layers_directory()));
    auto volumes = TRY(volume::Store::open(paths.data_root, paths.data_root + "/records.db", paths.volume_plugins(), {remap.root_uid, remap.root_gid}));
    auto network = TRY(engine::Networks::open(settings, paths, remap.maps));
    engine::SeccompProfiles seccomp(paths.data_root + "/seccomp");
    build::Cache builds(paths.data_root + "/build");
    container::Table containers;
    container::EventBus events;
    container::ExecTable execs;
    engine::ShimReports reports;
    auto monitor = TRY(container::Monitor::start(reports));
    auto shims = TRY(container::ShimSupply::create({shim_path(), engine::default_cgroup_parent(settings), 2}));
    engine::Parts* self = nullptr;
    engine::RestartScheduler restarts([&](const container::ContainerPointer& container) { engine::restart_by_policy(*self, container); });
    engine::HealthMonitor health;
    engine::LogForwarder logs;
    engine::CurrentSettings current(settings);
    engine::Transfers transfers;
    engine::Parts parts{paths,    current,  containers, *records, events, execs,  *monitor, *shims,   *images,
                        *volumes, *network, restarts,   seccomp,  health, builds, logs,     transfers, remap};
    self = &parts;
    reports.connect(parts);
    health.begin(parts);
    auto profile = engine::load_default_apparmor_profile(paths);
    if (!profile) log::error(profile.error().message());
    TRY(engine::restore_containers(parts));
    engine::sweep_builds(parts);
    if (settings.mode == engine::Settings::Mode::TearDown) return engine::tear_down(parts);
    shims->begin();

    api::Router router(api::RouterOptions{.version_min = api::ApiVersion::parse(settings.min_api_version).value_or(api::kApiVersionFloor)});
    for (auto add : {api::add_container_routes, api::add_file_routes, api::add_usage_routes, api::add_stream_routes, api::add_exec_routes, api::add_image_routes, api::add_registry_routes, api::add_build_routes, api::add_network_routes, api::add_volume_routes, api::add_system_routes, api::add_absent_routes})
        add(router, parts);
    http::Server server([&](http::Exchange& exchange) { router.answer(exchange); });
    TRY(api::open_listeners(settings, server));
    TRY(server.start());
    engine::start_by_policy(parts);
    log::info("Daemon has completed initialization");
    engine::notify_service_manager("READY=1");
    for (;;) {
        pollfd waiting[] = {{signals, POLLIN, 0}, {network->watch_fd(), POLLIN, 0}};
        ::poll(waiting, 2, -1);
        if (waiting[1].revents != 0) network->handle_changes();
        bool stop = false;
        while (auto signal = os::next_signal(signals)) {
            if (*signal == SIGCHLD) shims->reap(), network->names().reap();
            else if (*signal == SIGHUP) engine::reload(parts, current, apply_log_settings);
            else stop = true;
        }
        if (stop) break;
    }
    engine::notify_service_manager("STOPPING=1");
    log::info("Processing signal: containers go on without the daemon");
    server.stop(1000);
    health.stop();
    logs.stop();
    monitor.reset();
    reports.stop();
    return {};
}

}  // namespace

}  // namespace proa

int main(int argc, char** argv) {
    using namespace proa;
    mallopt(M_ARENA_MAX, 2);
    if (argc > 2 && std::string_view(argv[1]) == "registry" && std::string_view(argv[2]) == "serve")
        return distribution::serve(std::vector<std::string>(argv + 3, argv + argc));
    auto settings = engine::load_settings(std::vector<std::string>(argv + 1, argv + argc));
    if (!settings) {
        (void)os::write_all(STDERR_FILENO, settings.error().message() + "\n");
        return 1;
    }
    if (auto answer = engine::answer_of(*settings)) {
        (void)os::write_all(STDOUT_FILENO, answer->output);
        (void)os::write_all(STDERR_FILENO, answer->error);
        return 0;
    }
    apply_log_settings(*settings);
    for (auto& warning : settings->warnings) log::warn(warning);
    (void)os::block_all_signals();
    auto signals = os::open_signal_descriptor({SIGTERM, SIGINT, SIGHUP, SIGCHLD});
    auto served = signals ? serve(*settings, signals->get()) : Result<void>(fail(std::move(signals).error()));
    if (served) return 0;
    (void)os::write_all(STDERR_FILENO, served.error().message() + "\n");
    return 1;
}
