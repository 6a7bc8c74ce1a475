#pragma once
#include <cstdint>
#include <optional>

#include "os/fd.h"

namespace proa::os {

struct WindowSize {
    uint16_t height = 0, width = 0;
};
/// TIOCSWINSZ on either side of a pty; the foreground process group gets SIGWINCH when it changed.
Result<void> set_window_size(int terminal, WindowSize size);
Result<WindowSize> window_size(int terminal);

struct Pty {
    Fd master, peer;
};
/// A new pair of the devpts that `ptmx` (an open /dev/ptmx or pts/ptmx) belongs to. The peer comes from TIOCGPTPEER, never
/// from a path, so nobody can put another file in its place. man: ioctl_tty(2)
Result<Pty> open_pty(Fd ptmx);
/// The same from the caller's own /dev/ptmx.
Result<Pty> open_pty();

}  // namespace proa::os
