#pragma once
#include "client/client.h"

// API: /containers and /exec. Every function's errors are those of Client.
namespace proa::client {

struct Created {
    std::string id;
    std::vector<std::string> warnings;
};
/// `request` is the printed CreateRequest.
Result<Created> create_container(Client& engine, std::string request, std::string_view name, std::string_view platform);
Result<void> start_container(Client& engine, std::string_view id, std::string_view detach_keys = {});
/// `seconds` and `signal` are left to the daemon when empty.
Result<void> stop_container(Client& engine, std::string_view id, std::string_view seconds, std::string_view signal);
Result<void> restart_container(Client& engine, std::string_view id, std::string_view seconds, std::string_view signal);
Result<void> kill_container(Client& engine, std::string_view id, std::string_view signal);
Result<void> remove_container(Client& engine, std::string_view id, bool force, bool volumes, bool link);
/// A POST without parameters: "pause", "unpause".
Result<void> container_action(Client& engine, std::string_view id, std::string_view action, Parameters query = {});
Result<void> resize_terminal(Client& engine, std::string_view path, unsigned height, unsigned width);

struct ListOptions {
    bool all = false, size = false;
    int64_t limit = -1;
    Filters filters;
};
Result<json::Value> list_containers(Client& engine, const ListOptions& options);
Result<std::string> inspect_container_text(Client& engine, std::string_view id, bool size = false);
Result<json::Value> inspect_container(Client& engine, std::string_view id);

struct AttachOptions {
    bool input = false, output = true, error_output = true;
    std::string detach_keys;
};
Call attach_call(std::string_view id, const AttachOptions& options);
Call wait_call(Client& engine, std::string_view id, std::string_view condition);
/// What a wait answered: exit code, or the daemon's error.
Result<int> wait_result(Connection& connection);

std::string container_path(std::string_view id, std::string_view action = {});

}  // namespace proa::client
