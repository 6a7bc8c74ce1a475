#include "compose/wait.h"

#include <time.h>

#include "base/text.h"
#include "base/time.h"
#include "client/containers.h"
#include "compose/parallel.h"

namespace proa::compose {

namespace {
constexpr int64_t kFirstPause = 5'000'000, kLongestPause = 200'000'000, kProbation = 500'000'000;  // nanoseconds

/// Whether the container meets the condition. Errors: Conflict when it never will.
/// `running_or_healthy` wants one without a health check to have lived for a moment: a program that fails at once is no running service.
Result<bool> meets(const json::Value& inspect, const std::string& condition, const std::string& service) {
    std::string_view name = trim_prefix(inspect["Name"].as_string(), "/");
    auto& state = inspect["State"];
    const std::string& status = state["Status"].as_string();
    int64_t code = state["ExitCode"].as_int();
    auto exited = [&] { return fail(ErrorKind::Conflict, concat("container ", name, " exited (", code, ")")); };
    bool over = status == "exited" || status == "dead";
    if (condition == "service_completed_successfully") {
        if (!over) return false;
        if (code != 0) return fail(ErrorKind::Conflict, concat("service ", quote(service), " didn't complete successfully: exit ", code));
        return true;
    }
    const std::string& health = state["Health"]["Status"].as_string();
    bool checked = !health.empty() && health != "none";
    if (condition == "running_or_healthy") {
        if (over && code == 0 && !checked) return true;
        if (over) return exited();
        if (!checked) {
            auto began = parse_rfc3339(state["StartedAt"].as_string());
            return status == "running" && (!began || now().unix_nano() - began->unix_nano() > kProbation);
        }
    } else {
        if (over) return exited();
        if (!checked && status == "running") return fail(ErrorKind::Conflict, concat("container ", name, " has no healthcheck configured"));
    }
    if (health == "unhealthy") return fail(ErrorKind::Conflict, concat("container ", name, " is unhealthy"));
    return health == "healthy";
}

void pause(int64_t nanoseconds) {
    timespec time{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    ::nanosleep(&time, nullptr);
}

Result<void> wait_for_container(Work& work, const std::string& service, const ProjectContainer& container, const std::string& condition, int64_t deadline) {
    std::string subject = subject_of(container.name);
    working(work.report, subject, "Waiting");
    for (int64_t next = kFirstPause;; next = std::min(next * 2, kLongestPause)) {
        auto met = [&]() -> Result<bool> {
            auto engine = TRY(work.engines.take());
            return meets(TRY(client::inspect_container(*engine, container.id)), condition, service);
        }();
        if (met && !*met && deadline != 0 && monotonic_nanoseconds() > deadline) met = fail(ErrorKind::Unavailable, "application not healthy after the time that --wait-timeout gives");
        if (!met) {
            failed(work.report, subject, met.error().message());
            return fail(met.error());
        }
        if (*met) break;
        pause(next);
    }
    done(work.report, subject, condition == "service_completed_successfully" ? "Exited" : "Healthy");
    return {};
}
}  // namespace

std::vector<Dependency> dependencies_of(const Service& service) {
    std::vector<Dependency> list;
    for (auto& [name, dependency] : service.depends_on) list.push_back({name, dependency.condition, dependency.required});
    return list;
}

Result<void> wait_for_condition(Work& work, const std::string& service, const std::vector<ProjectContainer>& containers, const std::string& condition, int64_t deadline) {
    if (condition == "service_started" || condition.empty()) return {};
    return run_parallel(containers.size(), 0, [&](size_t index) { return wait_for_container(work, service, containers[index], condition, deadline); });
}

Result<void> wait_for_dependencies(Work& work, const std::vector<Dependency>& dependencies,
                                   const std::function<std::vector<ProjectContainer>(const std::string& service)>& containers_of, int64_t deadline) {
    return run_parallel(dependencies.size(), 0, [&](size_t index) -> Result<void> {
        auto& dependency = dependencies[index];
        auto containers = containers_of(dependency.service);
        if (containers.empty()) return {};  // scaled to nothing, or optional and not active
        auto waited = wait_for_condition(work, dependency.service, containers, dependency.condition, deadline);
        if (waited) return {};
        if (!dependency.required) {
            work.report({concat("Service ", dependency.service), concat("optional dependency failed: ", waited.error().message()), ProgressEvent::State::Warning, {}});
            return {};
        }
        if (dependency.condition == "service_completed_successfully") return waited;
        return fail(Error(waited.error()).wrap("dependency failed to start"));
    });
}

}  // namespace proa::compose
