#include "client/ssh_tunnel.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "os/command.h"
#include "os/socket.h"

namespace proa::client {

namespace {
Unexpected invalid(std::string_view why) { return fail(ErrorKind::InvalidArgument, concat("ssh host connection is not valid: invalid SSH URL: ", why)); }

std::string find_in_path(std::string_view name) {
    const char* path = ::getenv("PATH");
    for (auto& directory : split_nonempty(path ? path : "/usr/local/bin:/usr/bin:/bin", ':')) {
        std::string candidate = concat(directory, '/', name);
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return "";
}

std::string shell_quoted(std::string_view text) { return concat('\'', replace_all(text, "'", "'\\''"), '\''); }
}  // namespace

Result<SshAddress> SshAddress::parse(std::string_view text) {
    SshAddress address;
    std::string_view rest = trim_prefix(text, "ssh://");
    if (auto parts = cut(rest, "#")) return invalid(concat("fragments are not allowed: ", quote(parts->second)));
    if (auto parts = cut(rest, "?")) return invalid(concat("query parameters are not allowed: ", quote(parts->second)));
    if (size_t slash = rest.find('/'); slash != rest.npos) {
        if (slash + 1 < rest.size()) address.socket_path = percent_decode(rest.substr(slash), false);
        rest = rest.substr(0, slash);
    }
    if (size_t at = rest.rfind('@'); at != rest.npos) {
        if (rest.substr(0, at).find(':') != rest.npos) return invalid("plain-text password is not supported");
        address.user = percent_decode(rest.substr(0, at), false);
        rest = rest.substr(at + 1);
    }
    size_t colon = rest.rfind(':');
    if (colon != rest.npos && (!rest.starts_with('[') || rest[colon - 1] == ']')) {
        address.port = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
    }
    if (!address.port.empty() && !parse_uint(address.port)) return invalid(concat("invalid port ", quote(concat(':', address.port)), " after host"));
    address.host = trim_suffix(trim_prefix(rest, "["), "]");
    if (address.host.empty()) return invalid("hostname is empty");
    return address;
}

std::vector<std::string> SshAddress::command(std::string_view program) const {
    std::vector<std::string> words{"ssh", "-o", "ConnectTimeout=30", "-T"};
    auto add = [&](std::initializer_list<std::string_view> more) { words.insert(words.end(), more.begin(), more.end()); };
    if (!user.empty()) add({"-l", user});
    if (!port.empty()) add({"-p", port});
    add({"--", host});
    if (program == "docker") {
        add({"docker"});
        if (!socket_path.empty()) add({"--host", concat("unix://", socket_path)});
        add({"system", "dial-stdio"});
        return words;
    }
    std::string arguments = socket_path.empty() ? "" : concat(" --host ", shell_quoted(concat("unix://", socket_path)));
    arguments += " system dial-stdio";
    add({concat("command -v proa >/dev/null && exec proa", arguments, "; exec docker", arguments)});
    return words;
}

Result<SshTunnel> SshTunnel::open(const SshAddress& address, std::string_view program) {
    std::string ssh = find_in_path("ssh");
    if (ssh.empty()) return fail(ErrorKind::NotFound, "exec: \"ssh\": executable file not found in $PATH");
    SshTunnel tunnel;
    auto words = address.command(program);
    tunnel.command_ = join(words, " ");
    auto streams = TRY(os::make_socket_pair(os::SocketType::Stream));
    auto errors = TRY(os::make_pipe());
    os::HandedDescriptor handed[] = {{streams.second.get(), 0}, {streams.second.get(), 1}, {errors.write_end.get(), 2}};
    tunnel.pid_ = TRY(os::spawn_command(ssh, words, environ, handed, os::CommandSession::Own));
    tunnel.stream_ = std::move(streams.first);
    tunnel.error_output_ = std::move(errors.read_end);
    return tunnel;
}

SshTunnel::SshTunnel(SshTunnel&& other) noexcept { *this = std::move(other); }

SshTunnel& SshTunnel::operator=(SshTunnel&& other) noexcept {
    std::swap(command_, other.command_);
    std::swap(pid_, other.pid_);
    std::swap(stream_, other.stream_);
    std::swap(error_output_, other.error_output_);
    return *this;
}

SshTunnel::~SshTunnel() {
    stream_.reset();
    if (pid_ > 0) ::waitpid(pid_, nullptr, WNOHANG);
}

std::string SshTunnel::failure() {
    stream_.reset();
    auto said = os::read_to_end(error_output_.get(), 64 << 10);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    std::string end = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "has exited"
                      : WIFEXITED(status)                           ? concat("has exited with exit status ", WEXITSTATUS(status))
                                                                    : concat("has exited with signal: ", WTERMSIG(status));
    return concat("command [", command_, "] ", end,
                  ", make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=", said.value_or(""));
}

}  // namespace proa::client
