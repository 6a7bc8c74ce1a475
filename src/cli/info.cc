#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/inspect_output.h"
#include "cli/units.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {{"format", 'f', FlagType::String, kInspectFormatHelp}};

/// The server's half of the text, line by line.
class ServerText {
public:
    explicit ServerText(const json::Value& info) : info_(info) {}

    std::string text() {
        counts();
        plugins();
        swarm_and_runtimes();
        security();
        machine();
        settings();
        return std::move(out_);
    }

private:
    const std::string& at(std::string_view key) const { return info_[key].as_string(); }
    template <class... Pieces>
    void line(const Pieces&... pieces) {
        out_ += concat(" ", pieces..., "\n");
    }
    void line_if(std::string_view title, const std::string& value) {
        if (!value.empty()) line(title, ": ", value);
    }
    static std::string joined(const json::Value& items) {
        std::vector<std::string> words;
        for (auto& item : items.as_array()) words.push_back(item.as_string());
        return join(words, " ");
    }

    void counts() {
        line("Containers: ", info_["Containers"].as_int());
        line(" Running: ", info_["ContainersRunning"].as_int());
        line(" Paused: ", info_["ContainersPaused"].as_int());
        line(" Stopped: ", info_["ContainersStopped"].as_int());
        line("Images: ", info_["Images"].as_int());
        line_if("Server Version", at("ServerVersion"));
        line_if("Storage Driver", at("Driver"));
        for (auto& pair : info_["DriverStatus"].as_array())
            if (pair.as_array().size() == 2) line(" ", pair.as_array()[0].as_string(), ": ", pair.as_array()[1].as_string());
        line_if("Logging Driver", at("LoggingDriver"));
        line_if("Cgroup Driver", at("CgroupDriver"));
        line_if("Cgroup Version", at("CgroupVersion"));
    }

    void plugins() {
        auto& plugins = info_["Plugins"];
        line("Plugins:");
        line(" Volume: ", joined(plugins["Volume"]));
        line(" Network: ", joined(plugins["Network"]));
        if (!plugins["Authorization"].as_array().empty()) line(" Authorization: ", joined(plugins["Authorization"]));
        line(" Log: ", joined(plugins["Log"]));
        list("CDI spec directories", info_["CDISpecDirs"]);
        if (auto& devices = info_["DiscoveredDevices"].as_array(); !devices.empty()) {
            line("Discovered Devices:");
            for (auto& device : devices) line(" ", device["Source"].as_string(), ": ", device["ID"].as_string());
        }
    }

    void list(std::string_view title, const json::Value& items) {
        if (items.as_array().empty()) return;
        line(title, ":");
        for (auto& item : items.as_array()) line(" ", item.as_string());
    }

    void swarm_and_runtimes() {
        auto& swarm = info_["Swarm"];
        line("Swarm: ", swarm["LocalNodeState"].as_string());
        if (swarm["LocalNodeState"].as_string() != "inactive" && !swarm["NodeID"].as_string().empty()) {
            line(" NodeID: ", swarm["NodeID"].as_string());
            line_if(" Error", swarm["Error"].as_string());
            line(" Is Manager: ", swarm["ControlAvailable"].as_bool());
            line(" Node Address: ", swarm["NodeAddr"].as_string());
        }
        std::vector<std::string> runtimes;
        for (auto& member : info_["Runtimes"].as_object()) runtimes.push_back(member.name);
        std::sort(runtimes.begin(), runtimes.end());
        if (!runtimes.empty()) {
            line("Runtimes: ", join(runtimes, " "));
            line("Default Runtime: ", at("DefaultRuntime"));
        }
        if (at("OSType") != "linux") return;
        line("Init Binary: ", at("InitBinary"));
        commit("containerd", info_["ContainerdCommit"]);
        commit("runc", info_["RuncCommit"]);
        commit("init", info_["InitCommit"]);
    }

    void commit(std::string_view name, const json::Value& value) {
        const std::string &id = value["ID"].as_string(), &expected = value["Expected"].as_string();
        line(name, " version: ", id, !expected.empty() && expected != id ? concat(" (expected: ", expected, ")") : "");
    }

    void security() {
        auto& options = info_["SecurityOptions"].as_array();
        if (options.empty() || at("OSType") != "linux") return;
        line("Security Options:");
        for (auto& option : options) {
            std::string name;
            std::vector<std::string> rest;
            for (auto& field : split(option.as_string(), ',')) {
                auto parts = cut(field, "=");
                if (!parts) {
                    name = field;  // an old daemon's bare name
                    continue;
                }
                if (parts->first == "name") name = parts->second;
                else if (parts->first == "profile") rest.push_back(concat("Profile: ", parts->second));
                else rest.push_back(concat(parts->first, ": ", parts->second));
            }
            line(" ", name);
            for (auto& text : rest) line("  ", text);
        }
    }

