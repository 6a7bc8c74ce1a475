"""userns-remap: root in a container is somebody else outside."""
import io
import os
import re
import subprocess
import tarfile
import urllib.request

import pytest

from conftest import Api, Docker, load_images
from support import isolation
from support.engine import Engine
from support.waiting import wait_until

pytestmark = pytest.mark.proa

FIRST, SIZE = 231072, 65536


class RemappedEngine(Engine):
    """A daemon that has an /etc of its own, with a user remapper and its ranges; the machine's is not touched."""

    def command(self, extra=()):
        etc = self.directory + "/etc"
        if not os.path.exists(etc):
            subprocess.run(["cp", "-a", "/etc", etc], check=True)
            for name, mode, text in (("subuid", "w", f"someone:100000:65536\nremapper:{FIRST}:{SIZE}\n"), ("subgid", "w", f"someone:100000:65536\nremapper:{FIRST}:{SIZE}\n"),
                                     ("passwd", "a", "remapper:x:64990:64990::/nonexistent:/bin/false\n"), ("group", "a", "remapper:x:64990:\n")):
                with open(f"{etc}/{name}", mode) as file:
                    file.write(text)
        script = f'mount --bind {etc} /etc && exec "$@"'
        return ["unshare", "-m", "--propagation", "slave", "sh", "-c", script, "sh", *super().command(extra)]


def start(engine, remap):
    engine.arguments = ["--userns-remap", remap]
    try:
        engine.start()
    except RuntimeError as error:
        if "cannot be mounted with mapped ids" in str(error) or "userns-remap needs Linux" in str(error):
            pytest.skip(str(error).splitlines()[-1])
        raise
    return engine


@pytest.fixture(scope="module")
def remapped(isolated, archive):
    if os.environ.get("PROA_TEST_DOCKERD") or os.environ.get("PROA_TEST_HOST"):
        pytest.skip("needs a Proa of its own")
    engine = RemappedEngine(number=os.getpid() % 50 + 150)
    with isolation.OwnNetwork():
        try:
            start(engine, "remapper")
            load_images(engine, archive)
            yield engine
        finally:
            engine.destroy()


@pytest.fixture
def box(remapped):
    api = Api(remapped)
    yield api
    for container in api.get("/containers/json?all=1").json():
        api.delete(f"/containers/{container['Id']}?force=1&v=1")


@pytest.fixture
def cli(remapped, tmp_path):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "PROA_"))}
    environment.update(DOCKER_HOST=remapped.host, DOCKER_CONFIG=str(tmp_path / "config"), LC_ALL="C.UTF-8", DOCKER_CLI_HINTS="false")
    client = Docker(environment)
    if os.environ.get("PROA_TEST_CLI") is None:
        client.program = remapped.bin + "/proa"  # it knows our own additions, and builds
    return client


def outside(api, container):
    """The user and group of the container's init as this host sees them."""
    status = open(f"/proc/{api.state(container)['Pid']}/status").read()
    return tuple(int(re.search(rf"^{name}:\t(\d+)", status, re.M).group(1)) for name in ("Uid", "Gid"))


def test_the_engine_says_so_and_keeps_a_root_for_the_mapping(remapped, box):
    info = box.get("/info").json()
    assert "name=userns" in info["SecurityOptions"]
    assert info["DockerRootDir"] == f"{remapped.data_root}/{FIRST}.{FIRST}"
    status = os.stat(info["DockerRootDir"])
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, FIRST, 0o710)


