"""The engines and runtimes that are measured, each started and stopped in namespaces of its own."""
import json
import os
import re
import resource
import shutil
import subprocess
import time

from harness import Connection, Failed, Worker, wait_for_socket

HERE = os.path.dirname(os.path.abspath(__file__))
IMAGE = "localhost/bench:1"


class Peer:
    """An engine with a command line and perhaps an API socket."""

    socket = None
    processes_of_containers = ("sleep", "sh", "busybox", "true", "cat", "yes", "head", "httpd")

    def __init__(self, name, work, **options):
        self.name, self.work = name, os.path.join(work, name)
        os.makedirs(self.work)
        self.worker = Worker(name, log=os.path.join(work, name + ".log"), **options)
        self.cli = []

    def run(self, *words):
        return self.worker.time([*self.cli, *words])

    def load(self, archive):
        self.worker.output([*self.cli, "load", "-i", archive])

    def remove(self, *names):
        return self.worker.time([*self.cli, "rm", "-f", *names])

    def clear(self):
        ids = self.worker.output([*self.cli, "ps", "-aq"]).split()
        if ids:
            self.remove(*ids)

    def stop(self):
        try:
            self.clear()
        except Failed:
            pass
        self.worker.close()


class Daemon(Peer):
    def __init__(self, name, work, command, cli, number):
        super().__init__(name, work)
        self.socket = self.work + "/d.sock"
        self.cli = [*cli, "-H", "unix://" + self.socket]
        config = self.work + "/daemon.json"
        with open(config, "w") as file:
            file.write("{}")
        self.pid = self.worker.start([*command, "--config-file", config, "--data-root", self.work + "/data", "--exec-root", self.work + "/exec", "-H", "unix://" + self.socket,
                                      "--pidfile", self.work + "/pid", "--bip", f"172.31.{number}.1/24", "--cgroup-parent", "/bench-" + name])
        wait_for_socket(self.socket)

    def connection(self):
        return Connection(self.socket)

    def load(self, archive):
        with open(archive, "rb") as file:
            status, body = self.connection().request("POST", "/images/load?quiet=1", file.read())
        if status != 200 or b"errorDetail" in body:
            raise Failed(f"{self.name}: load: {status} {body[:300]!r}")

    def stop(self):
        try:
            self.clear()
        except Failed:
            pass
        self.worker.stop(self.pid)
        self.worker.close()


class Podman(Peer):
    def __init__(self, name, work, runtime="crun"):
        super().__init__(name, work, plain_cgroups=True, environment={"CONTAINERS_CONF": os.path.join(work, name, "containers.conf")})
        limits = {kind: resource.getrlimit(getattr(resource, "RLIMIT_" + kind.upper()))[1] for kind in ("nofile", "nproc")}
        # without CAP_SYS_RESOURCE its defaults are more than the machine allows
        words = [f'"{kind}={min(1024, hard)}:{min(4096, hard)}"' for kind, hard in limits.items()]
        with open(self.work + "/containers.conf", "w") as file:
            file.write(f"[containers]\ndefault_ulimits = [{', '.join(words)}]\n[engine]\nevents_logger = \"file\"\n")
        self.cli = ["podman", "--root", self.work + "/root", "--runroot", self.work + "/run", "--network-config-dir", self.work + "/net", "--cgroup-manager", "cgroupfs", "--runtime", runtime]

    def remove(self, *names):
        return self.worker.time([*self.cli, "rm", "-f", "-t", "0", *names])


class Runtime:
    """An OCI runtime on a bundle."""

    def __init__(self, name, program, worker, work, bundle):
        self.name, self.worker, self.count = name, worker, 0
        self.bundle, self.state = bundle, os.path.join(work, "state-" + name)
        self.program, self.bundles = program, os.path.join(work, "bundles-" + name)

    def command(self, *words):
        return [self.program, "--root", self.state, *words]

    def next_name(self):
        self.count += 1
        return f"bench-{self.name}-{self.count}"

    def run(self):
        return self.worker.time(self.command("run", "--bundle", self.bundle, self.next_name()))

    def variant(self, name, args, memory=None):
        """A bundle of the container's own with another program and, in bytes, a memory limit."""
        with open(self.bundle + "/config.json") as file:
            config = json.load(file)
        config["process"]["args"] = args
        config["linux"]["cgroupsPath"] = "/bench-oci/" + name
        if memory:
            config["linux"]["resources"]["memory"] = {"limit": memory}
        directory = os.path.join(self.bundles, name)
        os.makedirs(directory)
        with open(directory + "/config.json", "w") as file:
            json.dump(config, file)
        return directory

    def memory(self):
        """(peak of resident memory, proportional memory now) in kilobytes of the runtime while its container runs."""
        name = self.next_name()
        process = self.worker.start(self.command("run", "--bundle", self.variant(name, ["sleep", "1000"]), name))
        try:
            deadline = time.monotonic() + 10
            while '"running"' not in (self.worker.output(self.command("state", name), check=False) or "") and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(0.3)
            peak, now = (int(re.search(rf"^{word}:\s+(\d+) kB", open(f"/proc/{process}/{file}").read(), re.M)[1]) for word, file in (("VmHWM", "status"), ("Pss", "smaps_rollup")))
        finally:
            self.worker.output(self.command("delete", "--force", name), check=False)
            self.worker.stop(process)
        return peak, now

    def starts_within(self, memory):
        """Whether three containers in a row run to their end with this memory limit."""
        for _ in range(3):
            name = self.next_name()
            _, failures = self.worker.parallel([self.command("run", "--bundle", self.variant(name, ["true"], memory), name)], 1)
            if failures:
                self.worker.output(self.command("delete", "--force", name), check=False)
                return False
        return True

    def start_many(self, count, ways):
        """Containers a second, `ways` starts at once, until `count` run; all are removed again."""
        names = [self.next_name() for _ in range(count)]
        bundles = [self.variant(name, ["sleep", "100000"]) for name in names]
        seconds, failures = self.worker.parallel([self.command("run", "--detach", "--bundle", bundle, name) for name, bundle in zip(names, bundles)], ways)
        self.worker.parallel([self.command("delete", "--force", name) for name in names], 8)
        if failures:
            raise Failed(f"{self.name}: {failures} of {count} failed (see {self.worker.log})")
        return count / seconds


