#include <sys/stat.h>

#include "base/id.h"
#include "base/text.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/create_container.h"
#include "client/images.h"
#include "os/file.h"

namespace proa::cli {

namespace {
Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

std::string json_map(const std::vector<std::string>& items, bool from_environment) {
    json::Object map;
    for (auto& item : items) {
        auto pair = cut(item, "=");
        if (pair) map.set(pair->first, std::string(pair->second));
        else if (!from_environment) map.set(item, "");
        else if (const char* value = ::getenv(item.c_str())) map.set(item, std::string(value));
        else map.set(item, json::Value());
    }
    return json::print(map);
}

/// config.json's proxies as build arguments unless the user gave them.
std::vector<std::string> build_arguments(Invocation& call, client::Client& engine) {
    auto arguments = call.flags.list("build-arg");
    auto given = [&](const std::string& name) {
        for (auto& item : arguments)
            if (item == name || item.starts_with(name + "=")) return true;
        return false;
    };
    auto& all = call.session.config().content["proxies"];
    const json::Value* own = all.as_object().find(engine.endpoint().text);
    const json::Value& proxies = own ? *own : all["default"];
    for (auto& [key, name] :
         {std::pair{"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"ftpProxy", "FTP_PROXY"}, {"noProxy", "NO_PROXY"}, {"allProxy", "ALL_PROXY"}}) {
        std::string value = proxies[key].as_string();
        if (value.empty()) continue;
        for (auto& variable : {std::string(name), to_lower(name)})
            if (!given(variable)) arguments.push_back(concat(variable, '=', value));
    }
    if (const char* epoch = ::getenv("SOURCE_DATE_EPOCH"); epoch && *epoch && !given("SOURCE_DATE_EPOCH"))
        arguments.push_back(concat("SOURCE_DATE_EPOCH=", std::string_view(epoch)));
    return arguments;
}

Result<json::Object> read_secrets(const std::vector<std::string>& items) {
    json::Object secrets;
    for (auto& item : items) {
        std::string id, source, variable, type;
        for (auto& field : split(item, ',')) {
            auto pair = cut(field, "=");
            if (!pair) return invalid(concat("invalid field '", field, "' must be a key=value pair"));
            std::string key = to_lower(pair->first), value(pair->second);
            if (key == "id") id = value;
            else if (key == "src" || key == "source") source = value;
            else if (key == "env") variable = value;
            else if (key == "type") type = value;
            else return invalid(concat("unexpected key '", key, "' in '", field, "'"));
        }
        if (!type.empty() && type != "file" && type != "env") return invalid(concat("unsupported secret type ", quote(type)));
        if (id.empty()) id = source.empty() ? variable : os::base_name(source);
        if (id.empty()) return invalid(concat("invalid secret ", quote(item), ": an id is wanted"));
        if (type == "env" && variable.empty()) variable = source.empty() ? id : source;
        if (variable.empty() && source.empty()) (::getenv(id.c_str()) ? variable : source) = id;
        std::string content;
        if (!variable.empty()) {
            const char* value = ::getenv(variable.c_str());
            if (!value) return invalid(concat("environment variable ", quote(variable), " of secret ", id, " is not set"));
            content = value;
        } else {
            content = TRY_WRAP(concat("failed to stat ", source), os::read_file(source, 500 << 10));
        }
        secrets.set(id, base64(content));
    }
    return secrets;
}

Result<json::Object> read_agents(const std::vector<std::string>& items) {
    json::Object agents;
    for (auto& item : items) {
        auto pair = cut(item, "=");
        std::string id(pair ? pair->first : item), path(pair ? pair->second : "");
        if (path.empty()) {
            const char* socket = ::getenv("SSH_AUTH_SOCK");
            if (!socket || !*socket) return invalid(concat("invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set"));
            path = socket;
        }
        auto st = TRY(os::status(path));
        if (!S_ISSOCK(st.st_mode))
            return invalid(concat(path, " is no agent's socket; keys themselves are not supported by this client: add them to an agent"));
        agents.set(id, path);
    }
    return agents;
}

/// "name=docker-image://alpine", "name=https://...", "name=../directory".
Result<json::Object> read_contexts(const std::vector<std::string>& items, std::vector<NamedDirectory>& directories) {
    json::Object contexts;
    for (auto& item : items) {
        auto pair = cut(item, "=");
        if (!pair || pair->first.empty()) return invalid(concat("invalid context value: ", item, ", expected key=value"));
        std::string name(pair->first), value(pair->second);
        bool elsewhere = value.starts_with("docker-image://") || value.starts_with("http://") || value.starts_with("https://") || value.starts_with("git@") ||
                         value.starts_with("git://") || value.starts_with("ssh://") || value.starts_with("github.com/");
        if (elsewhere) {
            contexts.set(name, value);
            continue;
        }
        for (auto kind : {"oci-layout://", "target:", "local:", "container-image://"})
            if (value.starts_with(kind))
                return invalid(
                    concat("build context ", name, ": ", quote(kind), " is not supported by this engine; load the image and name it by docker-image://"));
        NamedDirectory directory{concat(".proa-context.", random_hex(10)), {}};
        directory.context = TRY_WRAP(concat("build context ", name), open_named_context(value));
        contexts.set(name, concat("directory:", directory.place));
        directories.push_back(std::move(directory));
    }
    return contexts;
}

/// What the classic API has no parameter for.
Result<void> add_extension(Invocation& call, BuildPlan& plan, const std::vector<std::string>& cache_images, bool live) {
    auto& flags = call.flags;
    auto& extension = plan.extension;
    auto secrets = TRY(read_secrets(flags.list("secret")));
    auto agents = TRY(read_agents(flags.list("ssh")));
    if (!secrets.empty()) extension.set("secrets", std::move(secrets));
    if (!agents.empty()) extension.set("ssh", std::move(agents));
    if (!flags.list("no-cache-filter").empty()) extension.set("noCacheFilter", json::Value::strings(flags.list("no-cache-filter")));
    if (!flags.list("allow").empty()) extension.set("allow", json::Value::strings(flags.list("allow")));
    if (flags.is("explain")) extension.set("explain", true);
    if (!cache_images.empty()) extension.set("cacheFrom", json::Value::strings(cache_images));
    if (live) extension.set("live", true);
    if (auto contexts = TRY(read_contexts(flags.list("build-context"), plan.directories)); !contexts.empty()) extension.set("contexts", std::move(contexts));
    return {};
}

/// "nofile=1024:2048" as the flag's own check left it.
Result<std::string> ulimits_json(const std::vector<std::string>& items) {
    json::Array list;
    for (auto& item : items) {
        auto pair = cut(item, "=");
        auto limits = cut(pair ? pair->second : "", ":");
        auto soft = parse_int(limits ? limits->first : pair ? pair->second : ""), hard = limits ? parse_int(limits->second) : soft;
        if (!soft || !hard) return invalid(concat("invalid ulimit argument: ", item));
        json::Object limit;
        limit.set("Name", std::string(pair->first));
        limit.set("Hard", *hard);
        limit.set("Soft", *soft);
        list.push_back(std::move(limit));
    }
    return json::print(json::Value(std::move(list)));
}

}  // namespace

Result<BuildPlan> plan_build(Invocation& call, client::Client& engine, const std::vector<std::string>& tags, const std::vector<std::string>& cache_images,
                             bool live) {
    auto& flags = call.flags;
    BuildPlan plan;
    plan.request = {.method = "POST", .path = "/build", .chunked = true, .content_type = "application/x-tar"};
    auto& request = plan.request;
    auto& query = request.query;
    auto text = [&](const char* flag, const char* name) {
        if (auto value = flags.text(flag); !value.empty()) query.emplace_back(name, value);
    };
    auto number = [&](const char* flag, const char* name) {
        if (flags.changed(flag)) query.emplace_back(name, concat(flags.integer(flag)));
    };
    for (auto& tag : tags) query.emplace_back("t", tag);
    for (auto& host : flags.list("add-host")) query.emplace_back("extrahosts", host);
    for (auto& option : flags.list("security-opt")) query.emplace_back("securityopt", option);
    if (flags.is("no-cache")) query.emplace_back("nocache", "1");
    if (flags.is("pull")) query.emplace_back("pull", "1");
    if (flags.is("squash")) query.emplace_back("squash", "1");
    query.emplace_back("rm", flags.is("rm") ? "1" : "0");
    if (flags.is("force-rm")) query.emplace_back("forcerm", "1");
    text("target", "target");
    text("cgroup-parent", "cgroupparent");
    text("cpuset-cpus", "cpusetcpus");
    text("cpuset-mems", "cpusetmems");
    text("isolation", "isolation");
    if (flags.text("network") != "default") text("network", "networkmode");
    number("cpu-period", "cpuperiod");
    number("cpu-quota", "cpuquota");
    number("cpu-shares", "cpushares");
    number("memory", "memory");
    number("memory-swap", "memswap");
    number("shm-size", "shmsize");
    if (auto platform = default_platform(flags); !platform.empty()) query.emplace_back("platform", to_lower(platform));
    if (auto arguments = build_arguments(call, engine); !arguments.empty()) query.emplace_back("buildargs", json_map(arguments, true));
    if (!flags.list("label").empty()) query.emplace_back("labels", json_map(flags.list("label"), false));
    if (!flags.list("ulimit").empty()) query.emplace_back("ulimits", TRY(ulimits_json(flags.list("ulimit"))));
    query.emplace_back("version", "1");
    if (auto registries = client::registry_config(call.session.config()); !registries.empty()) request.headers.emplace_back("X-Registry-Config", registries);
    TRY(add_extension(call, plan, cache_images, live));
    return plan;
}

}  // namespace proa::cli
