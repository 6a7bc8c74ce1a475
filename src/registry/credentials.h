#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace proa::registry {

/// A text that must not be seen: nothing prints, formats or compares it; reveal() stands where it goes on the wire.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string text) : text_(std::move(text)) {}
    bool empty() const { return text_.empty(); }
    const std::string& reveal() const { return text_; }

private:
    std::string text_;
};

/// What a client knows about itself at one registry. API: AuthConfig
struct Credentials {
    std::string username;
    Secret password;
    Secret identity_token;  ///< an OAuth2 refresh token, for the token server
    Secret registry_token;  ///< a bearer token, for the registry itself
    std::string server_address;

    bool anonymous() const { return username.empty() && identity_token.empty() && registry_token.empty(); }
    /// The document of `POST /auth` and of the decoded X-Registry-Auth.
    static std::optional<Credentials> from_json(std::string_view text);
    /// X-Registry-Auth: either base64 alphabet, with or without padding. What cannot be read is anonymous, as in Docker.
    static Credentials from_header(std::string_view header);
};

}  // namespace proa::registry
