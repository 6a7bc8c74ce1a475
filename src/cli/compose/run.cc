#include <unistd.h>

#include <algorithm>

#include "base/id.h"
#include "base/text.h"
#include "cli/compose/commands.h"
#include "cli/compose/images.h"
#include "cli/container_options.h"
#include "client/containers.h"
#include "compose/up.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"build", 0, FlagType::Bool, "Build image before starting container"},
    {"cap-add", 0, FlagType::List, "Add Linux capabilities"},
    {"cap-drop", 0, FlagType::List, "Drop Linux capabilities"},
    {"detach", 'd', FlagType::Bool, "Run container in background and print container ID"},
    {"entrypoint", 0, FlagType::String, "Override the entrypoint of the image"},
    {"env", 'e', FlagType::List, "Set environment variables"},
    {"env-from-file", 0, FlagType::List, "Set environment variables from file"},
    {"interactive", 'i', FlagType::Bool, "Keep STDIN open even if not attached", "(default true)", "true"},
    {"label", 'l', FlagType::List, "Add or override a label"},
    {"name", 0, FlagType::String, "Assign a name to the container"},
    {"no-TTY", 'T', FlagType::Bool, "Disable pseudo-TTY allocation (default: auto-detected)"},
    {"no-deps", 0, FlagType::Bool, "Don't start linked services"},
    {"no-tty", 0, FlagType::Bool, "", nullptr, "", kHidden, "no-TTY"},
    {"publish", 'p', FlagType::List, "Publish a container's port(s) to the host"},
    {"pull", 0, FlagType::String, "Pull image before running (\"always\"|\"missing\"|\"never\")", "(default \"policy\")", "policy"},
    {"quiet", 'q', FlagType::Bool, "Don't print anything to STDOUT"},
    {"quiet-build", 0, FlagType::Bool, "Suppress progress output from the build process"},
    {"quiet-pull", 0, FlagType::Bool, "Pull without printing progress information"},
    {"remove-orphans", 0, FlagType::Bool, "Remove containers for services not defined in the Compose file"},
    {"rm", 0, FlagType::Bool, "Automatically remove the container when it exits"},
    {"service-ports", 'P', FlagType::Bool, "Run command with all service's ports enabled and mapped to the host"},
    {"tty", 't', FlagType::Bool, "Allocate a pseudo-TTY", nullptr, "true", kHidden},
    {"use-aliases", 0, FlagType::Bool, "Use the service's network useAliases in the network(s) the container connects to"},
    {"user", 'u', FlagType::String, "Run as specified username or uid"},
    {"volume", 'v', FlagType::List, "Bind mount a volume"},
    {"workdir", 'w', FlagType::String, "Working directory inside the container"},
};

/// -p as a port of the service.
Result<void> add_published(const std::string& text, compose::Service& service) {
    docker::PortSet exposed;
    docker::PortMap bindings;
    TRY(add_published_port(text, exposed, bindings));
    for (auto& [key, list] : bindings.expanded()) {
        auto parts = *cut(key, "/");
        for (auto& binding : *list) {
            compose::ServicePort port;
            port.target = parse_int(parts.first).value_or(0);
            port.protocol = parts.second;
            port.host_ip = binding.host_ip;
            port.published = binding.host_port;
            service.ports.push_back(std::move(port));
        }
    }
    return {};
}

/// -v as a volume of the service.
Result<void> add_volume(const std::string& text, compose::Service& service) {
    auto spec = TRY(parse_volume(text));
    compose::ServiceVolume volume;
    if (!spec.bind) {
        volume.type = "volume";
        volume.target = spec.target;
        service.volumes.push_back(std::move(volume));
        return {};
    }
    auto parts = split(spec.text, ':');
    volume.source = parts[0];
    volume.target = parts.size() > 1 ? parts[1] : "";
    volume.type = volume.source.starts_with('/') ? "bind" : "volume";
    if (volume.type == "bind") volume.bind = compose::BindOptions{.create_host_path = true};
    for (auto& option : split_nonempty(parts.size() > 2 ? parts[2] : "", ',')) {
        if (option == "ro") volume.read_only = true;
        else if (option == "z" || option == "Z") volume.bind ? (void)(volume.bind->selinux = option) : (void)0;
        else if (option == "nocopy") volume.volume = compose::VolumeOptions{.nocopy = true};
        else if (option != "rw") return fail(ErrorKind::InvalidArgument, concat("invalid --volume option ", quote(option), " in ", quote(text)));
    }
    std::erase_if(service.volumes, [&](auto& each) { return each.target == volume.target; });
    service.volumes.push_back(std::move(volume));
    return {};
}

