// proa-init: the process 1 of containers started with --init. Runs one program, hands signals on to it, reaps whatever is reparented to
// it and ends as the program ended. Called as `proa-init -- PROGRAM [ARGUMENT...]`; static and without any library of ours, because it is
// bound into every kind of root file system.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

namespace {
int complain(const char* what, const char* name) {
    dprintf(2, "[FATAL proa-init (%d)] %s %s failed: %s\n", static_cast<int>(getpid()), what, name, strerror(errno));
    return errno == ENOENT ? 127 : 126;
}

/// In the child: its own foreground process group, the signal mask that was there before, the program.
[[noreturn]] void become(char** program, const sigset_t& mask) {
    setpgid(0, 0);
    signal(SIGTTOU, SIG_IGN);  // tcsetpgrp from the background would stop us
    if (isatty(0)) tcsetpgrp(0, getpgrp());
    signal(SIGTTOU, SIG_DFL);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    execvp(program[0], program);
    _exit(complain("exec", program[0]));
}

/// Reaps all that ended; true with the exit code when the program was among them.
bool reap(pid_t program, int& code) {
    bool ended = false;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid != program) continue;
        ended = true;
        code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    return ended;
}
}  // namespace

int main(int argc, char** argv) {
    char** program = argv + 1;
    if (argc > 1 && strcmp(argv[1], "--") == 0) program++;
    if (!*program) {
        dprintf(2, "usage: proa-init -- PROGRAM [ARGUMENT...]\n");
        return 1;
    }
    sigset_t forwarded, before;
    sigfillset(&forwarded);
    // Faults of our own must kill us, and the terminal's stop signals are the program's affair.
    for (int fault : {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS, SIGTTIN, SIGTTOU}) sigdelset(&forwarded, fault);
    sigprocmask(SIG_SETMASK, &forwarded, &before);
    signal(SIGTTIN, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    pid_t child = fork();
    if (child < 0) return complain("fork for", program[0]);
    if (child == 0) {
        signal(SIGTTIN, SIG_DFL);
        become(program, before);
    }
    for (int code;;) {
        if (reap(child, code)) return code;
        siginfo_t info;
        int number = sigwaitinfo(&forwarded, &info);
        if (number > 0 && number != SIGCHLD) kill(child, number);
    }
}
