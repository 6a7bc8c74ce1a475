#include <termios.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/commands.h"
#include "client/credential_store.h"

namespace proa::cli {

namespace {
const Flag kLoginFlags[] = {
    {"password", 'p', FlagType::String, "Password or Personal Access Token (PAT)"},
    {"password-stdin", 0, FlagType::Bool, "Take the Password or Personal Access Token (PAT) from stdin"},
    {"username", 'u', FlagType::String, "Username"},
};

Result<std::string> read_line(bool echo) {
    termios before{};
    bool hide = !echo && ::tcgetattr(STDIN_FILENO, &before) == 0;
    if (hide) {
        termios quiet = before;
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    std::string line;
    char c = 0;
    ssize_t got = 0;
    while ((got = ::read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') line += c;
    if (hide) {
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
        put("\n");
    }
    if (got <= 0 && line.empty()) return fail(ErrorKind::InvalidArgument, "EOF");
    return std::string(trim(line));
}

/// What flags leave open is asked on the terminal.
Result<client::StoredLogin> ask(Invocation& call, const std::string& key) {
    auto& flags = call.flags;
    client::StoredLogin login{flags.text("username"), flags.text("password"), ""};
    if (flags.is("password-stdin")) {
        if (!login.password.empty()) return fail(ErrorKind::InvalidArgument, "--password and --password-stdin are mutually exclusive");
        if (login.username.empty()) return fail(ErrorKind::InvalidArgument, "Must provide --username with --password-stdin");
        std::string text = TRY(os::read_to_end(STDIN_FILENO, 1 << 20));
        login.password = trim_suffix(trim_suffix(text, "\n"), "\r");
    } else if (!login.password.empty()) {
        put_error_line("WARNING! Using --password via the CLI is insecure. Use --password-stdin.");
    }
    if (login.username.empty() || login.password.empty()) {
        auto stored = client::find_login(call.session.config(), key);
        if (stored && login.username.empty() && login.password.empty()) {
            put_line("Authenticating with existing credentials...");
            return *stored;
        }
        if (!::isatty(STDIN_FILENO)) return fail(ErrorKind::InvalidArgument, "Error: Cannot perform an interactive login from a non TTY device");
    }
    if (login.username.empty()) {
        put("Username: ");
        login.username = TRY(read_line(true));
    }
    if (login.username.empty()) return fail(ErrorKind::InvalidArgument, "Error: Non-null Username Required");
    if (login.password.empty()) {
        put("Password: ");
        login.password = TRY(read_line(false));
    }
    if (login.password.empty()) return fail(ErrorKind::InvalidArgument, "Error: Password Required");
    return login;
}

Result<int> log_in(Invocation& call) {
    std::string key = client::registry_key(call.arguments.empty() ? "" : call.arguments[0]);
    auto login = TRY(ask(call, key));
    client::Client& engine = *TRY(ready_engine(call));
    json::Object body{{"username", login.username}, {"password", login.password}, {"serveraddress", key}};
    if (!login.identity_token.empty()) body.set("identitytoken", login.identity_token);
    json::Value answer = TRY(engine.json({.method = "POST", .path = "/auth", .body = json::Value(std::move(body))}));
    if (auto& token = answer["IdentityToken"].as_string(); !token.empty()) {
        login.password.clear();
        login.identity_token = token;
    }
    client::ConfigFile config = call.session.config();
    std::string helper;
    TRY_WRAP("Error saving credentials", client::store_login(config, key, login, helper));
    if (helper.empty())
        put_error_line(concat("\nWARNING! Your credentials are stored unencrypted in '", config.directory,
                              "/config.json'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n"));
    put_line(answer["Status"].as_string());
    return 0;
}

Result<int> log_out(Invocation& call) {
    std::string key = client::registry_key(call.arguments.empty() ? "" : call.arguments[0]);
    client::ConfigFile config = call.session.config();
    if (!TRY_WRAP("could not erase credentials", client::erase_login(config, key))) put_line(concat("Not logged in to ", key));
    else put_line(concat("Removing login credentials for ", key));
    return 0;
}
}  // namespace

const Command kLogin = {"[OPTIONS] [SERVER]", "Authenticate to a registry", kLoginFlags, at_most(1), log_in, true,
                        "Authenticate to a registry.\nDefaults to Docker Hub if no server is specified."};
const Command kLogout = {"[SERVER]", "Log out from a registry", {}, at_most(1), log_out, true,
                         "Log out from a registry.\nIf no server is specified, the default is defined by the daemon."};

}  // namespace proa::cli
