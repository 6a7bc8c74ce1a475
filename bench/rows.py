"""What is measured: one function per group of rows of the targets."""
import json
import os
import re
import shutil
import tempfile
import time

import image_rows
from harness import Failed, median, pss
from peers import IMAGE

HANDLER = "trap 'exit 0' TERM; sleep 100000 & wait"
VERSION = "/v1.41"


class Row:
    """One line of the table: {peer: value}, and what Proa must reach."""

    def __init__(self, title, unit, targets=(), more_is_better=False):
        self.title, self.unit, self.targets, self.more_is_better = title, unit, targets, more_is_better
        self.values = {}

    def add(self, peer, value):
        if value is not None:
            self.values.setdefault(peer, []).append(value)

    def median(self, peer):
        return median(self.values.get(peer, []))

    def ratio(self, peer):
        """How many times better than the peer Proa is; against the floor: how many times the floor it takes (or reaches)."""
        ours, theirs = self.median("proa"), self.median(peer)
        if not ours or not theirs:
            return None
        if peer == "floor":
            return ours / theirs
        return ours / theirs if self.more_is_better else theirs / ours

    def verdicts(self):
        """[(text, reached)] per target; a target is (peer, factor, "<=" or ">=")."""
        out = []
        for peer, sign, factor in self.targets:
            ratio = self.ratio(peer)
            if ratio is not None:
                reached = ratio <= factor if sign == "<=" else ratio >= factor
                out.append((f"{ratio:.2f}x {peer} ({sign}{factor:g})", reached))
        return out


