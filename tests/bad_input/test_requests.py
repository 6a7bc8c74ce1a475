"""Requests that nobody should send: a clear status, and the daemon lives."""
import json
import random

import pytest

JSON = [("Content-Type", "application/json")]


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"5", b"{", b'{"a"', b'{"Image":', b"\xff\xfe", b'{"Image":"busybox","Cmd":[1]}', b'{"HostConfig":[]}', b'{"HostConfig":{"Memory":"x"}}',
                                  b'{"HostConfig":{"Memory":1e400}}', b'{"Labels":[]}', b'{"Image":"\\ud800"}', b"{}{}", b"[" * 100000, b'{"a":' * 20000])
def test_malformed_create(api, body):
    answer = api.post("/containers/create", body, JSON)
    assert 400 <= answer.status < 500, answer
    assert answer.json()["message"]


@pytest.mark.parametrize("path", ["/containers/%00/json", "/containers/%zz/json", "/containers/../../etc/json", "/containers/%2e%2e/json", "/containers//json", "/images/%20/json", "/exec//json",
                                  "/containers/" + "a" * 5000 + "/json", "/v1.45/", "/v/info", "/%", "/images/a:b:c/json", "/images/sha256:zz/json"])
def test_odd_paths(api, path):
    answer = api.at(None).get(path)
    assert answer.status in (301, 400, 404, 500), answer
    assert api.get("/_ping").status == 200


@pytest.mark.parametrize("query", ["filters=[", "filters=" + "%7B" * 5000, "limit=99999999999999999999", "all=%00", "filters=%ff", "size=1&size=0&&&=&"])
def test_odd_queries(api, query):
    assert api.get("/containers/json?" + query).status in (200, 400, 500)


def test_oversized_header(api):
    raw = api.raw(b"GET /_ping HTTP/1.1\r\nHost: d\r\nX-Big: " + b"x" * 3000000 + b"\r\n\r\n")
    assert raw == b"" or raw.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert api.get("/_ping").status == 200


def test_oversized_body(api):
    answer = api.raw(b"POST /v1.41/containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 999999999999\r\n\r\n{", half_close=True)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    big = api.post("/containers/create", json.dumps({"Image": "busybox", "Cmd": ["true"], "Labels": {"x": "y" * 2000000}}).encode(), JSON)
    assert big.status in (201, 400, 413)


@pytest.mark.parametrize("raw", [b"\0" * 100, b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /_ping HTTP/1.1\r\n\r\n", b"GET /_ping HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
                                 b"GET /_ping HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01",
                                 b"POST /containers/create HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n"])
def test_bytes_that_are_no_request(api, raw):
    api.timeout = 3
    answer = api.raw(raw, half_close=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.")
    assert api.get("/_ping").status == 200


def test_half_a_request_and_gone(api):
    for data in (b"GET /_pi", b"POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", b""):
        for _ in range(20):
            connection = api._open()
            connection.sendall(data)
            connection.close()
    assert api.get("/_ping").status == 200


def test_random_bytes(api):
    rng = random.Random(7)
    api.timeout = 1
    for _ in range(50):
        api.raw(bytes(rng.randrange(256) for _ in range(rng.randrange(1, 300))), half_close=True)
    api.timeout = 30
    assert api.get("/_ping").status == 200


def test_random_create_bodies(api):
    """Every field with a value of a wrong kind: a 4xx, or a container that can be removed; never a 5xx without words."""
    rng = random.Random(11)
    fields = ["Hostname", "User", "Env", "Cmd", "Entrypoint", "WorkingDir", "Labels", "ExposedPorts", "Volumes", "StopSignal", "StopTimeout", "Tty", "HostConfig", "NetworkingConfig", "Healthcheck"]
    host = ["Binds", "Memory", "NanoCpus", "PortBindings", "RestartPolicy", "NetworkMode", "CapAdd", "Dns", "ExtraHosts", "Mounts", "Tmpfs", "Ulimits", "SecurityOpt", "LogConfig", "Devices", "ShmSize", "Sysctls", "PidMode", "IpcMode"]
    values = [None, "", "x", "a:b:c:d", -1, 0, 2**63, 1.5, True, [], ["x"], [None], [{}], {}, {"x": "y"}, {"x": None}, {"x": [1]}, "\0", "é" * 50, "../../etc", [""], {"": ""}]
    for _ in range(300):
        body = {"Image": "busybox", "Cmd": ["true"]}
        for key in rng.sample(fields, rng.randrange(3)):
            body[key] = rng.choice(values)
        if rng.random() < 0.8:
            body["HostConfig"] = {key: rng.choice(values) for key in rng.sample(host, rng.randrange(1, 3))}
        answer = api.post("/containers/create", body)
        assert answer.status in (201, 400, 404, 409, 500, 501), (body, answer)
        if answer.status == 201:
            assert api.delete(f"/containers/{answer.json()['Id']}?v=1").status == 204
        else:
            assert answer.message, body
    assert api.get("/_ping").status == 200
