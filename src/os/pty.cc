#include "os/pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "os/file.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

namespace proa::os {

Result<void> set_window_size(int terminal, WindowSize size) {
    struct winsize native {};
    native.ws_row = size.height;
    native.ws_col = size.width;
    if (::ioctl(terminal, TIOCSWINSZ, &native) < 0) return fail_errno("TIOCSWINSZ");
    return {};
}

Result<WindowSize> window_size(int terminal) {
    struct winsize native {};
    if (::ioctl(terminal, TIOCGWINSZ, &native) < 0) return fail_errno("TIOCGWINSZ");
    return WindowSize{native.ws_row, native.ws_col};
}

Result<Pty> open_pty(Fd ptmx) {
    int unlocked = 0;
    if (::ioctl(ptmx.get(), TIOCSPTLCK, &unlocked) < 0) return fail_errno("TIOCSPTLCK");
    int peer = ::ioctl(ptmx.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0) return fail_errno("TIOCGPTPEER");
    return Pty{std::move(ptmx), Fd(peer)};
}

Result<Pty> open_pty() { return open_pty(TRY(open_file("/dev/ptmx", O_RDWR | O_NOCTTY))); }

}  // namespace proa::os
