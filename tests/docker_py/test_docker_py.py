"""python3-docker, unmodified."""
import io
import threading
import time

import docker
import pytest

from support import images
from support.waiting import wait_until


class TestRun:
    def test_returns_the_output(self, client):
        assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
        assert client.containers.run("busybox", ["sh", "-c", "echo err >&2"], stderr=True, remove=True) == b"err\n"

    def test_error_carries_the_code(self, client):
        with pytest.raises(docker.errors.ContainerError) as caught:
            client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
        assert caught.value.exit_status == 3 and b"bad" in caught.value.stderr

    def test_missing_image(self, client):
        with pytest.raises((docker.errors.ImageNotFound, docker.errors.APIError)):
            client.api.create_container("no/such:image", "true")

    def test_detached_with_everything(self, client, name):
        container = client.containers.run("busybox", "sleep 100", detach=True, name=name, environment={"A": "b"}, labels={"k": "v"}, mem_limit="64m", hostname="box", user="alice",
                                          working_dir="/tmp", ports={"80/tcp": None}, tmpfs={"/t": "size=1m"}, read_only=True, cap_drop=["ALL"], init=True)
        container.reload()
        assert container.status == "running" and container.labels["k"] == "v"
        assert container.ports["80/tcp"][0]["HostPort"].isdigit()
        assert container.exec_run("sh -c 'hostname; id -un; pwd; echo $A'").output == b"box\nalice\n/tmp\nb\n"


class TestLogs:
    def test_stream(self, client):
        container = client.containers.run("busybox", ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"], detach=True)
        assert list(container.logs(stream=True, follow=True)) == [b"1\n", b"2\n", b"3\n"]
        assert container.logs(tail=1) == b"3\n"
        assert container.logs(since=int(time.time()) + 100) == b""
        assert container.logs(timestamps=True).count(b"Z ") == 3
        assert container.logs(stdout=False) == b""


class TestExec:
    @pytest.fixture
    def container(self, client):
        return client.containers.run("busybox", "sleep 1000", detach=True)

    def test_plain(self, container):
        assert tuple(container.exec_run(["sh", "-c", "echo out; exit 4"])) == (4, b"out\n")

    def test_demux(self, container):
        assert container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True).output == (b"out\n", b"err\n")

    def test_stream(self, container):
        assert b"".join(container.exec_run(["sh", "-c", "echo 1; sleep 0.1; echo 2"], stream=True).output) == b"1\n2\n"

    def test_socket(self, container):
        raw = container.exec_run("cat", stdin=True, socket=True, tty=True).output._sock
        raw.settimeout(10)
        raw.sendall(b"hello\n")
        data = b""
        while data.count(b"hello") < 2:
            data += raw.recv(100)
        raw.close()

    def test_user_environment_directory(self, container):
        assert container.exec_run("sh -c 'id -un; echo $A; pwd'", user="alice", environment={"A": "b"}, workdir="/etc").output == b"alice\nb\n/etc\n"

    def test_detached(self, container):
        container.exec_run("touch /made", detach=True)
        wait_until(lambda: container.exec_run("ls /made").exit_code == 0)


class TestAttach:
    def test_stream(self, client):
        container = client.containers.create("busybox", ["sh", "-c", "echo 1; sleep 0.1; echo 2"])
        stream = container.attach(stream=True, logs=True)
        container.start()
        assert b"".join(stream) == b"1\n2\n"

    def test_socket(self, client):
        container = client.containers.create("busybox", "cat", stdin_open=True, tty=True)
        raw = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})._sock
        container.start()
        raw.settimeout(10)
        raw.sendall(b"abc\n")
        data = b""
        while data.count(b"abc") < 2:
            data += raw.recv(100)
        raw.close()


