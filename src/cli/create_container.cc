#include "cli/create_container.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/id.h"
#include "base/text.h"
#include "cli/progress.h"
#include "cli/streams.h"
#include "client/containers.h"
#include "client/images.h"
#include "codec/tar.h"
#include "os/file.h"
#include "schema/oci/reference.h"

namespace proa::cli {

namespace {
/// The file of --cidfile: created before the container, removed again when there is none.
class IdFile {
public:
    static Result<IdFile> create(const std::string& path) {
        IdFile file;
        if (path.empty()) return file;
        if (os::exists(path))
            return fail(ErrorKind::Conflict, concat("container ID file found, make sure the other container isn't running or delete ", path));
        auto fd = os::open_file(path, O_CREAT | O_WRONLY | O_TRUNC, 0666);
        if (!fd) return fail(ErrorKind::Internal, concat("failed to create the container ID file: ", fd.error().message()));
        file.fd_ = std::move(*fd);
        file.path_ = path;
        return file;
    }
    IdFile(IdFile&&) = default;
    ~IdFile() {
        if (fd_ && !written_) (void)os::remove_file(path_);
    }
    Result<void> write(std::string_view id) {
        if (!fd_) return {};
        TRY(os::write_all(fd_.get(), id));
        written_ = true;
        return {};
    }

private:
    IdFile() = default;
    os::Fd fd_;
    std::string path_;
    bool written_ = false;
};

/// config.json's proxies for this daemon, as environment unless the user set the variable.
void add_proxies(const client::ConfigFile& config, const std::string& host, docker::Strings& environment) {
    auto* all = config.content.as_object().find("proxies");
    if (!all) return;
    auto* exact = all->as_object().find(host);
    const json::Value& proxies = exact ? *exact : (*all)["default"];
    static constexpr std::pair<const char*, const char*> kNames[] = {
        {"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"noProxy", "NO_PROXY"}, {"ftpProxy", "FTP_PROXY"}, {"allProxy", "ALL_PROXY"}};
    for (auto& [key, variable] : kNames) {
        const std::string& value = proxies[key].as_string();
        if (value.empty()) continue;
        for (auto& name : {std::string(variable), to_lower(variable)}) {
            bool given = false;
            if (environment)
                for (auto& item : *environment) given |= item == name || item.starts_with(name + "=");
            if (given) continue;
            if (!environment) environment.emplace();
            environment->push_back(concat(name, '=', value));
        }
    }
}

/// An id, or the start of one with its algorithm: no reference, but the daemon knows it.
bool is_image_id(std::string_view text) { return is_full_id(trim_prefix(text, "sha256:")) || text.starts_with("sha256:"); }

/// A platform of one word must be a known system or processor.
Result<void> check_platform(const std::string& platform) {
    static constexpr std::string_view kKnown[] = {"linux", "windows", "darwin", "freebsd", "amd64", "x86_64", "x86-64", "386", "i386", "arm64", "aarch64", "arm", "armhf",
                                                  "armel", "ppc64le", "ppc64", "s390x", "riscv64", "mips64le", "mips64", "mips", "mipsle", "loong64", "wasm"};
    if (platform.empty() || platform.find('/') != std::string::npos) return {};
    for (auto known : kKnown)
        if (equals_ignoring_case(known, platform)) return {};
    return fail(ErrorKind::InvalidArgument,
                concat("error parsing specified platform: ", quote(platform), ": unknown operating system or architecture: invalid argument"));
}

/// Older daemons take one network's address at the top only.
void adapt_to_version(client::Client& engine, docker::CreateRequest& request) {
    if (engine.version_at_least("1.44")) return;
    if (!request.networking_config) return;
    for (auto& [name, settings] : request.networking_config->endpoints_config)
        if (settings && !settings->mac_address.empty() && request.config.mac_address.empty()) {
            request.config.mac_address = settings->mac_address;
            settings->mac_address.clear();
        }
}
constexpr const char* kSecretDirectory = "/run/secrets/docker";

/// --use-api-socket: the engine's socket in the container, where clients look for it; and where the registry logins will be.
Result<void> mount_api_socket(const client::Endpoint& endpoint, docker::CreateRequest& request) {
    if (endpoint.kind != client::Endpoint::Kind::Unix) return fail(ErrorKind::InvalidArgument, "flag --use-api-socket can only be used with a local unix socket");
    docker::MountRequest mount;
    mount.type = "bind";
    mount.source = endpoint.path;
    mount.target = "/var/run/docker.sock";
    mount.bind_options.emplace();
    request.host_config.mounts.push_back(std::move(mount));
    if (!request.config.env) request.config.env.emplace();
    auto& env = *request.config.env;
    if (std::none_of(env.begin(), env.end(), [](auto& entry) { return entry.starts_with("DOCKER_CONFIG="); })) env.push_back(concat("DOCKER_CONFIG=", kSecretDirectory));
    return {};
}

/// The logins of the configuration, for root in the container alone.
Result<void> copy_logins(client::Client& engine, const client::ConfigFile& config, const std::string& id) {
    auto& auths = config.content["auths"];
    if (!auths.is_object() || auths.as_object().empty()) return {};
    json::Object content;
    content.set("auths", auths);
    std::string text = json::print(content) + "\n", path;
    codec::StringSink archive;
    codec::TarWriter tar(archive);
    for (auto& piece : split_nonempty(kSecretDirectory, '/')) {
        path += (path.empty() ? "" : "/") + piece;
        TRY(tar.begin({.type = codec::TarType::Directory, .name = path, .mode = 0755}));
    }
    TRY(tar.add({.name = path + "/config.json", .mode = 0600, .size = text.size()}, text));
    TRY(tar.finish());
    client::Call call{.method = "PUT", .path = client::container_path(id, "archive"), .query = {{"path", "/"}}, .chunked = true, .content_type = "application/x-tar"};
    auto connection = TRY(engine.begin(call));
    TRY(connection.send_chunk(archive.text));
    TRY(connection.end_chunks());
    TRY(engine.finish(connection, call));
    return {};
}
}  // namespace

std::string default_platform(const FlagSet& flags) {
    std::string platform = flags.text("platform");
    const char* environment = ::getenv("DOCKER_DEFAULT_PLATFORM");
    return platform.empty() && environment ? environment : platform;
}

Result<DetachKeys> detach_keys(Invocation& call) {
    DetachKeys keys;
    keys.text = call.flags.text("detach-keys");
    if (keys.text.empty()) keys.text = call.session.config().text("detachKeys");
    auto bytes = parse_detach_keys(keys.text.empty() ? "ctrl-p,ctrl-q" : keys.text);
    keys.bytes = bytes ? *bytes : "\x10\x11";  // the daemon says what is wrong with the text
    return keys;
}

Result<void> check_pull_policy(const FlagSet& flags) {
    std::string policy = flags.text("pull");
    if (policy == "always" || policy == "missing" || policy == "never" || policy.empty()) return {};
    return fail(ErrorKind::InvalidArgument, concat("invalid pull option: '", policy, "': must be one of \"always\", \"missing\" or \"never\""));
}

int exit_code_of_error(std::string_view message) {
    auto has = [&](std::string_view text) { return message.find(text) != message.npos; };
    if (has("executable file not found") || has("no such file or directory") || has("system cannot find the file specified")) return 127;
    if (has("permission denied") || has("is a directory")) return 126;
    return 125;
}

int container_error(const Invocation& call, std::string_view message, bool with_hint) {
    put_error(concat(call.session.program(), ": ", trim_suffix(message, "\n"), with_hint ? concat("\n\nRun '", call.path, " --help' for more information") : "", "\n"));
    return 125;
}

Result<void> pull_image(Session& session, std::string_view image, std::string_view platform, bool quiet, int fd) {
    auto reference = TRY(oci::Reference::parse(image)).with_default_tag();
    client::Client& engine = *TRY(session.engine());
    std::string auth = client::registry_auth(session.config(), reference.domain);
    std::string tag = reference.digest.empty() ? reference.tag : reference.digest;
    auto answer = TRY(client::pull_image(engine, reference.familiar_name(), tag, platform, auth));
    auto done = show_progress(answer, fd, quiet);
    if (!done) return fail(done.error());
    return {};
}

Result<std::string> create_container(Invocation& call, ContainerOptions& options) {
    auto& request = options.request;
    std::string policy = call.flags.text("pull");
    IdFile id_file = TRY(IdFile::create(options.id_file));
    auto reference = oci::Reference::parse(request.config.image);
    if (!reference && !is_image_id(request.config.image)) return fail(reference.error());
    std::string platform = default_platform(call.flags);
    TRY(check_platform(platform));
    client::Client& engine = *TRY(call.session.engine());
    add_proxies(call.session.config(), engine.endpoint().text, request.config.env);
    bool quiet = call.flags.is("quiet");
    if (policy == "always") TRY(pull_image(call.session, request.config.image, platform, quiet, STDERR_FILENO));
    TRY(engine.negotiate());
    adapt_to_version(engine, request);
    bool api_socket = call.flags.is("use-api-socket");
    if (api_socket) TRY(mount_api_socket(engine.endpoint(), request));
    std::string body = json::encode(request);
    auto created = client::create_container(engine, body, options.name, platform);
    if (!created && created.error().is(ErrorKind::NotFound) && policy == "missing") {
        if (!reference) return fail(created.error());
        if (!quiet) put_error_line(concat("Unable to find image '", reference->with_default_tag().familiar(), "' locally"));
        TRY(pull_image(call.session, request.config.image, platform, quiet, STDERR_FILENO));
        created = client::create_container(engine, body, options.name, platform);
    }
    if (!created) return fail(created.error());
    if (api_socket) TRY_WRAP("copy the registry logins into the container", copy_logins(engine, call.session.config(), created->id));
    for (auto& warning : created->warnings) put_error_line("WARNING: " + warning);
    TRY(id_file.write(created->id));
    return created->id;
}

}  // namespace proa::cli
