"""The command line that engines use: runc's. Its words are asked of runc and of ours."""
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest

from support.descriptor_listener import Listener

GLOBAL_FLAGS = ["--debug", "--log", "--log-format", "--root", "--systemd-cgroup", "--rootless", "--version"]
COMMANDS = "checkpoint create delete events exec features kill list pause ps restore resume run spec start state update".split()


def words(runtime, done):
    return done.err.replace("\\", "")


@pytest.fixture(autouse=True)
def not_for_crun(runtime):
    if runtime.is_crun:
        pytest.skip("crun has a command line of its own")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(runtime, command):
    done = runtime(command, "--help")
    assert done.code == 0 and command in done.out and "USAGE" in done.out


def test_the_help_names_all_commands(runtime):
    done = runtime("--help")
    assert done.code == 0
    assert all(re.search(rf"^   {command}\b", done.out, re.M) for command in COMMANDS), done.out


def test_version(runtime):
    done = runtime("--version")
    assert done.code == 0 and re.search(r"version \S+", done.out) and "spec: 1." in done.out


ONE_ID = "create run start state delete pause resume update ps events checkpoint restore".split()


@pytest.mark.parametrize("command", ONE_ID + ["kill", "exec"])
def test_a_missing_id_is_wrong_usage(runtime, command):
    done = runtime(command)
    assert done.code != 0 and "USAGE" in done.out, done


@pytest.mark.parametrize("command", ["start", "state", "delete", "pause", "resume", "update", "ps", "events", "kill", "exec"])
def test_a_container_that_is_not_there(runtime, command):
    done = runtime(command, "nosuchthing", *(["true"] if command == "exec" else []))
    assert done.code == (255 if command == "exec" else 1) and "container does not exist" in done.err, done


@pytest.mark.parametrize("command", ["start", "state", "delete"])
def test_too_many_arguments(runtime, command):
    assert runtime(command, "one", "two").code != 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_flag_that_is_none(runtime, command):
    done = runtime(command, "--nosuchflag")
    assert done.code != 0 and "flag provided but not defined: -nosuchflag" in done.out + done.err


def test_a_global_flag_that_is_none(runtime):
    assert runtime("--nosuchflag", "list").code != 0


@pytest.mark.parametrize("form", ["json", "text"])
def test_errors_go_to_the_log_in_its_form(runtime, form):
    log = runtime.directory / "log"
    done = runtime("--log", str(log), "--log-format", form, "state", "nosuchthing")
    assert done.code == 1 and "container does not exist" in done.err
    last = log.read_text().splitlines()[-1]
    if form == "json":
        entry = json.loads(last)
        assert list(entry) == ["level", "msg", "time"] and entry["level"] == "error" and entry["msg"] == "container does not exist"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)", entry["time"])
    else:
        assert re.fullmatch(r'time="[^"]+" level=error msg="container does not exist"', last)


def test_without_a_log_the_line_is_on_stderr(runtime):
    done = runtime("--log-format", "json", "state", "nosuchthing")
    assert json.loads(done.err)["msg"] == "container does not exist"


def test_the_log_is_appended_to(runtime):
    log = runtime.directory / "log"
    for _ in range(2):
        runtime("--log", str(log), "state", "nosuchthing")
    assert len(log.read_text().splitlines()) == 2


def test_a_log_that_cannot_be_written(runtime):
    assert runtime("--log", "/nosuch/dir/log", "list").code != 0


def test_a_log_format_that_is_none(runtime):
    assert runtime("--log-format", "xml", "list").code != 0


def test_debug_tells_more(runtime):
    log = runtime.directory / "log"
    runtime.config("true")
    assert runtime("--debug", "--log", str(log), "--log-format", "json", "run", runtime.id()).code == 0
    assert any(json.loads(line)["level"] == "debug" for line in log.read_text().splitlines())


def test_debug_stays_out_of_the_way_otherwise(runtime):
    log = runtime.directory / "log"
    runtime.config("true")
    assert runtime("--log", str(log), "run", runtime.id()).code == 0
    assert log.read_text() == ""


def test_list_of_nothing(runtime):
    assert runtime("list", "-q").out == ""
    assert runtime("list", "--format", "json").out.strip() == "null"
    assert runtime("list").out.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]


