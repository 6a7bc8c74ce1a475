"""An OCI runtime by its command line. RUNTIME names the program (default: proa-runtime of a build directory); the tests hold for runc and
crun as well, apart from those that are marked as promises of ours."""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time
import uuid

import pytest

from support import children
from support.outcome import Done

HERE = pathlib.Path(__file__).resolve().parent


def find_runtime():
    if os.environ.get("RUNTIME"):
        return os.environ["RUNTIME"]
    built = sorted(HERE.parents[1].glob("build/*/bin/proa-runtime"), key=lambda path: path.stat().st_mtime)
    if not built:
        pytest.fail("no proa-runtime was built: ./dev build")
    return str(built[-1])


def busybox():
    for path in ("/usr/bin/busybox", "/bin/busybox"):
        if os.path.exists(path):
            return path
    pytest.fail("no static busybox: ./dev setup installs busybox-static")


class Runtime:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.root = directory / "state"
        self.rootfs = directory / "bundle" / "rootfs"
        self.is_crun = os.path.basename(program) == "crun"
        self.is_ours = os.path.basename(program) == "proa-runtime"
        self.ids = []

    def command(self, *words):
        words = [self.program, "--root", str(self.root), *words]
        if self.is_crun:  # it refuses a hybrid layout whose cgroup2 part carries a controller
            script = "mount --bind /dev/null /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null; exec \"$@\""
            words = ["unshare", "-m", "sh", "-c", script, "sh", *words]
        return words

    def __call__(self, *words, **options):
        options.setdefault("timeout", 30)
        options.setdefault("cwd", self.directory / "bundle")
        options.setdefault("stdin", subprocess.DEVNULL)
        # Files, not pipes: a created container keeps its streams open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.run(self.command(*words), stdout=out, stderr=err, **options)
            out.seek(0), err.seek(0)
            process.stdout, process.stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        return Done(process)

    def id(self):
        self.ids.append("t" + uuid.uuid4().hex[:12])
        return self.ids[-1]

    def config(self, *args, mounts=(), **changes):
        """Docker-like config.json; `changes` are merged into it, `mounts` come behind the usual ones."""
        capabilities = [f"CAP_{name}" for name in "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE".split()]
        config = {
            "ociVersion": "1.0.2",
            "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": list(args) or ["true"], "env": ["PATH=/bin:/usr/bin"], "cwd": "/",
                        "capabilities": {name: capabilities for name in ("bounding", "effective", "permitted")}},
            "root": {"path": "rootfs", "readonly": False},
            "hostname": "box",
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
                {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
                {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            ],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
                      "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware", "/proc/scsi"],
                      "readonlyPaths": ["/proc/bus", "/proc/dynamic_debug", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
                      "resources": {"devices": [{"allow": False, "access": "rwm"}]}},
        }

        def merge(target, source):
            for key, value in source.items():
                if isinstance(value, dict) and isinstance(target.get(key), dict):
                    merge(target[key], value)
                else:
                    target[key] = value

        merge(config, changes)
        config["mounts"] = [*config["mounts"], *mounts]
        self.write(config)
        return config

    def write(self, config):
        (self.directory / "bundle" / "config.json").write_text(json.dumps(config))

    def run(self, script, **changes):
        """Runs a shell script to its end in a fresh container."""
        self.config("sh", "-c", script, **changes)
        return self("run", self.id())

    def output(self, script, **changes):
        """What it printed; it must end well."""
        done = self.run(script, **changes)
        assert done.code == 0, done
        return done.out

    def refused(self, *words, **changes):
        """The error of a container that must not come to life; each of `words` stands in it."""
        done = self.run("echo it ran", **changes)
        assert done.code != 0 and "it ran" not in done.out, done
        for word in words if self.is_ours else ():
            assert word.lower() in done.err.lower().replace("\\", ""), (word, done.err)
        return done.err

    def bind(self, destination="/vol", options=("rbind",), **files):
        """A mount of a new directory of the host with these files in it."""
        volume = pathlib.Path(tempfile.mkdtemp(dir=self.directory))
        volume.chmod(0o755)
        for name, text in files.items():
            (volume / name).write_text(text)
        return {"destination": destination, "type": "bind", "source": str(volume), "options": list(options)}

    def group_file(self, name, v1, v2):
        """The text of a file of the container's cgroup: `v1` is "controller/file", `v2` a file of the unified hierarchy."""
        pid = self.state(name)["pid"]
        groups = {}
        for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            for controller in controllers.split(",") if controllers else [""]:
                groups[controller] = path
        controller = v1.split("/")[0]
        if controller in groups:
            return pathlib.Path("/sys/fs/cgroup", controller, groups[controller].lstrip("/"), v1.split("/")[1]).read_text().strip()
        base = "/sys/fs/cgroup/unified" if os.path.isdir("/sys/fs/cgroup/unified") else "/sys/fs/cgroup"
        return pathlib.Path(base, groups[""].lstrip("/"), v2).read_text().strip()

    def state(self, name):
        done = self("state", name)
        assert done.code == 0, done
        return json.loads(done.out)

    def wait_for(self, name, status, seconds=5):
        end = time.monotonic() + seconds
        while self.state(name)["status"] != status:
            assert time.monotonic() < end, self.state(name)
            time.sleep(0.02)

    def start_detached(self, *args, **changes):
        self.config(*args, **changes)
        name = self.id()
        done = self("run", "--detach", name)
        assert done.code == 0, done
        return name


