#include "compose/output.h"

#include <algorithm>

#include "base/text.h"
#include "codec/yaml/print.h"

namespace proa::compose {

namespace {
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0x80; }

/// How yaml.v3 sorts keys: numbers inside by their value, letters behind other characters.
bool key_less(const std::string& a, const std::string& b) {
    bool digits = false;
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
        if (a[i] == b[i]) {
            digits = is_digit(a[i]);
            continue;
        }
        bool a_letter = is_letter(a[i]), b_letter = is_letter(b[i]);
        if (a_letter && b_letter) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[i]);
        if (a_letter || b_letter) return digits ? a_letter : b_letter;
        uint64_t a_number = 0, b_number = 0;
        if (a[i] == '0' || b[i] == '0')
            for (size_t j = i; j > 0 && is_digit(a[j - 1]); --j)
                if (a[j - 1] != '0') {
                    a_number = b_number = 1;
                    break;
                }
        size_t a_end = i, b_end = i;
        for (; a_end < a.size() && is_digit(a[a_end]); ++a_end) a_number = a_number * 10 + static_cast<uint64_t>(a[a_end] - '0');
        for (; b_end < b.size() && is_digit(b[b_end]); ++b_end) b_number = b_number * 10 + static_cast<uint64_t>(b[b_end] - '0');
        if (a_number != b_number) return a_number < b_number;
        if (a_end != b_end) return a_end < b_end;
        return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[i]);
    }
    return a.size() < b.size();
}

void sort_keys(json::Object& object) {
    std::stable_sort(object.begin(), object.end(), [](auto& a, auto& b) { return key_less(a.name, b.name); });
}

void sort_all(json::Value& value) {
    if (value.is_array())
        for (auto& item : value.array()) sort_all(item);
    if (!value.is_object()) return;
    for (auto& member : value.object()) sort_all(member.value);
    sort_keys(value.object());
}

/// Members whose keys are the user's; all other mappings are structs and keep their order.
bool has_user_keys(std::string_view name) {
    static constexpr std::string_view kNames[] = {"annotations", "labels", "sysctls", "storage_opt", "additional_contexts", "options", "driver_opts", "environment",
                                                  "args", "depends_on", "networks", "ulimits", "aux_addresses"};
    return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

/// An encoded struct as YAML shows it: without empty structs and unset commands, extensions behind the other members.
void shape_struct(json::Object& object) {
    for (auto& member : object)
        if (member.name == "ssh") {
            json::Array keys;  // compose's own form, which reads as one text
            for (auto& key : member.value.as_object()) keys.emplace_back(key.value.is_string() ? concat(key.name, ": ", key.value.as_string()) : key.name);
            member.value = std::move(keys);
        } else if (member.name == "ulimits") {
            for (auto& limit : member.value.object())
                if (limit.value.is_object()) limit.value = json::Object{{"soft", limit.value["soft"].as_int()}, {"hard", limit.value["hard"].as_int()}};
            sort_keys(member.value.object());
        } else if (has_user_keys(member.name) && member.value.is_object()) {
            for (auto& entry : member.value.object())
                if (entry.value.is_object()) shape_struct(entry.value.object());
            sort_keys(member.value.object());
        } else if (member.name == "#extensions") {
            sort_all(member.value);
        } else if (member.value.is_object()) {
            shape_struct(member.value.object());
        } else if (member.value.is_array()) {
            for (auto& item : member.value.array())
                if (item.is_object()) shape_struct(item.object());
        }
    json::Object shaped;
    for (auto& member : object) {
        bool struct_with_nothing = member.value.is_object() && member.value.as_object().empty() &&
                                   (member.name == "exec" || member.name == "resources" || member.name == "placement" || member.name == "ipam");
        bool unset = member.value.is_null() && (member.name == "command" || member.name == "entrypoint");
        if (struct_with_nothing || unset) continue;
        if (member.name == "#extensions") {
            for (auto& extension : member.value.as_object()) shaped.set(extension.name, extension.value);
            continue;
        }
        std::string name = member.name == "Path" ? "path" : member.name == "Weight" ? "weight" : member.name == "Rate" ? "rate" : member.name;
        shaped.set(name, std::move(member.value));
    }
    object = std::move(shaped);
}

/// What is read from elsewhere is not shown; the file says where from.
std::map<std::string, FileObject> without_read_content(std::map<std::string, FileObject> objects, bool secrets) {
    for (auto& [name, object] : objects)
        if (secrets || !object.environment.empty()) object.content.clear();
    return objects;
}

template <class T>
void add_section(json::Object& tree, const char* name, const std::map<std::string, T>& entries, bool always = false) {
    if (always || !entries.empty()) tree.set(name, json::to_value(entries));
}

json::Object sections_of(const Project& project) {
    json::Object tree;
    if (!project.name.empty()) tree.set("name", project.name);
    add_section(tree, "services", project.services, true);
    add_section(tree, "networks", project.networks);
    add_section(tree, "volumes", project.volumes);
    add_section(tree, "secrets", without_read_content(project.secrets, true));
    add_section(tree, "configs", without_read_content(project.configs, false));
    return tree;
}

/// SSH keys have no JSON form of their own; this one is what `build.ssh` takes.
void list_ssh_keys(json::Value& value) {
    if (value.is_array())
        for (auto& item : value.array()) list_ssh_keys(item);
    if (!value.is_object()) return;
    for (auto& member : value.object()) list_ssh_keys(member.value);
    json::Value* build = value.object().find("build");
    json::Value* ssh = build && build->is_object() ? build->object().find("ssh") : nullptr;
    if (!ssh || !ssh->is_object()) return;
    json::Array keys;
    for (auto& key : ssh->as_object()) keys.emplace_back(key.value.is_string() ? concat(key.name, '=', key.value.as_string()) : key.name);
    *ssh = std::move(keys);
}

void sort_bytewise(json::Value& value) {
    if (value.is_array())
        for (auto& item : value.array()) sort_bytewise(item);
    if (!value.is_object()) return;
    for (auto& member : value.object()) sort_bytewise(member.value);
    value.object().sort();
}
}  // namespace

void drop_extensions(json::Value& tree) {
    if (tree.is_array())
        for (auto& item : tree.array()) drop_extensions(item);
    if (!tree.is_object()) return;
    tree.object().erase("#extensions");
    for (auto& member : tree.object()) drop_extensions(member.value);
}

std::string project_yaml(const Project& project) {
    json::Object tree = sections_of(project);
    for (auto& section : tree) {
        if (!section.value.is_object()) continue;
        for (auto& entry : section.value.object()) shape_struct(entry.value.object());
        sort_keys(section.value.object());
    }
    json::Value extensions = project.extensions;
    sort_all(extensions);
    for (auto& member : extensions.as_object()) tree.set(member.name, member.value);
    return yaml::print(json::Value(std::move(tree)));
}

std::string project_json(const Project& project) {
    json::Value tree(sections_of(project));
    drop_extensions(tree);
    list_ssh_keys(tree);
    json::Value extensions = project.extensions;
    sort_bytewise(extensions);
    for (auto& member : extensions.as_object()) tree.object().set(member.name, member.value);
    tree.object().sort();
    return json::print(tree, {.escape_html = true, .indent = "  "});
}

std::string tree_yaml(json::Value tree) {
    sort_all(tree);
    return yaml::print(tree);
}

std::string tree_json(json::Value tree) {
    sort_bytewise(tree);
    return json::print(tree, {.escape_html = true, .indent = "  "});
}

}  // namespace proa::compose