def test_list(runtime):
    first = runtime.start_detached("sleep", "100", annotations={"a": "b"})
    runtime.config("sleep", "100")
    second = runtime.id()
    assert runtime("create", second).code == 0
    assert sorted(runtime("list", "-q").out.split()) == sorted([first, second])
    entries = {entry["id"]: entry for entry in json.loads(runtime("list", "-f", "json").out)}
    assert entries[first]["status"] == "running" and entries[second]["status"] == "created"
    assert entries[first]["owner"] == "root" and entries[first]["annotations"] == {"a": "b"} and entries[first]["pid"] == runtime.state(first)["pid"]
    rows = runtime("list").out.splitlines()
    assert len(rows) == 3 and any(row.split()[0] == first and row.split()[2] == "running" for row in rows)


def test_list_in_a_form_that_is_none(runtime):
    assert runtime("list", "--format", "xml").code != 0


def test_state_has_what_engines_read(runtime):
    name = runtime.start_detached("sleep", "100")
    state = runtime.state(name)
    assert set(state) >= {"ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "owner"}
    assert state["rootfs"] == str(runtime.rootfs) and state["ociVersion"].startswith("1.")


def test_ps_as_a_table(runtime):
    name = runtime.start_detached("sleep", "12345")
    lines = runtime("ps", name).out.splitlines()
    assert "PID" in lines[0] and len(lines) == 2 and "sleep 12345" in lines[1] and str(runtime.state(name)["pid"]) in lines[1]


def test_ps_with_options_for_ps(runtime):
    name = runtime.start_detached("sleep", "12345")
    lines = runtime("ps", name, "-o", "pid,comm").out.splitlines()
    assert lines[0].split() == ["PID", "COMMAND"] and lines[1].split() == [str(runtime.state(name)["pid"]), "sleep"]


def test_ps_as_json(runtime):
    name = runtime.start_detached("sh", "-c", "sleep 100 & sleep 100")
    for _ in range(100):
        pids = json.loads(runtime("ps", "--format", "json", name).out)
        if len(pids) == 3 or len(pids) == 2:
            break
        time.sleep(0.02)
    assert runtime.state(name)["pid"] in pids and len(pids) >= 2


def test_pause_and_resume_stop_and_go_on(runtime):
    name = runtime.start_detached("sh", "-c", "i=0; while true; do i=$((i+1)); echo $i > /count; usleep 5000; done")
    count = runtime.rootfs / "count"
    for _ in range(200):
        if count.exists():
            break
        time.sleep(0.02)
    assert runtime("pause", name).code == 0 and runtime.state(name)["status"] == "paused"
    before = count.read_text()
    time.sleep(0.1)
    assert count.read_text() == before
    assert runtime("start", name).code == 1
    assert runtime("resume", name).code == 0 and runtime.state(name)["status"] == "running"
    for _ in range(200):
        if count.read_text() not in ("", before):
            return
        time.sleep(0.02)
    raise AssertionError("it did not go on")


def test_pause_works_on_a_created_container(runtime):
    runtime.config("sleep", "100")
    name = runtime.id()
    assert runtime("create", name).code == 0
    assert runtime("pause", name).code == 0 and runtime.state(name)["status"] == "paused"
    assert runtime("resume", name).code == 0 and runtime.state(name)["status"] == "created"


@pytest.mark.parametrize("command,word", [("pause", "container not running"), ("resume", "container not paused"), ("kill", "container not running")])
def test_a_stopped_container_refuses(runtime, command, word):
    name = runtime.start_detached("true")
    runtime.wait_for(name, "stopped")
    done = runtime(command, name)
    assert done.code == 1 and word in done.err, done


def test_resume_of_what_runs(runtime):
    done = runtime("resume", runtime.start_detached("sleep", "100"))
    assert done.code == 1 and "container not paused" in done.err


def test_a_paused_container_can_be_killed_and_deleted(runtime):
    name = runtime.start_detached("sleep", "100")
    assert runtime("pause", name).code == 0
    assert runtime("delete", name).code == 1
    assert runtime("delete", "--force", name).code == 0
    assert runtime("state", name).code == 1


@pytest.mark.parametrize("text", ["KILL", "SIGKILL", "kill", "9"])
def test_a_signal_by_name_and_number(runtime, text):
    name = runtime.start_detached("sleep", "100")
    assert runtime("kill", name, text).code == 0
    runtime.wait_for(name, "stopped")


def test_signal_zero_only_asks(runtime):
    name = runtime.start_detached("sleep", "100")
    assert runtime("kill", name, "0").code == 0
    assert runtime.state(name)["status"] == "running"


def test_term_is_the_default(runtime):
    name = runtime.start_detached("sh", "-c", "trap 'touch /termed; exit' TERM; touch /ready; while true; do usleep 5000; done")
    for _ in range(200):
        if (runtime.rootfs / "ready").exists():
            break
        time.sleep(0.02)
    assert runtime("kill", name).code == 0
    runtime.wait_for(name, "stopped")
    assert (runtime.rootfs / "termed").exists()


def test_kill_all_reaches_every_process(runtime):
    kinds = [{"type": kind} for kind in ("network", "ipc", "uts", "mount")]  # the host's pids
    name = runtime.start_detached("sh", "-c", "setsid sleep 4321 & exec sleep 4321", linux={"namespaces": kinds})
    for _ in range(100):
        pids = json.loads(runtime("ps", "-f", "json", name).out)
        if len(pids) > 1:
            break
        time.sleep(0.02)
    assert len(pids) > 1
    assert runtime("kill", "--all", name, "KILL").code == 0
    runtime.wait_for(name, "stopped")
    end = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{pid}") and "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1][:3] for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_spec(runtime):
    empty = runtime.directory / "empty"
    empty.mkdir()
    assert runtime("spec", cwd=empty).code == 0
    config = json.loads((empty / "config.json").read_text())
    assert config["process"]["args"] == ["sh"] and config["root"]["path"] == "rootfs"
    done = runtime("spec", cwd=empty)
    assert done.code == 1 and "File config.json exists. Remove it first" in done.err


