"""exec: create, start, inspect, resize."""
import time

import pytest

from support.http import demultiplex, frames
from support.waiting import wait_until


@pytest.fixture
def running(api, name):
    return api.run("sleep", "1000", name=name, Env=["FROM=container"], WorkingDir="/tmp")


def create(api, container, *command, **config):
    answer = api.post(f"/containers/{container}/exec", {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **config})
    assert answer.status == 201, answer
    return answer.json()["Id"]


def test_output_and_exit_code(api, running):
    assert api.execute(running, "sh", "-c", "echo out; echo err >&2; exit 3") == (3, "out\n", "err\n")


def test_environment_directory_user(api, running):
    assert api.execute(running, "sh", "-c", "echo $FROM $NEW; pwd; id -u; echo $HOME", Env=["NEW=exec"])[1] == "container exec\n/tmp\n0\n/root\n"
    assert api.execute(running, "sh", "-c", "pwd; id -u; id -g; id -G; echo $HOME", WorkingDir="/etc", User="alice")[1] == "/etc\n1000\n1000\n1000 10\n/home/alice\n"
    assert api.execute(running, "sh", "-c", "id -u; id -g", User="5:6")[1] == "5\n6\n"


def test_stdin(api, running):
    exec_id = create(api, running, "sh", "-c", "cat; echo end", AttachStdin=True)
    stream = api.hijack(f"/exec/{exec_id}/start", {})
    assert stream.response.status == 101
    stream.send(b"hello\n")
    stream.read_until(b"hello\n")
    stream.close_write()
    assert demultiplex(stream.read_all())[0] == b"end\n"


