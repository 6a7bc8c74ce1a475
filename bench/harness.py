"""Timing of commands in namespaces of their own, plain HTTP, memory: what every row of the benchmark needs."""
import ctypes
import json
import os
import pickle
import select
import signal
import socket
import statistics
import struct
import subprocess
import time

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 16384, 1 << 18, 4096
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


class Worker:
    """A process in its own network and mount namespaces that spawns, times and ends programs there.

    The time of a command is taken around posix_spawn and wait in this process: no shell and no nsenter counts.
    Being a subreaper it is also the ancestor of whatever the programs leave behind, so that memory can be summed.
    """

    def __init__(self, name, environment=None, plain_cgroups=False, log="/dev/null"):
        self.name, self.log = name, log
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            status = 1
            try:
                self._prepare(environment or {}, plain_cgroups)
                self._serve(theirs)
                status = 0
            finally:
                os._exit(status)
        theirs.close()
        self.channel = ours

    # -- in the worker

    def _prepare(self, environment, plain_cgroups):
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.environ.update(environment)
        _libc.prctl(36, 1, 0, 0, 0)
        if _libc.unshare(CLONE_NEWNET | CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        _libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        controllers = "/sys/fs/cgroup/unified/cgroup.controllers"
        if plain_cgroups and os.path.exists(controllers) and open(controllers).read().strip():
            # crun 1.8 refuses a hybrid layout whose cgroup2 carries a controller
            _libc.mount(b"/dev/null", controllers.encode(), None, ctypes.c_ulong(MS_BIND), None)
        self.null = os.open("/dev/null", os.O_RDWR)
        self.errors = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def _serve(self, channel):
        while True:
            head = channel.recv(4, socket.MSG_WAITALL)
            if len(head) < 4:
                return
            method, arguments = pickle.loads(channel.recv(struct.unpack("I", head)[0], socket.MSG_WAITALL))
            if method == "quit":
                return
            try:
                answer = (True, getattr(self, "_do_" + method)(*arguments))
            except Exception as error:
                answer = (False, f"{type(error).__name__}: {error}")
            data = pickle.dumps(answer)
            channel.sendall(struct.pack("I", len(data)) + data)

    def _spawn(self, argv, output=None):
        actions = [(os.POSIX_SPAWN_DUP2, self.null, 0), (os.POSIX_SPAWN_DUP2, output if output is not None else self.null, 1), (os.POSIX_SPAWN_DUP2, self.errors, 2)]
        return os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)

    def _do_time(self, argv):
        begin = time.perf_counter()
        pid = self._spawn(argv)
        _, status = os.waitpid(pid, 0)
        elapsed = (time.perf_counter() - begin) * 1e3
        code = os.waitstatus_to_exitcode(status)
        if code != 0:
            os.write(self.errors, f"exit {code}: {' '.join(argv)}\n".encode())
        return elapsed, code

    def _do_parallel(self, commands, ways):
        """Seconds and failures of all commands, `ways` at once."""
        waiting, live, failures = list(commands)[::-1], set(), 0
        begin = time.perf_counter()
        while waiting or live:
            while waiting and len(live) < ways:
                live.add(self._spawn(waiting.pop()))
            pid, status = os.waitpid(-1, 0)
            if pid in live:
                live.discard(pid)
                failures += status != 0
        return time.perf_counter() - begin, failures

    def _do_output(self, argv):
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def _do_start(self, argv):
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors, start_new_session=True).pid

    def _do_stop(self, pid):
        try:
            os.kill(pid, signal.SIGTERM)
            for _ in range(400):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    return
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def _do_end_leftovers(self):
        """Kills what is left below this process, and reaps it."""
        for _ in range(20):
            pids = list(descendants(os.getpid()))
            if not pids:
                return 0
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.05)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return 0
        return len(pids)

    # -- from outside

    def _call(self, method, *arguments):
        data = pickle.dumps((method, arguments))
        self.channel.sendall(struct.pack("I", len(data)) + data)
        size = struct.unpack("I", self.channel.recv(4, socket.MSG_WAITALL))[0]
        good, answer = pickle.loads(self.channel.recv(size, socket.MSG_WAITALL))
        if not good:
            raise Failed(f"{self.name}: {answer}")
        return answer

    def time(self, argv, check=True):
        """Milliseconds of one command."""
        elapsed, code = self._call("time", [str(word) for word in argv])
        if check and code != 0:
            raise Failed(f"{self.name}: exit {code}: {' '.join(map(str, argv))} (see {self.log})")
        return elapsed

    def parallel(self, commands, ways):
        return self._call("parallel", [[str(word) for word in argv] for argv in commands], ways)

    def output(self, argv, check=True):
        code, out, err = self._call("output", [str(word) for word in argv])
        if check and code != 0:
            raise Failed(f"{self.name}: exit {code}: {' '.join(map(str, argv))}: {err.strip()[-300:]}")
        return out

    def start(self, argv):
        return self._call("start", [str(word) for word in argv])

    def stop(self, pid):
        self._call("stop", pid)

    def close(self):
        try:
            self._call("end_leftovers")
            data = pickle.dumps(("quit", ()))  # closing the channel would not do: later workers hold copies of it
            self.channel.sendall(struct.pack("I", len(data)) + data)
        except (Failed, OSError, struct.error):
            os.kill(self.pid, signal.SIGKILL)
        self.channel.close()
        os.waitpid(self.pid, 0)


def descendants(root):
    """{pid: name} of all processes below `root`."""
    parents, names = {}, {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = open(f"/proc/{pid}/stat").read()
        except OSError:
            continue
        names[int(pid)] = text[text.index("(") + 1:text.rindex(")")]
        parents.setdefault(int(text.rsplit(")", 1)[1].split()[1]), []).append(int(pid))
    out, queue = {}, list(parents.get(root, []))
    while queue:
        pid = queue.pop()
        out[pid] = names[pid]
        queue += parents.get(pid, [])
    return out


def pss(root, without=()):
    """Kilobytes of proportional memory of all processes below `root`, those with a name in `without` left out."""
    total = 0
    for pid, name in descendants(root).items():
        if name in without:
            continue
        try:
            for line in open(f"/proc/{pid}/smaps_rollup"):
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            pass
    return total


class Connection:
    """One kept connection to an engine's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def request(self, method, path, body=None):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
        head = f"{method} {path} HTTP/1.1\r\nHost: d\r\n" + (f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\n" if body is not None or method == "POST" else "") + "\r\n"
        self.socket.sendall(head.encode() + data)
        status, length, chunked = int(self.file.readline().split()[1]), 0, False
        while line := self.file.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line[15:])
            chunked |= line == b"transfer-encoding: chunked"
        if status in (204, 304):
            return status, b""
        if not chunked:
            return status, self.file.read(length)
        out = b""
        while size := int(self.file.readline(), 16):
            out += self.file.read(size)
            self.file.readline()
        self.file.readline()
        return status, out

    def close(self):
        self.file.close()
        self.socket.close()


def median(values):
    return statistics.median(values) if values else None


def wait_for_socket(path, timeout=60):
    deadline = time.monotonic() + timeout
    while True:
        try:
            connection = Connection(path)
            if connection.request("GET", "/_ping")[0] == 200:
                return
        except (OSError, IndexError, ValueError):
            pass
        if time.monotonic() > deadline:
            raise Failed(f"nobody answers on {path}")
        select.select([], [], [], 0.05)
