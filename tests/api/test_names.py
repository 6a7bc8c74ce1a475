"""The name server at 127.0.0.11 of user-defined networks."""
import concurrent.futures
import os
import signal
import socket
import time

import pytest

from support import dns
from support.networks import ipam, on
from support.waiting import wait_until


@pytest.fixture
def pid(api):
    return lambda container: api.state(container)["Pid"]


class TestNames:
    def test_every_name(self, api, network, pid):
        net = network(IPAM=ipam("10.90.0.0/24"))
        server = on(api, net, name="dns-server", endpoint={"Aliases": ["al1", "Al2"]}, Hostname="boxname")
        client = pid(on(api, net))
        for name in ("dns-server", "DNS-Server", "dns-server.", "al1", "al2", server[:12], f"dns-server.{net}", f"al1.{net}"):
            assert dns.inside(client, dns.ask, name).values == ["10.90.0.2"], name
        if not api.engine.is_docker():
            for name in ("boxname",):
                assert dns.inside(client, dns.ask, name).values == ["10.90.0.2"], name
        answer = dns.inside(client, dns.ask, "dns-server")
        assert answer.ttl == 600 and answer.code == 0
        assert dns.inside(client, dns.ask, "dns-server", dns.AAAA).values == [] and dns.inside(client, dns.ask, "dns-server", dns.AAAA).code == 0
        assert dns.inside(client, dns.ask, "2.0.90.10.in-addr.arpa", dns.PTR).values == [f"dns-server.{net}"]

    def test_from_inside_a_container(self, api, network):
        net = network()
        on(api, net, name="peer-of-lookup")
        client = on(api, net)
        assert api.execute(client, "ping", "-c1", "-W2", "peer-of-lookup")[0] == 0
        text = api.execute(client, "cat", "/etc/resolv.conf")[1]
        assert "nameserver 127.0.0.11" in text and "ndots:0" in text
        assert "peer-of-lookup" in api.execute(client, "nslookup", "peer-of-lookup")[1]

    def test_ipv6(self, api, network, pid):
        net = network(EnableIPv6=True, IPAM={"Config": [{"Subnet": "fd91::/64"}]})
        on(api, net, name="six")
        client = pid(on(api, net))
        assert dns.inside(client, dns.ask, "six", dns.AAAA).values == ["fd91::2"]
        reverse = ".".join(reversed("fd910000000000000000000000000002")) + ".ip6.arpa"
        assert dns.inside(client, dns.ask, reverse, dns.PTR).values == [f"six.{net}"]

    def test_shared_alias_takes_turns(self, api, network, pid):
        net = network()
        for _ in range(3):
            on(api, net, endpoint={"Aliases": ["shared"]})
        client = pid(on(api, net))
        answers = dns.inside(client, dns.ask_many, ["shared"] * 12)
        assert all(len(set(values)) == 3 for values in answers)
        assert len({values[0] for values in answers}) == 3

    def test_other_networks_are_not_known(self, api, network, pid):
        one, two = network(), network()
        on(api, one, name="secret")
        client = pid(on(api, two, host={"Dns": ["127.0.0.1"]}))
        assert dns.inside(client, dns.ask, "secret").values == []

    def test_links_are_the_askers_own(self, api, network, pid):
        net = network(IPAM=ipam("10.92.0.0/24"))
        on(api, net, name="linked")
        client = pid(on(api, net, endpoint={"Links": ["linked:nick"]}))
        assert dns.inside(client, dns.ask, "nick").values == ["10.92.0.2"]
        assert dns.inside(pid(on(api, net, host={"Dns": ["127.0.0.1"]})), dns.ask, "nick").values == []

    def test_names_come_and_go(self, api, network, pid):
        net = network()
        client = pid(on(api, net, host={"Dns": ["127.0.0.1"]}))
        server = on(api, net, name="fleeting")
        assert dns.inside(client, dns.ask, "fleeting").values
        assert api.post(f"/containers/{server}/rename?name=renamed").status == 204
        assert dns.inside(client, dns.ask, "renamed").values and not dns.inside(client, dns.ask, "fleeting").values
        api.post(f"/containers/{server}/stop?t=0")
        assert not dns.inside(client, dns.ask, "renamed").values
        api.post(f"/containers/{server}/start")
        assert dns.inside(client, dns.ask, "renamed").values

    def test_own_name_server_of_the_container(self, api, network, pid):
        """Port 53 is free on all addresses of the container."""
        net = network()
        on(api, net, name="still-named")

        def serve_and_ask():
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                own = socket.socket(socket.AF_INET, kind)
                own.bind(("0.0.0.0", 53))
            return dns.ask("still-named").values

        assert dns.inside(pid(on(api, net)), serve_and_ask)

    def test_tcp_edns_and_truncation(self, api, network, pid):
        net = network(IPAM=ipam("10.93.0.0/24"))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: on(api, net, endpoint={"Aliases": ["many"]}), range(34)))
        client = pid(on(api, net))
        small = dns.inside(client, dns.ask, "many")
        assert small.truncated and small.size <= 512 and len(small.values) >= 25
        assert len(set(dns.inside(client, dns.ask, "many", dns.A, True).values)) == 34
        large = dns.inside(client, dns.ask, "many", dns.A, False, 4096)
        assert not large.truncated and len(set(large.values)) == 34 and large.additional == 1


