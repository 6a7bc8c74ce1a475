"""create, start, state, kill, delete, exec, run: the order of life and the texts of failures."""
import json
import os
import signal
import socket
import array
import time

import pytest


def test_run_passes_output_and_exit_status(runtime):
    runtime.config("sh", "-c", "echo hello; echo problem >&2; hostname; exit 7")
    done = runtime("run", runtime.id())
    assert (done.code, done.out, done.err) == (7, "hello\nbox\n", "problem\n")


def test_run_tells_a_signal_as_128_plus_its_number(runtime):
    runtime.config("sh", "-c", "kill -9 $$; sleep 5", linux={"namespaces": [{"type": kind} for kind in ("network", "ipc", "uts", "mount")]})
    assert runtime("run", runtime.id()).code == 137


def test_run_hands_stdin_over(runtime):
    runtime.config("cat")
    read, write = os.pipe()
    os.write(write, b"typed")
    os.close(write)
    assert runtime("run", runtime.id(), stdin=read).out == "typed"
    os.close(read)


def test_states_from_create_to_delete(runtime):
    runtime.config("sleep", "100", annotations={"org.example.key": "value"})
    name = runtime.id()
    pid_file = runtime.directory / "pid"
    done = runtime("create", "--bundle", str(runtime.directory / "bundle"), "--pid-file", str(pid_file), name, cwd="/")
    assert done.code == 0, done
    state = runtime.state(name)
    assert state["status"] == "created"
    assert state["bundle"] == str(runtime.directory / "bundle")
    assert state["annotations"] == {"org.example.key": "value"}
    assert state["id"] == name and state["pid"] == int(pid_file.read_text())
    assert runtime("start", name).code == 0
    assert runtime.state(name)["status"] == "running"
    assert runtime("delete", name).code == 1
    assert runtime("kill", name, "KILL").code == 0
    runtime.wait_for(name, "stopped")
    assert runtime.state(name)["pid"] == 0 or runtime.is_crun
    assert runtime("delete", name).code == 0
    assert runtime("state", name).code == 1


def test_the_program_does_not_run_before_start(runtime):
    runtime.config("sh", "-c", "touch /ran; sleep 100")
    name = runtime.id()
    assert runtime("create", name).code == 0
    time.sleep(0.2)
    assert not (runtime.rootfs / "ran").exists()
    assert runtime("start", name).code == 0
    end = time.monotonic() + 5
    while not (runtime.rootfs / "ran").exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_changes_of_the_bundle_after_create_have_no_effect(runtime):
    runtime.config("sh", "-c", "touch /first; sleep 100")
    name = runtime.id()
    assert runtime("create", name).code == 0
    runtime.config("sh", "-c", "touch /second; sleep 100")
    assert runtime("start", name).code == 0
    time.sleep(0.3)
    assert (runtime.rootfs / "first").exists() and not (runtime.rootfs / "second").exists()


def test_a_created_container_can_be_deleted(runtime):
    runtime.config("sleep", "100")
    name = runtime.id()
    assert runtime("create", name).code == 0
    assert runtime("delete", "--force", name).code == 0
    assert runtime("state", name).code == 1


def test_force_delete_of_nothing_is_fine(runtime):
    assert runtime("delete", "--force", "nosuchthing").code == 0
    done = runtime("delete", "nosuchthing")
    assert done.code == 1 and ("does not exist" in done.err or runtime.is_crun)


def test_the_same_id_twice_is_refused(runtime):
    name = runtime.start_detached("sleep", "100")
    done = runtime("create", name)
    assert done.code == 1 and ("already exists" in done.err or "exists" in done.err)
    assert runtime.state(name)["status"] == "running"


@pytest.mark.parametrize("name", ["a/b", "..", "white space"])
def test_ids_that_are_no_names_are_refused(runtime, name):
    if runtime.is_crun:
        pytest.skip("takes more names")
    runtime.config("true")
    done = runtime("run", name)
    assert done.code != 0
    if not runtime.is_crun:
        assert "invalid container ID format" in done.err