    void machine() {
        line("Kernel Version: ", at("KernelVersion"));
        line("Operating System: ", at("OperatingSystem"));
        line("OSType: ", at("OSType"));
        line("Architecture: ", at("Architecture"));
        line("CPUs: ", info_["NCPU"].as_int());
        line("Total Memory: ", binary_size(info_["MemTotal"].as_double()));
        line_if("Name", at("Name"));
        line_if("ID", at("ID"));
        line("Docker Root Dir: ", at("DockerRootDir"));
        line("Debug Mode: ", info_["Debug"].as_bool());
        if (info_["Debug"].as_bool()) {
            line(" File Descriptors: ", info_["NFd"].as_int());
            line(" Goroutines: ", info_["NGoroutines"].as_int());
            line(" System Time: ", at("SystemTime"));
            line(" EventsListeners: ", info_["NEventsListener"].as_int());
        }
    }

    void settings() {
        line_if("HTTP Proxy", at("HttpProxy"));
        line_if("HTTPS Proxy", at("HttpsProxy"));
        line_if("No Proxy", at("NoProxy"));
        list("Labels", info_["Labels"]);
        line("Experimental: ", info_["ExperimentalBuild"].as_bool());
        auto& registry = info_["RegistryConfig"];
        std::vector<std::string> insecure;
        for (auto& member : registry["IndexConfigs"].as_object())
            if (!member.value["Secure"].as_bool()) insecure.push_back(member.name);
        for (auto& network : registry["InsecureRegistryCIDRs"].as_array()) insecure.push_back(network.as_string());
        if (!insecure.empty()) line("Insecure Registries:");
        for (auto& name : insecure) line(" ", name);
        list("Registry Mirrors", registry["Mirrors"]);
        line("Live Restore Enabled: ", info_["LiveRestoreEnabled"].as_bool());
        line_if("Product License", at("ProductLicense"));
        if (auto& pools = info_["DefaultAddressPools"].as_array(); !pools.empty()) {
            line("Default Address Pools:");
            for (auto& pool : pools) line("  Base: ", pool["Base"].as_string(), ", Size: ", pool["Size"].as_int());
        }
        if (auto& firewall = info_["FirewallBackend"]; !firewall["Driver"].as_string().empty()) {
            line("Firewall Backend: ", firewall["Driver"].as_string());
            for (auto& pair : firewall["Info"].as_array())
                if (pair.as_array().size() == 2) line("  ", pair.as_array()[0].as_string(), ": ", pair.as_array()[1].as_string());
        }
    }

    const json::Value& info_;
    std::string out_;
};

json::Object client_info(Session& session, const std::string& context) {
    return {{"Debug", session.globals().is("debug")}, {"Platform", json::Object{{"Name", "Proa"}}}, {"Version", PROA_VERSION},
            {"DefaultAPIVersion", std::string(client::kApiVersion)}, {"GitCommit", concat("proa-", PROA_RELEASE)}, {"GoVersion", "none"},
            {"Os", "linux"}, {"Arch", "amd64"}, {"BuildTime", PROA_BUILD_TIME}, {"Context", context}, {"Plugins", json::Array()}, {"Warnings", json::Value()}};
}

Result<int> run(Invocation& call) {
    std::string format = call.flags.text("format");
    std::optional<Template> parsed;
    if (!format.empty()) parsed = TRY(parse_object_format(format));
    auto choice = TRY(call.session.endpoint());
    client::Client& engine = *TRY(call.session.engine());
    auto agreed = engine.negotiate();
    auto answer = agreed ? engine.json({.path = "/info"}) : Result<json::Value>(fail(agreed.error()));
    json::Object client = client_info(call.session, choice.context);
    if (parsed) {
        json::Value whole = answer ? std::move(*answer) : json::Value(json::Object());
        whole.object().set("ClientInfo", client);
        if (answer) {
            auto text = print_object(*parsed, whole, "system.dockerInfo");
            put_line(text.value_or(""));
            if (!text) return fail(text.error());
            return 0;
        }
        put("\n");
        return fail(answer.error());
    }
    put(concat("Client: Proa\n Version:    ", PROA_VERSION, "\n Context:    ", choice.context, "\n Debug Mode: ", call.session.globals().is("debug"), "\n\nServer:\n"));
    if (!answer) return fail(answer.error());
    put(ServerText(*answer).text() + "\n");
    for (auto& warning : (*answer)["Warnings"].as_array()) put_error_line(warning.as_string());
    return 0;
}
}  // namespace

const Command kInfo = {"[OPTIONS]", "Display system-wide information", kFlags, kNoArguments, run};

}  // namespace proa::cli
