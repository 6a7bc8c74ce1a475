#include "container/record.h"

PROA_JSON_TABLE(proa::container::Record, "Record", field<&T::id>("ID"), field<&T::name>("Name"), field<&T::created>("Created"),
                field<&T::image_id>("ImageID"), field<&T::manifest_digest>("ManifestDigest"), field<&T::platform>("Platform"),
                field<&T::path>("Path"), field<&T::args>("Args"), field<&T::config>("Config"), field<&T::host_config>("HostConfig"),
                field<&T::networks>("Networks"), field<&T::wanted_macs>("WantedMacAddresses"), field<&T::state>("State"), field<&T::ports>("Ports"), field<&T::mounts>("Mounts"),
                field<&T::anonymous_volumes>("AnonymousVolumes", kOmitEmpty),
                field<&T::sandbox_id>("SandboxID"), field<&T::sandbox_key>("SandboxKey"), field<&T::restart_count>("RestartCount"),
                field<&T::manually_stopped>("ManuallyStopped"), field<&T::removing>("Removing"), field<&T::log_path>("LogPath"),
                field<&T::cgroup_path>("CgroupPath"), field<&T::apparmor_profile>("AppArmorProfile"))

namespace proa::container {

void clear_endpoints(Record& record) {
    record.ports.clear();
    for (auto& [name, endpoint] : record.networks) {
        endpoint.endpoint_id.clear();
        endpoint.gateway.clear();
        endpoint.ip_address.clear();
        endpoint.ip_prefix_len = 0;
        endpoint.ipv6_gateway.clear();
        endpoint.global_ipv6_address.clear();
        endpoint.global_ipv6_prefix_len = 0;
        endpoint.mac_address.clear();
        endpoint.dns_names.reset();
    }
}

}  // namespace proa::container
