#pragma once
#include "schema/docker/container.h"

// API: /version. (/info is built as a tree: most of its many fields are constants of this engine.)
namespace proa::docker {

struct PlatformName {
    std::string name;
};
struct Component {
    std::string name, version;
    StringMap details;
};
struct Version {
    PlatformName platform;
    std::vector<Component> components;
    std::string version, api_version, min_api_version, git_commit, go_version, os, arch, kernel_version;
    bool experimental = false;
    std::string build_time;
};

struct IpamConfig {
    std::string subnet, ip_range, gateway;
    StringMap auxiliary_addresses;
};
struct Ipam {
    std::string driver = "default";
    OptionalStringMap options;
    std::optional<std::vector<IpamConfig>> config;
};
struct EndpointResource {
    std::string name, endpoint_id, mac_address, ipv4_address, ipv6_address;
};
struct ConfigReference {
    std::string network;
};
struct Network {
    std::string name, id;
    Time created;
    std::string scope = "local", driver;
    bool enable_ipv4 = true, enable_ipv6 = false;
    Ipam ipam;
    bool internal = false, attachable = false, ingress = false;
    ConfigReference config_from;
    bool config_only = false;
    std::map<std::string, EndpointResource> containers;
    StringMap options, labels;
};
/// Bodies of POST /networks/{id}/connect and /disconnect.
struct NetworkConnect {
    std::string container;
    std::optional<EndpointSettings> endpoint_config;
};
struct NetworkDisconnect {
    std::string container;
    bool force = false;
};

}  // namespace proa::docker

PROA_JSON_DECLARE(proa::docker::PlatformName)
PROA_JSON_DECLARE(proa::docker::Component)
PROA_JSON_DECLARE(proa::docker::Version)
PROA_JSON_DECLARE(proa::docker::IpamConfig)
PROA_JSON_DECLARE(proa::docker::Ipam)
PROA_JSON_DECLARE(proa::docker::EndpointResource)
PROA_JSON_DECLARE(proa::docker::ConfigReference)
PROA_JSON_DECLARE(proa::docker::Network)
PROA_JSON_DECLARE(proa::docker::NetworkConnect)
PROA_JSON_DECLARE(proa::docker::NetworkDisconnect)
