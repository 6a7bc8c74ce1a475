#include "cgroup/stats.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "base/text.h"
#include "cgroup/group.h"
#include "cgroup/kernel_file.h"
#include "os/file.h"

namespace proa::cgroup {

namespace {
/// Reads the files of one directory; what is missing reads as nothing.
class Reader {
public:
    explicit Reader(std::string directory) : directory_(std::move(directory)) {}
    bool present() const { return !directory_.empty(); }
    std::string text(std::string_view file) const {
        if (directory_.empty()) return "";
        auto content = os::read_file(concat(directory_, '/', file));
        return content ? std::move(*content) : "";
    }
    uint64_t number(std::string_view file) const { return parse_uint(trim(text(file))).value_or(0); }
    /// "max" and nothing give 0.
    std::vector<std::pair<std::string, uint64_t>> table(std::string_view file) const {
        std::vector<std::pair<std::string, uint64_t>> rows;
        for (auto& line : split_nonempty(text(file), '\n')) {
            auto pair = cut(line, " ");
            if (!pair) continue;
            if (auto value = parse_uint(trim(pair->second))) rows.emplace_back(std::string(pair->first), *value);
        }
        return rows;
    }
    const std::string& directory() const { return directory_; }

private:
    std::string directory_;
};

uint64_t row(const std::vector<std::pair<std::string, uint64_t>>& table, std::string_view name) {
    for (auto& [key, value] : table)
        if (key == name) return value;
    return 0;
}

/// Lines "8:0 Read 1024"; the closing "Total 1024" has no device and is left out, as runc does.
std::vector<BlkioEntry> blkio_entries(const Reader& reader, std::string_view file) {
    std::vector<BlkioEntry> entries;
    for (auto& line : split_nonempty(reader.text(file), '\n')) {
        auto fields = split_fields(line);
        if (fields.size() < 2) continue;
        auto device = cut(fields[0], ":");
        if (!device) continue;
        BlkioEntry entry;
        entry.major = parse_uint(device->first).value_or(0);
        entry.minor = parse_uint(device->second).value_or(0);
        entry.operation = fields.size() > 2 ? fields[1] : "";
        entry.value = parse_uint(fields.back()).value_or(0);
        entries.push_back(std::move(entry));
    }
    return entries;
}

void read_cpu_v1(const Group& group, Stats& stats) {
    Reader account(group.directory("cpuacct")), cpu(group.directory("cpu"));
    stats.cpu_total = account.number("cpuacct.usage");
    for (auto& field : split_fields(account.text("cpuacct.usage_percpu"))) stats.cpu_per_cpu.push_back(parse_uint(field).value_or(0));
    stats.cpu_user = account.number("cpuacct.usage_user");
    stats.cpu_kernel = account.number("cpuacct.usage_sys");
    if (stats.cpu_user + stats.cpu_kernel == 0) {  // before Linux 4.10: only in ticks
        auto ticks = account.table("cpuacct.stat");
        uint64_t nanoseconds = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
        stats.cpu_user = row(ticks, "user") * nanoseconds;
        stats.cpu_kernel = row(ticks, "system") * nanoseconds;
    }
    auto table = cpu.table("cpu.stat");
    stats.throttling_periods = row(table, "nr_periods");
    stats.throttled_periods = row(table, "nr_throttled");
    stats.throttled_time = row(table, "throttled_time");
}

void read_memory_v1(const Reader& memory, Stats& stats) {
    stats.memory_usage = memory.number("memory.usage_in_bytes");
    stats.memory_max_usage = memory.number("memory.max_usage_in_bytes");
    stats.memory_limit = memory.number("memory.limit_in_bytes");
    stats.memory_failcnt = memory.number("memory.failcnt");
    stats.memory_stat = memory.table("memory.stat");
    uint64_t both = memory.number("memory.memsw.usage_in_bytes");
    stats.swap_usage = both > stats.memory_usage ? both - stats.memory_usage : 0;
    stats.swap_limit = memory.number("memory.memsw.limit_in_bytes");
}

void read_blkio_v1(const Reader& blkio, Stats& stats) {
    auto first = [&](std::initializer_list<std::string_view> files) {
        for (auto file : files)
            if (auto entries = blkio_entries(blkio, file); !entries.empty()) return entries;
        return std::vector<BlkioEntry>();
    };
    stats.io_service_bytes = first({"blkio.bfq.io_service_bytes_recursive", "blkio.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"});
    stats.io_serviced = first({"blkio.bfq.io_serviced_recursive", "blkio.io_serviced_recursive", "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"});
    stats.io_queued = first({"blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive"});
    stats.io_service_time = first({"blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive"});
    stats.io_wait_time = first({"blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive"});
    stats.io_merged = first({"blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive"});
    stats.io_time = first({"blkio.bfq.time_recursive", "blkio.time_recursive"});
    stats.sectors = first({"blkio.bfq.sectors_recursive", "blkio.sectors_recursive"});
}

void read_cpu_v2(const Reader& group, Stats& stats) {
    auto table = group.table("cpu.stat");
    stats.cpu_total = row(table, "usage_usec") * 1000;
    stats.cpu_user = row(table, "user_usec") * 1000;
    stats.cpu_kernel = row(table, "system_usec") * 1000;
    stats.throttling_periods = row(table, "nr_periods");
    stats.throttled_periods = row(table, "nr_throttled");
    stats.throttled_time = row(table, "throttled_usec") * 1000;
}

void read_memory_v2(const Reader& group, Stats& stats) {
    auto limit = [&](std::string_view file) {
        std::string text = group.text(file);
        return trim(text) == "max" ? UINT64_MAX : parse_uint(trim(text)).value_or(0);
    };
    stats.memory_usage = group.number("memory.current");
    stats.memory_max_usage = group.number("memory.peak");
    stats.memory_limit = limit("memory.max");
    stats.swap_usage = group.number("memory.swap.current");
    stats.swap_limit = limit("memory.swap.max");
    stats.memory_failcnt = row(group.table("memory.events"), "oom");  // what Docker shows as failcnt here
    stats.memory_stat = group.table("memory.stat");
}

/// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0"
void read_io_v2(const Reader& group, Stats& stats) {
    for (auto& line : split_nonempty(group.text("io.stat"), '\n')) {
        auto fields = split_fields(line);
        auto device = cut(fields.empty() ? std::string_view() : std::string_view(fields[0]), ":");
        if (!device) continue;
        for (size_t i = 1; i < fields.size(); i++) {
            auto pair = cut(fields[i], "=");
            if (!pair) continue;
            BlkioEntry entry{parse_uint(device->first).value_or(0), parse_uint(device->second).value_or(0), "", parse_uint(pair->second).value_or(0)};
            if (pair->first == "rbytes" || pair->first == "wbytes") {
                entry.operation = pair->first == "rbytes" ? "read" : "write";
                stats.io_service_bytes.push_back(std::move(entry));
            } else if (pair->first == "rios" || pair->first == "wios") {
                entry.operation = pair->first == "rios" ? "read" : "write";
                stats.io_serviced.push_back(std::move(entry));
            }
        }
    }
}

void read_pids(const Reader& pids, Stats& stats) {
    stats.pids_current = pids.number("pids.current");
    std::string limit = pids.text("pids.max");
    stats.pids_limit = stats.v2 && trim(limit) == "max" ? UINT64_MAX : parse_uint(trim(limit)).value_or(0);
}

void read_hugepages(const Reader& huge, bool v2, Stats& stats) {
    if (!huge.present()) return;
    auto names = os::list_directory(huge.directory());
    if (!names) return;
    std::string_view suffix = v2 ? ".current" : ".usage_in_bytes";
    for (auto& name : *names) {
        if (!name.starts_with("hugetlb.") || !name.ends_with(suffix) || name.find(".rsvd") != std::string::npos) continue;
        HugepageUsage usage;
        usage.page_size = name.substr(8, name.size() - 8 - suffix.size());
        usage.usage = huge.number(name);
        if (!v2) usage.max_usage = huge.number(concat("hugetlb.", usage.page_size, ".max_usage_in_bytes"));
        usage.failcnt = v2 ? row(huge.table(concat("hugetlb.", usage.page_size, ".events")), "max") : huge.number(concat("hugetlb.", usage.page_size, ".failcnt"));
        stats.hugepages.push_back(std::move(usage));
    }
}
}  // namespace

Result<Stats> Group::stats() const {
    if (!exists()) return fail(ErrorKind::NotFound, concat("cgroup ", path_, " does not exist"), ENOENT);
    Stats stats;
    stats.v2 = layout_->version == Version::V2;
    if (stats.v2) {
        Reader group(unified_directory());
        read_cpu_v2(group, stats);
        read_memory_v2(group, stats);
        read_io_v2(group, stats);
        read_pids(group, stats);
    } else {
        read_cpu_v1(*this, stats);
        read_memory_v1(Reader(directory("memory")), stats);
        read_blkio_v1(Reader(directory("blkio")), stats);
        read_pids(Reader(directory("pids")), stats);
    }
    const Hierarchy* huge = layout_->find("hugetlb");
    read_hugepages(Reader(directory("hugetlb")), huge && huge->unified, stats);
    return stats;
}

Result<uint64_t> Group::oom_kills() const {
    const Hierarchy* memory = layout_->find("memory");
    if (!memory) return fail(ErrorKind::Unsupported, "this host has no memory cgroup controller");
    Reader reader(directory_in(*memory));
    return row(reader.table(memory->unified ? "memory.events" : "memory.oom_control"), "oom_kill");
}

Result<OomWatch> OomWatch::start(const Group& group) {
    OomWatch watch;
    watch.group_ = group;
    std::string directory = group.directory("memory");
    if (directory.empty()) return fail(ErrorKind::Unsupported, "this host has no memory cgroup controller");
    watch.seen_ = group.oom_kills().value_or(0);
    if (directory == group.unified_directory()) {
        watch.fd_ = os::Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watch.fd_) return fail_errno("inotify_init1");
        std::string file = directory + "/memory.events";
        if (::inotify_add_watch(watch.fd_.get(), file.c_str(), IN_MODIFY) < 0) return fail_errno("inotify_add_watch", file);
        return watch;
    }
    watch.fd_ = TRY(os::make_eventfd());
    watch.control_ = TRY(os::open_file(directory + "/memory.oom_control", O_RDONLY));
    TRY(write_value(directory + "/cgroup.event_control", concat(watch.fd_.get(), ' ', watch.control_.get())));
    return watch;
}

uint64_t OomWatch::take() {
    char buffer[sizeof(inotify_event) + NAME_MAX + 1];
    while (::read(fd_.get(), buffer, sizeof buffer) > 0) {
    }
    uint64_t now = group_.oom_kills().value_or(seen_);
    return now - std::exchange(seen_, now);
}

}  // namespace proa::cgroup
