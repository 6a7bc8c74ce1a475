#pragma once
#include "engine/paths.h"
#include "os/fd.h"

namespace proa::engine {

struct Settings;

/// One running daemon's claim on its directories: pid file and a lock on the data root, both given up on destruction.
class Instance {
public:
    /// Makes the directories with the modes they must have and repairs those that differ.
    /// Errors: Conflict when another daemon has the data root or the pid file's process lives.
    static Result<Instance> claim(const Settings& settings, const Paths& paths);
    ~Instance();
    Instance(Instance&&) = default;

private:
    Instance() = default;
    os::Fd lock_;
    std::string pidfile_;
};

/// Tells systemd (NOTIFY_SOCKET) "READY=1", "STOPPING=1" ...; does nothing without systemd. man: sd_notify(3)
void notify_service_manager(std::string_view state);

}  // namespace proa::engine
