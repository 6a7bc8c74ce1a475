#include "compose/rolling.h"

#include <algorithm>
#include <time.h>

#include "base/text.h"
#include "base/time.h"
#include "client/containers.h"
#include "compose/load.h"

namespace proa::compose {

namespace {
constexpr int64_t kTrial = 2'000'000'000;  // how long a container without a health check must run
constexpr int64_t kDrain = 1'000'000'000;  // what was begun with the old container may end, and who looked its name up may connect

/// Why two containers of the service cannot run side by side; "" when they can.
std::string obstacle(const Service& service, const RollingWays& ways) {
    for (auto& port : service.ports)
        if (!ways.takes_over && !port.published.empty() && port.published.find('-') == std::string::npos) return concat("it publishes the fixed port ", port.published);
    for (auto& [key, network] : service.networks)
        if (network && (!network->ipv4_address.empty() || !network->ipv6_address.empty() || !network->mac_address.empty())) return "it has a fixed address";
    if (!service.mac_address.empty()) return "it has a fixed address";
    if (service.network_mode == "host") return "it uses the host's network";
    return "";
}

std::vector<ContainerStep> replacements(const ServicePlan& plan) {
    std::vector<ContainerStep> steps;
    for (auto& step : plan.steps)
        if (step.action == ContainerStep::Action::Recreate) steps.push_back(step);
    return steps;
}

void pause_for(int64_t nanoseconds) {
    timespec pause{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    ::nanosleep(&pause, nullptr);
}

/// The aliases of a container by network, as an inspection shows them.
json::Value aliases_of(const json::Value& container) {
    json::Object aliases;
    for (auto& network : container["NetworkSettings"]["Networks"].as_object()) aliases.set(network.name, network.value["Aliases"].is_array() ? network.value["Aliases"] : json::Value(json::Array()));
    return json::Value(std::move(aliases));
}

/// Ports of one kind of binding list that the other has not, or has otherwise.
std::vector<std::string> differing(const json::Value& ports, const json::Value& others) {
    std::vector<std::string> names;
    for (auto& port : ports.as_object())
        if (json::print(port.value) != json::print(others[port.name])) names.push_back(port.name);
    return names;
}

/// One service's update: what has been replaced so far, so that it can be taken back.
class ServiceRoll {
public:
    ServiceRoll(Work& work, const Project& project, Observed& observed, const Service& service, const UpOptions& options, const RollingWays& ways)
        : work_(work), project_(project), observed_(observed), service_(service), options_(options), ways_(ways) {}

    Result<void> run(const std::vector<ContainerStep>& steps) {
        for (auto& step : steps) {
            auto replaced = replace(step);
            if (replaced) continue;
            std::string problem = replaced.error().message();
            for (size_t i = done_.size(); i-- > 0;)
                if (auto back = take_back(done_[i]); !back) problem += concat("; and ", done_[i].name, " could not be taken back: ", back.error().message());
            return fail(ErrorKind::Conflict, concat("service ", quote(service_.name), ": rolled back: ", problem));
        }
        return run_parallel(done_.size(), work_.limit, [&](size_t index) -> Result<void> {
            auto engine = TRY(work_.engines.take());
            return client::remove_container(*engine, done_[index].old.id, true, false, false);
        });
    }

private:
    struct Replaced {
        std::string name, new_id;
        ProjectContainer old;
        json::Value before;  ///< the old one's inspection
    };

    Result<void> replace(const ContainerStep& step) {
        auto found = std::find_if(observed_.containers.begin(), observed_.containers.end(), [&](auto& each) { return each.id == step.id; });
        ProjectContainer old = *found;
        std::string subject = subject_of(step.name);
        working(work_.report, subject, "Updating");
        ContainerTraits traits{.name = step.name, .first_name = concat(old.id.substr(0, 12), '_', step.name), .number = step.number};
        traits.hidden = ways_.takes_over;
        if (options_.inherit_volumes) traits.inherited = old.summary["Mounts"];
        if (auto image = observed_.images.find(image_name(project_, service_)); image != observed_.images.end()) {
            traits.image_id = image->second.id;
            traits.image_volumes = image->second.volumes;
        }
        auto find = [&](const std::string& name) { return observed_.of_service(name); };
        auto id = create_container(work_, project_, service_, traits, find);
        auto ready = id ? bring_up(*id, traits.first_name) : Result<void>(fail(id.error()));
        if (!ready) {
            failed(work_.report, subject, ready.error().message());
            if (id) TRY(remove(*id));
            return ready;
        }
        Replaced replaced{step.name, *id, old, json::Value()};
        {
            auto engine = TRY(work_.engines.take());
            replaced.before = TRY(client::inspect_container(*engine, old.id));
        }
        if (auto taken = ways_.takes_over ? take_over(replaced, traits) : Result<void>(); !taken) {
            failed(work_.report, subject, taken.error().message());
            TRY(remove(*id));
            return taken;
        }
        done_.push_back(replaced);  // from here on it is taken back with the others
        TRY(swap_names(old, *id, step.name));
        found->id = *id;
        found->name = step.name;
        found->state = "running";
        done(work_.report, subject, "Updated");
        return {};
    }

    /// Starts the new one and waits until it has proved itself.
    Result<void> bring_up(const std::string& id, const std::string& name) {
        Report silent = [](const ProgressEvent&) {};
        Work quiet{work_.engines, silent, {}, work_.timeout, work_.limit};
        TRY(start_container(quiet, id, name, &service_));
        ProjectContainer fresh;
        fresh.id = id;
        fresh.name = name;
        TRY(wait_for_condition(quiet, service_.name, {fresh}, "running_or_healthy", 0));
        auto engine = TRY(work_.engines.take());
        if ((TRY(client::inspect_container(*engine, id)))["State"]["Health"].is_object()) return {};
        int64_t trial = kTrial;
        if (service_.deploy && service_.deploy->update_config && service_.deploy->update_config->monitor.nanoseconds > 0) trial = service_.deploy->update_config->monitor.nanoseconds;
        for (int64_t end = monotonic_nanoseconds() + trial; monotonic_nanoseconds() < end;) {
            pause_for(50'000'000);
            json::Value state = (TRY(client::inspect_container(*engine, id)))["State"];
            if (!state["Running"].as_bool() || state["Restarting"].as_bool()) return fail(ErrorKind::Conflict, concat("container ", name, " exited (", state["ExitCode"].as_int(), ")"));
        }
        return {};
    }

    Result<void> ask_to_take_over(const std::string& to, const std::string& from, const json::Value& aliases) {
        auto engine = TRY(work_.engines.take());
        json::Object wanted{{"Container", from}, {"Aliases", aliases}};
        TRY(engine->json({.method = "POST", .path = client::container_path(to, "update"), .body = json::Value(json::Object{{"TakeOver", std::move(wanted)}})}));
        return {};
    }

    /// Ports and names lead to the new one from now on; ports that the file has otherwise now change afterwards.
    Result<void> take_over(const Replaced& replaced, ContainerTraits traits) {
        traits.hidden = false;
        auto find = [&](const std::string& name) { return observed_.of_service(name); };
        auto request = TRY(create_request(project_, service_, traits, find, work_.proxies));
        json::Object aliases;
        for (auto& [network, endpoint] : endpoints(project_, service_, traits, find)) aliases.set(network, json::Value::strings(endpoint.aliases.value_or(std::vector<std::string>())));
        json::Value wanted = TRY(json::parse(json::encode(request.host_config)))["PortBindings"], before = replaced.before["HostConfig"]["PortBindings"];
        TRY(ask_to_take_over(replaced.new_id, replaced.old.id, json::Value(std::move(aliases))));
        json::Object added;
        for (auto& port : differing(wanted, before)) added.set(port, wanted[port]);
        json::Value removed = json::Value::strings(differing(before, wanted));
        auto changed = [&]() -> Result<void> {
            if (added.empty() && removed.as_array().empty()) return {};
            auto engine = TRY(work_.engines.take());
            TRY(engine->json({.method = "POST", .path = client::container_path(replaced.new_id, "update"),
                              .body = json::Value(json::Object{{"PublishRemove", removed}, {"PublishAdd", std::move(added)}})}));
            return {};
        }();
        if (!changed) {
            TRY(ask_to_take_over(replaced.old.id, replaced.new_id, aliases_of(replaced.before)));
            return changed;
        }
        pause_for(kDrain);
        return {};
    }

    /// The old one ends (and is kept until the whole service is through), the new one gets its name.
    Result<void> swap_names(const ProjectContainer& old, const std::string& id, const std::string& name) {
        Report silent = [](const ProgressEvent&) {};
        Work quiet{work_.engines, silent, {}, work_.timeout, work_.limit};
        if (old.running()) TRY(stop_container(quiet, old, &service_));
        auto engine = TRY(work_.engines.take());
        TRY(client::container_action(*engine, old.id, "rename", {{"name", concat(old.id.substr(0, 12), "_before_", name)}}));
        return client::container_action(*engine, id, "rename", {{"name", name}});
    }

    Result<void> take_back(const Replaced& replaced) {
        std::string subject = subject_of(replaced.name);
        working(work_.report, subject, "Rolling back");
        auto engine = TRY(work_.engines.take());
        TRY(client::container_action(*engine, replaced.new_id, "rename", {{"name", concat(replaced.new_id.substr(0, 12), "_after_", replaced.name)}}));
        auto renamed = client::container_action(*engine, replaced.old.id, "rename", {{"name", replaced.old.name}});
        if (!renamed && !renamed.error().is(ErrorKind::InvalidArgument)) return renamed;  // InvalidArgument: it still has that name
        if (replaced.old.running()) {
            auto started = client::start_container(*engine, replaced.old.id);
            if (!started && !started.error().is(ErrorKind::NotModified)) return started;
            Report silent = [](const ProgressEvent&) {};
            Work quiet{work_.engines, silent, {}, work_.timeout, work_.limit};
            TRY(wait_for_condition(quiet, service_.name, {replaced.old}, "running_or_healthy", 0));
            if (ways_.takes_over) {
                TRY(ask_to_take_over(replaced.old.id, replaced.new_id, aliases_of(replaced.before)));
                pause_for(kDrain);
            }
        }
        TRY(remove(replaced.new_id));
        done(work_.report, subject, "Rolled back");
        return {};
    }

    Result<void> remove(const std::string& id) {
        auto engine = TRY(work_.engines.take());
        (void)client::stop_container(*engine, id, work_.timeout ? concat(*work_.timeout) : "", "");
        return client::remove_container(*engine, id, true, false, false);
    }

    Work& work_;
    const Project& project_;
    Observed& observed_;
    const Service& service_;
    const UpOptions& options_;
    const RollingWays& ways_;
    std::vector<Replaced> done_;
};
}  // namespace

Plan plan_without_replacements(Plan plan) {
    for (auto& service : plan.services)
        for (auto& step : service.steps)
            if (step.action == ContainerStep::Action::Recreate) step.action = ContainerStep::Action::Keep;
    return plan;
}

Result<RollingWays> check_rolling(EnginePool& engines, const Project& project, const Plan& plan) {
    RollingWays ways;
    bool any = false;
    for (auto& service : plan.services) any |= !replacements(service).empty();
    if (!any) return ways;
    auto engine = TRY(engines.take());
    json::Value version = TRY(engine->json({.path = "/version"}));
    for (auto& component : version["Components"].as_array()) ways.takes_over |= component["Name"].as_string() == "proa";
    for (auto& service : plan.services) {
        if (replacements(service).empty()) continue;
        if (auto why = obstacle(project.services.at(service.service), ways); !why.empty())
            return fail(ErrorKind::Unsupported, concat("service ", quote(service.service), " cannot be updated by --rolling: ", why, ", and two containers run side by side meanwhile"));
    }
    return ways;
}

Result<void> roll(Work& work, const Project& project, Observed& observed, const Plan& plan, const UpOptions& options, const RollingWays& ways) {
    for (auto& service : plan.services)
        if (auto steps = replacements(service); !steps.empty()) TRY(ServiceRoll(work, project, observed, project.services.at(service.service), options, ways).run(steps));
    return {};
}

}  // namespace proa::compose
