#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/pack.h"

// Messages between the engine and its resolver: SOCK_SEQPACKET unix socket, one packed message each, descriptors by SCM_RIGHTS
// (docs/formats/resolver.md). Every request gets exactly one Reply, in order.
namespace proa::resolver {

constexpr uint32_t kProtocolVersion = 1;
constexpr size_t kControlBytesMax = 64 * 1024;

/// A name that only one container knows (--link).
struct Link {
    std::string alias;
    std::string target;  ///< a name on the same network
    template <class A>
    void visit(A& a) {
        a(alias, target);
    }
};

/// A container on one network.
struct Endpoint {
    std::string network_id, network_name;
    std::vector<std::string> names;  ///< the first one answers questions for the address
    std::string address, address6;   ///< numeric; empty: none of that family
    std::vector<Link> links;
    template <class A>
    void visit(A& a) {
        a(network_id, network_name, names, address, address6, links);
    }
};

struct Container {
    std::string id;
    std::vector<Endpoint> endpoints;   ///< names are looked for in this order
    bool forwards = true;              ///< false: it has internal networks only
    bool fails_single_labels = false;  ///< its options have ndots above 0: unknown names without a dot are not passed on
    /// Asked from the container's network namespace (--dns). Empty: the host's servers, asked from the host's.
    std::vector<std::string> servers;
    template <class A>
    void visit(A& a) {
        a(id, endpoints, forwards, fails_single_labels, servers);
    }
};

/// Put: adds or replaces a container. Descriptors for a new one: [0] its UDP socket, [1] its listening TCP socket, [2] its network
/// namespace, [3] a pidfd of its init; when that ends, the container is forgotten. Without descriptors it must be known (NotFound).
enum class RequestType : uint8_t { Put, Remove, List };

struct Request {
    uint32_t version = kProtocolVersion;
    RequestType type = RequestType::List;
    Container container;  ///< Put; Remove: only its id
    template <class A>
    void visit(A& a) {
        a(version, type, container);
    }
};

struct Reply {
    uint8_t error_kind = 0;            ///< ErrorKind, when there is a message
    std::string error_message;         ///< empty: done
    std::vector<std::string> ids;      ///< List: the containers that are known
    template <class A>
    void visit(A& a) {
        a(error_kind, error_message, ids);
    }
};

}  // namespace proa::resolver
