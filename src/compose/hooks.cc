#include "compose/hooks.h"

#include "base/text.h"
#include "client/containers.h"

namespace proa::compose {

namespace {
Result<void> run_hook(client::Client& engine, const std::string& id, std::string_view container_name, std::string_view what, const ServiceHook& hook) {
    std::vector<std::string> environment;
    for (auto& [name, value] : hook.environment) environment.push_back(value ? concat(name, '=', *value) : name);
    json::Object config{{"AttachStdout", true}, {"AttachStderr", true}, {"Cmd", json::Value::strings(hook.command.value_or(std::vector<std::string>()))}, {"Privileged", hook.privileged}};
    if (!hook.user.empty()) config.set("User", hook.user);
    if (!hook.working_dir.empty()) config.set("WorkingDir", hook.working_dir);
    if (!environment.empty()) config.set("Env", json::Value::strings(environment));
    json::Value created = TRY(engine.json({.method = "POST", .path = client::container_path(id, "exec"), .body = json::Value(std::move(config))}));
    std::string path = concat("/exec/", created["Id"].as_string());
    client::Call start{.method = "POST", .path = path + "/start", .body = json::Value(json::Object{{"Detach", false}, {"Tty", true}})};
    auto output = TRY(engine.stream(start));
    std::string printed = TRY(output.read_body());
    int64_t code = TRY(engine.json({.path = path + "/json"}))["ExitCode"].as_int();
    if (code != 0) return fail(ErrorKind::Internal, concat(container_name, ": ", what, " hook exited with status ", code, printed.empty() ? "" : ": ", trim(printed)));
    return {};
}
}  // namespace

Result<void> run_hooks(client::Client& engine, const std::string& id, std::string_view container_name, std::string_view what, const std::vector<ServiceHook>& hooks) {
    for (auto& hook : hooks) TRY(run_hook(engine, id, container_name, what, hook));
    return {};
}

}  // namespace proa::compose
