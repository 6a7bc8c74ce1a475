#pragma once
#include <set>

#include "volume/driver.h"
#include "volume/mount_options.h"

namespace proa::volume {

/// Ids of this host.
struct Owner {
    uint32_t uid = 0, gid = 0;
};

/// Volumes as directories `<root>/NAME/_data`, onto which a volume with options mounts its device while containers use it.
/// Names beginning with a dot are what is being made or removed; boot clears them away.
class LocalDriver : public Driver {
public:
    /// Makes `root` when it is missing. New volumes belong to `owner`.
    static Result<std::unique_ptr<LocalDriver>> open(const std::string& root, Owner owner = {});

    Result<void> create(const Record& record) override;
    Result<void> remove(const Record& record) override;
    Result<std::string> mountpoint(const Record& record) override { return data(record.name); }
    Result<std::string> mount(const Record& record, const std::string& user) override;
    Result<void> unmount(const Record& record, const std::string& user, bool last) override;
    std::string scope() override { return "local"; }
    json::Value status(const Record&) override { return {}; }

    std::string data(std::string_view name) const { return concat(root_, '/', name, "/_data"); }
    bool exists(const std::string& name) const;
    Result<void> rename(const std::string& from, const std::string& to);
    /// Fills the empty volume `name` from the directory `from`. Unless it is `used` or has a mount, it holds everything or nothing afterwards,
    /// whenever the machine stops. A volume that is not empty stays as it is.
    Result<void> fill_when_empty(const Record& record, int from, bool used);
    /// What remained of a removal of `name` that was cut short.
    bool removal_was_begun(const std::string& name) const;
    /// Names of directories in the root that look like volumes.
    Result<std::vector<std::string>> names() const;
    /// Boot: removes what was being made or removed.
    Result<void> clear_remains();
    /// Boot: unmounts what nobody uses.
    Result<void> unmount_unused(const std::set<std::string>& used);

private:
    LocalDriver(std::string root, Owner owner) : root_(std::move(root)), owner_(owner) {}
    std::string removal(std::string_view name) const { return concat(root_, "/.removed-", name); }
    std::string root_;
    Owner owner_;
};

/// Errors: InvalidArgument in Docker's words.
Result<void> check_local_name(const std::string& name);

}  // namespace proa::volume
