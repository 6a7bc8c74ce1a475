#include "os/user_namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/capability.h"
#include "os/child_stack.h"
#include "os/file.h"
#include "os/process.h"
#include "os/socket.h"

namespace proa::os {

namespace {
constexpr size_t kStackBytes = 16 << 10;
constexpr size_t kAnswerBytesMax = 64 << 10;

/// Shares its maker's memory, and what libc keeps for its maker's thread: only plain system calls that do not fail are for it.
int stand_still(void*) {
    ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (;;) ::syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
}

Result<void> write_map(pid_t pid, std::string_view name, const std::vector<IdRange>& map) {
    std::string path = concat("/proc/", pid, '/', name), text = id_map_text(map);
    Fd file = TRY(open_file(path, O_WRONLY));
    if (::write(file.get(), text.data(), text.size()) < 0) return fail_errno("write", concat(quote(text), " to ", path));
    return {};
}

/// The ids that new files belong to and that an overlay works with, and all capabilities that the change takes away.
Result<void> act_on_files_as(uid_t user, gid_t group, const CapabilityState& capabilities) {
    ::setfsgid(group);
    ::setfsuid(user);
    if (::setfsuid(static_cast<uid_t>(-1)) != static_cast<int>(user) || ::setfsgid(static_cast<gid_t>(-1)) != static_cast<int>(group))
        return fail(ErrorKind::Internal, concat("the kernel did not take ", user, ':', group, " for files"), EPERM);
    return set_capabilities(capabilities.effective, capabilities.permitted, capabilities.inheritable);
}
}  // namespace

std::optional<uint32_t> id_outside(const std::vector<IdRange>& map, uint32_t inside) {
    for (auto& range : map)
        if (inside >= range.inside && inside - range.inside < range.size) return range.outside + (inside - range.inside);
    return std::nullopt;
}

Result<std::vector<IdRange>> parse_id_map(std::string_view text) {
    std::vector<IdRange> map;
    for (auto& line : split_nonempty(text, '\n')) {
        auto fields = split_fields(line);
        uint32_t numbers[3] = {};
        bool good = fields.size() == 3;
        for (size_t i = 0; good && i < 3; i++) {
            auto number = parse_uint(fields[i]);
            good = number && *number <= UINT32_MAX;
            if (good) numbers[i] = static_cast<uint32_t>(*number);
        }
        if (!good) return fail(ErrorKind::InvalidArgument, concat("no line of an id map: ", quote(line)));
        map.push_back({numbers[0], numbers[1], numbers[2]});
    }
    return map;
}

std::string id_map_text(const std::vector<IdRange>& map) {
    std::string text;
    for (auto& range : map) text += concat(range.inside, ' ', range.outside, ' ', range.size, '\n');
    return text;
}

Result<OwnedNamespaces> make_owned_namespaces(const IdMaps& maps, bool with_network) {
    auto stack = TRY(ChildStack::make(kStackBytes));
    Fd pidfd;
    pid_t pid = TRY(stack.clone(stand_still, nullptr, CLONE_NEWUSER | (with_network ? CLONE_NEWNET : 0), "user namespace", pidfd));
    auto made = [&]() -> Result<OwnedNamespaces> {
        TRY(write_map(pid, "uid_map", maps.users));
        TRY(write_map(pid, "gid_map", maps.groups));
        OwnedNamespaces spaces;
        spaces.user = TRY(open_file(concat("/proc/", pid, "/ns/user"), O_RDONLY));
        if (with_network) spaces.network = TRY(open_file(concat("/proc/", pid, "/ns/net"), O_RDONLY));
        return spaces;
    }();
    (void)send_signal(pidfd.get(), SIGKILL);
    (void)wait_for_exit(pid);
    return made;
}

Result<Fd> show_mapped(const std::string& directory, int user_namespace) {
    Fd tree = TRY(clone_tree(AT_FDCWD, directory, false));
    auto changed = change_mount(tree.get(), {MOUNT_ATTR_IDMAP, 0, 0, user_namespace, false}, directory);
    if (!changed && (changed.error().number() == EINVAL || changed.error().number() == ENOSYS || changed.error().number() == EOPNOTSUPP))
        return fail(ErrorKind::Unsupported, concat("the file system of ", directory, " cannot be mounted with mapped ids (idmapped mounts) by this kernel"),
                    EINVAL);
    TRY(std::move(changed));
    Fd place = TRY(open_file(directory, O_PATH | O_DIRECTORY));
    TRY(move_mount(tree.get(), place.get(), directory));
    return tree;
}

Result<Fd> mapped_overlay(const OverlayDirectories& directories, const std::string& scratch, const std::string& mapped_directory, int user_namespace) {
    Fd shown = TRY(show_mapped(mapped_directory, user_namespace));
    // Whoever mounts an overlay is who works in it later, and the namespace has no id for the host's root: its own root does, with our rights.
    struct stat root;
    if (::fstat(shown.get(), &root) < 0) return fail_errno("stat", mapped_directory);
    auto capabilities = TRY(read_capabilities());
    auto mounted = [&]() -> Result<Fd> {
        TRY(act_on_files_as(root.st_uid, root.st_gid, capabilities));
        Fd target = TRY(open_file(scratch, O_PATH | O_DIRECTORY));
        Fd overlay = TRY(mount_overlay(directories, target.get(), false, scratch));
        return clone_tree(overlay.get(), false, scratch);
    }();
    TRY(act_on_files_as(::geteuid(), ::getegid(), capabilities));
    return mounted;
}

Result<Fd> mapped_overlay_by_child(const OverlayDirectories& directories, const std::string& scratch, const std::string& mapped_directory, int user_namespace) {
    auto pair = TRY(make_socket_pair(SocketType::SeqPacket));
    Child child = TRY(clone_process({CLONE_NEWNS, -1}));
    if (child.pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        auto mounted = [&]() -> Result<Fd> {
            TRY(change_propagation("/", MS_PRIVATE | MS_REC));
            return mapped_overlay(directories, scratch, mapped_directory, user_namespace);
        }();
        int descriptor = mounted ? mounted->get() : -1;
        std::string answer = mounted ? "+" : concat(mounted.error().number(), ' ', std::string_view(mounted.error().message()).substr(0, kAnswerBytesMax / 2));
        auto sent = send_message(pair.second.get(), answer, mounted ? std::span<const int>(&descriptor, 1) : std::span<const int>());
        ::_exit(sent ? 0 : 1);
    }
    pair.second.reset();
    auto heard = receive_message(pair.first.get(), kAnswerBytesMax);
    (void)send_signal(child.pidfd.get(), SIGKILL);
    (void)wait_for_exit(child.pid);
    auto message = TRY(std::move(heard));
    if (message.data == "+" && message.fds.size() == 1) return std::move(message.fds[0]);
    auto parts = cut(message.data, " ");
    auto number = parts ? parse_int(parts->first) : std::nullopt;
    if (!number) return fail(ErrorKind::Internal, concat("the process that mounts on ", scratch, " ended without an answer"));
    return fail(ErrorKind::Internal, std::string(parts->second), static_cast<int>(*number));
}

}  // namespace proa::os
