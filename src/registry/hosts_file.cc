#include "registry/hosts_file.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

namespace proa::registry {

namespace {
/// A file under way: where its messages and relative paths start from.
struct Reader {
    const Config& config;
    const std::string& path;
    const std::string& domain;

    Unexpected wrong(std::string_view key, std::string_view why) const { return fail(ErrorKind::InvalidArgument, concat(path, ": ", key, ": ", why)); }

    Result<std::string> text(std::string_view key, const toml::node& node) const {
        if (auto value = node.value_exact<std::string>()) return *value;
        return wrong(key, "must be a string");
    }
    Result<bool> boolean(std::string_view key, const toml::node& node) const {
        if (auto value = node.value_exact<bool>()) return *value;
        return wrong(key, "must be true or false");
    }
    /// One string, or an array of them.
    Result<std::vector<std::string>> texts(std::string_view key, const toml::node& node) const {
        std::vector<std::string> list;
        if (auto* array = node.as_array()) {
            for (auto& item : *array) list.push_back(TRY(text(key, item)));
            return list;
        }
        if (!node.is_string()) return wrong(key, "must be a string or an array of strings");
        list.push_back(TRY(text(key, node)));
        return list;
    }
    std::string beside(const std::string& name) const { return name.starts_with('/') ? name : os::join_path(os::directory_of(path), name); }

