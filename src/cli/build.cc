#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "cli/build_context.h"
#include "cli/commands.h"
#include "cli/copy_files.h"
#include "cli/create_container.h"
#include "cli/file_transfer.h"
#include "cli/gzip_sink.h"
#include "cli/units.h"
#include "dockerfile/checks.h"
#include "os/file.h"

namespace proa::cli {

namespace {
const Flag kBuildFlags[] = {
    {"add-host", 0, FlagType::List, "Add a custom host-to-IP mapping (\"host:ip\")"},
    {"allow", 0, FlagType::StringSlice, "Allow extra privileged entitlement (e.g., \"network.host\", \"security.insecure\")"},
    {"build-arg", 0, FlagType::List, "Set build-time variables"},
    {"cache-from", 0, FlagType::StringSlice, "Images to consider as cache sources"},
    {"call", 0, FlagType::String, "Set method for evaluating build (\"check\", \"build\")", "(default \"build\")", "build"},
    {"cgroup-parent", 0, FlagType::String, "Set the parent cgroup for the \"RUN\" instructions during build"},
    {"check", 0, FlagType::Bool, "Shorthand for \"--call=check\""},
    {"compress", 0, FlagType::Bool, "Compress the build context using gzip"},
    {"cpu-period", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) period"},
    {"cpu-quota", 0, FlagType::Int64, "Limit the CPU CFS (Completely Fair Scheduler) quota"},
    {"cpu-shares", 'c', FlagType::Int64, "CPU shares (relative weight)"},
    {"cpuset-cpus", 0, FlagType::String, "CPUs in which to allow execution (0-3, 0,1)"},
    {"cpuset-mems", 0, FlagType::String, "MEMs in which to allow execution (0-3, 0,1)"},
    {"disable-content-trust", 0, FlagType::Bool, "Skip image verification", "(default true)", "true"},
    {"explain", 0, FlagType::Bool, "Say of each step why it ran or did not"},
    {"file", 'f', FlagType::String, "Name of the Dockerfile (Default is \"PATH/Dockerfile\")"},
    {"force-rm", 0, FlagType::Bool, "Always remove intermediate containers"},
    {"iidfile", 0, FlagType::String, "Write the image ID to the file"},
    {"isolation", 0, FlagType::String, "Container isolation technology"},
    {"label", 0, FlagType::List, "Set metadata for an image"},
    {"load", 0, FlagType::Bool, "The image is in the engine's store anyway; for scripts that ask for it"},
    {"memory", 'm', FlagType::Bytes, "Memory limit"},
    {"memory-swap", 0, FlagType::SignedBytes, "Swap limit equal to memory plus swap: -1 to enable unlimited swap"},
    {"metadata-file", 0, FlagType::String, "Write build result metadata to a file"},
    {"network", 0, FlagType::String, "Set the networking mode for the \"RUN\" instructions during build", "(default \"default\")", "default"},
    {"no-cache", 0, FlagType::Bool, "Do not use cache when building the image"},
    {"no-cache-filter", 0, FlagType::StringSlice, "Do not cache specified stages"},
    {"output", 'o', FlagType::List, "Output destination (format: \"type=local,dest=path\")"},
    {"platform", 0, FlagType::String, "Set platform if server is multi-platform capable"},
    {"progress", 0, FlagType::String, "Set type of progress output (\"auto\", \"none\", \"plain\", \"quiet\", \"rawjson\", \"tty\")", "(default \"auto\")", "auto"},
    {"pull", 0, FlagType::Bool, "Always attempt to pull a newer version of the image"},
    {"push", 0, FlagType::Bool, "Push the image after the build"},
    {"quiet", 'q', FlagType::Bool, "Suppress the build output and print image ID on success"},
    {"rm", 0, FlagType::Bool, "Remove intermediate containers after a successful build", "(default true)", "true"},
    {"secret", 0, FlagType::List, "Secret to expose to the build (format: \"id=mysecret[,src=/local/secret]\")"},
    {"security-opt", 0, FlagType::StringSlice, "Security options"},
    {"shm-size", 0, FlagType::Bytes, "Size of \"/dev/shm\""},
    {"squash", 0, FlagType::Bool, "Squash newly built layers into a single new layer"},
    {"ssh", 0, FlagType::List, "SSH agent socket or keys to expose to the build (format: \"default|<id>[=<socket>]\")"},
    {"tag", 't', FlagType::List, "Name and optionally a tag in the \"name:tag\" format"},
    {"target", 0, FlagType::String, "Set the target build stage to build."},
    {"ulimit", 0, FlagType::Ulimit, "Ulimit options"},
};

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
    for (auto& [key, name] : {std::pair{"httpProxy", "HTTP_PROXY"}, {"httpsProxy", "HTTPS_PROXY"}, {"ftpProxy", "FTP_PROXY"}, {"noProxy", "NO_PROXY"}, {"allProxy", "ALL_PROXY"}}) {
        std::string value = proxies[key].as_string();
        if (value.empty()) continue;
        for (auto& variable : {std::string(name), to_lower(name)})
            if (!given(variable)) arguments.push_back(concat(variable, '=', value));
    }
    if (const char* epoch = ::getenv("SOURCE_DATE_EPOCH"); epoch && *epoch && !given("SOURCE_DATE_EPOCH")) arguments.push_back(concat("SOURCE_DATE_EPOCH=", std::string_view(epoch)));
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
        if (!S_ISSOCK(st.st_mode)) return invalid(concat(path, " is no agent's socket; keys themselves are not supported by this client: add them to an agent"));
        agents.set(id, path);
    }
    return agents;
}