def test_start_head(api, running):
    exec_id = create(api, running, "true")
    with api._open() as connection:
        connection.sendall(f"POST /v{api.version}/exec/{exec_id}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 101 UPGRADED"
    assert [line.split(":")[0] for line in lines[1:8]] == ["Content-Type", "Connection", "Upgrade", "Api-Version", "Docker-Experimental", "Ostype", "Server"]


def test_inspect(api, running):
    exec_id = create(api, running, "sh", "-c", "sleep 0.5; exit 2", User="root")
    before = api.get(f"/exec/{exec_id}/json").json()
    assert (before["Running"], before["ExitCode"], before["Pid"]) == (False, None, 0)
    stream = api.hijack(f"/exec/{exec_id}/start", {})
    during = wait_until(lambda: (b := api.get(f"/exec/{exec_id}/json").json())["Running"] and b["Pid"] and b)
    assert during["ExitCode"] is None and during["Pid"] > 1
    assert exec_id in api.inspect(running)["ExecIDs"]
    stream.read_all()
    after = api.get(f"/exec/{exec_id}/json").json()
    assert (after["Running"], after["ExitCode"], after["ContainerID"]) == (False, 2, running)
    assert after["ProcessConfig"] == {"tty": False, "entrypoint": "sh", "arguments": ["-c", "sleep 0.5; exit 2"], "privileged": False, "user": "root"}
    assert (after["OpenStdin"], after["OpenStdout"], after["OpenStderr"], after["CanRemove"], after["DetachKeys"]) == (False, True, True, False, "")
    assert "user" not in api.get(f"/exec/{create(api, running, 'true')}/json").json()["ProcessConfig"]
    wait_until(lambda: api.inspect(running)["ExecIDs"] is None or exec_id not in api.inspect(running)["ExecIDs"])


def test_detached(api, running):
    exec_id = create(api, running, "sh", "-c", "sleep 0.2; echo x > /made")
    answer = api.post(f"/exec/{exec_id}/start", {"Detach": True})
    assert (answer.status, answer.header("Content-Length")) == (200, "0")
    wait_until(lambda: api.execute(running, "cat", "/made")[1] == "x\n")
    wait_until(lambda: api.get(f"/exec/{exec_id}/json").json()["ExitCode"] == 0)


def test_tty(api, running):
    exec_id = create(api, running, "sh", "-c", "read a; stty size; tty; echo $TERM", Tty=True, AttachStdin=True)
    stream = api.hijack(f"/exec/{exec_id}/start", {"Tty": True})
    if not api.engine.is_docker(20):
        assert stream.response.header("Content-Type") == "application/vnd.docker.raw-stream"
    wait_until(lambda: api.post(f"/exec/{exec_id}/resize?h=12&w=34").status in (200, 201))
    stream.send(b"\n")
    text = stream.read_all()
    assert b"12 34\r\n" in text and b"/dev/pts/" in text and b"xterm\r\n" in text


@pytest.mark.modern
def test_console_size(api, running):
    exec_id = create(api, running, "stty", "size", Tty=True, AttachStdin=True)
    with api.hijack(f"/exec/{exec_id}/start", {"Tty": True, "ConsoleSize": [25, 81]}) as stream:
        assert stream.read_all() == b"25 81\r\n"


def test_privileged(api, running):
    plain = api.execute(running, "sh", "-c", "grep CapEff /proc/self/status")[1].split()[1]
    more = api.execute(running, "sh", "-c", "grep CapEff /proc/self/status", Privileged=True)[1].split()[1]
    assert plain == "00000000a80425fb" and int(more, 16) > int(plain, 16)


def test_runs_in_the_cgroup_of_the_container(api, running):
    inside = api.execute(running, "cat", "/proc/self/cgroup")[1]
    assert inside.splitlines()[-1].split(":", 2)[2] in open(f"/proc/{api.state(running)['Pid']}/cgroup").read()


@pytest.mark.modern
def test_program_that_is_not_there(api, running):
    for command, code, text in (("nosuch", 127, b"executable file not found in $PATH"), ("/etc/passwd", 126, b"permission denied")):
        exec_id = create(api, running, command)
        with api.hijack(f"/exec/{exec_id}/start", {}) as stream:
            said = stream.read_all()
        assert text in said and b"OCI runtime exec failed" in said
        assert api.get(f"/exec/{exec_id}/json").json()["ExitCode"] == (126 if api.engine.is_docker(26) else code)
        exec_id = create(api, running, command)
        answer = api.post(f"/exec/{exec_id}/start", {"Detach": True})
        assert answer.status == 400 and text.decode() in answer.message, answer


def test_create_errors(api, name):
    container = api.create("sleep", "100", name=name)
    answer = api.post(f"/containers/{name}/exec", {"Cmd": ["true"]})
    assert answer.status == 409 and answer.message.lower() == f"container {container} is not running"
    api.start(container)
    empty = api.post(f"/containers/{name}/exec", {"Cmd": []})
    assert (empty.status, empty.message) == (400, "No exec command specified")
    api.post(f"/containers/{name}/pause")
    paused = api.post(f"/containers/{name}/exec", {"Cmd": ["true"]})
    assert (paused.status, paused.message.lower()) == (409, f"container {name} is paused, unpause the container before exec")
    assert api.post("/containers/nope/exec", {"Cmd": ["true"]}).status == 404


def test_start_errors(api, running):
    unknown = api.post("/exec/nope/start", {})
    assert (unknown.status, unknown.message) == (404, "No such exec instance: nope")
    exec_id = create(api, running, "true")
    api.post(f"/exec/{exec_id}/start", {"Detach": True})
    again = api.post(f"/exec/{exec_id}/start", {"Detach": True})
    assert again.status == 409 and ("has already run" in again.message or "is already running" in again.message)
    late = create(api, running, "true")
    api.post(f"/containers/{running}/kill")
    api.wait(running)
    assert api.post(f"/exec/{late}/start", {"Detach": True}).status in (404, 409)


def test_killed_with_the_container(api, running):
    exec_id = create(api, running, "sleep", "100")
    stream = api.hijack(f"/exec/{exec_id}/start", {})
    wait_until(lambda: api.get(f"/exec/{exec_id}/json").json()["Running"])
    api.post(f"/containers/{running}/kill")
    assert stream.read_all() == b"" or api.engine.is_docker()
    wait_until(lambda: not api.inspect(running)["State"]["Running"])


def test_detach_keys(api, running, events):
    exec_id = create(api, running, "cat", Tty=True, AttachStdin=True)
    stream = api.hijack(f"/exec/{exec_id}/start", {"Tty": True})
    seen = events(container=[running])
    stream.send(b"a\r")
    stream.read_until(b"a")
    time.sleep(0.1)
    stream.send(b"\x10\x11")
    stream.read_all()
    if api.engine.is_docker():
        return  # 26.1 marks such an exec as ended; ours goes on
    assert next(seen.objects())["Action"] == "exec_detach"
    assert api.get(f"/exec/{exec_id}/json").json()["Running"]


def test_many_at_once(api, running):
    ids = [create(api, running, "sh", "-c", f"echo {i}; exit {i}") for i in range(20)]
    streams = [api.hijack(f"/exec/{exec_id}/start", {}) for exec_id in ids]
    assert [frames(s.read_all()) for s in streams] == [[(1, f"{i}\n".encode())] for i in range(20)]
    assert [api.get(f"/exec/{exec_id}/json").json()["ExitCode"] for exec_id in ids] == list(range(20))


def test_output_is_not_in_the_logs(api, running):
    api.execute(running, "echo", "exec")
    assert api.logs(running) == ("", "")


def test_large_output(api, running):
    assert len(api.execute(running, "sh", "-c", "yes 0123456789 | head -c 3000000")[1]) == 3000000


def test_resize_after_exit(api, running):
    for _ in range(20):  # at once, when the daemon may not know of the end yet
        exec_id = create(api, running, "true", Tty=True)
        with api.hijack(f"/exec/{exec_id}/start", {"Tty": True}) as stream:
            stream.read_all()
        assert api.post(f"/exec/{exec_id}/resize?h=1&w=1").status in (200, 404, 500)
    assert api.post("/exec/nope/resize?h=1&w=1").status == 404


def test_the_start_says_whether_output_is_framed(api, running):
    """docker-py starts an exec that has a terminal without saying so, and reads frames."""
    exec_id = create(api, running, "printf", "hello", Tty=True)
    with api.hijack(f"/exec/{exec_id}/start", {"Tty": False}) as stream:
        assert stream.read_all() == b"\x01\0\0\0\0\0\0\x05hello"
    exec_id = create(api, running, "printf", "hello", Tty=True)
    with api.hijack(f"/exec/{exec_id}/start", {"Tty": True}) as stream:
        assert stream.read_all() == b"hello"
