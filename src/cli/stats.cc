#include <poll.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/units.h"
#include "client/containers.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"all", 'a', FlagType::Bool, "Show all containers (default shows just running)"},
    {"format", 0, FlagType::String, kFormatHelp},
    {"no-stream", 0, FlagType::Bool, "Disable streaming stats and only pull the first result"},
    {"no-trunc", 0, FlagType::Bool, "Do not truncate output"},
};
const Column kColumns[] = {{"Container", "CONTAINER"}, {"Name", "NAME"}, {"ID", "CONTAINER ID"}, {"CPUPerc", "CPU %"}, {"MemUsage", "MEM USAGE / LIMIT"},
                           {"MemPerc", "MEM %"}, {"NetIO", "NET I/O"}, {"BlockIO", "BLOCK I/O"}, {"PIDs", "PIDS"}};
constexpr int64_t kRedraw_ns = 500'000'000, kRelist_ns = 2'000'000'000;

double cpu_percent(const json::Value& stats) {
    auto& now = stats["cpu_stats"];
    auto& before = stats["precpu_stats"];
    double used = now["cpu_usage"]["total_usage"].as_double() - before["cpu_usage"]["total_usage"].as_double();
    double system = now["system_cpu_usage"].as_double() - before["system_cpu_usage"].as_double();
    double cpus = now["online_cpus"].as_double();
    if (cpus == 0) cpus = static_cast<double>(now["cpu_usage"]["percpu_usage"].as_array().size());
    return used > 0 && system > 0 ? used / system * cpus * 100 : 0;
}

/// Without the page cache that the kernel gives back at once: total_inactive_file on cgroup v1, inactive_file on v2.
double memory_used(const json::Value& memory) {
    double usage = memory["usage"].as_double();
    for (auto key : {"total_inactive_file", "inactive_file"})
        if (auto* cache = memory["stats"].as_object().find(key)) return cache->as_double() < usage ? usage - cache->as_double() : usage;
    return usage;
}

Row stats_row(const std::string& container, const json::Value& stats, bool truncate) {
    auto& memory = stats["memory_stats"];
    double used = memory_used(memory), limit = memory["limit"].as_double(), received = 0, sent = 0, read = 0, written = 0;
    for (auto& member : stats["networks"].as_object()) {
        received += member.value["rx_bytes"].as_double();
        sent += member.value["tx_bytes"].as_double();
    }
    for (auto& entry : stats["blkio_stats"]["io_service_bytes_recursive"].as_array()) {
        const std::string& operation = entry["op"].as_string();
        if (operation.empty()) continue;
        if (operation[0] == 'r' || operation[0] == 'R') read += entry["value"].as_double();
        if (operation[0] == 'w' || operation[0] == 'W') written += entry["value"].as_double();
    }
    std::string id = stats["id"].as_string().empty() ? container : stats["id"].as_string();
    auto io = [](double in, double out) { return concat(human_size(in, 3), " / ", human_size(out, 3)); };
    Row row;
    row.fields = {{"BlockIO", io(read, written)}, {"CPUPerc", fixed_number(cpu_percent(stats), 2) + "%"}, {"Container", container},
                  {"ID", truncate ? truncated_id(id) : id}, {"MemPerc", fixed_number(limit != 0 ? used / limit * 100 : 0, 2) + "%"},
                  {"MemUsage", concat(binary_size(used), " / ", binary_size(limit))}, {"Name", std::string(trim_prefix(stats["name"].as_string(), "/"))},
                  {"NetIO", io(received, sent)}, {"PIDs", concat(stats["pids_stats"]["current"].as_int())}};
    return row;
}

/// One container's stream of samples.
struct Sampled {
    std::string name;
    client::Connection connection;
    json::Splitter splitter;
    json::Value last;
    bool ended = false;
};

class StatsView {
public:
    StatsView(Invocation& call, client::Client& engine, const Format& format) : call_(call), engine_(engine), format_(format) {}

    Result<std::vector<std::string>> containers() {
        if (!call_.arguments.empty()) return call_.arguments;
        json::Value listed = TRY(client::list_containers(engine_, {.all = call_.flags.is("all"), .filters = {}}));
        std::vector<std::string> names;
        for (auto& container : listed.as_array()) names.push_back(truncated_id(container["Id"].as_string()));
        return names;
    }

