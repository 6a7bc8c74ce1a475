#include "base/text.h"
#include "cli/commands.h"
#include "os/file.h"

namespace proa::cli {

namespace {
#define ENDPOINT_HELP                                                          \
    "\n\nDocker endpoint config:\n\n"                                          \
    "NAME                DESCRIPTION\n"                                        \
    "from                Copy named context's Docker endpoint configuration\n" \
    "host                Docker endpoint on which to connect\n"                \
    "ca                  Trust certs signed only by this CA\n"                 \
    "cert                Path to TLS certificate file\n"                       \
    "key                 Path to TLS key file\n"                               \
    "skip-tls-verify     Skip TLS certificate validation\n\nExample:\n\n$ docker context "
#define ENDPOINT_EXAMPLE " my-context --description \"some description\" --docker \"host=tcp://myserver:2376,ca=~/ca-file,cert=~/cert-file,key=~/key-file\""

const Flag kCreateFlags[] = {
    {"description", 0, FlagType::String, "Description of the context"},
    {"docker", 0, FlagType::StringToString, "set the docker endpoint", "(default [])"},
    {"from", 0, FlagType::String, "create context from a named context"},
};
const Flag kUpdateFlags[] = {
    {"description", 0, FlagType::String, "Description of the context"},
    {"docker", 0, FlagType::StringToString, "set the docker endpoint", "(default [])"},
};

/// `context` gets the endpoint that --docker describes.
Result<void> set_endpoint(Session& session, const std::vector<std::string>& items, client::Context& context) {
    auto invalid = [](std::string why) { return fail(ErrorKind::InvalidArgument, "unable to create docker endpoint config: " + why); };
    std::map<std::string, std::string> given;
    for (auto& item : items) {
        auto parts = *cut(item, "=");
        std::string key(parts.first);
        bool known = false;
        for (auto name : {"from", "host", "ca", "cert", "key", "skip-tls-verify"}) known |= key == name;
        if (!known) return invalid("unrecognized config key: " + key);
        given[key] = parts.second;
    }
    if (!given["from"].empty()) {
        auto source = session.context(given["from"]);
        if (!source) return invalid(source.error().message());
        context.meta["Endpoints"].object().set("docker", source->docker_endpoint());
        context.tls["docker"] = source->tls["docker"];
        if (context.tls["docker"].empty()) context.tls.erase("docker");
        return {};
    }
    bool skip = false;
    if (auto& text = given["skip-tls-verify"]; !text.empty()) {
        auto value = parse_bool(text);
        if (!value) return invalid(concat("skip-tls-verify: parsing ", quote(text), ": invalid syntax"));
        skip = *value;
    }
    std::map<std::string, std::string> files;
    for (auto& [key, name] : {std::pair("ca", "ca.pem"), std::pair("cert", "cert.pem"), std::pair("key", "key.pem")}) {
        if (given[key].empty()) continue;
        auto bytes = os::read_file(given[key]);
        if (!bytes && bytes.error().is(ErrorKind::NotFound)) return invalid(concat("open ", given[key], ": no such file or directory"));
        if (!bytes) return invalid(bytes.error().message());
        files[name] = std::move(*bytes);
    }
    if (given["host"].starts_with("ssh://"))
        if (auto address = client::SshAddress::parse(given["host"]); !address) return invalid(address.error().message());
    if (auto ca = files.find("ca.pem"); ca != files.end() && ca->second.find("-----BEGIN CERTIFICATE-----") == std::string::npos)
        return invalid("invalid docker endpoint options: failed to retrieve context tls info: ca.pem seems invalid");
    auto fresh = client::make_context("", "", given["host"], skip);
    context.meta["Endpoints"].object().set("docker", fresh.docker_endpoint());
    context.tls.erase("docker");
    if (!files.empty()) context.tls["docker"] = std::move(files);
    return {};
}

Result<int> create(Invocation& call) {
    auto& name = call.arguments[0];
    auto& directory = call.session.config().directory;
    std::string from = call.flags.text("from");
    TRY(client::check_context_name(name));
    if (client::context_exists(directory, name)) return fail(ErrorKind::Conflict, concat("context ", quote(name), " already exists"));
    client::Context context = client::make_context(name, "", "", false);
    if (!from.empty() && call.flags.changed("docker")) return fail(ErrorKind::InvalidArgument, "cannot use --docker flag when --from is set");
    if (call.flags.changed("docker")) {
        TRY(set_endpoint(call.session, call.flags.list("docker"), context));
    } else {
        bool current = from.empty();
        if (current) from = TRY(call.session.context_name());
        context = TRY(call.session.context(from));
        context.meta.set("Name", name);
        if (current && from == "default") context.meta["Metadata"].object().set("Description", "Current DOCKER_HOST based configuration");
    }
    if (call.flags.changed("description")) context.meta["Metadata"].object().set("Description", call.flags.text("description"));
    TRY(client::save_context(directory, context));
    put_line(name);
    put_error_line(concat("Successfully created context ", quote(name)));
    return 0;
}

Result<int> update(Invocation& call) {
    auto& name = call.arguments[0];
    auto& directory = call.session.config().directory;
    TRY(client::check_context_name(name));
    client::Context context = TRY(client::load_context(directory, name));
    if (call.flags.changed("description")) context.meta["Metadata"].object().set("Description", call.flags.text("description"));
    if (call.flags.changed("docker")) TRY(set_endpoint(call.session, call.flags.list("docker"), context));
    TRY(client::save_context(directory, context));
    put_line(name);
    put_error_line(concat("Successfully updated context ", quote(name)));
    return 0;
}
}  // namespace

const Command kContextCreate = {
    "[OPTIONS] CONTEXT", "Create a context", kCreateFlags, exactly(1), create, true, "Create a context" ENDPOINT_HELP "create" ENDPOINT_EXAMPLE};
const Command kContextUpdate = {
    "[OPTIONS] CONTEXT", "Update a context", kUpdateFlags, exactly(1), update, true, "Update a context" ENDPOINT_HELP "update" ENDPOINT_EXAMPLE};

}  // namespace proa::cli
