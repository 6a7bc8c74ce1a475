#include "cgroup/layout.h"

#include <algorithm>

#include "base/text.h"
#include "os/file.h"

namespace proa::cgroup {

bool Hierarchy::has(std::string_view controller) const {
    return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

const Hierarchy* Layout::find(std::string_view controller) const {
    for (auto& hierarchy : hierarchies)
        if (!hierarchy.unified && hierarchy.has(controller)) return &hierarchy;
    for (auto& hierarchy : hierarchies)
        if (hierarchy.unified && hierarchy.has(controller)) return &hierarchy;
    return nullptr;
}

const Hierarchy* Layout::unified() const {
    for (auto& hierarchy : hierarchies)
        if (hierarchy.unified) return &hierarchy;
    return nullptr;
}

namespace {
/// Undoes the octal escapes (\040) of mountinfo.
std::string unescape(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            if (auto code = parse_uint(text.substr(i + 1, 3), 8)) {
                out.push_back(static_cast<char>(*code));
                i += 3;
                continue;
            }
        }
        out.push_back(text[i]);
    }
    return out;
}

/// The controllers among the super block options of a v1 hierarchy.
std::vector<std::string> controllers_of(std::string_view options) {
    std::vector<std::string> controllers;
    for (auto& option : split_nonempty(options, ',')) {
        bool plain = option == "rw" || option == "ro" || option == "xattr" || option == "clone_children" || option == "noprefix" ||
                     option == "favordynmods" || option == "nofavordynmods" || option == "cpuset_v2_mode" || option == "none" ||
                     option == "seclabel" || option == "relatime" || option.starts_with("release_agent=");
        if (!plain) controllers.push_back(option);
    }
    return controllers;
}
}  // namespace

Result<Layout> parse_layout(std::string_view mountinfo) {
    Layout layout;
    for (auto& line : split_nonempty(mountinfo, '\n')) {
        auto sides = cut(line, " - ");
        if (!sides) continue;
        auto mount = split_fields(sides->first);
        auto filesystem = split_fields(sides->second);
        if (mount.size() < 6 || filesystem.size() < 3) continue;
        bool unified = filesystem[0] == "cgroup2";
        if (!unified && filesystem[0] != "cgroup") continue;
        Hierarchy hierarchy;
        hierarchy.mount_point = unescape(mount[4]);
        hierarchy.unified = unified;
        if (!unified) hierarchy.controllers = controllers_of(filesystem[2]);
        bool known = std::any_of(layout.hierarchies.begin(), layout.hierarchies.end(), [&](const Hierarchy& other) {
            return other.unified == unified && other.controllers == hierarchy.controllers;
        });
        if (!known) layout.hierarchies.push_back(std::move(hierarchy));
    }
    if (layout.hierarchies.empty())
        return fail(ErrorKind::Unsupported, "no cgroup file system is mounted (expected cgroup2 on /sys/fs/cgroup)");
    bool v1 = std::any_of(layout.hierarchies.begin(), layout.hierarchies.end(), [](auto& h) { return !h.unified; });
    layout.version = !v1 ? Version::V2 : layout.unified() ? Version::Hybrid : Version::V1;
    return layout;
}

Result<const Layout*> layout() {
    static const Result<Layout> kLayout = []() -> Result<Layout> {
        Layout found = TRY(parse_layout(TRY(os::read_file("/proc/self/mountinfo"))));
        for (auto& hierarchy : found.hierarchies)
            if (hierarchy.unified)
                if (auto text = os::read_file(hierarchy.mount_point + "/cgroup.controllers")) hierarchy.controllers = split_fields(*text);
        return found;
    }();
    if (!kLayout) return fail(kLayout.error());
    return &*kLayout;
}

std::string path_in_hierarchy(std::string_view proc_cgroup, const Hierarchy& hierarchy) {
    for (auto& line : split_nonempty(proc_cgroup, '\n')) {
        auto number = cut(line, ":");
        auto rest = number ? cut(number->second, ":") : std::nullopt;
        if (!rest) continue;
        if (hierarchy.unified ? number->first == "0" : split(rest->first, ',') == hierarchy.controllers) return std::string(rest->second);
    }
    return "/";
}

}  // namespace proa::cgroup
