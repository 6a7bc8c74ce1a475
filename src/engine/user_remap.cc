#include "engine/user_remap.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "base/text.h"
#include "engine/settings.h"
#include "os/command.h"
#include "os/file.h"

namespace proa::engine {

namespace {

constexpr std::string_view kDefaultUser = "dockremap";
constexpr uint32_t kRangeSize = 65536, kFirstRange = 100000;

Unexpected invalid(std::string message) { return fail(ErrorKind::InvalidArgument, std::move(message)); }

struct Account {
    std::string name;
    uint32_t id = 0;
};

std::optional<Account> find_user(const std::string& text) {
    auto number = parse_uint(text);
    passwd* found = number ? ::getpwuid(static_cast<uid_t>(*number)) : ::getpwnam(text.c_str());
    if (!found) return std::nullopt;
    return Account{found->pw_name, found->pw_uid};
}

std::optional<Account> find_group(const std::string& text) {
    auto number = parse_uint(text);
    group* found = number ? ::getgrgid(static_cast<gid_t>(*number)) : ::getgrnam(text.c_str());
    if (!found) return std::nullopt;
    return Account{found->gr_name, found->gr_gid};
}

struct Range {
    std::string owner;
    uint32_t first = 0, size = 0;
};

/// "name:first:count" lines; others are not ours to judge. man: subuid(5)
std::vector<Range> read_ranges(const std::string& path) {
    std::vector<Range> ranges;
    auto text = os::read_file(path);
    for (auto& line : split_nonempty(text ? *text : "", '\n')) {
        auto fields = split(trim(line), ':');
        if (fields.size() != 3 || fields[0].starts_with('#')) continue;
        auto first = parse_uint(fields[1]), size = parse_uint(fields[2]);
        if (first && size && *first + *size <= UINT32_MAX) ranges.push_back({fields[0], static_cast<uint32_t>(*first), static_cast<uint32_t>(*size)});
    }
    return ranges;
}

/// One after another from id 0 inside on.
std::vector<os::IdRange> ranges_of(const std::string& path, const Account& account) {
    std::vector<os::IdRange> map;
    uint32_t inside = 0;
    for (auto& range : read_ranges(path)) {
        if ((range.owner != account.name && range.owner != concat(account.id)) || range.size == 0) continue;
        map.push_back({inside, range.first, range.size});
        inside += range.size;
    }
    return map;
}

Result<void> run(std::vector<std::string> words) {
    auto done = TRY(os::run_command(words));
    if (done.exit_code == 0) return {};
    return fail(ErrorKind::Internal, concat(join(words, " "), ": ", trim(done.error)));
}

/// Behind all ranges that are taken.
Result<void> add_range(const std::string& path, std::string_view owner) {
    uint64_t first = kFirstRange;
    for (auto& range : read_ranges(path)) first = std::max<uint64_t>(first, uint64_t{range.first} + range.size);
    if (first + kRangeSize > UINT32_MAX) return invalid(concat("no free range of ids is left in ", path));
    auto text = os::read_file(path);
    std::string line = concat(text && !text->empty() && !text->ends_with('\n') ? "\n" : "", owner, ':', first, ':', kRangeSize, '\n');
    return os::write_file(path, concat(text ? *text : "", line), 0644);
}

Result<void> make_default_user() {
    std::string name(kDefaultUser);
    if (!find_user(name)) {
        bool busybox = !os::exists("/usr/sbin/useradd");
        if (busybox && !os::exists("/usr/sbin/adduser"))
            return invalid(concat("the user ", name, " cannot be made: neither useradd nor adduser is in /usr/sbin"));
        if (busybox) TRY_WRAP(concat("make the user ", name), run({"/usr/sbin/adduser", "-S", "-D", "-H", "-s", "/bin/false", name}));
        else
            TRY_WRAP(concat("make the user ", name), run({"/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name}));
    }
    auto user = find_user(name);
    if (!user) return invalid(concat("the user ", name, " was made and cannot be found"));
    if (ranges_of("/etc/subuid", *user).empty()) TRY_WRAP(concat("subordinate ids of ", name), add_range("/etc/subuid", name));
    if (ranges_of("/etc/subgid", *user).empty()) TRY_WRAP(concat("subordinate ids of ", name), add_range("/etc/subgid", name));
    return {};
}

std::vector<runtime::IdMapping> mappings_of(const std::vector<os::IdRange>& map) {
    std::vector<runtime::IdMapping> mappings;
    for (auto& range : map) mappings.push_back({range.inside, range.outside, range.size});
    return mappings;
}

/// Overlays over mapped layers came with Linux 5.19.
bool kernel_maps_layers() {
    utsname name{};
    ::uname(&name);
    auto parts = split(name.release, '.');
    auto major = parse_uint(parts[0]), minor = parts.size() > 1 ? parse_uint(parts[1].substr(0, parts[1].find_first_not_of("0123456789"))) : std::nullopt;
    return !major || !minor || *major > 5 || (*major == 5 && *minor >= 19);
}

}  // namespace

std::vector<runtime::IdMapping> UserRemap::user_mappings() const { return mappings_of(maps.users); }
std::vector<runtime::IdMapping> UserRemap::group_mappings() const { return mappings_of(maps.groups); }

Result<UserRemap> resolve_user_remap(const std::string& directive) {
    UserRemap remap;
    if (directive.empty()) return remap;
    auto halves = cut(directive, ":");
    std::string user(halves ? halves->first : directive), group(halves ? halves->second : "");
    if (user.empty() || (halves && (group.empty() || group.find(':') != group.npos)))
        return invalid(concat("Invalid user/group specification in --userns-remap: ", quote(directive)));
    if (user == "default") {
        if (halves) return invalid(concat("Invalid user/group specification in --userns-remap: ", quote(directive), ": default stands alone"));
        TRY_WRAP("userns-remap default", make_default_user());
        user = kDefaultUser;
    }
    auto account = find_user(user);
    if (!account) return invalid(concat("Error during uid lookup for ", quote(user), ": there is no such user (userns-remap)"));
    // As in Docker the group has to be there and changes nothing: both files name users. man: subgid(5)
    if (!group.empty() && !find_group(group))
        return invalid(concat("Error during groupname lookup for ", quote(group), ": there is no such group (userns-remap)"));
    if (account->id == 0) {  // Docker's words
        log::warn("User namespaces: root cannot be remapped with itself; user namespaces are OFF");
        return remap;
    }
    remap.maps = {ranges_of("/etc/subuid", *account), ranges_of("/etc/subgid", *account)};
    if (remap.maps.users.empty()) return invalid(concat("Can't create ID mappings: no subuid ranges found for user ", quote(account->name), " in /etc/subuid"));
    if (remap.maps.groups.empty())
        return invalid(concat("Can't create ID mappings: no subgid ranges found for user ", quote(account->name), " in /etc/subgid"));
    remap.root_uid = remap.maps.users[0].outside;
    remap.root_gid = remap.maps.groups[0].outside;
    remap.space = TRY_WRAP("userns-remap", os::make_owned_namespaces(remap.maps, false)).user;
    return remap;
}

Result<std::string> data_root_of(const Settings& settings, const UserRemap& remap) {
    if (!remap.active()) return settings.data_root;
    TRY(os::make_directories(settings.data_root, 0711));
    if (::chmod(settings.data_root.c_str(), 0711) < 0) return fail_errno("chmod", settings.data_root);
    std::string path = concat(settings.data_root, '/', remap.root_uid, '.', remap.root_gid);
    TRY(os::make_directories(path, 0710));
    if (::chown(path.c_str(), 0, remap.root_gid) < 0) return fail_errno("chown", path);
    return path;
}

Result<void> check_user_remap(const UserRemap& remap, const std::string& layers_directory) {
    if (!remap.active()) return {};
    if (!kernel_maps_layers())
        return fail(ErrorKind::Unsupported, "userns-remap needs Linux 5.19 or later: this kernel cannot show image layers with mapped ids");
    os::Fd tree = TRY(os::clone_tree(AT_FDCWD, layers_directory, false));
    auto mapped = os::change_mount(tree.get(), {MOUNT_ATTR_IDMAP, 0, 0, remap.space.get(), false}, layers_directory);
    if (mapped) return {};
    return fail(ErrorKind::Unsupported,
                concat("userns-remap: the file system of ", layers_directory, " cannot be mounted with mapped ids: ", mapped.error().message()),
                mapped.error().number());
}

bool is_remapped(const UserRemap& remap, const docker::HostConfig& host) { return remap.active() && host.userns_mode != "host"; }

Result<void> validate_for_remap(const UserRemap& remap, const docker::HostConfig& host) {
    if (!is_remapped(remap, host)) return {};
    if (host.privileged)
        return invalid("privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode");
    if (host.network_mode == "host") return invalid("cannot share the host's network namespace when user namespaces are enabled");
    if (host.pid_mode == "host") return invalid("cannot share the host PID namespace when user namespaces are enabled");
    return {};
}

}  // namespace proa::engine
