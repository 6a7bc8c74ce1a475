"""checkpoint and restore by criu, which works with the guest's kernel."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from runtime import conftest as oci
from runtime.conftest import program_file, reaper  # pylint: disable=unused-import  # fixtures
from support.waiting import wait_until

pytestmark = pytest.mark.thorough

COUNTER = "i=0; while :; do i=$((i+1)); echo $i >> /data/count; sleep 0.2; done"


@pytest.fixture
def runtime(program_file, reaper):  # pylint: disable=unused-argument
    with oci.bundle_of(oci.find_runtime(), program_file) as made:
        yield made


class Counter:
    """A container that counts into a volume, and never begins again."""

    def __init__(self, runtime, flags=(), **changes):
        self.runtime, self.flags = runtime, flags
        self.volume = runtime.bind("/data")
        self.file = pathlib.Path(self.volume["source"], "count")
        self.config = runtime.config("sh", "-c", COUNTER, mounts=[self.volume], **changes)
        self.name = runtime.id()
        self.through_pipe(runtime, *flags, "run", "--detach", self.name)
        self.goes_on(0)

    @staticmethod
    def through_pipe(runtime, *words):
        """Streams that every runtime knows how to carry over: nothing, and a pipe."""
        reader, writer = os.pipe()
        done = subprocess.run(runtime.command(*words), cwd=runtime.directory / "bundle", stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, timeout=90, check=False)
        os.set_blocking(reader, False)
        os.close(writer)
        try:
            said = os.read(reader, 65536)
        except BlockingIOError:
            said = b""
        os.close(reader)
        assert done.returncode == 0, said

    def numbers(self):
        return [int(line) for line in self.file.read_text().split()] if self.file.exists() else []

    def goes_on(self, before):
        wait_until(lambda: len(self.numbers()) > before + 2, 30, "it to count")
        assert self.numbers() == list(range(1, len(self.numbers()) + 1))

    def checkpoint(self, *words):
        done = self.runtime(*self.flags, "checkpoint", "--image-path", str(self.runtime.directory / "images"), *words, self.name, timeout=90)
        log = self.runtime.directory / "images" / "dump.log"
        assert done.code == 0, (done, log.read_text()[-3000:] if log.exists() else "")
        return len(self.numbers())

    def restore(self, name=None, *words):
        self.through_pipe(self.runtime, *self.flags, "restore", "--detach", "--image-path", str(self.runtime.directory / "images"), *words, name or self.name)


def test_a_container_goes_on_where_it_was(runtime):
    counter = Counter(runtime, process={"noNewPrivileges": True}, linux={"resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 20}}})
    before = counter.checkpoint()
    gone = runtime("state", counter.name)
    assert gone.code == 1 and "does not exist" in gone.err
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"**/{counter.name}"))

    pid_file = runtime.directory / "pid"
    counter.restore(counter.name, "--pid-file", str(pid_file))
    counter.goes_on(before)
    state = runtime.state(counter.name)
    assert state["status"] == "running" and state["pid"] == int(pid_file.read_text())
    status = pathlib.Path(f"/proc/{state['pid']}/status").read_text()
    assert "NoNewPrivs:\t1\n" in status and "CapBnd:\t00000000a80425fb\n" in status
    assert runtime.group_file(counter.name, "memory/memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert runtime.group_file(counter.name, "pids/pids.max", "pids.max") == "20"
    done = runtime("exec", counter.name, "sh", "-c", "ls /proc/kcore; cat /proc/kcore; head -n 1 /data/count")
    assert (done.code, done.out) == (0, "/proc/kcore\n1\n"), done
    assert runtime("kill", counter.name, "KILL").code == 0
    runtime.wait_for(counter.name, "stopped")
    assert runtime("delete", counter.name).code == 0
    assert not (runtime.root / counter.name).exists()


def test_it_may_go_on_running_and_a_second_one_come_of_it(runtime):
    counter = Counter(runtime)
    before = counter.checkpoint("--leave-running")
    counter.goes_on(before)
    assert runtime.state(counter.name)["status"] == "running"
    assert runtime("delete", "--force", counter.name).code == 0
    # Another name, and a root without the mount points that the first run has made.
    shutil.rmtree(runtime.rootfs / "data")
    counter.file.unlink()
    other = runtime.id()
    counter.restore(other)
    wait_until(lambda: len(counter.numbers()) > 2, 30, "it to count")
    numbers = counter.numbers()
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] > before - 3, numbers
    assert pathlib.Path(f"/proc/{runtime.state(other)['pid']}/cgroup").read_text().strip().endswith("/" + other)


def test_a_scope_of_systemd(runtime):
    name = "pre-" + runtime.id()
    counter = Counter(runtime, ["--systemd-cgroup"], linux={"cgroupsPath": f"system.slice:pre:{name}"})
    before = counter.checkpoint()
    counter.restore()
    counter.goes_on(before)
    group = pathlib.Path(f"/proc/{runtime.state(counter.name)['pid']}/cgroup").read_text()
    assert group == f"0::/system.slice/pre-{name}.scope\n"
    assert subprocess.check_output(["systemctl", "is-active", f"pre-{name}.scope"], text=True) == "active\n"


def test_a_joined_network_and_the_exit_status_of_who_waits(runtime):
    subprocess.run(["ip", "netns", "add", "proatest"], check=True)
    try:
        kinds = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")] + [{"type": "network", "path": "/run/netns/proatest"}]
        runtime.config("sh", "-c", "trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done", linux={"namespaces": kinds})
        name = runtime.id()
        # A file of the host as a stream: whoever restores gives another file in its place.
        with open(runtime.directory / "said", "w", encoding="utf-8") as said:
            subprocess.run(runtime.command("run", "--detach", name), cwd=runtime.directory / "bundle", stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=30, check=True)
        images = str(runtime.directory / "images")
        done = runtime("checkpoint", "--image-path", images, name, timeout=90)
        assert done.code == 0, done
        with open(runtime.directory / "said-later", "w", encoding="utf-8") as said:
            process = subprocess.Popen(runtime.command("restore", "--image-path", images, name), cwd=runtime.directory / "bundle", stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        later = lambda: (runtime.directory / "said-later").read_text()
        wait_until(lambda: process.poll() is not None or '"running"' in runtime("state", name).out, 60, "the container")
        assert process.poll() is None, later()
        inode = pathlib.Path("/run/netns/proatest").stat().st_ino
        assert pathlib.Path(f"/proc/{runtime.state(name)['pid']}/ns/net").stat().st_ino == inode
        assert runtime("kill", name, "TERM").code == 0
        assert (process.wait(30), later()) == (7, "bye\n")
        assert not (runtime.root / name).exists()
    finally:
        subprocess.run(["ip", "netns", "del", "proatest"], check=True)


def test_what_runc_has_written_is_restored_and_the_other_way_round(runtime, program_file):
    with oci.bundle_of("/usr/sbin/runc", program_file) as runc:
        counter = Counter(runc)
        before = counter.checkpoint()
        counter.runtime = runtime
        words = ["restore", "--detach", "--bundle", str(runc.directory / "bundle"), "--image-path", str(runc.directory / "images"), counter.name]
        runtime.ids.append(counter.name)
        counter.through_pipe(runtime, *words)
        counter.goes_on(before)
        done = runtime("checkpoint", "--image-path", str(runtime.directory / "images"), counter.name, timeout=90)
        assert done.code == 0, done
        before = len(counter.numbers())
        words[-2] = str(runtime.directory / "images")
        counter.through_pipe(runc, *words)
        counter.goes_on(before)


def test_what_cannot_be_done_is_told_and_leaves_nothing(runtime):
    images = str(runtime.directory / "images")
    name = runtime.id()
    runtime.config("sleep", "100")
    done = runtime("restore", "--detach", "--image-path", images, name)
    assert done.code == 1 and "there is no checkpoint in " + images in done.err
    pathlib.Path(images).mkdir()
    done = runtime("restore", "--detach", "--image-path", images, name)
    assert done.code == 1 and "restore: criu failed: " in done.err and "restore.log" in done.err, done
    assert not (runtime.root / name).exists() and not list(pathlib.Path("/sys/fs/cgroup").glob(f"**/{name}"))
    assert images not in pathlib.Path("/proc/self/mountinfo").read_text() and name not in pathlib.Path("/proc/self/mountinfo").read_text()

    runtime.config("sleep", "100", hooks={"createRuntime": [{"path": "/bin/true"}]})
    done = runtime("restore", "--detach", "--image-path", images, name)
    assert done.code == 1 and "hooks.createRuntime" in done.err
    assert runtime("checkpoint", "--image-path", images, "nobody").code == 1

    runtime.config("sleep", "100", process={"terminal": True})
    created = json.loads((runtime.directory / "bundle" / "config.json").read_text())
    assert created["process"]["terminal"]
    done = runtime("restore", "--image-path", images, name)
    assert done.code == 1 and "terminal" in done.err
