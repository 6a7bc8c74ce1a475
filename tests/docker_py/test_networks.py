"""python3-docker's network APIs."""
import docker
import pytest


def test_life_of_a_network(client):
    pool = docker.types.IPAMPool(subnet="10.96.0.0/24", gateway="10.96.0.254", iprange="10.96.0.0/25", aux_addresses={"a": "10.96.0.9"})
    network = client.networks.create("py-net", driver="bridge", ipam=docker.types.IPAMConfig(pool_configs=[pool]), labels={"x": "y"}, check_duplicate=True, attachable=True)
    assert client.networks.get("py-net").id == network.id and network.attrs["Attachable"]
    assert [n.name for n in client.networks.list(names=["py-net"])] == ["py-net"]
    assert [n.name for n in client.networks.list(filters={"label": "x=y"})] == ["py-net"]
    container = client.containers.run("busybox", "sleep 100", detach=True, network="py-net", name="py-a")
    network.reload()
    assert [c.name for c in network.containers] == ["py-a"]
    other = client.containers.run("busybox", "sleep 100", detach=True)
    network.connect(other, aliases=["py-alias"], ipv4_address="10.96.0.20")
    assert container.exec_run("ping -c1 -W2 py-alias").exit_code == 0
    other.reload()
    assert other.attrs["NetworkSettings"]["Networks"]["py-net"]["IPAddress"] == "10.96.0.20"
    with pytest.raises(docker.errors.APIError) as caught:
        network.remove()
    assert caught.value.status_code == 403
    network.disconnect(other)
    container.remove(force=True)
    network.remove()
    with pytest.raises(docker.errors.NotFound):
        client.networks.get("py-net")
    client.networks.create("py-unused")
    assert client.networks.prune()["NetworksDeleted"] == ["py-unused"]


def test_networking_config_at_create(client):
    client.networks.create("py-conf", ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.97.0.0/24")]))
    api = client.api
    config = api.create_networking_config({"py-conf": api.create_endpoint_config(ipv4_address="10.97.0.33", aliases=["one", "two"])})
    created = api.create_container("busybox", "sleep 100", networking_config=config, host_config=api.create_host_config(network_mode="py-conf"))
    api.start(created)
    assert api.inspect_container(created)["NetworkSettings"]["Networks"]["py-conf"]["IPAddress"] == "10.97.0.33"
    assert client.containers.run("busybox", "ping -c1 -W2 two", network="py-conf", remove=True)
