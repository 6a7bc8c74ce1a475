#pragma once
#include "client/client.h"
#include "client/config_file.h"

// API: /images. Every function's errors are those of Client.
namespace proa::client {

/// X-Registry-Auth for an image's registry from config.json and its credential helpers; "" sends nothing.
std::string registry_auth(const ConfigFile& config, std::string_view domain);

/// X-Registry-Config: the same of all registries that the configuration names, for builds; "" when it names none.
std::string registry_config(const ConfigFile& config);

/// The progress stream of a pull of one tag or digest; `all_tags` leaves both out.
Result<Connection> pull_image(Client& engine, std::string_view repository, std::string_view tag, std::string_view platform, const std::string& registry_auth);
Result<Connection> push_image(Client& engine, std::string_view repository, std::string_view tag, std::string_view platform, const std::string& registry_auth);
/// With `manifests` each image lists those it has.
Result<json::Value> list_images(Client& engine, bool all, const Filters& filters, bool manifests = false);
/// "linux/arm64" as requests take it.
Result<std::string> platform_parameter(const std::string& text);
Result<std::string> inspect_image_text(Client& engine, std::string_view name, std::string_view platform = {});

}  // namespace proa::client
