"""Eight clients that do what comes to their mind, readers that do not read, a daemon that is killed: in the end nothing is left and nobody disagrees.

On demand: PROA_TEST_SOAK_SECONDS says how long (20 for a first look, 1200 for the full measure), PROA_TEST_SEED repeats what a run has chosen.
"""
import collections
import http.client
import os
import random
import threading
import time

import pytest

from support import leaks
from support.http import Http
from support.waiting import wait_until

SECONDS = int(os.environ.get("PROA_TEST_SOAK_SECONDS", "0"))
CLIENTS = 8
GONE = (OSError, http.client.HTTPException)  # the daemon was killed in the middle

COMMANDS = (["sleep", "1000"], ["true"], ["false"], ["sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; usleep 2000; done"], ["sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait"], ["nosuchprogram"],
            ["sh", "-c", "yes 'a long line that is written as fast as can be' | head -c 3000000"])


class Client(threading.Thread):
    """One user with some containers, a network and a volume of its own, in its own order."""

    def __init__(self, engine, number, seed, stop):
        super().__init__(daemon=True)
        self.engine, self.number, self.stop = engine, number, stop
        self.random = random.Random(seed * 100 + number)
        self.failures, self.done, self.slow = [], collections.Counter(), []
        self.network, self.volume = f"soak-net-{number}", f"soak-vol-{number}"
        self.verbs = [name[4:] for name in dir(self) if name.startswith("act_")]

    def name(self):
        return f"soak-{self.number}-{self.random.randrange(4)}"

    def ask(self, method, path, body=None, allowed=()):
        answer = Http(self.engine.socket, self.engine.api_version, 60).request(method, path, body)
        if answer.status >= 500 and not any(text in answer.body.decode(errors="replace") for text in allowed):
            self.failures.append(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer

    def post(self, path, body=None, allowed=()):
        return self.ask("POST", path, body, allowed)

    def run(self):
        while not self.stop.is_set():
            verb = self.random.choice(self.verbs)
            try:
                getattr(self, "act_" + verb)()
                self.done[verb] += 1
            except GONE:
                time.sleep(0.05)
            except Exception as error:  # a thread's end would go unnoticed
                self.failures.append(f"{verb}: {type(error).__name__}: {error}")
        self.close_slow(0)

    def close_slow(self, keep):
        while len(self.slow) > keep:
            self.slow.pop(0).close()

    def act_run(self):
        host = {"RestartPolicy": {"Name": self.random.choice(["no", "no", "on-failure", "always"])}, "AutoRemove": False}
        if self.random.random() < 0.3:
            host["PortBindings"] = {"80/tcp": [{"HostPort": ""}]}
        if self.random.random() < 0.3:
            host["Binds"] = [f"{self.volume}:/v"]
        if self.random.random() < 0.3:
            host["NetworkMode"] = self.random.choice(["none", "host", self.network])
        if host.get("NetworkMode") == "host":
            host.pop("PortBindings", None)
        if host["RestartPolicy"]["Name"] == "no":
            host["AutoRemove"] = self.random.random() < 0.2
        name = self.name()
        created = self.post(f"/containers/create?name={name}", {"Image": "busybox", "Cmd": self.random.choice(COMMANDS), "ExposedPorts": {"80/tcp": {}}, "Tty": self.random.random() < 0.2, "OpenStdin": True, "HostConfig": host})
        if created.status == 201:
            self.post(f"/containers/{name}/start", allowed=["Cannot link"])

    act_run_again = act_run

    def act_start(self):
        self.post(f"/containers/{self.name()}/start")

    def act_stop(self):
        self.post(f"/containers/{self.name()}/stop?t={self.random.choice([0, 0, 1])}")

    def act_kill(self):
        self.post(f"/containers/{self.name()}/kill?signal={self.random.choice(['KILL', 'TERM', 'HUP'])}")

    def act_restart(self):
        self.post(f"/containers/{self.name()}/restart?t=0")

    def act_pause(self):
        name = self.name()
        self.post(f"/containers/{name}/pause", allowed=["cannot pause", "Cannot pause"])
        self.post(f"/containers/{name}/unpause", allowed=["not paused"])

    def act_exec(self):
        created = self.post(f"/containers/{self.name()}/exec", {"Cmd": ["echo", "x"], "AttachStdout": True})
        if created.status == 201:
            with Http(self.engine.socket, self.engine.api_version, 60).hijack(f"/exec/{created.json()['Id']}/start", {}) as stream:
                if self.random.random() < 0.7:
                    stream.read_all()

    def act_look(self):
        name = self.name()
        for path in (f"/containers/{name}/json?size=1", f"/containers/{name}/top", f"/containers/{name}/logs?stdout=1&tail=20", f"/containers/{name}/stats?stream=0&one-shot=1", "/containers/json?all=1", f"/containers/{name}/changes", "/system/df"):
            self.ask("GET", path)

    def act_read_slowly(self):
        """Streams of which nothing is read; the oldest are dropped in the end."""
        http_client = Http(self.engine.socket, self.engine.api_version, 60)
        path = self.random.choice(["logs?stdout=1&stderr=1&follow=1", "stats", "attach"])
        if path == "attach":
            self.slow.append(http_client.hijack(f"/containers/{self.name()}/attach?stream=1&stdout=1&logs=1"))
        else:
            self.slow.append(http_client.open("GET", f"/containers/{self.name()}/{path}"))
        self.close_slow(3)

    def act_copy(self):
        name = self.name()
        answer = self.ask("GET", f"/containers/{name}/archive?path=/etc")
        if answer.status == 200:
            self.ask("PUT", f"/containers/{name}/archive?path=/tmp", answer.body)

    def act_rename(self):
        self.post(f"/containers/{self.name()}/rename?name={self.name()}")

    def act_update(self):
        self.post(f"/containers/{self.name()}/update", {"Memory": self.random.choice([64, 128]) << 20, "MemorySwap": -1})

    def act_network(self):
        self.post("/networks/create", {"Name": self.network})
        self.post(f"/networks/{self.network}/connect", {"Container": self.name()})
        if self.random.random() < 0.5:
            self.post(f"/networks/{self.network}/disconnect", {"Container": self.name(), "Force": True}, allowed=["is not connected to the network"])
        if self.random.random() < 0.3:
            self.ask("DELETE", f"/networks/{self.network}")

    def act_volume(self):
        self.post("/volumes/create", {"Name": self.volume})
        self.ask("DELETE", f"/volumes/{self.volume}")

    def act_commit(self):
        if self.random.random() < 0.2:
            made = self.post(f"/commit?container={self.name()}&repo=soak-image-{self.number}")
            if made.status == 201:
                self.ask("DELETE", f"/images/soak-image-{self.number}?force=1")

    def act_remove(self):
        self.ask("DELETE", f"/containers/{self.name()}?force={self.random.choice([0, 1, 1])}&v=1")


def resident(engine):
    return int(next(line for line in open(f"/proc/{engine.pid}/status") if line.startswith("VmRSS")).split()[1]) / 1024


def agree(engine, http_client):
    """What ps -a, inspect and the directories say about the containers; nothing when they say the same."""
    odd = []
    listed = {container["Id"]: container["State"] for container in http_client.get("/containers/json?all=1").json()}
    running = set()
    for container, state in listed.items():
        seen = http_client.get(f"/containers/{container}/json").json()
        if seen["State"]["Status"] != state:
            odd.append(f"{container[:12]}: ps says {state}, inspect {seen['State']['Status']}")
        if seen["State"]["Pid"]:
            running.add(container)
            if not os.path.exists(f"/proc/{seen['State']['Pid']}"):
                odd.append(f"{container[:12]}: no process {seen['State']['Pid']}")
    states = set(os.listdir(engine.exec_root + "/containers"))  # an exit record stays until the container is removed
    layers = {name for name in os.listdir(engine.data_root + "/overlay2") if os.path.isdir(f"{engine.data_root}/overlay2/{name}/work")}
    for what, found, least, most in (("records' directories", set(os.listdir(engine.data_root + "/containers")), set(listed), set(listed)), ("writable layers", layers, set(listed), set(listed)),
                                     ("states", states, running, set(listed))):
        if not least <= found <= most:
            odd.append(f"{what}: too many {sorted(name[:12] for name in found - most)}, missing {sorted(name[:12] for name in least - found)}")
    return odd


@pytest.mark.slow
@pytest.mark.proa
def test_soak(request):
    if not SECONDS:
        pytest.skip("on demand: PROA_TEST_SOAK_SECONDS")
    engine = request.getfixturevalue("private_engine")
    engine.start()
    engine.load()
    seed = int(os.environ.get("PROA_TEST_SEED", random.randrange(1 << 30)))
    print("seed", seed)
    http_client = Http(engine.socket, engine.api_version, 120)

    def clear():
        for container in http_client.get("/containers/json?all=1").json():
            answer = http_client.delete(f"/containers/{container['Id']}?force=1&v=1")
            assert answer.status in (204, 404), answer
        for network in http_client.get("/networks").json():
            if network["Name"].startswith("soak-"):
                assert http_client.delete(f"/networks/{network['Id']}").status == 204
        for volume in http_client.get("/volumes").json()["Volumes"] or []:
            assert http_client.delete(f"/volumes/{volume['Name']}").status == 204

    def work(seconds, seed, kills):
        stop = threading.Event()
        clients = [Client(engine, number, seed, stop) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        end, choice = time.monotonic() + seconds, random.Random(seed)
        pauses = max(1.0, min(20.0, seconds / 4))
        while time.monotonic() < end:
            time.sleep(min(choice.uniform(0.3, 1.0) * pauses, max(0.1, end - time.monotonic())))
            if kills:  # by this thread alone: it is the one in the engine's network
                engine.kill()
                engine.start()
        stop.set()
        for client in clients:
            client.join(90)
            assert not client.is_alive(), "a client hangs"
        failures = [failure for client in clients for failure in client.failures]
        assert not failures, f"{len(failures)} failures, seed {seed}: " + "\n".join(failures[:8]) + "\n" + engine.log_tail(1500)
        return sum((client.done for client in clients), collections.Counter())

    def settle():
        odd = []

        def settled():
            odd[:] = agree(engine, http_client)
            return not odd
        try:
            wait_until(settled, 20, interval=0.3)
        except AssertionError:
            raise AssertionError(f"seed {seed}: " + "; ".join(odd)) from None
        clear()

    work(2, seed, False)  # pools filled, threads started
    settle()
    engine.restart()
    time.sleep(1.5)
    before = leaks.snapshot(engine)
    done = work(SECONDS * 0.7, seed + 1, True)
    settle()
    # Of one daemon's own: it takes some to be warm and keeps to it.
    done += work(SECONDS * 0.1, seed + 2, False)
    settle()
    warm = resident(engine)
    done += work(SECONDS * 0.2, seed + 3, False)
    settle()
    print(dict(done), f"RSS {warm:.1f} -> {resident(engine):.1f} MB")
    leaks.assert_back(engine, before, timeout=30, tolerance={"daemon threads": 10, "daemon fds": 8})
    assert resident(engine) < warm + 8
