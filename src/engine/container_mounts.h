#pragma once
#include "engine/parts.h"
#include "volume/store.h"

// What a container sees beside its root: binds, volumes, images and tmpfs of `-v`, `--mount`, `--volumes-from` and the image's VOLUME.
namespace proa::engine {

/// One mount of a create request, not carried out yet.
struct PlannedMount {
    docker::MountPoint point;
    bool propagation_asked = false;
    bool make_source = false;  ///< a bind: its source is made when it is missing
    bool copy = false;         ///< a volume: filled from the image when it is empty
    bool anonymous = false;    ///< a volume that goes away with its container
    bool of_image = false;     ///< by VOLUME: not over a file
    bool inherited = false;    ///< a volume that another container has made already
    volume::CreateOptions volume;
};

/// Reads Binds, Mounts, VolumesFrom, Tmpfs and Volumes in Docker's order and words, and changes nothing.
/// Errors: InvalidArgument; NotFound for a container of VolumesFrom.
Result<std::vector<PlannedMount>> plan_mounts(const Parts& parts, const docker::ContainerConfig& config, const docker::HostConfig& host);

/// Makes sources and volumes, fills volumes from the image, and writes the result into `record`, whose writable layer exists.
/// After a failure drop_mounts() undoes what was made for this container alone.
Result<void> make_mounts(Parts& parts, container::Record& record, std::vector<PlannedMount> planned);

/// The container is on record: its anonymous volumes stay when the daemon ends now.
void claim_mounts(Parts& parts, const container::Record& record);

/// The container goes away: it lets its volumes go, and its anonymous ones vanish when `remove_anonymous`, unless others use them.
void drop_mounts(Parts& parts, const container::Record& record, bool remove_anonymous);

/// What a start needs of the mounts.
struct MountAttachment {
    std::vector<os::Fd> trees;           ///< handed to the shim: sources that are no plain host path
    std::vector<std::string> destinations;  ///< of each tree
};

/// Mounts the volumes (with their events) and opens what is below a subpath or in an image; sources of plugins' volumes are written
/// into `record`. After a failure nothing is mounted.
Result<MountAttachment> attach_mounts(Parts& parts, container::Record& record);

/// The container has ended: unmounts its volumes, with their events.
void detach_mounts(Parts& parts, const container::Record& record);

/// Host path of a mount of a container that does not run, for as long as `lease` lives: a volume is mounted for that time. "" for what is not there.
/// Errors: Unsupported for a subpath or an image, which only a start can open.
Result<std::string> lend_mount(Parts& parts, const container::Record& record, const docker::MountPoint& point, std::vector<std::shared_ptr<void>>& lease);

/// Boot: tells the store who uses what.
void adopt_mounts(Parts& parts, const container::Record& record);

/// Names of the writable layers that keep the layers of mounted images.
std::vector<std::string> image_mount_layers(const container::Record& record);

}  // namespace proa::engine