class Floor:
    """Programs that do only what the kernel must do, built from bench/floor."""

    def __init__(self, work, rootfs):
        self.work = os.path.join(work, "floor")
        os.makedirs(self.work)
        self.rootfs = rootfs
        self.worker = Worker("floor", log=os.path.join(work, "floor.log"))
        self.environment = ["env", f"FLOOR_ROOTFS={rootfs}", f"FLOOR_WORK={self.work}/w", f"BPF={self.work}/docker.bpf", "PAUSE=50000"]

    def build(self, syscalls):
        source = os.path.join(HERE, "floor")
        run = lambda *words, **options: subprocess.run(words, check=True, stderr=subprocess.DEVNULL, **options)
        run("g++", "-O2", "-std=c++20", "-static", "-w", "-o", self.work + "/floor", source + "/floor.cpp", "-lseccomp")
        run("g++", "-O2", "-std=c++20", "-o", self.work + "/logcopy", source + "/logcopy.cpp")
        run("gcc", "-O2", "-static", "-nostdlib", "-o", self.work + "/noop", source + "/noop.c")
        run("g++", "-O2", "-std=c++20", "-pthread", "-o", self.work + "/requests", os.path.join(HERE, "requests.cpp"))
        run("g++", "-O2", "-std=c++20", "-o", self.work + "/stream", os.path.join(HERE, "stream.cpp"))
        run("gcc", "-O2", "-o", self.work + "/mkbpf", source + "/mkbpf.c", "-lseccomp")
        if syscalls:
            run(self.work + "/mkbpf", "2", self.work + "/docker.bpf", input="\n".join(syscalls).encode())

    def starts(self, repetitions):
        """{"bridge" | "none" | "host": [milliseconds]} of container starts to the reaped exit."""
        text = self.worker.output([*self.environment, "E2E=1", f"REPS={repetitions}", self.work + "/floor", "e2e"])
        out, kinds = {}, {"host network": "host", "no network (": "none", "bridge network": "bridge"}
        for part in text.split("\n### ")[1:]:
            for words, kind in kinds.items():
                if words in part.splitlines()[0]:
                    out[kind] = [float(re.search(r"= START TO REAPED EXIT *\| *([0-9.]+)", part)[1]) / 1e3]
        return out

    def per_second(self):
        text = self.worker.output([*self.environment, "PAUSE=0", "WAYS=8", self.work + "/floor", "par"])
        return float(re.search(r"bridge.*\| (\d+) containers/s", text)[1])

    def log_megabytes_per_second(self, megabytes):
        return float(self.worker.output([self.work + "/logcopy", self.work + "/log", str(megabytes)]))

    def stop(self):
        self.worker.close()


def docker_bundle(peer, work, rootfs):
    """An OCI bundle with the configuration that dockerd gives its runtime, and the names its seccomp profile allows."""
    bundle = os.path.join(work, "bundle")
    os.makedirs(bundle)
    container = peer.worker.output([*peer.cli, "run", "-d", IMAGE, "sleep", "100"]).strip()
    found = [os.path.join(d, "config.json") for d, _, files in os.walk(peer.work + "/exec") if "config.json" in files and container in d]
    with open(found[0]) as file:
        config = json.load(file)
    peer.remove(container)
    config["process"]["args"] = ["true"]
    config["root"] = {"path": rootfs}
    config["mounts"] = [m for m in config["mounts"] if not m.get("source", "").startswith(peer.work)]
    config["linux"]["cgroupsPath"] = "/bench-oci/one"
    config["linux"]["namespaces"] = [{"type": n["type"]} for n in config["linux"]["namespaces"]]
    config.pop("hooks", None)
    with open(bundle + "/config.json", "w") as file:
        json.dump(config, file)
    allowed = [name for rule in config["linux"].get("seccomp", {}).get("syscalls", []) if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args") for name in rule["names"]]
    return bundle, allowed


def have(program):
    return shutil.which(program) is not None
