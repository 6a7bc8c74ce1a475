#include "runtime/identity.h"

#include <algorithm>
#include <cerrno>

#include "base/text.h"

namespace proa::runtime {

namespace {
constexpr uint64_t kIdMax = 0xfffffffe;  // 2^32-1 means "leave as it is" to the kernel
constexpr size_t kFileBytesMax = 1 << 20, kLineBytesMax = 64 << 10;

/// The lines of an account file, split at colons. A missing file has none.
Result<std::vector<std::vector<std::string>>> account_lines(const os::RootDirectory& root, const char* path) {
    std::vector<std::vector<std::string>> lines;
    auto text = root.read_file(os::PathInRoot(path), kFileBytesMax);
    if (!text) {
        if (text.error().number() == ENOENT || text.error().number() == ENOTDIR) return lines;
        return fail(std::move(text).error());
    }
    for (auto& line : split_nonempty(*text, '\n')) {
        if (line.size() > kLineBytesMax) return fail(ErrorKind::InvalidArgument, concat("read ", std::string_view(path), ": a line of more than 64 KiB"));
        if (trim(line).empty() || line[0] == '#') continue;
        lines.push_back(split(trim(line), ':'));
    }
    return lines;
}

bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// A line's id; a line whose id is no number matches nobody (others read it as 0, which is root).
std::optional<uint32_t> id_of(const std::vector<std::string>& line, size_t field) {
    auto id = line.size() > field && is_number(line[field]) ? parse_uint(line[field]) : std::nullopt;
    return id && *id <= kIdMax ? std::optional(static_cast<uint32_t>(*id)) : std::nullopt;
}

Result<uint32_t> checked_id(std::string_view text) {
    auto id = parse_uint(text);
    if (!id || *id > kIdMax) return fail(ErrorKind::InvalidArgument, concat("user or group id ", text, " is out of range: uids and gids must be in range 0-4294967294"));
    return static_cast<uint32_t>(*id);
}

struct Account {
    std::string name, home;
    uint32_t uid = 0, gid = 0;
};

template <class Match>
std::optional<Account> find_account(const std::vector<std::vector<std::string>>& passwd, Match match) {
    for (auto& line : passwd) {
        auto uid = id_of(line, 2), gid = id_of(line, 3);
        if (uid && gid && match(line[0], *uid)) return Account{line[0], line.size() > 5 ? line[5] : "", *uid, *gid};
    }
    return std::nullopt;
}

/// The group that a name or number means.
Result<uint32_t> find_group(const std::vector<std::vector<std::string>>& groups, const std::string& wanted) {
    if (is_number(wanted)) return checked_id(wanted);
    for (auto& line : groups)
        if (line[0] == wanted)
            if (auto gid = id_of(line, 2)) return *gid;
    return fail(ErrorKind::NotFound, concat("unable to find group ", wanted, ": no matching entries in group file"));
}

bool lists_member(const std::vector<std::string>& line, std::string_view name) {
    if (line.size() < 4) return false;
    for (auto& member : split(line[3], ','))
        if (member == name) return true;
    return false;
}

void add_group(std::vector<gid_t>& groups, gid_t gid) {
    if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
}

Result<Identity> resolve_name(const Process& process, const os::RootDirectory& root) {
    auto passwd = TRY(account_lines(root, "/etc/passwd"));
    std::string_view user = *process.user_name, group;
    if (auto pair = cut(user, ":")) {
        user = pair->first;
        group = pair->second;
    }
    bool numeric = is_number(user);
    uint32_t wanted = numeric ? TRY(checked_id(user)) : 0;
    auto account = find_account(passwd, [&](const std::string& name, uint32_t uid) {
        return user.empty() || numeric ? uid == wanted : name == user;
    });
    if (!account && !numeric && !user.empty())
        return fail(ErrorKind::NotFound, concat("unable to find user ", user, ": no matching entries in passwd file"));
    Identity identity;
    identity.uid = account ? account->uid : wanted;
    identity.gid = account ? account->gid : 0;
    if (account && !account->home.empty()) identity.home = account->home;

    std::vector<std::vector<std::string>> groups;
    if (!group.empty() || account || !process.additional_group_names.empty()) groups = TRY(account_lines(root, "/etc/group"));
    if (!group.empty()) identity.gid = TRY(find_group(groups, std::string(group)));
    add_group(identity.groups, identity.gid);  // CVE-2022-36109: never only supplementary groups without the primary one
    if (group.empty() && account)
        for (auto& line : groups)
            if (auto gid = id_of(line, 2); gid && lists_member(line, account->name)) add_group(identity.groups, *gid);
    for (auto& name : process.additional_group_names) add_group(identity.groups, TRY(find_group(groups, name)));
    return identity;
}
}  // namespace

Result<Identity> resolve_identity(const Process& process, const os::RootDirectory& root) {
    if (process.user_name) {
        Identity identity = TRY(resolve_name(process, root));
        for (uint32_t gid : process.additional_gids) add_group(identity.groups, gid);
        return identity;
    }
    Identity identity{process.uid, process.gid, {}, "/"};
    identity.groups.assign(process.additional_gids.begin(), process.additional_gids.end());
    bool has_home = std::any_of(process.env.begin(), process.env.end(), [](auto& entry) { return entry.starts_with("HOME="); });
    if (has_home) return identity;
    if (auto passwd = account_lines(root, "/etc/passwd"))  // an unfit file costs no more than the home directory
        if (auto account = find_account(*passwd, [&](auto&, uint32_t uid) { return uid == process.uid; }); account && !account->home.empty())
            identity.home = account->home;
    return identity;
}

}  // namespace proa::runtime
