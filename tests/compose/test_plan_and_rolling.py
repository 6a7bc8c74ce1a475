"""Ours: plan, up --rolling and lock; and that plan is what up then does."""
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

SLEEP = "{image: busybox, command: sleep 1000, stop_signal: SIGKILL"


def compose_file(services, networks=(), volumes=()):
    text = "services:\n" + "".join(f"  {name}: {json.dumps(service)}\n" for name, service in services.items())
    text += "networks:\n" + "".join(f"  {name}: {{}}\n" for name in ("default", *networks))
    return text + ("volumes:\n" + "".join(f"  {name}: {{}}\n" for name in volumes) if volumes else "")


def service(**keys):
    return {"image": "busybox", "command": ["sleep", "1000"], "stop_signal": "SIGKILL", **keys}


def mutate(chance, services, networks, volumes):
    """One to three random changes of a project."""
    for _ in range(chance.randint(1, 3)):
        name = chance.choice(sorted(services))
        kind = chance.choice(["environment", "label", "command", "replicas", "add", "drop", "network", "volume", "hostname", "user", "restart", "grace", "nothing"])
        if kind == "environment":
            services[name]["environment"] = {"V": str(chance.random())}
        elif kind == "label":
            services[name]["labels"] = {"l": str(chance.random())}
        elif kind == "command":
            services[name]["command"] = ["sleep", str(chance.randint(1000, 9999))]
        elif kind == "replicas":
            services[name]["deploy"] = {"replicas": chance.randint(0, 3)}
        elif kind == "add":
            services[f"s{chance.randint(10, 99)}"] = service(depends_on={name: {"condition": "service_started", "restart": chance.random() < 0.5}})
        elif kind == "drop" and len(services) > 1:
            services.pop(name)
            for other in services.values():
                other.get("depends_on", {}).pop(name, None)
        elif kind == "network":
            networks.add("more")
            services[name]["networks"] = {"default": {}, "more": {"aliases": [f"a{chance.randint(0, 9)}"]}}
        elif kind == "volume":
            volumes.add("data")
            services[name]["volumes"] = ["data:/data"]
        elif kind == "hostname":
            services[name]["hostname"] = f"h{chance.randint(0, 99)}"
        elif kind == "user":
            services[name]["user"] = str(chance.randint(0, 99))
        elif kind == "restart":
            services[name]["restart"] = chance.choice(["no", "always", "unless-stopped"])
        elif kind == "grace":
            services[name]["stop_grace_period"] = f"{chance.randint(1, 9)}s"


def test_plan_equals_what_up_does_on_40_mutated_projects(project, api):
    chance = random.Random(8)
    services, networks, volumes = {"a": service(), "b": service(depends_on={"a": {"condition": "service_started", "restart": True}}), "c": service()}, set(), set()
    project.write(compose_file(services))("up", "-d")
    changed = 0
    for round_number in range(40):
        mutate(chance, services, networks, volumes)
        project.write(compose_file(services, sorted(networks), sorted(volumes)))
        planned = json.loads(project("plan", "--format", "json", "--remove-orphans").stdout)
        before = {each["Id"]: each["Names"][0][1:] for each in api.get("/containers/json?all=1").json()}
        since = time.time()
        project("up", "-d", "--remove-orphans", "-t", "0")
        after = {each["Id"]: each["Names"][0][1:] for each in api.get("/containers/json?all=1").json()}
        events = [json.loads(line) for line in api.get(f"/events?since={since:.9f}&until={time.time():.9f}").body.decode().splitlines()]
        started = {event["Actor"]["ID"] for event in events if event["Type"] == "container" and event["Action"] == "start"}
        made, gone = set(after) - set(before), set(before) - set(after)
        expected = {(step["Action"], step["Name"]) for step in planned if step["Kind"] == "container" and step["Action"] != "keep"}
        done = {("recreate" if after[each] in {before[old] for old in gone} else "create", after[each]) for each in made}
        done |= {("remove", before[each]) for each in gone if before[each] not in {after[new] for new in made}}
        done |= {("restart", after[each]) for each in started & set(before)}
        assert done == expected, f"round {round_number}: {planned}"
        kinds = {(event["Type"], event["Action"]) for event in events}
        for kind in "network", "volume":
            assert (kind, "create") in kinds or not any(step["Kind"] == kind for step in planned), f"round {round_number}: {planned}"
        assert all(step.get("Reasons") for step in planned if step["Action"] == "recreate")
        changed += bool(expected)
        assert project("plan").stdout.endswith("Nothing to do.\n")
    assert changed > 25


