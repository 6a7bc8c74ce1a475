"""GET /containers/{id}/logs: framing, selection, following."""
import json
import re
import time

import pytest

from support.http import frames
from support.waiting import wait_until

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


@pytest.fixture
def lines(api):
    """A finished container with ten lines on stdout and one on stderr."""
    container = api.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo line $i; done; sleep 0.05; echo problem >&2")
    api.wait(container)
    return container


def test_frames_and_content_type(api, lines):
    answer = api.get(f"/containers/{lines}/logs?stdout=1&stderr=1")
    parts = frames(answer.body)
    assert parts[0] == (1, b"line 1\n") and parts[-1] == (2, b"problem\n") and len(parts) == 11
    if api.engine.is_docker(20):
        return
    assert answer.header("Content-Type") == "application/vnd.docker.multiplexed-stream"
    assert api.at("1.41").get(f"/containers/{lines}/logs?stdout=1").header("Content-Type") == "application/vnd.docker.raw-stream"


def test_choice_of_streams(api, lines):
    assert api.logs(lines, "stdout=1")[1] == ""
    assert api.logs(lines, "stderr=1") == ("", "problem\n")
    answer = api.get(f"/containers/{lines}/logs")
    assert (answer.status, answer.message) == (400, "Bad parameters: you must choose at least one stream")


@pytest.mark.parametrize("tail, count", [("3", 3), ("0", 0), ("all", 11), ("100", 11), ("-1", 11), ("zz", 11), ("", 11)])
def test_tail(api, lines, tail, count):
    assert len(frames(api.get(f"/containers/{lines}/logs?stdout=1&stderr=1&tail={tail}").body)) == count


def test_timestamps(api, lines):
    for line in api.logs(lines, "stdout=1&timestamps=1")[0].splitlines():
        assert re.fullmatch(STAMP + r" line \d+", line)


def test_since_and_until_are_inclusive(api, lines):
    stamps = [line.split()[0] for line in api.logs(lines, "stdout=1&timestamps=1")[0].splitlines()]

    def unix(stamp):
        base, fraction = stamp[:-1].split(".")
        return f"{int(__import__('calendar').timegm(time.strptime(base, '%Y-%m-%dT%H:%M:%S')))}.{fraction}"

    third, fifth = unix(stamps[2]), unix(stamps[4])
    assert api.logs(lines, f"stdout=1&since={third}")[0].startswith("line 3\n")
    assert api.logs(lines, f"stdout=1&until={fifth}")[0].endswith("line 5\n")
    assert api.logs(lines, f"stdout=1&since={third}&until={fifth}")[0] == "line 3\nline 4\nline 5\n"
    assert api.logs(lines, f"stdout=1&since={int(time.time()) + 100}")[0] == ""
    assert api.logs(lines, "stdout=1&until=0")[0].count("\n") == 10
    bad = api.get(f"/containers/{lines}/logs?stdout=1&since=abc")
    assert bad.status == 500 and 'strconv.ParseInt: parsing "abc": invalid syntax' in bad.message


def test_follow_ends_with_the_container(api):
    container = api.run("sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done")
    assert api.logs(container, "stdout=1&follow=1")[0] == "1\n2\n3\n"
    begin = time.monotonic()
    assert api.logs(container, "stdout=1&follow=1")[0] == "1\n2\n3\n"
    assert time.monotonic() - begin < 2


def test_follow_delivers_at_once(api):
    container = api.run("sh", "-c", "echo one; sleep 0.5; echo two; sleep 100")
    with api.open("GET", f"/containers/{container}/logs?stdout=1&follow=1") as stream:
        assert stream.read_until(b"one\n")
        begin = time.monotonic()
        assert stream.read_until(b"two\n")
        assert time.monotonic() - begin < 2
        api.post(f"/containers/{container}/kill")
        assert stream.read_all() == b""


def test_follow_with_tail_zero(api):
    container = api.run("sh", "-c", "echo old; sleep 0.4; echo new")
    wait_until(lambda: api.logs(container)[0])
    assert api.logs(container, "stdout=1&follow=1&tail=0")[0] == "new\n"


def test_follow_ends_when_the_container_is_removed(api):
    container = api.run("sleep", "100")
    with api.open("GET", f"/containers/{container}/logs?stdout=1&follow=1") as stream:
        api.delete(f"/containers/{container}?force=1")
        assert stream.read_all() == b""


def test_follow_with_until(api):
    container = api.run("sh", "-c", "while :; do echo x; sleep 0.1; done")
    begin = time.monotonic()
    text = api.logs(container, f"stdout=1&follow=1&until={time.time() + 1:.3f}")[0]
    assert text and time.monotonic() - begin < 5


