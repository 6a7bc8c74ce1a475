#include "bundle/criu.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "bundle/config.h"
#include "bundle/mount_options.h"
#include "os/file.h"
#include "os/process.h"

extern char** environ;

namespace proa::bundle {

Result<std::string> find_criu(const std::string& wanted) {
    if (::geteuid() != 0) return fail(ErrorKind::Unsupported, "checkpoint and restore are not supported without root's rights");
    for (auto& path : wanted.empty() ? std::vector<std::string>{"/usr/local/sbin/criu", "/usr/sbin/criu", "/usr/bin/criu"} : std::vector{wanted})
        if (::access(path.c_str(), X_OK) == 0) return path;
    return fail(ErrorKind::Unsupported, concat("checkpoint and restore are not supported on this host: they need the program criu",
                                               wanted.empty() ? ", which is not installed" : concat(", and ", wanted, " is none")));
}

std::vector<ExternalMount> external_mounts(const json::Value& config) {
    std::vector<ExternalMount> list;
    for (auto& mount : config["mounts"].as_array()) {
        runtime::Mount parsed;
        if (!apply_mount_options(string_list(mount["options"]), parsed)) continue;  // `create` has taken it, so this does not happen
        if (mount["type"].as_string() != "bind" && !(parsed.flags & MS_BIND)) continue;
        std::string destination = os::clean_path(concat('/', mount["destination"].as_string()));
        list.push_back({destination, mount["source"].as_string(), destination, false});
    }
    for (auto& path : config["linux"]["maskedPaths"].as_array()) list.push_back({os::clean_path(path.as_string()), "/dev/null", "/dev/null", true});
    return list;
}

std::string joined_namespace(const json::Value& config, std::string_view kind) {
    for (auto& space : config["linux"]["namespaces"].as_array())
        if (space["type"].as_string() == kind) return space["path"].as_string();
    return "";
}

void pass_criu_flags(const ParsedFlags& flags, std::initializer_list<std::string_view> names, std::vector<std::string>& words) {
    for (auto name : names)
        if (flags.on(std::string(name))) words.push_back(concat("--", name));
}

namespace {
[[noreturn]] void become_criu(const CriuRun& run, int gate, int null, int output) {
    os::reset_signals();
    char go = 0;
    bool released = ::read(gate, &go, 1) == 1;
    if (!released || (run.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)) ::_exit(126);
    for (auto& handed : run.descriptors) ::dup2(handed.ours, handed.theirs);
    ::dup2(null, 0);
    ::dup2(output, 1);
    ::dup2(output, 2);
    std::vector<char*> words;
    for (auto& word : run.words) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execve(words[0], words.data(), environ);
    ::_exit(127);
}

/// The lines that say why, without their times and places: `(00.02) Error (criu/mount.c:10): mnt: ...`.
std::string reasons(const std::string& log) {
    std::vector<std::string> found;
    for (auto& line : split(log, '\n')) {
        auto error = line.find("Error (");
        if (error == line.npos) continue;
        auto text = line.find("): ", error);
        found.emplace_back(trim(text == line.npos ? line : std::string_view(line).substr(text + 3)));
    }
    constexpr size_t kShown = 4;
    if (found.size() > kShown) found.resize(kShown);
    return join(found, "; ");
}
}  // namespace

Result<void> run_criu(const CriuRun& run) {
    os::Pipe gate = TRY(os::make_pipe());
    os::Fd null = TRY(os::open_file("/dev/null", O_RDWR));
    os::Fd output(::memfd_create("criu", MFD_CLOEXEC));
    if (!output) return fail_errno("memfd_create");
    os::Child child = TRY(os::clone_process({}));
    if (child.pid == 0) {
        gate.write_end.reset();
        become_criu(run, gate.read_end.get(), null.get(), output.get());
    }
    auto ready = run.before ? run.before(child.pid) : Result<void>();
    if (ready) ready = os::write_all(gate.write_end.get(), "g");
    gate.write_end.reset();
    auto status = TRY(os::wait_for_exit(child.pid));
    if (!ready) return ready;
    if (status.code == 0) return {};
    std::string why = reasons(os::read_file(run.log, 256 << 20).value_or(""));
    if (why.empty()) why = reasons(os::read_file(concat("/proc/self/fd/", output.get()), 1 << 20).value_or(""));
    return fail(ErrorKind::Internal, concat("criu failed: ", why.empty() ? concat("exit status ", status.code) : why, " (log: ", run.log, ')'));
}

}  // namespace proa::bundle
