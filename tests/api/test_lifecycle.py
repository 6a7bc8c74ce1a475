"""start, stop, kill, restart, pause, rename, top, remove: effects, statuses and words."""
import re
import time

import pytest

from support.waiting import wait_until

TRAP = ["sh", "-c", "trap 'exit 5' TERM; trap 'echo usr1' USR1; echo ready; while :; do sleep 0.05; done"]
DEAF = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"]


def ready(api, container):
    wait_until(lambda: "ready" in api.logs(container)[0], 10, "the container to be ready")
    return container


class TestStart:
    def test_statuses(self, api):
        container = api.create("sleep", "100")
        assert api.post(f"/containers/{container}/start").status == 204
        assert api.post(f"/containers/{container}/start").status == 304
        assert api.post("/containers/nope/start").status == 404

    def test_twice_in_a_row(self, api):
        container = api.run("sh", "-c", "echo x >> /f; cat /f")
        api.wait(container)
        api.start(container)
        api.wait(container)
        assert api.logs(container)[0] == "x\nx\nx\n"

    def test_body(self, api):
        container = api.create("sleep", "100")
        answer = api.post(f"/containers/{container}/start", {"HostConfig": {"Binds": []}})
        assert answer.status == 400
        assert "starting container with non-empty request body was deprecated" in answer.message
        assert api.post(f"/containers/{container}/start", {}).status == 204

    def test_paused(self, api):
        container = api.run("sleep", "100")
        api.post(f"/containers/{container}/pause")
        answer = api.post(f"/containers/{container}/start")
        assert (answer.status, answer.message) == (409, "cannot start a paused container, try unpause instead")
        api.post(f"/containers/{container}/unpause")

    def test_missing_program(self, api):
        container = api.create("nosuchprogram")
        answer = api.post(f"/containers/{container}/start")
        assert answer.status == 400
        assert 'exec: "nosuchprogram": executable file not found in $PATH' in answer.message
        assert answer.message.startswith("failed to create")
        state = api.state(container)
        assert (state["Status"], state["ExitCode"]) == ("created", 127)
        assert "executable file not found" in state["Error"]

    @pytest.mark.parametrize("command, text, code", [("/etc/passwd", "permission denied", 126), ("/etc", "", 126), ("/no/such", "no such file or directory", 127)])
    def test_unusable_programs(self, api, command, text, code):
        container = api.create(command)
        answer = api.post(f"/containers/{container}/start")
        assert answer.status == 400 and text in answer.message, answer
        assert api.state(container)["ExitCode"] == code

    def test_unknown_user(self, api):
        container = api.create("true", User="bogus")
        answer = api.post(f"/containers/{container}/start")
        assert (answer.status, "bogus" in answer.message) == (500, True), answer
        assert "unable to find user bogus" in answer.message

    def test_a_failed_start_can_be_followed_by_removal(self, api):
        container = api.create("nosuchprogram")
        api.post(f"/containers/{container}/start")
        assert api.delete(f"/containers/{container}").status == 204


class TestStop:
    def test_signal_and_exit_code(self, api):
        container = ready(api, api.run(*TRAP))
        assert api.post(f"/containers/{container}/stop").status == 204
        assert api.state(container)["ExitCode"] == 5
        assert api.post(f"/containers/{container}/stop").status == 304
        assert api.post("/containers/nope/stop").status == 404

    def test_never_started(self, api):
        assert api.post(f"/containers/{api.create('true')}/stop").status == 304

    def test_kill_after_the_timeout(self, api):
        container = ready(api, api.run(*DEAF))
        begin = time.monotonic()
        assert api.post(f"/containers/{container}/stop?t=1").status == 204
        assert 0.9 < time.monotonic() - begin < 5
        assert api.state(container)["ExitCode"] == 137

    def test_stop_timeout_of_the_container(self, api):
        container = ready(api, api.run(*DEAF, StopTimeout=1))
        begin = time.monotonic()
        api.post(f"/containers/{container}/stop")
        assert 0.9 < time.monotonic() - begin < 5

    def test_zero_is_at_once(self, api):
        container = ready(api, api.run(*DEAF))
        begin = time.monotonic()
        api.post(f"/containers/{container}/stop?t=0")
        assert time.monotonic() - begin < 3
        assert api.state(container)["ExitCode"] == 137

    def test_stop_signal(self, api):
        container = ready(api, api.run("sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done", StopSignal="SIGUSR1"))
        api.post(f"/containers/{container}/stop")
        assert api.state(container)["ExitCode"] == 7

    def test_signal_parameter(self, api):
        if api.engine.is_docker(20):
            pytest.skip("new in API 1.42")
        container = ready(api, api.run("sh", "-c", "trap 'exit 8' INT; echo ready; while :; do sleep 0.05; done"))
        assert api.post(f"/containers/{container}/stop?signal=SIGINT").status == 204
        assert api.state(container)["ExitCode"] == 8


