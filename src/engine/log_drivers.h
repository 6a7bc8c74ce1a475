#pragma once
#include "container/record.h"
#include "engine/paths.h"
#include "shim/protocol.h"

// Logging drivers. The shim always writes files of the json-file form (but for `none`): they are the log of `json-file` and `local`, and
// of the drivers that send away they are the cache that `logs` reads and that the daemon sends from (engine/log_forwarder.h). So no
// container ever waits for a log server, whatever `mode` says. docs/life/logs.md
namespace proa::engine {

/// Checks the driver's name and options. Errors: InvalidArgument with Docker's texts "unknown log opt 'x' for y log driver",
/// "error looking up logging plugin x: plugin \"x\" not found"; Unsupported for drivers and options that are not there, by name.
Result<void> check_log_config(const docker::LogConfig& log);

/// What the driver's options say about a server that does not take a message; without a word it is tried until the server has it.
struct LogRetries {
    int64_t wait_ms = 1000;        ///< between two attempts
    std::optional<uint64_t> most;  ///< attempts after the first one; then the message is left out, as Docker's drivers do
};
LogRetries log_retries(const docker::LogConfig& log);
/// An option that is known and has nothing to act on here, in words.
std::optional<std::string> warn_of_log_options(const docker::LogConfig& log);
bool sends_away(const docker::LogConfig& log);     ///< syslog, journald, gelf, fluentd
bool is_log_readable(const docker::LogConfig& log);  ///< `logs` can answer
/// The file that the shim writes; "" for `none`.
std::string log_file(const Paths& paths, const container::Record& record);
/// What the shim is told.
shim::LogSettings log_settings(const Paths& paths, const container::Record& record);

/// What labels, env and their -regex forms choose.
docker::StringMap chosen_log_attributes(const container::Record& record);

/// `tag` ("{{.Name}}/{{.ID}}") for this container; the first twelve digits of its id when there is none.
/// Errors: InvalidArgument for what is no such template.
Result<std::string> log_tag(const container::Record& record);

/// An option's value, "" when it is not set.
std::string log_option(const docker::LogConfig& log, std::string_view name);

}  // namespace proa::engine
