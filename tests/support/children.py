"""Which children of this process somebody here waits for: an exit code can be had once, and what we adopt has to be collected as well."""
import os
import subprocess
import threading
import weakref

_lock, _started, _begin = threading.Lock(), {}, subprocess.Popen.__init__


def _begin_and_note(popen, *args, **options):
    with _lock:  # or it could end, and be collected, before it is noted
        _begin(popen, *args, **options)
        _started[popen.pid] = weakref.ref(popen)


subprocess.Popen.__init__ = _begin_and_note


def collect(pid):
    """Waits for a zombie unless it is a Popen's whose code nobody has asked for yet; whether it is gone now."""
    with _lock:
        popen = _started.get(pid, lambda: None)()
        if popen is not None and popen.returncode is None:
            return False
        try:
            os.waitpid(pid, os.WNOHANG)
        except OSError:
            return False
        return True
