"""Networks of the user's own: create, list, inspect, remove, prune; containers on one or several; connect and disconnect while they run."""
import json
import subprocess
import urllib.parse

import pytest

from support.http import Http
from support.networks import endpoint_of, ipam, on
from support.waiting import wait_until


def filters(**wanted):
    return "?filters=" + urllib.parse.quote(json.dumps(wanted))


class TestCreate:
    def test_defaults(self, api, network, events):
        net = network(Labels={"k": "v"})
        body = api.get("/networks/" + net).json()
        assert len(body["Id"]) == 64 and body["Name"] == net and body["Driver"] == "bridge" and body["Scope"] == "local"
        assert body["Labels"] == {"k": "v"} and body["Options"] == {} and body["Containers"] == {} and not body["Internal"]
        config = body["IPAM"]["Config"]
        assert len(config) == 1 and config[0]["Gateway"] and config[0]["Subnet"].endswith(("/16", "/20"))
        assert body["ConfigFrom"] == {"Network": ""} and body["IPAM"]["Driver"] == "default" and body["IPAM"]["Options"] is None

    def test_answer(self, api):
        answer = api.post("/networks/create", {"Name": "answered"})
        assert answer.status == 201 and sorted(answer.json()) == ["Id", "Warning"] and answer.json()["Warning"] == ""

    def test_two_have_different_subnets(self, api, network):
        subnets = {api.get("/networks/" + network()).json()["IPAM"]["Config"][0]["Subnet"] for _ in range(3)}
        assert len(subnets) == 3

    def test_own_subnet_range_gateway_reserved(self, api, network):
        net = network(IPAM={"Config": [{"Subnet": "10.77.0.0/16", "IPRange": "10.77.5.0/24", "Gateway": "10.77.5.254", "AuxiliaryAddresses": {"a": "10.77.5.1"}}]})
        assert api.get("/networks/" + net).json()["IPAM"]["Config"] == [
            {"Subnet": "10.77.0.0/16", "IPRange": "10.77.5.0/24", "Gateway": "10.77.5.254", "AuxiliaryAddresses": {"a": "10.77.5.1"}}]
        endpoint = endpoint_of(api, on(api, net), net)
        assert endpoint["IPAddress"].startswith("10.77.5.") and endpoint["IPAddress"] != "10.77.5.1" and endpoint["Gateway"] == "10.77.5.254" and endpoint["IPPrefixLen"] == 16

    @pytest.mark.modern
    @pytest.mark.parametrize("config, words", [
        ({"Subnet": "nonsense"}, "invalid subnet nonsense"),
        ({"Subnet": "10.9.0.1/24"}, "invalid subnet 10.9.0.1/24: it should be 10.9.0.0/24"),
        ({"Subnet": "10.9.0.0/24", "Gateway": "10.8.0.1"}, "parent subnet 10.9.0.0/24 doesn't contain this address"),
        ({"Subnet": "10.9.0.0/24", "IPRange": "10.9.0.0/16"}, "CIDR block is bigger than its parent subnet 10.9.0.0/24"),
        ({"Subnet": "10.9.0.0/24", "Gateway": "fd00::1"}, "parent subnet is an IPv4 block"),
    ])
    def test_bad_addresses(self, network, config, words):
        answer = network(status=400, IPAM={"Config": [config]})
        assert words in answer.message, answer

    def test_refusals(self, api, network):
        net = network(IPAM=ipam("10.78.0.0/24"))
        assert "already exists" in network(net, status=409).message
        assert "Pool overlaps with other one on this address space" in network(status=403, IPAM=ipam("10.78.0.128/25")).message
        for name in ("bridge", "host", "none"):
            assert "predefined" in network(name, status=403).message
        assert "not found" in network(status=404, Driver="zz").message
        assert api.post("/networks/create", {"Name": ""}).status == 400

    def test_bridge_options(self, api, network):
        net = network(Options={"com.docker.network.bridge.name": "prtopt0", "com.docker.network.driver.mtu": "1400", "com.docker.network.container_iface_prefix": "lan"})
        container = on(api, net)
        assert api.execute(container, "cat", "/sys/class/net/lan0/mtu")[1] == "1400\n"
        assert subprocess.run(["ip", "-o", "link", "show", "prtopt0"], capture_output=True).returncode == 0
        assert network(status=400, Options={"com.docker.network.bridge.enable_icc": "maybe"})

    def test_bridge_name_and_removal(self, api, network):
        net = network()
        bridge = "br-" + api.get("/networks/" + net).json()["Id"][:12]
        assert subprocess.run(["ip", "link", "show", bridge], capture_output=True).returncode == 0
        assert api.delete("/networks/" + net).status == 204
        assert subprocess.run(["ip", "link", "show", bridge], capture_output=True).returncode != 0
        assert api.delete("/networks/" + net).status == 404
        assert api.get("/networks/" + net).message == f"network {net} not found"

    def test_config_only(self, api, network):
        plan = network(ConfigOnly=True, IPAM=ipam("10.79.0.0/24"))
        net = network(ConfigFrom={"Network": plan})
        assert api.get("/networks/" + net).json()["IPAM"]["Config"][0]["Subnet"] == "10.79.0.0/24"
        assert api.delete("/networks/" + plan).status == 403
        assert api.post(f"/networks/{plan}/connect", {"Container": on(api, net)}).status in (400, 403)

    @pytest.mark.proa
    def test_macvlan_and_ipvlan_or_a_refusal_that_names_them(self, api, network):
        subprocess.run(["ip", "link", "add", "prtparent", "type", "bridge"], capture_output=True)
        for number, driver in enumerate(("macvlan", "ipvlan")):
            net = f"{driver}-net"
            answer = api.post("/networks/create", {"Name": net, "Driver": driver, "Options": {"parent": "prtparent"}, "IPAM": ipam(f"10.80.{number}.0/24")})
            if answer.status != 201:
                assert answer.status == 501 and f"no {driver} support" in answer.message, answer
                continue
            one, two = on(api, net), on(api, net, name=driver + "-two")
            assert endpoint_of(api, one, net)["IPAddress"] == f"10.80.{number}.2"
            assert f"default via 10.80.{number}.1" in api.execute(one, "ip", "route")[1]
            assert api.execute(one, "ping", "-c1", "-W2", driver + "-two")[0] == 0
            assert api.post("/networks/create", {"Name": "nope", "Driver": driver, "Options": {"parent": "nosuch0"}, "IPAM": ipam("10.81.9.0/24")}).status == 404

    @pytest.mark.modern
    def test_swarm_is_refused(self, network):
        assert "not a swarm manager" in network(status=503, Driver="overlay").message