class Reaper:
    """Takes in detached processes, as an engine does, and reaps them: the pid namespace of a container waits for those that exec brought."""

    def __init__(self):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.ended.wait(0.01):
            for task in os.listdir("/proc/self/task"):
                for pid in self.children(task):
                    self.reap(pid)

    @staticmethod
    def children(task):
        try:
            return pathlib.Path(f"/proc/self/task/{task}/children").read_text().split()
        except OSError:
            return []  # the thread has ended

    @staticmethod
    def reap(pid):
        try:
            status = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            # Forked children are in our session; a container's have one of their own.
            if status[0] == "Z" and int(status[3]) != os.getsid(0):
                children.collect(int(pid))
        except (OSError, IndexError):
            pass


@pytest.fixture(scope="session")
def reaper():
    made = Reaper()
    yield made
    made.ended.set()
    made.thread.join()


APPLETS = """sh true false cat echo id ls mount sleep stat env pwd test touch mkdir grep readlink hostname dnsdomainname tty stty ps kill trap wc ulimit nproc dd
    uname head tail ip sort tr cut rm ln chmod chown date df find od mknod ionice chrt taskset sed awk umount cp setsid seq usleep printf xargs""".split()


@pytest.fixture(scope="session")
def program_file():
    """One busybox for all root file systems, which link to it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proa-oci-busybox-"))
    shutil.copy(busybox(), directory / "busybox")
    yield directory / "busybox"
    shutil.rmtree(directory)


def make_root(rootfs, program):
    for name in "bin dev etc proc sys tmp root".split():
        (rootfs / name).mkdir(parents=True)
    os.link(program, rootfs / "bin" / "busybox")
    for name in APPLETS:
        (rootfs / "bin" / name).symlink_to("busybox")


@contextlib.contextmanager
def bundle_of(program, program_file):
    """A Runtime with a bundle of its own; its containers and their cgroups are gone at the end."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proa-oci-"))
    directory.chmod(0o755)
    rootfs = directory / "bundle" / "rootfs"
    make_root(rootfs, program_file)
    (rootfs / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    made = Runtime(program, directory)
    yield made
    for name in made.ids:
        if made.is_crun or (made.root / name).exists():
            made("delete", "--force", name)
    shutil.rmtree(directory)
    left = [path for path in pathlib.Path("/sys/fs/cgroup").glob("*/t*") if path.name in made.ids]
    assert not left, left


@pytest.fixture
def runtime(program_file, reaper):  # pylint: disable=unused-argument
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with bundle_of(find_runtime(), program_file) as made:
        yield made
