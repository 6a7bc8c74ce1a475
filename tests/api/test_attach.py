"""POST /containers/{id}/attach: the hijacked stream byte by byte."""
import time

import pytest

from support.http import demultiplex, frames
from support.waiting import wait_until

ALL = "stream=1&stdin=1&stdout=1&stderr=1"


def attach(api, container, query=ALL, **options):
    stream = api.hijack(f"/containers/{container}/attach?{query}", **options)
    assert stream.response.status == 101, (stream.response, stream.reader.read1(1000))
    return stream


def interactive(api, *command, once=True, **config):
    return api.create(*command, OpenStdin=True, StdinOnce=once, AttachStdin=True, AttachStdout=True, AttachStderr=True, **config)


def test_head_with_upgrade(api):
    container = api.create("true")
    with api._open() as connection:
        connection.sendall(f"POST /v{api.version}/containers/{container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
        head = connection.recv(4096)
    kind = b"raw" if api.engine.is_docker(20) else b"multiplexed"
    assert head == b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker." + kind + b"-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


def test_head_without_upgrade(api):
    container = api.create("true")
    with api._open() as connection:
        connection.sendall(f"POST /v{api.version}/containers/{container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n".encode())
        assert connection.recv(4096) == b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def test_old_api_version_says_raw_but_frames(api):
    container = api.create("echo", "hi")
    stream = attach(api.at("1.41"), container)
    assert stream.response.header("Content-Type") == "application/vnd.docker.raw-stream"
    api.start(container)
    assert frames(stream.read_all()) == [(1, b"hi\n")]


def test_attach_before_start_loses_nothing(api):
    for _ in range(5):
        container = api.create("sh", "-c", "echo out; echo err >&2")
        stream = attach(api, container)
        api.start(container)
        assert demultiplex(stream.read_all()) == (b"out\n", b"err\n")


def test_stdin_to_the_end(api):
    container = interactive(api, "cat")
    stream = attach(api, container)
    api.start(container)
    stream.send(b"hello\n")
    assert b"hello\n" in stream.read_until(b"hello\n")
    stream.send(b"more\n")
    stream.close_write()
    assert b"more\n" in stream.read_all()
    assert api.wait(container) == 0


def test_output_goes_on_after_half_close(api):
    container = interactive(api, "sh", "-c", "cat; sleep 0.3; echo after")
    stream = attach(api, container)
    api.start(container)
    stream.send(b"x")
    stream.close_write()
    assert demultiplex(stream.read_all())[0] == b"xafter\n"


def test_half_close_without_stdin_once_ends_only_the_attach(api):
    container = interactive(api, "sh", "-c", "cat; sleep 100", once=False)
    stream = attach(api, container)
    api.start(container)
    stream.send(b"abc\n")
    stream.read_until(b"abc\n")
    stream.close_write()
    assert stream.read_all() == b""
    again = attach(api, container)
    again.send(b"def\n")
    again.read_until(b"def\n")
    assert api.state(container)["Running"]


def test_container_survives_a_dropped_client(api):
    container = interactive(api, "sh", "-c", "while :; do echo tick; sleep 0.05; done", once=False)
    stream = attach(api, container)
    api.start(container)
    stream.read_until(b"tick")
    stream.close()
    count = len(api.logs(container)[0])
    wait_until(lambda: len(api.logs(container)[0]) > count + 20)


def test_two_clients_see_the_same(api):
    container = api.create("sh", "-c", "echo one; sleep 0.2; echo two")
    first, second = attach(api, container), attach(api, container)
    api.start(container)
    assert demultiplex(first.read_all())[0] == demultiplex(second.read_all())[0] == b"one\ntwo\n"


def test_streams_not_asked_for_are_not_sent(api):
    container = api.create("sh", "-c", "echo out; echo err >&2")
    stream = attach(api, container, "stream=1&stderr=1")
    api.start(container)
    assert frames(stream.read_all()) == [(2, b"err\n")]


def test_logs_replay(api):
    container = api.run("echo", "hi")
    api.wait(container)
    assert frames(attach(api, container, "logs=1&stdout=1&stderr=1").read_all()) == [(1, b"hi\n")]
    assert attach(api, container, "stdout=1").read_all() == b""


def test_logs_then_stream(api):
    container = api.run("sh", "-c", "echo early; sleep 1; echo late")
    wait_until(lambda: api.logs(container)[0])
    assert demultiplex(attach(api, container, "logs=1&stream=1&stdout=1").read_all())[0] == b"early\nlate\n"


def test_attach_to_an_exited_container_blocks(api):
    container = api.run("true")
    api.wait(container)
    stream = attach(api, container)
    stream.settimeout(0.3)
    with pytest.raises(OSError):
        stream.reader.read1(10)


def test_tty_is_raw_and_sized(api):
    container = interactive(api, "sh", "-c", "read y; stty size; read x; stty size; echo got $x", Tty=True)
    stream = attach(api, container)
    if not api.engine.is_docker(20):
        assert stream.response.header("Content-Type") == "application/vnd.docker.raw-stream"
    api.start(container)
    api.post(f"/containers/{container}/resize?h=33&w=44")
    stream.send(b"\n")
    stream.read_until(b"33 44\r\n")
    assert api.post(f"/containers/{container}/resize?h=20&w=50").status == 200
    stream.send(b"word\n")
    text = stream.read_all()
    assert b"20 50\r\n" in text and b"got word\r\n" in text


@pytest.mark.modern
def test_console_size_at_create(api):
    container = api.create("stty", "size", Tty=True, host={"ConsoleSize": [33, 44]}, OpenStdin=True)
    stream = attach(api, container)
    api.start(container)
    assert stream.read_all() == b"33 44\r\n"


@pytest.mark.parametrize("keys, typed", [(None, b"\x10\x11"), ("ctrl-a,x", b"\x01x"), ("q", b"q")])
def test_detach_keys(api, events, keys, typed):
    container = interactive(api, "cat", once=False, Tty=True)
    api.start(container)
    stream = attach(api, container, ALL + (f"&detachKeys={keys}" if keys else ""))
    seen = events(container=[container], event=["detach"])
    stream.send(b"abc\r")
    stream.read_until(b"abc\r\n")
    stream.send(typed)
    stream.read_all()
    assert next(seen.objects())["Action"] == "detach"
    assert api.state(container)["Running"]


def test_partial_detach_sequence_is_forwarded(api):
    container = interactive(api, "sh", "-c", "stty raw -echo; echo go; head -c 3 | od -An -tx1", once=False, Tty=True)
    stream = attach(api, container)
    api.start(container)
    stream.read_until(b"go")
    stream.send(b"\x10ab")
    assert b"10 61 62" in stream.read_all()


def test_bad_detach_keys(api):
    container = api.run("sleep", "100")
    stream = api.hijack(f"/containers/{container}/attach?{ALL}&detachKeys=zzz")
    assert stream.response.status == 400
    assert b"nvalid detach keys (zzz) provided" in stream.reader.read()


def test_errors_are_text(api, name):
    raw = api.raw(f"POST /v{api.version}/containers/nope/attach?{ALL} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n".encode())
    assert raw == b"HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: nope\r\n"
    container = api.run("sleep", "100", name=name)
    api.post(f"/containers/{container}/pause")
    stream = api.hijack(f"/containers/{name}/attach?{ALL}")
    assert stream.response.status == 409
    assert f"ontainer {name} is paused, unpause the container before attach".encode() in stream.reader.read()


def test_bytes_sent_with_the_head_arrive(api):
    if api.engine.is_docker():
        pytest.skip("Docker drops them; passing them through is our decision")
    container = interactive(api, "cat")
    api.start(container)
    raw = api.raw(f"POST /v{api.version}/containers/{container}/attach?{ALL} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nearly\n".encode(), half_close=True)
    assert raw.endswith(b"\x01\0\0\0\0\0\0\x06early\n")


def test_a_slow_reader_gets_everything(api):
    container = api.create("sh", "-c", "yes 0123456789abcdef | head -c 3000000")
    stream = attach(api, container)
    api.start(container)
    time.sleep(0.5)
    assert len(demultiplex(stream.read_all())[0]) == 3000000


def test_a_client_that_does_not_read_does_not_stop_others(api):
    container = interactive(api, "sh", "-c", "yes 0123456789abcdef | head -c 3000000; echo done")
    stuck = attach(api, container, "stream=1&stdout=1")
    container2 = api.run("echo", "other")
    assert api.wait(container2) == 0
    assert api.get("/_ping").status == 200
    stuck.close()


def head_read_late(api, path, body=b""):
    """What a client gets that turns to its socket only after a moment, reads the head through a buffer, and forgets the rest of that."""
    with api._open() as connection:
        connection.sendall(f"POST /v{api.version}{path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        time.sleep(0.01)
        head = connection.recv(65536)
        assert head.startswith(b"HTTP/1.1 101 ") and head.endswith(b"\r\n\r\n"), head
        rest = b""
        while data := connection.recv(65536):
            rest += data
    return demultiplex(rest)[0]


def test_nothing_comes_together_with_the_head(api):
    """docker-py loses what does."""
    container = api.run("echo", "hello")
    api.wait(container)
    for _ in range(5):
        assert head_read_late(api, f"/containers/{container}/attach?logs=1&stdout=1") == b"hello\n"
    running = api.run("sleep", "1000")
    for _ in range(5):
        created = api.post(f"/containers/{running}/exec", {"Cmd": ["echo", "inside"], "AttachStdout": True}).json()["Id"]
        assert head_read_late(api, f"/exec/{created}/start", b"{}") == b"inside\n"
    api.delete(f"/containers/{running}?force=1")


def test_a_body_of_the_request_is_not_input(api):
    """dockerode repeats its options in a body."""
    container = interactive(api, "cat")
    stream = api.open("POST", f"/containers/{container}/attach?{ALL}", {"stream": True, "stdin": True}, [("Connection", "Upgrade"), ("Upgrade", "tcp")])
    api.start(container)
    stream.send(b"input\n")
    stream.close_write()
    assert demultiplex(stream.read_all())[0] == b"input\n"