class TestList:
    def test_filters(self, api, network):
        net = network(Labels={"team": "x"})
        other = network()
        def names(**wanted):
            return {n["Name"] for n in api.get("/networks" + filters(**wanted)).json()}
        identifier = api.get("/networks/" + net).json()["Id"]
        assert names() >= {"bridge", "host", "none", net, other}
        assert names(label=["team=x"]) == {net} and names(label=["team"]) == {net}
        assert names(name=[net[2:]]) == {net} and names(id=[identifier[:8]]) == {net}
        assert names(type=["builtin"]) == {"bridge", "host", "none"}
        assert names(type=["custom"]) == {net, other}
        assert names(driver=["host"]) == {"host"} and names(driver=["bridge"]) == {"bridge", net, other}
        assert names(scope=["local"]) >= {"bridge", net}
        on(api, net)
        assert names(dangling=["true"]) == {other}
        assert names(dangling=["false"]) == {"bridge", "host", "none", net}
        assert api.get("/networks" + filters(zz=["1"])).status == 400
        assert all(n["Containers"] == {} for n in api.get("/networks").json())

    def test_by_short_id(self, api, network):
        net = network()
        identifier = api.get("/networks/" + net).json()["Id"]
        assert api.get("/networks/" + identifier[:12]).json()["Name"] == net
        assert api.get("/networks/" + identifier).json()["Name"] == net


