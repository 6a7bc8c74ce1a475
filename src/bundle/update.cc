#include "base/log.h"
#include "base/text.h"
#include "bundle/config.h"
#include "bundle/flags.h"
#include "bundle/lifecycle.h"
#include "cgroup/scope.h"
#include "os/file.h"

namespace proa::bundle {

namespace {
Result<void> read_update_flags(const ParsedFlags& flags, cgroup::Limits& limits) {
    auto read = [&]<class T>(const char* name, std::optional<T>& target, bool bytes = false) -> Result<void> {
        if (!flags.has(name)) return {};
        std::string text = flags.text(name);
        auto value = parse_int(text);
        if (!value && bytes) value = TRY_WRAP(concat("invalid value for ", std::string_view(name)), parse_bytes(text));
        if (!value || !std::in_range<T>(*value))
            return fail(ErrorKind::InvalidArgument, concat("invalid value for ", std::string_view(name), ": ", quote(text)));
        target = static_cast<T>(*value);
        return {};
    };
    TRY(read("blkio-weight", limits.blkio_weight));
    TRY(read("cpu-period", limits.cpu_period));
    TRY(read("cpu-quota", limits.cpu_quota));
    TRY(read("cpu-burst", limits.cpu_burst));
    TRY(read("cpu-share", limits.cpu_shares));
    TRY(read("cpu-rt-period", limits.cpu_realtime_period));
    TRY(read("cpu-rt-runtime", limits.cpu_realtime_runtime));
    TRY(read("cpu-idle", limits.cpu_idle));
    TRY(read("memory", limits.memory_limit, true));
    TRY(read("memory-reservation", limits.memory_reservation, true));
    TRY(read("memory-swap", limits.memory_swap, true));
    TRY(read("pids-limit", limits.pids_limit));
    if (flags.has("cpuset-cpus")) limits.cpuset_cpus = flags.text("cpuset-cpus");
    if (flags.has("cpuset-mems")) limits.cpuset_mems = flags.text("cpuset-mems");
    return {};
}

}  // namespace

Result<void> update_container(const std::string& root, const std::string& id, const ParsedFlags& flags) {
    for (auto name : {"l3-cache-schema", "mem-bw-schema"})
        if (flags.has(name) && !has_resctrl())
            return fail(ErrorKind::Unsupported, concat("--", std::string_view(name), " cannot be set: no resctrl file system is mounted on /sys/fs/resctrl"));
    for (auto name : {"kernel-memory", "kernel-memory-tcp"})
        if (flags.has(name)) log::warn(concat("--", std::string_view(name), " is obsolete and has no effect"));
    StateDirectory directory = TRY(StateDirectory::at(root, id));
    ContainerState state = TRY(directory.load());
    if (directory.status(state) == Status::Stopped) return fail(ErrorKind::Conflict, "container not running");
    if (flags.has("l3-cache-schema") || flags.has("mem-bw-schema"))
        TRY(change_schema(state.resource_class, flags.text("l3-cache-schema"), flags.text("mem-bw-schema")));
    cgroup::Limits limits;
    if (flags.has("resources")) {
        std::string file = flags.text("resources");
        std::string text = file == "-" ? TRY(os::read_to_end(0, 1 << 20)) : TRY(os::read_file(file, 1 << 20));
        limits = TRY(limits_of(TRY_WRAP("resources", json::parse(text)), state.oci_version));
    } else {
        TRY(read_update_flags(flags, limits));
    }
    limits.devices.clear();  // they belong to create: an update would cut off what the container was given
    if (!state.cgroup_scope.empty()) TRY(cgroup::set_scope_limits(state.cgroup_path, limits));
    return TRY(group_of(state)).apply_without_devices(limits);
}

}  // namespace proa::bundle
