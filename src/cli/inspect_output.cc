#include "cli/inspect_output.h"

#include <algorithm>

#include "base/text.h"
#include "base/time.h"
#include "cli/command.h"

namespace proa::cli {

namespace {
bool contains(std::initializer_list<std::string_view> names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Shapes of Docker's API types as far as their JSON text does not show them.
class InspectTypes : public TemplateTypes {
public:
    bool is_map(std::string_view path) const override {
        if (path.ends_with("LogConfig.Config")) return true;
        return contains({"Labels", "Volumes", "ExposedPorts", "PortBindings", "Ports", "Networks", "DriverOpts", "Options", "Data", "Sysctls", "Tmpfs",
                         "StorageOpt", "Annotations", "Containers", "Runtimes", "IndexConfigs", "Details", "AuxiliaryAddresses"},
                        last_of(path));
    }
    std::string null_text(std::string_view path) const override {
        if (is_map(path)) return "map[]";
        std::string_view key = last_of(path);
        if (contains({"MemorySwappiness", "PidsLimit", "OomKillDisable", "Init", "Health", "Healthcheck", "StopTimeout", "IPAMConfig", "SizeRw",
                      "SizeRootFs", "ContainerIDFile", "UsageData", "ClusterVolume", "Server", "Platform", "Descriptor", "Status", "Cluster"},
                     key))
            return "<nil>";
        return "[]";
    }
    std::optional<json::Value> absent_field(std::string_view owner, std::string_view field) const override {
        if (contains({"Health", "Healthcheck", "StopTimeout", "Init", "SizeRw", "SizeRootFs", "ImageManifestDescriptor", "Descriptor", "UsageData",
                      "Status", "ClusterVolume", "Platform"}, field))
            return last_of(owner) == "State" && field != "Health" ? std::nullopt : std::optional<json::Value>(json::Value());
        if (contains({"Shell", "Mounts", "OnBuild", "ExposedPorts", "Annotations", "StorageOpt", "Tmpfs", "Sysctls", "Volumes", "Labels", "Options", "Manifests"}, field)) return json::Value();
        if (contains({"MacAddress", "StopSignal", "Variant", "OsVersion", "Runtime", "Name", "Driver", "Parent", "DockerVersion", "Comment", "Author", "Container", "Consistency"}, field)) return json::Value("");
        if (contains({"ArgsEscaped", "NetworkDisabled", "ReadOnly", "EnableIPv4"}, field)) return json::Value(false);
        if (contains({"GwPriority", "VirtualSize", "KernelMemory", "KernelMemoryTCP"}, field)) return json::Value(static_cast<int64_t>(0));
        return std::nullopt;
    }
    std::optional<std::string> own_text(std::string_view path, const json::Value& value) const override {
        bool duration = path.find("Healthcheck.") != path.npos && value.is_integer() && last_of(path) != "Retries";
        if (duration) return duration_text(value.as_int());
        bool time = (path == "Created" && created_is_time) || path.ends_with("Health.Log[].Start") || path.ends_with("Health.Log[].End");
        if (time && value.is_string()) return go_time_text(value.as_string());
        return std::nullopt;
    }
    std::string left_out(std::string_view path, const json::Value& object) const override {
        return path == "State" && !object.as_object().find("Health") ? " <nil>" : "";
    }
    bool ignores_case() const override { return true; }

    bool created_is_time = false;  ///< networks: Created is a time.Time, elsewhere a text

private:
    static std::string_view last_of(std::string_view path) { return path.substr(path.rfind('.') == path.npos ? 0 : path.rfind('.') + 1); }
};

/// The top-level keys that only networks have.
bool is_network(const json::Value& object) { return object.as_object().find("IPAM") && object.as_object().find("Scope"); }

class ObjectTypes final : public InspectTypes {
public:
    explicit ObjectTypes(std::string_view type) : type_(type) {}
    std::string missing_field(std::string_view field) const override { return concat("can't evaluate field ", field, " in type ", type_); }

private:
    std::string type_;
};

void indent_json(std::string& out, const json::Value& value) {
    std::string text = json::print(value, {.escape_html = false, .indent = "    "});
    out += replace_all(text, "\n", "\n    ");
}
}  // namespace

std::string go_time_text(const std::string& text) {
    auto parsed = parse_rfc3339(text);
    if (!parsed) return text;
    std::string utc = rfc3339_nano(*parsed);
    utc.pop_back();
    return replace_all(utc, "T", " ") + " +0000 UTC";
}

Result<Template> parse_object_format(std::string_view format, std::string_view name) {
    auto parsed = Template::parse(format == "json" ? "{{json .}}" : format, name);
    if (!parsed) return fail_with_code(64, concat("template parsing error: ", parsed.error().message()));
    return parsed;
}

Result<std::string> print_object(const Template& parsed, const json::Value& object, std::string_view go_type) {
    ObjectTypes types(go_type);
    return parsed.execute({object, &types, {}, false});
}

Result<std::string> print_inspected(const std::vector<std::string>& texts, std::string_view format) {
    if (format.empty()) {
        if (texts.empty()) return std::string("[]\n");
        std::string out = "[\n";
        for (size_t i = 0; i < texts.size(); i++) {
            out += i > 0 ? ",\n    " : "    ";
            indent_json(out, TRY(json::parse(texts[i])));
        }
        return out + "\n]\n";
    }
    if (format == "json") {
        std::string out = "[";
        for (size_t i = 0; i < texts.size(); i++) out += concat(i > 0 ? "," : "", trim(texts[i]));
        return out + "]\n";
    }
    Template parsed = TRY(parse_object_format(format));
    std::string out;
    for (auto& text : texts) {
        json::Value object = TRY(json::parse(text));
        InspectTypes types;
        types.created_is_time = is_network(object);
        auto line = parsed.execute({object, &types, {}, false});
        if (!line) return fail(ErrorKind::InvalidArgument, concat("template parsing error: ", line.error().message()));
        out += *line + "\n";
    }
    return out;
}

}  // namespace proa::cli