def test_start_twice_and_after_the_end(runtime):
    name = runtime.start_detached("sleep", "100")
    done = runtime("start", name)
    assert done.code == 1
    if not runtime.is_crun:
        assert "cannot start an already running container" in done.err
    runtime("kill", name, "9")
    runtime.wait_for(name, "stopped")
    done = runtime("start", name)
    assert done.code == 1
    if not runtime.is_crun:
        assert "cannot start a container that has stopped" in done.err
    done = runtime("kill", name)
    assert done.code == 1
    if not runtime.is_crun:
        assert "container not running" in done.err


def test_kill_sends_the_signal_by_name_or_number(runtime):
    if runtime.is_crun:
        pytest.skip("takes unknown names for 0")
    name = runtime.start_detached("sh", "-c", "trap 'exit 0' USR1; trap 'touch /hup' HUP; touch /ready; while true; do sleep 0.05; done")
    end = time.monotonic() + 5
    while not (runtime.rootfs / "ready").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert runtime("kill", name, "SIGHUP").code == 0
    end = time.monotonic() + 5
    while not (runtime.rootfs / "hup").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    done = runtime("kill", name, "NOSUCH")
    assert done.code == 1
    if not runtime.is_crun:
        assert 'unknown signal "NOSUCH"' in done.err.replace("\\", "")
    assert runtime("kill", name, str(int(signal.SIGUSR1))).code == 0
    runtime.wait_for(name, "stopped")


def test_exec_runs_inside_and_returns_its_status(runtime):
    name = runtime.start_detached("sleep", "100")
    if runtime.is_crun:
        pytest.skip("cannot exec in a hybrid layout")
    done = runtime("exec", "--env", "WORD=spoken", "--cwd", "/tmp", name, "sh", "-c", "hostname; pwd; echo $WORD; exit 5")
    assert (done.code, done.out) == (5, "box\n/tmp\nspoken\n")
    done = runtime("exec", "--user", "1000:7", name, "id")
    assert "uid=1000" in done.out and "gid=7" in done.out
    process = runtime.directory / "process.json"
    process.write_text(json.dumps({"args": ["sh", "-c", "echo from file; exit 4"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}))
    pid_file = runtime.directory / "exec.pid"
    done = runtime("exec", "--process", str(process), "--pid-file", str(pid_file), name)
    assert (done.code, done.out) == (4, "from file\n")
    assert int(pid_file.read_text()) > 1


def test_exec_failures_have_status_255_and_their_texts(runtime):
    if runtime.is_crun:
        pytest.skip("cannot exec in a hybrid layout")
    name = runtime.start_detached("sleep", "100")
    done = runtime("exec", name, "nosuch")
    assert done.code in (255, 1) and "executable file" in done.err
    if not runtime.is_crun:
        assert done.code == 255
        assert 'exec failed: unable to start container process: exec: "nosuch": executable file not found in $PATH' in done.err.replace("\\", "")
    done = runtime("exec", name, "/nosuch")
    assert done.code != 0 and "no such file or directory" in done.err.lower()
    runtime("kill", name, "9")
    runtime.wait_for(name, "stopped")
    done = runtime("exec", name, "true")
    assert done.code != 0
    if not runtime.is_crun:
        assert done.code == 255 and "cannot exec in a stopped container" in done.err


def test_a_failed_create_leaves_no_state(runtime):
    runtime.config("nosuch")
    name = runtime.id()
    log = runtime.directory / "log.json"
    done = runtime("--log", str(log), "--log-format", "json", "create", name)
    assert done.code == 1
    last = json.loads(log.read_text().splitlines()[-1])
    assert "not found in $PATH" in last["msg"] and last["level"] == "error" and "time" in last
    if not runtime.is_crun:
        assert last["msg"] == 'runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH'
    assert runtime("state", name).code == 1


def test_pause_and_resume(runtime):
    name = runtime.start_detached("sleep", "100")
    assert runtime("pause", name).code == 0
    assert runtime.state(name)["status"] == "paused"
    done = runtime("exec", name, "true")
    assert done.code != 0 and "paused" in done.err
    assert runtime("resume", name).code == 0
    assert runtime.state(name)["status"] == "running"
    assert runtime("exec", name, "true").code == 0


def test_list_tells_all(runtime):
    first, second = runtime.start_detached("sleep", "100"), runtime.start_detached("sleep", "100")
    assert sorted(runtime("list", "-q").out.split()) == sorted([first, second])
    assert {entry["id"] for entry in json.loads(runtime("list", "--format", "json").out)} == {first, second}
    assert runtime("list").out.startswith(("ID", "NAME"))


def receive_console(listener):
    connection, _ = listener.accept()
    data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2][:4])
    connection.close()
    return descriptors[0]


