#include "registry/credentials.h"

#include "base/text.h"
#include "codec/json/value.h"

namespace proa::registry {

std::optional<Credentials> Credentials::from_json(std::string_view text) {
    auto value = json::parse(text);
    if (!value || !value->is_object()) return std::nullopt;
    Credentials credentials;
    credentials.username = (*value)["username"].as_string();
    credentials.password = Secret((*value)["password"].as_string());
    credentials.identity_token = Secret((*value)["identitytoken"].as_string());
    credentials.registry_token = Secret((*value)["registrytoken"].as_string());
    credentials.server_address = (*value)["serveraddress"].as_string();
    if (auto both = from_base64((*value)["auth"].as_string()); credentials.username.empty() && both && !both->empty()) {
        if (auto parts = cut(*both, ":")) {
            credentials.username = parts->first;
            credentials.password = Secret(std::string(parts->second));
        }
    }
    return credentials;
}

Credentials Credentials::from_header(std::string_view header) {
    auto text = from_base64(header);
    return text ? from_json(*text).value_or(Credentials()) : Credentials();
}

}  // namespace proa::registry
