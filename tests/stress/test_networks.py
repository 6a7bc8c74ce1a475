"""Networks and containers that come and go at random, the daemon killed in between: nothing is left, and what runs works.

PROA_TEST_NETWORK_STEPS sets the number of steps (default 60; 1000 for the full measure).
"""
import os
import random
import subprocess

import pytest

from conftest import Api
from support import dns, leaks
from support.waiting import wait_until

STEPS = int(os.environ.get("PROA_TEST_NETWORK_STEPS", "60"))
pytestmark = [pytest.mark.slow, pytest.mark.proa]


def links():
    return sorted(line.split(": ")[1].split("@")[0] for line in subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines())


def test_random_life_with_daemon_kills(private_engine):
    engine = private_engine
    engine.start()
    engine.load()
    api = Api(engine)
    chance = random.Random(7)
    networks, containers = [], []

    def create_network():
        name = f"r{chance.randrange(10 ** 9)}"
        assert api.post("/networks/create", {"Name": name, "EnableIPv6": chance.random() < 0.3, "Internal": chance.random() < 0.2}).status == 201
        networks.append(name)

    def create_container():
        wanted = chance.sample(networks, min(len(networks), chance.randrange(3)))
        mode = wanted[0] if wanted else "bridge"
        containers.append(api.run("sleep", "1000", host={"NetworkMode": mode}, NetworkingConfig={"EndpointsConfig": {net: {} for net in wanted}}))

    def remove_network():
        if networks:
            name = chance.choice(networks)
            status = api.delete("/networks/" + name).status
            assert status in (204, 403)
            if status == 204:
                networks.remove(name)

    def remove_container():
        if containers:
            assert api.delete(f"/containers/{containers.pop(chance.randrange(len(containers)))}?force=1").status == 204

    def connect():
        if networks and containers:
            assert api.post(f"/networks/{chance.choice(networks)}/connect", {"Container": chance.choice(containers)}).status in (200, 403)

    def disconnect():
        if networks and containers:
            assert api.post(f"/networks/{chance.choice(networks)}/disconnect", {"Container": chance.choice(containers)}).status in (200, 500)

    def kill():
        engine.kill()
        engine.start()

    create_network()
    create_container()
    steps = [create_network] * 3 + [create_container] * 4 + [remove_network] * 3 + [remove_container] * 3 + [connect] * 5 + [disconnect] * 4 + [kill]
    for _ in range(STEPS):
        chance.choice(steps)()
    for container in containers:
        shown = api.inspect(container)["NetworkSettings"]["Networks"]
        inside = api.execute(container, "ip", "-o", "addr")[1]
        assert all(endpoint["IPAddress"] + "/" in inside for endpoint in shown.values())
        assert api.execute(container, "ls", "/sys/class/net")[1].count("eth") == len(shown)
    while containers:
        remove_container()
    while networks:
        assert api.delete("/networks/" + networks.pop()).status == 204
    engine.kill()
    engine.start()
    own = {"lo", engine.bridge, "proa0", "prt0"}
    wait_until(lambda: all(name in own or name.startswith("vethp") for name in links()) and sum(name.startswith("vethp") for name in links()) <= 4, 20, "bridges and interfaces to go")
    elements = {name: count for name, count in leaks._nft().items() if "elements" in name and count > 0}
    assert all(name.split("/")[1] in ("proa-bridges", "proa-masquerade", "proa-icc", "proa-subnets4") and count <= 2 for name, count in elements.items()), elements
    assert api.get("/networks").json().__len__() == 3


def test_two_hundred_names(private_engine):
    """Registered as fast as containers start; every one resolves every other (a sample of pairs)."""
    engine = private_engine
    engine.start()
    engine.load()
    api = Api(engine)
    count = int(os.environ.get("PROA_TEST_NAMES", "24"))
    assert api.post("/networks/create", {"Name": "crowd", "IPAM": {"Config": [{"Subnet": "10.98.0.0/16"}]}}).status == 201
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: api.run("sleep", "1000", name=f"crowd{n}", host={"NetworkMode": "crowd"}), range(count)))
    wanted = {f"crowd{n}": [api.inspect(one)["NetworkSettings"]["Networks"]["crowd"]["IPAddress"]] for n, one in enumerate(ids)}
    for one in (ids[0], ids[-1]):
        names = list(wanted)
        assert dns.inside(api.state(one)["Pid"], dns.ask_many, names) == [wanted[name] for name in names]
