"""`--runtime`: containers that an OCI runtime of daemon.json's `runtimes` runs behave as those of the built-in one."""
import glob
import json
import os
import shutil

import pytest

from conftest import Docker, load_images
from support import isolation
from support.engine import Engine
from support.http import Http
from support.waiting import wait_until

RUNC, CRUN = shutil.which("runc"), shutil.which("crun")


def hybrid_cgroups():
    """A layout that crun 1.8 refuses: cgroup2 with a controller beside version 1."""
    path = "/sys/fs/cgroup/unified/cgroup.controllers"
    return os.path.exists(path) and open(path).read().strip() != ""


def configured_engine(archive, number, hide_unified=False):
    engine = Engine(number=number)
    if engine.external:
        pytest.skip("needs an engine that the test may configure")
    engine.write_config({"runtimes": {name: {"path": path} for name, path in
                         {"other-runc": RUNC or "/nonexistent/runc", "crun": CRUN or "/nonexistent/crun", "gone": "/nonexistent/runtime"}.items()}
                         | {"gone-with-arguments": {"path": "/nonexistent/runtime", "runtimeArgs": ["--debug"]},
                            "argued": {"path": RUNC or "/nonexistent/runc", "runtimeArgs": ["--debug"]}}})
    if hide_unified:
        plain = engine.command
        script = 'umount -l /sys/fs/cgroup/unified && exec "$@"'
        engine.command = lambda extra=(): ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *plain(extra)]
    with isolation.OwnNetwork():
        try:
            engine.start()
            load_images(engine, archive)
            yield engine
        finally:
            if os.environ.get("PROA_TEST_KEEP_LOG"):
                shutil.copy(engine.log_path, os.environ["PROA_TEST_KEEP_LOG"])
            engine.destroy()


@pytest.fixture(scope="module")
def runtimes(isolated, archive):
    yield from configured_engine(archive, 160)


@pytest.fixture
def cli(runtimes):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "PROA_"))}
    environment.update(DOCKER_HOST=runtimes.host, DOCKER_CONFIG=runtimes.directory + "/client", LC_ALL="C.UTF-8", TZ="UTC", DOCKER_CLI_HINTS="false")
    docker = Docker(environment)
    yield docker
    left = docker.output("ps", "-aq").split()
    if left:
        docker("rm", "-f", *left, check=0)


def no_leftovers(engine, container):
    return not (glob.glob(f"/sys/fs/cgroup/*/**/{container}", recursive=True) or glob.glob(f"{engine.exec_root}/runtime-*/{container}"))


