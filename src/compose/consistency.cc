#include "compose/consistency.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "compose/load.h"

namespace proa::compose {

namespace {
constexpr std::string_view kInvalid = ": invalid compose project";

class Consistency {
public:
    Consistency(const Context& context, const Project& project, const yaml::Node& model) : context_(context), project_(project), model_(model) {}

    Result<void> check() {
        for (auto& [name, service] : project_.services) {
            TRY(check_source(service));
            TRY(check_networks(service));
            TRY(check_dependencies(service));
            TRY(check_files(service));
            TRY(check_limits(service));
            TRY(check_watch(service));
        }
        for (auto& [name, secret] : project_.secrets)
            if (!secret.external && secret.file.empty() && secret.environment.empty() && secret.driver.empty())
                return wrong({"secrets", name}, concat("secret ", quote(name), " must declare either `file` or `environment`"));
        return check_cycles();
    }

private:
    /// The deepest node of this path that the model has.
    yaml::Mark mark(std::initializer_list<std::string_view> path) const {
        const yaml::Node* node = &model_;
        yaml::Mark found;
        for (auto key : path) {
            const yaml::Node* next = nullptr;
            for (auto& member : node->members)
                if (member.key == key) {
                    found = member.value.mark.line ? member.value.mark : member.key_mark;
                    next = &member.value;
                }
            if (!next) break;
            node = next;
        }
        return found;
    }
    Unexpected wrong(std::initializer_list<std::string_view> path, std::string text) const { return context_.fail_at(mark(path), concat(text, kInvalid)); }
    bool exists(const std::string& service) const { return project_.services.contains(service); }

    Result<void> check_source(const Service& service) {
        auto& name = service.name;
        if (!service.build && service.image.empty())
            return wrong({"services", name}, concat("service ", quote(name), " has neither an image nor a build context specified"));
        if (!service.build) return {};
        auto& build = *service.build;
        if (!build.dockerfile.empty() && !build.dockerfile_inline.empty())
            return wrong({"services", name, "build", "dockerfile_inline"},
                         concat("service ", quote(name), " declares mutualy exclusive dockerfile and dockerfile_inline"));
        for (auto& [context, from] : build.additional_contexts) {
            if (!from.starts_with("service:")) continue;
            std::string target = from.substr(8);
            auto found = project_.services.find(target);
            if (found != project_.services.end() && found->second.build) continue;
            return context_.fail_at(
                mark({"services", name, "build", "additional_contexts", context}),
                concat("service ", quote(name), found == project_.services.end() ? " declares unknown service " : " declares non-buildable service ",
                       quote(target), " as additional contexts ", context));
        }
        bool fits = build.platforms.empty() || service.platform.empty() ||
                    std::find(build.platforms.begin(), build.platforms.end(), service.platform) != build.platforms.end();
        if (!fits)
            return wrong({"services", name, "build", "platforms"}, concat("service.build.platforms MUST include service.platform ", quote(service.platform)));
        return {};
    }

    Result<void> check_networks(const Service& service) {
        auto& name = service.name;
        if (!service.network_mode.empty() && !service.networks.empty())
            return wrong({"services", name, "network_mode"}, concat("service ", name, " declares mutually exclusive `network_mode` and `networks`"));
        for (auto& [network, settings] : service.networks)
            if (!project_.networks.contains(network))
                return wrong({"services", name, "networks", network}, concat("service ", quote(name), " refers to undefined network ", network));
        return {};
    }

