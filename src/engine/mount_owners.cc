#include "engine/mount_owners.h"

#include <fcntl.h>

#include "container/image_accounts.h"
#include "os/file.h"
#include "volume/copy_tree.h"

namespace proa::engine {

namespace {

constexpr uint32_t kIdsMax = 0xffffffff;  // the last id is none

/// Both ids change places, all others stay.
std::vector<runtime::IdMapping> swapped(uint32_t one, uint32_t other) {
    auto [low, high] = std::minmax(one, other);
    std::vector<runtime::IdMapping> mappings;
    auto keep = [&](uint32_t from, uint32_t end) {
        if (from < end) mappings.push_back({from, from, end - from});
    };
    keep(0, low);
    mappings.push_back({low, high, 1});
    keep(low + 1, high);
    mappings.push_back({high, low, 1});
    keep(high + 1, kIdsMax);
    return mappings;
}

std::vector<runtime::IdMapping> everything() { return {{0, 0, kIdsMax}}; }

bool is_matched(const container::Record& record, const runtime::Mount& mount) {
    return std::any_of(record.host_config.mounts.begin(), record.host_config.mounts.end(), [&](auto& request) {
        return request.bind_options && !request.bind_options->id_map.empty() && os::clean_path(request.target) == mount.destination;
    });
}

bool is_given_away(const container::Record& record, const runtime::Mount& mount) {
    return std::any_of(record.mounts.begin(), record.mounts.end(), [&](auto& point) {
        auto words = split(point.mode, ',');
        return point.destination == mount.destination && std::find(words.begin(), words.end(), "U") != words.end();
    });
}

/// The container's user as this host knows it.
Result<runtime::Identity> user_outside(const runtime::Plan& plan) {
    auto user = TRY(container::identity_in_layers(plan.process, plan.root));
    auto map = [](const std::vector<runtime::IdMapping>& mappings, uint32_t& id) -> Result<void> {
        if (mappings.empty()) return {};
        auto range = std::find_if(mappings.begin(), mappings.end(), [&](auto& one) { return id >= one.container_id && id - one.container_id < one.size; });
        if (range == mappings.end()) return fail(ErrorKind::InvalidArgument, concat("the id ", id, " of the container's user is not mapped to any of this host (userns-remap)"));
        id = range->host_id + (id - range->container_id);
        return {};
    };
    TRY(map(plan.uid_mappings, user.uid));
    TRY(map(plan.gid_mappings, user.gid));
    return user;
}

}  // namespace

Result<void> fit_owners(const container::Record& record, runtime::Plan& plan) {
    std::optional<runtime::Identity> user;
    for (auto& mount : plan.mounts) {
        bool matched = is_matched(record, mount), given_away = is_given_away(record, mount);
        if (!matched && !given_away) continue;
        if (!user) user = TRY(user_outside(plan));
        if (given_away) {
            os::Fd source = TRY(os::open_file(mount.source, O_PATH));
            TRY_WRAP(concat("give ", mount.source, " to the container's user"), volume::change_owner(source.get(), user->uid, user->gid));
        } else if (auto owner = TRY(os::status(mount.source)); owner.st_uid != user->uid || owner.st_gid != user->gid) {
            mount.uid_mappings = owner.st_uid == user->uid ? everything() : swapped(owner.st_uid, user->uid);
            mount.gid_mappings = owner.st_gid == user->gid ? everything() : swapped(owner.st_gid, user->gid);
        }
    }
    return {};
}

}  // namespace proa::engine