    Result<int> once() {
        auto names = TRY(containers());
        std::vector<client::Connection> pending;
        for (auto& name : names) pending.push_back(TRY(engine_.begin(stats_call(name, false))));
        std::vector<Row> rows;
        for (size_t i = 0; i < names.size(); i++) {
            TRY(engine_.finish(pending[i], stats_call(names[i], false)));
            rows.push_back(stats_row(names[i], TRY(json::parse(TRY(pending[i].read_body()))), !call_.flags.is("no-trunc")));
        }
        put(TRY(format_.print({"statsContext", kColumns}, rows)));
        return 0;
    }

    Result<int> follow() {
        int64_t next_draw = monotonic_nanoseconds() + kRedraw_ns, next_list = 0;
        for (;;) {
            int64_t time = monotonic_nanoseconds();
            if (time >= next_list) {
                TRY(adopt());
                next_list = time + kRelist_ns;
            }
            TRY(take_samples(static_cast<int>(std::max<int64_t>(1, (next_draw - time) / 1000000))));
            if (monotonic_nanoseconds() < next_draw) continue;
            next_draw += kRedraw_ns;
            std::erase_if(streams_, [](auto& stream) { return stream.ended; });
            if (streams_.empty() && !call_.arguments.empty()) return 0;
            TRY(draw());
        }
    }

private:
    static client::Call stats_call(const std::string& name, bool stream) {
        return {.path = client::container_path(name, "stats"), .query = {{"stream", stream ? "1" : "0"}}};
    }

    /// Streams for containers that are new. Named ones are opened once.
    Result<void> adopt() {
        if (!call_.arguments.empty() && opened_) return {};
        for (auto& name : TRY(containers())) {
            if (std::any_of(streams_.begin(), streams_.end(), [&](auto& stream) { return stream.name == name; })) continue;
            auto connection = engine_.stream(stats_call(name, true));
            if (!connection && !opened_) return fail(connection.error());
            if (connection) streams_.push_back({name, std::move(*connection), {}, {}, false});
        }
        opened_ = true;
        return {};
    }

    Result<void> take_samples(int timeout_ms) {
        std::vector<pollfd> set;
        for (auto& stream : streams_) set.push_back({stream.ended ? -1 : stream.connection.fd(), POLLIN, 0});
        if (::poll(set.data(), set.size(), timeout_ms) <= 0) return {};
        char buffer[16384];
        for (size_t i = 0; i < set.size(); i++) {
            if (!set[i].revents) continue;
            auto& stream = streams_[i];
            auto got = stream.connection.read(buffer);
            if (!got || *got == 0) {
                stream.ended = true;
                continue;
            }
            for (auto& text : stream.splitter.feed(std::string_view(buffer, *got)))
                if (auto value = json::parse(text)) stream.last = std::move(*value);
        }
        return {};
    }

    Result<void> draw() {
        std::vector<Row> rows;
        for (auto& stream : streams_) rows.push_back(stats_row(stream.name, stream.last, !call_.flags.is("no-trunc")));
        std::string text = TRY(format_.print({"statsContext", kColumns}, rows));
        put(format_.is_json() || !format_.is_table() ? "\x1b[H" + text : "\x1b[H\x1b[2J" + text);
        return {};
    }

    Invocation& call_;
    client::Client& engine_;
    const Format& format_;
    std::vector<Sampled> streams_;
    bool opened_ = false;
};

Result<int> run(Invocation& call) {
    std::string chosen = list_format(call, "statsFormat");
    auto format = TRY(Format::make(chosen, {"{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}", "", ""}, false));
    client::Client& engine = *TRY(ready_engine(call));
    StatsView view(call, engine, format);
    return call.flags.is("no-stream") ? view.once() : view.follow();
}
}  // namespace

const Command kStats = {"[OPTIONS] [CONTAINER...]", "Display a live stream of container(s) resource usage statistics", kFlags, {0, -1}, run};

}  // namespace proa::cli
