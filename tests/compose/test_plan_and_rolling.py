"""Ours: plan, up --rolling and lock; and that plan is what up then does."""
import json
import random
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
"""


def test_rolling_replaces_one_by_one(project, api, names):
    project.write(ROLLED.replace("TELL", "touch /tmp/ok").replace("VERSION", "1"))("up", "-d", "--wait")
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
    assert all("V=2" in api.get(f"/containers/{name}/json").json()["Config"]["Env"] for name in names())


def test_a_broken_version_is_rolled_back(project, api, names, inspect):
    project.write(ROLLED.replace("TELL", "touch /tmp/ok").replace("VERSION", "1"))("up", "-d", "--wait")
    before = {name: inspect(name)["Id"] for name in names()}
    done = project.write(ROLLED.replace("TELL", "true").replace("VERSION", "2"))("up", "-d", "--rolling", check=1)
    assert 'service "web": rolled back: ' in done.stderr and "is unhealthy" in done.stderr
    assert {name: inspect(name)["Id"] for name in names()} == before and set(names().values()) == {"running"}


def test_a_later_failure_takes_all_of_the_service_back(project, names, inspect):
    """The first new container is fine; the second one finds what the first one left in the volume and fails."""
    text = ROLLED.replace("VERSION", "1") + "    volumes: ['shared:/shared']\nvolumes: {shared: {}}\n"
    project.write(text.replace("TELL", "touch /tmp/ok"))("up", "-d", "--wait")
    before = {name: inspect(name)["Id"] for name in names()}
    done = project.write(text.replace("TELL", "mkdir /shared/first && touch /tmp/ok"))("up", "-d", "--rolling", check=1)
    assert "Container prt-web-1  Rolled back" in done.stderr
    assert {name: inspect(name)["Id"] for name in names()} == before and set(names().values()) == {"running"}


def test_rolling_refuses_what_cannot_run_twice(project):
    text = "services:\n  web: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, ports: ['127.0.0.1:18099:80'], environment: {V: '1'}}\n"
    project.write(text)("up", "-d")
    assert 'service "web" cannot be updated by --rolling: it publishes the fixed port 18099' in project.write(text.replace("'1'", "'2'"))("up", "-d", "--rolling", check=1).stderr


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


@pytest.mark.proa
def test_docker_compose_of_old_takes_a_project_over_and_gives_it_back(project, names, client_environment):
    """docker-compose 1.29 finds our containers by their labels, replaces them once (its hash is another one), and the other way round."""
    project.write("version: '2.4'\nservices:\n  one: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}\n")("up", "-d")

    def old(*words):
        return subprocess.run(["docker-compose", "-p", "prt", "-f", "compose.yaml", *words], cwd=project.folder, env=client_environment, capture_output=True, text=True, timeout=60, check=True)

    assert "prt-one-1" in old("ps").stdout
    old("up", "-d")
    assert len(names()) == 1 and set(names().values()) == {"running"}
    project("up", "-d")
    assert names() == {"prt-one-1": "running"}
    old("down", "-t", "0")
    assert names() == {}
