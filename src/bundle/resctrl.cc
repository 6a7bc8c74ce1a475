#include "bundle/resctrl.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "bundle/config.h"
#include "os/file.h"

namespace proa::bundle {

namespace {
const std::string kRoot = "/sys/fs/resctrl";

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    for (auto& line : split_nonempty(text, '\n'))
        if (auto word = trim(line); !word.empty()) lines.emplace_back(word);
    return lines;
}

/// The lines to write. Spec: MB lines of l3CacheSchema give way to memBwSchema; schemata comes last.
std::vector<std::string> schema_of(const json::Value& rdt) {
    std::vector<std::string> schema;
    for (auto& line : lines_of(rdt["l3CacheSchema"].as_string()))
        if (rdt["memBwSchema"].as_string().empty() || !line.starts_with("MB:")) schema.push_back(line);
    for (auto& line : lines_of(rdt["memBwSchema"].as_string())) schema.push_back(line);
    for (auto& text : string_list(rdt["schemata"]))
        for (auto& line : lines_of(text)) schema.push_back(line);
    return schema;
}

/// "L3:0=f;1=0f" and "L3:1=f;0=f" mean the same.
std::string normal(std::string_view line) {
    auto pair = cut(line, ":");
    if (!pair) return std::string(line);
    auto domains = split_nonempty(pair->second, ';');
    for (auto& domain : domains) {
        auto parts = cut(domain, "=");
        if (!parts) continue;
        auto value = trim(parts->second);
        while (value.size() > 1 && value[0] == '0') value.remove_prefix(1);
        domain = concat(trim(parts->first), '=', value);
    }
    std::sort(domains.begin(), domains.end());
    return concat(trim(pair->first), ':', join(domains, ";"));
}

Result<void> check_equal(const std::vector<std::string>& wanted, const std::string& directory) {
    auto have = lines_of(TRY(os::read_file(directory + "/schemata", 1 << 20)));
    for (auto& line : have) line = normal(line);
    for (auto& line : wanted)
        if (std::find(have.begin(), have.end(), normal(line)) == have.end())
            return fail(ErrorKind::Conflict, concat("linux.intelRdt: ", directory, " exists with another schema than ", quote(line)));
    return {};
}

Result<void> write_schema(const std::string& directory, const std::vector<std::string>& schema) {
    if (schema.empty()) return {};
    auto written = os::write_file(directory + "/schemata", join(schema, "\n") + "\n");
    if (written) return {};
    auto why = os::read_file(kRoot + "/info/last_cmd_status", 4096);
    return fail(
        std::move(written).error().wrap(concat("linux.intelRdt", why && !trim(*why).empty() && trim(*why) != "ok" ? concat(" (", trim(*why), ')') : "")));
}

bool is_own_name(std::string_view name) {
    return name != "." && name != ".." && name != "info" && name != "mon_groups" && name != "mon_data" && name.find('/') == name.npos;
}
}  // namespace

bool has_resctrl() { return os::is_directory(kRoot + "/info"); }

Result<ResourceClass> resource_class_of(const json::Value& rdt, const std::string& container_id) {
    ResourceClass wanted;
    if (!rdt.is_object() || rdt.as_object().empty()) return wanted;
    if (!has_resctrl()) return fail(ErrorKind::Unsupported, concat("linux.intelRdt cannot be set: no resctrl file system is mounted on ", kRoot));
    const std::string& name = rdt["closID"].as_string();
    auto schema = schema_of(rdt);
    if (name == "/") {
        wanted.directory = kRoot;
    } else {
        if (!is_own_name(name)) return fail(ErrorKind::InvalidArgument, concat("linux.intelRdt.closID: invalid name ", quote(name)));
        wanted.directory = concat(kRoot, '/', name.empty() ? container_id : name);
    }
    bool exists = os::is_directory(wanted.directory);
    if (!name.empty() && schema.empty() && !exists)
        return fail(ErrorKind::NotFound, concat("linux.intelRdt: there is no class ", wanted.directory, ", and no schema to make it with"));
    if (!name.empty() && exists) TRY(check_equal(schema, wanted.directory));
    wanted.made = !exists;
    if (rdt["enableMonitoring"].as_bool()) wanted.monitor = concat(wanted.directory, "/mon_groups/", container_id);
    return wanted;
}

Result<void> enter_resource_class(const ResourceClass& wanted, const json::Value& rdt) {
    if (wanted.directory.empty()) return {};
    if (wanted.made) {
        TRY_WRAP("linux.intelRdt", os::make_directory(wanted.directory, 0755));
        TRY(write_schema(wanted.directory, schema_of(rdt)));
    }
    if (!wanted.monitor.empty()) TRY_WRAP("linux.intelRdt.enableMonitoring", os::make_directory(wanted.monitor, 0755));
    return join_resource_class(wanted);
}

Result<void> join_resource_class(const ResourceClass& there) {
    if (there.directory.empty()) return {};
    TRY_WRAP("linux.intelRdt", os::write_file(there.directory + "/tasks", concat(::getpid(), '\n')));
    if (!there.monitor.empty()) TRY_WRAP("linux.intelRdt", os::write_file(there.monitor + "/tasks", concat(::getpid(), '\n')));
    return {};
}

Result<void> change_schema(const ResourceClass& there, const std::string& l3_cache, const std::string& memory_bandwidth) {
    if (there.directory.empty()) return fail(ErrorKind::InvalidArgument, "the container has no linux.intelRdt class whose schema could be changed");
    return write_schema(there.directory, schema_of(json::Object{{"l3CacheSchema", l3_cache}, {"memBwSchema", memory_bandwidth}}));
}

Result<void> remove_resource_class(const ResourceClass& made) {
    for (auto& directory : {made.monitor, made.made ? made.directory : std::string()})
        if (!directory.empty() && ::rmdir(directory.c_str()) < 0 && errno != ENOENT) return fail_errno("remove", directory);
    return {};
}

}  // namespace proa::bundle
