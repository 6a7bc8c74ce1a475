"""The default bridge, none, host, container: interfaces, ports, files."""
import http.client
import os
import re
import socket
import subprocess
import sys

import pytest

from support.waiting import wait_until

SERVE = ["httpd", "-f", "-p", "80", "-h", "/www"]


def fetch(address, port, timeout=3):
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", "/index.html")
        return connection.getresponse().read()
    finally:
        connection.close()


def serving(address, port):
    def ask():
        try:
            return fetch(address, port) == b"it works\n"
        except OSError:
            return False
    wait_until(ask, 10, f"{address}:{port} to answer")


def own_address():
    """An address of this machine that is not loopback: on a spare interface in our own namespace."""
    subprocess.run(["ip", "link", "add", "spare0", "type", "bridge"], capture_output=True)
    subprocess.run(["ip", "addr", "add", "192.0.2.7/24", "dev", "spare0"], capture_output=True)
    subprocess.run(["ip", "link", "set", "spare0", "up"], check=True)
    return "192.0.2.7"


class TestBridge:
    def test_inside(self, api):
        container = api.run("sh", "-c", "ip -o addr show eth0; ip route; ip -o link show lo; cat /etc/hosts; cat /etc/resolv.conf; hostname; sleep 100")
        endpoint = wait_until(lambda: api.inspect(container)["NetworkSettings"]["Networks"]["bridge"])
        text = wait_until(lambda: (t := api.logs(container)[0]).count("\n") > 6 and t)
        assert f"inet {endpoint['IPAddress']}/{endpoint['IPPrefixLen']}" in text
        assert f"default via {endpoint['Gateway']} dev eth0" in text
        assert "LOOPBACK,UP" in text
        assert f"{endpoint['IPAddress']}\t{container[:12]}" in text
        assert "127.0.0.1\tlocalhost" in text and text.rstrip().endswith(container[:12])
        assert api.execute(container, "cat", "/sys/class/net/eth0/address")[1].strip() == endpoint["MacAddress"]

    def test_two_containers_reach_each_other_and_the_host_reaches_both(self, api):
        server = api.run(*SERVE)
        address = api.inspect(server)["NetworkSettings"]["IPAddress"]
        serving(address, 80)
        other = api.run("wget", "-qO-", f"http://{address}/index.html")
        assert api.wait(other) == 0 and api.logs(other)[0] == "it works\n"

    def test_addresses_are_used_again(self, api):
        first = api.run("sleep", "100")
        address = api.inspect(first)["NetworkSettings"]["IPAddress"]
        second = api.run("sleep", "100")
        assert api.inspect(second)["NetworkSettings"]["IPAddress"] != address
        api.delete(f"/containers/{first}?force=1")
        seen = set()
        for _ in range(3):
            seen.add(api.inspect(api.run("sleep", "100"))["NetworkSettings"]["IPAddress"])
        assert len(seen) == 3

    def test_network_is_listed_with_its_container(self, api):
        container = api.run("sleep", "100", name="netlisted")
        inspected = api.inspect(container)["NetworkSettings"]["Networks"]["bridge"]
        body = api.get("/networks/bridge").json()
        assert body["Containers"][container] == {"Name": "netlisted", "EndpointID": inspected["EndpointID"], "MacAddress": inspected["MacAddress"],
                                                 "IPv4Address": f"{inspected['IPAddress']}/{inspected['IPPrefixLen']}", "IPv6Address": ""}
        assert body["IPAM"]["Config"][0]["Gateway"] == inspected["Gateway"]
        assert (body["Driver"], body["Scope"], body["Internal"]) == ("bridge", "local", False)

    def test_predefined_networks(self, api):
        body = {n["Name"]: n for n in api.get("/networks").json()}
        assert {"bridge", "host", "none"} <= set(body)
        assert (body["none"]["Driver"], body["host"]["Driver"]) == ("null", "host")
        assert body["bridge"]["Containers"] == {}
        assert api.delete("/networks/bridge").status == 403
        assert api.get("/networks/nope").message == "network nope not found"


