"""The daemon is killed while volumes come, go and are used: no mount, no half volume, no lost promise."""
import os
import random
import threading
import time

import pytest

from support.http import Http
from support.waiting import wait_until


@pytest.fixture
def engine_with_images(private_engine):
    private_engine.start()
    private_engine.load()
    return private_engine


def mounts_below(engine, directory):
    """Mount points below a directory, in the mount namespace that the daemon lives in."""
    lines = open(f"/proc/{engine.pid}/mountinfo").read().splitlines()
    return [fields[4] for fields in (line.split() for line in lines) if fields[4].startswith(directory + "/")]


def volume_names(http):
    return {volume["Name"] for volume in http.get("/volumes").json()["Volumes"]}


def test_a_running_container_keeps_its_volume_over_a_kill(engine_with_images):
    engine = engine_with_images
    http = Http(engine.socket, engine.api_version)
    for name, options in ("plain", None), ("ram", {"type": "tmpfs", "device": "tmpfs"}):
        assert http.post("/volumes/create", {"Name": name, "DriverOpts": options}).status == 201
    command = "echo one > /ram/file; while [ ! -e /plain/stop ]; do usleep 10000; done; cat /ram/file > /plain/out"
    container = http.post("/containers/create", {"Image": "busybox", "Cmd": ["sh", "-c", command], "HostConfig": {"Binds": ["plain:/plain", "ram:/ram"]}}).json()["Id"]
    assert http.post(f"/containers/{container}/start").status == 204
    engine.kill()
    engine.start()
    volumes = engine.data_root + "/volumes"
    assert mounts_below(engine, volumes) == [f"{volumes}/ram/_data"]
    assert http.delete("/volumes/ram").status == 409
    # A second container sees what the first wrote: still one file system.
    second = http.post("/containers/create", {"Image": "busybox", "Cmd": ["sh", "-c", "grep one /ram/file && touch /plain/stop"], "HostConfig": {"VolumesFrom": [container]}}).json()["Id"]
    http.post(f"/containers/{second}/start")
    assert http.post(f"/containers/{second}/wait").json()["StatusCode"] == 0
    assert http.post(f"/containers/{container}/wait").json()["StatusCode"] == 0
    wait_until(lambda: not mounts_below(engine, volumes), 5, "the volume to be unmounted")
    assert open(volumes + "/plain/_data/out").read() == "one\n"


def test_a_container_that_ends_while_the_daemon_is_away_lets_its_volume_go(engine_with_images):
    engine = engine_with_images
    http = Http(engine.socket, engine.api_version)
    http.post("/volumes/create", {"Name": "ram", "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}})
    container = http.post("/containers/create", {"Image": "busybox", "Cmd": ["sleep", "0.5"], "Volumes": {"/anonymous": {}}, "HostConfig": {"Binds": ["ram:/ram"], "AutoRemove": True}}).json()["Id"]
    assert http.post(f"/containers/{container}/start").status == 204
    assert len(volume_names(http)) == 2
    engine.kill()
    time.sleep(0.8)
    engine.start()
    assert mounts_below(engine, engine.data_root + "/volumes") == []
    assert volume_names(http) == {"ram"}
    assert http.delete("/volumes/ram").status == 204


def test_random_kills(engine_with_images):
    """Four clients make and remove volumes and containers; the daemon is killed again and again."""
    engine, stop = engine_with_images, threading.Event()
    promised, removed, lock = set(), set(), threading.Lock()

    def client(number):
        generator = random.Random(number)
        http = Http(engine.socket, timeout=10)
        for step in range(100000):
            if stop.is_set():
                return
            name = f"v{number}-{step}"
            try:
                options = {"type": "tmpfs", "device": "tmpfs"} if generator.random() < 0.3 else None
                if http.post("/volumes/create", {"Name": name, "DriverOpts": options}).status != 201:
                    continue
                with lock:
                    promised.add(name)
                what = generator.choice(["remove", "use", "clone", "rename", "keep"])
                if what == "use":
                    created = http.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "Volumes": {"/bin": {}}, "HostConfig": {"Binds": [f"{name}:/data"], "AutoRemove": True}})
                    if created.status == 201:
                        http.post(f"/containers/{created.json()['Id']}/start")
                elif what in ("clone", "rename"):
                    with lock:
                        if what == "rename":
                            promised.discard(name)
                    http.post(f"/volumes/{name}/{what}", {"Name": name + "-new"})
                elif what == "remove":
                    with lock:
                        promised.discard(name)
                    if http.delete(f"/volumes/{name}").status == 204:
                        with lock:
                            removed.add(name)
            except OSError:
                time.sleep(0.02)

    clients = [threading.Thread(target=client, args=(number,)) for number in range(4)]
    for thread in clients:
        thread.start()
    for _ in range(int(os.environ.get("PROA_TEST_KILLS", "6"))):
        time.sleep(random.uniform(0.1, 0.6))
        engine.kill()
        engine.start()
    stop.set()
    for thread in clients:
        thread.join()
    engine.kill()
    engine.start()
    http = Http(engine.socket, engine.api_version, 60)
    for container in http.get("/containers/json?all=1").json():
        http.delete(f"/containers/{container['Id']}?force=1&v=1")
    wait_until(lambda: not http.get("/containers/json?all=1").json(), 20, "containers to go")
    volumes = engine.data_root + "/volumes"
    assert mounts_below(engine, volumes) == []
    names = volume_names(http)
    assert promised <= names, "an acknowledged volume is gone"
    assert not removed & names, "a removed volume is back"
    assert set(os.listdir(volumes)) == names, "directories and records disagree"
    assert all(os.path.isdir(f"{volumes}/{name}/_data") for name in names)
    assert not [name for name in names if len(name) == 64], "an anonymous volume without a container"