class TestKill:
    def test_default_is_sigkill(self, api):
        container = api.run("sleep", "100")
        assert api.post(f"/containers/{container}/kill").status == 204
        api.wait(container)
        assert api.state(container)["ExitCode"] == 137

    @pytest.mark.parametrize("signal", ["SIGUSR1", "USR1", "10", "usr1"])
    def test_signal_names(self, api, signal):
        container = ready(api, api.run(*TRAP))
        assert api.post(f"/containers/{container}/kill?signal={signal}").status == 204
        wait_until(lambda: "usr1" in api.logs(container)[0])
        assert api.state(container)["Running"]

    @pytest.mark.modern

    def test_errors(self, api, name):
        container = api.create("true", name=name)
        answer = api.post(f"/containers/{name}/kill")
        assert answer.status == 409
        if not api.engine.is_docker(20):
            assert answer.message == f"cannot kill container: {name}: container {container} is not running" or answer.message == f"Cannot kill container: {name}: container {container} is not running"
        api.start(container)
        api.wait(container)
        container = api.run("sleep", "100")
        for bad in ("FOO", "0", "99"):
            answer = api.post(f"/containers/{container}/kill?signal={bad}")
            assert answer.status == 400, answer
            assert answer.message.lower().endswith((f"invalid signal: {bad.lower()}", f"does not support signal {bad}"))

    def test_sigterm_to_init_without_handler_is_ignored(self, api):
        container = api.run("sleep", "100")
        api.post(f"/containers/{container}/kill?signal=TERM")
        time.sleep(0.2)
        assert api.state(container)["Running"]

    def test_exit_by_signal_is_128_plus_n(self, api):
        container = api.run("sh", "-c", "sh -c 'kill -SEGV $$'; exit $?")
        assert api.wait(container) == 139

    def test_paused_can_be_killed(self, api):
        container = api.run("sleep", "100")
        api.post(f"/containers/{container}/pause")
        assert api.post(f"/containers/{container}/kill").status == 204
        assert api.wait(container) == 137


class TestRestart:
    def test_new_process_same_container(self, api):
        container = ready(api, api.run(*TRAP))
        before = api.state(container)
        assert api.post(f"/containers/{container}/restart").status == 204
        after = api.state(container)
        assert after["Running"] and after["Pid"] != before["Pid"] and after["StartedAt"] > before["StartedAt"]
        assert api.inspect(container)["RestartCount"] == 0

    def test_starts_a_stopped_one(self, api):
        container = api.create("sleep", "100")
        assert api.post(f"/containers/{container}/restart").status == 204
        assert api.state(container)["Running"]
        assert api.post("/containers/nope/restart").status == 404

    def test_zero_timeout(self, api):
        container = ready(api, api.run(*DEAF))
        begin = time.monotonic()
        assert api.post(f"/containers/{container}/restart?t=0").status == 204
        assert time.monotonic() - begin < 4


class TestPause:
    def test_freezes_and_thaws(self, api):
        container = api.run("sh", "-c", "while :; do echo x; sleep 0.02; done")
        wait_until(lambda: api.logs(container)[0])
        assert api.post(f"/containers/{container}/pause").status == 204
        state = api.state(container)
        assert (state["Status"], state["Running"], state["Paused"]) == ("paused", True, True)
        time.sleep(0.1)
        one = len(api.logs(container)[0])
        time.sleep(0.2)
        assert len(api.logs(container)[0]) == one
        again = api.post(f"/containers/{container}/pause")
        assert again.status == 409 and again.message.endswith(f"ontainer {container} is already paused")
        assert api.post(f"/containers/{container}/unpause").status == 204
        wait_until(lambda: len(api.logs(container)[0]) > one)
        assert api.state(container)["Status"] == "running"

    def test_errors(self, api):
        container = api.create("sleep", "100")
        stopped = api.post(f"/containers/{container}/pause")
        assert stopped.status == 409 and "is not running" in stopped.message
        api.start(container)
        answer = api.post(f"/containers/{container}/unpause")
        assert answer.status == 500 and answer.message.endswith(f"ontainer {container} is not paused")
        assert api.post("/containers/nope/pause").status == 404

    def test_stop_of_a_paused_one(self, api):
        container = ready(api, api.run(*TRAP))
        api.post(f"/containers/{container}/pause")
        assert api.post(f"/containers/{container}/stop?t=2").status == 204
        assert not api.state(container)["Running"]