def test_long_lines(api):
    container = api.run("sh", "-c", "head -c 40000 /dev/zero | tr '\\0' a; echo; echo end")
    api.wait(container)
    sizes = [len(p) for _, p in frames(api.get(f"/containers/{container}/logs?stdout=1").body)]
    assert sizes == [16384, 16384, 40001 - 2 * 16384, 4]
    assert api.logs(container)[0] == "a" * 40000 + "\nend\n"


def test_no_newline_at_the_end(api):
    container = api.run("printf", "a\\nb")
    api.wait(container)
    assert api.logs(container)[0] == "a\nb"


def test_binary_bytes_come_back(api):
    container = api.run("printf", "\\303\\244\\t\\033[1m\\001<&>\\n")
    api.wait(container)
    assert api.logs(container)[0] == "ä\t\033[1m\001<&>\n"


def test_tty_is_raw(api):
    container = api.run("echo", "hi", Tty=True)
    api.wait(container)
    answer = api.get(f"/containers/{container}/logs?stdout=1&stderr=1")
    assert answer.body == b"hi\r\n"
    if not api.engine.is_docker(20):
        assert answer.header("Content-Type") == "application/vnd.docker.raw-stream"


def test_details(api):
    container = api.run("echo", "hi", Labels={"a b": "c,d"}, Env=["E=1"], host={"LogConfig": {"Type": "json-file", "Config": {"labels": "a b", "env": "E"}}})
    api.wait(container)
    text = api.logs(container, "stdout=1&details=1")[0]
    assert text == "E=1,a+b=c%2Cd hi\n"
    assert re.fullmatch(STAMP + r" E=1,a\+b=c%2Cd hi\n", api.logs(container, "stdout=1&details=1&timestamps=1")[0])
    assert api.logs(container)[0] == "hi\n"


def test_over_restarts(api):
    container = api.run("echo", "hi")
    api.wait(container)
    api.start(container)
    api.wait(container)
    assert api.logs(container)[0] == "hi\nhi\n"


def test_file_format(api):
    container = api.run("sh", "-c", "echo out; sleep 0.05; echo err >&2; sleep 0.05; printf 'x<\\033'")
    api.wait(container)
    if api.engine.external:
        return
    records = [json.loads(line) for line in open(api.inspect(container)["LogPath"])]
    assert [(r["log"], r["stream"]) for r in records] == [("out\n", "stdout"), ("err\n", "stderr"), ("x<\x1b", "stdout")]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z", r["time"]) and list(r) == ["log", "stream", "time"] for r in records)


def test_rotation(api):
    container = api.run("sh", "-c", "for i in $(seq 1 2000); do echo number $i of many; done", host={"LogConfig": {"Type": "json-file", "Config": {"max-size": "20k", "max-file": "3"}}})
    api.wait(container)
    text = api.logs(container)[0].splitlines()
    assert text[-1] == "number 2000 of many" and 100 < len(text) < 2000
    numbers = [int(line.split()[1]) for line in text]
    assert numbers == list(range(numbers[0], 2001))
    if not api.engine.external:
        import glob
        path = api.inspect(container)["LogPath"]
        assert len(glob.glob(path + "*")) == 3
    assert api.logs(container, "stdout=1&tail=5")[0].splitlines() == text[-5:]


def test_compressed_rotation(api):
    container = api.run("sh", "-c", "for i in $(seq 1 2000); do echo number $i of many; done", host={"LogConfig": {"Type": "json-file", "Config": {"max-size": "50k", "max-file": "9", "compress": "true"}}})
    api.wait(container)
    assert api.logs(container)[0].splitlines() == [f"number {i} of many" for i in range(1, 2001)]
    if not api.engine.external:
        import glob
        assert wait_until(lambda: glob.glob(api.inspect(container)["LogPath"] + ".*.gz"))


def test_follow_across_rotation(api):
    container = api.create("sh", "-c", "for i in $(seq 1 3000); do echo number $i of many; done; sleep 0.3", host={"LogConfig": {"Type": "json-file", "Config": {"max-size": "100k", "max-file": "20"}}})
    api.start(container)
    assert api.logs(container, "stdout=1&follow=1")[0].splitlines() == [f"number {i} of many" for i in range(1, 3001)]


def test_driver_none(api):
    container = api.run("echo", "hi", host={"LogConfig": {"Type": "none"}})
    api.wait(container)
    answer = api.get(f"/containers/{container}/logs?stdout=1")
    assert (answer.status, answer.message) == (501, "configured logging driver does not support reading")
    assert api.inspect(container)["LogPath"] == ""


def test_unknown_container(api):
    assert api.get("/containers/nope/logs?stdout=1").message == "No such container: nope"


def test_never_started(api):
    assert api.logs(api.create("true")) == ("", "")
