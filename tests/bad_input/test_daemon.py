"""Configuration that is wrong, disks that are full, sockets that are taken: the daemon says why."""
import os
import signal
import subprocess
import time

import pytest

from support import images, isolation
from support.http import Http
from support.waiting import wait_until


def refuse(engine, text, code=1, extra=()):
    """The daemon ends with the code and says the text."""
    process = engine.spawn(extra)
    try:
        assert process.wait(20) == code
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait(10)
        raise AssertionError("it started")
    engine.process = None
    assert text in engine.log_tail(), engine.log_tail()


class TestConfiguration:
    @pytest.mark.parametrize("config, text", [
        ({"no-such-key": 1}, "the following directives don't match any configuration option: no-such-key"),
        ({"debug": "yes"}, "cannot unmarshal string"),
        ("{", "unexpected"),
        ("{\"debug\": true,}", "invalid character"),
        ("[]", "cannot unmarshal array"),
        ({"labels": ["ab"]}, "bad attribute format: ab"),
        ({"log-level": "zz"}, "invalid logging level: zz"),
        ({"mtu": -1}, "invalid default MTU"),
        ({"default-runtime": "zz"}, "specified default runtime 'zz' does not exist"),
        ({"storage-driver": "zz"}, "driver not supported: zz"),
        ({"log-opts": {"zz": "1"}}, "unknown log opt 'zz' for json-file log driver"),
        ({"exec-opts": ["native.cgroupdriver=zz"]}, "native.cgroupdriver option zz not supported"),
        ({"dns": ["nope"]}, "nope"),
        ({"runtimes": {"runc": {"path": "/bin/true"}}}, "runtime name 'runc' is reserved"),
    ])
    def test_file(self, private_engine, config, text):
        if private_engine.kind == "docker" and "/usr/sbin" == os.path.dirname(private_engine.dockerd):
            pytest.skip("20.10 says some of it otherwise")
        if "reserved" in text and private_engine.kind == "proa":
            config, text = {"runtimes": {"proa": {"path": "/bin/true"}}}, "runtime name 'proa' is reserved"  # runc may be configured here
        private_engine.write_config(config)
        refuse(private_engine, text)

    def test_flag_and_file(self, private_engine):
        private_engine.write_config({"mtu": 1400})
        refuse(private_engine, "the following directives are specified both as a flag and in the configuration file: mtu", extra=["--mtu", "1400"])

    def test_unknown_flag_and_argument(self, private_engine):
        refuse(private_engine, "unknown flag: --nope", extra=["--nope"])
        refuse(private_engine, "accepts no argument", extra=["word"])

    def test_validate(self, private_engine):
        private_engine.write_config({"debug": True})
        process = private_engine.spawn(["--validate"])
        assert process.wait(20) == 0
        private_engine.process = None
        assert "configuration OK" in private_engine.log_tail()

    def test_missing_explicit_file(self, private_engine):
        private_engine.config_file = lambda: private_engine.directory + "/absent.json"
        refuse(private_engine, "absent.json")

    def test_second_daemon(self, private_engine):
        private_engine.start()
        first = private_engine.process
        refuse(private_engine, "is still running" if private_engine.kind == "docker" else "failed to start daemon")
        assert "is still running" in private_engine.log_tail() or "another proad uses" in private_engine.log_tail()
        private_engine.process = first
        assert Http(private_engine.socket).get("/_ping").status == 200

    def test_group(self, private_engine):
        refuse(private_engine, "group nogrp-here not found", extra=["--group", "nogrp-here"])

    def test_reload(self, private_engine):
        private_engine.write_config({"labels": ["a=b"]})
        private_engine.start()
        http = Http(private_engine.socket)
        assert http.get("/info").json()["Labels"] == ["a=b"]
        with http.open("GET", "/events") as stream:
            private_engine.write_config({"labels": ["c=d"], "debug": True})
            private_engine.process.send_signal(signal.SIGHUP)
            event = next(stream.objects())
            assert (event["Type"], event["Action"]) == ("daemon", "reload")
        info = http.get("/info").json()
        assert info["Labels"] == ["c=d"] and info["Debug"]
        private_engine.write_config({"nonsense": 1})
        private_engine.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "don't match any configuration option: nonsense" in private_engine.log_tail())
        assert http.get("/info").json()["Labels"] == ["c=d"]

    def test_socket_is_private(self, private_engine):
        private_engine.start()
        assert os.stat(private_engine.socket).st_mode & 0o777 == 0o660
        assert private_engine.stop() == 0
        assert not os.path.exists(private_engine.socket)

    def test_stale_socket_and_pidfile(self, private_engine):
        private_engine.start()
        private_engine.kill()
        assert os.path.exists(private_engine.socket)
        private_engine.start()

    def test_no_bridge(self, private_engine):
        private_engine.write_config({"bridge": "none"})
        command = private_engine.command
        private_engine.command = lambda extra=(): [word for word in command(extra) if word not in ("--bip", private_engine.subnet)]
        private_engine.start()
        private_engine.load()
        http = Http(private_engine.socket)
        container = http.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}).json()["Id"]
        assert http.post(f"/containers/{container}/start").status == 204
        assert http.post(f"/containers/{container}/wait").json()["StatusCode"] == 0

    def test_tcp_listener(self, private_engine):
        import socket
        private_engine.arguments += ["-H", "tcp://127.0.0.1:18401", "--tls=false"]
        private_engine.start()
        connection = socket.create_connection(("127.0.0.1", 18401), 5)
        connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in connection.recv(4096)
        connection.close()


