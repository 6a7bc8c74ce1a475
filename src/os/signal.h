#pragma once
#include <sys/types.h>

#include <initializer_list>
#include <optional>

#include "os/fd.h"

namespace proa::os {

/// Blocks every signal that can be blocked in the calling thread (threads and children started later inherit that).
Result<void> block_all_signals();
/// A non-blocking descriptor that becomes readable for `signals`, which the caller has blocked. man: signalfd(2)
Result<Fd> open_signal_descriptor(std::initializer_list<int> signals);
/// The next pending signal's number, or nothing.
std::optional<int> next_signal(int descriptor);

struct Reaped {
    pid_t pid;
    int exit_code;  ///< 128 + n when signal n ended it
};
/// Reaps one ended child (any), never blocks; nothing when none has ended.
std::optional<Reaped> reap_child();

}  // namespace proa::os