class TestPorts:
    def publish(self, api, bindings, command=SERVE, port="80/tcp"):
        return api.run(*command, ExposedPorts={port: {}}, host={"PortBindings": {port: bindings}})

    def bindings(self, api, container, port="80/tcp"):
        return api.inspect(container)["NetworkSettings"]["Ports"][port]

    def test_everywhere(self, api):
        self.publish(api, [{"HostPort": "18081"}])
        serving("127.0.0.1", 18081)
        serving("::1", 18081)
        if not api.engine.external:
            serving(own_address(), 18081)
        serving(api.get("/networks/bridge").json()["IPAM"]["Config"][0]["Gateway"], 18081)

    def test_from_another_container(self, api):
        self.publish(api, [{"HostPort": "18082"}])
        serving("127.0.0.1", 18082)
        gateway = api.get("/networks/bridge").json()["IPAM"]["Config"][0]["Gateway"]
        other = api.run("wget", "-qO-", f"http://{gateway}:18082/index.html")
        assert api.wait(other) == 0 and api.logs(other)[0] == "it works\n"

    def test_one_host_address(self, api):
        container = self.publish(api, [{"HostIp": "127.0.0.1", "HostPort": "18083"}])
        assert self.bindings(api, container) == [{"HostIp": "127.0.0.1", "HostPort": "18083"}]
        serving("127.0.0.1", 18083)
        with pytest.raises(OSError):
            fetch("::1", 18083, 1)
        if not api.engine.external:
            with pytest.raises(OSError):
                fetch(own_address(), 18083, 1)

    def test_random(self, api):
        one = self.bindings(api, self.publish(api, [{"HostPort": ""}]))[0]["HostPort"]
        two = self.bindings(api, self.publish(api, [{"HostPort": "0"}]))[0]["HostPort"]
        assert one != two and 1024 < int(one) < 65536
        serving("127.0.0.1", int(one))
        serving("127.0.0.1", int(two))

    def test_host_range(self, api):
        ports = {self.bindings(api, self.publish(api, [{"HostPort": "18090-18092"}]))[0]["HostPort"] for _ in range(3)}
        assert ports == {"18090", "18091", "18092"}
        container = api.create(*SERVE, ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18090-18092"}]}})
        answer = api.post(f"/containers/{container}/start")
        assert answer.status == 500

    def test_publish_all(self, api):
        container = api.run(*SERVE, ExposedPorts={"80/tcp": {}, "81/tcp": {}}, host={"PublishAllPorts": True})
        ports = api.inspect(container)["NetworkSettings"]["Ports"]
        serving("127.0.0.1", int(ports["80/tcp"][0]["HostPort"]))
        assert ports["81/tcp"][0]["HostPort"] != ports["80/tcp"][0]["HostPort"]

    def test_udp(self, api):
        container = self.publish(api, [{"HostPort": "18084"}], ["sleep", "100"], "53/udp")
        server = subprocess.Popen(["nsenter", "-t", str(api.state(container)["Pid"]), "-n", sys.executable, "-c", "import socket; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); "
                                   "s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0); s.bind(('::', 53))\nwhile 1: d, a = s.recvfrom(99); s.sendto(d + b'!', a)"])
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(0.3)

        def echo():
            client.sendto(b"ping", ("127.0.0.1", 18084))
            try:
                return client.recv(10) == b"ping!"
            except OSError:
                return False

        try:
            wait_until(echo, 10, "the UDP echo")
        finally:
            server.kill()
            server.wait()
            client.close()

    def test_taken_by_another_container(self, api):
        self.publish(api, [{"HostPort": "18085"}])
        second = api.create(*SERVE, ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18085"}]}})
        answer = api.post(f"/containers/{second}/start")
        assert answer.status == 500 and "port is already allocated" in answer.message and "18085" in answer.message
        state = api.state(second)
        assert (state["Status"], state["ExitCode"]) == ("created", 128) and "already allocated" in state["Error"]

    def test_taken_by_a_program(self, api):
        blocker = socket.socket()
        blocker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        blocker.bind(("0.0.0.0", 18086))
        blocker.listen()
        container = api.create(*SERVE, ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18086"}]}})
        answer = api.post(f"/containers/{container}/start")
        assert answer.status == 500 and "address already in use" in answer.message and "18086" in answer.message
        blocker.close()
        assert api.post(f"/containers/{container}/start").status == 204
        serving("127.0.0.1", 18086)

    def test_free_again_after_stop(self, api):
        for _ in range(2):
            container = self.publish(api, [{"HostPort": "18087"}])
            serving("127.0.0.1", 18087)
            api.delete(f"/containers/{container}?force=1")
        with pytest.raises(OSError):
            fetch("127.0.0.1", 18087, 1)

    def test_after_restart(self, api):
        container = self.publish(api, [{"HostPort": "18088"}])
        serving("127.0.0.1", 18088)
        api.post(f"/containers/{container}/restart?t=0")
        serving("127.0.0.1", 18088)

    @pytest.mark.proa
    def test_live_changes(self, api):
        """`proa update --publish-add/--publish-rm`, an extension."""
        container = self.publish(api, [{"HostPort": "18094"}])
        serving("127.0.0.1", 18094)
        assert api.post(f"/containers/{container}/update", {"PublishAdd": {"80/tcp": [{"HostPort": "18095"}]}}).status == 200
        serving("127.0.0.1", 18095)
        serving("127.0.0.1", 18094)
        assert {b["HostPort"] for b in self.bindings(api, container)} == {"18094", "18095"}
        taken = api.post(f"/containers/{container}/update", {"PublishAdd": {"81/tcp": [{"HostPort": "18095"}]}})
        assert taken.status == 500 and "already allocated" in taken.message
        assert api.post(f"/containers/{container}/update", {"PublishRemove": ["80"]}).status == 200
        with pytest.raises(OSError):
            fetch("127.0.0.1", 18094, 1)
        for port in (18094, 18095):  # nobody holds them any more
            with socket.socket() as free:
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                free.bind(("0.0.0.0", port))
                free.listen()
        assert api.post(f"/containers/{container}/update", {"PublishRemove": ["99"]}).status == 400
        assert api.post(f"/containers/{container}/update", {"PublishAdd": {"80/tcp": [{"HostPort": "18096"}]}}).status == 200
        api.post(f"/containers/{container}/restart?t=0")
        serving("127.0.0.1", 18096)

    @pytest.mark.proa
    def test_another_container_takes_over(self, api, network):
        """`TakeOver` of update, an extension: ports and aliases go to another container and back, and stay its own over a restart."""
        name = network()
        server = ["sh", "-c", "hostname > /www/index.html; exec httpd -f -p 80 -h /www"]
        def make(**more):
            config = {"ExposedPorts": {"80/tcp": {}}, "NetworkingConfig": {"EndpointsConfig": {name: {"Aliases": more.pop("aliases", [])}}}, **more}
            return api.run(*server, **{**config, "host": {"NetworkMode": name, **config.get("host", {})}})
        first = make(Hostname="one", aliases=["web"], host={"PortBindings": {"80/tcp": [{"HostPort": "18099"}]}})
        second = make(Hostname="two")
        wait_until(lambda: api.execute(second, "wget", "-q", "-O", "-", "http://127.0.0.1/")[0] == 0)
        asker = make(Hostname="ask")
        address = lambda container: api.inspect(container)["NetworkSettings"]["Networks"][name]["IPAddress"]
        found = lambda: api.execute(asker, "nslookup", "web")[1]

        def says():
            """What the port answers, once it does."""
            def ask():
                try:
                    return fetch("127.0.0.1", 18099)
                except OSError:
                    return b""
            return wait_until(ask, what="port 18099 to answer").strip().decode()

        assert says() == "one" and address(first) in found()
        shown = api.inspect(first)["NetworkSettings"]["Ports"]["80/tcp"]
        assert api.post(f"/containers/{second}/update", {"TakeOver": {"Container": first, "Aliases": {name: ["web"]}}}).status == 200
        assert says() == "two" and address(second) in found() and address(first) not in found()
        assert api.inspect(second)["NetworkSettings"]["Ports"]["80/tcp"] == shown and not api.inspect(first)["HostConfig"]["PortBindings"]
        api.delete(f"/containers/{first}?force=1")
        with socket.socket() as other, pytest.raises(OSError):
            other.bind(("127.0.0.1", 18099))
        api.post(f"/containers/{second}/restart?t=0")
        assert says() == "two"
        # From one that does not run: its ports are published anew.
        third = make(Hostname="three")
        wait_until(lambda: api.execute(third, "wget", "-q", "-O", "-", "http://127.0.0.1/")[0] == 0)
        api.post(f"/containers/{second}/kill")
        api.wait(second)
        assert api.post(f"/containers/{third}/update", {"TakeOver": {"Container": second, "Aliases": {name: ["web"]}}}).status == 200
        assert says() == "three"
        assert api.post(f"/containers/{second}/update", {"TakeOver": {"Container": third}}).status == 409
        assert api.post(f"/containers/{third}/update", {"TakeOver": {"Container": "nobody"}}).status == 404

    def test_three_hundred_ports(self, api):
        ports = {f"{port}/tcp": [{"HostPort": str(port)}] for port in range(21000, 21300)}
        container = api.run("httpd", "-f", "-p", "21299", "-h", "/www", ExposedPorts={port: {} for port in ports}, host={"PortBindings": ports})
        serving("127.0.0.1", 21299)
        shown = api.inspect(container)["NetworkSettings"]["Ports"]
        assert len(shown) == 300 and shown["21299/tcp"][0]["HostPort"] == "21299"
        other = api.create("sleep", "9", ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "21050"}]}})
        assert "port is already allocated" in api.post(f"/containers/{other}/start").message

    @pytest.mark.proa  # dockerd starts a process for each port
    def test_fifty_thousand_ports(self, api, docker):
        def elements():
            return len(re.findall(r"tcp \. \d+-\d+ :", subprocess.run(["nft", "list", "table", "inet", "proa"], capture_output=True, text=True, check=True).stdout))

        def create(first, last, shift=0, command=("sleep", "1000"), address=""):
            ports = {f"{port}/tcp": [{"HostIp": address, "HostPort": str(port + shift)}] for port in range(first, last + 1)}
            return api.create(*command, ExposedPorts={port: {} for port in ports}, host={"PortBindings": ports})
        before = elements()
        server = "for port in 10000 35000 59999; do httpd -p $port -h /www; done; sleep 1000"
        container = create(10000, 59999, command=("sh", "-c", server))
        api.start(container)
        for port in (10000, 35000, 59999):
            serving("127.0.0.1", port)
        shown = api.inspect(container)["NetworkSettings"]["Ports"]
        assert len(shown) == 50000 and shown["59999/tcp"] == [{"HostIp": "0.0.0.0", "HostPort": "59999"}]
        assert len(api.inspect(container)["Config"]["ExposedPorts"]) == 50000
        assert docker.output("ps", "--filter", f"id={container}", "--format", "{{.Ports}}").strip() == "0.0.0.0:10000-59999->10000-59999/tcp"
        assert elements() == before + 1

        # Whoever is in the way of a range, before or after it, is named.
        other = create(100, 300, shift=59700)
        refused = api.post(f"/containers/{other}/start")
        assert refused.status == 500 and "Bind for 0.0.0.0:59800 failed: port is already allocated" in refused.message
        with socket.socket() as blocker:
            blocker.bind(("0.0.0.0", 60500))
            blocker.listen()
            taken = create(1000, 2000, shift=59000)
            refused = api.post(f"/containers/{taken}/start")
            assert f"failed to bind host port 0.0.0.0:60500/tcp: address already in use (held by {open('/proc/self/comm').read().strip()}, process {os.getpid()})" in refused.message
        api.start(taken)

        # One port of it goes, and all comes back with the daemon and with a restart.
        assert api.post(f"/containers/{container}/update", {"PublishRemove": ["35000"]}).status == 200
        with pytest.raises(OSError):
            fetch("127.0.0.1", 35000, 1)
        serving("127.0.0.1", 59999)
        assert len([one for one in api.inspect(container)["NetworkSettings"]["Ports"].values() if one]) == 49999
        third = api.run(*SERVE, ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "35000"}]}})
        serving("127.0.0.1", 35000)
        api.delete(f"/containers/{third}?force=1")
        api.delete(f"/containers/{taken}?force=1")
        api.delete(f"/containers/{other}?force=1")
        api.post(f"/containers/{container}/restart?t=0")
        serving("127.0.0.1", 10000)
        api.delete(f"/containers/{container}?force=1")
        assert elements() == before

    @pytest.mark.proa
    def test_ranges_with_other_numbers_inside(self, api):
        def publish(first, last, shift, address=""):
            ports = {f"{port}/tcp": [{"HostIp": address, "HostPort": str(port + shift)}] for port in range(first, last + 1)}
            return api.run("sh", "-c", f"httpd -p {first + 1} -h /www; httpd -p {last} -h /www; sleep 1000", ExposedPorts={port: {} for port in ports},
                           host={"PortBindings": ports})
        for first, last, shift, address in ((2000, 2500, 18000, ""), (30000, 30500, -10000, "127.0.0.1"), (40001, 40999, -17001, "")):
            container = publish(first, last, shift, address)
            serving("127.0.0.1", first + 1 + shift)
            serving("127.0.0.1", last + shift)
            with pytest.raises(OSError):
                fetch("127.0.0.1", last + shift + 1, 1)
            api.delete(f"/containers/{container}?force=1")
        ports = {f"{port}/tcp": [{"HostIp": "::1", "HostPort": str(port)}] for port in range(2000, 2500)}
        container = api.create("sleep", "9", ExposedPorts={port: {} for port in ports}, host={"PortBindings": ports})
        refused = api.post(f"/containers/{container}/start")
        assert refused.status == 500 and "port 2000 on ::1 needs a forwarder of its own, and there is one for at most 100 published ports of a container" in refused.message

    def test_large_transfer(self, api):
        self.publish(api, [{"HostPort": "18089"}], ["sh", "-c", "head -c 20000000 /dev/zero > /www/big; httpd -f -p 80 -h /www"])
        serving("127.0.0.1", 18089)
        connection = http.client.HTTPConnection("127.0.0.1", 18089, timeout=20)
        connection.request("GET", "/big")
        assert len(connection.getresponse().read()) == 20000000
        connection.close()


