#include <sys/utsname.h>

#include "base/text.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/inspect_output.h"
#include "cli/table.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {{"format", 'f', FlagType::String, kInspectFormatHelp}};

/// "Fri May 30 12:07:14 2025", as Go's time.ANSIC prints; other texts stay.
std::string ansi_time(const std::string& text) {
    auto time = parse_rfc3339(text);
    if (!time) return text;
    time_t seconds = time->seconds;
    tm parts{};
    ::gmtime_r(&seconds, &parts);
    char buffer[64];
    strftime(buffer, sizeof buffer, "%a %b %e %H:%M:%S %Y", &parts);
    return buffer;
}

json::Object client_part(const std::string& version, const std::string& context) {
    return {{"Platform", json::Object{{"Name", "Proa"}}},
            {"Version", PROA_VERSION},
            {"ApiVersion", version},
            {"DefaultAPIVersion", std::string(client::kApiVersion)},
            {"GitCommit", concat("proa-", PROA_RELEASE)},
            {"GoVersion", "none"},
            {"Os", "linux"},
            {"Arch", "amd64"},
            {"BuildTime", ansi_time(PROA_BUILD_TIME)},
            {"Context", context}};
}

std::string client_text(const json::Object& client) {
    json::Value value(client);
    std::string api = value["ApiVersion"].as_string();
    if (api != client::kApiVersion) api += concat(" (downgraded from ", client::kApiVersion, ")");
    return concat("Client: ", value["Platform"]["Name"].as_string(), "\n Version:\t", value["Version"].as_string(), "\n API version:\t", api,
                  "\n Git commit:\t", value["GitCommit"].as_string(), "\n Built:\t", value["BuildTime"].as_string(), "\n OS/Arch:\t", value["Os"].as_string(), "/", value["Arch"].as_string(),
                  "\n Context:\t", value["Context"].as_string(), "\n");
}

std::string component_text(const json::Value& component) {
    auto& details = component["Details"];
    auto text = [&](std::string_view key) { return details[key].as_string(); };
    if (component["Name"].as_string() == "Engine") {
        std::string out = concat(" Engine:\n  Version:\t", component["Version"].as_string(), "\n  API version:\t", text("ApiVersion"),
                                 " (minimum version ", text("MinAPIVersion"), ")\n  Go version:\t", text("GoVersion"), "\n  Git commit:\t",
                                 text("GitCommit"), "\n  Built:\t", ansi_time(text("BuildTime")), "\n  OS/Arch:\t", text("Os"), "/", text("Arch"),
                                 "\n  Experimental:\t", text("Experimental"), "\n");
        return out;
    }
    std::string out = concat(' ', component["Name"].as_string(), ":\n  Version:\t", component["Version"].as_string(), "\n");
    json::Object sorted = details.as_object();
    sorted.sort();
    for (auto& member : sorted) out += concat("  ", member.name, ":\t", member.value.as_string(), "\n");
    return out;
}

/// Servers before components had names list their facts at the top.
json::Value components_of(const json::Value& server) {
    if (!server["Components"].as_array().empty()) return server["Components"];
    json::Object details{{"ApiVersion", server["ApiVersion"]},   {"MinAPIVersion", server["MinAPIVersion"]}, {"GitCommit", server["GitCommit"]},
                         {"GoVersion", server["GoVersion"]},     {"Os", server["Os"]},                       {"Arch", server["Arch"]},
                         {"BuildTime", server["BuildTime"]},     {"Experimental", server["Experimental"].as_bool() ? "true" : "false"}};
    return json::Array{json::Object{{"Name", "Engine"}, {"Version", server["Version"]}, {"Details", std::move(details)}}};
}

std::string server_text(const json::Value& server) {
    std::string name = server["Platform"]["Name"].as_string();
    std::string out = concat("\nServer:", name.empty() ? "" : " ", name, "\n");
    json::Value components = components_of(server);
    for (auto& component : components.as_array()) out += component_text(component);
    return out;
}

Result<int> run(Invocation& call) {
    std::string format = call.flags.text("format");
    std::optional<Template> parsed;
    if (!format.empty()) parsed = TRY(parse_object_format(format, "version"));
    auto choice = TRY(call.session.endpoint());
    client::Client& engine = *TRY(call.session.engine());
    json::Value server;
    auto agreed = engine.negotiate();
    auto answer = agreed ? engine.json(client::Call{.path = "/version"}) : Result<json::Value>(fail(agreed.error()));
    if (answer) server = std::move(*answer);
    for (auto& component : server.object()["Components"].array())
        if (auto* details = component.object().find("Details"); details && !(*details)["BuildTime"].as_string().empty())
            details->object().set("BuildTime", ansi_time((*details)["BuildTime"].as_string()));
    if (!answer) server = json::Value();
    json::Object client = client_part(engine.version(), choice.context);
    if (parsed) {
        if (!answer && format != "json") server = json::Object{{"Platform", json::Object{{"Name", ""}}}, {"Version", ""}, {"ApiVersion", ""}, {"MinAPIVersion", ""},
                                           {"GitCommit", ""}, {"GoVersion", ""}, {"Os", ""}, {"Arch", ""}, {"KernelVersion", ""}, {"BuildTime", ""}};
        json::Object both{{"Client", client}, {"Server", server}};
        auto text = print_object(*parsed, json::Value(std::move(both)), "system.clientVersion");
        put_line(text.value_or(""));
        if (!text) return fail(text.error());
    } else {
        std::string text = client_text(client);
        if (answer) text += server_text(server);
        put(align_columns(text, 20, 1));
    }
    if (!answer) return fail(answer.error());
    return 0;
}
}  // namespace

const Command kVersion = {"[OPTIONS]", "Show the version information", kFlags, kNoArguments, run};

}  // namespace proa::cli