ROLLED = """
services:
  web:
    image: busybox
    command: sh -c "TELL; exec sleep 1000"
    stop_signal: SIGKILL
    healthcheck: {test: test -f /tmp/ok, interval: 200ms, retries: 5}
    deploy: {replicas: 2}
    environment: {V: "VERSION"}
    ports: ["127.0.0.1::80"]
"""


@pytest.fixture
def ports(inspect, names):
    return lambda: {name: inspect(name)["NetworkSettings"]["Ports"]["80/tcp"] for name in names()}


@pytest.fixture
def aliases(inspect, names):
    return lambda: {name: sorted(inspect(name)["NetworkSettings"]["Networks"]["prt_default"]["Aliases"]) for name in names()}


def test_rolling_replaces_one_by_one(project, api, names, ports, aliases):
    project.write(ROLLED.replace("TELL", "touch /tmp/ok").replace("VERSION", "1"))("up", "-d", "--wait")
    before, named = ports(), aliases()
    least = [99]
    over = threading.Event()

    def watch():
        while not over.is_set():
            healthy = [each for each in api.get("/containers/json").json() if each["Status"].endswith("(healthy)")]
            least[0] = min(least[0], len(healthy))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        steps = project.write(ROLLED.replace("TELL", "touch /tmp/ok").replace("VERSION", "2"))("up", "-d", "--rolling").stderr
    finally:
        over.set()
        watcher.join()
    assert least[0] == 2 and "Container prt-web-2  Updated" in steps
    assert names() == {"prt-web-1": "running", "prt-web-2": "running"}
    assert ports() == before and aliases() == named and all("web" in each for each in named.values())
    assert project("plan").stdout.endswith("Nothing to do.\n")
    assert all("V=2" in api.get(f"/containers/{name}/json").json()["Config"]["Env"] for name in names())


def test_a_broken_version_is_rolled_back(project, api, names, inspect):
    project.write(ROLLED.replace("TELL", "touch /tmp/ok").replace("VERSION", "1"))("up", "-d", "--wait")
    before = {name: inspect(name)["Id"] for name in names()}
    done = project.write(ROLLED.replace("TELL", "true").replace("VERSION", "2"))("up", "-d", "--rolling", check=1)
    assert 'service "web": rolled back: ' in done.stderr and "is unhealthy" in done.stderr
    assert {name: inspect(name)["Id"] for name in names()} == before and set(names().values()) == {"running"}


def test_a_later_failure_takes_all_of_the_service_back(project, names, inspect, ports, aliases):
    """The first new container is fine; the second one finds what the first one left in the volume and fails."""
    text = ROLLED.replace("VERSION", "1") + "    volumes: ['shared:/shared']\nvolumes: {shared: {}}\n"
    project.write(text.replace("TELL", "touch /tmp/ok"))("up", "-d", "--wait")
    before, published, named = {name: inspect(name)["Id"] for name in names()}, ports(), aliases()
    done = project.write(text.replace("TELL", "mkdir /shared/first && touch /tmp/ok"))("up", "-d", "--rolling", check=1)
    assert "Container prt-web-1  Rolled back" in done.stderr and ports() == published and aliases() == named
    assert {name: inspect(name)["Id"] for name in names()} == before and set(names().values()) == {"running"}


@pytest.mark.parametrize("keys, reason", [("networks: {default: {ipv4_address: 10.98.9.9}}", "it has a fixed address"), ("network_mode: host", "it uses the host's network")])
def test_rolling_refuses_what_cannot_run_twice(project, names, keys, reason):
    """Before anything is done: a new service is not there either."""
    text = f"services:\n  web: {{image: busybox, command: sleep 1000, stop_signal: SIGKILL, {keys}, environment: {{V: '1'}}}}\n"
    text += "networks: {default: {ipam: {config: [{subnet: 10.98.9.0/24}]}}}\n" if "address" in keys else ""
    project.write(text)("up", "-d")
    project.write(text.replace("'1'", "'2'").replace("services:\n", "services:\n  more: {image: busybox}\n"))
    assert f'service "web" cannot be updated by --rolling: {reason}' in project("up", "-d", "--rolling", check=1).stderr
    assert set(names()) == {"prt-web-1"}


