#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/ip_address.h"
#include "resolver/protocol.h"

namespace proa::resolver {

/// Who has which name on which network.
class Names {
public:
    void put(const Container& container);  ///< adds or replaces
    void remove(const std::string& id);
    std::vector<std::string> ids() const;
    const Container* find(const std::string& id) const;

    struct Found {
        bool exists = false;                   ///< with addresses of the other family only: exists and no addresses
        std::vector<os::IpAddress> addresses;
    };
    /// What `name` (lower case) means to a container: on its networks in their order, the first that knows it answers. "NAME.NETWORK"
    /// asks one of them only.
    Found addresses_of(const Container& asker, std::string_view name, bool ipv6) const;
    /// "NAME.NETWORK" of the container with that address on one of the asker's networks.
    std::optional<std::string> name_of(const Container& asker, const os::IpAddress& address) const;

private:
    struct Entry {
        std::string container_id;
        os::IpAddress address, address6;
    };
    struct Network {
        std::map<std::string, std::vector<Entry>, std::less<>> by_name;
        std::map<os::IpAddress, std::string> by_address;  ///< the first name
    };
    Found look_in(const Endpoint& network, std::string_view name, bool ipv6) const;

    std::map<std::string, Container> containers_;
    std::map<std::string, Network> networks_;
};

}  // namespace proa::resolver
