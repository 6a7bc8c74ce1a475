#include "os/command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "os/fd.h"
#include "os/file.h"

namespace proa::os {

namespace {

/// Reads both ends until they are closed.
Result<void> read_both(int out_fd, std::string& out, int error_fd, std::string& error, size_t limit) {
    pollfd ends[] = {{out_fd, POLLIN, 0}, {error_fd, POLLIN, 0}};
    std::string* texts[] = {&out, &error};
    char buffer[16384];
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        if (::poll(ends, 2, -1) < 0 && errno != EINTR) return fail_errno("poll");
        for (int i = 0; i < 2; i++) {
            if (ends[i].fd < 0 || ends[i].revents == 0) continue;
            size_t got = TRY(read_some(ends[i].fd, buffer));
            if (got == 0) ends[i].fd = -1;
            texts[i]->append(buffer, got);
            if (texts[i]->size() > limit) return fail(ErrorKind::Internal, concat("the program printed more than ", limit, " bytes"));
        }
    }
    return {};
}

}  // namespace

Result<pid_t> spawn_command(const std::string& program, const std::vector<std::string>& arguments, char* const* environment,
                            std::span<const HandedDescriptor> descriptors, CommandSession session) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (auto& handed : descriptors) posix_spawn_file_actions_adddup2(&actions, handed.ours, handed.theirs);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes,
                             static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (session == CommandSession::Own ? POSIX_SPAWN_SETSID : 0)));
    std::vector<char*> words;
    for (auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    pid_t pid = -1;
    int code = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, words.data(), environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (code != 0) return fail(errno_error("execute", program, code));
    return pid;
}

Result<CommandOutput> run_command(const std::vector<std::string>& arguments, size_t limit) {
    Pipe out = TRY(make_pipe()), error = TRY(make_pipe());
    Fd null = TRY(open_file("/dev/null", O_RDONLY));
    HandedDescriptor handed[] = {{null.get(), 0}, {out.write_end.get(), 1}, {error.write_end.get(), 2}};
    pid_t pid = TRY(spawn_command(arguments[0], arguments, environ, handed));
    out.write_end.reset();
    error.write_end.reset();
    CommandOutput result;
    auto read = read_both(out.read_end.get(), result.output, error.read_end.get(), result.error, limit);
    if (!read) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return fail_errno("waitpid", arguments[0]);
    if (!read) return fail(std::move(read).error());
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
}

}  // namespace proa::os