class TestRunc:
    RUNTIME, STATE_FILE = "other-runc", "state.json"
    EXEC_REFUSAL = 'exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'
    REFUSALS = [("nosuch", 127, 'runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'),
                ("/etc/passwd", 126, "permission denied"), ("/nowhere/x", 127, "no such file or directory")]

    def run(self, cli, *arguments, **options):
        return cli("run", "--runtime", self.RUNTIME, *arguments, **options)

    def test_output_and_exit_code(self, cli):
        done = self.run(cli, "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7", check=7)
        assert (done.stdout, done.stderr) == ("out\n", "err\n")

    def test_standard_input(self, cli):
        assert self.run(cli, "--rm", "-i", "busybox", "cat", input="words\n", check=0).stdout == "words\n"

    def test_is_named_and_leaves_nothing(self, cli, runtimes):
        container = self.run(cli, "-d", "busybox", "sleep", "100", check=0).stdout.strip()
        assert cli.inspect(container, "{{.HostConfig.Runtime}} {{.State.Status}}") == f"{self.RUNTIME} running"
        # The runtime has it in its list, among this engine's states only.
        assert os.path.exists(f"{runtimes.exec_root}/runtime-{self.RUNTIME}/{container}/{self.STATE_FILE}")
        cli("rm", "-f", container, check=0)
        wait_until(lambda: no_leftovers(runtimes, container), 10, "the container's traces to go")
        assert container not in open("/proc/self/mountinfo").read()

    def test_network_hostname_and_files(self, cli):
        text = self.run(cli, "--rm", "--hostname", "box", "busybox", "sh", "-c", "hostname; ip -o -4 addr show dev eth0; tail -n 1 /etc/hosts", check=0).stdout
        assert text.startswith("box\n") and "inet 172." in text and "\tbox\n" in text

    def test_two_starts_keep_the_files(self, cli, name):
        self.run(cli, "--name", name, "busybox", "sh", "-c", "echo x >> /count; wc -l < /count", check=0)
        cli("start", name, check=0)
        cli("wait", name)
        assert cli.output("logs", name).split() == ["1", "2"]

    def test_volumes_and_parts_of_them(self, cli, runtimes, name):
        self.run(cli, "--rm", "-v", f"{name}:/v", "busybox", "sh", "-c", "mkdir /v/sub; echo inner > /v/sub/file", check=0)
        http = Http(runtimes.socket, "1.48")
        mounts = [{"Type": "volume", "Source": name, "Target": "/dir", "VolumeOptions": {"Subpath": "sub"}},
                  {"Type": "volume", "Source": name, "Target": "/one", "VolumeOptions": {"Subpath": "sub/file"}}, {"Type": "image", "Source": "busybox", "Target": "/image"}]
        created = http.post(f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["sh", "-c", "cat /dir/file /one; ls -d /image/bin"], "HostConfig": {"Runtime": self.RUNTIME, "Mounts": mounts}})
        assert created.status == 201, created
        for _ in range(2):
            assert http.post(f"/containers/{name}/start").status == 204
            cli("wait", name, check=0)
        assert cli.output("logs", name).split() == ["inner", "inner", "/image/bin"] * 2
        assert "/mount-" not in open("/proc/self/mountinfo").read()
        cli("rm", name, check=0)
        cli("volume", "rm", name, check=0)

    def test_logs_stop_and_signals(self, cli, name):
        self.run(cli, "-d", "--name", name, "busybox", "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done", check=0)
        wait_until(lambda: "ready" in cli.output("logs", name), 10, "the container to be ready")
        cli("stop", name, check=0)
        assert cli.output("logs", name).split() == ["ready", "got"]
        assert cli.inspect(name, "{{.State.ExitCode}}") == "9"
        cli("restart", "-t", "0", name, check=0)
        cli("kill", name, check=0)
        assert cli.output("wait", name) == "137"

    def test_exec(self, cli, name):
        self.run(cli, "-d", "--name", name, "-e", "A=1", "busybox", "sleep", "100", check=0)
        done = cli("exec", "-e", "B=2", "-w", "/tmp", name, "sh", "-c", "echo $A$B $PWD; echo err >&2; exit 5", check=5)
        assert (done.stdout, done.stderr) == ("12 /tmp\n", "err\n")
        assert cli.output("exec", "-u", "alice", name, "sh", "-c", "id -u; id -G; echo $HOME").split() == ["1000", "1000", "10", "/home/alice"]
        assert cli.output("exec", "-i", name, "cat", input="in") == "in"
        done = cli("exec", name, "nosuch", check=127)
        assert f"OCI runtime exec failed: {self.EXEC_REFUSAL}: unknown" in done.stdout + done.stderr
        assert cli("exec", name, "/etc/passwd").returncode == 126
        done = cli("exec", "-u", "bogus", name, "true")
        assert done.returncode != 0 and "unable to find user bogus: no matching entries in passwd file" in done.stdout + done.stderr

    def test_terminal(self, cli, name):
        with cli.terminal("run", "--runtime", self.RUNTIME, "--rm", "-it", "--name", name, "busybox", "sh") as terminal:
            terminal.resize(41, 101)
            terminal.expect("# ")
            wait_until(lambda: terminal_size(cli, name) == "41 101", 10, "the terminal's size")
            terminal.type("tty; exit 3\n")
            terminal.expect("/dev/pts/0")
            assert terminal.wait() == 3

    @pytest.mark.parametrize("user, expected", [("alice", "1000 1000 1000,10"), ("1000:staff", "1000 50 50"), ("65534", "65534 65534 65534"), ("4242", "4242 0 0")])
    def test_users(self, cli, user, expected):
        text = self.run(cli, "--rm", "-u", user, "busybox", "sh", "-c", "echo $(id -u) $(id -g) $(id -G | tr ' ' ,)", check=0).stdout
        assert text.strip() == expected

    def test_user_of_the_writable_layer(self, cli, name):
        self.run(cli, "-d", "--name", name, "-u", "alice", "busybox", "sh", "-c", "id -u; sleep 100", check=0)
        cli("exec", "-u", "0", name, "sed", "-i", "s/^alice:x:1000:/alice:x:77:/", "/etc/passwd", check=0)
        cli("restart", "-t", "0", name, check=0)
        assert cli.output("logs", name).split() == ["1000", "77"]

    def test_unknown_user(self, cli):
        done = self.run(cli, "--rm", "-u", "bogus", "busybox", "true", check=125)
        assert "Error response from daemon: unable to find user bogus: no matching entries in passwd file" in done.stderr

    def test_limits(self, cli, name):
        self.run(cli, "-d", "--name", name, "--memory", "64m", "--pids-limit", "50", "--cpus", "0.5", "--cpu-shares", "512", "busybox", "sleep", "100", check=0)
        container = cli.inspect(name, "{{.Id}}")
        found = {}
        for file in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us", "cpu.max", "cpu.shares"):
            for path in glob.glob(f"/sys/fs/cgroup/**/{container}/{file}", recursive=True):
                found[file] = open(path).read().strip()
        assert "67108864" in found.values() and found["pids.max"] == "50"
        assert found.get("cpu.cfs_quota_us") == "50000" or found["cpu.max"] == "50000 100000"
        statistics = json.loads(cli.output("stats", "--no-stream", "--format", "json", name))
        assert statistics["MemUsage"].endswith("/ 64MiB") and statistics["PIDs"] == "1"
        assert "sleep 100" in cli.output("top", name)

    def test_out_of_memory(self, cli, name):
        done = self.run(cli, "--name", name, "--memory", "16m", "--memory-swap", "16m", "busybox", "sh", "-c", "x=0123456789; while :; do x=$x$x; done")
        assert done.returncode in (137, 1, 2) and cli.inspect(name, "{{.State.OOMKilled}}") == "true"

    def test_pause(self, cli, name):
        self.run(cli, "-d", "--name", name, "busybox", "sleep", "100", check=0)
        cli("pause", name, check=0)
        assert cli.inspect(name, "{{.State.Status}}") == "paused"
        assert "is paused" in cli("exec", name, "true").stderr
        cli("unpause", name, check=0)
        cli("exec", name, "true", check=0)

    def test_init_reaps(self, cli, name):
        self.run(cli, "-d", "--init", "--name", name, "busybox", "sleep", "100", check=0)
        assert cli.output("exec", name, "cat", "/proc/1/cmdline").replace("\0", " ").startswith("/sbin/docker-init -- sleep 100")

    def test_volumes_and_tmpfs(self, cli, tmp_path):
        (tmp_path / "file").write_text("here")
        text = self.run(cli, "--rm", "-v", f"{tmp_path}:/data:ro", "--tmpfs", "/scratch:size=1m,mode=1750", "busybox", "sh", "-c",
                        "cat /data/file; echo; touch /data/x 2>&1; stat -c %a /scratch; grep ' /scratch ' /proc/mounts", check=0).stdout
        assert text.startswith("here\n") and "Read-only file system" in text and "1750\n" in text and "size=1024k" in text

    def test_read_only_root_and_privileges(self, cli):
        done = self.run(cli, "--rm", "--read-only", "--security-opt", "no-new-privileges", "--cap-drop", "ALL", "--cap-add", "NET_RAW", "busybox", "sh", "-c",
                        "touch /x; grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status", check=0)
        assert "Read-only file system" in done.stderr
        assert "CapEff:\t0000000000002000" in done.stdout and "NoNewPrivs:\t1" in done.stdout and "Seccomp:\t2" in done.stdout

    def test_unconfined_and_privileged(self, cli):
        assert "Seccomp:\t0" in self.run(cli, "--rm", "--security-opt", "seccomp=unconfined", "busybox", "grep", "Seccomp:", "/proc/self/status", check=0).stdout
        text = self.run(cli, "--rm", "--privileged", "busybox", "sh", "-c", "grep Seccomp: /proc/self/status; grep ' /sys ' /proc/mounts", check=0).stdout
        assert "Seccomp:\t0" in text and " sysfs rw," in text

    @pytest.mark.parametrize("number", range(3))
    def test_commands_that_cannot_run(self, cli, name, number):
        command, code, text = self.REFUSALS[number]
        done = self.run(cli, "--name", name, "busybox", command)
        assert done.returncode != 0 and "OCI runtime create failed: " in done.stderr and text in done.stderr
        if self.RUNTIME != "crun":  # the client looks for runc's words
            assert done.returncode == code
        assert cli.inspect(name, "{{.State.ExitCode}} {{.State.Status}}") == f"{code} created"

    def test_joined_namespaces(self, cli, name):
        self.run(cli, "-d", "--name", name, "busybox", "sleep", "100", check=0)
        address = cli.output("exec", name, "hostname", "-i")
        joined = self.run(cli, "--rm", "--network", f"container:{name}", "--pid", f"container:{name}", "busybox", "sh", "-c", "hostname -i; ps", check=0).stdout
        assert address in joined and "sleep 100" in joined
        assert "eth0" not in self.run(cli, "--rm", "--network", "none", "busybox", "ip", "link", check=0).stdout

    def test_goes_on_without_the_daemon(self, cli, runtimes, name):
        self.run(cli, "-d", "--name", name, "busybox", "sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.1; done", check=0)
        runtimes.restart()
        assert cli.output("exec", name, "echo", "still") == "still"
        cli("stop", name, check=0)
        assert cli.inspect(name, "{{.State.ExitCode}}") == "4"

    def test_shared_propagation_is_refused_by_name(self, cli, tmp_path):
        done = self.run(cli, "--rm", "-v", f"{tmp_path}:/data:rshared", "busybox", "true")
        assert done.returncode == 125 and "shared bind propagation on /data is not supported with a runtime other than the built-in one" in done.stderr


