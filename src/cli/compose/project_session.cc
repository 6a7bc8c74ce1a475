#include "cli/compose/project_session.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "base/time.h"

namespace proa::cli {

namespace {
std::string variable(const char* name) {
    const char* value = ::getenv(name);
    return value ? value : "";
}

ProgressView::Kind progress_kind(const FlagSet& globals) {
    std::string kind = globals.changed("progress") || variable("COMPOSE_PROGRESS").empty() ? globals.text("progress") : variable("COMPOSE_PROGRESS");
    std::string ansi = globals.changed("ansi") || variable("COMPOSE_ANSI").empty() ? globals.text("ansi") : variable("COMPOSE_ANSI");
    if (kind == "quiet") return ProgressView::Kind::Quiet;
    if (kind == "json") return ProgressView::Kind::Json;
    if (kind == "tty") return ProgressView::Kind::Terminal;
    if (kind == "plain" || ansi == "never" || !::isatty(STDERR_FILENO)) return ProgressView::Kind::Plain;
    return ProgressView::Kind::Terminal;
}

/// config.json's proxies for this daemon, as variables in both cases.
compose::Mapping proxy_variables(Session& session, const std::string& host) {
    compose::Mapping variables;
    auto& all = session.config().content["proxies"];
    auto* own = all.as_object().find(host);
    const json::Value& proxies = own ? *own : all["default"];
    for (auto& [key, name] : {std::pair("httpProxy", "HTTP_PROXY"), std::pair("httpsProxy", "HTTPS_PROXY"), std::pair("noProxy", "NO_PROXY"),
                              std::pair("ftpProxy", "FTP_PROXY"), std::pair("allProxy", "ALL_PROXY")}) {
        const std::string& value = proxies[key].as_string();
        if (value.empty()) continue;
        variables[name] = value;
        variables[to_lower(name)] = value;
    }
    return variables;
}
}  // namespace

ProjectSession::ProjectSession(Invocation& call)
    : call_(call), engines_([this]() -> Result<std::unique_ptr<client::Client>> {
          auto client = TRY(call_.session.connect(version_));
          TRY(client->negotiate());
          version_ = client->version();
          return client;
      }),
      progress_(std::make_unique<ProgressView>(progress_kind(*call.group_flags))), report_([this](const compose::ProgressEvent& event) { progress_->show(event); }) {}

bool ProjectSession::colours(int fd) const {
    std::string ansi = call_.group_flags->changed("ansi") || variable("COMPOSE_ANSI").empty() ? call_.group_flags->text("ansi") : variable("COMPOSE_ANSI");
    if (ansi == "always") return true;
    return ansi != "never" && variable("NO_COLOR").empty() && ::isatty(fd);
}

Result<compose::Project> ProjectSession::load(const std::vector<std::string>& services) {
    compose::LoadOptions options = compose_load_options(call_);
    options.services = services;
    compose::Project project = TRY(load_compose_project(call_, options));
    if (call_.group_flags->is("compatibility") || parse_bool(variable("COMPOSE_COMPATIBILITY")).value_or(false)) project.separator = "_";
    return project;
}

Result<ProjectSession::Target> ProjectSession::target(const std::vector<std::string>& services) {
    std::string name = call_.group_flags->text("project-name");
    if (name.empty()) name = variable("COMPOSE_PROJECT_NAME");
    auto project = load(services);
    if (project) {
        Target target{project->name, std::nullopt};
        target.project = std::move(*project);
        return target;
    }
    if (name.empty() || call_.group_flags->changed("file") || project.error().number() != -14) return fail(project.error());
    return Target{name, std::nullopt};
}

Result<compose::Work> ProjectSession::work() {
    if (dry_run()) return fail(ErrorKind::Unsupported, "--dry-run is supported by up and create only: they print their plan");
    compose::Work work{engines_, report_};
    auto choice = TRY(call_.session.endpoint());
    work.proxies = proxy_variables(call_.session, choice.host);
    int64_t limit = call_.group_flags->integer("parallel");
    if (!call_.group_flags->changed("parallel"))
        if (std::string text = variable("COMPOSE_PARALLEL_LIMIT"); !text.empty()) {
            auto number = parse_int(text);
            if (!number) return fail(ErrorKind::InvalidArgument, "COMPOSE_PARALLEL_LIMIT must be an integer (found: \"" + text + "\")");
            limit = *number;
        }
    if (limit > 0) work.limit = static_cast<size_t>(limit);
    return work;
}

void put_warning(std::string_view text) { put_error_line(concat("time=", quote(rfc3339_nano(Time{now().seconds, 0})), " level=warning msg=", quote(text))); }

Result<std::vector<compose::ProjectContainer>> choose_containers(ProjectSession& session, const ProjectSession::Target& target, const std::vector<std::string>& services,
                                                                 const ContainerChoice& choice) {
    auto engine = TRY(session.engines().take());
    auto containers = TRY(compose::list_project_containers(*engine, {.project = target.name, .one_offs = choice.one_offs, .all = choice.all}));
    if (services.empty()) return containers;
    for (auto& service : services) {
        bool there = target.project && (target.project->services.contains(service) || target.project->disabled_services.contains(service));
        there |= std::any_of(containers.begin(), containers.end(), [&](auto& each) { return each.service == service; });
        if (!there) return fail(ErrorKind::NotFound, concat("no such service: ", service));
    }
    std::erase_if(containers, [&](auto& each) { return std::find(services.begin(), services.end(), each.service) == services.end(); });
    return containers;
}

Result<compose::ProjectContainer> choose_container(ProjectSession& session, const ProjectSession::Target& target, const std::string& service, int64_t index, bool all) {
    auto engine = TRY(session.engines().take());
    auto containers = TRY(compose::list_project_containers(*engine, {.project = target.name, .all = all}));
    for (auto& each : containers)
        if (each.service == service && (index == 0 || each.number == index)) return each;
    if (index > 0) return fail(ErrorKind::NotFound, concat("service ", quote(service), " is not running container #", index));
    return fail(ErrorKind::NotFound, concat("service ", quote(service), " is not running"));
}

Result<int> run_command_words(Invocation& call, const Command& command, const std::vector<std::string>& words) {
    FlagSet flags(command.flags);
    TRY(flags.parse(words, command.interspersed));
    Invocation inner{call.session, flags, flags.arguments(), call.path};
    return command.run(inner);
}

}  // namespace proa::cli
