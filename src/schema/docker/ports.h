#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/json/fields.h"

// API: a container's ports, {"80/tcp":[{"HostIp":"","HostPort":"8080"}]} and {"80/tcp":{}}. Kept as runs of consecutive ports, so that
// `-p 10000-59999:10000-59999` costs no more than one port.
namespace proa::docker {

struct PortBinding {
    std::string host_ip, host_port;
    bool operator==(const PortBinding&) const = default;
};
using PortBindings = std::optional<std::vector<PortBinding>>;  ///< null for a port that is only exposed

/// Consecutive ports of one protocol whose bindings differ in nothing but host ports that rise with the container's.
struct PortRun {
    std::string protocol;
    uint16_t first = 0, last = 0;
    PortBindings bindings;  ///< of `first`; those of the others: bindings_of()

    size_t count() const { return static_cast<size_t>(last - first) + 1; }
    PortBindings bindings_of(uint16_t port) const;
};

/// Ports by name with their bindings.
class PortMap {
public:
    bool empty() const { return runs_.empty() && others_.empty(); }
    size_t size() const;  ///< ports, not runs
    bool contains(std::string_view port) const;
    PortBindings find(std::string_view port) const;  ///< null also for one that is missing
    void set(std::string_view port, PortBindings bindings);
    void set_run(PortRun run);  ///< replaces what is there of these ports
    void add(std::string_view port, PortBinding binding);
    void erase(std::string_view port);
    void clear() { runs_.clear(), others_.clear(); }
    /// Takes over the ports that are missing here.
    void merge(const PortMap& more);

    std::vector<PortRun> runs() const;  ///< by protocol and number
    /// Names that are none of the form "80/tcp", as they came.
    const std::map<std::string, PortBindings>& others() const { return others_; }
    std::vector<std::pair<std::string, PortBindings>> expanded() const;  ///< one by one, sorted by name as Go prints maps

private:
    struct Rest {
        uint16_t last;
        PortBindings bindings;
    };
    using Key = std::pair<std::string, uint16_t>;
    void carve_out(const std::string& protocol, uint16_t first, uint16_t last);
    std::map<Key, Rest>::const_iterator run_of(std::string_view protocol, uint16_t port) const;
    std::map<Key, Rest> runs_;
    std::map<std::string, PortBindings> others_;
};

/// Names of ports.
class PortSet {
public:
    bool empty() const { return ports_.empty(); }
    size_t size() const { return ports_.size(); }
    bool contains(std::string_view port) const { return ports_.contains(port); }
    void insert(std::string_view port) { ports_.set(port, std::nullopt); }
    void insert_run(std::string protocol, uint16_t first, uint16_t last) { ports_.set_run({std::move(protocol), first, last, std::nullopt}); }
    void clear() { ports_.clear(); }
    void merge(const PortSet& more) { ports_.merge(more.ports_); }
    const PortMap& ports() const { return ports_; }  ///< without bindings

private:
    PortMap ports_;
};
using OptionalPortSet = std::optional<PortSet>;

/// As long as one lives, this thread writes and reads long runs as one member, "10000..59999/tcp": the form of our records.
class CompactPorts {
public:
    CompactPorts();
    ~CompactPorts();
    CompactPorts(const CompactPorts&) = delete;
    CompactPorts& operator=(const CompactPorts&) = delete;

private:
    bool before_;
};

}  // namespace proa::docker

PROA_JSON_DECLARE(proa::docker::PortBinding)
template <>
const proa::json::Type& proa::json::type_of<proa::docker::PortMap>();
template <>
const proa::json::Type& proa::json::type_of<proa::docker::PortSet>();
