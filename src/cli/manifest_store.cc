#include "cli/manifest_store.h"

#include "base/text.h"
#include "os/file.h"

namespace proa::cli {

namespace {
std::string file_safe(const std::string& name) { return replace_all(replace_all(name, ":", "-"), "/", "_"); }
std::string folder(const std::string& config_directory, const oci::Reference& list) { return concat(config_directory, "/manifests/", file_safe(list.text())); }
}  // namespace

bool list_exists(const std::string& config_directory, const oci::Reference& list) { return os::is_directory(folder(config_directory, list)); }

Result<std::vector<ListedManifest>> read_list(const std::string& config_directory, const oci::Reference& list) {
    std::vector<ListedManifest> members;
    if (!list_exists(config_directory, list)) return members;
    std::string directory = folder(config_directory, list);
    for (auto& name : TRY(os::list_directory(directory))) {
        auto value = TRY_WRAP(concat(directory, '/', name), json::parse(TRY(os::read_file(concat(directory, '/', name)))));
        ListedManifest member{value["Ref"].as_string(), {}, from_base64(value["Raw"].as_string()).value_or("")};
        TRY_WRAP(concat(directory, '/', name), json::decode(value["Descriptor"], member.descriptor));
        members.push_back(std::move(member));
    }
    return members;
}

Result<void> keep_in_list(const std::string& config_directory, const oci::Reference& list, const ListedManifest& member) {
    std::string directory = folder(config_directory, list);
    TRY(os::make_directories(directory, 0700));
    json::Object object{{"Ref", member.name}, {"Descriptor", json::to_value(member.descriptor)}, {"Raw", base64(member.bytes)}};
    return os::replace_file(concat(directory, '/', file_safe(member.name)), json::print(json::Value(std::move(object))), 0600, false);
}

Result<void> remove_list(const std::string& config_directory, const oci::Reference& list) { return os::remove_tree(folder(config_directory, list)); }

}  // namespace proa::cli
