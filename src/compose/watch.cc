#include "compose/watch.h"

#include <algorithm>

#include "base/text.h"
#include "os/file.h"

namespace proa::compose {

namespace {
/// What editors write for a moment, beside the file that is meant.
const std::vector<std::string> kPassing = {"**/*~",  "**/.*.swp",        "**/.*.swpx",       "**/.*.swx",      "**/4913",           "**/.#*",
                                           "**/#*#", "**/*___jb_tmp___", "**/*___jb_old___", "**/.*.kate-swp", "**/.goutputstream*"};

const dockerfile::IgnorePatterns& passing_patterns() {
    static const dockerfile::IgnorePatterns kPatterns = *dockerfile::IgnorePatterns::of(kPassing);
    return kPatterns;
}

/// "a/b" of "/x/a/b" below "/x"; "" for the directory itself; nullopt elsewhere.
std::optional<std::string> below(const std::string& path, const std::string& directory) {
    if (path == directory) return "";
    std::string start = directory == "/" ? "/" : directory + "/";
    if (!path.starts_with(start)) return std::nullopt;
    return path.substr(start.size());
}

bool has_component(std::string_view path, std::string_view name) {
    auto parts = split_nonempty(path, '/');
    return std::find(parts.begin(), parts.end(), name) != parts.end();
}

bool synchronises(const WatchTrigger& trigger) { return trigger.action.starts_with("sync"); }

Unexpected invalid(std::string text) { return fail(ErrorKind::InvalidArgument, std::move(text)); }

Result<void> check(const Service& service, const WatchTrigger& trigger) {
    if (trigger.action == "rebuild" && !service.build)
        return invalid(concat("can't watch service ", quote(service.name), " with action rebuild without a build context"));
    if (trigger.action == "sync+exec" && trigger.exec.command.value_or(std::vector<std::string>()).empty())
        return invalid(concat("can't watch service ", quote(service.name), " with action sync+exec without a command"));
    return {};
}

bool is_mounted(const Service& service, const std::string& path) {
    for (auto& mount : service.volumes)
        if (mount.type == "bind" && !mount.source.empty() && below(path, os::clean_path(mount.source))) return true;
    return false;
}

/// The ignore file that a build of the service reads: <Dockerfile>.dockerignore, else .dockerignore.
Result<dockerfile::IgnorePatterns> build_patterns(const BuildConfig& build) {
    std::string name = build.dockerfile.empty() ? "Dockerfile" : build.dockerfile;
    std::string file = name.starts_with('/') ? name : os::join_path(build.context, name);
    Result<std::string> text =
        build.dockerfile_inline.empty() ? os::read_file(file + ".dockerignore", 16 << 20) : Result<std::string>(fail(ErrorKind::NotFound, ""));
    if (!text) text = os::read_file(os::join_path(build.context, ".dockerignore"), 16 << 20);
    if (!text) return dockerfile::IgnorePatterns();
    return dockerfile::IgnorePatterns::parse(*text);
}
}  // namespace

Result<WatchRules> WatchRules::of(const Project& project, const std::vector<std::string>& services) {
    WatchRules rules;
    bool configured = false;
    for (auto& [name, service] : project.services) {
        bool selected = services.empty() || std::find(services.begin(), services.end(), name) != services.end();
        if (!selected || !service.develop || service.develop->watch.empty()) continue;
        configured = true;
        if (service.build && service.build->context.starts_with('/'))
            rules.contexts_[name] = {os::clean_path(service.build->context), TRY(build_patterns(*service.build))};
        for (auto& trigger : service.develop->watch) {
            TRY(check(service, trigger));
            if (synchronises(trigger) && is_mounted(service, trigger.path)) {
                rules.warnings_.push_back(concat("path '", trigger.path, "' also declared by a bind mount volume, this path won't be monitored!"));
                continue;
            }
            auto where = [&] { return concat("service ", quote(name), ": develop.watch of ", trigger.path); };
            Rule rule{name, &trigger, TRY_WRAP(where(), dockerfile::IgnorePatterns::of(trigger.ignore)),
                      TRY_WRAP(where(), dockerfile::IgnorePatterns::of(trigger.include))};
            rules.rules_.push_back(std::move(rule));
        }
    }
    if (!configured) return invalid("none of the selected services is configured for watch, consider setting an 'develop' section");
    return rules;
}

std::set<std::string> WatchRules::services() const {
    std::set<std::string> names;
    for (auto& rule : rules_) names.insert(rule.service);
    return names;
}

std::vector<std::string> WatchRules::paths() const {
    std::set<std::string> all, top;
    for (auto& rule : rules_) all.insert(rule.trigger->path);
    for (auto& path : all)
        if (std::none_of(all.begin(), all.end(), [&](auto& other) { return other != path && below(path, other); })) top.insert(path);
    return {top.begin(), top.end()};
}

bool WatchRules::wants(const Rule& rule, const std::string& path) const {
    auto name = below(path, rule.trigger->path);
    if (!name) return false;
    if (has_component(*name, ".git") || passing_patterns().excludes(path.substr(1))) return false;
    if (auto context = contexts_.find(rule.service); context != contexts_.end())
        if (auto inside = below(path, context->second.directory); inside && !inside->empty() && context->second.ignore.excludes(*inside)) return false;
    if (name->empty()) return true;
    return !rule.ignore.excludes(*name) && (rule.include.empty() || rule.include.excludes(*name));
}

bool WatchRules::hides(const Rule& rule, const std::string& directory) const {
    auto name = below(directory, rule.trigger->path);
    if (!name) return !below(rule.trigger->path, directory);
    if (name->empty()) return false;
    if (has_component(*name, ".git")) return true;
    if (rule.ignore.excludes(*name) && !rule.ignore.may_include_below(*name)) return true;
    auto context = contexts_.find(rule.service);
    if (context == contexts_.end()) return false;
    auto inside = below(directory, context->second.directory);
    return inside && !inside->empty() && context->second.ignore.excludes(*inside) && !context->second.ignore.may_include_below(*inside);
}

bool WatchRules::skips(const std::string& directory) const {
    return std::all_of(rules_.begin(), rules_.end(), [&](auto& rule) { return hides(rule, directory); });
}

void WatchRules::add(const Rule& rule, const std::string& path, WatchWork& work) const {
    auto& trigger = *rule.trigger;
    if (synchronises(trigger)) work.sync[rule.service].insert({path, os::join_path(trigger.target, *below(path, trigger.path))});
    if (trigger.action == "rebuild") work.rebuild.insert(rule.service);
    if (trigger.action == "restart" || trigger.action == "sync+restart") work.restart.insert(rule.service);
    if (trigger.action != "sync+exec") return;
    auto& hooks = work.exec[rule.service];
    if (std::find(hooks.begin(), hooks.end(), &trigger.exec) == hooks.end()) hooks.push_back(&trigger.exec);
}

WatchWork WatchRules::work_for(const std::set<std::string>& changed) const {
    WatchWork work;
    for (auto& path : changed)
        for (auto& rule : rules_)
            if (wants(rule, path)) add(rule, path, work);
    return work;
}

WatchWork WatchRules::initial_work(const std::set<std::string>& there) const {
    WatchWork work;
    for (auto& path : there)
        for (auto& rule : rules_)
            if (rule.trigger->initial_sync && synchronises(*rule.trigger) && wants(rule, path))
                work.sync[rule.service].insert({path, os::join_path(rule.trigger->target, *below(path, rule.trigger->path))});
    return work;
}

}  // namespace proa::compose