class TestModes:
    def test_none(self, api):
        container = api.run("sh", "-c", "ls /sys/class/net; ip route; sleep 100", host={"NetworkMode": "none"})
        wait_until(lambda: api.logs(container)[0])
        assert api.logs(container)[0] == "lo\n"
        assert list(api.inspect(container)["NetworkSettings"]["Networks"]) == ["none"]

    def test_host(self, api):
        if api.engine.external:
            pytest.skip("its namespace is not ours")
        import os
        container = api.run("sleep", "100", host={"NetworkMode": "host"})
        assert os.readlink(f"/proc/{api.state(container)['Pid']}/ns/net") == os.readlink("/proc/self/ns/net")
        assert api.execute(container, "hostname")[1].strip() == os.uname().nodename
        assert list(api.inspect(container)["NetworkSettings"]["Networks"]) == ["host"]

    def test_container(self, api):
        import os
        one = api.run("sleep", "100")
        two = api.run("sleep", "100", host={"NetworkMode": "container:" + one})
        spaces = {os.readlink(f"/proc/{api.state(c)['Pid']}/ns/net") for c in (one, two)}
        assert len(spaces) == 1
        assert api.execute(two, "hostname")[1] == api.execute(one, "hostname")[1]
        answer = api.post("/containers/create", {"Image": "busybox", "Hostname": "x", "HostConfig": {"NetworkMode": "container:" + one}})
        assert answer.status == 400 and "conflicting options: hostname and the network mode" in answer.message

    def test_container_that_does_not_run(self, api):
        one = api.create("true")
        two = api.create("true", host={"NetworkMode": "container:" + one})
        answer = api.post(f"/containers/{two}/start")
        assert answer.status in (409, 500) and "cannot join network of a non running container" in answer.message
        missing = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "container:nope"}})
        assert missing.status == 404 or api.post(f"/containers/{missing.json()['Id']}/start").status == 404


