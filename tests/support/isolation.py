"""A network and mount namespace of the test session's own, so that no interface, rule or mount of a test reaches the machine."""
import ctypes
import os
import subprocess

from support import children

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND, MS_SLAVE, MS_SHARED = 16384, 1 << 18, 4096, 1 << 19, 1 << 20
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source, target, kind=None, flags=0, data=None):
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), kind and kind.encode(), ctypes.c_ulong(flags), data and data.encode()), f"mount {target}")


def unmount(target, flags=2):
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def become_subreaper():
    """Orphans (the shims of a killed daemon) become children of this process, whatever the machine's init does."""
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


_outside = None  # the network namespace that the session came from


def run_outside(command, **options):
    """subprocess.run() with check, in the network that the session came from: for what a mirror of packages is needed for."""
    return subprocess.run(command, check=True, preexec_fn=_outside and (lambda: _check(_libc.setns(_outside, CLONE_NEWNET), "setns")), **options)


def enter_private_namespaces():
    """Moves this process into new network and mount namespaces, with lo up and /sys showing the new network."""
    global _outside
    _outside = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    _check(_libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    mount("none", "/", None, MS_REC | MS_SLAVE)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    keep = "/mnt"
    mount("tmpfs", keep, "tmpfs")
    os.mkdir(keep + "/cgroup")
    mount("/sys/fs/cgroup", keep + "/cgroup", None, MS_BIND | MS_REC)
    security = os.path.ismount("/sys/kernel/security")
    mount("sysfs", "/sys", "sysfs")
    if security:
        mount("securityfs", "/sys/kernel/security", "securityfs")
    mount(keep + "/cgroup", "/sys/fs/cgroup", None, MS_BIND | MS_REC)
    unmount(keep)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class OwnNetwork:
    """A fresh network namespace for the length of a `with`: two engines do not share a bridge name."""

    def __enter__(self):
        self.before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _check(_libc.unshare(CLONE_NEWNET), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

    def __exit__(self, *_):
        _check(_libc.setns(self.before, CLONE_NEWNET), "setns")
        os.close(self.before)


def enter_network_namespace(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(fd, CLONE_NEWNET), f"setns {path}")
    finally:
        os.close(fd)


def reap_orphans():
    """Collects zombies that this process inherited; never one that somebody else here waits for."""
    me, reaped = str(os.getpid()), 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                state, parent = stat.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state == "Z" and parent == me:
            reaped += children.collect(int(pid))
    return reaped