class TestEndpoints:
    def test_inspect(self, api, network):
        net = network(IPAM=ipam("10.81.0.0/24"))
        container = on(api, net, name="epweb", endpoint={"Aliases": ["w"]})
        body = api.inspect(container)
        endpoint = body["NetworkSettings"]["Networks"][net]
        assert endpoint["IPAddress"] == "10.81.0.2" and endpoint["Gateway"] == "10.81.0.1" and endpoint["IPPrefixLen"] == 24
        assert endpoint["IPAMConfig"] in (None, {}) and endpoint["Links"] is None and endpoint["NetworkID"] == api.get("/networks/" + net).json()["Id"]
        if not api.engine.is_docker(20):
            assert endpoint["Aliases"] == ["w"] and endpoint["DNSNames"] == ["epweb", "w", container[:12]]
        assert body["NetworkSettings"]["IPAddress"] == "" and body["HostConfig"]["NetworkMode"] == net
        shown = api.get("/networks/" + net).json()["Containers"][container]
        assert shown == {"Name": "epweb", "EndpointID": endpoint["EndpointID"], "MacAddress": endpoint["MacAddress"], "IPv4Address": "10.81.0.2/24", "IPv6Address": ""}
        assert api.execute(container, "cat", "/sys/class/net/eth0/address")[1].strip() == endpoint["MacAddress"]
        old = Http(api.engine.socket, "1.41").get(f"/containers/{container}/json").json()["NetworkSettings"]["Networks"][net]
        assert old["Aliases"] == ["w", container[:12]]

    def test_the_container_wide_mac_address_comes_back_to_the_main_network(self, api, network):
        """docker-compose 1.29 disconnects a container that was just created and connects it again."""
        net, other = network(IPAM=ipam("10.81.1.0/24")), network(IPAM=ipam("10.81.2.0/24"))
        container = api.create("sleep", "1000", host={"NetworkMode": net}, MacAddress="02:00:00:00:12:34")
        assert api.post(f"/networks/{net}/disconnect", {"Container": container}).status == 200
        for one in (other, net):
            assert api.post(f"/networks/{one}/connect", {"Container": container, "EndpointConfig": {}}).status == 200
        assert api.post(f"/containers/{container}/start").status == 204
        endpoints = api.inspect(container)["NetworkSettings"]["Networks"]
        assert endpoints[net]["MacAddress"] == "02:00:00:00:12:34" != endpoints[other]["MacAddress"]
        api.delete(f"/containers/{container}?force=1")

    def test_fixed_addresses(self, api, network):
        net = network(EnableIPv6=True, IPAM={"Config": [{"Subnet": "10.82.0.0/24"}, {"Subnet": "fd82::/64"}]})
        container = on(api, net, endpoint={"IPAMConfig": {"IPv4Address": "10.82.0.77", "IPv6Address": "fd82::77"}, "MacAddress": "02:11:22:33:44:55"})
        endpoint = endpoint_of(api, container, net)
        assert (endpoint["IPAddress"], endpoint["GlobalIPv6Address"], endpoint["GlobalIPv6PrefixLen"], endpoint["IPv6Gateway"]) == ("10.82.0.77", "fd82::77", 64, "fd82::1")
        text = api.execute(container, "ip", "addr", "show", "eth0")[1]
        assert "10.82.0.77/24" in text and "fd82::77/64" in text
        if not api.engine.is_docker(20):
            assert "02:11:22:33:44:55" in text
        second = api.create("sleep", "10", host={"NetworkMode": net}, NetworkingConfig={"EndpointsConfig": {net: {"IPAMConfig": {"IPv4Address": "10.82.0.77"}}}})
        answer = api.post(f"/containers/{second}/start")
        assert answer.status == 403 and "Address already in use" in answer.message
        api.post(f"/containers/{container}/restart?t=0")
        assert endpoint_of(api, container, net)["IPAddress"] == "10.82.0.77"

    def test_fixed_address_needs_an_own_subnet(self, api, network):
        net = network()
        container = api.create("true", host={"NetworkMode": net}, NetworkingConfig={"EndpointsConfig": {net: {"IPAMConfig": {"IPv4Address": "10.1.1.1"}}}})
        answer = api.post(f"/containers/{container}/start")
        assert answer.status == 400 and "user configured subnets" in answer.message

    def test_missing_network(self, api):
        answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "nosuchnet"}})
        assert answer.status == 201
        started = api.post(f"/containers/{answer.json()['Id']}/start")
        assert started.status == 404 and started.message.endswith("network nosuchnet not found")

    def test_active_endpoints(self, api, network):
        net = network()
        container = on(api, net)
        answer = api.delete("/networks/" + net)
        assert answer.status == 403 and "has active endpoints" in answer.message
        assert api.delete("/networks/bridge").message == "bridge is a pre-defined network and cannot be removed"
        api.delete(f"/containers/{container}?force=1")
        assert api.delete("/networks/" + net).status == 204

    @pytest.mark.modern
    def test_several_at_create(self, api, network):
        one, two = network(IPAM=ipam("10.83.1.0/24")), network(IPAM=ipam("10.83.2.0/24"))
        container = api.run("sleep", "1000", host={"NetworkMode": one}, NetworkingConfig={"EndpointsConfig": {one: {}, two: {"GwPriority": 5, "Aliases": ["x"]}}})
        both = api.inspect(container)["NetworkSettings"]["Networks"]
        assert sorted(both) == sorted([one, two]) and both[one]["IPAddress"] and both[two]["IPAddress"]
        assert api.execute(container, "sh", "-c", "ip -o -4 addr show eth0")[1].split()[3] == both[one]["IPAddress"] + "/24"
        if not api.engine.is_docker(26):
            assert "default via 10.83.2.1 dev eth1" in api.execute(container, "ip", "route")[1]

    def test_internal_has_no_way_out(self, api, network):
        net = network(Internal=True)
        container = on(api, net, ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18099"}]}})
        assert "default" not in api.execute(container, "ip", "route")[1]
        assert not api.inspect(container)["NetworkSettings"]["Ports"].get("80/tcp")

    def test_icc_off(self, api, network):
        net = network(Options={"com.docker.network.bridge.enable_icc": "false"}, IPAM=ipam("10.84.0.0/24"))
        one, two = on(api, net), on(api, net)
        assert api.execute(two, "ping", "-c1", "-W1", endpoint_of(api, one, net)["IPAddress"])[0] != 0
        assert api.execute(two, "ping", "-c1", "-W1", "10.84.0.1")[0] == 0

    def test_ipv6_ula(self, api, network):
        net = network(EnableIPv6=True)
        body = api.get("/networks/" + net).json()
        assert body["EnableIPv6"] and len(body["IPAM"]["Config"]) == 2
        one, two = on(api, net), on(api, net)
        address = endpoint_of(api, one, net)["GlobalIPv6Address"]
        assert address.startswith("fd")
        assert api.execute(two, "ping", "-c1", "-W2", address)[0] == 0

    @pytest.mark.proa
    def test_ipv6_only(self, api, network):
        net = network(EnableIPv6=True, EnableIPv4=False)
        one, two = on(api, net), on(api, net)
        endpoint = endpoint_of(api, one, net)
        assert endpoint["IPAddress"] == "" and endpoint["GlobalIPv6Address"]
        assert api.execute(two, "ping", "-c1", "-W2", endpoint["GlobalIPv6Address"])[0] == 0
        assert "inet " not in api.execute(one, "ip", "addr", "show", "eth0")[1]


class TestConnect:
    def test_while_running(self, api, network, events):
        one, two = network(IPAM=ipam("10.85.1.0/24")), network(IPAM=ipam("10.85.2.0/24"))
        container = on(api, one)
        other = on(api, two, name="connected-to")
        assert api.post(f"/networks/{two}/connect", {"Container": container, "EndpointConfig": {"Aliases": ["al"], "IPAMConfig": {"IPv4Address": "10.85.2.9"}}}).status == 200
        both = api.inspect(container)["NetworkSettings"]["Networks"]
        assert both[two]["IPAddress"] == "10.85.2.9" and both[one]["IPAddress"].startswith("10.85.1.")
        assert "10.85.2.9/24" in api.execute(container, "ip", "addr", "show", "eth1")[1]
        assert api.execute(container, "ping", "-c1", "-W2", "connected-to")[0] == 0
        assert "10.85.2.9" in api.execute(container, "cat", "/etc/hosts")[1]
        again = api.post(f"/networks/{two}/connect", {"Container": container})
        assert again.status == 403 and "already exists in network" in again.message
        assert api.post(f"/networks/{two}/disconnect", {"Container": container}).status == 200
        assert list(api.inspect(container)["NetworkSettings"]["Networks"]) == [one]
        assert "eth1" not in api.execute(container, "ls", "/sys/class/net")[1]
        assert "10.85.2.9" not in api.execute(container, "cat", "/etc/hosts")[1]
        assert api.execute(container, "ping", "-c1", "-W1", api.inspect(other)["NetworkSettings"]["Networks"][two]["IPAddress"])[0] != 0
        gone = api.post(f"/networks/{two}/disconnect", {"Container": container})
        assert gone.status == 500 and "is not connected to" in gone.message

    def test_default_route_follows(self, api, network):
        one, two = network(IPAM=ipam("10.86.1.0/24")), network(IPAM=ipam("10.86.2.0/24"))
        container = on(api, one)
        api.post(f"/networks/{two}/connect", {"Container": container})
        api.post(f"/networks/{one}/disconnect", {"Container": container})
        assert "default via 10.86.2.1" in api.execute(container, "ip", "route")[1]
        api.post(f"/networks/{two}/disconnect", {"Container": container})
        assert api.execute(container, "ip", "route")[1] == ""
        assert api.inspect(container)["NetworkSettings"]["Networks"] == {}
        assert api.post(f"/networks/{one}/connect", {"Container": container}).status == 200
        assert "default via 10.86.1.1" in api.execute(container, "ip", "route")[1]

    def test_from_the_default_bridge_to_names(self, api, network):
        net = network()
        on(api, net, name="named-peer")
        container = api.run("sleep", "1000")
        assert "127.0.0.11" not in api.execute(container, "cat", "/etc/resolv.conf")[1]
        api.post(f"/networks/{net}/connect", {"Container": container})
        assert "nameserver 127.0.0.11" in api.execute(container, "cat", "/etc/resolv.conf")[1]
        assert api.execute(container, "ping", "-c1", "-W2", "named-peer")[0] == 0

    def test_before_start_and_over_restart(self, api, network):
        one, two = network(), network()
        container = api.create("sleep", "1000", host={"NetworkMode": one})
        assert api.post(f"/networks/{two}/connect", {"Container": container, "EndpointConfig": {"Aliases": ["later"]}}).status == 200
        assert sorted(api.inspect(container)["NetworkSettings"]["Networks"]) == sorted([one, two])
        for _ in range(2):
            api.post(f"/containers/{container}/restart?t=0")
            both = api.inspect(container)["NetworkSettings"]["Networks"]
            assert both[one]["IPAddress"] and both[two]["IPAddress"]
            assert "eth1" in api.execute(container, "ls", "/sys/class/net")[1]
        api.post(f"/containers/{container}/stop?t=0")
        assert api.post(f"/networks/{two}/disconnect", {"Container": container}).status == 200
        assert list(api.inspect(container)["NetworkSettings"]["Networks"]) == [one]
        assert api.delete("/networks/" + two).status == 204

    def test_published_ports_move_along(self, api, network):
        def serving(address, port):
            wait_until(lambda: subprocess.run(["/usr/bin/python3", "-c", f"import urllib.request as u; assert u.urlopen('http://{address}:{port}/index.html', timeout=2).read() == b'it works\\n'"],
                                              capture_output=True).returncode == 0, 10, "the server")
        one, two = network(), network()
        container = on(api, one, "httpd", "-f", "-p", "80", "-h", "/www", ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18098"}]}})
        serving("127.0.0.1", 18098)
        api.post(f"/networks/{two}/connect", {"Container": container})
        api.post(f"/networks/{one}/disconnect", {"Container": container})
        serving("127.0.0.1", 18098)

    def test_refusals(self, api, network):
        net = network()
        assert api.post(f"/networks/{net}/connect", {"Container": "nope"}).status == 404
        assert api.post("/networks/nope/connect", {"Container": on(api, net)}).status == 404
        assert api.post("/networks/host/connect", {"Container": on(api, net)}).status in (400, 403)
        for mode in ("host", "none"):
            container = api.run("sleep", "100", host={"NetworkMode": mode})
            assert api.post(f"/networks/{net}/connect", {"Container": container}).status in (400, 403)
        shared = api.run("sleep", "100", host={"NetworkMode": "container:" + on(api, net)})
        assert api.post(f"/networks/{net}/connect", {"Container": shared}).status in (400, 403)

    def test_events(self, api, network, events):
        stream = events(type=["network"])
        net = network()
        container = on(api, net)
        other = network()
        api.post(f"/networks/{other}/connect", {"Container": container})
        api.post(f"/networks/{other}/disconnect", {"Container": container})
        api.delete(f"/containers/{container}?force=1")
        api.delete("/networks/" + other)
        seen = []
        for event in stream.objects():
            seen.append((event["Action"], event["Actor"]["Attributes"]["name"]))
            if event["Action"] == "destroy":
                break
        wanted = [("create", net), ("connect", net), ("create", other), ("connect", other), ("disconnect", other), ("disconnect", net), ("destroy", other)]
        assert [item for index, item in enumerate(seen) if index == 0 or item != seen[index - 1]] == wanted


class TestPrune:
    def test_prune(self, api, network):
        used, labelled, unused = network(), network(Labels={"keep": "yes"}), network()
        on(api, used)
        removed = api.post("/networks/prune" + filters(**{"label!": ["keep"]}), None).json()
        assert removed == {"NetworksDeleted": [unused]}
        assert api.post("/networks/prune", None).json() == {"NetworksDeleted": [labelled]}
        assert api.post("/networks/prune", None).json() == {"NetworksDeleted": None}
        assert api.get("/networks/" + used).status == 200


def test_default_bridge_with_ipv6(private_engine):
    engine = private_engine
    engine.write_config({"ipv6": True, "fixed-cidr-v6": "fd99:1::/64"})
    engine.start()
    engine.load()
    from conftest import Api
    api = Api(engine)
    config = api.get("/networks/bridge").json()
    assert config["EnableIPv6"] and {"Subnet": "fd99:1::/64", "Gateway": "fd99:1::1"} in config["IPAM"]["Config"]
    one, two = api.run("sleep", "100"), api.run("sleep", "100")
    address = endpoint_of(api, one, "bridge")["GlobalIPv6Address"]
    assert address.startswith("fd99:1::") and api.inspect(one)["NetworkSettings"]["GlobalIPv6Address"] == address
    assert api.execute(two, "ping", "-c1", "-W2", address)[0] == 0


def test_networks_survive_the_daemon(private_engine):
    engine = private_engine
    engine.start()
    engine.load()
    from conftest import Api
    api = Api(engine)
    assert api.post("/networks/create", {"Name": "kept", "EnableIPv6": True, "Labels": {"a": "b"}}).status == 201
    before = api.get("/networks/kept").json()
    container = on(api, "kept", name="stays")
    second = on(api, "kept", name="stays-too")
    endpoint = endpoint_of(api, container, "kept")
    engine.kill()
    engine.start()
    after = api.get("/networks/kept").json()
    assert sorted(after.pop("Containers")) == sorted([container, second]) and before.pop("Containers") == {} and before == after
    assert endpoint_of(api, container, "kept") == endpoint
    assert api.execute(container, "ping", "-c1", "-W2", "stays-too")[0] == 0
    third = on(api, "kept", name="third")
    assert endpoint_of(api, third, "kept")["IPAddress"] not in (endpoint["IPAddress"], endpoint_of(api, second, "kept")["IPAddress"])
    assert api.execute(container, "ping", "-c1", "-W2", "third")[0] == 0
    assert api.delete("/networks/kept").status == 403


def test_a_wanted_mac_address_is_shown_before_the_first_start(api, network):
    net = network()
    container = api.create("sleep", "100")
    assert api.post(f"/networks/{net}/connect", {"Container": container, "EndpointConfig": {"MacAddress": "02:42:ac:11:00:02"}}).status == 200
    assert endpoint_of(api, container, net)["MacAddress"] == "02:42:ac:11:00:02"
    api.start(container)
    assert endpoint_of(api, container, net)["MacAddress"] == "02:42:ac:11:00:02"