class TestUpstream:
    def test_own_server_is_asked_from_the_container(self, api, network, pid):
        net = network()
        client = pid(on(api, net, host={"Dns": ["127.0.0.1"]}))

        def with_upstream():
            with dns.Upstream() as upstream:
                return dns.ask("www.example.test").values, dns.ask("www.example.test", tcp=True).values, dns.ask("nope.example").code, upstream.asked

        udp, tcp, missing, asked = dns.inside(client, with_upstream)
        assert udp == tcp == ["192.0.2.1"] and missing == 3 and "www.example.test" in asked

    def test_next_server_when_one_refuses_or_is_silent(self, api, network, pid):
        net = network()
        client = pid(on(api, net, host={"Dns": ["127.0.0.2", "127.0.0.3", "127.0.0.4"]}))

        def with_three():
            with dns.Upstream("127.0.0.2", refuses=True), dns.Upstream("127.0.0.3", silent=True), dns.Upstream("127.0.0.4", value="192.0.2.4"):
                return dns.ask("a.test", timeout=8).values

        assert dns.inside(client, with_three) == ["192.0.2.4"]
        assert dns.inside(client, dns.ask, "a.test", dns.A, False, None, 10).code == 2

    def test_the_hosts_servers_and_their_changes(self, api, network, pid, tmp_path):
        if api.engine.external:
            pytest.skip("its namespaces are not ours")
        from support import isolation
        conf = tmp_path / "resolv.conf"
        conf.write_text("nameserver 127.0.0.1\n")
        isolation.mount(str(conf), "/etc/resolv.conf", None, isolation.MS_BIND)
        try:
            with dns.Upstream(value="192.0.2.1"), dns.Upstream("127.0.0.9", value="192.0.2.9"):
                net = network()
                client = pid(on(api, net))
                wait_until(lambda: dns.inside(client, dns.ask, "host.test").values == ["192.0.2.1"], 5)
                conf.write_text("nameserver 127.0.0.9\n")
                wait_until(lambda: dns.inside(client, dns.ask, "host.test").values == ["192.0.2.9"], 5)
        finally:
            isolation.unmount("/etc/resolv.conf")

    def test_internal_networks_ask_nobody(self, api, network, pid):
        net = network(Internal=True)
        client = pid(on(api, net, host={"Dns": ["127.0.0.1"]}))

        def with_upstream():
            with dns.Upstream() as upstream:
                return dns.ask("www.test").code, upstream.asked

        assert dns.inside(client, with_upstream) == (2, [])

    def test_options_and_host_gateway(self, api, network):
        net = network()
        container = on(api, net, host={"Dns": ["192.0.2.53"], "DnsSearch": ["corp.example"], "DnsOptions": ["ndots:2", "timeout:1"], "ExtraHosts": ["host.docker.internal:host-gateway"]})
        text = api.execute(container, "cat", "/etc/resolv.conf")[1]
        assert "nameserver 127.0.0.11" in text and "search corp.example" in text and "options ndots:2 timeout:1" in text and "192.0.2.53" in text
        gateway = api.get("/networks/bridge").json()["IPAM"]["Config"][0]["Gateway"]
        assert f"{gateway}\thost.docker.internal" in api.execute(container, "cat", "/etc/hosts")[1]


