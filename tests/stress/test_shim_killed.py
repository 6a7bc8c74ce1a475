"""A shim is killed: its container ends, is reported, and its restart policy holds."""
import os
import signal
import time

import pytest

from support import leaks
from support.http import Http
from support.waiting import wait_until

SHIMS = ("proa-shim", "containerd-shim")


def shim_of(pid):
    """The process that is the parent of a container's init (with the reference: its shim)."""
    return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])


def test_container_ends_with_137(api):
    container = api.run("sleep", "1000")
    pid = api.state(container)["Pid"]
    os.kill(shim_of(pid), signal.SIGKILL)
    wait_until(lambda: not api.state(container)["Running"], 15)
    state = api.state(container)
    assert state["Status"] in ("exited", "dead") and state["ExitCode"] == 137, state
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") or open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z", 10)


def test_waiters_and_events(api, events):
    container = api.run("sleep", "1000")
    stream = events(container=[container], event=["die"])
    waiting = api.open("POST", f"/containers/{container}/wait")
    os.kill(shim_of(api.state(container)["Pid"]), signal.SIGKILL)
    assert b"137" in waiting.read_all()
    assert next(stream.objects())["Actor"]["Attributes"]["exitCode"] == "137"
    waiting.close()


def test_restart_policy(api):
    container = api.run("sleep", "1000", host={"RestartPolicy": {"Name": "always"}})
    first = api.state(container)["Pid"]
    os.kill(shim_of(first), signal.SIGKILL)
    wait_until(lambda: (s := api.state(container))["Running"] and s["Pid"] not in (0, first), 15)
    assert api.inspect(container)["RestartCount"] == 1


def test_it_can_be_started_and_removed_afterwards(api):
    container = api.run("sh", "-c", "echo hi; sleep 1000", ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18300"}]}})
    wait_until(lambda: api.logs(container)[0])
    os.kill(shim_of(api.state(container)["Pid"]), signal.SIGKILL)
    wait_until(lambda: not api.state(container)["Running"], 15)
    assert api.logs(container)[0] == "hi\n"
    api.start(container)
    wait_until(lambda: api.logs(container)[0] == "hi\nhi\n")
    assert api.delete(f"/containers/{container}?force=1").status == 204


def test_auto_remove(api):
    container = api.run("sleep", "1000", host={"AutoRemove": True})
    os.kill(shim_of(api.state(container)["Pid"]), signal.SIGKILL)
    wait_until(lambda: api.get(f"/containers/{container}/json").status == 404, 15)


def test_while_the_daemon_is_away(private_engine):
    if private_engine.kind == "docker":
        pytest.skip("Docker's shim survives without its daemon; ours is what this is about")
    private_engine.start()
    private_engine.load()
    http = Http(private_engine.socket)
    plain = http.post("/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"]}).json()["Id"]
    always = http.post("/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"], "HostConfig": {"RestartPolicy": {"Name": "always"}}}).json()["Id"]
    pids = {}
    for container in (plain, always):
        assert http.post(f"/containers/{container}/start").status == 204
        pids[container] = http.get(f"/containers/{container}/json").json()["State"]["Pid"]
    private_engine.kill()
    for pid in pids.values():
        os.kill(shim_of(pid), signal.SIGKILL)
    time.sleep(0.3)
    private_engine.start()
    state = http.get(f"/containers/{plain}/json").json()["State"]
    assert state["Status"] in ("exited", "dead") and state["ExitCode"] == 137
    wait_until(lambda: (s := http.get(f"/containers/{always}/json").json()["State"])["Running"] and s["Pid"] != pids[always], 15)


def test_nothing_is_left(private_engine):
    if private_engine.kind == "docker":
        pytest.skip("Docker leaves mounts behind here")
    private_engine.start()
    private_engine.load()
    http = Http(private_engine.socket)

    def cycle():
        container = http.post("/containers/create", {"Image": "busybox", "Cmd": ["sleep", "1000"]}).json()["Id"]
        http.post(f"/containers/{container}/start")
        os.kill(shim_of(http.get(f"/containers/{container}/json").json()["State"]["Pid"]), signal.SIGKILL)
        wait_until(lambda: not http.get(f"/containers/{container}/json").json()["State"]["Running"], 15)
        http.delete(f"/containers/{container}?force=1")

    for _ in range(3):
        cycle()
    time.sleep(1)
    before = leaks.snapshot(private_engine)
    for _ in range(10):
        cycle()
    leaks.assert_back(private_engine, before, tolerance={"daemon threads": 4, "daemon fds": 2})
