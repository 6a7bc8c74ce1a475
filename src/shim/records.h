#pragma once
#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "shim/protocol.h"

// The shim's files in its state directory (docs/formats/shim.md). Written by rename, so a reader sees a whole record or none.
namespace proa::shim {

Result<std::string> boot_id();
/// True while `pid` is that very process and not a zombie.
bool is_same_process(pid_t pid, uint64_t start_time);

Result<void> write_running_record(const std::string& state_directory, const RunningRecord& record);
Result<void> write_exit_record(const std::string& state_directory, const ExitRecord& record);
/// Errors: NotFound when there is none, InvalidArgument when it is damaged, Unsupported when another release wrote it.
Result<RunningRecord> read_running_record(const std::string& state_directory);
Result<ExitRecord> read_exit_record(const std::string& state_directory);

struct Liveness {
    bool shim = false, init = false;
};
/// Which of the record's processes still live: same boot, same start times.
Liveness liveness(const RunningRecord& record);

std::string socket_path(const std::string& state_directory);

}  // namespace proa::shim
