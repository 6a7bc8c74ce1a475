"""Logging drivers: what arrives at servers of our own, and what `logs` reads whatever the driver is."""
import gzip
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import zlib

import pytest

from conftest import Api
from support.waiting import wait_until


class Server:
    """Collects what comes."""

    def __init__(self, kind, address=("127.0.0.1", 0), tls=None, answer=None):
        self.tls, self.answer = tls, answer
        self.datagram = kind in ("udp", "unixgram")
        self.socket = socket.socket(socket.AF_UNIX if kind.startswith("unix") else socket.AF_INET, socket.SOCK_DGRAM if self.datagram else socket.SOCK_STREAM)
        if not kind.startswith("unix"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(address)
        self.port = self.socket.getsockname()[1] if not kind.startswith("unix") else None
        self.received, self.connections = [], []
        if not self.datagram:
            self.socket.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            if self.datagram:
                while data := self.socket.recv(65536):
                    self.received.append(data)
            while True:
                connection = self.socket.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self.read, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def read(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                self.connections.append(connection)
            while data := connection.recv(65536):
                self.received.append(data)
                if self.answer:
                    connection.sendall(self.answer(data))
        except OSError:
            pass

    def data(self):
        return b"".join(self.received)

    def wait_for(self, wanted, timeout=10):
        return wait_until(lambda: wanted in self.data() and self.data(), timeout, wanted)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError:
            pass
        self.socket.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()


@pytest.fixture
def server():
    servers = []

    def begin(*arguments, **options):
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield begin
    for one in servers:
        one.close()


def log_config(driver, **options):
    return {"LogConfig": {"Type": driver, "Config": {name.replace("_", "-"): value for name, value in options.items()}}}


BOTH = ("sh", "-c", "echo to out; echo to err >&2; sleep 0.1")


@pytest.mark.parametrize("form, pattern", [("", rb"<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ([0-9a-f]{12})\[\d+\]: to out\n"),
                                           ("rfc3164", rb"<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ ([0-9a-f]{12})\[\d+\]: to out\n"),
                                           ("rfc5424", rb"<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d) \S+ [0-9a-f]{12} \d+ [0-9a-f]{12} - to out\n"),
                                           ("rfc5424micro", rb"<30>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d) \S+ [0-9a-f]{12} \d+ [0-9a-f]{12} - to out\n")])
def test_syslog_formats(api, server, form, pattern):
    sink = server("tcp")
    options = {"syslog_address": f"tcp://127.0.0.1:{sink.port}", **({"syslog_format": form} if form else {})}
    api.run(*BOTH, host=log_config("syslog", **options))
    data = sink.wait_for(b"to err") and sink.wait_for(b"to out")
    assert re.search(pattern, data), data
    assert b"<27>" in data


def test_syslog_over_udp_with_facility_and_tag(api, server, name):
    sink = server("udp")
    container = api.run(*BOTH, name=name, host=log_config("syslog", syslog_address=f"udp://127.0.0.1:{sink.port}", syslog_facility="local3", tag="{{.Name}}/{{.ImageName}}"))
    data = sink.wait_for(b"to out")
    assert f"{name}/busybox[".encode() in data and b"<158>" in data
    api.wait(container)
    wait_until(lambda: api.logs(container) == ("to out\n", "to err\n"), 5, "the local copy")


def test_syslog_over_a_unix_socket(api, server, tmp_path):
    sink = server("unixgram", str(tmp_path / "log"))
    api.run(*BOTH, host=log_config("syslog", syslog_address=f"unixgram://{tmp_path}/log"))
    sink.wait_for(b"to out")


def test_a_server_that_is_not_there_fails_the_start(api):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    container = api.create("true", host=log_config("syslog", syslog_address=f"tcp://127.0.0.1:{port}"))
    answer = api.post(f"/containers/{container}/start")
    assert answer.status == 500 and "failed to initialize logging driver" in answer.message and "connection refused" in answer.message


@pytest.fixture
def certificates(tmp_path):
    """A CA's certificate, and a server's and a client's certificate and key that it signed: {name: path}."""
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=tmp_path)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=test-ca", "-keyout", "ca.key", "-out", "ca.pem")
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for one in ("server", "client"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={one}", "-keyout", f"{one}.key", "-out", f"{one}.csr")
        openssl("x509", "-req", "-in", f"{one}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{one}.pem")
    return {file: str(tmp_path / file) for file in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key")}


def tls_server(certificates, client_too=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates["server.pem"], certificates["server.key"])
    if client_too:
        context.load_verify_locations(certificates["ca.pem"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class TestTls:
    def test_syslog(self, api, server, certificates):
        sink = server("tcp", tls=tls_server(certificates))
        options = {"syslog_address": f"tcp+tls://127.0.0.1:{sink.port}", "syslog_tls_ca_cert": certificates["ca.pem"], "syslog_format": "rfc5424"}
        api.run(*BOTH, host=log_config("syslog", **options))
        data = sink.wait_for(b"to err") and sink.wait_for(b"to out")
        counted = re.search(rb"(\d+) (<30>1 [^\n]* - to out\n)", data)
        assert counted and int(counted.group(1)) == len(counted.group(2)), data

    def test_syslog_with_a_client_certificate(self, api, server, certificates):
        sink = server("tcp", tls=tls_server(certificates, client_too=True))
        api.run(*BOTH, host=log_config("syslog", syslog_address=f"tcp+tls://127.0.0.1:{sink.port}", syslog_tls_ca_cert=certificates["ca.pem"], syslog_tls_cert=certificates["client.pem"],
                                       syslog_tls_key=certificates["client.key"]))
        assert b"to out" in sink.wait_for(b"to out")

    def test_a_server_that_nobody_vouches_for(self, api, server, certificates):
        sink = server("tcp", tls=tls_server(certificates))
        address = f"tcp+tls://127.0.0.1:{sink.port}"
        container = api.create("true", host=log_config("syslog", syslog_address=address))
        refused = api.post(f"/containers/{container}/start")
        assert refused.status == 500 and "failed to initialize logging driver" in refused.message and "certificate" in refused.message
        api.run(*BOTH, host=log_config("syslog", syslog_address=address, syslog_tls_skip_verify="true"))
        assert b"to out" in sink.wait_for(b"to out")

    @pytest.mark.parametrize("options, words", [({"syslog_address": "tcp://127.0.0.1:1", "syslog_tls_ca_cert": "/ca.pem"}, "syslog-tls-ca-cert needs a syslog-address tcp+tls://"),
                                                ({"syslog_address": "tcp+tls://127.0.0.1:1", "syslog_tls_cert": "/c.pem"}, "only good together")])
    @pytest.mark.proa  # Docker leaves them unread
    def test_options_without_a_meaning(self, api, options, words):
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": log_config("syslog", **options)})
        assert answer.status == 400 and words in answer.message

    def test_fluentd(self, private_engine, server, certificates, name):
        private_engine.environment["SSL_CERT_FILE"] = certificates["ca.pem"]  # the driver trusts whom the system trusts
        private_engine.start()
        private_engine.load()
        sink = server("tcp", tls=tls_server(certificates))
        Api(private_engine).run(*BOTH, name=name, host=log_config("fluentd", fluentd_address=f"tls://127.0.0.1:{sink.port}"))
        assert b"container_name" in sink.wait_for(b"to out")


def test_gelf_by_zlib(api, server):
    sink = server("udp")
    api.run(*BOTH, host=log_config("gelf", gelf_address=f"udp://127.0.0.1:{sink.port}", gelf_compression_type="zlib"))
    wait_until(lambda: len(sink.received) >= 2, 10, "two messages")
    assert {json.loads(zlib.decompress(data))["short_message"] for data in sink.received} == {"to out", "to err"}


def test_gelf(api, server, name):
    sink = server("udp")
    api.run(*BOTH, name=name, Labels={"color": "red"}, Env=["SHAPE=round"], host=log_config("gelf", gelf_address=f"udp://127.0.0.1:{sink.port}", labels="color", env="SHAPE"))
    wait_until(lambda: len(sink.received) >= 2, 10, "two messages")
    messages = [json.loads(gzip.decompress(data)) for data in sink.received]
    out = next(message for message in messages if message["short_message"] == "to out")
    assert out["version"] == "1.1" and out["level"] == 6 and out["_container_name"] == name and out["_color"] == "red" and out["_SHAPE"] == "round" and out["_image_name"] == "busybox"
    assert abs(out["timestamp"] - time.time()) < 60 and next(message for message in messages if message["short_message"] == "to err")["level"] == 3


def test_gelf_in_chunks_and_over_tcp(api, server):
    sink = server("udp")
    api.run("sh", "-c", "head -c 9000 /dev/urandom | od -An -tx1 | tr -d ' \\n'; echo; sleep 0.1", host=log_config("gelf", gelf_address=f"udp://127.0.0.1:{sink.port}", gelf_compression_type="none"))
    wait_until(lambda: sink.received and sink.received[0][:2] == b"\x1e\x0f" and len([d for d in sink.received if d[2:10] == sink.received[0][2:10]]) == sink.received[0][11], 10, "all chunks")
    first = sink.received[0]
    parts = sorted((data for data in sink.received if data[2:10] == first[2:10]), key=lambda data: data[10])
    assert len(json.loads(b"".join(data[12:] for data in parts))["short_message"]) == 16384
    stream = server("tcp")
    api.run(*BOTH, host=log_config("gelf", gelf_address=f"tcp://127.0.0.1:{stream.port}"))
    data = stream.wait_for(b"to err") and stream.wait_for(b"to out")
    assert json.loads(data.split(b"\0")[0])["version"] == "1.1"


def unpack_fluentd(data):
    """MessagePack as fluentd's forward protocol uses it: one value off the front."""
    head = data[0]
    if head == 0x93:
        values, rest = [], data[1:]
        for _ in range(3):
            value, rest = unpack_fluentd(rest)
            values.append(value)
        return values, rest
    if 0xA0 <= head < 0xC0:
        return data[1:1 + head - 0xA0].decode(), data[1 + head - 0xA0:]
    if head == 0xD9:
        return data[2:2 + data[1]].decode(), data[2 + data[1]:]
    if head == 0xCE:
        return struct.unpack(">I", data[1:5])[0], data[5:]
    if head == 0xD7:
        return struct.unpack(">II", data[2:10]), data[10:]
    assert head == 0xDE, data[:20]
    values, rest = {}, data[3:]
    for _ in range(struct.unpack(">H", data[1:3])[0]):
        key, rest = unpack_fluentd(rest)
        values[key], rest = unpack_fluentd(rest)
    return values, rest


def chunk_of(data):
    return re.search(rb"\xa5chunk(?:\xd9 |\xb8|\xa0)?([0-9A-Za-z+/=]{16,44})", data).group(1)


def test_fluentd_waits_for_acknowledgements(api, server):
    """A message that nobody acknowledged is sent once more."""
    silent, loud = [], []

    def answer(data):
        if not silent:
            silent.append(data)
            raise OSError("this server dies before it has written anything")
        loud.append(data)
        return b"".join(b"\x81\xa3ack\xd9 " + chunk for chunk in re.findall(rb"\xa5chunk\xd9 ([0-9a-f]{32})", data)) or b"\x81\xa3ack\xd9" + bytes([len(chunk_of(data))]) + chunk_of(data)

    sink = server("tcp", answer=answer)
    original = sink.read

    def read(connection):
        original(connection)
        connection.close()

    sink.read = read
    api.run("sh", "-c", "echo kept; sleep 0.2", host=log_config("fluentd", fluentd_address=f"127.0.0.1:{sink.port}", fluentd_request_ack="true"))
    wait_until(lambda: any(b"kept" in data for data in loud), 20, "the message once more")
    assert b"kept" in silent[0]


@pytest.mark.proa  # Docker packs in other, equal forms
@pytest.mark.parametrize("precise", [False, True])
def test_fluentd(api, server, name, precise):
    sink = server("tcp")
    options = {"fluentd_sub_second_precision": "true"} if precise else {}
    container = api.run(*BOTH, name=name, host=log_config("fluentd", fluentd_address=f"127.0.0.1:{sink.port}", tag="docker.{{.Name}}", **options))
    data = sink.wait_for(b"to err") and sink.wait_for(b"to out")
    events = []
    while data:
        event, data = unpack_fluentd(data)
        events.append(event)
    tag, when, record = next(event for event in events if event[2]["log"] == "to out")
    assert tag == f"docker.{name}" and record["source"] == "stdout" and record["container_id"] == container and record["container_name"] == "/" + name
    assert abs((when[0] if precise else when) - time.time()) < 60


def test_fluentd_may_connect_later(api, server):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    container = api.run("sh", "-c", "echo early; sleep 100", host=log_config("fluentd", fluentd_address=f"127.0.0.1:{port}", fluentd_async="true"))
    time.sleep(0.3)
    sink = server("tcp", ("127.0.0.1", port))
    sink.wait_for(b"early")
    assert api.state(container)["Running"]


@pytest.mark.proa
def test_a_server_that_comes_back_gets_everything(api, server):
    sink = server("tcp")
    container = api.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo line-$i; sleep 0.3; done", host=log_config("syslog", syslog_address=f"tcp://127.0.0.1:{sink.port}"))
    sink.wait_for(b"line-2")
    sink.close()
    time.sleep(0.5)
    again = server("tcp", ("127.0.0.1", sink.port))
    again.wait_for(b"line-8", 15)
    seen = {int(number) for number in re.findall(rb"line-(\d)", sink.data() + again.data())}
    assert {1, 2, 5, 6, 7, 8} <= seen
    api.wait(container)


@pytest.mark.proa
def test_what_was_logged_without_the_daemon_is_sent_by_the_next(private_engine, server):
    from conftest import Api
    private_engine.start()
    private_engine.load()
    api = Api(private_engine)
    sink = server("tcp")
    container = api.run("sh", "-c", "i=0; while :; do i=$((i+1)); echo number-$i.; sleep 0.1; done", host=log_config("syslog", syslog_address=f"tcp://127.0.0.1:{sink.port}"))
    sink.wait_for(b"number-3.")
    private_engine.kill()
    time.sleep(1)
    private_engine.start()
    last = api.logs(container)[0].split()[-1]
    sink.wait_for(last.encode())
    numbers = [int(number) for number in re.findall(rb"number-(\d+)\.", sink.data())]
    assert set(range(1, max(numbers) + 1)) == set(numbers)


def test_local(api, docker, name):
    container = api.run("sh", "-c", "seq 1 2000", name=name, host=log_config("local", max_size="10k", max_file="3"))
    api.wait(container)
    assert api.inspect(container)["LogPath"] == ""
    lines = wait_until(lambda: api.logs(container)[0].split(), 5, "lines")
    assert lines[-1] == "2000"
    assert docker.output("logs", "--tail", "2", name) == "1999\n2000"


@pytest.mark.proa
def test_a_log_is_bounded_without_a_word(api, engine):
    container = api.run("sh", "-c", "yes 0123456789012345678901234567890123456789 | head -c 60000000")
    api.wait(container, "not-running")
    import glob
    sizes = [os.path.getsize(path) for path in glob.glob(f"{engine.data_root}/containers/{container}/*-json.log*")]
    assert len(sizes) == 5 and sum(sizes) < 106 << 20


@pytest.mark.parametrize("driver, options, words", [
    ("syslog", {"zz": "1"}, "unknown log opt 'zz' for syslog log driver"),
    ("nonsense", {}, 'plugin "nonsense" not found'),
    ("json-file", {"max-file": "0"}, "max-file cannot be less than 1"),
    ("json-file", {"mode": "sideways"}, "logging mode not supported: sideways"),
    ("json-file", {"max-buffer-size": "1m"}, "max-buffer-size option is only supported with 'mode=non-blocking'"),
    ("gelf", {}, "gelf-address is a required parameter"),
    ("gelf", {"gelf-address": "http://x"}, "gelf-address should be in form proto://address, got http://x"),
    ("syslog", {"syslog-format": "x"}, "yslog format"),
    ("syslog", {"syslog-address": "ftp://x"}, "syslog-address should be in form proto://address, got ftp://x")])
def test_bad_options_are_named(api, driver, options, words):
    answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"LogConfig": {"Type": driver, "Config": options}}})
    refused = answer if answer.status != 201 else api.post(f"/containers/{answer.json()['Id']}/start")
    assert refused.status >= 400 and words in refused.message


@pytest.mark.proa
def test_reading_can_be_switched_off(api, server):
    sink = server("tcp")
    container = api.run(*BOTH, host=log_config("syslog", syslog_address=f"tcp://127.0.0.1:{sink.port}", cache_disabled="true"))
    sink.wait_for(b"to out")
    answer = api.get(f"/containers/{container}/logs?stdout=1")
    assert answer.status == 501 and answer.message == "configured logging driver does not support reading"


def test_json_file_attributes(api):
    container = api.run(*BOTH, Labels={"app.one": "1", "app.two": "2", "other": "3"}, host=log_config("json-file", **{"labels_regex": "^app", "tag": "{{.ImageName}}", "mode": "non-blocking", "max_buffer_size": "1m"}))
    api.wait(container)
    line = api.get(f"/containers/{container}/logs?stdout=1&details=1").body
    assert b"app.one=1,app.two=2" in line and b"tag=busybox" in line and b"other" not in line


@pytest.mark.proa
def test_fluentd_gives_up_after_its_retries(api, server):
    """The message that was tried often enough is left out; those after it arrive."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"fluentd_async": "true", "fluentd_retry_wait": "100ms", "fluentd_max_retries": "2", "fluentd_write_timeout": "2s", "fluentd_async_reconnect_interval": "100ms"}
    container = api.run("sh", "-c", "echo too-early; while ! test -e /go; do sleep 0.1; done; echo later; sleep 100", host=log_config("fluentd", fluentd_address=f"127.0.0.1:{port}", **options))
    wait_until(lambda: "2 retries have failed" in api.engine.log_tail(20000), 15, "the end of the retries")
    sink = server("tcp", ("127.0.0.1", port))
    api.execute(container, "touch", "/go")
    assert b"too-early" not in sink.wait_for(b"later")
    assert api.logs(container)[0] == "too-early\nlater\n"


@pytest.mark.proa
@pytest.mark.parametrize("driver, options, text", [
    ("fluentd", {"fluentd_retry_wait": "soon"}, 'invalid value for "fluentd-retry-wait": "soon"'),
    ("fluentd", {"fluentd_write_timeout": "-1s"}, 'invalid value for "fluentd-write-timeout": "-1s"'),
    ("fluentd", {"fluentd_max_retries": "-1"}, 'invalid value for "fluentd-max-retries": "-1"'),
    ("fluentd", {"fluentd_buffer_limit": "much"}, 'invalid value for "fluentd-buffer-limit": "much"'),
    ("fluentd", {"fluentd_async_reconnect_interval": "1m"}, 'invalid value for "fluentd-async-reconnect-interval": it must be between 100ms and 10s'),
    ("gelf", {"gelf_address": "udp://127.0.0.1:1", "gelf_tcp_max_reconnect": "1"}, '"gelf-tcp-max-reconnect" is only valid for TCP'),
    ("gelf", {"gelf_address": "tcp://127.0.0.1:1", "gelf_tcp_reconnect_delay": "x"}, '"gelf-tcp-reconnect-delay" must be a positive integer'),
])
def test_bad_values_of_retry_options(api, driver, options, text):
    answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": log_config(driver, **options)})
    assert answer.status == 400 and answer.json()["message"] == text, answer


@pytest.mark.proa
def test_a_buffer_limit_has_nothing_to_limit(api):
    answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": log_config("fluentd", fluentd_async="true", fluentd_buffer_limit="1m")})
    assert answer.status == 201 and any("fluentd-buffer-limit has no effect" in warning for warning in answer.json()["Warnings"])