def pem(directory):
    """A little certificate authority with a server's and a client's certificate."""
    def run(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=test", "-days", "2")
    for name, usage in (("server", "serverAuth"), ("client", "clientAuth")):
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", name + "-key.pem", "-out", name + ".csr", "-subj", "/CN=" + name)
        (directory / (name + ".ext")).write_text(f"extendedKeyUsage={usage}\nsubjectAltName=IP:127.0.0.1\n")
        run("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-out", name + ".pem", "-days", "2", "-extfile", name + ".ext")


class TestTls:
    def test_mutual(self, private_engine, tmp_path):
        import ssl
        import socket
        pem(tmp_path)
        private_engine.arguments += ["-H", "tcp://127.0.0.1:18402", "--tlsverify", "--tlscacert", str(tmp_path / "ca.pem"), "--tlscert", str(tmp_path / "server.pem"), "--tlskey", str(tmp_path / "server-key.pem")]
        private_engine.start()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
        done = subprocess.run([os.environ.get("PROA_TEST_CLI", "docker"), "-H", "tcp://127.0.0.1:18402", "--tlsverify", "--tlscacert", tmp_path / "ca.pem", "--tlscert", tmp_path / "client.pem", "--tlskey",
                               tmp_path / "client-key.pem", "version", "--format", "{{.Server.Os}}"], env=environment, capture_output=True, text=True, timeout=20)
        assert done.stdout.strip() == "linux", done.stderr
        context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", 18402)), server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n")
                if not connection.recv(100):
                    raise ConnectionError("closed")


def fill(path):
    """Writes zeros until the disk is full."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, private_engine):
        """An engine whose data root is a small file system of its own."""
        os.mkdir(private_engine.data_root)
        isolation.mount("tmpfs", private_engine.data_root, "tmpfs", 0, "size=24m")
        yield private_engine
        private_engine.destroy()

    def test_load_fails_with_words_and_leaves_no_rest(self, small_disk):
        small_disk.start()
        http = Http(small_disk.socket, timeout=60)
        data = images.layer(lambda tar: images.add_file(tar, "big", os.urandom(40 << 20)))
        answer = http.post("/images/load?quiet=1", images.archive([(["big:1"], images.configuration([data]), [data])]), [("Content-Type", "application/x-tar")])
        assert "no space left on device" in answer.text.lower(), answer
        assert http.get("/_ping").status == 200 and http.get("/images/json").json() == []
        wait_until(lambda: os.statvfs(small_disk.data_root).f_bavail * 4096 > 16 << 20, 10, "the space to come back")
        small_disk.load()
        container = http.post("/containers/create", {"Image": "busybox", "Cmd": ["true"]}).json()["Id"]
        assert http.post(f"/containers/{container}/start").status == 204

    def test_full_while_containers_run(self, small_disk):
        small_disk.start()
        small_disk.load()
        http = Http(small_disk.socket, timeout=60)

        def create(*command):
            return http.post("/containers/create", {"Image": "busybox", "Cmd": list(command), "HostConfig": {"NetworkMode": "none"}})

        talker = create("sh", "-c", "while :; do echo a line that goes into the log; sleep 0.02; done").json()["Id"]
        assert http.post(f"/containers/{talker}/start").status == 204
        filler = small_disk.data_root + "/filler"
        fill(filler)
        time.sleep(0.3)
        # created or refused with words; never a hang or a dead daemon
        answer = create("true")
        assert answer.status == 201 or "no space left" in answer.text.lower() or "full" in answer.text.lower(), answer
        if answer.status == 201:
            started = http.post(f"/containers/{answer.json()['Id']}/start")
            assert started.status == 204 or "no space left" in started.text.lower() or "full" in started.text.lower(), started
        assert http.get(f"/containers/{talker}/json").json()["State"]["Running"]
        assert small_disk.alive()
        os.unlink(filler)
        assert http.post(f"/containers/{talker}/stop?t=0").status == 204
        again = create("true")
        assert again.status == 201
        assert http.post(f"/containers/{again.json()['Id']}/start").status == 204
        assert http.post(f"/containers/{again.json()['Id']}/wait").json()["StatusCode"] == 0
        for container in http.get("/containers/json?all=1").json():
            assert http.delete(f"/containers/{container['Id']}?force=1").status == 204

    def test_boots_on_a_full_disk(self, small_disk):
        small_disk.start()
        small_disk.load()
        assert small_disk.stop() == 0
        fill(small_disk.data_root + "/filler")
        process = small_disk.spawn()
        time.sleep(1)
        if process.poll() is not None:
            assert "no space left" in small_disk.log_tail().lower() or "full" in small_disk.log_tail().lower(), small_disk.log_tail()
            small_disk.process = None
        else:
            assert Http(small_disk.socket).get("/images/json").status == 200
            small_disk.stop()
        os.unlink(small_disk.data_root + "/filler")
        small_disk.start()
        assert len(Http(small_disk.socket).get("/images/json").json()) >= 4
