"""The daemon is killed: containers, logs, ports and records do not notice."""
import http.client
import itertools
import json
import random
import threading
import time

import pytest

from support.http import Http, demultiplex
from support.waiting import wait_until

COUNTER = "i=0; while [ ! -e /stop ]; do i=$((i+1)); echo line $i; usleep 5000; done; echo end $i; exit 7"


class Session:
    """A private engine and the few calls that these tests make."""

    def __init__(self, engine):
        self.engine = engine
        engine.start()
        engine.load()
        self.http = Http(engine.socket, engine.api_version, 60)

    def create(self, command, name=None, **host):
        exposed = {"ExposedPorts": {port: {} for port in host.get("PortBindings", {})}}
        answer = self.http.post("/containers/create" + (f"?name={name}" if name else ""), {"Image": "busybox", "Cmd": command, "HostConfig": host, **exposed})
        assert answer.status == 201, answer
        return answer.json()["Id"]

    def run(self, command, name=None, **host):
        container = self.create(command, name, **host)
        answer = self.http.post(f"/containers/{container}/start")
        assert answer.status == 204, answer
        return container

    def state(self, container):
        return self.http.get(f"/containers/{container}/json").json()["State"]

    def logs(self, container, query="stdout=1"):
        return demultiplex(self.http.get(f"/containers/{container}/logs?{query}").body)[0].decode()

    def kill_and_restart(self):
        self.engine.kill()
        self.engine.start()


@pytest.fixture
def session(private_engine):
    if private_engine.kind == "docker":
        private_engine.write_config({"live-restore": True})
    return Session(private_engine)


def assert_gapless(text):
    lines = [line for line in text.splitlines() if line.startswith("line ")]
    assert lines == [f"line {n}" for n in range(1, len(lines) + 1)], "a line is missing or doubled"
    return len(lines)


