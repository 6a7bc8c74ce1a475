#include "client/containers.h"

#include "base/text.h"

namespace proa::client {

namespace {
Result<void> post(Client& engine, std::string path, Parameters query = {}) {
    TRY(engine.text(Call{.method = "POST", .path = std::move(path), .query = std::move(query)}));
    return {};
}

Parameters stop_parameters(std::string_view seconds, std::string_view signal) {
    Parameters query;
    if (!seconds.empty()) query.emplace_back("t", seconds);
    if (!signal.empty()) query.emplace_back("signal", signal);
    return query;
}
}  // namespace

std::string container_path(std::string_view id, std::string_view action) {
    std::string path = concat("/containers/", id);
    if (!action.empty()) path += concat('/', action);
    return path;
}

Result<Created> create_container(Client& engine, std::string request, std::string_view name, std::string_view platform) {
    Call call{.method = "POST", .path = "/containers/create", .json_text = std::move(request)};
    if (!name.empty()) call.query.emplace_back("name", name);
    if (!platform.empty()) call.query.emplace_back("platform", platform);
    json::Value answer = TRY(engine.json(call));
    Created created{answer["Id"].as_string(), {}};
    for (auto& warning : answer["Warnings"].as_array()) created.warnings.push_back(warning.as_string());
    return created;
}

Result<void> start_container(Client& engine, std::string_view id, std::string_view detach_keys) {
    Parameters query;
    if (!detach_keys.empty()) query.emplace_back("detachKeys", detach_keys);
    return post(engine, container_path(id, "start"), query);
}

Result<void> stop_container(Client& engine, std::string_view id, std::string_view seconds, std::string_view signal) {
    return post(engine, container_path(id, "stop"), stop_parameters(seconds, signal));
}

Result<void> restart_container(Client& engine, std::string_view id, std::string_view seconds, std::string_view signal) {
    return post(engine, container_path(id, "restart"), stop_parameters(seconds, signal));
}

Result<void> kill_container(Client& engine, std::string_view id, std::string_view signal) {
    Parameters query;
    if (!signal.empty()) query.emplace_back("signal", signal);
    return post(engine, container_path(id, "kill"), query);
}

Result<void> remove_container(Client& engine, std::string_view id, bool force, bool volumes, bool link) {
    Parameters query;
    if (volumes) query.emplace_back("v", "1");
    if (link) query.emplace_back("link", "1");
    if (force) query.emplace_back("force", "1");
    TRY(engine.text(Call{.method = "DELETE", .path = container_path(id), .query = std::move(query)}));
    return {};
}

Result<void> container_action(Client& engine, std::string_view id, std::string_view action, Parameters query) {
    return post(engine, container_path(id, action), std::move(query));
}

Result<void> resize_terminal(Client& engine, std::string_view path, unsigned height, unsigned width) {
    return post(engine, concat(path, "/resize"), {{"h", concat(height)}, {"w", concat(width)}});
}

Result<json::Value> list_containers(Client& engine, const ListOptions& options) {
    Parameters query;
    if (options.all) query.emplace_back("all", "1");
    if (options.limit > 0) query.emplace_back("limit", concat(options.limit));
    if (options.size) query.emplace_back("size", "1");
    if (auto filters = filters_text(options.filters); !filters.empty()) query.emplace_back("filters", filters);
    return engine.json(Call{.path = "/containers/json", .query = std::move(query)});
}

Result<std::string> inspect_container_text(Client& engine, std::string_view id, bool size) {
    Parameters query;
    if (size) query.emplace_back("size", "1");
    return engine.text(Call{.path = container_path(id, "json"), .query = std::move(query)});
}

Result<json::Value> inspect_container(Client& engine, std::string_view id) {
    return json::parse(TRY(inspect_container_text(engine, id)));
}

Call attach_call(std::string_view id, const AttachOptions& options) {
    Call call{.method = "POST", .path = container_path(id, "attach"), .upgrade = true};
    call.query.emplace_back("stream", "1");
    if (options.input) call.query.emplace_back("stdin", "1");
    if (options.output) call.query.emplace_back("stdout", "1");
    if (options.error_output) call.query.emplace_back("stderr", "1");
    if (!options.detach_keys.empty()) call.query.emplace_back("detachKeys", options.detach_keys);
    return call;
}

Call wait_call(Client& engine, std::string_view id, std::string_view condition) {
    Call call{.method = "POST", .path = container_path(id, "wait")};
    if (!condition.empty() && engine.version_at_least("1.30")) call.query.emplace_back("condition", condition);
    return call;
}

Result<int> wait_result(Connection& connection) {
    // The answer is one value; the end of the body may come later and is not waited for.
    json::Splitter splitter;
    char buffer[4096];
    while (size_t got = TRY(connection.read(buffer))) {
        auto values = splitter.feed(std::string_view(buffer, got));
        if (values.empty()) continue;
        json::Value answer = TRY(json::parse(values[0]));
        if (auto& message = answer["Error"]["Message"]; !message.as_string().empty()) return fail(ErrorKind::Internal, message.as_string());
        return static_cast<int>(answer["StatusCode"].as_int());
    }
    return fail(ErrorKind::Unavailable, "the connection ended before the container's exit code came");
}

}  // namespace proa::client