def terminal_size(cli, name):
    done = cli("exec", name, "sh", "-c", "stty size < /dev/pts/0")
    return done.stdout.strip()


def test_arguments_of_the_runtime(cli):
    assert cli.output("run", "--rm", "--runtime", "argued", "busybox", "echo", "hello") == "hello"


class TestCrun(TestRunc):
    RUNTIME, STATE_FILE = "crun", "status"
    EXEC_REFUSAL = "executable file `nosuch` not found in $PATH: No such file or directory"
    REFUSALS = [("nosuch", 127, "executable file `nosuch` not found in $PATH: No such file or directory: unknown"),
                ("/etc/passwd", 126, "Permission denied"), ("/nowhere/x", 127, "No such file or directory")]

    @pytest.fixture(scope="class")
    def runtimes(self, isolated, archive):
        yield from configured_engine(archive, 161, hide_unified=hybrid_cgroups())


@pytest.mark.skipif(not hybrid_cgroups(), reason="crun refuses hybrid cgroups only")
def test_the_words_of_crun_reach_the_client(cli):
    done = cli("run", "--rm", "--runtime", "crun", "busybox", "true", check=125)
    assert "OCI runtime create failed: " in done.stderr and "cgroup" in done.stderr


def test_a_runtime_that_is_not_there(cli, name):
    done = cli("create", "--runtime", "gone-with-arguments", "busybox")
    assert done.returncode == 1 and 'error while looking up the specified runtime path: exec: "/nonexistent/runtime": stat /nonexistent/runtime: no such file or directory' in done.stderr
    done = cli("run", "--runtime", "gone", "--name", name, "busybox", "true")
    assert done.returncode == 127 and "fork/exec /nonexistent/runtime: no such file or directory: unknown" in done.stderr
    assert cli.inspect(name, "{{.State.ExitCode}}") == "127"
    assert "unknown or invalid runtime name: never-heard" in cli("create", "--runtime", "never-heard", "busybox").stderr


def test_the_built_in_runtimes_keep_their_names(cli):
    for runtime in ("proa", "runc", "io.containerd.runc.v2"):
        assert cli.output("run", "--rm", "--runtime", runtime, "busybox", "echo", "hello") == "hello"
    assert "other-runc" in cli.output("info", "--format", "{{json .Runtimes}}")
