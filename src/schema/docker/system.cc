#include "schema/docker/system.h"

PROA_JSON_TABLE(proa::docker::PlatformName, "Platform", field<&T::name>("Name"))

PROA_JSON_TABLE(proa::docker::Component, "ComponentVersion", field<&T::name>("Name"), field<&T::version>("Version"), field<&T::details>("Details"))

PROA_JSON_TABLE(proa::docker::Version, "Version", field<&T::platform>("Platform"), field<&T::components>("Components"), field<&T::version>("Version"),
                field<&T::api_version>("ApiVersion"), field<&T::min_api_version>("MinAPIVersion"), field<&T::git_commit>("GitCommit"),
                field<&T::go_version>("GoVersion"), field<&T::os>("Os"), field<&T::arch>("Arch"), field<&T::kernel_version>("KernelVersion"),
                field<&T::experimental>("Experimental", kOmitEmpty), field<&T::build_time>("BuildTime"))

PROA_JSON_TABLE(proa::docker::IpamConfig, "IPAMConfig", field<&T::subnet>("Subnet", kOmitEmpty), field<&T::ip_range>("IPRange", kOmitEmpty),
                field<&T::gateway>("Gateway", kOmitEmpty), field<&T::auxiliary_addresses>("AuxiliaryAddresses", kOmitEmpty))

PROA_JSON_TABLE(proa::docker::Ipam, "IPAM", field<&T::driver>("Driver"), field<&T::options>("Options"), field<&T::config>("Config"))

PROA_JSON_TABLE(proa::docker::EndpointResource, "EndpointResource", field<&T::name>("Name"), field<&T::endpoint_id>("EndpointID"),
                field<&T::mac_address>("MacAddress"), field<&T::ipv4_address>("IPv4Address"), field<&T::ipv6_address>("IPv6Address"))

PROA_JSON_TABLE(proa::docker::ConfigReference, "ConfigReference", field<&T::network>("Network"))

PROA_JSON_TABLE(proa::docker::Network, "Network", field<&T::name>("Name"), field<&T::id>("Id"), field<&T::created>("Created"), field<&T::scope>("Scope"),
                field<&T::driver>("Driver"), field<&T::enable_ipv4>("EnableIPv4"), field<&T::enable_ipv6>("EnableIPv6"), field<&T::ipam>("IPAM"),
                field<&T::internal>("Internal"), field<&T::attachable>("Attachable"), field<&T::ingress>("Ingress"),
                field<&T::config_from>("ConfigFrom"), field<&T::config_only>("ConfigOnly"), field<&T::containers>("Containers"),
                field<&T::options>("Options"), field<&T::labels>("Labels"))

PROA_JSON_TABLE(proa::docker::NetworkConnect, "ConnectRequest", field<&T::container>("Container"), field<&T::endpoint_config>("EndpointConfig"))

PROA_JSON_TABLE(proa::docker::NetworkDisconnect, "DisconnectRequest", field<&T::container>("Container"), field<&T::force>("Force"))
