"""Projects that another tool has started are taken over, and the other way round.

Debian 12 has docker-compose 1.29; docker compose 2.26.1 takes part where PROA_TEST_COMPOSE_V2 names a docker client that has it. Without it stands what it wrote.
"""
import os
import subprocess

import pytest

FILE = """
services:
  one: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, volumes: ["data:/data"], depends_on: [two], environment: {A: b}}
  two: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, ports: ["127.0.0.1::80"]}
volumes: {data: {}}
"""
# The config-hash labels of docker compose 2.26.1 for these services, in a project called prt.
HASHES = {"one": "eabd9ab2e69f8dfe0ed882c848f40b79d54a855ca969f6dc6ffaa67eb1cb20b3", "two": "b9b894e8e85ddd85ec7cfa6173d8e60fd30ee81275c8a1c37bff0723cbd58cbc"}


@pytest.fixture
def things(api, inspect, names):
    """Identities of all that belongs to the project."""
    def collect():
        networks = {each["Name"]: each["Id"] for each in api.get("/networks").json() if each["Name"].startswith("prt")}
        volumes = {each["Name"]: each["CreatedAt"] for each in api.get("/volumes").json()["Volumes"]}
        return {name: inspect(name)["Id"] for name in names()}, networks, volumes
    return collect


def start_as_compose_v2(api, project, inspect_image):
    """What docker compose 2.26.1 makes of FILE, with all its labels."""
    common = {"com.docker.compose.project": "prt", "com.docker.compose.version": "2.26.1"}
    assert api.post("/networks/create", {"Name": "prt_default", "Driver": "bridge", "Labels": {**common, "com.docker.compose.network": "default"}}).status == 201
    assert api.post("/volumes/create", {"Name": "prt_data", "Labels": {**common, "com.docker.compose.volume": "data"}}).status == 201
    for service in "two", "one":
        labels = {**common, "com.docker.compose.service": service, "com.docker.compose.container-number": "1", "com.docker.compose.oneoff": "False",
                  "com.docker.compose.config-hash": HASHES[service], "com.docker.compose.image": inspect_image["Id"],
                  "com.docker.compose.depends_on": "two:service_started:false" if service == "one" else "",
                  "com.docker.compose.project.config_files": str(project.folder / "compose.yaml"), "com.docker.compose.project.working_dir": str(project.folder)}
        host = {"Binds": ["prt_data:/data:rw"]} if service == "one" else {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}}
        api.run("sleep", "1000", name=f"prt-{service}-1", Labels=labels, StopSignal="SIGKILL", Env=["A=b"] if service == "one" else [], ExposedPorts={"80/tcp": {}} if service == "two" else {}, host={"NetworkMode": "prt_default", **host},
                NetworkingConfig={"EndpointsConfig": {"prt_default": {"Aliases": [f"prt-{service}-1", service]}}})


def test_what_docker_compose_2_started_goes_on(project, api, things):
    start_as_compose_v2(api, project, api.get("/images/busybox/json").json())
    before = things()
    project.write(FILE)
    assert project("plan").stdout.endswith("Nothing to do.\n")
    project("up", "-d")
    assert things() == before
    project("down", "-t", "0", "-v")
    assert things() == ({}, {}, {})


def test_docker_compose_2_would_find_nothing_to_do(project, inspect):
    project.write(FILE)("up", "-d")
    assert {service: inspect(f"prt-{service}-1")["Config"]["Labels"]["com.docker.compose.config-hash"] for service in HASHES} == HASHES


@pytest.mark.skipif("PROA_TEST_COMPOSE_V2" not in os.environ, reason="PROA_TEST_COMPOSE_V2 names no docker client with compose")
@pytest.mark.proa
def test_docker_compose_2_and_back(project, things):
    def other(*words):
        return subprocess.run([os.environ["PROA_TEST_COMPOSE_V2"], "compose", "-p", "prt", *words], cwd=project.folder, env=project.environment, capture_output=True, text=True, timeout=60, check=True)

    for first, second in (other, project), (project, other):
        project.write(FILE)
        first("up", "-d")
        before = things()
        second("up", "-d")
        first("up", "-d")
        assert things() == before
        second("down", "-t", "0", "-v")
        assert things() == ({}, {}, {})


@pytest.mark.proa
def test_docker_compose_of_old_takes_a_project_over_and_gives_it_back(project, names, things, client_environment):
    """docker-compose 1.29 finds our containers by their labels, replaces them once (its hash is another one), and the other way round; networks and volumes stay."""
    project.write("version: '2.4'" + FILE)("up", "-d")
    project("exec", "-T", "one", "sh", "-c", "echo kept > /data/file")
    _, networks, volumes = things()

    def old(*words):
        return subprocess.run(["docker-compose", "-p", "prt", "-f", "compose.yaml", *words], cwd=project.folder, env=client_environment, capture_output=True, text=True, timeout=60, check=True)

    assert "prt-one-1" in old("ps").stdout
    old("up", "-d")
    assert len(names()) == 2 and set(names().values()) == {"running"} and things()[1:] == (networks, volumes)
    assert old("exec", "-T", "one", "cat", "/data/file").stdout == "kept\n"
    project("up", "-d")
    assert names() == {"prt-one-1": "running", "prt-two-1": "running"} and things()[1:] == (networks, volumes)
    assert project("exec", "-T", "one", "cat", "/data/file").stdout == "kept\n"
    old("down", "-t", "0")
    assert names() == {}