    Result<void> check_dependencies(const Service& service) {
        auto& name = service.name;
        if (service.healthcheck && !service.healthcheck->test.empty()) {
            auto& first = service.healthcheck->test[0];
            if (first != "CMD" && first != "CMD-SHELL" && first != "NONE")
                return context_.fail_at(mark({"services", name, "healthcheck", "test"}),
                                        "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"");
        }
        for (auto& [other, dependency] : service.depends_on) {
            if (exists(other) || (!dependency.required && project_.disabled_services.contains(other))) continue;
            return wrong({"services", name, "depends_on", other}, concat("service ", quote(name), " depends on undefined service ", quote(other)));
        }
        if (service.network_mode.starts_with("service:") && !exists(service.network_mode.substr(8))) {
            std::string other = service.network_mode.substr(8);
            return context_.fail_at(mark({"services", name, "network_mode"}),
                                    concat("service ", quote(other), " not found for network_mode 'service:", other, "'"));
        }
        return {};
    }

    Result<void> check_files(const Service& service) {
        auto& name = service.name;
        auto undefined = [&](const char* key, std::string_view what, const std::string& source) {
            return wrong({"services", name, key}, concat("service ", quote(name), " refers to undefined ", what, ' ', source));
        };
        for (auto& mount : service.volumes)
            if (mount.type == "volume" && !mount.source.empty() && !project_.volumes.contains(mount.source))
                return undefined("volumes", "volume", mount.source);
        if (service.build)
            for (auto& secret : service.build->secrets)
                if (!project_.secrets.contains(secret.source)) return undefined("build", "build secret", secret.source);
        for (auto& config : service.configs)
            if (!project_.configs.contains(config.source)) return undefined("configs", "config", config.source);
        for (auto& secret : service.secrets)
            if (!project_.secrets.contains(secret.source)) return undefined("secrets", "secret", secret.source);
        return {};
    }

    Result<void> check_limits(const Service& service) {
        auto& name = service.name;
        auto distinct = [&](const char* key, std::string_view deployed) {
            return wrong({"services", name, key}, concat("services.", name, ": can't set distinct values on '", key, "' and 'deploy.", deployed, "'"));
        };
        if (service.deploy) {
            auto& deploy = *service.deploy;
            if (service.scale && deploy.replicas && *service.scale != *deploy.replicas) return distinct("scale", "replicas");
            if (auto& limits = deploy.resources.limits) {
                if (service.cpus.value != 0 && service.cpus != limits->cpus) return distinct("cpus", "resources.limits.cpus");
                if (service.mem_limit.value != 0 && service.mem_limit != limits->memory) return distinct("mem_limit", "resources.limits.memory");
                if (service.pids_limit != 0 && service.pids_limit != limits->pids) return distinct("pids_limit", "resources.limits.pids");
            }
            if (auto& reserved = deploy.resources.reservations; reserved && service.mem_reservation.value != 0 && service.mem_reservation != reserved->memory)
                return distinct("mem_reservation", "resources.reservations.memory");
        }
        if (service.replicas() > 1 && !service.container_name.empty())
            return wrong({"services", name, "container_name"}, concat("services.", service.scale ? "scale" : "deploy.replicas",
                                                                      ": can't set container_name and ", name, " as container name must be unique"));
        return {};
    }

    Result<void> check_watch(const Service& service) {
        if (!service.develop) return {};
        for (auto& trigger : service.develop->watch)
            if (trigger.target.empty() && trigger.action != "rebuild" && trigger.action != "restart")
                return wrong({"services", service.name, "develop", "watch"},
                             concat("services.", service.name, ".develop.watch: target is required for non-rebuild actions"));
        return {};
    }

    Result<void> check_cycles() {
        std::set<std::string> done;
        for (auto& [name, service] : project_.services) {
            std::vector<std::string> path = {name};
            TRY(search_cycle(path, done));
        }
        return {};
    }
    Result<void> search_cycle(std::vector<std::string>& path, std::set<std::string>& done) {
        std::string name = path.back();
        auto found = project_.services.find(name);
        if (found == project_.services.end() || done.contains(name)) return {};
        for (auto& [other, dependency] : found->second.depends_on) {
            auto seen = std::find(path.begin(), path.end(), other);
            if (seen != path.end()) {
                std::vector<std::string> circle(seen, path.end());
                return context_.fail_at(mark({"services", name, "depends_on", other}),
                                        concat("dependency cycle detected: ", join(circle, " -> "), " -> ", other));
            }
            path.push_back(other);
            TRY(search_cycle(path, done));
            path.pop_back();
        }
        done.insert(name);
        return {};
    }

    const Context& context_;
    const Project& project_;
    const yaml::Node& model_;
};
}  // namespace

Result<void> check_consistency(const Context& context, const Project& project, const yaml::Node& model) { return Consistency(context, project, model).check(); }

}  // namespace proa::compose
