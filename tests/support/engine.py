"""The engine under test: a private Proa by default, a private dockerd to prove the tests on, or one that already runs.

PROA_BIN            directory of proad, proa, proa-shim (default build/release/bin)
PROA_TEST_DOCKERD   path of a real dockerd: the tests run against that instead
PROA_TEST_HOST      unix:///path of an engine that already runs; PROA_TEST_NETNS names its network namespace. It is emptied!
PROA_TEST_CLI       the command line client (default: docker)
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import isolation
from .http import Http
from .waiting import wait_until

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Engine:
    """One engine with its own roots, socket, bridge and cgroup parent."""

    def __init__(self, number=0):
        self.external = os.environ.get("PROA_TEST_HOST")
        self.dockerd = os.environ.get("PROA_TEST_DOCKERD")
        self.kind = "docker" if self.dockerd else "proa"
        self.bin = os.path.abspath(os.environ.get("PROA_BIN", os.path.join(REPOSITORY, "build/release/bin")))
        self.directory = tempfile.mkdtemp(prefix="proa-test-", dir="/tmp")
        self.data_root, self.exec_root = self.directory + "/data", self.directory + "/exec"
        self.pidfile, self.log_path = self.directory + "/pid", self.directory + "/daemon.log"
        self.socket = self.external[len("unix://"):] if self.external else self.directory + "/d.sock"
        self.host = "unix://" + self.socket
        self.cgroup_parent = f"/proa-test-{os.getpid()}-{number}"
        self.subnet, self.bridge = f"172.30.{number + 1}.1/24", f"prt{number}"
        self.process, self.arguments, self.environment = None, [], {}
        self.version, self.api_version = (), ""

    # -- life

    def command(self, extra=()):
        common = ["--data-root", self.data_root, "--exec-root", self.exec_root, "-H", self.host, "--pidfile", self.pidfile,
                  "--cgroup-parent", self.cgroup_parent, "--bip", self.subnet, *self.arguments, *extra]
        if self.kind == "docker":
            return [self.dockerd, "--config-file", self.config_file(), "--containerd-namespace", f"t{os.getpid()}", *common]
        return [self.bin + "/proad", "--config-file", self.config_file(), *common]

    def config_file(self):
        path = self.directory + "/daemon.json"
        if not os.path.exists(path):
            self.write_config({})
        return path

    def write_config(self, config):
        with open(self.directory + "/daemon.json", "w") as file:
            file.write(config if isinstance(config, str) else json.dumps(config))

    def spawn(self, extra=()):
        """Starts the daemon's process and returns at once."""
        environment = dict(os.environ, **self.environment)
        if self.kind == "docker":
            here = os.path.dirname(self.dockerd)
            environment["PATH"] = os.pathsep.join([here, os.path.join(os.path.dirname(here), "bin"), environment["PATH"]])
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command(extra), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)
        log.close()
        return self.process

    def start(self, extra=(), timeout=60):
        if not self.external:
            self.spawn(extra)
        self.wait_ready(timeout)
        answer = Http(self.socket).get("/version").json()
        self.version = tuple(int("".join(c for c in part if c.isdigit()) or 0) for part in answer["Version"].split("+")[0].split(".")[:3])
        self.api_version = answer["ApiVersion"]
        if self.external:
            self.kind = "docker" if any(c["Name"] == "containerd" for c in answer.get("Components", [])) else "proa"
        return self

    def wait_ready(self, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            try:
                if Http(self.socket, timeout=5).get("/_ping").status == 200:
                    return
            except OSError:
                pass
            if self.process and self.process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the daemon does not answer:\n{self.log_tail()}")
            time.sleep(0.01)

    def stop(self, timeout=40):
        """SIGTERM, as an init system does; the exit status of the daemon."""
        if not self.process:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the daemon did not end on SIGTERM:\n{self.log_tail()}")
        finally:
            self.process = None

    def kill(self):
        """SIGKILL of the daemon (and the containerd of a dockerd): containers go on."""
        self.process.kill()
        self.process.wait()
        pidfile = self.exec_root + "/containerd/containerd.pid"
        if os.path.exists(pidfile):
            os.kill(int(open(pidfile).read()), signal.SIGKILL)
            time.sleep(0.3)
            isolation.reap_orphans()
        self.process = None

    def restart(self, extra=()):
        self.stop()
        return self.start(extra)

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def alive(self):
        return self.external is not None or (self.process is not None and self.process.poll() is None)

    def log_tail(self, size=4000):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()[-size:]
        except OSError:
            return ""

    def destroy(self):
        """Ends everything that this engine left and removes its directory."""
        if self.external:
            shutil.rmtree(self.directory, ignore_errors=True)
            return
        try:
            if self.alive():
                self.remove_all_containers()
        except (OSError, AssertionError):
            pass  # the test that broke it has already said so
        try:
            if self.alive():
                self.stop()
        finally:
            self.end_leftovers()
            self.remove_traces()

    def remove_traces(self):
        for line in reversed(open("/proc/self/mountinfo").read().splitlines()):
            target = line.split()[4].replace("\\040", " ")
            if target.startswith(self.directory + "/"):
                try:
                    isolation.unmount(target)
                except OSError:
                    pass
        deadline = time.monotonic() + 3
        while True:
            isolation.reap_orphans()
            for path in sorted(self.cgroups("/**/"), reverse=True) + self.cgroups():
                try:
                    os.rmdir(path)
                except OSError:
                    pass
            if not self.cgroups() or time.monotonic() > deadline:
                break
            self.end_leftovers()
        shutil.rmtree(self.directory, ignore_errors=True)

    def cgroups(self, pattern=""):
        """Paths below the parent of our containers' cgroups, in every hierarchy."""
        parent = self.cgroup_parent if self.cgroup_parent.startswith("/") else "/" + self.cgroup_parent  # a slice has no slash
        return [path for root in ("/sys/fs/cgroup/*", "/sys/fs/cgroup") for path in glob.glob(root + parent + pattern, recursive=True)]

    def end_leftovers(self):
        """Processes in our cgroups, and helpers whose command line names our directory; by pid."""
        # a paused process does not die
        thaw = {path: "THAWED" for path in glob.glob(f"/sys/fs/cgroup/freezer{self.cgroup_parent}/**/freezer.state", recursive=True)}
        thaw.update({path: "0" for path in self.cgroups("/**/cgroup.freeze")})
        for path, word in thaw.items():
            try:
                with open(path, "w") as file:
                    file.write(word)
            except OSError:
                pass  # it has just gone
        pids = set()
        for path in self.cgroups("/**/cgroup.procs"):
            try:
                pids.update(int(pid) for pid in open(path).read().split())
            except OSError:
                pass
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if self.directory.encode() in open(f"/proc/{pid}/cmdline", "rb").read():
                    pids.add(int(pid))
            except OSError:
                pass
        pids.discard(os.getpid())
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if pids:
            time.sleep(0.2)

    # -- content

    def remove_all_containers(self):
        http = Http(self.socket)
        for container in http.get("/containers/json?all=1").json():
            http.delete(f"/containers/{container['Id']}?force=1&v=1")
        wait_until(lambda: not http.get("/containers/json?all=1").json(), 20, "containers to go")

    def is_docker(self, *versions):
        """True for a real dockerd, of one of the major versions when given."""
        return self.kind == "docker" and (not versions or self.version[0] in versions)

    def at_least(self, major):
        return self.version[0] >= major