/// The service as the flags and the words of `run` change it.
Result<void> adapt(Invocation& call, compose::Service& service) {
    auto& flags = call.flags;
    if (call.arguments.size() > 1) service.command = std::vector<std::string>(call.arguments.begin() + 1, call.arguments.end());
    if (flags.changed("entrypoint")) {
        service.entrypoint = split_fields(flags.text("entrypoint"));
        if (call.arguments.size() <= 1) service.command = std::vector<std::string>();
    }
    bool tty = flags.is("tty") && !flags.is("no-TTY") && ::isatty(STDOUT_FILENO) && (flags.is("detach") || ::isatty(STDIN_FILENO));
    service.tty = tty;
    service.stdin_open = flags.is("interactive");
    if (flags.changed("user")) service.user = flags.text("user");
    if (flags.changed("workdir")) service.working_dir = flags.text("workdir");
    for (auto& file : flags.list("env-from-file"))
        for (auto& item : TRY(read_key_value_file(file, true)))
            if (auto parts = cut(item, "=")) service.environment[std::string(parts->first)] = std::string(parts->second);
    std::vector<std::string> environment;
    for (auto& item : flags.list("env")) add_environment(item, environment);
    for (auto& item : environment) {
        auto parts = *cut(item, "=");
        service.environment[std::string(parts.first)] = std::string(parts.second);
    }
    for (auto& [name, value] : key_values(flags.list("label"))) service.labels[name] = value;
    service.cap_add.insert(service.cap_add.end(), flags.list("cap-add").begin(), flags.list("cap-add").end());
    service.cap_drop.insert(service.cap_drop.end(), flags.list("cap-drop").begin(), flags.list("cap-drop").end());
    if (!flags.is("service-ports")) service.ports.clear();
    for (auto& port : flags.list("publish")) TRY(add_published(port, service));
    for (auto& volume : flags.list("volume")) TRY(add_volume(volume, service));
    service.container_name.clear();
    service.restart.clear();
    if (service.deploy) service.deploy->restart_policy.reset();
    return {};
}

/// Starts what the service depends on.
Result<compose::Observed> start_dependencies(ProjectSession& session, compose::Work& work, const compose::Project& whole, const std::string& name, const FlagSet& flags) {
    compose::Project others = whole;
    if (flags.is("no-deps")) others.services.clear();
    others.services.erase(name);
    others.disabled_services.insert({name, whole.services.at(name)});
    auto observed = TRY(compose::observe(session.engines(), whole));
    compose::PlanOptions options;
    options.remove_orphans = flags.is("remove-orphans");
    // The images of all of them, and this one's.
    TRY(ensure_images(session, whole, {.pull = flags.text("pull"), .build = flags.is("build"), .no_build = false, .quiet_pull = flags.is("quiet-pull"), .quiet_build = flags.is("quiet-build") || flags.is("quiet")}, observed));
    auto before = std::make_unique<compose::Observed>(observed);
    auto plan = TRY(compose::make_plan(others, *before, options));
    for (auto& warning : plan.warnings) put_warning(warning);
    TRY(compose::carry_out(work, others, observed, plan, {}));
    TRY(compose::start_services(work, &others, compose::start_order(others), observed.containers, {}, 0));
    auto containers_of = [&](const std::string& service) {
        std::vector<compose::ProjectContainer> found;
        for (auto& each : observed.containers)
            if (each.service == service) found.push_back(each);
        return found;
    };
    if (!flags.is("no-deps")) TRY(compose::wait_for_dependencies(work, compose::dependencies_of(whole.services.at(name)), containers_of, 0));
    return observed;
}

Result<int> run(Invocation& call) {
    auto& flags = call.flags;
    if (flags.is("detach") && flags.is("rm")) return fail(ErrorKind::InvalidArgument, "--detach and --rm cannot be used together");
    if (flags.is("service-ports") && !flags.list("publish").empty()) return fail(ErrorKind::InvalidArgument, "cannot use --service-ports and --publish together");
    ProjectSession session(call);
    if (flags.is("quiet")) session.silence();
    const std::string& name = call.arguments[0];
    compose::Project project = TRY(session.load({name}));
    if (!project.services.contains(name)) return fail(ErrorKind::NotFound, concat("no such service: ", name));
    compose::Work work = TRY(session.work());
    auto observed = TRY(start_dependencies(session, work, project, name, flags));
    compose::Service service = project.services.at(name);
    TRY(adapt(call, service));
    compose::ContainerTraits traits{.name = flags.text("name"), .one_off = true, .slug = random_id(), .service_aliases = flags.is("use-aliases"),
                                    .attach_input = !flags.is("detach") && flags.is("interactive"), .auto_remove = flags.is("rm")};
    if (traits.name.empty()) traits.name = join({project.name, name, "run", traits.slug.substr(0, 12)}, project.separator);
    if (auto image = observed.images.find(compose::image_name(project, service)); image != observed.images.end()) traits.image_id = image->second.id;
    std::string id = TRY(compose::create_container(work, project, service, traits, [&](const std::string& other) { return observed.of_service(other); }));
    session.progress().finish();
    if (flags.is("detach")) {
        auto engine = TRY(session.engines().take());
        TRY(client::start_container(*engine, id));
        put_line(id);
        return 0;
    }
    std::vector<std::string> words{"--attach"};
    if (flags.is("interactive")) words.push_back("--interactive");
    words.push_back(id);
    return run_command_words(call, kStart, words);
}
}  // namespace

const Command kComposeRun = {"[OPTIONS] SERVICE [COMMAND] [ARGS...]", "Run a one-off command on a service", kFlags, at_least(1), run, false};

}  // namespace proa::cli
