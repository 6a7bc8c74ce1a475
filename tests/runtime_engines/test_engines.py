"""proa-runtime as the runtime of other engines: podman (--runtime), containerd's ctr (runc-v2 shim with another binary) and dockerd
(`runtimes`). Each runs, executes in, kills and deletes containers, with and without a terminal. RUNTIME names another runtime to prove the tests on.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import pytest

from support import images, isolation
from support.engine import REPOSITORY, Engine
from support.terminal import Terminal
from support.waiting import wait_until

RUNTIME = os.path.abspath(os.environ.get("RUNTIME", os.path.join(os.environ.get("PROA_BIN", os.path.join(REPOSITORY, "build/release/bin")), "proa-runtime")))
MASK_CGROUP2 = "mount --bind /dev/null /sys/fs/cgroup/unified/cgroup.controllers 2>/dev/null; exec \"$@\""  # podman refuses a hybrid layout


@pytest.fixture(scope="module")
def place(isolated):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="proa-test-"))
    (directory / "image.tar").write_bytes(images.test_images(with_hello=False))
    yield directory
    for line in reversed(open("/proc/self/mountinfo").read().splitlines()):
        if line.split()[4].startswith(str(directory)):
            isolation.unmount(line.split()[4])
    shutil.rmtree(directory)


class Client:
    """An engine by its command line. `run` takes the name and the command; words of the engine's own stand in front."""

    def __init__(self, command, environment=None):
        self.command, self.environment = [str(word) for word in command], {**os.environ, **(environment or {})}

    def __call__(self, *words, check=0, timeout=60, **options):
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:  # a detached monitor keeps pipes open
            done = subprocess.run([*self.command, *map(str, words)], stdin=subprocess.DEVNULL, stdout=out, stderr=error, timeout=timeout, env=self.environment, **options)
            out.seek(0), error.seek(0)
            text, problem = out.read(), error.read()
        assert check is None or done.returncode == check, f"{words}: exit {done.returncode}\n{text}\n{problem}"
        return text if check is not None else text + problem

    def terminal(self, *words):
        return Terminal([*self.command, *map(str, words)], env=self.environment)


@pytest.fixture(scope="module")
def dockerd(place):
    with isolation.OwnNetwork():
        engine = Engine(number=31)
        engine.dockerd, engine.kind, engine.external = "/usr/sbin/dockerd", "docker", None
        engine.arguments = ["--add-runtime", f"ours={RUNTIME}", "--default-runtime", "ours", "--iptables=false"]
        try:
            engine.start()
            client = Client(["docker"], {"DOCKER_HOST": engine.host, "DOCKER_CONFIG": str(place / "config")})
            client("load", "-i", place / "image.tar")
            client.run, client.remove = ["run", "--network=none"], ["rm", "-f"]
            yield client
        finally:
            engine.destroy()


@pytest.fixture(scope="module")
def podman(place):
    base = ["unshare", "-m", "sh", "-c", MASK_CGROUP2, "sh", "podman", "--root", place / "pod", "--runroot", place / "podrun", "--tmpdir", place / "podtmp", "--runtime", RUNTIME,
            "--cgroup-manager", "cgroupfs", "--storage-driver", "vfs", "--events-backend", "file"]
    client = Client(base)
    client("load", "-i", place / "image.tar")
    # Its own default limits are above what this machine may allow, which runc and crun refuse.
    client.run, client.remove = ["run", "--network=none", "--pull=never", "--ulimit=nproc=1000:1000", "--ulimit=nofile=1000:1000"], ["rm", "-f", "-t", "0"]
    yield client
    client("rm", "-a", "-f", "-t", "0")


