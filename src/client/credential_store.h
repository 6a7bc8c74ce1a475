#pragma once
#include "client/config_file.h"

// Where `login` keeps what it was told: config.json itself, or a credential helper that it names (credHelpers, credsStore).
namespace proa::client {

/// The key of a registry in config.json: "https://index.docker.io/v1/" for Docker Hub, else host[:port].
std::string registry_key(std::string_view server);

struct StoredLogin {
    std::string username, password, identity_token;
};
/// Kept on return. `helper` gets the helper's name, empty when config.json holds it in the clear.
/// Errors: what the helper says; the file's.
Result<void> store_login(ConfigFile& config, const std::string& key, const StoredLogin& login, std::string& helper);
/// False when there was none.
Result<bool> erase_login(ConfigFile& config, const std::string& key);
std::optional<StoredLogin> find_login(const ConfigFile& config, const std::string& key);

}  // namespace proa::client