def test_what_spec_writes_can_be_run(runtime):
    (runtime.directory / "bundle" / "config.json").unlink(missing_ok=True)
    assert runtime("spec", "--bundle", str(runtime.directory / "bundle")).code == 0
    config = json.loads((runtime.directory / "bundle" / "config.json").read_text())
    config["process"].update(terminal=False, args=["echo", "from the template"], env=["PATH=/bin"])
    runtime.write(config)
    (runtime.rootfs / "sys" / "fs").mkdir(parents=True, exist_ok=True)
    assert runtime("run", runtime.id()).out == "from the template\n"


def test_spec_for_a_plain_user(runtime):
    empty = runtime.directory / "empty"
    empty.mkdir()
    assert runtime("spec", "--rootless", cwd=empty).code == 0
    linux = json.loads((empty / "config.json").read_text())["linux"]
    assert {"type": "user"} in linux["namespaces"] and {"type": "network"} not in linux["namespaces"]
    assert linux["uidMappings"] == [{"containerID": 0, "hostID": 0, "size": 1}]


def test_features(runtime):
    features = json.loads(runtime("features").out)
    assert features["ociVersionMin"] == "1.0.0" and features["ociVersionMax"].startswith("1.")
    assert features["hooks"] == ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    assert {"ro", "rbind", "rro", "tmpcopyup", "rshared"} <= set(features["mountOptions"])
    assert {"pid", "network", "ipc", "uts", "mount", "user", "cgroup"} <= set(features["linux"]["namespaces"])
    assert "SCMP_ACT_NOTIFY" in features["linux"]["seccomp"]["actions"] and "SCMP_CMP_MASKED_EQ" in features["linux"]["seccomp"]["operators"]


def test_events_once(runtime):
    name = runtime.start_detached("sleep", "100", linux={"resources": {"pids": {"limit": 44}}})
    event = json.loads(runtime("events", "--stats", name).out)
    assert event["type"] == "stats" and event["id"] == name
    assert event["data"]["pids"] == {"current": 1, "limit": 44} and event["data"]["memory"]["usage"]["usage"] > 0 and event["data"]["cpu"]["usage"]["total"] > 0


