#include "bundle/checkpoint.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <charconv>
#include <set>

#include "base/text.h"
#include "bundle/criu.h"
#include "os/file.h"

namespace proa::bundle {

namespace {
std::string absolute(const std::string& path) { return path.starts_with('/') ? path : os::join_path(os::read_link("/proc/self/cwd").value_or("/"), path); }

std::string hex(uint64_t number) {
    char digits[16];
    return {digits, std::to_chars(digits, digits + sizeof digits, number, 16).ptr};
}

/// Field `column` of each line of a process's mountinfo. man: proc_pid_mountinfo(5)
std::set<std::string> mount_column(std::string_view mountinfo, size_t column) {
    std::set<std::string> found;
    for (auto& line : split_nonempty(mountinfo, '\n'))
        if (auto fields = split_fields(line); fields.size() > column) found.insert(fields[column]);
    return found;
}

/// Where the null device hides a file. A masked directory has a tmpfs of the container's own.
std::set<std::string> null_mounts(std::string_view mountinfo) {
    std::set<std::string> found;
    for (auto& line : split_nonempty(mountinfo, '\n'))
        if (auto fields = split_fields(line); fields.size() > 4 && fields[3] == "/null") found.insert(fields[4]);
    return found;
}

/// How criu calls what is open as standard stream `number`: "pipe:[17]", "socket:[4]", a path inside, or "file[MOUNT:INODE]" of the host.
Result<std::string> stream_name(pid_t pid, int number, const std::set<std::string>& mounts) {
    std::string link = concat("/proc/", pid, "/fd/", number);
    auto name = os::read_link(link);
    if (!name) return "";  // closed
    if (!name->starts_with('/')) return name;
    std::string info = TRY(os::read_file(concat("/proc/", pid, "/fdinfo/", number)));
    for (auto& line : split_nonempty(info, '\n')) {
        if (!line.starts_with("mnt_id:")) continue;
        auto mount = parse_uint(trim(std::string_view(line).substr(7)));
        if (!mount || mounts.contains(concat(*mount))) return name;
        return concat("file[", hex(*mount), ':', hex(TRY(os::status(link)).st_ino), ']');
    }
    return name;
}

Result<std::string> namespace_inode(pid_t pid, const char* kind) {
    auto status = TRY(os::status(concat("/proc/", pid, "/ns/", std::string_view(kind))));
    return concat(status.st_ino);
}

Result<void> add_page_server(const ParsedFlags& flags, std::vector<std::string>& words) {
    if (!flags.has("page-server")) return {};
    auto pair = cut(flags.text("page-server"), ":");
    if (!pair || pair->second.empty()) return fail(ErrorKind::InvalidArgument, "Use --page-server ADDRESS:PORT to specify page server");
    words.insert(words.end(), {"--page-server", "--address", std::string(pair->first), "--port", std::string(pair->second)});
    return {};
}
}  // namespace

Result<void> checkpoint_container(const CheckpointOptions& options) {
    auto& flags = options.flags;
    StateDirectory directory = TRY(StateDirectory::at(options.root, options.id));
    ContainerState state = TRY(directory.load());
    std::string program = TRY(find_criu(options.criu));
    Status status = directory.status(state);
    if (status != Status::Running && status != Status::Paused)
        return fail(ErrorKind::Conflict, concat("container cannot be checkpointed in ", status_name(status), " state"));
    json::Value config = TRY(directory.config());
    if (config["process"]["terminal"].as_bool()) return fail(ErrorKind::Unsupported, "a container with a terminal cannot be checkpointed");
    std::string images = absolute(flags.text("image-path", "checkpoint")), work = absolute(flags.text("work-path", images));
    TRY(os::make_directories(images, 0700));
    TRY(os::make_directories(work, 0700));

    const bool before_only = flags.on("pre-dump");
    CriuRun run;
    run.log = work + "/dump.log";
    run.words = {program,        before_only ? "pre-dump" : "dump",
                 "--tree",       concat(state.pid),
                 "--images-dir", images,
                 "--work-dir",   work,
                 "--log-file",   "dump.log",
                 "-v4",          "--manage-cgroups=" + flags.text("manage-cgroups-mode", "soft")};
    pass_criu_flags(
        flags, {"leave-running", "tcp-established", "tcp-skip-in-flight", "ext-unix-sk", "shell-job", "file-locks", "lazy-pages", "auto-dedup", "link-remap"},
        run.words);
    TRY(add_page_server(flags, run.words));
    if (before_only) run.words.push_back("--track-mem");
    if (flags.has("parent-path")) run.words.insert(run.words.end(), {"--prev-images-dir", flags.text("parent-path"), "--track-mem"});
    if (flags.has("empty-ns")) run.words.insert(run.words.end(), {"--empty-ns", flags.text("empty-ns")});
    if (flags.has("status-fd")) {
        auto fd = parse_int(flags.text("status-fd"));
        if (!fd || ::fcntl(static_cast<int>(*fd), F_GETFD) < 0)
            return fail(ErrorKind::InvalidArgument, concat("invalid --status-fd argument ", flags.text("status-fd"), ": it is not open"));
        run.words.insert(run.words.end(), {"--status-fd", concat(*fd)});
    }
    if (auto group = group_of(state)) {
        std::string freezer = group->directory("freezer");
        if (freezer.empty()) freezer = group->unified_directory();
        if (!freezer.empty()) run.words.insert(run.words.end(), {"--freeze-cgroup", freezer});
    }

    std::string mountinfo = TRY(os::read_file(concat("/proc/", state.pid, "/mountinfo")));
    auto places = mount_column(mountinfo, 4), numbers = mount_column(mountinfo, 0);
    auto hidden = null_mounts(mountinfo);
    for (auto& mount : external_mounts(config))
        if ((mount.masks ? hidden : places).contains(mount.destination))
            run.words.insert(run.words.end(), {"--external", concat("mnt[", mount.destination, "]:", mount.key)});
    if (!joined_namespace(config, "network").empty())
        run.words.insert(run.words.end(), {"--external", concat("net[", TRY(namespace_inode(state.pid, "net")), "]:extRootNetNS")});
    if (!joined_namespace(config, "pid").empty())
        run.words.insert(run.words.end(), {"--external", concat("pid[", TRY(namespace_inode(state.pid, "pid")), "]:extRootPidNS")});
    json::Array streams;
    for (int number = 0; number < 3; number++) {
        std::string name = TRY(stream_name(state.pid, number, numbers));
        if (name.starts_with("file[")) run.words.insert(run.words.end(), {"--external", name});
        streams.emplace_back(std::move(name));
    }
    TRY(run_criu(run));
    if (before_only) return {};
    // Named as runc names it, so that either restores what the other has written.
    TRY(os::write_file(images + "/descriptors.json", json::print(std::move(streams)), 0600));
    if (flags.on("leave-running")) return {};
    return delete_container(options.root, options.id, true);
}

}  // namespace proa::bundle
