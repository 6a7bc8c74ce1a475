"""docker network and the network flags of docker run, with the unmodified client."""
import json
import uuid

import pytest


@pytest.fixture
def net(docker):
    name = "c-" + uuid.uuid4().hex[:8]
    docker("network", "create", "--subnet", "10.95.0.0/24", name, check=0)
    return name


def test_create_list_inspect_remove(docker):
    identifier = docker.output("network", "create", "--label", "a=b", "-o", "com.docker.network.driver.mtu=1400", "cli-net")
    assert len(identifier) == 64
    assert docker.output("network", "ls", "--filter", "name=cli-net", "--format", "{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}}") == "cli-net bridge local a=b"
    assert docker.output("network", "ls", "-q", "--no-trunc", "--filter", "name=cli-net") == identifier
    shown = json.loads(docker.output("network", "inspect", "cli-net"))[0]
    assert shown["Options"] == {"com.docker.network.driver.mtu": "1400"} and shown["Labels"] == {"a": "b"}
    assert docker.output("network", "rm", "cli-net") == "cli-net"
    gone = docker("network", "rm", "cli-net")
    assert gone.returncode == 1 and "network cli-net not found" in gone.stderr
    assert docker("network", "inspect", "cli-net").returncode == 1


def test_flags_of_run(docker, net):
    docker("run", "-d", "--name", "cli-a", "--network", net, "--network-alias", "web", "--ip", "10.95.0.40", "--mac-address", "02:00:00:00:00:07", "busybox", "sleep", "100", check=0)
    assert docker.inspect("cli-a", f'{{{{(index .NetworkSettings.Networks "{net}").IPAddress}}}}') == "10.95.0.40"
    assert docker.output("exec", "cli-a", "cat", "/sys/class/net/eth0/address") == "02:00:00:00:00:07"
    assert docker("run", "--rm", "--network", net, "--link", "cli-a:alias", "busybox", "ping", "-c1", "-W2", "alias").returncode == 0
    assert docker("run", "--rm", "--network", net, "busybox", "ping", "-c1", "-W2", "web").returncode == 0
    assert docker.output("ps", "--filter", "network=" + net, "--format", "{{.Names}} {{.Networks}}") == f"cli-a {net}"
    docker("rm", "-f", "cli-a", check=0)


def test_connect_and_disconnect(docker, net):
    docker("run", "-d", "--name", "cli-b", "busybox", "sleep", "100", check=0)
    docker("network", "connect", "--alias", "bee", "--ip", "10.95.0.50", net, "cli-b", check=0)
    assert docker("run", "--rm", "--network", net, "busybox", "ping", "-c1", "-W2", "bee").returncode == 0
    assert "cli-b" in docker.output("network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{.IPv4Address}}{{end}}", net)
    busy = docker("network", "rm", net)
    assert busy.returncode == 1 and "has active endpoints" in busy.stderr
    docker("network", "disconnect", net, "cli-b", check=0)
    assert docker.output("network", "inspect", "-f", "{{len .Containers}}", net) == "0"
    docker("rm", "-f", "cli-b", check=0)


def test_prune(docker, net):
    assert net in docker.output("network", "prune", "-f")
    assert docker.output("network", "prune", "-f") == ""


def test_isolation(docker, net):
    docker("network", "create", "cli-other", check=0)
    docker("run", "-d", "--name", "cli-c", "--network", net, "--ip", "10.95.0.60", "busybox", "sleep", "100", check=0)
    assert docker("run", "--rm", "--network", "cli-other", "busybox", "ping", "-c1", "-W1", "10.95.0.60").returncode == 1
    docker("rm", "-f", "cli-c", check=0)


def test_several_networks_at_run(docker, net):
    """Older clients send only the first."""
    version = docker.output("version", "-f", "{{.Client.APIVersion}}")
    if tuple(map(int, version.split("."))) < (1, 44):
        docker("network", "create", "cli-two", check=0)
        docker("create", "--name", "cli-d", "--network", net, "busybox", "sleep", "100", check=0)
        docker("network", "connect", "cli-two", "cli-d", check=0)
        docker("start", "cli-d", check=0)
    else:
        docker("network", "create", "cli-two", check=0)
        docker("run", "-d", "--name", "cli-d", "--network", net, "--network", "cli-two", "busybox", "sleep", "100", check=0)
    assert docker.output("exec", "cli-d", "ls", "/sys/class/net").split() == ["eth0", "eth1", "lo"]
    docker("rm", "-f", "cli-d", check=0)


def test_a_legacy_link_is_removed(docker, name):
    docker("run", "-d", "--name", name + "-child", "busybox", "sleep", "100", check=0)
    docker("run", "-d", "--name", name, "--link", f"{name}-child:nick", "busybox", "sleep", "100", check=0)
    assert docker.inspect(name, "{{json .HostConfig.Links}}") == f'["/{name}-child:/{name}/nick"]'
    assert "nick" in docker.output("exec", name, "cat", "/etc/hosts")
    assert docker.output("rm", "--link", f"/{name}/nick") == f"/{name}/nick"
    assert docker.inspect(name, "{{json .HostConfig.Links}}") in ("null", "[]")
    assert "nick" not in docker.output("exec", name, "cat", "/etc/hosts")
    assert docker.inspect(f"{name}-child", "{{.State.Running}}") == "true"
    gone = docker("rm", "--link", f"{name}/nick", check=1)
    assert gone.stderr.strip().endswith(f"No such container: {name}/nick")
    own = docker("rm", "--link", f"{name}-child", check=1)
    assert own.stderr.strip().endswith("Conflict, cannot remove the default link name of the container")
