#include "compose/paths.h"

#include <cstdlib>
#include <filesystem>

#include "base/text.h"
#include "os/file.h"

namespace proa::compose {

namespace {
using yaml::Node;

bool is_windows_absolute(std::string_view path) {
    return path.starts_with("\\\\") || (path.size() > 2 && std::isalpha(static_cast<unsigned char>(path[0])) && path[1] == ':' && (path[2] == '\\' || path[2] == '/'));
}

std::string absolute(const std::string& base, std::string_view written) {
    std::string path = expand_home(written);
    if (path.empty() || path[0] == '/' || is_windows_absolute(path)) return path;
    return os::join_path(base, path);
}

bool is_remote_context(std::string_view text) {
    if (text.find("://") != text.npos || text.starts_with("service:")) return true;
    for (std::string_view prefix : {"github.com/", "git@"})
        if (text.starts_with(prefix)) return true;
    return false;
}

void resolve_text(Node* node, const std::string& base) {
    if (node && node->is_text() && !node->text.empty()) node->text = absolute(base, node->text);
}
void resolve_context(Node& node, const std::string& base) {
    if (node.is_text() && !is_remote_context(node.text)) resolve_text(&node, base);
}

/// A watched path is compared with what the kernel reports, so symbolic links in it are followed.
void resolve_watched(Node* node, const std::string& base) {
    resolve_text(node, base);
    if (!node || !node->is_text()) return;
    std::string known;
    for (auto& part : split_nonempty(node->text, '/')) {
        known += "/" + part;
        auto status = os::link_status(known);
        if (!status) return;
        if (!S_ISLNK(status->st_mode)) continue;
        std::error_code error;
        auto target = std::filesystem::canonical(known, error);
        if (!error) node->text = target.string() + node->text.substr(known.size());
        return;
    }
}

Result<void> resolve_service(const Context& context, Node& service, const std::string& base) {
    if (Node* build = service.find("build")) {
        if (Node* where = build->find("context")) resolve_context(*where, base);
        if (Node* others = build->find("additional_contexts"))
            for (auto& member : others->members) resolve_context(member.value, base);
        if (Node* ssh = build->find("ssh"))
            for (auto& member : ssh->members) resolve_text(&member.value, base);
    }
    if (Node* files = service.find("env_file"))
        for (auto& file : files->items) resolve_text(file.find("path"), base);
    if (Node* files = service.find("label_file"))
        for (auto& file : files->items) resolve_text(&file, base);
    if (Node* extends = service.find("extends")) resolve_text(extends->find("file"), base);
    Node* develop = service.find("develop");
    if (Node* watch = develop ? develop->find("watch") : nullptr)
        for (auto& trigger : watch->items) resolve_watched(trigger.find("path"), base);
    if (Node* mounts = service.find("volumes"))
        for (auto& mount : mounts->items) {
            if (mount.text_at("type") != "bind") continue;
            if (!mount.find("source"))
                return context.fail_at(mount.mark, "invalid mount config for type \"bind\": field Source must not be empty");
            resolve_text(mount.find("source"), base);
        }
    return {};
}

void resolve_volume(Node& volume, const std::string& base) {
    Node* options = volume.find("driver_opts");
    if (options && volume.text_at("driver") == "local" && options->text_at("o") == "bind") resolve_text(options->find("device"), base);
}
}  // namespace

std::string expand_home(std::string_view path) {
    const char* home = path.starts_with('~') ? ::getenv("HOME") : nullptr;
    return home && *home ? os::join_path(home, path.substr(1)) : std::string(path);
}

std::string relative_path(std::string_view base, std::string_view target) {
    auto from = split_nonempty(os::clean_path(base), '/'), to = split_nonempty(os::clean_path(target), '/');
    size_t same = 0;
    while (same < from.size() && same < to.size() && from[same] == to[same]) ++same;
    std::vector<std::string> parts(from.size() - same, "..");
    parts.insert(parts.end(), to.begin() + static_cast<std::ptrdiff_t>(same), to.end());
    return parts.empty() ? "." : join(parts, "/");
}

Result<void> resolve_paths(const Context& context, Node& model, const std::string& base) {
    if (Node* services = model.find("services"))
        for (auto& member : services->members) TRY(resolve_service(context, member.value, base));
    for (auto* section : {"configs", "secrets"})
        if (Node* objects = model.find(section))
            for (auto& member : objects->members) resolve_text(member.value.find("file"), base);
    if (Node* volumes = model.find("volumes"))
        for (auto& member : volumes->members) resolve_volume(member.value, base);
    return {};
}

}  // namespace proa::compose
