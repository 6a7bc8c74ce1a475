#pragma once
#include "cli/compose/log_printer.h"
#include "compose/engine_pool.h"

namespace proa::cli {

struct LogQuery {
    std::string since, until, tail = "all";  ///< times as the API takes them
    bool follow = false, timestamps = false;
    bool this_life = false;  ///< only what was said since the container ended the last time
};
/// Prints one container's log to its end, or with `follow` until it ends. Blocks. Errors: the engine's, for example of a logging driver
/// that cannot be read.
Result<void> print_log(compose::EnginePool& engines, const std::string& id, const std::string& name, const LogQuery& query, LogPrinter& printer);

/// An attachment to a container's output that was made before its start, so that nothing is missed.
class AttachedOutput {
public:
    static Result<AttachedOutput> open(compose::EnginePool& engines, const std::string& id, const std::string& name);
    /// Prints until the container's end. Blocks.
    void print(LogPrinter& printer);

private:
    AttachedOutput(client::RawStream raw, std::string name, bool tty) : raw_(std::move(raw)), name_(std::move(name)), tty_(tty) {}
    client::RawStream raw_;
    std::string name_;
    bool tty_;
};

}  // namespace proa::cli
