#include "registry/endpoint.h"

#include <netdb.h>

#include "base/text.h"
#include "os/file.h"
#include "os/ip_address.h"
#include "registry/hosts_file.h"

namespace proa::registry {

namespace {
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

std::string without_port(const std::string& host) {
    if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
    return host.substr(0, host.rfind(':'));
}

std::vector<os::IpAddress> addresses_of(const std::string& host) {
    std::vector<os::IpAddress> found;
    std::string name = without_port(host);
    if (auto address = os::IpAddress::parse(name)) return {*address};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (::getaddrinfo(name.c_str(), nullptr, &hints, &list) != 0) return found;
    for (auto* entry = list; entry; entry = entry->ai_next) {
        char text[NI_MAXHOST];
        if (::getnameinfo(entry->ai_addr, entry->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) != 0) continue;
        if (auto address = os::IpAddress::parse(text)) found.push_back(*address);
    }
    ::freeaddrinfo(list);
    return found;
}

/// man: dockerd(8) --insecure-registry
Result<void> add_certificates(const std::string& folder, http::TransferTrust& trust) {
    for (auto& name : TRY(os::list_directory(folder))) {
        std::string path = os::join_path(folder, name);
        if (name.ends_with(".crt")) {
            add_authorities(trust, TRY(os::read_file(path)));
        } else if (name.ends_with(".cert")) {
            std::string key = path.substr(0, path.size() - 4) + "key";
            if (!os::exists(key))
                return fail(ErrorKind::InvalidArgument,
                            concat("missing key ", os::base_name(key), " for client certificate ", name, ". CA certificates must use the extension .crt"));
            trust.cert_file = path;
            trust.key_file = key;
        } else if (name.ends_with(".key")) {
            std::string cert = path.substr(0, path.size() - 3) + "cert";
            if (!os::exists(cert)) return fail(ErrorKind::InvalidArgument, concat("missing client certificate ", os::base_name(cert), " for key ", name));
        }
    }
    return {};
}
}  // namespace

bool is_insecure(const Config& config, const std::string& host) {
    std::vector<os::IpPrefix> nets{*os::IpPrefix::parse("127.0.0.0/8"), *os::IpPrefix::parse("::1/128")};
    for (auto& entry : config.insecure) {
        if (entry == host) return true;
        if (auto net = os::IpPrefix::parse(entry)) nets.push_back(*net);
    }
    if (host.ends_with(".docker.io")) return false;  // spares a look-up that takes long where there is no network
    for (auto& address : addresses_of(host))
        for (auto& net : nets)
            if (net.contains(address)) return true;
    return false;
}

void add_authorities(http::TransferTrust& trust, std::string_view pem) {
    if (trust.authorities.empty()) trust.authorities = os::read_file(kSystemAuthorities).value_or("");
    trust.authorities += concat(pem, "\n");
}

std::string folder_of(const Config& config, const std::string& host) {
    std::vector<std::string> names{host};
    // Where file names hold no colon containerd writes host_5000_ for host:5000.
    if (auto colon = host.rfind(':'); colon != host.npos && host.back() != ']')
        names.push_back(concat(host.substr(0, colon), '_', host.substr(colon + 1), '_'));
    for (auto& folder : config.certificate_folders)
        for (auto& name : names)
            if (std::string own = os::join_path(folder, name); os::is_directory(own)) return own;
    return {};
}

Result<http::TransferTrust> trust_for(const Config& config, const std::string& host) {
    http::TransferTrust trust;
    if (std::string own = folder_of(config, host); !own.empty()) TRY(add_certificates(own, trust));
    trust.verify = !is_insecure(config, host);
    return trust;
}

namespace {
Result<std::optional<HostsFile>> hosts_file(const Config& config, const std::string& domain) {
    for (auto& name : {domain, std::string("_default")}) {
        std::string folder = folder_of(config, name);
        if (folder.empty()) continue;
        std::string path = folder + "/hosts.toml";
        auto text = os::read_file(path, 1 << 20);
        if (text) return TRY(parse_hosts_file(config, path, *text, domain));
        if (!text.error().is(ErrorKind::NotFound)) return fail(std::move(text).error());
        break;  // certificates alone: the folder is this registry's own all the same
    }
    return std::optional<HostsFile>();
}

bool may(const Endpoint& endpoint, Purpose purpose) {
    return purpose == Purpose::Pull ? endpoint.pulls : purpose == Purpose::Resolve ? endpoint.resolves : endpoint.pushes;
}
}  // namespace

Result<std::vector<Endpoint>> endpoints(const Config& config, const std::string& domain, Purpose purpose) {
    std::vector<Endpoint> list;
    auto mirrors = config.mirrors.find(domain);
    if (mirrors != config.mirrors.end() && purpose != Purpose::Push)
        for (auto& mirror : mirrors->second) list.push_back({std::string(trim_suffix(mirror, "/")), true, TRY(trust_for(config, host_of(mirror)))});
    auto file = TRY(hosts_file(config, domain));
    if (file)
        for (auto& host : file->hosts)
            if (may(host, purpose)) list.push_back(host);
    Endpoint server = file ? file->server : Endpoint();
    if (!may(server, purpose)) {
        if (list.empty())
            return fail(ErrorKind::InvalidArgument, concat("hosts.toml of ", domain, " leaves nobody to be asked: no host has the capability that this needs"));
        return list;
    }
    if (!server.base.empty()) {
        list.push_back(std::move(server));
        return list;
    }
    std::string host = domain == "docker.io" ? std::string(kHubHost) : domain;
    bool trusted = file && file->has_trust;
    if (!trusted) server.trust = TRY(trust_for(config, host));
    bool plain_too = domain != "docker.io" && (trusted ? is_insecure(config, host) : !server.trust.verify);
    server.base = "https://" + host;
    list.push_back(server);
    if (!plain_too) return list;
    server.base = "http://" + host;
    list.push_back(std::move(server));
    return list;
}

Result<std::vector<Endpoint>> own_endpoints(const Config& config, const std::string& domain, Purpose purpose) {
    auto list = TRY(endpoints(config, domain, purpose));
    std::erase_if(list, [](const Endpoint& endpoint) { return endpoint.mirror; });
    if (list.empty()) return fail(ErrorKind::InvalidArgument, concat("hosts.toml of ", domain, " lets nobody but mirrors be asked for this"));
    return list;
}

std::string host_of(std::string_view url) {
    auto scheme = cut(url, "://");
    std::string_view rest = scheme ? scheme->second : url;
    rest = rest.substr(0, rest.find_first_of("/?#"));
    if (auto at = rest.rfind('@'); at != rest.npos) rest.remove_prefix(at + 1);
    return std::string(rest);
}

std::string origin_of(std::string_view url) {
    std::string scheme(url.substr(0, url.find(':'))), host = to_lower(host_of(url));
    bool has_port = host.rfind(':') != std::string::npos && (!host.starts_with('[') || host.rfind(':') > host.find(']'));
    return concat(to_lower(scheme), "://", host, has_port ? "" : equals_ignoring_case(scheme, "https") ? ":443" : ":80");
}

std::string resolve_url(std::string_view base, std::string_view location) {
    if (location.find("://") != location.npos && location.find("://") < location.find_first_of("/?#")) return std::string(location);
    std::string_view scheme = base.substr(0, base.find(':'));
    if (location.starts_with("//")) return concat(scheme, ':', location);
    std::string root = concat(scheme, "://", host_of(base));
    if (location.starts_with('/')) return root + std::string(location);
    std::string_view path = base.substr(std::min(base.size(), root.size()));
    path = path.substr(0, path.find_first_of("?#"));
    if (location.starts_with('?')) return concat(root, path, location);
    size_t slash = path.rfind('/');
    return concat(root, slash == path.npos ? "/" : path.substr(0, slash + 1), location);
}

}  // namespace proa::registry