class TestRename:
    def test_rename(self, api, name):
        container = api.create("true", name=name)
        assert api.post(f"/containers/{name}/rename?name={name}-b").status == 204
        assert api.inspect(container)["Name"] == f"/{name}-b"
        assert api.get(f"/containers/{name}/json").status == 404
        assert api.inspect(name + "-b")["Id"] == container
        api.create("true", name=name)

    def test_errors(self, api, name):
        api.create("true", name=name)
        other = api.create("true", name=name + "-o")
        taken = api.post(f"/containers/{name}/rename?name={name}-o")
        assert taken.status == 409
        assert taken.message.startswith(f'Error when allocating new name: Conflict. The container name "/{name}-o" is already in use by container "{other}"')
        empty = api.post(f"/containers/{name}/rename?name=")
        assert (empty.status, empty.message) == (400, "Neither old nor new names may be empty")
        assert api.post(f"/containers/{name}/rename?name={name}").status == 400
        assert api.post(f"/containers/{name}/rename?name=a").status == 400
        assert api.post("/containers/nope/rename?name=xx").status == 404

    def test_a_running_one(self, api, name):
        container = api.run("sleep", "100", name=name)
        api.post(f"/containers/{name}/rename?name={name}-b")
        assert api.state(name + "-b")["Running"]
        assert api.execute(container, "true")[0] == 0


class TestRemove:
    def test_statuses(self, api, name):
        container = api.run("sleep", "100", name=name)
        answer = api.delete(f"/containers/{name}")
        assert answer.status == 409
        if not api.engine.is_docker(20):
            tail = "container is running: stop the container before removing or force remove"
            assert answer.message.endswith(tail) and f'"/{name}"' in answer.message, answer
        api.post(f"/containers/{name}/pause")
        paused = api.delete(f"/containers/{name}")
        assert paused.status == 409
        if not api.engine.is_docker(20):
            assert "container is paused and must be unpaused first" in paused.message
        assert api.delete(f"/containers/{name}?force=1").status == 204
        assert api.delete(f"/containers/{container}").status == 404
        assert api.get(f"/containers/{container}/json").message == f"No such container: {container}"

    def test_created_and_exited(self, api):
        assert api.delete(f"/containers/{api.create('true')}").status == 204
        container = api.run("true")
        api.wait(container)
        assert api.delete(f"/containers/{container}").status == 204

    def test_nothing_stays_on_disk(self, api):
        if api.engine.external:
            pytest.skip("data root unknown")
        import os
        container = api.run("true")
        api.wait(container)
        assert os.path.exists(f"{api.engine.data_root}/containers/{container}")
        api.delete(f"/containers/{container}")
        assert not os.path.exists(f"{api.engine.data_root}/containers/{container}")

    def test_auto_remove(self, api):
        container = api.create("true", host={"AutoRemove": True})
        api.start(container)
        wait_until(lambda: api.get(f"/containers/{container}/json").status == 404)


class TestTop:
    def test_default_columns(self, api):
        container = api.run("sleep", "123")
        body = api.get(f"/containers/{container}/top").json()
        assert body["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
        assert [p[-1] for p in body["Processes"]] == ["sleep 123"]
        assert int(body["Processes"][0][1]) == api.state(container)["Pid"]

    def test_arguments(self, api):
        container = api.run("sh", "-c", "sleep 123 & wait")
        wait_until(lambda: len(api.get(f"/containers/{container}/top?ps_args=-o%20pid,comm").json()["Processes"]) == 2)
        body = api.get(f"/containers/{container}/top?ps_args=-o%20pid,comm").json()
        assert body["Titles"] == ["PID", "COMMAND"]
        assert sorted(p[1] for p in body["Processes"]) == ["sh", "sleep"]
        no_pid = api.get(f"/containers/{container}/top?ps_args=-o%20comm")
        assert no_pid.status in (400, 500) and "PID" in no_pid.message

    def test_not_running(self, api):
        container = api.create("true")
        answer = api.get(f"/containers/{container}/top")
        assert answer.status == 409 and answer.message.lower() == f"container {container} is not running"


def test_resize_needs_a_running_container(api):
    container = api.create("true", Tty=True)
    answer = api.post(f"/containers/{container}/resize?h=10&w=20")
    assert answer.status == 409 and f"container {container} is not running" in answer.message.lower()
    assert api.post(f"/containers/{container}/resize?h=x&w=20").status in (400, 409, 500)
    container = api.run("sleep", "100", Tty=True)
    assert api.post(f"/containers/{container}/resize?h=10&w=20").status == 200
    assert api.post("/containers/nope/resize?h=1&w=1").status == 404


def test_a_daemonised_process_dies_with_the_container(api):
    container = api.run("sh", "-c", "setsid sleep 77777 & sleep 0.3")
    pid = wait_until(lambda: [p[1] for p in api.get(f"/containers/{container}/top").json().get("Processes", []) if "77777" in p[-1]])[0]
    api.wait(container)
    import os
    wait_until(lambda: not os.path.exists(f"/proc/{pid}") or "Z" in open(f"/proc/{pid}/stat").read().split(") ")[1][:1])