@pytest.mark.proa
class TestLife:
    def resolver(self, engine):
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = open(f"/proc/{pid}/cmdline").read().split("\0")
            except OSError:
                continue
            if words[0] == "proa-resolver" and words[1].startswith(engine.directory):
                return int(pid)
        return None

    @pytest.fixture
    def pair(self, private_engine):
        from conftest import Api
        private_engine.start()
        private_engine.load()
        api = Api(private_engine)
        assert api.post("/networks/create", {"Name": "life"}).status == 201
        return api, on(api, "life", name="life-server"), api.state(on(api, "life", name="life-client"))["Pid"]

    def test_goes_on_without_the_daemon(self, private_engine, pair):
        api, server, client = pair
        resolver = self.resolver(private_engine)
        private_engine.kill()
        assert dns.inside(client, dns.ask, "life-server").values
        os.kill(int(open(f"/proc/{client}/status").read().split("PPid:\t")[1].split()[0]), 0)  # the client's shim lives
        private_engine.start()
        assert self.resolver(private_engine) == resolver
        assert dns.inside(client, dns.ask, "life-server").values
        third = on(api, "life", name="after-boot")
        assert dns.inside(client, dns.ask, "after-boot").values
        api.delete(f"/containers/{third}?force=1")
        assert not dns.inside(client, dns.ask, "after-boot").values

    def test_a_container_that_ends_while_the_daemon_is_away(self, private_engine, pair):
        api, server, client = pair
        init = api.state(server)["Pid"]
        private_engine.kill()
        os.kill(init, signal.SIGKILL)
        wait_until(lambda: not dns.inside(client, dns.ask, "life-server").values, 5)
        private_engine.start()
        assert not dns.inside(client, dns.ask, "life-server").values

    def test_a_killed_resolver_comes_back(self, private_engine, pair):
        api, server, client = pair
        before = self.resolver(private_engine)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: self.resolver(private_engine) not in (None, before), 5, "a new resolver")
        def answers():
            try:
                return dns.inside(client, dns.ask, "life-server").values
            except AssertionError:  # a query on its way to the killed one may be lost: stub resolvers ask again
                return None

        wait_until(answers, 30)

    def test_ends_with_the_last_container(self, private_engine, pair):
        api, server, client = pair
        resolver = self.resolver(private_engine)
        smaps = open(f"/proc/{resolver}/smaps_rollup").read()
        assert int(smaps.split("Pss:")[1].split()[0]) < 1024, smaps
        for container in api.get("/containers/json").json():
            api.delete(f"/containers/{container['Id']}?force=1")
        private_engine.stop()
        wait_until(lambda: self.resolver(private_engine) is None, 5, "the resolver to end")


@pytest.mark.slow
@pytest.mark.proa
def test_load(private_engine):
    """5,000 queries a second lose none, also while the daemon is gone. PROA_TEST_DNS_SECONDS sets how long (default 2; 30 for the full measure)."""
    from conftest import Api
    seconds = int(os.environ.get("PROA_TEST_DNS_SECONDS", "2"))
    private_engine.start()
    private_engine.load()
    api = Api(private_engine)
    assert api.post("/networks/create", {"Name": "load"}).status == 201
    on(api, "load", name="under-load")
    client = api.state(on(api, "load"))["Pid"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(dns.inside, client, dns.load, "under-load", 5000, seconds, timeout=seconds + 60)
        time.sleep(seconds / 2)
        private_engine.kill()
        sent, answered = asked.result()
    assert answered == sent == 5000 * seconds
    private_engine.start()
    assert dns.inside(client, dns.load, "under-load", 5000, 0.2) == (1000, 1000)
