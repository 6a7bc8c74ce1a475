#include "container/cdi.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "codec/json/value.h"
#include "codec/yaml/parse.h"
#include "codec/yaml/to_json.h"
#include "os/file.h"

namespace proa::container {

namespace {

struct Spec {
    std::string kind;
    json::Value document;
};

/// JSON, or YAML of one document.
Result<json::Value> read_document(const std::string& path) {
    std::string text = TRY(os::read_file(path, 4 << 20));
    if (path.ends_with(".json")) return json::parse(text);
    auto documents = TRY(yaml::parse(text));
    if (documents.size() != 1) return fail(ErrorKind::InvalidArgument, concat("it holds ", documents.size(), " documents instead of one"));
    return yaml::to_json(documents[0]);
}

std::vector<Spec> read_specs(const std::vector<std::string>& directories) {
    std::vector<Spec> specs;
    for (auto& directory : directories) {
        auto names = os::list_directory(directory);
        for (auto& name : names.value_or(std::vector<std::string>())) {
            if (!name.ends_with(".json") && !name.ends_with(".yaml") && !name.ends_with(".yml")) continue;
            auto document = read_document(os::join_path(directory, name));
            if (!document || !document->is_object() || (*document)["kind"].as_string().empty()) {
                log::warn(concat("CDI file ", directory, '/', name, " is left out: ", document ? "it names no kind" : document.error().message()));
                continue;
            }
            specs.push_back({(*document)["kind"].as_string(), std::move(*document)});
        }
    }
    return specs;
}

Result<void> add_node(runtime::Plan& plan, const json::Value& node) {
    std::string path = node["path"].as_string(), host = node["hostPath"].as_string();
    if (host.empty()) host = path;
    if (!path.starts_with('/')) return fail(ErrorKind::InvalidArgument, concat("device node ", quote(path), " has no absolute path"));
    runtime::Device device;
    device.path = path;
    std::string type = node["type"].as_string();
    auto found = os::status(host);
    if (found) {
        device.mode = found->st_mode & 07777;
        device.uid = found->st_uid;
        device.gid = found->st_gid;
    }
    if (type.empty() || (type != "p" && node["major"].as_int() == 0 && node["minor"].as_int() == 0)) {
        struct stat st = TRY(std::move(found));
        if (!S_ISBLK(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) return fail(ErrorKind::InvalidArgument, concat(host, " is no device"));
        device.type = S_ISBLK(st.st_mode) ? 'b' : S_ISFIFO(st.st_mode) ? 'p' : 'c';
        device.major = major(st.st_rdev);
        device.minor = minor(st.st_rdev);
    } else {
        device.type = type == "u" ? 'c' : type[0];
        device.major = static_cast<uint32_t>(node["major"].as_int());
        device.minor = static_cast<uint32_t>(node["minor"].as_int());
    }
    if (node["fileMode"].is_number()) device.mode = static_cast<uint32_t>(node["fileMode"].as_int());
    if (node["uid"].is_number()) device.uid = static_cast<uint32_t>(node["uid"].as_int());
    if (node["gid"].is_number()) device.gid = static_cast<uint32_t>(node["gid"].as_int());
    std::erase_if(plan.devices, [&](auto& other) { return other.path == device.path; });
    std::string access = node["permissions"].as_string();
    if (device.type != 'p') plan.limits.devices.push_back(cgroup::DeviceRule{true, device.type, device.major, device.minor, access.empty() ? "rwm" : access});
    plan.devices.push_back(std::move(device));
    return {};
}

Result<void> add_mount(runtime::Plan& plan, const json::Value& entry) {
    runtime::Mount mount;
    mount.source = entry["hostPath"].as_string();
    mount.destination = entry["containerPath"].as_string();
    if (!mount.source.starts_with('/') || !mount.destination.starts_with('/')) return fail(ErrorKind::InvalidArgument, "a mount needs hostPath and containerPath");
    mount.type = "bind";
    mount.flags = MS_BIND;
    mount.propagation = runtime::Propagation::RecursivePrivate;
    struct Flag {
        std::string_view name;
        uint64_t flag;
    };
    static constexpr Flag kFlags[] = {{"ro", MS_RDONLY}, {"nosuid", MS_NOSUID}, {"nodev", MS_NODEV}, {"noexec", MS_NOEXEC}, {"rbind", MS_REC}, {"bind", 0}, {"rw", 0}, {"private", 0}, {"rprivate", 0}};
    for (auto& option : entry["options"].as_array()) {
        auto flag = std::find_if(std::begin(kFlags), std::end(kFlags), [&](auto& known) { return known.name == option.as_string(); });
        if (flag == std::end(kFlags)) return fail(ErrorKind::Unsupported, concat("mount option ", quote(option.as_string()), " is not supported"));
        mount.flags |= flag->flag;
    }
    std::erase_if(plan.mounts, [&](auto& other) { return other.destination == mount.destination; });
    plan.mounts.push_back(std::move(mount));
    return {};
}

Result<void> add_hook(runtime::Plan& plan, const json::Value& entry) {
    runtime::Hook hook;
    hook.path = entry["path"].as_string();
    if (!hook.path.starts_with('/')) return fail(ErrorKind::InvalidArgument, concat("hook ", quote(hook.path), " has no absolute path"));
    for (auto& word : entry["args"].as_array()) hook.args.push_back(word.as_string());
    for (auto& word : entry["env"].as_array()) hook.env.push_back(word.as_string());
    hook.timeout_seconds = static_cast<int32_t>(entry["timeout"].as_int());
    auto& name = entry["hookName"].as_string();
    auto* list = name == "prestart" ? &plan.prestart_hooks : name == "createRuntime" ? &plan.create_runtime_hooks : name == "createContainer" ? &plan.create_container_hooks
               : name == "startContainer" ? &plan.start_container_hooks : name == "poststart" ? &plan.poststart_hooks : name == "poststop" ? &plan.poststop_hooks : nullptr;
    if (!list) return fail(ErrorKind::InvalidArgument, concat("unknown hook ", quote(name)));
    list->push_back(std::move(hook));
    return {};
}

Result<void> add_edits(runtime::Plan& plan, const json::Value& edits) {
    if (!edits.is_object()) return {};
    if (edits["intelRdt"].is_object()) return fail(ErrorKind::Unsupported, "intelRdt is not supported");
    for (auto& entry : edits["env"].as_array()) {
        std::string text = entry.as_string(), prefix = text.substr(0, text.find('=') + 1);
        std::erase_if(plan.process.env, [&](auto& other) { return !prefix.empty() && other.starts_with(prefix); });
        plan.process.env.push_back(std::move(text));
    }
    for (auto& node : edits["deviceNodes"].as_array()) TRY(add_node(plan, node));
    for (auto& entry : edits["mounts"].as_array()) TRY(add_mount(plan, entry));
    for (auto& entry : edits["hooks"].as_array()) TRY(add_hook(plan, entry));
    for (auto& gid : edits["additionalGids"].as_array())
        if (gid.as_int() > 0) plan.process.additional_gids.push_back(static_cast<uint32_t>(gid.as_int()));
    return {};
}

const json::Value* find_device(const Spec& spec, std::string_view name) {
    for (auto& device : spec.document["devices"].as_array())
        if (device["name"].as_string() == name) return &device;
    return nullptr;
}

}  // namespace

bool has_cdi_kind(const std::string& kind, const std::vector<std::string>& directories) {
    auto specs = read_specs(directories);
    return std::any_of(specs.begin(), specs.end(), [&](auto& spec) { return spec.kind == kind; });
}

Result<void> inject_cdi_devices(runtime::Plan& plan, const std::vector<std::string>& names, const std::vector<std::string>& directories) {
    auto specs = read_specs(directories);
    std::vector<std::string> missing;
    std::vector<const Spec*> used;
    for (auto& full : names) {
        auto parts = cut(full, "=");
        const Spec* holder = nullptr;
        const json::Value* device = nullptr;
        for (auto& spec : specs) {
            if (!parts || spec.kind != parts->first) continue;
            if (auto* found = find_device(spec, parts->second)) holder = &spec, device = found;
        }
        if (!device) {
            missing.push_back(full);
            continue;
        }
        if (std::find(used.begin(), used.end(), holder) == used.end()) {
            used.push_back(holder);
            TRY_WRAP(concat("CDI device injection failed: ", full), add_edits(plan, holder->document["containerEdits"]));
        }
        TRY_WRAP(concat("CDI device injection failed: ", full), add_edits(plan, (*device)["containerEdits"]));
    }
    if (!missing.empty()) return fail(ErrorKind::InvalidArgument, concat("CDI device injection failed: unresolvable CDI devices ", join(missing, ", ")));
    return {};
}

}  // namespace proa::container
