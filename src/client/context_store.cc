#include "client/context_store.h"

#include <algorithm>

#include "base/text.h"
#include "client/config_file.h"
#include "os/file.h"

namespace proa::client {

namespace {
/// The certificates below contexts/tls/ID; a missing directory is none.
Result<std::map<std::string, std::map<std::string, std::string>>> load_tls(const std::string& directory) {
    std::map<std::string, std::map<std::string, std::string>> tls;
    if (!os::is_directory(directory)) return tls;
    for (auto& endpoint : TRY(os::list_directory(directory)))
        for (auto& file : TRY(os::list_directory(concat(directory, '/', endpoint))))
            tls[endpoint][file] = TRY(os::read_file(concat(directory, '/', endpoint, '/', file)));
    return tls;
}
}  // namespace

std::string Context::name() const {
    auto* found = meta.find("Name");
    return found ? found->as_string() : "";
}

std::string Context::description() const {
    auto* found = meta.find("Metadata");
    return found ? (*found)["Description"].as_string() : "";
}

const json::Value& Context::docker_endpoint() const {
    static const json::Value kNone;
    auto* found = meta.find("Endpoints");
    return found ? (*found)["docker"] : kNone;
}

Context make_context(std::string_view name, std::string_view description, std::string_view host, bool skip_tls_verify) {
    json::Object metadata, endpoint;
    if (!description.empty()) metadata.set("Description", description);
    if (!host.empty()) endpoint.set("Host", host);
    endpoint.set("SkipTLSVerify", skip_tls_verify);
    return {{{"Name", name}, {"Metadata", std::move(metadata)}, {"Endpoints", json::Object{{"docker", std::move(endpoint)}}}}, {}};
}

Result<void> check_context_name(std::string_view name) {
    auto letter_or_digit = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    auto allowed = [&](char c) { return letter_or_digit(c) || std::string_view("_.+-").find(c) != std::string_view::npos; };
    if (name.empty()) return fail(ErrorKind::InvalidArgument, "context name cannot be empty");
    if (name == "default") return fail(ErrorKind::InvalidArgument, "\"default\" is a reserved context name");
    if (name.size() < 2 || !letter_or_digit(name[0]) || !std::all_of(name.begin(), name.end(), allowed))
        return fail(ErrorKind::InvalidArgument,
                    concat("context name ", quote(name), " is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\""));
    return {};
}

std::string context_directory(const std::string& config_directory, std::string_view kind, std::string_view name) {
    return concat(config_directory, "/contexts/", kind, '/', sha256_hex(name));
}

bool context_exists(const std::string& config_directory, std::string_view name) {
    return os::exists(context_directory(config_directory, "meta", name) + "/meta.json");
}

Result<json::Value> load_context_meta(const std::string& config_directory, std::string_view name) {
    std::string path = context_directory(config_directory, "meta", name) + "/meta.json";
    auto text = os::read_file(path);
    if (!text && text.error().is(ErrorKind::NotFound))
        return fail(ErrorKind::NotFound, concat("context ", quote(name), ": context not found: open ", path, ": no such file or directory"));
    if (!text) return fail(Error(text.error()).wrap(concat("context ", quote(name))));
    json::Value meta = TRY_WRAP(concat("context ", quote(name), ": parsing ", path), json::parse(*text));
    if (!meta.is_object()) return fail(ErrorKind::InvalidArgument, concat("context ", quote(name), ": ", path, " is no JSON object"));
    return meta;
}

Result<Context> load_context(const std::string& config_directory, std::string_view name) {
    json::Value meta = TRY(load_context_meta(config_directory, name));
    return Context{meta.as_object(), TRY(load_tls(context_directory(config_directory, "tls", name)))};
}

Result<void> save_context(const std::string& config_directory, const Context& context) {
    std::string tls = context_directory(config_directory, "tls", context.name()), meta = context_directory(config_directory, "meta", context.name());
    TRY(os::remove_tree(tls));
    for (auto& [endpoint, files] : context.tls)
        for (auto& [file, bytes] : files) {
            TRY(os::make_directories(config_directory + "/contexts", 0755));
            TRY(os::make_directories(concat(tls, '/', endpoint), 0700));
            TRY(os::replace_file(concat(tls, '/', endpoint, '/', file), bytes, 0600, false));
        }
    TRY(os::make_directories(meta, 0755));
    return os::replace_file(meta + "/meta.json", json::print(context.meta, {.escape_html = true, .indent = {}}), 0644, false);
}

Result<void> remove_context(const std::string& config_directory, std::string_view name) {
    TRY(os::remove_tree(context_directory(config_directory, "meta", name)));
    return os::remove_tree(context_directory(config_directory, "tls", name));
}

Result<std::vector<Context>> list_contexts(const std::string& config_directory) {
    std::vector<Context> contexts;
    std::string directory = config_directory + "/contexts/meta";
    if (!os::is_directory(directory)) return contexts;
    for (auto& id : TRY(os::list_directory(directory))) {
        auto text = os::read_file(concat(directory, '/', id, "/meta.json"));
        auto meta = text ? json::parse(*text) : Result<json::Value>(json::Value());
        if (!meta || !meta->is_object()) continue;
        contexts.push_back({meta->as_object(), TRY(load_tls(concat(config_directory, "/contexts/tls/", id)))});
    }
    return contexts;
}

}  // namespace proa::client