    Result<void> add_capabilities(const toml::node& node, Endpoint& endpoint) const;
    Result<void> add_client(const toml::node& node, http::TransferTrust& trust) const;
    Result<void> add_header(const toml::node& node, Endpoint& endpoint) const;
    Result<void> add_key(std::string_view key, const toml::node& node, Endpoint& endpoint, std::optional<bool>& skip_verify, bool& override_path) const;
    Result<Endpoint> read(std::string url, const toml::table& table, bool& has_trust) const;
};

Result<void> Reader::add_capabilities(const toml::node& node, Endpoint& endpoint) const {
    if (!node.is_array()) return wrong("capabilities", "must be an array of \"pull\", \"resolve\" and \"push\"");
    endpoint.pulls = endpoint.resolves = endpoint.pushes = false;
    for (auto& name : TRY(texts("capabilities", node))) {
        if (name == "pull") endpoint.pulls = true;
        else if (name == "resolve") endpoint.resolves = true;
        else if (name == "push") endpoint.pushes = true;
        else return wrong("capabilities", concat("unknown capability ", quote(name)));
    }
    return {};
}

/// A certificate with its key in one file, or both in an array; one pair, also inside of another array.
Result<void> Reader::add_client(const toml::node& node, http::TransferTrust& trust) const {
    const toml::node* pair = &node;
    if (auto* outer = node.as_array(); outer && outer->size() == 1 && (*outer)[0].is_array()) pair = &(*outer)[0];
    else if (outer && std::any_of(outer->begin(), outer->end(), [](auto& item) { return item.is_array(); }))
        return wrong("client", "only one client certificate is supported");
    auto files = TRY(texts("client", *pair));
    if (files.empty() || files.size() > 2) return wrong("client", "must be a file with certificate and key, or an array of certificate and key");
    trust.cert_file = beside(files.front());
    trust.key_file = beside(files.back());
    for (auto& file : {trust.cert_file, trust.key_file})
        if (!os::exists(file)) return wrong("client", concat("open ", file, ": no such file or directory"));
    return {};
}

Result<void> Reader::add_header(const toml::node& node, Endpoint& endpoint) const {
    auto* table = node.as_table();
    if (!table) return wrong("header", "must be a table");
    for (auto& [name, values] : *table)
        for (auto& value : TRY(texts(concat("header.", name.str()), values))) {
            if (value.find_first_of("\r\n") != std::string::npos || name.str().find_first_of("\r\n: ") != std::string_view::npos)
                return wrong(concat("header.", name.str()), "is no HTTP header");
            endpoint.headers.add(std::string(name.str()), value);
        }
    return {};
}

Result<void> Reader::add_key(std::string_view key, const toml::node& node, Endpoint& endpoint, std::optional<bool>& skip_verify, bool& override_path) const {
    if (key == "capabilities") return add_capabilities(node, endpoint);
    if (key == "client") return add_client(node, endpoint.trust);
    if (key == "header") return add_header(node, endpoint);
    if (key == "ca") {
        for (auto& file : TRY(texts(key, node))) {
            auto pem = os::read_file(beside(file));
            if (!pem) return wrong(key, pem.error().message());
            add_authorities(endpoint.trust, *pem);
        }
        return {};
    }
    if (key == "skip_verify") {
        skip_verify = TRY(boolean(key, node));
        return {};
    }
    if (key == "override_path") {
        override_path = TRY(boolean(key, node));
        return {};
    }
    if (key == "dial_timeout") {
        auto duration = parse_duration(TRY(text(key, node)));
        if (!duration || *duration <= 0) return wrong(key, "must be a duration such as \"5s\"");
        endpoint.connect_timeout_ms = static_cast<int>(std::clamp<int64_t>(*duration / 1000000, 1, 3600000));
        return {};
    }
    return wrong(key, "unknown key");
}

/// One host, or with the file's top level the server. `url` may be empty for the default server.
Result<Endpoint> Reader::read(std::string url, const toml::table& table, bool& has_trust) const {
    Endpoint endpoint;
    std::optional<bool> skip_verify;
    bool override_path = false;
    for (auto& [key, node] : table)
        if (key.str() != "server" && key.str() != "host") TRY(add_key(key.str(), node, endpoint, skip_verify, override_path));
    has_trust = skip_verify || !endpoint.trust.authorities.empty() || !endpoint.trust.cert_file.empty();
    if (!url.empty()) {
        if (url.find("://") == url.npos) url = "https://" + url;
        if (!url.starts_with("https://") && !url.starts_with("http://")) return wrong(quote(url), "only http and https are supported");
        if (host_of(url).empty() || url.find_first_of("?#@") != url.npos) return wrong(quote(url), "must be of the form https://HOST[:PORT][/PATH]");
        while (url.ends_with('/')) url.pop_back();
        if (!override_path && url.ends_with("/v2")) url.resize(url.size() - 3);
        endpoint.base = url;
    }
    if (override_path) {
        if (url.empty()) return wrong("override_path", "needs a server with a path");
        endpoint.api.clear();
    }
    if (!has_trust && !url.empty()) endpoint.trust = TRY(trust_for(config, host_of(url)));
    else endpoint.trust.verify = skip_verify ? !*skip_verify : !endpoint.trust.authorities.empty() || url.empty() || !is_insecure(config, host_of(url));
    return endpoint;
}
}  // namespace

Result<HostsFile> parse_hosts_file(const Config& config, const std::string& path, std::string_view text, const std::string& domain) {
    Reader reader{config, path, domain};
    auto parsed = toml::parse(text, path);
    if (!parsed) return fail(ErrorKind::InvalidArgument, concat(path, ": line ", parsed.error().source().begin.line, ": ", parsed.error().description()));
    const toml::table& root = parsed.table();
    HostsFile file;
    std::string server;
    if (auto* node = root.get("server")) server = TRY(reader.text("server", *node));
    file.server = TRY(reader.read(server, root, file.has_trust));
    if (!server.empty()) file.has_trust = true;
    auto* hosts = root.get("host");
    if (!hosts) return file;
    if (!hosts->is_table()) return reader.wrong("host", "must be tables such as [host.\"https://mirror.example\"]");
    // The library sorts tables by their keys; the order in the file is the order to ask in.
    std::vector<std::pair<toml::source_position, Endpoint>> found;
    for (auto& [url, node] : *hosts->as_table()) {
        auto* table = node.as_table();
        if (!table) return reader.wrong(concat("host.", quote(url.str())), "must be a table");
        bool has_trust = false;
        Endpoint endpoint = TRY(reader.read(std::string(url.str()), *table, has_trust));
        bool own = host_of(endpoint.base) == domain || (domain == "docker.io" && host_of(endpoint.base) == kHubHost);
        endpoint.mirror = !own;
        if (!own) endpoint.name_space = domain;
        found.emplace_back(url.source().begin, std::move(endpoint));
    }
    std::stable_sort(found.begin(), found.end(), [](auto& a, auto& b) { return a.first < b.first; });
    for (auto& [position, endpoint] : found) file.hosts.push_back(std::move(endpoint));
    return file;
}

}  // namespace proa::registry
