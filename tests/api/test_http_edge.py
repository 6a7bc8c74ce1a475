"""The wire below the API: framing, limits, broken and hostile clients, byte for byte.

PROA_TEST_SOCKET     path of the socket of an engine that runs already; otherwise the session's engine is used
PROA_TEST_REFERENCE  set when that engine is a real dockerd: tests marked `proa` (where Proa is stricter) are skipped
"""
import json
import os
import random
import socket
import time

import pytest

CLOSE = b"Connection: close\r\n"


@pytest.fixture
def path(request):
    given = os.environ.get("PROA_TEST_SOCKET")
    engine = None if given else request.getfixturevalue("engine")
    reference = bool(os.environ.get("PROA_TEST_REFERENCE")) if given else engine.kind == "docker"
    if reference and request.node.get_closest_marker("proa"):
        pytest.skip("Proa is stricter here than Docker")
    return given or engine.socket


class Wire:
    """One raw connection; replies are parsed by their own framing, so leftovers show."""

    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *pieces):
        for piece in pieces:
            self.socket.sendall(piece)

    def try_send(self, data):
        """The server may answer and close before it took everything."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def fill(self):
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        self.buffer += piece
        return bool(piece)

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                raise EOFError(f"no whole head: {self.buffer!r}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}
        return int(status.split(" ")[1]), status, headers

    def exact(self, count):
        while len(self.buffer) < count:
            if not self.fill():
                raise EOFError(f"{len(self.buffer)} of {count} bytes")
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def rest(self):
        """Everything until the server closes."""
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def reply(self, to_head=False):
        """(status, headers, body) of one reply."""
        status, _, headers = self.head()
        if to_head or status in (100, 204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                line = b""
                while not line.endswith(b"\r\n"):
                    line += self.exact(1)
                size = int(line, 16)
                body += self.exact(size)
                assert self.exact(2) == b"\r\n"
                if size == 0:
                    return status, headers, body
        if "content-length" in headers:
            return status, headers, self.exact(int(headers["content-length"]))
        return status, headers, self.rest()


def head(method, target, *lines, version="1.1", host=True):
    fields = ([b"Host: d"] if host else []) + [line if isinstance(line, bytes) else line.encode() for line in lines]
    return f"{method} {target} HTTP/{version}\r\n".encode() + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def post(target, body, content_type="application/json"):
    lines = [f"Content-Length: {len(body)}"] + ([f"Content-Type: {content_type}"] if content_type is not None else [])
    return head("POST", target, *lines) + body


def ask(path, data):
    with Wire(path) as wire:
        wire.try_send(data)
        return wire.reply()


def message(body):
    assert body.endswith(b"}\n")
    return json.loads(body)["message"]


def assert_alive(path):
    status, _, body = ask(path, head("GET", "/_ping"))
    assert (status, body) == (200, b"OK")


# -- heads

@pytest.mark.parametrize("request_bytes, status", [
    (head("GET", "/_ping", host=False), 400),
    (head("GET", "/_ping", "Host: e"), 400),
    (head("GET", "/_ping", "Host: a b", host=False), 400),
    (b"GET  /_ping HTTP/1.1\r\nHost: d\r\n\r\n", 400),
    (b"GET /a b HTTP/1.1\r\nHost: d\r\n\r\n", 400),
    (b"GET _ping HTTP/1.1\r\nHost: d\r\n\r\n", 400),
    (b"GET /%zz HTTP/1.1\r\nHost: d\r\n\r\n", 400),
    (b"hello there\r\n\r\n", 400),
    (b"\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", 400),
    (b"GET /_ping HTTP/1.x\r\nHost: d\r\n\r\n", 400),
    (b"GET /_ping HTTP/2.0\r\nHost: d\r\n\r\n", 505),
    (head("GET", "/_ping", b"X: a\x00b"), 400),
    (b"GET /_ping HTTP/1.1\r\nHost : d\r\n\r\n", 400),
    (head("GET", "/_ping", "no colon here"), 400),
    (head("GET", "/_ping", "Expect: magic"), 417),
], ids=lambda value: str(value)[:45])
def test_malformed_head_is_refused_and_the_connection_ends(path, request_bytes, status):
    with Wire(path) as wire:
        wire.send(request_bytes)
        code, _, headers = wire.head()
        assert code == status
        assert headers["connection"] == "close"
        assert b"HTTP/1.1" not in wire.rest()


@pytest.mark.parametrize("lines", [
    ["Content-Length: 2", "Content-Length: 3"],
    ["Content-Length: -1"],
    ["Content-Length: +2"],
    ["Content-Length: 0x2"],
    ["Content-Length: 2, 3"],
    ["Content-Length: 99999999999999999999"],
    ["Transfer-Encoding: gzip"],
    ["Transfer-Encoding: gzip, chunked"],
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    pytest.param(["Content-Length: 4", "Transfer-Encoding: chunked"], marks=pytest.mark.proa),
    pytest.param(["Transfer-Encoding: chunked", "Content-Length: 4"], marks=pytest.mark.proa),
    pytest.param(["Content-Length: 2", "Content-Length: 2"], marks=pytest.mark.proa),
], ids=str)
def test_ambiguous_framing_never_lets_a_second_request_through(path, lines):
    with Wire(path) as wire:
        wire.send(head("POST", "/containers/create", *lines) + b"{}" + head("GET", "/_ping"))
        status, _, _ = wire.head()
        assert status in (400, 501)
        assert b"HTTP/1.1 200" not in wire.rest()
    assert_alive(path)


@pytest.mark.proa
@pytest.mark.parametrize("request_bytes", [b"GET /_ping HTTP/1.1\nHost: d\n\n", b"GET /_ping HTTP/1.1\r\nHost: d\nX: y\r\n\r\n",
                                           b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_bare_line_feeds_and_tls_hellos_are_refused_at_once(path, request_bytes):
    with Wire(path, timeout=3) as wire:
        wire.send(request_bytes)
        assert wire.head()[0] == 400


def test_large_heads(path):
    status, _, _ = ask(path, head("GET", "/_ping", "X-Registry-Config: " + "a" * 900_000))
    assert status == 200
    status, _, _ = ask(path, head("GET", "/containers/json?filters=" + "%20" * 100_000 + "{}"))
    assert status == 200
    with Wire(path) as wire:
        wire.try_send(head("GET", "/_ping", "X: " + "a" * (2 << 20)))
        assert wire.head()[0] == 431
    with Wire(path) as wire:
        wire.try_send(head("GET", "/_ping", *[f"X-{i}: {'v' * 100}" for i in range(20_000)]))
        assert wire.head()[0] == 431


def test_head_in_single_bytes(path):
    with Wire(path) as wire:
        for byte in head("GET", "/_ping"):
            wire.send(bytes([byte]))
            time.sleep(0.002)
        assert wire.reply()[2] == b"OK"


def test_half_sent_heads_do_not_stop_others(path):
    wires = [Wire(path) for _ in range(100)]
    try:
        for wire in wires:
            wire.send(b"GET /_ping HT")
        started = time.monotonic()
        for _ in range(20):
            assert_alive(path)
        assert time.monotonic() - started < 5
        for wire in wires:
            wire.send(b"TP/1.1\r\nHost: d\r\n\r\n")
        for wire in wires:
            assert wire.reply()[2] == b"OK"
    finally:
        for wire in wires:
            wire.socket.close()


# -- connections

def test_keep_alive_and_pipelining(path):
    with Wire(path) as wire:
        wire.send(head("GET", "/_ping") + head("HEAD", "/_ping") + head("GET", "/nope") + post("/containers/create", b"{") +
                  head("GET", "/_ping", "Connection: close"))
        assert wire.reply()[2] == b"OK"
        assert wire.reply(to_head=True)[0] == 200
        assert wire.reply()[0] == 404
        assert wire.reply()[0] == 400
        status, headers, body = wire.reply()
        assert (status, body, headers["connection"]) == (200, b"OK", "close")
        assert wire.rest() == b""


def test_half_close_still_gets_its_answer(path):
    with Wire(path) as wire:
        wire.send(head("GET", "/_ping"))
        wire.half_close()
        assert wire.reply()[2] == b"OK"
        assert wire.rest() == b""


def test_http_1_0(path):
    with Wire(path) as wire:
        wire.send(head("GET", "/_ping", version="1.0", host=False))
        status, line, headers = wire.head()
        assert line == "HTTP/1.0 200 OK"
        assert "transfer-encoding" not in headers
        assert wire.rest() == b"OK"
    with Wire(path) as wire:
        for _ in range(2):
            wire.send(head("GET", "/_ping", "Connection: keep-alive", version="1.0", host=False))
            status, headers, body = wire.reply()
            assert (body, headers["connection"]) == (b"OK", "keep-alive")


def test_head_has_no_body_and_bodiless_answers_no_length(path):
    with Wire(path) as wire:
        wire.send(head("HEAD", "/_ping"), head("HEAD", "/info"), head("GET", "/_ping"))
        assert wire.reply(to_head=True)[0] == 200
        assert wire.reply(to_head=True)[0] == 404
        assert wire.reply()[2] == b"OK"


def test_unread_body_is_skipped_or_ends_the_connection(path):
    with Wire(path) as wire:
        wire.send(head("POST", "/nope", "Content-Length: 5") + b"hello" + head("GET", "/_ping"))
        assert wire.reply()[0] == 404
        assert wire.reply()[2] == b"OK"
        wire.send(head("POST", "/nope", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n" + head("GET", "/_ping"))
        assert wire.reply()[0] == 404
        assert wire.reply()[2] == b"OK"
    with Wire(path) as wire:
        wire.try_send(head("POST", "/nope", "Content-Length: 5000000") + b"x" * 5_000_000)
        status, _, headers = wire.head()
        assert (status, headers["connection"]) == (404, "close")


# -- bodies

def test_100_continue(path):
    with Wire(path) as wire:
        wire.send(head("POST", "/containers/create", "Content-Type: application/json", "Content-Length: 2", "Expect: 100-continue"))
        assert wire.head()[:2] == (100, "HTTP/1.1 100 Continue")
        wire.send(b"{}")
        assert wire.reply()[0] == 400
        wire.send(head("GET", "/_ping"))
        assert wire.reply()[2] == b"OK"
    with Wire(path) as wire:
        wire.send(head("POST", "/containers/create", "Content-Type: text/plain", "Content-Length: 2", "Expect: 100-continue"))
        status, headers, body = wire.reply()
        assert (status, headers["connection"]) == (400, "close")
        assert message(body) == "unsupported Content-Type header (text/plain): must be 'application/json'"


@pytest.mark.parametrize("cut", [1, 3, 1000])
def test_chunked_bodies_of_any_cut(path, cut):
    whole = (head("POST", "/containers/create", "Content-Type: application/json", "Transfer-Encoding: chunked") +
             b"1\r\n{\r\n2;ext=1\r\n}x\r\n0\r\nTrailer: t\r\n\r\n")
    with Wire(path) as wire:
        for at in range(0, len(whole), cut):
            wire.send(whole[at:at + cut])
        status, _, body = wire.reply()
        assert (status, message(body)) == (400, "unexpected content after JSON")
        wire.send(head("GET", "/_ping"))
        assert wire.reply()[2] == b"OK"


def test_last_chunk_in_a_packet_of_its_own(path):
    with Wire(path) as wire:
        for piece in (head("POST", "/containers/create", "Content-Type: application/json", "Transfer-Encoding: chunked"), b"0\r\n", b"\r\n"):
            wire.send(piece)
            time.sleep(0.05)
        status, _, body = wire.reply()
        assert (status, message(body)) == (400, "invalid JSON: got EOF while reading request body")


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\n{}\r\n", b"5\r\n{}\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n{}"])
def test_broken_chunks_end_the_connection(path, chunks):
    with Wire(path) as wire:
        wire.send(head("POST", "/containers/create", "Content-Type: application/json", "Transfer-Encoding: chunked") + chunks)
        wire.half_close()
        status, _, _ = wire.reply()
        assert status == 400
        assert wire.rest() == b""
    assert_alive(path)


@pytest.mark.parametrize("body, content_type, text", [
    (b"{}", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'"),
    (b"{}", "text", "unsupported Content-Type header (text): must be 'application/json'"),
    (b"{}", None, "malformed Content-Type header (): mime: no media type"),
    (b"{}", "a/b/c", "malformed Content-Type header (a/b/c): mime: unexpected content after media subtype"),
    (b"{}", "application/json; x", "malformed Content-Type header (application/json; x): mime: invalid media parameter"),
    (b"{}{}", "application/json", "unexpected content after JSON"),
    (b'{"Image":"x"} x', "application/json", "unexpected content after JSON"),
    (b'{"a":', "application/json", "invalid JSON: unexpected EOF"),
    (b"{bad", "application/json", "invalid JSON: invalid character 'b' looking for beginning of object key string"),
    (b"", "application/json", "invalid JSON: got EOF while reading request body"),
    (b"", None, "invalid JSON: got EOF while reading request body"),
    (b"  \n", "application/json", "invalid JSON: got EOF while reading request body"),
    (b"null", "application/json", "config cannot be empty in order to create a container"),
    (b"{}", "application/json; charset=utf-8", "config cannot be empty in order to create a container"),
    (b"{}", "Application/JSON;", "config cannot be empty in order to create a container"),
], ids=str)
def test_json_bodies(path, body, content_type, text):
    status, headers, answer = ask(path, post("/containers/create", body, content_type))
    assert (status, message(answer)) == (400, text)
    assert headers["content-type"] == "application/json"


def test_body_cut_by_a_half_close(path):
    with Wire(path) as wire:
        wire.send(head("POST", "/containers/create", "Content-Type: application/json", "Content-Length: 50") + b'{"Image":')
        wire.half_close()
        status, _, body = wire.reply()
        assert (status, message(body)) == (400, "invalid JSON: unexpected EOF")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"Image":"' + b"x" * 20_000_000 + b'"}', b'"' + b"\\ud800" * 10_000,
                                  b"1" * 1_000_000, b"\x00" * 1000, b"\xff\xfe" * 1000])
def test_monstrous_bodies_are_errors_and_nothing_more(path, body):
    status, _, answer = ask(path, post("/containers/create", body))
    assert status in (400, 404)
    assert message(answer)
    assert_alive(path)


# -- paths

@pytest.mark.parametrize("target, location", [
    ("//containers/json?a=b", "/containers/json?a=b"),
    ("/containers/./json", "/containers/json"),
    ("/x/../containers/json", "/containers/json"),
    ("/images/a%2F%2Fb%20c/json", "/images/a/b%20c/json"),
])
def test_unclean_paths_are_redirected(path, target, location):
    status, headers, body = ask(path, head("GET", target))
    assert (status, headers["location"], body) == (301, location, b"")
    assert "api-version" not in headers


def test_target_forms_and_methods(path):
    assert ask(path, head("GET", "http://docker/_ping"))[2] == b"OK"
    for target in ("/nope", "/containers/json", "*"):
        assert ask(path, head("OPTIONS", target))[0] == 200
    for method, target in (("BREW", "/_ping"), ("POST", "/_ping"), ("GET", "/info/"), ("PATCH", "/info")):
        status, _, body = ask(path, head(method, target))
        assert (status, message(body)) == (404, "page not found")
    assert message(ask(path, head("GET", "/containers/a%20b%2Fc/json"))[2]) == "No such container: a b/c"
    assert message(ask(path, head("GET", "/containers/json?all=%zz"))[2]) == 'invalid URL escape "%zz"'
    assert message(ask(path, head("GET", "/containers/json?all=1;b=2"))[2]) == "invalid semicolon separator in query"


# -- clients that misbehave

def test_clients_that_leave_at_any_point(path):
    whole = post("/containers/create", json.dumps({"Image": "nope", "Cmd": ["x"] * 100}).encode()) + head("GET", "/_ping")
    for at in range(0, len(whole), 23):
        with Wire(path) as wire:
            wire.send(whole[:at])
    for _ in range(50):
        with Wire(path) as wire:
            wire.send(head("GET", "/events"))
            assert wire.head()[2]["transfer-encoding"] == "chunked"
    assert_alive(path)


def test_streams_send_their_head_at_once(path):
    with Wire(path, timeout=3) as wire:
        wire.send(head("GET", "/events"))
        status, _, headers = wire.head()
        assert status == 200 and headers["content-type"].startswith("application/json")  # jsonl from API 1.52 on
        wire.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            wire.fill()


def test_many_idle_connections(path):
    wires = [Wire(path) for _ in range(300)]
    try:
        for _ in range(2):
            for wire in wires:
                wire.send(head("GET", "/_ping"))
            for wire in wires:
                assert wire.reply()[2] == b"OK"
            time.sleep(0.1)
    finally:
        for wire in wires:
            wire.socket.close()


def test_random_bytes_are_survived(path):
    chance = random.Random(7)
    seed = post("/containers/create", b'{"Image":"nope"}')
    for _ in range(200):
        data = bytearray(seed)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with Wire(path) as wire:
            wire.send(bytes(data))
            wire.half_close()
            answer = wire.rest()
            assert answer == b"" or answer.startswith(b"HTTP/1."), (bytes(data), answer)
    assert_alive(path)
