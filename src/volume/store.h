#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "schema/docker/volume.h"
#include "volume/local_driver.h"
#include "volume/plugin_directories.h"
#include "volume/plugin_driver.h"
#include "volume/record_table.h"

namespace proa::volume {

constexpr std::string_view kAnonymousLabel = "com.docker.volume.anonymous";

struct CreateOptions {
    std::string name;    ///< "": an anonymous volume
    std::string driver;  ///< "": local, or that of the existing volume
    docker::OptionalStringMap options, labels;
    std::string reference;  ///< a container that uses it from now on; "": none
};

struct Created {
    docker::Volume volume;
    bool is_new = false;
};

/// All volumes: their records, who uses them, and the drivers that keep them. Thread-safe; operations on one volume come one after another.
/// Errors of everything that takes a name: NotFound `get x: no such volume`.
class Store {
public:
    /// Opens the volumes below `<data root>/volumes` and finishes what a daemon before us had begun.
    /// New ones of the local driver belong to `owner`.
    static Result<std::unique_ptr<Store>> open(const std::string& data_root, const std::string& records_path, PluginDirectories plugins, Owner owner = {});

    /// An existing volume of the same driver is returned as it is. Errors: Conflict for another driver, InvalidArgument, NotFound `error looking
    /// up volume plugin x: plugin "x" not found`.
    Result<Created> create(const CreateOptions& options);
    Result<docker::Volume> find(const std::string& name);
    /// Ours and those that reachable plugins know. Plugins that failed are named in `warnings`.
    std::vector<docker::Volume> list(std::vector<std::string>* warnings = nullptr);
    /// Errors: Conflict `remove x: volume is in use - [ids]`.
    Result<void> remove(const std::string& name, bool force);

    Result<void> add_reference(const std::string& name, const std::string& container);
    void drop_reference(const std::string& name, const std::string& container);
    std::set<std::string> references(const std::string& name) const;

    /// Host path of the content, for as long as unmount() with the same `user` is not called.
    Result<std::string> mount(const std::string& name, const std::string& user);
    Result<void> unmount(const std::string& name, const std::string& user);
    bool is_mounted_by(const std::string& name, const std::string& user) const;
    /// Boot: `user` has had the volume mounted all along.
    void adopt_mount(const std::string& name, const std::string& user);
    /// An anonymous volume that create() made for a container: that container is on record now.
    Result<void> claim(const std::string& name);
    /// Boot, after add_reference(): removes volumes that were made for containers that never came to be.
    Result<void> remove_unclaimed();
    /// Boot, after adopt_mount(): unmounts what nobody uses.
    Result<void> unmount_unused();
    /// Copies the directory `from` into the volume when that is empty. Mounts it for that time.
    Result<void> fill_when_empty(const std::string& name, int from);

    /// "local" and the plugins that can be found.
    std::vector<std::string> driver_names() const;
    /// Bytes of a volume's files; -1 where they cannot be told (drivers other than local, volumes with options).
    int64_t size(const std::string& name) const;

    // Our own. Errors: Conflict when `to` exists or, for rename(), when the volume is in use.
    Result<docker::Volume> copy(const std::string& from, const std::string& to, docker::OptionalStringMap labels);
    Result<docker::Volume> rename(const std::string& from, const std::string& to);
    /// A fresh local volume that `fill` puts content into (a descriptor of its empty directory); all of it or none.
    Result<docker::Volume> create_filled(const std::string& name, docker::OptionalStringMap labels, const std::function<Result<void>(int directory)>& fill);

private:
    struct Entry {
        std::mutex operation;  ///< taken before Store::mutex_, never while it is held (a new entry's excepted)
        Record record;         ///< name and driver never change
        bool gone = false;
        std::set<std::string> references, users;
    };
    using EntryPointer = std::shared_ptr<Entry>;

    Store(std::string data_root, PluginDirectories plugins) : data_root_(std::move(data_root)), plugins_(std::move(plugins)) {}
    Result<void> restore();
    Result<bool> restore_record(Record& record);
    Result<void> finish_rename(Record& record);
    Result<Driver*> driver(const std::string& name);
    EntryPointer entry(const std::string& name) const;
    /// With its operation locked.
    Result<std::pair<EntryPointer, std::unique_lock<std::mutex>>> locked(const std::string& name);
    Result<EntryPointer> adopt_from_plugins(const std::string& name);
    Result<docker::Volume> view(const Record& record);
    Result<Created> existing(Entry& entry, const CreateOptions& options);
    void forget(const EntryPointer& entry);

    const std::string data_root_;
    const PluginDirectories plugins_;
    std::unique_ptr<RecordTable> records_;
    std::unique_ptr<LocalDriver> local_;
    mutable std::mutex mutex_;  ///< of what follows and of all references and users
    std::map<std::string, EntryPointer> entries_;
    std::map<std::string, std::unique_ptr<PluginDriver>> plugin_drivers_;
};

}  // namespace proa::volume
