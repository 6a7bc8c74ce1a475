#include "shim/records.h"

#include <cstring>

#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

namespace proa::shim {

namespace {
constexpr size_t kRecordBytesMax = 64 * 1024;

std::string running_path(const std::string& directory) { return directory + "/running"; }
std::string exit_path(const std::string& directory) { return directory + "/exit"; }

template <class Record>
Result<Record> read_record(const std::string& path) {
    std::string bytes = TRY(os::read_file(path, kRecordBytesMax));
    uint32_t version = 0;
    if (bytes.size() >= sizeof version) memcpy(&version, bytes.data(), sizeof version);
    if (bytes.size() >= sizeof version && version != kProtocolVersion)
        return fail(ErrorKind::Unsupported, concat(path, " has version ", version));
    return TRY_WRAP(path, unpack<Record>(bytes));
}
}  // namespace

Result<std::string> boot_id() {
    return std::string(trim(TRY(os::read_file("/proc/sys/kernel/random/boot_id", 128))));
}

bool is_same_process(pid_t pid, uint64_t start_time) {
    auto state = os::process_state(pid);
    auto found = os::process_start_time(pid);
    return state && found && *state != 'Z' && *state != 'X' && *found == start_time;
}

Result<void> write_running_record(const std::string& state_directory, const RunningRecord& record) {
    return os::replace_file(running_path(state_directory), pack(record), 0600, false);
}
Result<void> write_exit_record(const std::string& state_directory, const ExitRecord& record) {
    return os::replace_file(exit_path(state_directory), pack(record), 0600, false);
}
Result<RunningRecord> read_running_record(const std::string& state_directory) {
    return read_record<RunningRecord>(running_path(state_directory));
}
Result<ExitRecord> read_exit_record(const std::string& state_directory) {
    return read_record<ExitRecord>(exit_path(state_directory));
}

Liveness liveness(const RunningRecord& record) {
    auto current = boot_id();
    if (!current || *current != record.boot_id) return {};
    return {is_same_process(record.shim_pid, record.shim_start_time), is_same_process(record.init_pid, record.init_start_time)};
}

std::string socket_path(const std::string& state_directory) { return state_directory + "/shim.sock"; }

}  // namespace proa::shim