def fetch(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.slow
def test_twenty_writers_over_a_kill(session):
    if session.engine.kind == "docker":
        pytest.skip("docker-proxy and log pipes die with dockerd")
    writers = [session.run(["sh", "-c", COUNTER]) for _ in range(20)]
    server = session.run(["httpd", "-f", "-p", "80", "-h", "/www"], PortBindings={"80/tcp": [{"HostPort": "18200"}]})
    ends_meanwhile = session.run(["sh", "-c", "sleep 1.5; echo bye; exit 33"])
    killed_meanwhile = session.run(["sh", "-c", "sleep 1000"])
    restarts_meanwhile = session.run(["sh", "-c", "echo up; sleep 1.2; exit 1"], RestartPolicy={"Name": "always"})
    removed_meanwhile = session.run(["sleep", "1.5"], AutoRemove=True)
    wait_until(lambda: fetch(18200) == b"it works\n")
    wait_until(lambda: "line 20\n" in session.logs(writers[-1]), 20)
    counted = {w: len(session.logs(w).splitlines()) for w in writers[:3]}

    pid = session.state(killed_meanwhile)["Pid"]
    session.engine.kill()
    assert fetch(18200) == b"it works\n"
    import os
    import signal
    os.kill(pid, signal.SIGKILL)
    time.sleep(2)
    assert fetch(18200) == b"it works\n"
    session.engine.start()

    assert fetch(18200) == b"it works\n"
    running = {c["Id"] for c in session.http.get("/containers/json").json()}
    assert set(writers) | {server} <= running
    ended = session.state(ends_meanwhile)
    assert (ended["Status"], ended["ExitCode"]) == ("exited", 33)
    assert session.logs(ends_meanwhile) == "bye\n"
    assert ended["FinishedAt"] < session.http.get("/info").json()["SystemTime"]
    assert session.state(killed_meanwhile)["ExitCode"] == 137
    wait_until(lambda: session.http.get(f"/containers/{restarts_meanwhile}/json").json()["RestartCount"] >= 1 and "up\nup\n" in session.logs(restarts_meanwhile), 20)
    wait_until(lambda: session.http.get(f"/containers/{removed_meanwhile}/json").status == 404, 10)
    for writer, count in counted.items():
        assert len(session.logs(writer).splitlines()) > count

    with session.http.open("GET", f"/containers/{writers[0]}/logs?stdout=1&follow=1") as following, \
            session.http.hijack(f"/containers/{writers[1]}/attach?stream=1&stdout=1&stderr=1") as attached:
        attached.read_until(b"line ")
        for writer in writers:
            created = session.http.post(f"/containers/{writer}/exec", {"Cmd": ["touch", "/stop"]})
            session.http.post(f"/exec/{created.json()['Id']}/start", {"Detach": True})
        followed = demultiplex(following.read_all())[0].decode()
        tail = demultiplex_from_frame(attached.read_all())
    assert followed.splitlines()[-1].startswith("end ") and assert_gapless(followed) > 20
    assert tail.splitlines()[-1].startswith("end ")
    for writer in writers:
        assert session.http.post(f"/containers/{writer}/wait").json()["StatusCode"] == 7
        text = session.logs(writer)
        assert text.splitlines()[-1] == f"end {assert_gapless(text)}"
    assert session.http.post(f"/containers/{server}/stop?t=0").status == 204
    with pytest.raises(OSError):
        fetch(18200)


def demultiplex_from_frame(data):
    """The text of a stream that was joined in the middle of a frame."""
    for offset in range(min(len(data), 70000)):
        try:
            return demultiplex(data[offset:])[0].decode()
        except AssertionError:
            continue
    raise AssertionError("no frame found")


@pytest.mark.slow
def test_stop_signal_and_exec_after_a_kill(session):
    container = session.run(["sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"])
    interactive = session.http.post("/containers/create", {"Image": "busybox", "Cmd": ["cat"], "OpenStdin": True, "Tty": True}).json()["Id"]
    session.http.post(f"/containers/{interactive}/start")
    paused = session.run(["sleep", "100"])
    session.http.post(f"/containers/{paused}/pause")
    wait_until(lambda: session.logs(container))
    for _ in range(3):
        session.kill_and_restart()
    assert session.state(paused)["Paused"]
    assert session.http.post(f"/containers/{paused}/unpause").status == 204
    created = session.http.post(f"/containers/{container}/exec", {"Cmd": ["echo", "inside"], "AttachStdout": True}).json()["Id"]
    with session.http.hijack(f"/exec/{created}/start", {}) as stream:
        assert demultiplex(stream.read_all())[0] == b"inside\n"
    with session.http.hijack(f"/containers/{interactive}/attach?stream=1&stdin=1&stdout=1") as stream:
        stream.send(b"abc\r")
        stream.read_until(b"abc\r\nabc\r\n")
    assert session.http.post(f"/containers/{container}/stop").status == 204
    assert session.state(container)["ExitCode"] == 9
    assert session.http.post(f"/containers/{container}/start").status == 204
    assert session.http.delete(f"/containers/{container}?force=1").status == 204


@pytest.mark.slow
def test_waiting_and_paused_output_over_a_kill(session):
    """A writer that fills its pipe while nobody reads must not lose a byte or block for ever."""
    container = session.run(["sh", "-c", "for i in $(seq 1 20000); do echo line $i; done; exit 3"])
    session.kill_and_restart()
    wait_until(lambda: not session.state(container)["Running"], 30)
    assert session.state(container)["ExitCode"] == 3
    assert assert_gapless(session.logs(container)) == 20000


OPERATIONS = 200


@pytest.mark.slow
def test_killed_at_any_moment(session):
    """200 random operations with a kill now and then: it always boots, and what it acknowledged is true."""
    rng = random.Random(20260101)
    expected = {}  # name -> "created" | "running"; None: unknown, the operation was under way at a kill
    lock, stop = threading.Lock(), threading.Event()
    problems = []

    def operate(lane):
        http = Http(session.engine.socket, session.engine.api_version, 30)
        for number in itertools.count():
            if stop.is_set() or (number >= OPERATIONS // 4 and kills >= 5):
                return
            name = f"op-{lane}-{rng.randrange(8)}"
            state = expected.get(name, "absent")
            action = "remove" if state is None else rng.choice({"absent": ["create"], "created": ["start", "remove"], "running": ["remove", "remove"]}[state])
            with lock:
                expected[name] = None
            try:
                if action == "create":
                    status = http.post(f"/containers/create?name={name}", {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"NetworkMode": rng.choice(["bridge", "none"])}}).status
                    after, good = "created", status == 201
                elif action == "start":
                    status = http.post(f"/containers/{name}/start").status
                    after, good = "running", status == 204
                else:
                    status = http.delete(f"/containers/{name}?force=1").status
                    after, good = "absent", status in (204, 404)
                if good:
                    with lock:
                        expected[name] = after
                        if after == "absent":
                            expected.pop(name)
                elif state is not None:
                    problems.append(f"{action} {name} in state {state}: {status}")
            except (OSError, ValueError):
                time.sleep(0.05)  # the daemon is away

    lanes = [threading.Thread(target=operate, args=(lane,)) for lane in range(4)]
    kills = 0
    for lane in lanes:
        lane.start()
    while any(lane.is_alive() for lane in lanes):
        time.sleep(rng.uniform(0.02, 0.35))
        session.engine.kill()
        session.engine.start()
        kills += 1
        if kills > 60:
            break
    for lane in lanes:
        lane.join(60)
    stop.set()
    assert not problems, problems[:5]
    found = {c["Names"][0][1:]: c["State"] for c in session.http.get("/containers/json?all=1").json()}
    for name, state in expected.items():
        if state is not None:
            assert found.get(name) == state, (name, state, found.get(name))
    assert not set(found) - set(expected), "a removed container came back"
    for name in list(found):
        answer = session.http.delete(f"/containers/{name}?force=1")
        assert answer.status == 204, answer
    assert session.http.get("/containers/json?all=1").json() == []
    # all that it did still works
    assert session.state(session.run(["true"]))["Status"] in ("running", "exited")


@pytest.mark.slow
def test_graceful_stop_leaves_containers_running(session):
    if session.engine.kind == "docker":
        session.engine.stop()
        session.engine.start()
    container = session.run(["sh", "-c", COUNTER])
    pid = session.state(container)["Pid"]
    wait_until(lambda: session.logs(container))
    assert session.engine.stop() == 0
    import os
    assert not os.path.exists(session.engine.socket) and os.path.exists(f"/proc/{pid}")
    session.engine.start()
    assert session.state(container)["Pid"] == pid
    assert_gapless(session.logs(container))


def test_logs_of_a_dead_period_are_read_from_the_start(session):
    if session.engine.kind == "docker":
        pytest.skip("a killed containerd loses what was written meanwhile")
    container = session.run(["sh", "-c", "echo before; sleep 1; echo after"])
    wait_until(lambda: session.logs(container))
    session.kill_and_restart()
    assert demultiplex(session.http.get(f"/containers/{container}/logs?stdout=1&follow=1").body)[0] == b"before\nafter\n"
    assert json.loads(session.http.post(f"/containers/{container}/wait").body)["StatusCode"] == 0
