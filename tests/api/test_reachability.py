"""Who reaches whom: a table of pairs over namespaces of the test's own, before and after the rules were flushed and others' were loaded, the bridges went down and the daemon was killed; and beside a running dockerd,
whose own answers are printed in the same table.

The world: the engine's host (10.200.0.1, fd20::1), a peer on its LAN (10.200.0.2) and a stranger behind another interface (10.201.0.2) that
routes everything to the host. Containers: `front` and `back` on two user networks, `both` on both, `inner` on an internal one, `plain` on the default bridge.
"""
import os
import socket
import subprocess

import pytest

from conftest import Api, load_images
from support import dns
from support.engine import Engine
from support.waiting import wait_until

TCP, UDP = "tcp", "udp"
PORT = 7
ECHO = """
import socket, threading
def tcp(family):
    s = socket.socket(family); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', 7)); s.listen(64)
    while True:
        c, a = s.accept(); c.sendall(a[0].encode()); c.close()
def udp(family):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(('::' if family == socket.AF_INET6 else '0.0.0.0', 7))
    while True:
        d, a = s.recvfrom(99); s.sendto(a[0].encode(), a)
for f in (socket.AF_INET, socket.AF_INET6):
    for t in (tcp, udp): threading.Thread(target=t, args=(f,)).start()
"""


def probe(requests):
    """[(protocol, address, port)] to the source addresses that the other side saw; None: not reached."""
    def one(protocol, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM) as client:
            client.settimeout(0.4)
            try:
                client.connect((address, port))
                if protocol == UDP:
                    client.send(b"?")
                return client.recv(99).decode() or None
            except OSError:
                return None

    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        return list(pool.map(lambda request: one(*request), requests))