@pytest.fixture(scope="module")
def containerd(place):
    config = place / "containerd.toml"
    config.write_text(f'version = 2\nroot = "{place}/ctr"\nstate = "{place}/ctrrun"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{place}/c.sock"\n[ttrpc]\n  address = "{place}/c.sock.ttrpc"\n')
    with open(place / "containerd.log", "wb") as log:
        daemon = subprocess.Popen(["containerd", "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    namespace = f"proa-test-{os.getpid()}"  # also the name of the containers' parent cgroup, which a runtime leaves alone
    client = Client(["ctr", "-a", place / "c.sock", "-n", namespace])
    try:
        def ready():
            assert daemon.poll() is None, (place / "containerd.log").read_text()[-2000:]
            return subprocess.run([*client.command, "version"], capture_output=True).returncode == 0
        wait_until(ready, 30, "containerd")
        client("image", "import", "--no-unpack", place / "image.tar")
        yield client
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
        for parent in pathlib.Path("/sys/fs/cgroup").glob(f"*/{namespace}"):
            parent.rmdir()


def unique():
    return "e" + uuid.uuid4().hex[:10]



@pytest.fixture(params=["dockerd", "podman"])
def other(request):
    return request.getfixturevalue(request.param)


def test_run_exec_kill_and_remove(other):
    assert other(*other.run, "--rm", "busybox", "sh", "-c", "echo out; hostname >/dev/null; exit 3", check=3) == "out\n"
    name = unique()
    other(*other.run, "-d", "--name", name, "--memory", "64m", "--pids-limit", "100", "busybox", "sh", "-c", "echo started; trap 'exit 9' TERM; while :; do sleep 0.1; done")
    assert other("exec", name, "sh", "-c", "cat /proc/1/comm; id -u") == "sh\n0\n"
    other("exec", name, "sh", "-c", "exit 5", check=5)
    assert "not found in $PATH" in other("exec", name, "no-such-program", check=None)
    assert "started" in other("logs", name)
    assert json.loads(other("inspect", name))[0]["State"]["Running"] is True
    other("pause", name)
    other("unpause", name)
    other("kill", "--signal", "TERM", name)
    wait_until(lambda: json.loads(other("inspect", name))[0]["State"]["ExitCode"] == 9, 15, "the exit code")
    other("start", name)
    other("stop", "-t", "5", name)
    other(*other.remove, name)
    other("inspect", name, check=None)
    other(*other.run, "--rm", "busybox", "/not/there", check=127)
    other(*other.run, "--rm", "busybox", "/etc", check=126)


def test_options_reach_the_container(other):
    out = other(*other.run, "--rm", "-u", "1000:1000", "-w", "/tmp", "-e", "A=b", "--read-only", "--cap-drop", "ALL", "--ulimit", "nofile=77:77", "--hostname", "box", "--tmpfs", "/scratch", "busybox",
                 "sh", "-c", "id -u; pwd; echo $A; hostname; ulimit -n; touch /x 2>/dev/null || echo ro; touch /scratch/x && echo rw; grep CapEff /proc/self/status")
    assert out.split("\n")[:7] == ["1000", "/tmp", "b", "box", "77", "ro", "rw"] and "0000000000000000" in out, out


def test_a_terminal(other):
    name = unique()
    with other.terminal(*other.run, "-it", "--rm", "--name", name, "busybox", "sh") as terminal:
        terminal.type("tty; stty size\r")
        terminal.expect("/dev/pts/0")
        with other.terminal("exec", "-it", name, "sh") as second:
            second.type("echo in$((1+1))side; exit 4\r")
            second.expect("in2side")
            assert second.wait() == 4
        terminal.type("exit 42\r")
        assert terminal.wait() == 42


@pytest.mark.parametrize("tty", [False, True])
def test_containerd(containerd, place, tty):
    run = ["run", "--runc-binary", RUNTIME]
    image = "docker.io/library/busybox:latest"
    if not tty:
        assert containerd(*run, "--rm", image, unique(), "sh", "-c", "echo out; exit 3", check=3) == "out\n"
        name = unique()
        containerd(*run, "-d", "--memory-limit", 64 << 20, image, name, "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done")
        assert containerd("task", "exec", "--exec-id", "one", name, "sh", "-c", "cat /proc/1/comm") == "sh\n"
        containerd("task", "exec", "--exec-id", "two", name, "sh", "-c", "exit 5", check=5)
        assert "RUNNING" in containerd("task", "ls")
        containerd("task", "pause", name)
        assert "PAUSED" in containerd("task", "ls")
        containerd("task", "resume", name)
        containerd("task", "metrics", name)
        containerd("task", "kill", "-s", "SIGTERM", name)
        wait_until(lambda: "STOPPED" in containerd("task", "ls"), 15, "the end")
        containerd("task", "delete", name)
        containerd("container", "delete", name)
        containerd(*run, "--rm", image, unique(), "/not/there", check=1)
    else:
        with containerd.terminal(*run, "--rm", "-t", image, unique(), "sh") as terminal:
            terminal.type("tty\r")
            terminal.expect("/dev/pts/0")
            terminal.type("exit 42\r")
            assert terminal.wait() == 42
    assert containerd("container", "ls", "-q") == ""
