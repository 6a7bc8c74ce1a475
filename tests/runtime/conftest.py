"""An OCI runtime by its command line. RUNTIME names the program (default: proa-runtime of a build directory); the tests hold for runc and
crun as well, apart from those that are marked as promises of ours."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import uuid

import pytest

HERE = pathlib.Path(__file__).resolve().parent


def find_runtime():
    if os.environ.get("RUNTIME"):
        return os.environ["RUNTIME"]
    built = sorted(HERE.parents[1].glob("build/*/bin/proa-runtime"), key=lambda path: path.stat().st_mtime)
    if not built:
        pytest.skip("no proa-runtime was built")
    return str(built[-1])


def busybox():
    for path in ("/usr/bin/busybox", "/bin/busybox"):
        if os.path.exists(path):
            return path
    pytest.skip("no static busybox")


class Done:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f"code {self.code}\nout {self.out}\nerr {self.err}"


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

    def config(self, *args, **changes):
        """Docker-like config.json; `changes` are merged into it."""
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
                      "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
                      "resources": {"devices": [{"allow": False, "access": "rwm"}]}},
        }

        def merge(target, source):
            for key, value in source.items():
                if isinstance(value, dict) and isinstance(target.get(key), dict):
                    merge(target[key], value)
                else:
                    target[key] = value

        merge(config, changes)
        self.write(config)
        return config

    def write(self, config):
        (self.directory / "bundle" / "config.json").write_text(json.dumps(config))

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


@pytest.fixture
def runtime():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    program = find_runtime()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proa-oci-"))
    directory.chmod(0o755)
    rootfs = directory / "bundle" / "rootfs"
    for name in "bin dev etc proc sys tmp root".split():
        (rootfs / name).mkdir(parents=True)
    shutil.copy(busybox(), rootfs / "bin" / "busybox")
    for name in "sh true false cat echo id ls mount sleep stat env pwd test touch mkdir grep readlink hostname tty stty ps kill trap wc ulimit nproc dd".split():
        (rootfs / "bin" / name).symlink_to("busybox")
    (rootfs / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    made = Runtime(program, directory)
    yield made
    for name in made.ids:
        made("delete", "--force", name)
    shutil.rmtree(directory)
    left = [path for path in pathlib.Path("/sys/fs/cgroup").glob("*/t*") if path.name in made.ids]
    assert not left, left