SERVER = """
import asyncio, os
ANSWER = ("HTTP/1.0 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\n" + os.environ["V"]).encode()

class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(ANSWER)
        self.transport.close()

async def serve():
    await (await asyncio.get_running_loop().create_server(Answer, "0.0.0.0", 80, backlog=4096)).serve_forever()
asyncio.run(serve())
"""
ASKER = """
import socket
count = bad = 0
while True:
    answer = b""
    try:
        with socket.create_connection(("web", 80), 5) as connection:
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            while piece := connection.recv(4096):
                answer += piece
    except OSError as error:
        print(error, flush=True)
    count, bad = count + 1, bad + (b"200 OK" not in answer)
    if count % 20 == 0 or bad:
        print(count, bad, flush=True)
"""
# The machine's own python in containers, from read-only mounts.
LOADED = """
x-python: &python
  image: busybox
  init: true
  stop_grace_period: 1s
  volumes: [MOUNTS, "./:/code:ro"]
services:
  web:
    <<: *python
    command: [/usr/bin/python3, /code/SERVER]
    environment: {V: "VERSION"}
    ports: ["127.0.0.1:18097:80"]
    healthcheck: {test: "wget -q -O /dev/null http://127.0.0.1/", interval: 200ms, retries: 100}
  asker:
    <<: *python
    command: [/usr/bin/python3, -u, /code/asker.py]
    depends_on: {web: {condition: service_healthy}}
"""


def test_no_request_fails_while_a_service_is_updated(project, api, inspect, tmp_path):
    """A fixed published port under load, and a container that looks the service up by name all the while. PROA_TEST_UPDATES=20 for the full measure."""
    updates = int(os.environ.get("PROA_TEST_UPDATES", "2"))
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "broken.py").write_text("raise SystemExit(3)")
    (tmp_path / "asker.py").write_text(ASKER)

    def version(number, server="server.py"):
        mounts = ", ".join(f'"{path}:{path}:ro"' for path in ("/usr", "/lib", "/lib64") if os.path.isdir(path))
        return project.write(LOADED.replace("MOUNTS", mounts).replace("VERSION", f"v{number:03}").replace("SERVER", server))

    version(0)("up", "-d", "--wait")
    load = subprocess.Popen(["ab", "-q", "-r", "-s", "20", "-c", "8", "-t", "900", "-n", "50000000", "http://127.0.0.1:18097/"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        start = time.monotonic()
        for number in range(1, updates + 1):
            version(number)("up", "-d", "--rolling")
            assert f"V=v{number:03}" in inspect("prt-web-1")["Config"]["Env"]
        served = inspect("prt-web-1")["Id"]
        broken = version(updates + 1, "broken.py")("up", "-d", "--rolling", check=1)
        assert 'service "web": rolled back: ' in broken.stderr and inspect("prt-web-1")["Id"] == served
        took = time.monotonic() - start
    finally:
        load.send_signal(signal.SIGINT)  # it sums up
        report = load.communicate(timeout=30)[0]
    figures = {key.strip(): value.split()[0] for key, _, value in (line.partition(":") for line in report.splitlines()) if value.split()}
    print(f"{updates} updates and a broken one in {took:.0f} s, {figures['Complete requests']} requests, {figures['Requests per second']} a second, {figures['Failed requests']} failed")
    assert figures["Failed requests"] == "0" and "Non-2xx responses" not in figures and int(figures["Complete requests"]) > 100, report
    asked = api.logs(inspect("prt-asker-1")["Id"])[0].splitlines()
    count, bad = asked[-1].split()
    assert int(count) > 20 and bad == "0", asked[-5:]


def moment(text):
    """An RFC 3339 time, comparable: its fraction has lost its last zeros."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


def test_a_graph_of_30_services_starts_and_stops_in_order_and_is_quick_when_nothing_is_to_do(project, api):
    services = {f"s{number:02}": service(**({"depends_on": [f"s{number // 2:02}"]} if number else {})) for number in range(30)}
    project.write(compose_file(services))("up", "-d")
    began = {each["Names"][0][1:]: moment(api.get(f"/containers/{each['Id']}/json").json()["State"]["StartedAt"]) for each in api.get("/containers/json").json()}
    assert len(began) == 30 and all(began[f"prt-s{number // 2:02}-1"] < began[f"prt-s{number:02}-1"] for number in range(1, 30))
    times = []
    for _ in range(5):
        start = time.monotonic()
        project("up", "-d")
        times.append(time.monotonic() - start)
    print(f"up with nothing to do: {min(times) * 1000:.1f} ms")
    assert min(times) < 0.2  # 50 ms is the aim; a busy machine gets slack
    steps = project("stop", "-t", "0").stderr
    assert all(steps.index(f"prt-s{number:02}-1  Stopped") < steps.index(f"prt-s{number // 2:02}-1  Stopping") for number in range(1, 30))
