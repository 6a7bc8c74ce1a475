#pragma once
#include "bundle/lifecycle.h"
#include "bundle/network_devices.h"

// Private to bundle/: the steps that `create`, `run` and `restore` share.
namespace proa::bundle {

struct NewContainer {
    StateDirectory directory;
    ContainerState state;
    runtime::Plan plan;
    std::vector<NetworkDevice> network_devices;
};

/// Reads and checks the bundle; state.json is there when this returns. Errors in runc's words.
Result<NewContainer> prepare_container(const CreateOptions& options);
/// Removes what prepare_container() made, when no process came of it.
void abandon_container(NewContainer& made);
/// Records the init, gives it its network devices, and tells the caller of it.
Result<void> note_init(NewContainer& made, const runtime::Init& init, const HandOver& wanted);
/// Ends what was started and removes every trace. `init` may be empty.
void undo_container(NewContainer& made, runtime::Init& init);
/// Deletes a container of ours whose init has ended.
Result<void> clean_up_container(const StateDirectory& directory, const ContainerState& state);

}  // namespace proa::bundle