class World:
    def __init__(self, engine, beside=None):
        """`beside`: the world of another engine on the same host, with the same neighbours."""
        self.engine, self.processes = engine, []
        self.peer = beside.peer if beside else self.neighbour("10.200.0", "fd20")
        self.stranger = beside.stranger if beside else self.neighbour("10.201.0", "fd21")
        self.net, self.net6, self.ports = ("10.11", "fd11", 710) if beside else ("10.10", "fd10", 700)
        engine.start()
        engine.load()
        self.api = api = Api(engine)
        for name, body in {"front": {"EnableIPv6": True, "IPAM": {"Config": [{"Subnet": self.net + "1.0.0/24"}, {"Subnet": self.net6 + ":1::/64"}]}},
                           "back": {"IPAM": {"Config": [{"Subnet": self.net + "2.0.0/24"}]}},
                           "inner": {"Internal": True, "IPAM": {"Config": [{"Subnet": self.net + "3.0.0/24"}]}}}.items():
            assert api.post("/networks/create", {"Name": name, **body}).status == 201
        def published(number, address="", protocols=("tcp", "udp")):
            return {f"7/{protocol}": [{"HostIp": address, "HostPort": f"{self.ports}{number}"}] for protocol in protocols}
        self.containers = {
            "front": self.container(["front"], published(1)), "front2": self.container(["front"]),
            "back": self.container(["back"], published(2, "10.200.0.1")),
            "both": self.container(["front", "back"]),
            "inner": self.container(["inner"], published(4, protocols=("tcp",))), "inner2": self.container(["inner"]),
            "plain": self.container(["bridge"], published(3, "127.0.0.1"))}
        self.pids = {name: api.state(one)["Pid"] for name, one in self.containers.items()}
        for pid in self.pids.values():
            self.echo(pid)
        for pid in () if beside else (self.peer, self.stranger):
            self.echo(pid)
        ready = [(protocol, address, PORT) for protocol in (TCP, UDP) for address in (("127.0.0.1",) if beside else ("127.0.0.1", "::1"))]  # dockerd takes IPv6 out of containers on IPv4 networks
        for pid in [*self.pids.values(), self.peer, self.stranger]:
            wait_until(lambda: all(dns.inside(pid, probe, ready)), 10, "the echo servers")
        self.pids.update(host=os.getpid(), peer=self.peer, stranger=self.stranger)
        self.addresses = {(name, net): endpoint["IPAddress"] for name, one in self.containers.items() for net, endpoint in api.inspect(one)["NetworkSettings"]["Networks"].items()}

    def neighbour(self, prefix, prefix6):
        process = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
        self.processes.append(process)
        wait_until(lambda: os.readlink(f"/proc/{process.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        outer, pid = "up" + prefix.replace(".", "")[-4:], str(process.pid)
        def inside(*words):
            subprocess.run(["nsenter", "-t", pid, "-n", *words], check=True)
        subprocess.run(["ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", pid], check=True)
        for words in (["addr", "add", prefix + ".1/24", "dev", outer], ["addr", "add", prefix6 + "::1/64", "dev", outer, "nodad"], ["link", "set", outer, "up"]):
            subprocess.run(["ip", *words], check=True)
        for words in (["link", "set", "lo", "up"], ["link", "set", "eth0", "up"], ["addr", "add", prefix + ".2/24", "dev", "eth0"], ["addr", "add", prefix6 + "::2/64", "dev", "eth0", "nodad"],
                      ["route", "add", "default", "via", prefix + ".1"], ["-6", "route", "add", "default", "via", prefix6 + "::1"]):
            inside("ip", *words)
        return process.pid

    def container(self, networks, ports=None):
        container = self.api.create("sleep", "1000", ExposedPorts={port: {} for port in ports or {}}, host={"NetworkMode": networks[0], "PortBindings": ports or {}},
                                    NetworkingConfig={"EndpointsConfig": {net: {} for net in networks[:1] if net != "bridge"}})
        for net in networks[1:]:  # older engines take one at create
            assert self.api.post(f"/networks/{net}/connect", {"Container": container}).status == 200
        self.api.start(container)
        return container

    def echo(self, pid):
        self.processes.append(subprocess.Popen(["nsenter", "-t", str(pid), "-n", "/usr/bin/python3", "-c", ECHO]))

    def expected(self):
        """{(from, protocol, address, port): source or None or True}; True: any source."""
        at, table = self.addresses, {}
        front6, other6 = self.net6 + ":1::2", self.net6 + ":1::3"
        on_all, on_one, on_loopback, on_internal = (self.ports * 10 + number for number in (1, 2, 3, 4))
        reach = lambda source, address, port, want, protocols=(TCP, UDP): table.update({(source, protocol, address, port): want for protocol in protocols})
        front, front2, back, inner, inner2, plain = (at[(n, n.rstrip("2") if n != "plain" else "bridge")] for n in ("front", "front2", "back", "inner", "inner2", "plain"))
        # within a network, and from the host
        reach("front2", front, PORT, front2)
        reach("inner2", inner, PORT, inner2)
        reach("both", front, PORT, at[("both", "front")])
        reach("both", back, PORT, at[("both", "back")])
        reach("front2", front6, PORT, other6)
        for address in (front, back, plain):
            reach("host", address, PORT, True)
        # between networks and from outside: never
        for source, address in (("front", back), ("back", front), ("front", plain), ("plain", front), ("inner", front), ("front", inner), ("plain", back), ("inner", "10.200.0.2")):
            reach(source, address, PORT, None)
        for source in ("peer", "stranger"):
            for address in (front, back, inner, plain, front6):
                reach(source, address, PORT, None)
        # out into the world, behind the host's address
        for source in ("front", "back", "plain", "both"):
            reach(source, "10.200.0.2", PORT, "10.200.0.1")
        reach("front", "fd20::2", PORT, "fd20::1")
        # published on all addresses: the true source
        reach("peer", "10.200.0.1", on_all, "10.200.0.2")
        reach("stranger", "10.201.0.1", on_all, "10.201.0.2")
        reach("peer", "fd20::1", on_all, "fd20::2")
        reach("host", "127.0.0.1", on_all, True)
        reach("host", "10.200.0.1", on_all, True)
        for source in ("front", "front2", "back", "plain"):  # hairpin and between networks through the host
            reach(source, "10.200.0.1", on_all, True)
        # published on one address
        reach("peer", "10.200.0.1", on_one, "10.200.0.2")
        reach("stranger", "10.200.0.1", on_one, "10.201.0.2")
        reach("stranger", "10.201.0.1", on_one, None)
        # published on loopback
        reach("host", "127.0.0.1", on_loopback, True)
        for source, address in (("peer", "10.200.0.1"), ("stranger", "10.201.0.1"), ("peer", plain)):
            reach(source, address, on_loopback, None)
        # an internal network publishes nothing
        reach("peer", "10.200.0.1", on_internal, None, (TCP,))
        reach("host", "127.0.0.1", on_internal, None, (TCP,))
        return table

    def answers(self):
        table, answers = self.expected(), {}
        for source in {key[0] for key in table}:
            requests = [key[1:] for key in table if key[0] == source]
            for request, got in zip(requests, dns.inside(self.pids[source], probe, requests)):
                answers[(source, *request)] = got
        return answers

    def check(self, when):
        table, wrong = self.expected(), []
        assert len(table) >= 60
        for key, got in self.answers().items():
            want = table[key]
            if got != want and not (want is True and got):
                wrong.append(f"{key[0]} -> {key[1:]}: {got}, expected {want}")
        assert not wrong, f"{when}:\n" + "\n".join(wrong)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def world(private_engine):
    subprocess.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"], check=True)  # of the test's own namespace
    world = World(private_engine)
    try:
        yield world
    finally:
        world.close()


def load_foreign_rules():
    """What a script of the administrator's does: everything that iptables knows is replaced."""
    rules = "*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n-A FORWARD -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n"
    for program in ("iptables-restore", "ip6tables-restore"):
        subprocess.run([program], input=rules, text=True, check=True)


@pytest.mark.proa
def test_matrix(world):
    world.check("at first")
    subprocess.run(["nft", "flush", "ruleset"], check=True)  # of the test's own namespace
    wait_until(lambda: "proa-bridges" in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
               or "table inet proa" in subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True).stdout, 1, "the rules to come back")
    world.check("after the rules were flushed")
    load_foreign_rules()
    world.check("after iptables-restore")
    bridge = "br-" + world.api.get("/networks/front").json()["Id"][:12]
    subprocess.run(["ip", "link", "set", bridge, "down"], check=True)
    subprocess.run(["ip", "link", "set", bridge, "up"], check=True)
    wait_until(lambda: dns.inside(world.pids["peer"], probe, [(TCP, "fd20::1", 7001)]) == ["fd20::2"], 5, "IPv6 on the bridge that was down")
    world.engine.kill()
    world.check("without the daemon")
    world.engine.start()
    world.check("after the daemon's return")


@pytest.mark.slow
@pytest.mark.proa
def test_matrix_beside_docker(world, archive):
    """Both engines on one host: each keeps its rules, whoever came first, and docker's answer stands beside ours."""
    program = os.environ.get("PROA_REFERENCE_DOCKERD", "/usr/sbin/dockerd")
    assert os.path.exists(program), f"no {program}: ./dev setup installs it"
    docker = Engine(number=os.getpid() % 50 + 150)
    docker.dockerd, docker.kind = program, "docker"
    docker.load = lambda: load_images(docker, archive)
    theirs = None
    try:
        theirs = World(docker, beside=world)
        world.check("beside dockerd")
        own, foreign, expected = world.answers(), theirs.answers(), theirs.expected()
        ours = dict(zip(expected, world.expected()))  # the same pair by the other world's addresses
        lines = [f"{'from':9} {'to':34} {'proa':14} docker"]
        for key in expected:
            source, protocol, address, port = ours[key]
            differs = "" if (own[ours[key]] is None) == (foreign[key] is None) else "   differs"
            lines.append(f"{source:9} {f'{protocol} {address} {port}':34} {own[ours[key]] or '-':14} {foreign[key] or '-'}{differs}")
        print("\n".join(lines))
        # dockerd is not harmed either.
        for source, port in (("peer", 7101), ("host", 7103)):
            assert foreign[(source, TCP, "10.200.0.1" if source == "peer" else "127.0.0.1", port)]
        subprocess.run(["nft", "flush", "ruleset"], check=True)  # of the test's own namespace
        wait_until(lambda: "table inet proa" in subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout, 5, "the rules to come back")
        docker.restart()
        world.check("after dockerd's restart")
    finally:
        if theirs:
            theirs.close()
        docker.destroy()
