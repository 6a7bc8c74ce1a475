#include "container/exec.h"

namespace proa::container {

namespace {
constexpr int64_t kKeptNanoseconds = int64_t{300} * 1000000000;
}

Result<void> Exec::begin() {
    std::lock_guard lock(mutex_);
    if (running_) return fail(ErrorKind::Conflict, concat("exec command ", id_, " is already running"));
    if (begun_) return fail(ErrorKind::Conflict, concat("exec command ", id_, " has already run"));
    begun_ = true;
    return {};
}

void Exec::started(int64_t pid) {
    std::lock_guard lock(mutex_);
    if (exit_code_) return;  // its end was reported before its start was recorded
    running_ = true;
    pid_ = pid;
}

void Exec::finished(int64_t exit_code) {
    std::lock_guard lock(mutex_);
    running_ = false;
    if (!exit_code_) exit_code_ = exit_code;
    finished_at_ = monotonic_nanoseconds();
}

bool Exec::running() const {
    std::lock_guard lock(mutex_);
    return running_;
}

bool Exec::unfinished() const {
    std::lock_guard lock(mutex_);
    return begun_ && !exit_code_;
}

std::optional<int64_t> Exec::exit_code() const {
    std::lock_guard lock(mutex_);
    return exit_code_;
}

int64_t Exec::finished_at() const {
    std::lock_guard lock(mutex_);
    return finished_at_;
}

docker::ExecInspect Exec::inspect() const {
    docker::ExecInspect view;
    view.id = id_;
    auto command = config_.cmd.value_or(std::vector<std::string>());
    view.process_config.tty = config_.tty;
    if (!command.empty()) view.process_config.entrypoint = command[0];
    if (command.size() > 1) view.process_config.arguments.assign(command.begin() + 1, command.end());
    view.process_config.privileged = config_.privileged;
    view.process_config.user = config_.user;
    view.open_stdin = config_.attach_stdin;
    view.open_stdout = config_.attach_stdout;
    view.open_stderr = config_.attach_stderr;
    view.container_id = container_id_;
    view.detach_keys = config_.detach_keys;
    std::lock_guard lock(mutex_);
    view.running = running_;
    view.exit_code = exit_code_;
    view.pid = pid_;
    return view;
}

void ExecTable::collect_garbage() {
    int64_t at = monotonic_nanoseconds();
    std::erase_if(by_id_, [&](auto& entry) {
        int64_t finished = entry.second->finished_at();
        return finished != 0 && at - finished > kKeptNanoseconds;
    });
}

void ExecTable::add(ExecPointer exec) {
    std::lock_guard lock(mutex_);
    collect_garbage();
    std::string id = exec->id();
    by_id_[id] = std::move(exec);
}

Result<ExecPointer> ExecTable::find(std::string_view id) const {
    std::lock_guard lock(mutex_);
    auto found = by_id_.find(id);
    if (found == by_id_.end()) return fail(ErrorKind::NotFound, concat("No such exec instance: ", id));
    return found->second;
}

std::vector<std::string> ExecTable::running_in(const std::string& container_id) const {
    std::lock_guard lock(mutex_);
    std::vector<std::string> ids;
    for (auto& [id, exec] : by_id_)
        if (exec->container_id() == container_id && exec->finished_at() == 0) ids.push_back(id);
    return ids;
}

void ExecTable::remove(const std::string& id) {
    std::lock_guard lock(mutex_);
    by_id_.erase(id);
}

void ExecTable::remove_container(const std::string& container_id) {
    std::lock_guard lock(mutex_);
    std::erase_if(by_id_, [&](auto& entry) { return entry.second->container_id() == container_id; });
}

void ExecTable::finish_container(const std::string& container_id, int64_t exit_code) {
    std::lock_guard lock(mutex_);
    for (auto& [id, exec] : by_id_)
        if (exec->container_id() == container_id && exec->running()) exec->finished(exit_code);
}

}  // namespace proa::container