class Bench:
    def __init__(self, peers, runtimes, floor, repetitions, quick):
        self.peers, self.runtimes, self.floor, self.repetitions, self.quick = peers, runtimes, floor, repetitions, quick
        self.count = 0

    def name(self):
        self.count += 1
        return f"bench-{self.count}"

    @staticmethod
    def pause():
        """The kernel goes cold, as between real starts; the floor pauses as long."""
        time.sleep(0.05)

    @property
    def daemons(self):
        return [p for p in self.peers if p.socket]

    def rounds(self, extra=1):
        """Round numbers; the first is a warm-up whose values do not count."""
        return range(self.repetitions + extra)

    # -- groups

    def run(self):
        """`run --rm busybox true` by the command line, three networks."""
        rows = {net: Row(f"run --rm, {net}", "ms", targets) for net, targets in (
            ("bridge", [("floor", "<=", 3), ("dockerd", ">=", 12), ("podman", ">=", 12)]),
            ("none", [("floor", "<=", 3), ("dockerd", ">=", 12), ("podman", ">=", 7)]),
            ("host", [("floor", "<=", 3), ("dockerd", ">=", 8), ("podman", ">=", 7)]))}
        for number in self.rounds():
            for net, row in rows.items():
                for peer in self.peers:
                    self.pause()
                    value = peer.run("run", "--rm", "--network", net, IMAGE, "true")
                    if number:
                        row.add(peer.name, value)
            if self.floor and number % 3 == 1:
                for net, values in self.floor.starts(5).items():
                    for value in values:
                        rows[net].add("floor", value)
        return list(rows.values())

    def api(self):
        """create, start, wait and delete by HTTP."""
        row = Row("API create+start+wait+delete, bridge", "ms", [("floor", "<=", 2)])
        for number in self.rounds():
            for peer in self.daemons:
                one, two = peer.connection(), peer.connection()
                self.pause()
                begin = time.perf_counter()
                container = json.loads(self.ask(one, 201, "POST", VERSION + "/containers/create", {"Image": IMAGE, "Cmd": ["true"]}))["Id"]
                self.ask(one, 204, "POST", f"{VERSION}/containers/{container}/start")
                self.ask(two, 200, "POST", f"{VERSION}/containers/{container}/wait")
                self.ask(one, 204, "DELETE", f"{VERSION}/containers/{container}")
                if number:
                    row.add(peer.name, (time.perf_counter() - begin) * 1e3)
                one.close()
                two.close()
            if self.floor and number % 3 == 1:
                for value in self.floor.starts(5)["bridge"]:
                    row.add("floor", value)
        return [row]

    @staticmethod
    def ask(connection, status, *request):
        got, body = connection.request(*request)
        if got != status:
            raise Failed(f"{request[0]} {request[1]}: {got} {body[:200]!r}")
        return body

    def bare(self):
        """An OCI bundle with Docker's configuration and seccomp profile."""
        row = Row("bare OCI bundle, run", "ms", [("floor", "<=", 1.5), ("crun", ">=", 2), ("runc", ">=", 4)])
        for number in self.rounds():
            for runtime in self.runtimes:
                self.pause()
                value = runtime.run()
                if number:
                    row.add("proa" if runtime.name == "proa-runtime" else runtime.name, value)
            if self.floor and number % 3 == 1:
                for value in self.floor.starts(5)["none"]:
                    row.add("floor", value)
        return [row]

    def bundles(self):
        """What a runtime needs beside its container, and many containers at once."""
        smallest = 64 << 10
        names = {"proa-runtime": "proa"}
        peak, now, limit = (Row(title, "MB", [("crun", ">=", 1), ("runc", ">=", 1)]) for title in
                            ("OCI runtime's peak memory", "OCI runtime's memory beside its container", "smallest memory limit that starts"))
        many = {count: Row(f"{count} bundles started at once, all running", "/s", [("crun", ">=", 1), ("runc", ">=", 1)], more_is_better=True) for count in ((20,) if self.quick else (100, 1000))}
        for runtime in self.runtimes:
            name = names.get(runtime.name, runtime.name)
            for _ in range(1 if self.quick else 3):
                high, resident = runtime.memory()
                peak.add(name, high / 1024)
                now.add(name, resident / 1024)
            # In steps of 64 KB; the answer is between `low`, which fails, and `high`, which does not.
            low, high = 0, 64 << 20
            while high - low > smallest:
                middle = (low + high) // 2 // smallest * smallest
                low, high = (low, middle) if runtime.starts_within(middle) else (middle, high)
            limit.add(name, high / (1 << 20))
            for count, row in many.items():
                row.add(name, runtime.start_many(count, min(count, 100)))
        return [peak, now, limit, *many.values()]

    def life(self):
        """exec, stop, create, rm, ps, inspect by the command line."""
        rows = {verb: Row(title, "ms", targets) for verb, title, targets in (
            ("exec", "exec c true", [("dockerd", ">=", 10), ("podman", ">=", 20)]),
            ("stop", "stop, SIGTERM handled", [("dockerd", ">=", 5)]),
            ("start", "start", []),
            ("create", "create", [("dockerd", ">=", 4), ("podman", ">=", 10)]),
            ("rm", "rm (exited)", [("dockerd", ">=", 4), ("podman", ">=", 10)]),
            ("rmf", "rm -f (running)", []),
            ("ps", "ps (1 running)", [("dockerd", ">=", 4), ("podman", ">=", 10)]),
            ("inspect", "inspect c", [("dockerd", ">=", 4), ("podman", ">=", 10)]))}
        for number in self.rounds():
            for peer in self.peers:
                def note(verb, value):
                    if number:
                        rows[verb].add(peer.name, value)
                name = self.name()
                peer.run("run", "-d", "--name", name, IMAGE, "sh", "-c", HANDLER)
                note("exec", peer.run("exec", name, "true"))
                note("ps", peer.run("ps"))
                note("inspect", peer.run("inspect", name))
                note("stop", peer.run("stop", name))
                note("start", peer.run("start", name))
                note("rmf", peer.remove(name))
                name = self.name()
                note("create", peer.run("create", "--name", name, IMAGE, "true"))
                peer.run("start", "-a", name)
                note("rm", peer.run("rm", name))
        return list(rows.values())

    def version(self):
        """Start of the command line program alone."""
        row = Row("CLI --version", "ms", [("floor", "<=", 3), ("dockerd", ">=", 4)])
        for number in self.rounds(10):
            for peer in self.peers:
                value = peer.worker.time([peer.cli[0], "--version"])
                if number:
                    row.add(peer.name, value)
            if self.floor and number:
                row.add("floor", self.floor.worker.time([self.floor.work + "/noop"]))
        return [row]

    def parallel(self):
        """run --rm, eight at once."""
        row = Row("8-way run --rm, bridge", "/s", [("floor", ">=", 0.5), ("dockerd", ">=", 7)], more_is_better=True)
        count = 24 if self.quick else 80
        for number in range(1 if self.quick else 3):
            for peer in self.peers:
                seconds, failures = peer.worker.parallel([[*peer.cli, "run", "--rm", IMAGE, "true"]] * count, 8)
                if failures:
                    raise Failed(f"{peer.name}: {failures} of {count} failed")
                row.add(peer.name, count / seconds)
            if self.floor:
                row.add("floor", self.floor.per_second())
        return [row]

    def mass(self):
        """Many detached containers, then one rm -f of all."""
        made, gone = (Row(title, "/s", [("dockerd", ">=", 7), ("podman", ">=", 7)], more_is_better=True) for title in ("run -d of many, 8-way", "rm -f of all in one command"))
        count = 40 if self.quick else 200
        for peer in self.peers:
            names = [self.name() for _ in range(count)]
            seconds, failures = peer.worker.parallel([[*peer.cli, "run", "-d", "--name", name, IMAGE, "sleep", "100000"] for name in names], 8)
            if failures:
                raise Failed(f"{peer.name}: {failures} of {count} failed")
            made.add(peer.name, count / seconds)
            gone.add(peer.name, count / (peer.remove(*names) / 1e3))
        return [made, gone]

    def requests(self):
        """Requests per second and their tail on the API socket."""
        ping = Row("GET /_ping, 16 connections", "/s", [("dockerd", ">=", 2)], more_is_better=True)
        tail = Row("GET /_ping, p99", "us", [("dockerd", ">=", 2)])
        listing = Row("GET /containers/json?all=1, 120 containers", "/s", [("dockerd", ">=", 20)], more_is_better=True)
        seconds, tool = ("1" if self.quick else "3"), self.floor.work + "/requests"
        for peer in self.daemons:
            connection = peer.connection()
            for number in range(120):
                container = json.loads(self.ask(connection, 201, "POST", VERSION + "/containers/create", {"Image": IMAGE, "Cmd": ["sleep", "100000"]}))["Id"]
                if number < 20:
                    self.ask(connection, 204, "POST", f"{VERSION}/containers/{container}/start")
            connection.close()
        for _ in range(2 if self.quick else 5):
            for peer in self.daemons:
                text = self.floor.worker.output([tool, peer.socket, "/_ping", "16", seconds])
                ping.add(peer.name, float(re.search(r"(\d+) req/s", text)[1]))
                tail.add(peer.name, float(re.search(r"p99 (\d+) us", text)[1]))
                text = self.floor.worker.output([tool, peer.socket, VERSION + "/containers/json?all=1", "4", seconds])
                listing.add(peer.name, float(re.search(r"(\d+) req/s", text)[1]))
        for peer in self.daemons:
            peer.clear()
        return [ping, tail, listing]

    def network(self):
        """TCP from the host into a container: to its own address, to a published port by the host's address and by 127.0.0.1."""
        ways = {"bridge": Row("TCP to a container over the bridge", "Gbit/s", [("dockerd", ">=", 0.95)], more_is_better=True),
                "host": Row("TCP to a published port of the host's address", "Gbit/s", [("dockerd", ">=", 0.95)], more_is_better=True),
                "loopback": Row("TCP to a published port of 127.0.0.1", "Gbit/s", [("dockerd", ">=", 1.2)], more_is_better=True)}
        tool, port, servers = self.floor.work + "/stream", "5201", {}
        for peer in self.daemons:
            connection = peer.connection()
            body = {"Image": IMAGE, "Cmd": ["sleep", "100000"], "ExposedPorts": {port + "/tcp": {}}, "HostConfig": {"PortBindings": {port + "/tcp": [{"HostPort": port}]}}}
            container = json.loads(self.ask(connection, 201, "POST", VERSION + "/containers/create", body))["Id"]
            self.ask(connection, 204, "POST", f"{VERSION}/containers/{container}/start")
            shown = json.loads(self.ask(connection, 200, "GET", f"{VERSION}/containers/{container}/json"))
            connection.close()
            endpoint = shown["NetworkSettings"]["Networks"]["bridge"]
            server = peer.worker.start(["nsenter", "-t", str(shown["State"]["Pid"]), "-n", tool, "serve", port])
            servers[peer] = (server, {"bridge": endpoint["IPAddress"], "host": endpoint["Gateway"], "loopback": "127.0.0.1"})
        for number in range(3 if self.quick else 8):
            for way, row in ways.items():
                for peer in self.daemons:
                    value = float(peer.worker.output([tool, "send", servers[peer][1][way], port, "0.5" if self.quick else "2"]))
                    if number:
                        row.add(peer.name, value)
        for peer, (server, _) in servers.items():
            peer.worker.stop(server)
            peer.clear()
        return list(ways.values())

    def memory(self):
        """Proportional memory of everything that belongs to an engine: idle, and per container."""
        idle = Row("memory, idle (PSS)", "MB", [("dockerd", ">=", 1 / 0.12)])
        each = Row("memory per running container (PSS)", "MB", [])
        count = 10 if self.quick else 50
        for peer in self.peers:
            time.sleep(8)  # idle is more than a pause: engines give memory back after some quiet seconds
            before = pss(peer.worker.pid, peer.processes_of_containers)
            if peer.socket:
                idle.add(peer.name, before / 1024)
            names = [self.name() for _ in range(count)]
            peer.worker.parallel([[*peer.cli, "run", "-d", "--name", name, IMAGE, "sleep", "100000"] for name in names], 4)
            time.sleep(8)
            each.add(peer.name, (pss(peer.worker.pid, peer.processes_of_containers) - before) / 1024 / count)
            peer.remove(*names)
        each.limit = 0.36
        return [idle, each]

    def logs(self):
        """json-file: lines of 80 bytes written by a container, read back by the command line."""
        write = Row("json-file log write, 80-byte lines", "MB/s", [("floor", ">=", 0.5), ("dockerd", ">=", 8)], more_is_better=True)
        read = Row("logs read back", "MB/s", [("dockerd", ">=", 20)], more_is_better=True)
        megabytes = 20 if self.quick else 100
        line = "this is a line of a log, eighty characters long, like the usual ones we meet 000"
        for _ in range(1 if self.quick else 3):
            for peer in self.peers:
                name, driver = self.name(), ["--log-driver", "k8s-file" if peer.name == "podman" else "json-file"]
                elapsed = peer.run("run", "--name", name, "-d", *driver, "--network", "none", IMAGE, "sh", "-c", f"yes '{line}' | head -c {megabytes << 20}")
                elapsed += peer.run("wait", name)
                write.add(peer.name, megabytes * 1.048576 / elapsed * 1e3)
                read.add(peer.name, megabytes * 1.048576 / peer.run("logs", name) * 1e3)
                peer.remove(name)
            if self.floor:
                write.add("floor", self.floor.log_megabytes_per_second(megabytes))
        return [write, read]

    def copies(self):
        """cp of one large file and of many small ones, both ways."""
        megabytes, files = (100, 1000) if self.quick else (1024, 10000)
        rows = {key: Row(title, "ms", [("dockerd", ">=", 1)]) for key, title in (
            ("big in", f"cp {megabytes} MB into"), ("big out", f"cp {megabytes} MB out of"), ("small in", f"cp {files} files into"), ("small out", f"cp {files} files out of"))}
        with tempfile.TemporaryDirectory(prefix="bench-cp-") as work:
            with open(work + "/big", "wb") as file:
                block = os.urandom(1 << 20)
                for _ in range(megabytes):
                    file.write(block)
            for number in range(files):
                self.write(f"{work}/small/d{number % 100}/f{number}", f"file {number}\n" * 20)
            for _ in range(1 if self.quick else 2):
                for peer in self.peers:
                    name = self.name()
                    peer.run("run", "-d", "--name", name, IMAGE, "sleep", "100000")
                    for key in ("big", "small"):
                        rows[key + " in"].add(peer.name, peer.run("cp", f"{work}/{key}", f"{name}:/{key}"))
                        rows[key + " out"].add(peer.name, peer.run("cp", f"{name}:/{key}", f"{work}/out"))
                        shutil.rmtree(f"{work}/out") if os.path.isdir(f"{work}/out") else os.remove(f"{work}/out")
                    peer.remove(name)
        return list(rows.values())

    def stats(self):
        """stats --no-stream with one container and with twenty."""
        rows = []
        for count in (1, 5 if self.quick else 20):
            row = Row(f"stats --no-stream, {count} running", "ms", [("dockerd", ">=", 20)])
            for peer in self.peers:
                names = [self.name() for _ in range(count)]
                for name in names:
                    peer.run("run", "-d", "--name", name, IMAGE, "sleep", "100000")
                time.sleep(1.2)  # what the daemon samples by itself has a first sample
                for _ in range(min(3, self.repetitions)):
                    row.add(peer.name, peer.run("stats", "--no-stream"))
                peer.remove(*names)
            rows.append(row)
        return rows

    def growth(self):
        """ps and run with many containers present."""
        before, after = {}, {}
        count, rows = (100 if self.quick else 1000), []
        proa = self.peers[0]
        for verb, words in (("ps", ("ps",)), ("run --rm", ("run", "--rm", IMAGE, "true"))):
            before[verb] = median([proa.run(*words) for _ in range(self.repetitions)])
        connection = proa.connection()
        for _ in range(count):
            self.ask(connection, 201, "POST", VERSION + "/containers/create", {"Image": IMAGE, "Cmd": ["true"]})
        for verb, words in (("ps", ("ps",)), ("run --rm", ("run", "--rm", IMAGE, "true"))):
            after[verb] = median([proa.run(*words) for _ in range(self.repetitions)])
            row = Row(f"{verb}, {count} containers present", "ms", [("empty", ">=", 0.5)])
            row.add("empty", before[verb])
            row.add("proa", after[verb])
            rows.append(row)
        proa.clear()
        return rows

    def build(self):
        """build by the command line: many files cold and cached, one file changed, ten commands, stages side by side."""
        rows = {key: Row(title, "ms", [("dockerd", ">=", factor)]) for key, title, factor in (
            ("cold", "build, 5000 files + 200 MB, cold", 2), ("cached", "build, the same, cached", 10), ("changed", "build, the same, one file changed", 2),
            ("ten", "build, 10 x RUN true, cold", 8), ("stages", "build, 6 stages of RUN sleep 0.3, cold", 2))}
        files, blocks = (500, 2) if self.quick else (5000, 20)
        root = tempfile.mkdtemp(prefix="bench-build-")
        try:
            self.fill_context(root + "/many", files, blocks)
            self.write(root + "/ten/Dockerfile", f"FROM {IMAGE}\n" + "RUN true\n" * 10)
            stages = "".join(f"FROM {IMAGE} AS s{n}\nRUN sleep 0.3 && echo {n} > /f\n" for n in range(6))
            self.write(root + "/stages/Dockerfile", stages + f"FROM {IMAGE}\n" + "".join(f"COPY --from=s{n} /f /f{n}\n" for n in range(6)))
            for number in range(1 if self.quick else 3):
                for peer in self.peers:
                    rows["cold"].add(peer.name, peer.run("build", "--no-cache", root + "/many"))
                    peer.run("build", root + "/many")
                    rows["cached"].add(peer.name, peer.run("build", root + "/many"))
                    self.write(root + "/many/d0/f0", f"changed {number} {peer.name}\n")
                    rows["changed"].add(peer.name, peer.run("build", root + "/many"))
                    rows["ten"].add(peer.name, peer.run("build", "--no-cache", root + "/ten"))
                    rows["stages"].add(peer.name, peer.run("build", "--no-cache", root + "/stages"))
        finally:
            shutil.rmtree(root)
        return list(rows.values())

    @staticmethod
    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def fill_context(self, root, files, blocks):
        self.write(root + "/Dockerfile", f"FROM {IMAGE}\nCOPY . /context/\n")
        for number in range(files):
            self.write(f"{root}/d{number % 50}/f{number}", f"file {number}\n" * 20)
        for number in range(blocks):
            with open(f"{root}/block{number}", "wb") as file:
                file.write(os.urandom(10 << 20))

    def images(self):
        """import, push, pull, save and load of a large image."""
        return image_rows.measure(self, Row)


GROUPS = ["run", "api", "bare", "bundles", "life", "version", "parallel", "mass", "requests", "network", "memory", "logs", "copies", "stats", "growth", "build", "images"]