def test_hosts_and_dns_options(api):
    container = api.run("sh", "-c", "cat /etc/hosts /etc/resolv.conf; hostname; hostname -f 2>/dev/null; sleep 100", Hostname="box", Domainname="example.org",
                        host={"ExtraHosts": ["db:10.1.2.3"], "Dns": ["192.0.2.53"], "DnsSearch": ["example.com"], "DnsOptions": ["ndots:3"]})
    text = wait_until(lambda: (t := api.logs(container)[0]).count("box") >= 2 and t)
    assert "10.1.2.3\tdb" in text and "box.example.org box" in text
    assert "nameserver 192.0.2.53" in text and "search example.com" in text and "options ndots:3" in text


def test_files_are_writable_and_kept_over_restart(api):
    container = api.run("sh", "-c", "echo 1.2.3.4 mine >> /etc/hosts; sleep 100")
    wait_until(lambda: "mine" in api.execute(container, "cat", "/etc/hosts")[1])
    assert "hostname" not in api.execute(container, "sh", "-c", "mount | grep -c '/etc/hosts\\|/etc/resolv.conf\\|/etc/hostname'")[1]
    assert api.execute(container, "sh", "-c", "grep -c ' /etc/\\(hosts\\|resolv.conf\\|hostname\\) ' /proc/self/mounts")[1] == "3\n"


def test_links_on_the_default_bridge(api):
    target = api.run("sleep", "100", name="link-target")
    container = api.run("sleep", "100", name="link-user", host={"Links": ["link-target:nick"]})
    address = api.inspect(target)["NetworkSettings"]["IPAddress"]
    assert f"{address}\tnick {target[:12]} link-target" in api.execute(container, "cat", "/etc/hosts")[1]
    assert api.inspect(container)["HostConfig"]["Links"] == ["/link-target:/link-user/nick"]
    assert api.execute(container, "ping", "-c1", "-W2", "nick")[0] == 0
    api.post(f"/containers/{target}/stop?t=0")
    api.post(f"/containers/{container}/stop?t=0")
    refused = api.post(f"/containers/{container}/start")
    assert refused.status >= 400 and "Cannot link to a non running container: /link-target AS /link-user/nick" in refused.message
    assert "could not get container for nope" in api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Links": ["nope:x"]}}).message


def test_ping_to_the_gateway(api):
    container = api.run("sh", "-c", "ping -c 1 -W 2 $(ip route | awk '/default/{print $3}')")
    assert api.wait(container) == 0
