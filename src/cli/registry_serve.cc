#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "cli/commands.h"
#include "os/file.h"

namespace proa::cli {

namespace {
const Flag kFlags[] = {
    {"addr", 0, FlagType::String, "Address to listen on", "(default \"127.0.0.1:5000\")", "127.0.0.1:5000"},
    {"data-root", 0, FlagType::String, "Where images are kept", "(default \"/var/lib/proa/registry\")", "/var/lib/proa/registry"},
    {"htpasswd", 0, FlagType::String, "File with users and hashed passwords; without it everybody may come in"},
    {"insecure-proxy", 0, FlagType::Bool, "The upstream registry has no certificate that could be verified"},
    {"proxy", 0, FlagType::String, "Be a cache in front of this registry (docker.io, HOST[:PORT])"},
    {"tls-cert", 0, FlagType::String, "Certificate (PEM)"},
    {"tls-key", 0, FlagType::String, "Its key (PEM)"},
};

/// The server is part of the daemon's program, which stands beside this one.
Result<int> serve(Invocation& call) {
    std::string program = os::directory_of(TRY(os::read_link("/proc/self/exe"))) + "/proad";
    std::vector<std::string> arguments{program, "registry", "serve"};
    for (auto name : {"addr", "data-root", "htpasswd", "proxy", "tls-cert", "tls-key"})
        if (std::string value = call.flags.text(name); !value.empty()) arguments.push_back(concat("--", std::string_view(name), "=", value));
    if (call.flags.is("insecure-proxy")) arguments.push_back("--insecure-proxy=1");
    std::vector<char*> argv;
    for (auto& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(program.c_str(), argv.data());
    return fail(ErrorKind::NotFound, concat("cannot run ", program, ": ", std::strerror(errno)));
}
}  // namespace

const Command kRegistryServe = {"[OPTIONS]", "Serve a registry on this machine", kFlags, kNoArguments, serve, true,
                                "Serve a registry on this machine: push, pull, tags, catalog, referrers and delete, with users and TLS,\nor a cache in front of another registry."};

}  // namespace proa::cli
