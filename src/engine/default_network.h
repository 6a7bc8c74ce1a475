#pragma once
#include <memory>

#include "container/record.h"
#include "engine/paths.h"
#include "network/address_pool.h"
#include "network/bridge.h"
#include "network/sandbox.h"
#include "os/fd.h"
#include "shim/protocol.h"

namespace proa::engine {

struct Settings;

/// What a start gets from the network: handed to the shim, or dropped again when the start fails.
struct NetworkAttachment {
    std::optional<network::Sandbox> sandbox;          ///< none: host network, or joined
    std::map<std::string, docker::EndpointSettings> networks;
    docker::PortMap ports;
    std::vector<os::Fd> held;                         ///< bound host ports
    std::vector<os::Fd> proxied;                      ///< listening IPv6 sockets, one for each of `proxies`
    std::vector<shim::PortProxy> proxies;             ///< descriptor is filled in by the launch
};

/// The predefined networks: bridge (proa0), host and none. Thread-safe.
class DefaultNetwork {
public:
    static Result<std::unique_ptr<DefaultNetwork>> open(const Settings& settings, const Paths& paths);
    ~DefaultNetwork();

    /// Namespace, address and published ports for a start. Errors: NotFound "network x not found", Internal with Docker's
    /// "driver failed programming external connectivity on endpoint ..." when a port is taken.
    Result<NetworkAttachment> attach(const container::Record& record);
    /// Gives address and ports back. Idempotent.
    void detach(const container::Record& record);
    /// Takes over what a running container of an earlier daemon has.
    Result<void> adopt(const container::Record& record);
    /// Makes the kernel's rules exactly those of the adopted containers.
    Result<void> reconcile();

    const std::string& bridge_id() const { return bridge_id_; }
    const std::string& host_id() const { return host_id_; }
    const std::string& none_id() const { return none_id_; }
    const network::Bridge* bridge() const { return bridge_ ? &*bridge_ : nullptr; }
    Time created() const { return created_; }
    std::vector<std::string> warnings() const { return warnings_; }

    /// Readable when somebody changed nftables rules; -1 when we have none.
    int watch_fd() const;
    /// Puts our table back when it was removed.
    void handle_firewall_changes();

private:
    DefaultNetwork() = default;
    struct Publisher;
    Result<NetworkAttachment> attach_bridge(const container::Record& record);
    Result<void> publish(const container::Record& record, NetworkAttachment& attachment, const std::string& endpoint_id);

    std::string bridge_id_, host_id_, none_id_;
    Time created_;
    std::optional<network::Bridge> bridge_;
    std::unique_ptr<network::NamespacePool> bridge_pool_, none_pool_;
    std::unique_ptr<network::AddressPool> addresses_, addresses6_;
    std::unique_ptr<Publisher> publisher_;
    std::vector<std::string> warnings_;
};

}  // namespace proa::engine