def test_the_console_socket_gets_the_terminal(runtime):
    runtime.config("sh", "-c", "tty; stty size; test -t 0 && echo interactive; read line; echo got $line", process={"terminal": True, "consoleSize": {"height": 31, "width": 101}})
    name = runtime.id()
    path = str(runtime.directory / "console")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    listener.settimeout(10)
    assert runtime("create", name).code == 1  # there is nobody to take the terminal
    done = runtime("create", "--console-socket", path, name)
    assert done.code == 0, done
    master = receive_console(listener)
    os.write(master, b"word\n")
    assert runtime("start", name).code == 0
    text = b""
    try:
        while chunk := os.read(master, 4096):
            text += chunk
    except OSError:
        pass
    os.close(master)
    for expected in (b"/dev/pts/0", b"31 101", b"interactive", b"got word"):
        assert expected in text, text


def test_preserved_descriptors_and_no_others(runtime):
    read, write = os.pipe()
    saved = {fd: os.dup(fd) for fd in (3, 4) if os.path.exists(f"/proc/self/fd/{fd}")}
    try:
        os.dup2(write, 3)
        os.dup2(write, 4)
        os.set_inheritable(3, True)
        runtime.config("sh", "-c", "echo 3 >&3; (echo 4 >&4) 2>/dev/null; true")
        assert runtime("run", "--preserve-fds", "1", runtime.id(), pass_fds=[3, 4]).code == 0
    finally:
        for fd in (3, 4):
            os.dup2(saved[fd], fd) if fd in saved else os.close(fd)
    os.set_blocking(read, False)
    assert os.read(read, 100) == b"3\n"


def test_hooks_run_in_order_with_the_state(runtime):
    log = runtime.directory / "hooks"
    script = runtime.directory / "hook.sh"
    script.write_text('#!/bin/sh\nread -r state\nprintf "%s " "$1" >> ' + str(log) + "\n" + 'echo "$state" | tr -d " " | grep -o \'"status":"[a-z]*"\' >> ' + str(log) + "\n")
    script.chmod(0o755)
    kinds = ["prestart", "createRuntime", "poststart", "poststop"]
    runtime.config("sleep", "100", hooks={kind: [{"path": str(script), "args": ["hook.sh", kind], "env": ["PATH=/usr/bin:/bin"]}] for kind in kinds})
    name = runtime.id()
    assert runtime("create", name).code == 0
    if runtime.is_ours:  # runc 1.1 runs poststart before start
        assert [line.split()[0] for line in log.read_text().splitlines()] == ["prestart", "createRuntime"]
    assert runtime("start", name).code == 0
    assert runtime("delete", "--force", name).code == 0
    lines = log.read_text().splitlines()
    assert [line.split()[0] for line in lines] == kinds
    if runtime.is_ours:
        assert [json.loads("{" + line.split()[1] + "}")["status"] for line in lines] == ["creating", "creating", "running", "stopped"]


def test_a_failing_hook_undoes_the_create(runtime):
    runtime.config("sleep", "100", hooks={"createRuntime": [{"path": "/bin/false"}]})
    name = runtime.id()
    done = runtime("create", name)
    assert done.code != 0 and "hook" in done.err
    assert runtime("state", name).code == 1


def test_wrong_usage(runtime):
    if runtime.is_crun:
        pytest.skip("other words")
    assert runtime("nosuchcommand").code == 3
    done = runtime("state")
    assert done.code == 1 and "USAGE" in done.out
    assert runtime("run", "--nosuchflag", "x").code == 1
