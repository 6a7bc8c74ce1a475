"""docker-compose 1.29, unmodified: a project with its default network, one of its own, aliases and links."""
import json
import os
import re
import shutil
import subprocess
import time

import pytest
from support.waiting import wait_until

FILE = """
version: "2.4"
services:
  server:
    image: busybox
    command: httpd -f -p 80 -h /www
    networks:
      front:
        aliases: [web]
      back:
        ipv4_address: 10.99.0.10
    labels: {role: server}
  client:
    image: busybox
    command: sleep 1000
    networks: [front]
    links: ["server:nick"]
    depends_on: [server]
  lonely:
    image: busybox
    command: sleep 1000
networks:
  front: {}
  back:
    ipam:
      config: [{subnet: 10.99.0.0/24}]
    labels: {kind: back}
"""


@pytest.fixture
def compose(client_environment, tmp_path):
    if not shutil.which("docker-compose"):
        pytest.fail("docker-compose is not installed (./dev setup)")
    (tmp_path / "docker-compose.yml").write_text(FILE)

    def run(*words, check=0, environment={}):
        done = subprocess.run(["docker-compose", "-p", "prtcompose", *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, env=dict(client_environment, **environment), stdin=subprocess.DEVNULL)
        assert check is None or done.returncode == check, done.stdout + done.stderr
        return done

    yield run
    run("down", "-t", "0", check=None)


def test_project(compose, docker):
    compose("up", "-d")
    assert set(docker.output("network", "ls", "--filter", "label=com.docker.compose.project=prtcompose", "--format", "{{.Name}}").split()) == {"prtcompose_front", "prtcompose_back", "prtcompose_default"}
    for name in ("server", "web", "nick", "prtcompose_server_1"):
        assert compose("exec", "-T", "client", "wget", "-qO-", f"http://{name}/index.html", check=None).stdout == "it works\n" or \
            compose("exec", "-T", "client", "ping", "-c1", "-W2", name, check=None).returncode == 0, name
    assert "10.99.0.10" in docker.inspect("prtcompose_server_1", "{{json .NetworkSettings.Networks}}")
    assert compose("exec", "-T", "lonely", "ping", "-c1", "-W1", "10.99.0.10", check=None).returncode != 0
    assert "Up" in compose("ps").stdout
    compose("up", "-d")  # nothing changes the second time
    compose("up", "-d", "--scale", "client=2")
    found = compose("exec", "-T", "--index=1", "client", "nslookup", "-type=a", "client", check=None).stdout
    assert len(set(re.findall(r"^Address: ([0-9.]+)$", found, re.M))) == 2, found
    compose("down", "-t", "0")
    assert docker.output("network", "ls", "--filter", "label=com.docker.compose.project=prtcompose", "-q") == ""


def test_recreated_containers_keep_their_anonymous_volumes(compose, docker, tmp_path):
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "Dockerfile").write_text("FROM busybox\nVOLUME /kept\nCMD [\"sleep\", \"1000\"]\n")
    docker("build", "-q", "-t", "prtcompose-keep", str(tmp_path / "keep"), check=0, env={"DOCKER_BUILDKIT": "0"})
    (tmp_path / "docker-compose.yml").write_text('version: "2.4"\nservices:\n  keeper:\n    image: prtcompose-keep\n')
    compose("up", "-d")
    first = docker.inspect("prtcompose_keeper_1", "{{.Id}}")
    compose("exec", "-T", "keeper", "sh", "-c", "echo kept > /kept/file")
    compose("up", "-d", "--force-recreate", "-t", "0")
    assert docker.inspect("prtcompose_keeper_1", "{{.Id}}") != first
    assert compose("exec", "-T", "keeper", "cat", "/kept/file").stdout == "kept\n"
    compose("down", "-t", "0", "-v")
    docker("rmi", "prtcompose-keep", check=0)


def has_socket(pid):
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(entry.path).startswith("socket:"):
                return True
        except FileNotFoundError:
            pass  # closed meanwhile
    return False


def test_events(compose, client_environment, tmp_path):
    with subprocess.Popen(["docker-compose", "-p", "prtcompose", "events", "--json"], cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=dict(client_environment, PYTHONUNBUFFERED="1")) as watcher:
        try:
            wait_until(lambda: has_socket(watcher.pid))
            time.sleep(1)  # the request is under way; nothing tells when it is answered
            compose("up", "-d", "lonely")
            seen = [json.loads(watcher.stdout.readline()) for _ in range(2)]
        finally:
            watcher.terminate()
    assert [(event["action"], event["service"]) for event in seen] == [("create", "lonely"), ("start", "lonely")]


def test_a_one_off_container_has_no_alias_of_its_service(compose, docker):
    """In an old version of the API as well: the short id is an alias only once a container was started."""
    compose("up", "-d", "server", environment={"COMPOSE_API_VERSION": "1.35"})
    name = compose("run", "-d", "client", environment={"COMPOSE_API_VERSION": "1.35"}).stdout.strip()
    networks = json.loads(docker.inspect(name, "{{json .NetworkSettings.Networks}}"))
    assert [network["Aliases"] for network in networks.values()] == [None]
    assert all("prtcompose_server_1:nick" in network["Links"] for network in networks.values())
