#include "runtime/hooks.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"
#include "base/time.h"
#include "os/fd.h"
#include "os/process.h"

namespace proa::runtime {

std::string hook_state_text(std::string state, std::string_view status, pid_t pid) {
    std::string text = replace_all(replace_all(state, "@STATUS@", status), "\"@PID@\"", concat(pid));
    return replace_all(text, "@PID@", concat(pid));
}

namespace {
[[noreturn]] void execute_hook(const Hook& hook, int input, int errors) {
    os::reset_signals();
    std::vector<char*> arguments, environment;
    for (auto& argument : hook.args) arguments.push_back(const_cast<char*>(argument.c_str()));
    if (arguments.empty()) arguments.push_back(const_cast<char*>(hook.path.c_str()));
    arguments.push_back(nullptr);
    for (auto& entry : hook.env) environment.push_back(const_cast<char*>(entry.c_str()));
    environment.push_back(nullptr);
    ::dup2(input, 0);
    ::dup2(errors, 2);
    int null_device = ::open("/dev/null", O_WRONLY);
    if (null_device >= 0) ::dup2(null_device, 1);
    else ::dup2(errors, 1);
    ::syscall(436 /* close_range */, 3u, ~0u, 0u);
    ::execve(hook.path.c_str(), arguments.data(), environment.data());
    int number = errno;
    std::string text = concat("exec ", hook.path, ": ", std::string_view(strerrordesc_np(number)));
    (void)os::write_all(2, text);
    ::_exit(127);
}

Result<void> run_hook(const Hook& hook, size_t index, const std::string& state) {
    os::Fd input = TRY(os::sealed_memfd("hook-state", state));
    os::Pipe errors = TRY(os::make_pipe());
    os::Child child = TRY(os::clone_process({}));
    if (child.pid == 0) execute_hook(hook, input.get(), errors.write_end.get());
    errors.write_end.reset();
    // The end of the process counts, not the end of the pipe, which a grandchild may hold on to.
    int timeout = hook.timeout_seconds > 0 ? hook.timeout_seconds * 1000 : -1;
    if (!TRY(os::wait_readable(child.pidfd.get(), timeout))) {
        (void)os::send_signal(child.pidfd.get(), SIGKILL);
        TRY(os::wait_for_exit(child.pid));
        return fail(ErrorKind::Internal, concat("error running hook #", index, ": hook ran past specified timeout of ", hook.timeout_seconds, ".0s"));
    }
    auto status = TRY(os::wait_for_exit(child.pid));
    if (status.code == 0) return {};
    TRY(os::set_nonblocking(errors.read_end.get(), true));
    std::vector<char> text(4096);
    auto got = os::read_some(errors.read_end.get(), text);
    std::string said(text.data(), got ? *got : 0);
    return fail(ErrorKind::Internal, concat("error running hook #", index, ": ", status.signal ? concat("signal: ", std::string_view(strsignal(status.signal))) : concat("exit status ", status.code),
                                            ", stdout: , stderr: ", trim(said)));
}
}  // namespace

Result<void> run_hooks(const std::vector<Hook>& hooks, const std::string& state, std::string_view status, pid_t pid) {
    if (hooks.empty()) return {};
    std::string text = hook_state_text(state, status, pid);
    for (size_t i = 0; i < hooks.size(); i++) TRY(run_hook(hooks[i], i, text));
    return {};
}

}  // namespace proa::runtime
