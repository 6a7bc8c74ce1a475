"""docker-compose 1.29, unmodified: a project with its default network, one of its own, aliases and links."""
import re
import shutil
import subprocess

import pytest

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

    def run(*words, check=0):
        done = subprocess.run(["docker-compose", "-p", "prtcompose", *words], cwd=tmp_path, capture_output=True, text=True, timeout=100, env=client_environment, stdin=subprocess.DEVNULL)
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