/// What the classic API has no parameter for.
Result<void> add_extension(Invocation& call, client::Call& request) {
    auto& flags = call.flags;
    json::Object extension;
    auto secrets = TRY(read_secrets(flags.list("secret")));
    auto agents = TRY(read_agents(flags.list("ssh")));
    if (!secrets.empty()) extension.set("secrets", std::move(secrets));
    if (!agents.empty()) extension.set("ssh", std::move(agents));
    if (!flags.list("no-cache-filter").empty()) extension.set("noCacheFilter", json::Value::strings(flags.list("no-cache-filter")));
    if (!flags.list("allow").empty()) extension.set("allow", json::Value::strings(flags.list("allow")));
    if (flags.is("explain")) extension.set("explain", true);
    if (!extension.empty()) request.headers.emplace_back("X-Proa-Build", base64(json::print(extension)));
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

Result<client::Call> make_request(Invocation& call, client::Client& engine) {
    auto& flags = call.flags;
    client::Call request{.method = "POST", .path = "/build", .chunked = true, .content_type = "application/x-tar"};
    auto& query = request.query;
    auto text = [&](const char* flag, const char* name) {
        if (auto value = flags.text(flag); !value.empty()) query.emplace_back(name, value);
    };
    auto number = [&](const char* flag, const char* name) {
        if (flags.changed(flag)) query.emplace_back(name, concat(flags.integer(flag)));
    };
    for (auto& tag : flags.list("tag")) query.emplace_back("t", tag);
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
    if (!flags.list("cache-from").empty()) query.emplace_back("cachefrom", json::print(json::Value::strings(flags.list("cache-from"))));
    if (!flags.list("ulimit").empty()) query.emplace_back("ulimits", TRY(ulimits_json(flags.list("ulimit"))));
    query.emplace_back("version", "1");
    TRY(add_extension(call, request));
    return request;
}

/// Sends what `write` writes; stops early when the engine answers early.
Result<client::Connection> send_context(client::Client& engine, const client::Call& request, bool compress, const std::function<Result<void>(codec::Sink&)>& write, uint64_t& sent) {
    auto connection = TRY(engine.begin(request));
    bool answered = false;
    codec::FunctionSink sink([&](std::string_view bytes) -> Result<void> {
        auto early = os::wait_readable(connection.fd(), 0);
        if ((early && *early) || !connection.send_chunk(bytes)) {
            answered = true;
            return fail(ErrorKind::Cancelled, "the engine answered early");
        }
        sent += bytes.size();
        return {};
    });
    Result<void> written;
    if (compress) {
        GzipSink packed(sink);
        written = write(packed);
        if (written) written = packed.finish();
    } else {
        written = write(sink);
    }
    if (!written && !answered) return fail(std::move(written).error());
    if (written) (void)connection.end_chunks();
    TRY(engine.finish(connection, request));
    return connection;
}

/// Where the files come from, as the arguments and --file say.
Result<client::Connection> send_build(Invocation& call, client::Client& engine, client::Call& request, uint64_t& sent) {
    std::string source = call.arguments[0], file = call.flags.text("file");
    bool compress = call.flags.is("compress");
    bool remote = source.starts_with("http://") || source.starts_with("https://") || source.starts_with("git@") || source.starts_with("git://") || source.starts_with("ssh://") ||
                  source.starts_with("github.com/");
    if (remote) {
        request.query.emplace_back("remote", source);
        if (!file.empty()) request.query.emplace_back("dockerfile", file);
        return send_context(engine, request, false, [](codec::Sink&) { return Result<void>(); }, sent);
    }
    if (source == "-") {
        if (file == "-") return invalid("invalid argument: can't use stdin for both build context and dockerfile");
        codec::FdSource input(STDIN_FILENO);
        codec::PeekSource peeked(input);
        if (looks_like_archive(TRY(peeked.peek(512)))) {
            if (!file.empty()) request.query.emplace_back("dockerfile", file);
            return send_context(engine, request, false, [&](codec::Sink& out) -> Result<void> { TRY(codec::copy(peeked, out)); return {}; }, sent);
        }
        if (!file.empty()) return invalid("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles");
        std::string text = TRY(codec::read_all(peeked, 16 << 20));
        return send_context(engine, request, compress, [&](codec::Sink& out) { return write_dockerfile_context(text, out); }, sent);
    }
    BuildContext context;
    if (file == "-") {
        codec::FdSource input(STDIN_FILENO);
        context = TRY(build_context_with(source, TRY(codec::read_all(input, 16 << 20))));
    } else {
        context = TRY(open_build_context(source, file));
    }
    if (context.dockerfile != "Dockerfile") request.query.emplace_back("dockerfile", context.dockerfile);
    return send_context(engine, request, compress, [&](codec::Sink& out) { return write_build_context(context, out); }, sent);
}

enum class Progress { Shown, Quiet, Raw };

/// Reads the stream to its end; the image's id. An error exits with the failed command's code.
Result<std::string> follow_build(client::Connection& answer, Progress progress) {
    json::Splitter splitter;
    std::string id;
    char buffer[16384];
    while (size_t got = TRY(answer.read(buffer))) {
        for (auto& text : splitter.feed(std::string_view(buffer, got))) {
            json::Value message = TRY(json::parse(text));
            if (progress == Progress::Raw) put_error_line(text);
            if (auto& error = message["errorDetail"]; error.is_object()) {
                auto code = error["code"].as_int();
                return fail_with_code(code > 0 && code < 256 ? static_cast<int>(code) : 1, error["message"].as_string());
            }
            if (!message["error"].as_string().empty()) return fail(ErrorKind::Internal, message["error"].as_string());
            if (auto& aux = message["aux"]["ID"]; aux.is_string()) id = aux.as_string();
            if (progress != Progress::Shown) continue;
            if (auto& stream = message["stream"]; stream.is_string()) put(stream.as_string());
            else if (!message["status"].as_string().empty() && message["progressDetail"]["total"].is_null())
                put_line(concat(message["id"].as_string(), message["id"].as_string().empty() ? "" : ": ", message["status"].as_string()));
        }
    }
    return id;
}

struct Output {
    std::string type, destination;
    std::map<std::string, std::string> attributes;
};

Result<Output> parse_output(const std::string& text) {
    Output output;
    if (text.find('=') == std::string::npos) {
        output.type = text == "-" ? "tar" : "local";
        output.destination = text;
        return output;
    }
    for (auto& field : split(text, ',')) {
        auto pair = cut(field, "=");
        if (!pair) return invalid(concat("invalid value ", field));
        std::string key = to_lower(pair->first), value(pair->second);
        if (key == "type") output.type = value;
        else if (key == "dest") output.destination = value;
        else output.attributes[key] = value;
    }
    if (output.type.empty()) return invalid("type is required for output");
    static const std::vector<std::string> kTypes = {"local", "tar", "oci", "docker", "image", "registry", "cacheonly"};
    if (std::find(kTypes.begin(), kTypes.end(), output.type) == kTypes.end()) return invalid(concat("unsupported output type ", quote(output.type)));
    for (auto& [key, value] : output.attributes) {
        bool known = (key == "name" && output.type != "local" && output.type != "tar") || (key == "push" && output.type == "image") || (key == "tar" && value == "true");
        if (!known) return invalid(concat("output attribute ", key, "=", value, " of type ", output.type, " is not supported by this engine"));
    }
    if ((output.type == "local" || output.type == "oci") && output.destination.empty()) return invalid(concat("dest is required for ", output.type, " output"));
    return output;
}

/// The image's file system as a tar stream, by way of a container that never runs.
Result<void> export_files(client::Client& engine, const std::string& id, const std::function<Result<void>(client::Connection&)>& take) {
    json::Object config;
    config.set("Image", id);
    config.set("Cmd", json::Value::strings({"/"}));
    auto created = TRY(engine.json({.method = "POST", .path = "/containers/create", .body = json::Value(config)}));
    std::string container = created["Id"].as_string();
    auto taken = [&]() -> Result<void> {
        auto answer = TRY(engine.stream({.path = concat("/containers/", container, "/export")}));
        return take(answer);
    }();
    auto removed = engine.text({.method = "DELETE", .path = concat("/containers/", container), .query = {{"force", "1"}, {"v", "1"}}});
    TRY(std::move(taken));
    TRY(std::move(removed));
    return {};
}

Result<void> write_output(client::Client& engine, const Output& output, const std::string& id, const std::vector<std::string>& tags) {
    std::string destination = output.destination == "-" ? "" : output.destination;
    if (output.type == "cacheonly" || output.type == "image") return {};
    if (output.type == "docker" || output.type == "oci") {
        if (output.type == "docker" && output.destination.empty()) return {};  // it is in the store
        client::Call request{.path = "/images/get"};
        for (auto& tag : tags) request.query.emplace_back("names", tag);
        if (tags.empty()) request.query.emplace_back("names", id);
        auto answer = TRY(engine.stream(request));
        return receive_file(answer, destination);
    }
    if (output.type == "tar") return export_files(engine, id, [&](client::Connection& answer) { return receive_file(answer, destination); });
    return export_files(engine, id, [&](client::Connection& answer) { return unpack_files(answer, destination); });
}

/// `push` of one name, as that command does it.
Result<void> push_image(Invocation& call, const std::string& name, bool quiet) {
    FlagSet flags(kPush.flags);
    std::vector<std::string> words = {name}, arguments = {name};
    if (quiet) words.insert(words.begin(), "--quiet");
    TRY(flags.parse(words, true));
    Invocation push{call.session, flags, arguments, call.path};
    TRY(kPush.run(push));
    return {};
}

Result<void> write_results(Invocation& call, const std::string& id) {
    auto& flags = call.flags;
    if (auto file = flags.text("iidfile"); !file.empty()) TRY(os::replace_file(file, id, 0666 & ~022, false));
    auto file = flags.text("metadata-file");
    if (file.empty()) return {};
    json::Object metadata;
    metadata.set("containerimage.digest", id);
    metadata.set("image.name", join(flags.list("tag"), ","));
    return os::replace_file(file, json::print(metadata, json::Style{false, "  "}) + "\n", 0644, false);
}

/// The lines around a warning, as BuildKit shows them.
std::string excerpt(const std::vector<std::string>& lines, const std::string& name, int line) {
    std::string rule(20, '-');
    std::string out = concat(name, ':', line, "\n", rule, "\n");
    for (int at = std::max(1, line - 2); at <= line + 2 && at <= static_cast<int>(lines.size()); at++) {
        std::string number = concat(at);
        out += concat(std::string(number.size() < 4 ? 4 - number.size() : 0, ' '), number, " | ", at == line ? ">>> " : "    ", lines[static_cast<size_t>(at - 1)], "\n");
    }
    return out + rule + "\n";
}

/// --check: reads the Dockerfile here and builds nothing.
Result<int> check(Invocation& call) {
    std::string source = call.arguments[0], file = call.flags.text("file"), text, name = "Dockerfile";
    dockerfile::CheckInputs inputs;
    if (source == "-" || file == "-") {
        codec::FdSource input(STDIN_FILENO);
        text = TRY(codec::read_all(input, 16 << 20));
    }
    if (source != "-") {
        auto context = TRY(file == "-" ? build_context_with(source, text) : open_build_context(source, file));
        if (file != "-") text = context.has_outside ? context.outside : TRY(os::read_file(concat(context.directory, '/', context.dockerfile), 16 << 20));
        if (!context.has_outside) name = context.dockerfile;
        inputs.ignored = TRY(read_ignore_file(context));
        inputs.files = TRY(list_build_context(context));
    }
    auto report = TRY(dockerfile::check_dockerfile(TRY(dockerfile::parse(text)), inputs));
    if (report.warnings.empty()) {
        put_line("Check complete, no warnings found.");
        return 0;
    }
    put_line(concat("Check complete, ", report.warnings.size(), report.warnings.size() == 1 ? " warning has been found!" : " warnings have been found!"));
    auto lines = split(text, '\n');
    for (auto& warning : report.warnings) {
        std::string page = dockerfile::rule_page(warning.rule);
        put(concat("\nWARNING: ", warning.rule, page.empty() ? "" : " - ", page, "\n", warning.text, "\n", excerpt(lines, name, warning.line)));
    }
    return 1;
}

Result<int> build(Invocation& call) {
    auto& flags = call.flags;
    if (std::string method = flags.text("call"); flags.is("check") || method == "check") return check(call);
    else if (method != "build") return invalid(concat("call method ", quote(method), " is not supported by this client"));
    static const std::vector<std::string> kProgress = {"auto", "none", "plain", "quiet", "rawjson", "tty"};
    std::string wanted = flags.text("progress");
    if (std::find(kProgress.begin(), kProgress.end(), wanted) == kProgress.end()) return invalid(concat("invalid progress mode ", wanted));
    bool quiet = flags.is("quiet") || wanted == "quiet" || wanted == "none";
    std::vector<Output> outputs;
    for (auto& text : flags.list("output")) outputs.push_back(TRY(parse_output(text)));
    bool push = flags.is("push");
    for (auto& output : outputs) push = push || output.type == "registry" || (output.type == "image" && parse_bool(output.attributes["push"]).value_or(false));
    if (push && flags.list("tag").empty()) return invalid("tag is needed when pushing to registry");
    bool to_stdout = std::any_of(outputs.begin(), outputs.end(), [](auto& output) { return output.destination == "-"; });
    if (auto file = flags.text("iidfile"); !file.empty()) TRY(os::remove_file(file));
    client::Client& engine = *TRY(ready_engine(call));
    auto request = TRY(make_request(call, engine));
    uint64_t sent = 0;
    auto answer = TRY(send_build(call, engine, request, sent));
    auto progress = quiet || to_stdout ? Progress::Quiet : wanted == "rawjson" ? Progress::Raw : Progress::Shown;
    if (progress == Progress::Shown && sent > 0) put_line(concat("Sending build context to Docker daemon  ", human_size(static_cast<double>(sent), 4)));
    std::string id = TRY(follow_build(answer, progress));
    if (id.empty()) return fail(ErrorKind::Internal, "server did not provide an image ID");
    TRY(write_results(call, id));
    for (auto& output : outputs) TRY(write_output(engine, output, id, flags.list("tag")));
    if (push)
        for (auto& tag : flags.list("tag")) TRY(push_image(call, tag, quiet));
    if (quiet && !to_stdout) put_line(id);
    return 0;
}

const Flag kPruneFlags[] = {
    {"all", 'a', FlagType::Bool, "Remove all unused build cache, not just dangling ones"},
    {"filter", 0, FlagType::Filter, "Provide filter values (e.g. \"until=24h\")"},
    {"force", 'f', FlagType::Bool, "Do not prompt for confirmation"},
    {"keep-storage", 0, FlagType::Bytes, "Amount of disk space to keep for cache"},
};

Result<int> prune(Invocation& call) {
    auto& flags = call.flags;
    std::string_view warning = flags.is("all") ? "WARNING! This will remove all build cache." : "WARNING! This will remove all dangling build cache.";
    if (!flags.is("force") && !confirm(warning)) return 0;
    client::Client& engine = *TRY(ready_engine(call));
    client::Call request{.method = "POST", .path = "/build/prune"};
    if (flags.is("all")) request.query.emplace_back("all", "1");
    if (flags.changed("keep-storage")) request.query.emplace_back("keep-storage", concat(flags.integer("keep-storage")));
    if (auto text = client::filters_text(collect_filters(flags.list("filter"))); !text.empty()) request.query.emplace_back("filters", text);
    auto answer = TRY(engine.json(request));
    auto& deleted = answer["CachesDeleted"].as_array();
    if (!deleted.empty()) put_line("Deleted build cache objects:");
    for (auto& id : deleted) put_line(id.as_string());
    if (!deleted.empty()) put_line("");
    put_line(concat("Total:\t", human_size(answer["SpaceReclaimed"].as_double())));
    return 0;
}
}  // namespace

const Command kBuild = {"[OPTIONS] PATH | URL | -", "Build an image from a Dockerfile", kBuildFlags, exactly(1), build};
const Command kBuilderPrune = {"", "Remove build cache", kPruneFlags, kNoArguments, prune};

}  // namespace proa::cli
