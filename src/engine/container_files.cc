#include "engine/container_files.h"

#include "engine/settings.h"
#include "network/resolv_conf.h"
#include "os/file.h"

namespace proa::engine {

namespace {

using container::Record;

std::vector<std::string> first_of(const docker::Strings& own, const std::vector<std::string>& daemon) {
    return own && !own->empty() ? *own : daemon;
}

Result<network::DnsOverrides> dns_overrides(const Parts& parts, const Record& record) {
    network::DnsOverrides overrides;
    for (auto& text : first_of(record.host_config.dns, parts.settings()->dns)) {
        auto address = os::IpAddress::parse(text);
        if (!address) return fail(ErrorKind::InvalidArgument, concat("invalid DNS server address: ", text));
        overrides.servers.push_back(*address);
    }
    overrides.search = first_of(record.host_config.dns_search, parts.settings()->dns_search);
    overrides.options = first_of(record.host_config.dns_options, parts.settings()->dns_opts);
    return overrides;
}

Result<std::string> hosts_text(const Parts& parts, const Record& record, const NetworkAttachment& network) {
    std::vector<os::IpAddress> own;
    for (auto& [name, endpoint] : network.networks)
        for (auto& text : {endpoint.ip_address, endpoint.global_ipv6_address})
            if (auto address = os::IpAddress::parse(text)) own.push_back(*address);
    std::vector<network::HostRecord> extra;
    for (auto& entry : record.host_config.extra_hosts.value_or(std::vector<std::string>())) {
        auto parts_of = cut(entry, ":");
        std::string address(parts_of->second);
        if (address == "host-gateway") {
            auto* bridge = parts.network.bridge();
            if (!bridge) return fail(ErrorKind::InvalidArgument, "unable to derive the IP value for host-gateway");
            address = bridge->address.address.text();
        }
        extra.push_back(network::HostRecord{address, std::string(parts_of->first)});
    }
    return network::hosts_text(record.config.hostname, record.config.domainname, own, extra);
}

}  // namespace

Result<ContainerFiles> write_container_files(const Parts& parts, const Record& record, const NetworkAttachment& network) {
    ContainerFiles files{parts.paths.container_file(record.id, "hosts"), parts.paths.container_file(record.id, "hostname"),
                         parts.paths.container_file(record.id, "resolv.conf")};
    if (record.host_config.network_mode.starts_with("container:")) {
        // The files of the container whose network this one shares.
        auto other = TRY(parts.containers.find(record.host_config.network_mode.substr(10)));
        return ContainerFiles{parts.paths.container_file(other->id(), "hosts"), parts.paths.container_file(other->id(), "hostname"),
                              parts.paths.container_file(other->id(), "resolv.conf")};
    }
    bool host_network = record.host_config.network_mode == "host";
    auto overrides = TRY(dns_overrides(parts, record));
    auto host = network::read_host_resolv_conf();
    std::string resolv = host_network ? network::resolv_conf_text_host_network(host, overrides) : network::resolv_conf_text(host, overrides, false);
    TRY(os::write_file(files.hosts, TRY(hosts_text(parts, record, network)), 0644));
    TRY(os::write_file(files.hostname, network::hostname_text(record.config.hostname), 0644));
    TRY(os::write_file(files.resolv_conf, resolv, 0644));
    return files;
}

}  // namespace proa::engine