class TestLife:
    def test_wait(self, client):
        container = client.containers.run("busybox", ["sh", "-c", "exit 5"], detach=True)
        assert container.wait()["StatusCode"] == 5
        assert container.wait(condition="not-running")["StatusCode"] == 5

    def test_wait_with_time_limit(self, client):
        container = client.containers.run("busybox", "sleep 100", detach=True)
        import requests
        with pytest.raises(requests.exceptions.RequestException):
            container.wait(timeout=1)

    def test_stop_restart_pause_kill_rename(self, client, name):
        container = client.containers.run("busybox", "sleep 100", detach=True, name=name)
        container.pause()
        container.reload()
        assert container.status == "paused"
        container.unpause()
        container.restart(timeout=0)
        container.rename(name + "-b")
        container.reload()
        assert container.name == name + "-b" and container.status == "running"
        container.kill()
        container.wait()
        container.reload()
        assert container.status == "exited"
        container.stop()
        container.remove()
        with pytest.raises(docker.errors.NotFound):
            client.containers.get(name + "-b")

    def test_top(self, client):
        container = client.containers.run("busybox", "sleep 100", detach=True)
        assert container.top()["Processes"][0][-1] == "sleep 100"

    def test_stats(self, client):
        container = client.containers.run("busybox", "sleep 100", detach=True)
        once = container.stats(stream=False)
        assert once["memory_stats"]["usage"] > 0
        stream = container.stats(decode=True)
        assert next(stream)["id"] == container.id and next(stream)["cpu_stats"]["system_cpu_usage"] > 0

    def test_list(self, client, name):
        container = client.containers.create("busybox", name=name, labels={"x": "y"})
        assert client.containers.list() == []
        assert [c.id for c in client.containers.list(all=True, filters={"label": "x=y"})] == [container.id]
        assert [c.id for c in client.containers.list(all=True, filters={"status": "created", "name": name})] == [container.id]
        assert client.containers.list(limit=-1) == []

    def test_prune(self, client):
        container = client.containers.run("busybox", "true", detach=True)
        container.wait()
        assert client.containers.prune()["ContainersDeleted"] == [container.id]


class TestEvents:
    def test_stream(self, client):
        seen, ready = [], threading.Event()

        def listen():
            for event in client.events(decode=True, filters={"type": "container"}, since=int(time.time()) - 1):
                ready.set()
                seen.append(event)
                if event["Action"] == "destroy" and event["Actor"]["Attributes"]["image"] == "busybox:latest":
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        client.containers.run("busybox:latest", "true", remove=True)
        thread.join(15)
        assert not thread.is_alive()
        mine = [e["Action"] for e in seen if e["Actor"]["Attributes"].get("image") == "busybox:latest"]
        assert mine == ["create", "start", "die", "destroy"] or mine == ["create", "attach", "start", "die", "destroy"]


class TestImages:
    def test_get_list_tag_remove(self, client):
        image = client.images.get("busybox")
        assert image.tags == ["busybox:latest"] and image.id.startswith("sha256:")
        assert image.tag("mine", "7")
        assert "mine:7" in [t for i in client.images.list("mine") for t in i.tags]
        client.images.remove("mine:7")
        with pytest.raises(docker.errors.ImageNotFound):
            client.images.get("mine:7")

    def test_load_save(self, client):
        data = images.layer(lambda tar: images.add_file(tar, "f", b"x"))
        loaded = client.images.load(images.archive([(["pyload:1"], images.configuration([data]), [data])]))
        assert loaded[0].tags == ["pyload:1"]
        saved = b"".join(loaded[0].save(named=True))
        client.images.remove("pyload:1")
        assert client.images.load(io.BytesIO(saved))[0].tags == ["pyload:1"]
        assert len(loaded[0].history() if False else client.images.get("pyload:1").history()) == 1

    def test_import(self, client):
        answer = client.api.import_image_from_data(images.busybox_layer(), repository="pyimp", tag="1")
        assert "sha256:" in answer
        assert client.containers.run("pyimp:1", ["/bin/echo", "hi"], remove=True) == b"hi\n"


class TestSystem:
    def test_ping_version_info(self, client):
        assert client.ping() and client.version()["Os"] == "linux" and client.info()["OSType"] == "linux"

    def test_fixed_old_version(self, engine):
        old = docker.DockerClient(base_url=engine.host, version="1.30")
        assert old.containers.run("busybox", "echo hi", remove=True) == b"hi\n"
        old.close()

    def test_networks(self, client):
        assert {n.name for n in client.networks.list()} >= {"bridge", "host", "none"}


class TestVolumes:
    def test_life(self, client, name):
        volume = client.volumes.create(name, driver="local", labels={"a": "b"})
        assert volume.name == name and volume.attrs["Labels"] == {"a": "b"}
        assert [found.name for found in client.volumes.list(filters={"name": name})] == [name]
        client.containers.run("busybox", ["sh", "-c", "echo kept > /data/file"], volumes={name: {"bind": "/data", "mode": "rw"}}, remove=True)
        mount = docker.types.Mount("/data", name, type="volume", read_only=True)
        assert client.containers.run("busybox", ["cat", "/data/file"], mounts=[mount], remove=True) == b"kept\n"
        container = client.containers.create("busybox", "true", volumes=[f"{name}:/data"])
        with pytest.raises(docker.errors.APIError) as caught:
            volume.remove()
        assert caught.value.status_code == 409
        container.remove()
        volume.remove()
        with pytest.raises(docker.errors.NotFound):
            client.volumes.get(name)

    def test_prune(self, client):
        anonymous = client.volumes.create()
        assert anonymous.name in client.volumes.prune()["VolumesDeleted"]