def test_events_go_on_until_the_end(runtime):
    name = runtime.start_detached("sleep", "100")
    process = subprocess.Popen(runtime.command("events", "--interval", "50ms", name), stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(2):
            assert json.loads(process.stdout.readline())["type"] == "stats"
        runtime("kill", name, "KILL")
        assert process.wait(5) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_events_tell_of_the_out_of_memory_killer(runtime):
    name = runtime.start_detached("sh", "-c", "while ! test -e /go; do usleep 10000; done; for i in 1 2; do dd if=/dev/zero of=/dev/null bs=64M count=1; done; sleep 100",
                                  linux={"resources": {"memory": {"limit": 16 << 20, "swap": 16 << 20}}})
    process = subprocess.Popen(runtime.command("events", "--interval", "60s", name), stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        (runtime.rootfs / "go").touch()
        timer = threading.Timer(8, process.kill)
        timer.start()
        assert json.loads(process.stdout.readline() or "{}").get("type") == "oom"
        timer.cancel()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("interval", ["0s", "-1s", "often"])
def test_events_at_no_interval(runtime, interval):
    assert runtime("events", "--interval", interval, runtime.start_detached("sleep", "100")).code != 0


@pytest.mark.parametrize("command", ["checkpoint", "restore"])
def test_without_criu_checkpoints_are_refused_by_name(runtime, command):
    if not runtime.is_ours:
        pytest.skip("they need criu")
    name = runtime.start_detached("sleep", "100") if command == "checkpoint" else runtime.id()
    done = runtime("--criu", "/nosuch/criu", command, "--image-path", "/nosuch", name)
    assert done.code == 1 and "checkpoint and restore are not supported on this host: they need the program criu, and /nosuch/criu is none" in done.err, done
    assert not os.path.exists("/nosuch") and (command == "restore" or runtime.state(name)["status"] == "running")


@pytest.mark.parametrize("member, value", [("pid", "x"), ("pid", -5), ("startTime", -1), ("creatorPid", 1 << 40), ("startTime", 1.5)])
def test_a_damaged_state_is_named(runtime, member, value):
    if not runtime.is_ours:
        pytest.skip("our own file")
    name = runtime.start_detached("sleep", "100")
    file = runtime.root / name / "state.json"
    whole = file.read_text()
    file.write_text(json.dumps({**json.loads(whole), member: value}))
    done = runtime("state", name)
    assert done.code == 1 and f"state of container {name}: {member} is no number of the right kind" in done.err, done
    file.write_text(whole)


def test_exec_detached_with_a_pid_file(runtime):
    name = runtime.start_detached("sleep", "100")
    file = runtime.directory / "exec.pid"
    done = runtime("exec", "--detach", "--pid-file", str(file), name, "sleep", "77")
    assert done.code == 0, done
    pid = int(file.read_text())
    assert pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0077\x00"
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{runtime.state(name)['pid']}/ns/pid")


EXEC = [(["--env", "A=1", "-e", "B=2"], "echo $A$B", "12"), (["--cwd", "/tmp"], "pwd", "/tmp"), (["--user", "1000:1000"], "id -u", "1000"), (["--user", "77"], "id -u", "77"),
        (["--additional-gids", "5", "-g", "6"], "id -G", "0 5 6"), (["--no-new-privs"], "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1"),
        (["--cap", "CAP_SYS_ADMIN"], "grep CapPrm /proc/self/status", "CapPrm:\t00000000a82425fb")]


@pytest.mark.parametrize("flags,script,text", EXEC)
def test_exec_flags(runtime, flags, script, text):
    name = runtime.start_detached("sleep", "100")
    done = runtime("exec", *flags, name, "sh", "-c", script)
    assert done.out == text + "\n", done


@pytest.mark.parametrize("key,value,script,text", [
    ("env", ["PATH=/bin", "Z=9"], "echo $Z", "9"), ("cwd", "/tmp", "pwd", "/tmp"), ("user", {"uid": 5, "gid": 6, "additionalGids": [7], "umask": 0o77}, "id -u; id -g; id -G; umask", "5\n6\n6 7\n0077"),
    ("rlimits", [{"type": "RLIMIT_NOFILE", "soft": 55, "hard": 66}], "ulimit -n", "55"), ("oomScoreAdj", 600, "cat /proc/self/oom_score_adj", "600"),
    ("noNewPrivileges", True, "grep NoNew /proc/self/status", "NoNewPrivs:\t1"), ("capabilities", {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"]}, "grep CapBnd /proc/self/status", "CapBnd:\t0000000000000020"),
    ("execCPUAffinity", {"initial": "0", "final": "1"}, "grep Cpus_allowed_list /proc/self/status", "Cpus_allowed_list:\t1"), ("execCPUAffinity", {"initial": "0"}, "nproc", str(os.cpu_count()))])
def test_exec_from_a_file(runtime, key, value, script, text):
    if key == "execCPUAffinity" and os.cpu_count() < 2:
        pytest.skip("needs two processors")
    name = runtime.start_detached("sleep", "100")
    file = runtime.directory / "process.json"
    process = {"args": ["sh", "-c", script], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}, key: value}
    file.write_text(json.dumps(process))
    done = runtime("exec", "--process", str(file), name)
    assert done.code == 0 and done.out.strip() == text, done


def test_exec_from_a_file_inherits_what_it_leaves_open(runtime):
    name = runtime.start_detached("sleep", "100", process={"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 44, "hard": 44}]})
    file = runtime.directory / "process.json"
    file.write_text(json.dumps({"args": ["sh", "-c", "ulimit -n; grep CapBnd /proc/self/status"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}))
    assert runtime("exec", "-p", str(file), name).out == "44\nCapBnd:\t00000000a80425fb\n"


def test_exec_in_a_created_container(runtime):
    runtime.config("sleep", "100")
    name = runtime.id()
    assert runtime("create", name).code == 0
    assert runtime("exec", name, "echo", "early").out == "early\n"


def test_exec_in_a_paused_container_only_when_told(runtime):
    name = runtime.start_detached("sleep", "100")
    runtime("pause", name)
    done = runtime("exec", name, "true")
    assert done.code == 255 and "cannot exec in a paused container (use --ignore-paused to override)" in done.err
    process = subprocess.Popen(runtime.command("exec", "--ignore-paused", name, "true"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    time.sleep(0.2)
    assert process.poll() is None
    runtime("resume", name)
    assert process.wait(10) == 0


def test_exec_into_a_sub_group(runtime):
    name = runtime.start_detached("sleep", "100")
    made = []
    for line in pathlib.Path(f"/proc/{runtime.state(name)['pid']}/cgroup").read_text().splitlines():
        if line.endswith("/" + name):
            controllers = line.split(":")[1].replace("name=", "")
            made.append(pathlib.Path("/sys/fs/cgroup", controllers or ("unified" if os.path.isdir("/sys/fs/cgroup/unified") else ""), name, "sub"))
    for directory in made:
        directory.mkdir()
        for file in ("cpuset.cpus", "cpuset.mems"):  # a new cpuset takes nobody until it has both
            if (directory / file).exists() and "cpuset" in str(directory):
                (directory / file).write_text((directory.parent / file).read_text())
    done = runtime("exec", "--cgroup", "sub", name, "cat", "/proc/self/cgroup")
    assert done.code == 0 and done.out.count(f"/{name}/sub") == len(made), done
    if os.path.isdir("/sys/fs/cgroup/pids"):
        done = runtime("exec", "--cgroup", "pids:sub", name, "cat", "/proc/self/cgroup")
        assert done.out.count(f"/{name}/sub") == 1 and f"pids:/{name}/sub" in done.out, done
    done = runtime("exec", "--cgroup", "nosuch", name, "true")
    assert done.code == 255


def test_exec_with_a_terminal(runtime):
    name = runtime.start_detached("sleep", "100")
    listener = Listener(runtime.directory / "tty.sock")
    done = runtime("exec", "-d", "-t", "--console-socket", str(runtime.directory / "tty.sock"), name, "sh", "-c", "tty; echo done; sleep 1")
    assert done.code == 0, done
    master = listener.wait()
    assert "/dev/pts/" in listener.read_until(master, "done")
    os.close(master)


@pytest.mark.parametrize("flags,word", [(["--user", "name"], "name"), (["--user", "1:x"], "1:x"), (["--additional-gids", "x"], "additional-gids"), (["--preserve-fds", "x"], "preserve-fds"), (["--process", "/nosuch"], "/nosuch"),
                                        (["--cwd", "relative"], "cwd")])
def test_exec_refuses(runtime, flags, word):
    name = runtime.start_detached("sleep", "100")
    done = runtime("exec", *flags, name, "true")
    assert done.code != 0 and (word.lower() in (done.err + done.out).lower() or not runtime.is_ours), done


@pytest.mark.parametrize("command", ["create", "exec"])
def test_a_pidfd_is_sent(runtime, command):
    listener = Listener(runtime.directory / "pidfd.sock")
    file = runtime.directory / "pid"
    flags = ["--pidfd-socket", str(runtime.directory / "pidfd.sock"), "--pid-file", str(file)]
    if command == "create":
        runtime.config("sleep", "100")
        done = runtime("create", *flags, runtime.id())
    else:
        done = runtime("exec", "-d", *flags, runtime.start_detached("sleep", "100"), "sleep", "50")
    assert done.code == 0, done
    fd = listener.wait()
    text = pathlib.Path(f"/proc/self/fdinfo/{fd}").read_text()
    os.close(fd)
    assert re.search(rf"^Pid:\s*{file.read_text()}$", text, re.M), text


@pytest.mark.parametrize("terminal,flags,word", [(True, ["--detach"], "cannot allocate tty if runc will detach without setting console socket"),
                                                 (False, ["--detach", "--console-socket", "/nosuch"], "cannot use console socket if runc will not detach or allocate tty")])
def test_terminal_and_console_socket_must_fit(runtime, terminal, flags, word):
    runtime.config("true", process={"terminal": terminal})
    done = runtime("run", *flags, runtime.id())
    assert done.code == 1 and word in done.err, done


def test_run_keeps_the_state_when_asked(runtime):
    runtime.config("sh", "-c", "exit 3")
    name = runtime.id()
    done = runtime("run", "--keep", name)
    if "not defined" in done.err + done.out:
        pytest.fail("no --keep")
    assert done.code == 3 and runtime.state(name)["status"] == "stopped"
    assert runtime("delete", name).code == 0


def test_run_without_pivot(runtime):
    runtime.config("sh", "-c", "ls / | wc -l")
    assert int(runtime("run", "--no-pivot", runtime.id()).out) < 20


def test_the_session_keyring(runtime):
    runtime.config("cat", "/proc/self/status")
    assert runtime("run", "--no-new-keyring", runtime.id()).code == 0


def test_the_bundle_is_the_current_directory_or_named(runtime):
    runtime.config("echo", "here")
    assert runtime("run", "-b", str(runtime.directory / "bundle"), runtime.id(), cwd="/").out == "here\n"
    done = runtime("run", runtime.id(), cwd="/tmp")
    assert done.code != 0 and "config.json" in done.err


def test_a_pid_file_that_cannot_be_written_undoes_the_create(runtime):
    runtime.config("sleep", "100")
    name = runtime.id()
    done = runtime("create", "--pid-file", "/nosuch/dir/pid", name)
    assert done.code != 0 and runtime("state", name).code != 0
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{name}"))


def test_a_console_socket_that_is_not_there_undoes_the_create(runtime):
    runtime.config("sleep", "100", process={"terminal": True})
    name = runtime.id()
    done = runtime("create", "--console-socket", str(runtime.directory / "nosuch.sock"), name)
    assert done.code != 0 and runtime("state", name).code != 0
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/{name}"))


def test_descriptors_to_preserve_must_be_open(runtime):
    runtime.config("true")
    done = runtime("run", "--preserve-fds", "5", runtime.id())
    assert done.code != 0 and "preserve" in done.err, done


@pytest.mark.parametrize("value", ["true", "false", "auto"])
def test_rootless_can_be_said(runtime, value):
    runtime.config("echo", "ran")
    assert runtime("--rootless", value, "run", runtime.id()).out == "ran\n"
