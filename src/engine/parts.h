#pragma once
#include "container/container.h"
#include "container/event_bus.h"
#include "container/exec.h"
#include "container/record_store.h"
#include "engine/current_settings.h"
#include "engine/paths.h"
#include "engine/user_remap.h"

namespace proa::store {
class ImageStore;
}

namespace proa::build {
class Cache;
}

namespace proa::volume {
class Store;
}

namespace proa::container {
class Monitor;
class ShimSupply;
}  // namespace proa::container

namespace proa::engine {

class HealthMonitor;
class LogForwarder;
class Networks;
class RestartScheduler;
class SeccompProfiles;
class Transfers;

/// References to the parts that bin/proad builds, for use cases that need many of them. It owns nothing and does nothing.
struct Parts {
    const Paths& paths;
    const CurrentSettings& current_settings;
    container::Table& containers;
    container::RecordStore& records;
    container::EventBus& events;
    container::ExecTable& execs;
    container::Monitor& monitor;
    container::ShimSupply& shims;
    store::ImageStore& images;
    volume::Store& volumes;
    Networks& network;
    RestartScheduler& restarts;
    SeccompProfiles& seccomp;
    HealthMonitor& health;
    build::Cache& builds;
    LogForwarder& logs;
    Transfers& transfers;
    const UserRemap& remap;

    /// Those of this moment; hold the pointer as long as anything in them is used.
    std::shared_ptr<const Settings> settings() const { return current_settings.load(); }
};

}  // namespace proa::engine