def test_root_inside_is_nobody_outside(box):
    container = box.run("sleep", "100")
    assert outside(box, container) == (FIRST, FIRST)
    code, out, _ = box.execute(container, "sh", "-c", "id -u; cat /proc/self/uid_map; stat -c %u:%g / /etc /etc/hosts /etc/resolv.conf /etc/hostname /dev/shm /dev/pts")
    lines = out.split("\n")
    assert code == 0 and lines[0] == "0" and lines[1].split() == ["0", str(FIRST), str(SIZE)]
    assert set(lines[2:9]) == {"0:0"}, out
    # It owns its network, its host name and its mounts, and nothing of the host's.
    code, out, err = box.execute(container, "sh", "-c", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; ping -c1 -w3 127.0.0.1 >/dev/null && echo pinged; touch /written && stat -c %u /written")
    assert code == 0 and out.split() == ["0", "0", str(SIZE - 1), "pinged", "0"], (out, err)
    other = box.run("sleep", "100", User="33:44")
    assert outside(box, other) == (FIRST + 33, FIRST + 44)


def test_streams_logs_and_terminal(box, cli):
    container = box.run("sh", "-c", "echo one >/dev/stdout; echo two >/dev/stderr", User="1000")
    assert box.wait(container) == 0 and box.logs(container) == ("one\n", "two\n")
    assert cli.output("run", "--rm", "busybox", "sh", "-c", "echo three >/proc/self/fd/1") == "three"
    with cli.terminal("run", "--rm", "-it", "busybox", "sh", "-c", "tty; stat -c owner=%u $(tty)") as terminal:
        terminal.expect("/dev/pts/0")
        terminal.expect("owner=0")


def test_limits_are_those_without_mapping(box):
    """What root may raise, the root inside may not: it is done for it."""
    def seen(mode):
        container = box.create("sh", "-c", "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj", host={"Ulimits": [{"Name": "nofile", "Soft": 600000, "Hard": 700000}], "OomScoreAdj": -500, "UsernsMode": mode})
        box.start(container)
        box.wait(container)
        return box.logs(container)[0].split()
    assert seen("") == seen("host") != []


def test_copies_commits_and_exports_tell_the_ids_of_inside(box, cli, tmp_path):
    container = box.run("sh", "-c", "mkdir /d; echo x >/d/f; chown 33:44 /d/f; touch /ready; sleep 100")
    wait_until(lambda: box.execute(container, "test", "-e", "/ready")[0] == 0, 10, "the files")

    def owners(data):
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return {member.name.rstrip("/"): (member.uid, member.gid) for member in tar}

    def check():
        assert owners(box.get(f"/containers/{container}/archive?path=/d").body) == {"d": (0, 0), "d/f": (33, 44)}
        exported = owners(box.get(f"/containers/{container}/export").body)
        assert exported["d/f"] == (33, 44) and exported["bin"] == (0, 0)

    check()
    (tmp_path / "in").write_text("in")
    cli("cp", tmp_path / "in", f"{container}:/d/in", check=0)
    assert box.execute(container, "stat", "-c", "%u:%g", "/d/in")[1] == f"{os.getuid()}:{os.getgid()}\n"
    assert {"C /d", "A /d"} & {line for line in cli.output("diff", container).split("\n")}
    image = cli.output("commit", container, "committed")
    assert cli.output("run", "--rm", "committed", "stat", "-c", "%u:%g", "/d/f") == "33:44" and image
    box.post(f"/containers/{container}/kill")
    box.wait(container)
    cli("cp", f"{container}:/d/f", tmp_path / "out", check=0)
    cli("exec", container, "true", check=1)
    (tmp_path / "later").write_text("later")
    cli("cp", tmp_path / "later", f"{container}:/d/later", check=0)
    box.start(container)
    assert box.execute(container, "cat", "/d/later")[1] == "later"
    with_tar = box.get(f"/containers/{container}/archive?path=/d/f").body
    assert owners(with_tar) == {"f": (33, 44)}
    cli("rmi", "committed", check=0)


def test_volumes_belong_to_the_mapped_root(box, cli, tmp_path):
    script = "mkdir /seed; touch /seed/of-root /seed/of-other; chown 33 /seed/of-other"
    made = box.run("sh", "-c", script)
    box.wait(made)
    cli("commit", made, "seeded", check=0)
    assert cli.output("run", "--rm", "-v", "remap-v:/seed", "seeded", "sh", "-c", "stat -c %n=%u /seed /seed/*; echo w >/seed/new").split() == ["/seed=0", "/seed/of-other=33", "/seed/of-root=0"]
    source = cli.output("volume", "inspect", "-f", "{{.Mountpoint}}", "remap-v")
    assert {name: os.stat(f"{source}/{name}").st_uid - FIRST for name in os.listdir(source)} == {"of-root": 0, "of-other": 33, "new": 0}
    assert os.stat(source).st_uid == FIRST
    # A directory of the host's is what it is, unless it is asked for otherwise.
    bound = tmp_path / "bound"
    bound.mkdir(mode=0o755)
    assert cli.output("run", "--rm", "-v", f"{bound}:/b", "busybox", "stat", "-c", "%u", "/b") == "65534"
    cli("run", "--rm", "-v", f"{bound}:/b", "busybox", "touch", "/b/x", check=1)
    cli("run", "--rm", "--mount", f"type=bind,src={bound},dst=/b,bind-idmap=match-user", "busybox", "touch", "/b/x", check=0)
    assert os.stat(bound / "x").st_uid == 0
    cli("run", "--rm", "-v", f"{bound}:/b:U", "-u", "7", "busybox", "touch", "/b/y", check=0)
    assert os.stat(bound / "y").st_uid == FIRST + 7
    cli("volume", "rm", "remap-v", check=0)
    cli("rmi", "seeded", check=0)


@pytest.mark.parametrize("host, text", [
    ({"Privileged": True}, "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode"),
    ({"NetworkMode": "host"}, "cannot share the host's network namespace when user namespaces are enabled"),
    ({"PidMode": "host"}, "cannot share the host PID namespace when user namespaces are enabled"),
])
def test_what_mapped_ids_rule_out(box, host, text):
    answer = box.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": host})
    assert answer.status == 400 and answer.json()["message"] == text
    container = box.create("cat", "/proc/self/uid_map", host={**host, "UsernsMode": "host"})
    box.start(container)
    assert box.wait(container) == 0 and box.logs(container)[0].split() == ["0", "0", "4294967295"]


def test_the_hosts_ids_on_request(box):
    container = box.run("sleep", "100", host={"UsernsMode": "host"})
    assert outside(box, container) == (0, 0) and box.inspect(container)["HostConfig"]["UsernsMode"] == "host"
    # Sharing needs one user namespace.
    refused = box.create("true", host={"PidMode": f"container:{container}"})
    answer = box.post(f"/containers/{refused}/start")
    assert answer.status == 409 and "it runs with the host's user namespace" in answer.json()["message"]


def test_shared_namespaces_share_the_user_namespace(box):
    first = box.run("sh", "-c", "echo shm >/dev/shm/x; sleep 100", host={"IpcMode": "shareable"})
    wait_until(lambda: box.execute(first, "test", "-e", "/dev/shm/x")[0] == 0, 10, "the file")
    container = box.create("sh", "-c", "cat /dev/shm/x; ps | grep -c 'sleep 100'; hostname -i", host={"NetworkMode": f"container:{first}", "PidMode": f"container:{first}", "IpcMode": f"container:{first}"})
    box.start(container)
    assert box.wait(container) == 0
    address = box.inspect(first)["NetworkSettings"]["IPAddress"]
    assert box.logs(container)[0].split()[0] == "shm" and address in box.logs(container)[0]


def test_ports_names_devices_and_restarts(box, cli, tmp_path):
    cli("network", "create", "remap-net", check=0)
    try:
        server = box.run("sh", "-c", "while :; do echo -e 'HTTP/1.0 200 OK\\r\\n\\r\\nhello' | nc -l -p 80; done", name="remap-server", host={"NetworkMode": "remap-net", "PortBindings": {"80/tcp": [{"HostPort": "8099"}]}, "RestartPolicy": {"Name": "always"}},
                         ExposedPorts={"80/tcp": {}})

        def asked():
            try:
                return urllib.request.urlopen("http://127.0.0.1:8099/", timeout=2).read().decode()
            except OSError:
                return ""
        wait_until(lambda: "hello" in asked(), 10, "the published port")
        wait_until(lambda: "hello" in cli("run", "--rm", "--network", "remap-net", "busybox", "wget", "-q", "-O-", "http://remap-server/").stdout, 10, "the name")
        before = box.state(server)["Pid"]
        os.kill(before, 9)
        wait_until(lambda: box.state(server)["Pid"] not in (0, before), 10, "the restart")
        assert outside(box, server) == (FIRST, FIRST)
    finally:
        box.delete("/containers/remap-server?force=1")
        cli("network", "rm", "remap-net", check=0)
    assert cli.output("run", "--rm", "--device", "/dev/zero:/dev/nought:r", "busybox", "sh", "-c", "head -c3 /dev/nought | wc -c; echo x >/dev/null").strip() == "3"
    assert cli.output("run", "--rm", "--init", "--read-only", "--tmpfs", "/t", "--ipc", "host", "--uts", "host", "busybox", "sh", "-c", "touch /t/x && ! touch /x 2>/dev/null && echo fine") == "fine"
    assert cli.output("run", "--rm", "--hostname", "inside", "--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.shmmax=65536", "busybox", "sh", "-c", "hostname; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax").split() == ["inside", "1", "65536"]


def test_builds_run_with_mapped_ids(box, cli, tmp_path):
    (tmp_path / "f").write_text("f")
    (tmp_path / "Dockerfile").write_text("FROM busybox\nCOPY --chown=5:6 f /f\nRUN cat /proc/self/uid_map >/map && mkdir /d && chown 7 /d && stat -c %u:%g /f >/owner\n"
                                         "RUN --mount=type=cache,target=/c touch /c/x && stat -c %u /c/x >>/owner\nRUN --mount=type=bind,target=/ctx cat /ctx/f >>/owner\n")
    cli("build", "-q", "-t", "built", tmp_path, check=0)
    assert cli.output("run", "--rm", "built", "sh", "-c", "stat -c %u:%g /f /d; cat /owner; cat /map").split() == ["5:6", "7:0", "5:6", "0", "f", "0", str(FIRST), str(SIZE)]
    cli("rmi", "built", check=0)


def test_a_new_daemon_finds_all(remapped, box):
    container = box.run("sh", "-c", "echo x >/kept; sleep 100")
    wait_until(lambda: box.execute(container, "test", "-e", "/kept")[0] == 0, 10, "the file")
    remapped.restart()
    assert box.state(container)["Running"] and box.execute(container, "cat", "/kept")[1] == "x\n"
    assert box.get(f"/containers/{container}/archive?path=/kept").status == 200


class TestTheDirective:
    @pytest.fixture
    def engine_of(self, isolated):
        engine = RemappedEngine(number=os.getpid() % 50 + 200)
        with isolation.OwnNetwork():
            try:
                yield engine
            finally:
                engine.destroy()

    @pytest.mark.parametrize("value, text", [
        ("nobody-of-that-name", 'Error during uid lookup for "nobody-of-that-name": '),
        ("remapper:no-such-group", 'Error during groupname lookup for "no-such-group": '),
        ("daemon", 'Can\'t create ID mappings: no subuid ranges found for user "daemon" in /etc/subuid'),
        ("a:b:c", 'Invalid user/group specification in --userns-remap: "a:b:c"'),
    ])
    def test_refusals(self, engine_of, value, text):
        engine_of.arguments = ["--userns-remap", value]
        assert engine_of.spawn().wait(20) == 1
        assert text in engine_of.log_tail()
        engine_of.process = None

    @pytest.mark.parametrize("value", ["64990:64990", "remapper:daemon"])
    def test_forms(self, engine_of, value):
        start(engine_of, value)
        assert os.path.isdir(f"{engine_of.data_root}/{FIRST}.{FIRST}/containers")

    def test_root_is_itself(self, engine_of):
        start(engine_of, "root")
        assert "root cannot be remapped with itself; user namespaces are OFF" in engine_of.log_tail()
        assert "name=userns" not in Api(engine_of).get("/info").json()["SecurityOptions"]

    def test_default_makes_its_user_and_ranges(self, engine_of):
        start(engine_of, "default")
        etc = engine_of.directory + "/etc"
        assert re.search(r"^dockremap:", open(etc + "/passwd").read(), re.M)
        assert f"dockremap:{FIRST + SIZE}:65536\n" in open(etc + "/subuid").read() and f"dockremap:{FIRST + SIZE}:65536\n" in open(etc + "/subgid").read()
        engine_of.restart()
        assert open(etc + "/subuid").read().count("dockremap") == 1
        assert os.listdir(engine_of.data_root) == [f"{FIRST + SIZE}.{FIRST + SIZE}"]
