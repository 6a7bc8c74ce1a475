#include "bundle/state.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::bundle {

std::string_view status_name(Status status) {
    switch (status) {
        case Status::Creating: return "creating";
        case Status::Created: return "created";
        case Status::Running: return "running";
        case Status::Paused: return "paused";
        case Status::Stopped: return "stopped";
    }
    return "";
}

namespace {
bool is_id(std::string_view id) {
    if (id.empty() || id.size() > 1024 || id == "." || id == "..") return false;
    return std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-' || c == '.';
    });
}
}  // namespace

Result<StateDirectory> StateDirectory::at(const std::string& root, const std::string& id) {
    if (id.empty()) return fail(ErrorKind::InvalidArgument, "container id cannot be empty");
    if (!is_id(id)) return fail(ErrorKind::InvalidArgument, concat("invalid container ID format: ", id));
    StateDirectory directory;
    directory.directory_ = concat(root, '/', id);
    directory.id_ = id;
    return directory;
}

std::string StateDirectory::file(std::string_view name) const { return concat(directory_, '/', name); }

Result<void> StateDirectory::create() const {
    TRY(os::make_directories(os::directory_of(directory_), 0700));
    auto made = os::make_directory(directory_, 0711);
    if (!made && made.error().number() == EEXIST) return fail(ErrorKind::Conflict, "container with given ID already exists");
    return made;
}

Result<void> StateDirectory::remove() const { return os::remove_tree(directory_); }

std::string state_text(const ContainerState& state) {
    json::Object object;
    object["ociVersion"] = state.oci_version;
    object["id"] = state.id;
    object["pid"] = state.pid;
    object["startTime"] = state.start_time;
    object["creatorPid"] = state.creator_pid;
    object["creatorStartTime"] = state.creator_start_time;
    object["bundle"] = state.bundle;
    object["rootfs"] = state.rootfs;
    object["cgroupPath"] = state.cgroup_path;
    if (!state.cgroup_scope.empty()) object["cgroupScope"] = state.cgroup_scope;
    if (auto& rdt = state.resource_class; !rdt.directory.empty()) {
        object["rdtDirectory"] = rdt.directory;
        object["rdtMonitor"] = rdt.monitor;
        object["rdtMade"] = rdt.made;
    }
    object["created"] = rfc3339_nano(state.created);
    object["owner"] = state.owner;
    object["annotations"] = state.annotations;
    return json::print(std::move(object));
}

Result<void> StateDirectory::save(const ContainerState& state) const { return os::replace_file(file("state.json"), state_text(state), 0600, false); }

Result<ContainerState> StateDirectory::load() const {
    auto text = os::read_file(file("state.json"));
    if (!text) {
        if (text.error().number() == ENOENT) return fail(ErrorKind::NotFound, "container does not exist");
        return fail(std::move(text).error());
    }
    return TRY_WRAP(concat("state of container ", id_), parse_state(*text));
}

namespace {
/// A member that is missing means 0.
Result<int64_t> number_of(const json::Value& value, const char* name, int64_t most) {
    auto& member = value[name];
    if (member.is_null()) return 0;
    if (!member.is_integer() || member.as_int() < 0 || member.as_int() > most)
        return fail(ErrorKind::InvalidArgument, concat(std::string_view(name), " is no number of the right kind: ", json::print(member)));
    return member.as_int();
}
}  // namespace

Result<ContainerState> parse_state(std::string_view text) {
    json::Value value = TRY(json::parse(text));
    if (!value.is_object()) return fail(ErrorKind::InvalidArgument, "a state is an object");
    ContainerState state;
    constexpr int64_t kStartMax = int64_t{1} << 53;  // ticks: the machine is long gone before
    state.oci_version = value["ociVersion"].as_string();
    state.id = value["id"].as_string();
    state.pid = static_cast<int32_t>(TRY(number_of(value, "pid", INT32_MAX)));
    state.start_time = static_cast<uint64_t>(TRY(number_of(value, "startTime", kStartMax)));
    state.creator_pid = static_cast<int32_t>(TRY(number_of(value, "creatorPid", INT32_MAX)));
    state.creator_start_time = static_cast<uint64_t>(TRY(number_of(value, "creatorStartTime", kStartMax)));
    state.bundle = value["bundle"].as_string();
    state.rootfs = value["rootfs"].as_string();
    state.cgroup_path = value["cgroupPath"].as_string();
    state.cgroup_scope = value["cgroupScope"].as_string();
    state.resource_class = {value["rdtDirectory"].as_string(), value["rdtMonitor"].as_string(), value["rdtMade"].as_bool()};
    if (state.resource_class.directory.empty()) state.resource_class = {};
    state.created = parse_rfc3339(value["created"].as_string()).value_or(kZeroTime);
    state.owner = value["owner"].as_string();
    state.annotations = value["annotations"];
    return state;
}

Result<json::Value> StateDirectory::config() const { return json::parse(TRY(os::read_file(file("config.json")))); }

Result<os::Fd> StateDirectory::open_init(const ContainerState& state) const {
    auto gone = [] { return fail(ErrorKind::Conflict, "container not running", ESRCH); };
    if (state.pid <= 0) return gone();
    auto pidfd = os::open_pidfd(state.pid);
    if (!pidfd) return gone();
    auto started = os::process_start_time(state.pid);
    auto now = os::process_state(state.pid);
    if (!started || *started != state.start_time || !now || *now == 'Z' || *now == 'X') return gone();
    return pidfd;
}

Status StateDirectory::status(const ContainerState& state) const {
    if (state.pid == 0 && os::process_start_time(state.creator_pid).value_or(0) == state.creator_start_time) return Status::Creating;
    if (!open_init(state)) return Status::Stopped;
    auto group = group_of(state);
    if (group && group->frozen().value_or(false)) return Status::Paused;
    return os::exists(file("start.sock")) ? Status::Created : Status::Running;
}

Result<cgroup::Group> group_of(const ContainerState& state) {
    if (state.cgroup_path.empty()) return fail(ErrorKind::Unsupported, concat("container ", state.id, " has no cgroup of its own (rootless)"));
    return cgroup::Group::at(state.cgroup_path);
}

Result<std::vector<std::string>> list_containers(const std::string& root) {
    auto names = os::list_directory(root);
    if (!names) {
        if (names.error().number() == ENOENT) return std::vector<std::string>();
        return names;
    }
    std::erase_if(*names, [&](auto& name) { return name.starts_with('.') || !os::exists(concat(root, '/', name, "/state.json")); });
    return names;
}

json::Value state_json(const StateDirectory& directory, const ContainerState& state) {
    Status status = directory.status(state);
    json::Object object;
    object["ociVersion"] = state.oci_version;
    object["id"] = state.id;
    object["pid"] = status == Status::Stopped ? 0 : state.pid;
    object["status"] = status_name(status);
    object["bundle"] = state.bundle;
    object["rootfs"] = state.rootfs;
    object["created"] = rfc3339_nano(state.created);
    if (!state.annotations.as_object().empty()) object["annotations"] = state.annotations;
    object["owner"] = state.owner;
    return object;
}

}  // namespace proa::bundle
