#pragma once
#include <optional>
#include <string>

#include "base/time.h"
#include "bundle/resctrl.h"
#include "cgroup/group.h"
#include "codec/json/value.h"
#include "os/fd.h"

// A container's state directory below --root: state.json (written by rename), config.json as it was at create, and start.sock, the gate
// that `create` leaves and `start` opens (docs/formats/runtime-state.md).
namespace proa::bundle {

enum class Status { Creating, Created, Running, Paused, Stopped };
std::string_view status_name(Status status);

struct ContainerState {
    std::string oci_version, id, bundle, rootfs, owner;
    std::string cgroup_scope;      ///< with the systemd driver: the unit
    std::string cgroup_path;       ///< empty: a rootless container without a cgroup of its own
    ResourceClass resource_class;  ///< linux.intelRdt
    json::Value annotations;
    int32_t pid = 0;
    uint64_t start_time = 0;  ///< of the pid, field 22 of /proc/PID/stat
    int32_t creator_pid = 0;  ///< the `create` or `run` at work while `pid` is 0
    uint64_t creator_start_time = 0;
    Time created;
};

/// state.json's text and back. Errors: InvalidArgument.
std::string state_text(const ContainerState& state);
Result<ContainerState> parse_state(std::string_view text);

class StateDirectory {
public:
    /// Errors: InvalidArgument "invalid container ID format: ...".
    static Result<StateDirectory> at(const std::string& root, const std::string& id);

    const std::string& id() const { return id_; }
    std::string file(std::string_view name) const;
    /// Conflict "container with given ID already exists".
    Result<void> create() const;
    Result<void> remove() const;
    Result<void> save(const ContainerState& state) const;
    /// NotFound "container does not exist".
    Result<ContainerState> load() const;
    Result<json::Value> config() const;  ///< as it was at create

    Status status(const ContainerState& state) const;
    /// The init, when it is still the process that was started.
    Result<os::Fd> open_init(const ContainerState& state) const;

private:
    std::string directory_, id_;
};

/// The container's cgroup. Errors: Unsupported when it has none.
Result<cgroup::Group> group_of(const ContainerState& state);

/// Ids of the containers below `root`, sorted.
Result<std::vector<std::string>> list_containers(const std::string& root);

/// state's JSON (`rootfs`, `created` and `owner` as runc adds them).
json::Value state_json(const StateDirectory& directory, const ContainerState& state);

}  // namespace proa::bundle
