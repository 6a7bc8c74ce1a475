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

}  // namespace

Result<void> fit_owners(const container::Record& record, runtime::Plan& plan) {
    std::optional<runtime::Identity> user;
    for (auto& mount : plan.mounts) {
        bool matched = is_matched(record, mount), given_away = is_given_away(record, mount);
        if (!matched && !given_away) continue;
        if (!user) user = TRY(container::identity_in_layers(plan.process, plan.root));
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
