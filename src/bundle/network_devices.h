#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "codec/json/value.h"

// Interfaces of the host that a container takes over. Spec: config-linux.md, network devices
namespace proa::bundle {

struct NetworkDevice {
    std::string host_name, name;  ///< inside the container
};

/// linux.netDevices. Errors: InvalidArgument for names that the kernel would not take or that two devices want.
Result<std::vector<NetworkDevice>> network_devices_of(const json::Value& devices);

/// Moves them into the network namespace of `pid`, with their global addresses, and brings them up there. The kernel gives physical ones
/// back when that namespace ends. Needs CAP_NET_ADMIN in both namespaces. Errors name the device.
Result<void> move_network_devices(const std::vector<NetworkDevice>& devices, pid_t pid);

}  // namespace proa::bundle
