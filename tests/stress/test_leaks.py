"""Many runs, and everything the machine counts is back where it was.

PROA_TEST_RUNS sets the number of `run --rm` (default 200; 1000 for the full measure).
"""
import concurrent.futures
import os
import time

import pytest

from support import leaks
from support.waiting import wait_until

RUNS = int(os.environ.get("PROA_TEST_RUNS", "200"))


def tolerance(engine):
    """What may differ: threads and connections that wait for more work. dockerd keeps more, files too."""
    return {"daemon threads": 60, "daemon fds": 60, "files in exec root": 300} if engine.is_docker() else {"daemon threads": 6, "daemon fds": 4}


@pytest.fixture
def settled(engine, docker, api):
    """A warm engine: pools filled, threads started."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: docker("run", "--rm", "busybox", "true", check=0), range(16)))
    time.sleep(1.5)
    return leaks.snapshot(engine)


@pytest.mark.slow
def test_run_rm_in_eight_lanes(engine, docker, settled):
    if engine.external:
        pytest.skip("needs to look into the engine's roots")
    begin = time.monotonic()

    def one(number):
        done = docker("run", "--rm", *(["-p", "80"] if number % 10 == 0 else []), "busybox", "echo", number, timeout=120)
        return done.returncode == 0 and done.stdout == f"{number}\n" or f"{number}: {done.returncode} {done.stdout!r} {done.stderr!r}"

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        failed = [answer for answer in pool.map(one, range(RUNS)) if answer is not True]
    assert not failed, failed[:5]
    print(f"{RUNS / (time.monotonic() - begin):.1f} containers/s")
    leaks.assert_back(engine, settled, tolerance=tolerance(engine))


def test_failed_starts_leave_nothing(engine, api, settled):
    for number in range(30):
        container = api.create("nosuchprogram" if number % 2 else "/etc/passwd", ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "0"}]}})
        assert api.post(f"/containers/{container}/start").status >= 400
        api.delete(f"/containers/{container}")
    leaks.assert_back(engine, settled, tolerance=tolerance(engine))


def test_restarts_and_execs_leave_nothing(engine, api, settled):
    container = api.run("sleep", "1000")
    api.execute(container, "true")
    wait_until(lambda: True)
    for _ in range(10):
        assert api.post(f"/containers/{container}/restart?t=0").status == 204
        for _ in range(3):
            assert api.execute(container, "true")[0] == 0
    api.delete(f"/containers/{container}?force=1")
    leaks.assert_back(engine, settled, tolerance=tolerance(engine))


def test_dropped_clients_leave_nothing(engine, api, settled):
    container = api.run("sh", "-c", "while :; do echo x; sleep 0.01; done", OpenStdin=True)
    for _ in range(20):
        streams = [api.hijack(f"/containers/{container}/attach?stream=1&stdin=1&stdout=1&stderr=1"), api.open("GET", f"/containers/{container}/logs?stdout=1&follow=1"),
                   api.open("GET", "/events"), api.open("GET", f"/containers/{container}/stats"), api.open("POST", f"/containers/{container}/wait")]
        for stream in streams:
            stream.close()
    api.delete(f"/containers/{container}?force=1")
    leaks.assert_back(engine, settled, tolerance=tolerance(engine))


@pytest.mark.slow
def test_two_hundred_at_once_removed_by_one_command(engine, docker, settled):
    count = min(RUNS, 60)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: docker.output("run", "-d", "busybox", "sleep", "1000"), range(count)))
    assert len(docker.output("ps", "-q").split()) == count
    assert docker.output("rm", "-f", *ids).split() == ids
    leaks.assert_back(engine, settled, tolerance=tolerance(engine))


def test_stopping_the_engine_leaves_nothing(private_engine):
    """After the last container and the daemon are gone: no process, mount, cgroup, veth or rule of ours."""
    if private_engine.kind == "docker":
        pytest.skip("dockerd keeps its chains and bridge")
    before = leaks.snapshot(private_engine)
    private_engine.start()
    private_engine.load()
    from support.http import Http
    http = Http(private_engine.socket)
    for _ in range(5):
        container = http.post("/containers/create", {"Image": "busybox", "Cmd": ["true"]}).json()["Id"]
        http.post(f"/containers/{container}/start")
        http.post(f"/containers/{container}/wait")
        http.delete(f"/containers/{container}?force=1")
    assert private_engine.stop() == 0

    def left():
        after = leaks.difference(before, leaks.snapshot(private_engine), {"cgroups": 20})
        return {k: v for k, v in after.items() if k.startswith(("process", "mounts", "veths", "netns")) or k == "zombies"}

    # The kernel takes namespaces and their interfaces down behind the last process, one after the other.
    deadline = time.monotonic() + 30
    while left() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left(), left()
