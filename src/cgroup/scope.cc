#include "cgroup/scope.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "cgroup/apply.h"
#include "cgroup/layout.h"
#include "os/file.h"

namespace proa::cgroup {

namespace {
using os::dbus::Body;
using os::dbus::Connection;
using os::dbus::Method;
using os::dbus::Property;

constexpr std::string_view kService = "org.freedesktop.systemd1", kPath = "/org/freedesktop/systemd1", kManager = "org.freedesktop.systemd1.Manager";
constexpr int64_t kUnitExistsPatience = 5'000'000'000;

Method manager(std::string_view name) { return {kService, kPath, kManager, name}; }

struct Endpoint {
    std::string socket;
    bool on_a_bus;
};

std::string environment(const char* name) {
    const char* value = ::getenv(name);
    return value ? value : "";
}

/// "unix:path=/run/user/1000/bus,guid=...;..." Spec: https://dbus.freedesktop.org/doc/dbus-specification.html#addresses
std::string socket_of_address(std::string_view addresses) {
    for (auto& address : split_nonempty(addresses, ';'))
        if (address.starts_with("unix:"))
            for (auto& pair : split_nonempty(std::string_view(address).substr(5), ','))
                if (pair.starts_with("path=")) return pair.substr(5);
    return "";
}

/// By the bus, which is the documented way; a host without one still has the socket of systemctl.
std::vector<Endpoint> endpoints(bool of_user) {
    if (!of_user) return {{"/run/dbus/system_bus_socket", true}, {"/run/systemd/private", false}};
    std::vector<Endpoint> list;
    if (std::string told = socket_of_address(environment("DBUS_SESSION_BUS_ADDRESS")); !told.empty()) list.push_back({told, true});
    std::string directory = environment("XDG_RUNTIME_DIR");
    if (directory.empty()) directory = concat("/run/user/", ::geteuid());
    list.push_back({directory + "/bus", true});
    list.push_back({directory + "/systemd/private", false});
    return list;
}

Result<Connection> connect(bool of_user) {
    Result<Connection> first = fail(ErrorKind::Internal, "no endpoint");
    bool tried = false;
    for (auto& endpoint : endpoints(of_user)) {
        auto connection = Connection::open(endpoint.socket, endpoint.on_a_bus);
        if (connection) return connection;
        if (!tried) first = std::move(connection);
        tried = true;
    }
    return fail(std::move(first).error().wrap(of_user ? "talk to the user's systemd" : "talk to systemd"));
}

/// Waits for the end of a job; its result, "done" when all is well.
Result<std::string> wait_for_job(Connection& connection, const std::string& job) {
    for (;;) {
        auto signal = TRY(connection.next_signal());
        auto texts = signal.texts();  // u id, o job, s unit, s result
        if (signal.member == "JobRemoved" && texts.size() == 3 && texts[0] == job) return texts[2];
    }
}

/// A call that queues a job, to the end of the job.
Result<void> run_job(Connection& connection, std::string_view method, const Body& body, std::string_view what) {
    auto answer = TRY(connection.call(manager(method), body));
    auto texts = answer.texts();
    if (texts.empty()) return fail(ErrorKind::Internal, concat(method, " answered without a job"));
    std::string result = TRY(wait_for_job(connection, texts[0]));
    if (result != "done") return fail(ErrorKind::Internal, concat("systemd could not ", what, ": the job's result is ", result));
    return {};
}

bool is_slice(std::string_view name) {
    return name == "-.slice" || (name.ends_with(".slice") && name.size() > 6 && name[0] != '-' && name[name.size() - 7] != '-' &&
                                 name.find("--") == std::string_view::npos && name.find('/') == std::string_view::npos);
}

uint64_t number_or_infinity(int64_t value) { return value < 0 ? UINT64_MAX : static_cast<uint64_t>(value); }

/// "0-2,5" as the bit mask that systemd takes; empty when it is no list of small numbers.
std::vector<uint8_t> mask_of(std::string_view list) {
    std::vector<uint8_t> mask;
    for (auto& piece : split_nonempty(trim(list), ',')) {
        auto ends = cut(piece, "-");
        auto first = parse_uint(ends ? ends->first : std::string_view(piece)), last = ends ? parse_uint(ends->second) : first;
        if (!first || !last || *last > 8191) return {};
        for (uint64_t bit = *first; bit <= *last; bit++) {
            if (mask.size() <= bit / 8) mask.resize(bit / 8 + 1);
            mask[bit / 8] = static_cast<uint8_t>(mask[bit / 8] | 1 << bit % 8);
        }
    }
    return mask;
}

/// Files of version 2 whose number is a property's.
struct NamedFile {
    std::string_view file, property;
};
constexpr NamedFile kFiles[] = {{"memory.min", "MemoryMin"}, {"memory.low", "MemoryLow"}, {"memory.high", "MemoryHigh"}, {"memory.max", "MemoryMax"},
                                {"memory.swap.max", "MemorySwapMax"}, {"pids.max", "TasksMax"}, {"cpu.weight", "CPUWeight"}};

void add_unified(std::vector<Property>& list, const std::vector<NameValue>& files) {
    for (auto& file : files)
        for (auto& known : kFiles) {
            if (file.name != known.file) continue;
            auto number = trim(file.value) == "max" ? std::optional<uint64_t>(UINT64_MAX) : parse_uint(trim(file.value));
            if (number) list.push_back({std::string(known.property), *number});
        }
}

std::vector<Property> first_properties(const Scope& scope, pid_t first, std::string_view description) {
    return {{"Description", std::string(description)},
            {"Slice", scope.slice},
            {"PIDs", std::vector<uint32_t>{static_cast<uint32_t>(first)}},
            {"Delegate", true},
            {"DefaultDependencies", false},
            {"CollectMode", std::string("inactive-or-failed")},
            {"CPUAccounting", true},
            {"MemoryAccounting", true},
            {"TasksAccounting", true},
            {"TasksMax", UINT64_MAX},  // what the container is to have is set later; systemd's own default is none of ours
            {"IOAccounting", true}};
}
}  // namespace

Result<void> check_systemd() {
    if (!os::is_directory("/run/systemd/system")) return fail(ErrorKind::Unsupported, "the systemd cgroup driver needs systemd as the first process of this host");
    if (TRY(layout())->version != Version::V2) return fail(ErrorKind::Unsupported, "the systemd cgroup driver needs cgroup version 2 on this host: use cgroupfs");
    return {};
}

Result<std::string> group_of_user_manager() {
    TRY(check_systemd());
    auto connection = TRY(connect(true));
    auto answer = TRY_WRAP("the user's systemd", connection.call({kService, kPath, "org.freedesktop.DBus.Properties", "Get"}, Body().add(kManager).add("ControlGroup")));
    auto texts = answer.texts();
    if (texts.empty() || !is_of_user_manager(texts[0] + '/')) return fail(ErrorKind::Unsupported, "the user's systemd told no cgroup of its own");
    return texts[0];
}

bool is_of_user_manager(std::string_view path) {
    for (size_t at = path.find("/user@"); at != std::string_view::npos; at = path.find("/user@", at + 1)) {
        auto name = path.substr(at + 1, path.find('/', at + 1) - at - 1);
        if (name.ends_with(".service") && at + 1 + name.size() < path.size()) return true;
    }
    return false;
}

Result<Scope> parse_scope(std::string_view cgroups_path, std::string_view default_slice) {
    auto pieces = split(cgroups_path, ':');
    if (pieces.size() != 3)
        return fail(ErrorKind::InvalidArgument, concat("expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got ", quote(cgroups_path), " instead"));
    Scope scope{pieces[0].empty() ? std::string(default_slice) : pieces[0], pieces[1].empty() ? pieces[2] : concat(pieces[1], '-', pieces[2])};
    if (pieces[2].empty() || scope.name.find('/') != std::string::npos) return fail(ErrorKind::InvalidArgument, concat("cgroupsPath ", quote(cgroups_path), " names no unit"));
    if (scope.name.ends_with(".slice")) return fail(ErrorKind::Unsupported, concat("cgroupsPath ", quote(cgroups_path), ": a container's cgroup must be a scope, not a slice"));
    scope.name += ".scope";
    TRY(path_of_slice(scope.slice));
    return scope;
}

Result<std::string> path_of_slice(std::string_view slice) {
    if (!is_slice(slice)) return fail(ErrorKind::InvalidArgument, concat("invalid slice name: ", slice));
    std::string path;
    if (slice == "-.slice") return path;
    std::string_view stem = slice.substr(0, slice.size() - 6);
    for (size_t end = stem.find('-');; end = stem.find('-', end + 1)) {
        path += concat('/', stem.substr(0, end), ".slice");
        if (end == std::string_view::npos) return path;
    }
}

Result<std::string> path_of_scope(const Scope& scope) { return concat(TRY(path_of_slice(scope.slice)), '/', scope.name); }

Result<void> start_scope(const Scope& scope, const std::string& path, pid_t first, std::string_view description) {
    TRY(check_systemd());
    auto connection = TRY(connect(is_of_user_manager(path)));
    // Only a private connection gets the manager's signals unasked.
    (void)connection.call({"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch"},
                          Body().add("type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"));
    TRY(connection.call(manager("Subscribe")));
    Body body;
    body.add(scope.name).add("replace").add_properties(first_properties(scope, first, description)).add_no_units();
    const int64_t deadline = monotonic_nanoseconds() + kUnitExistsPatience;
    for (;;) {
        auto started = run_job(connection, "StartTransientUnit", body, "start the scope");
        if (started) return {};
        bool exists = started.error().message().starts_with("org.freedesktop.systemd1.UnitExists");
        if (!exists || monotonic_nanoseconds() > deadline) return fail(std::move(started).error().wrap(concat("start unit ", scope.name)));
        // The container ran before: systemd is a moment behind with the end of its scope, or keeps it as failed.
        (void)connection.call(manager("ResetFailedUnit"), Body().add(scope.name));
        timespec pause{0, 20'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

Result<void> attach_by_systemd(const std::string& path, pid_t pid) {
    size_t end = path.find(".scope/");
    std::string unit = end == std::string::npos ? path : path.substr(0, end + 6);
    auto connection = TRY(connect(is_of_user_manager(path)));
    auto moved = connection.call(manager("AttachProcessesToUnit"), Body().add(os::base_name(unit)).add(path.substr(unit.size())).add_numbers({static_cast<uint32_t>(pid)}));
    if (!moved) return fail(std::move(moved).error().wrap(concat("attach to ", os::base_name(unit))));
    return {};
}

Result<void> stop_scope_at(const std::string& path) {
    std::string name = os::base_name(path);
    if (!name.ends_with(".scope") || !check_systemd()) return {};
    auto connection = TRY(connect(is_of_user_manager(path)));
    auto unit = connection.call(manager("GetUnit"), Body().add(name));
    auto unit_path = unit ? unit->texts() : std::vector<std::string>();
    if (unit_path.empty()) return {};  // it has gone
    auto group = connection.call({kService, unit_path[0], "org.freedesktop.DBus.Properties", "Get"}, Body().add("org.freedesktop.systemd1.Scope").add("ControlGroup"));
    if (!group || group->texts() != std::vector<std::string>{path}) return {};
    auto stopped = connection.call(manager("StopUnit"), Body().add(name).add("replace"));
    if (!stopped) return fail(std::move(stopped).error().wrap(concat("stop unit ", name)));
    return {};
}

Result<void> set_scope_limits(const std::string& path, const Limits& limits) {
    auto properties = scope_properties(limits);
    if (properties.empty()) return {};
    std::string name = os::base_name(path);
    auto connection = TRY(connect(is_of_user_manager(path)));
    auto answer = connection.call(manager("SetUnitProperties"), Body().add(name).add_flag(true).add_properties(properties));
    if (!answer) return fail(std::move(answer).error().wrap(concat("set the limits of unit ", name)));
    return {};
}

std::vector<Property> scope_properties(const Limits& limits) {
    std::vector<Property> list;
    if (limits.memory_limit) list.push_back({"MemoryMax", number_or_infinity(*limits.memory_limit)});
    if (limits.memory_reservation) list.push_back({"MemoryLow", number_or_infinity(*limits.memory_reservation)});
    if (limits.memory_swap && *limits.memory_swap < 0) list.push_back({"MemorySwapMax", UINT64_MAX});
    else if (limits.memory_swap && limits.memory_limit && *limits.memory_swap >= *limits.memory_limit)
        list.push_back({"MemorySwapMax", static_cast<uint64_t>(*limits.memory_swap - *limits.memory_limit)});
    if (limits.cpu_shares.value_or(0) > 0 && limits.cpu_idle.value_or(0) == 0) list.push_back({"CPUWeight", weight_of_shares(*limits.cpu_shares)});
    uint64_t period = limits.cpu_period.value_or(0) > 0 ? *limits.cpu_period : 100'000;
    if (limits.cpu_period.value_or(0) > 0) list.push_back({"CPUQuotaPeriodUSec", period});
    if (limits.cpu_quota) list.push_back({"CPUQuotaPerSecUSec", *limits.cpu_quota > 0 ? static_cast<uint64_t>(*limits.cpu_quota) * 1'000'000 / period : UINT64_MAX});
    if (auto mask = mask_of(limits.cpuset_cpus); !mask.empty()) list.push_back({"AllowedCPUs", std::move(mask)});
    if (auto mask = mask_of(limits.cpuset_mems); !mask.empty()) list.push_back({"AllowedMemoryNodes", std::move(mask)});
    if (limits.pids_limit) list.push_back({"TasksMax", number_or_infinity(*limits.pids_limit)});
    if (limits.blkio_weight.value_or(0)) list.push_back({"IOWeight", io_weight_of_blkio_weight(*limits.blkio_weight)});
    add_unified(list, limits.unified);
    return list;
}

}  // namespace proa::cgroup
