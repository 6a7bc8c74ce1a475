"""hooks: six points, their order, their input, their failures. Spec: config.md, POSIX-platform Hooks; runtime.md, Lifecycle."""
import json
import time

import pytest

OUTSIDE = ["prestart", "createRuntime", "poststart", "poststop"]
ORDER = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
STATUS = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "startContainer": "created", "poststart": "running", "poststop": "stopped"}


class Hooks:
    """One script for all points: it notes its point, arguments, environment and input."""

    def __init__(self, runtime):
        self.runtime, self.log = runtime, runtime.directory / "hooks.log"
        self.inside = runtime.rootfs / "hooks.log"
        text = "#!/bin/sh\nprintf '%s\\t%s\\t%s\\t' \"$1\" \"$#\" \"$WORD\" >> LOG\ncat >> LOG\necho >> LOG\nreadlink /proc/self/ns/mnt >> LOG\n"
        self.script = runtime.directory / "hook.sh"
        self.script.write_text(text.replace("LOG", str(self.log)))
        self.script.chmod(0o755)
        (runtime.rootfs / "hook.sh").write_text(text.replace("LOG", "/hooks.log"))
        (runtime.rootfs / "hook.sh").chmod(0o755)

    def at(self, *points, **more):
        # startContainer is looked up in the container, all others where the runtime is.
        return {point: [{"path": "/hook.sh" if point == "startContainer" else str(self.script), "args": ["hook", point], "env": ["PATH=/bin:/usr/bin", "WORD=w"], **more}] for point in points}

    def notes(self):
        found = {}
        for file in (self.log, self.inside):
            lines = file.read_text().splitlines() if file.exists() else []
            for head, space in zip(lines[0::2], lines[1::2]):
                point, count, word, state = head.split("\t")
                found.setdefault(point, (int(count), word, json.loads(state), space))
        return found


def life(runtime, **changes):
    runtime.config("sleep", "100", **changes)
    name = runtime.id()
    for words in (["create", name], ["start", name]):
        done = runtime(*words)
        assert done.code == 0, done
    return name


@pytest.mark.parametrize("point", ORDER)
def test_a_hook_runs_with_its_arguments_environment_and_state(runtime, point):
    hooks = Hooks(runtime)
    name = life(runtime, hooks=hooks.at(point), annotations={"key": "value"})
    pid = runtime.state(name)["pid"]
    assert (point in hooks.notes()) == (point != "poststop")
    runtime("delete", "--force", name)
    count, word, state, _ = hooks.notes()[point]
    assert (count, word) == (1, "w")
    assert state["id"] == name and state["bundle"] == str(runtime.directory / "bundle") and state["ociVersion"] and state["annotations"] == {"key": "value"}
    if point in OUTSIDE[:3]:
        assert state["pid"] == pid
    if not runtime.is_crun:
        assert state["status"] == STATUS[point] or not runtime.is_ours


def test_createcontainer_and_startcontainer_are_in_the_containers_namespace(runtime):
    hooks = Hooks(runtime)
    name = life(runtime, hooks=hooks.at("createRuntime", "createContainer", "startContainer"))
    import os
    inside, notes = os.readlink(f"/proc/{runtime.state(name)['pid']}/ns/mnt"), hooks.notes()
    assert notes["createContainer"][3] == notes["startContainer"][3] == inside != notes["createRuntime"][3]


def test_the_order(runtime):
    log = runtime.directory / "order"
    script = runtime.directory / "note.sh"
    script.write_text(f"#!/bin/sh\necho $1 >> {log}\n")
    script.chmod(0o755)
    points = [point for point in ORDER if point != "startContainer"]
    hooks = {point: [{"path": str(script), "args": ["note", point + number]} for number in "12"] for point in points}
    name = life(runtime, hooks=hooks)
    before = log.read_text().split()
    runtime("delete", "--force", name)
    assert log.read_text().split() == [point + number for point in points for number in "12"]
    assert "poststop1" not in before


@pytest.mark.parametrize("point", ["prestart", "createRuntime", "createContainer"])
def test_a_failure_of_create_undoes_it(runtime, point):
    hooks = Hooks(runtime).at("poststop")
    hooks[point] = [{"path": "/bin/sh", "args": ["sh", "-c", "echo the reason >&2; exit 3"]}]
    runtime.config("sleep", "100", hooks=hooks)
    name = runtime.id()
    done = runtime("create", name)
    assert done.code != 0
    assert runtime("state", name).code != 0
    if runtime.is_ours:
        assert point in done.err and "exit status 3" in done.err and "the reason" in done.err, done


def test_a_failure_of_startcontainer_ends_the_container(runtime):
    runtime.config("sh", "-c", "touch /ran", hooks={"startContainer": [{"path": "/bin/false"}]})
    name = runtime.id()
    assert runtime("create", name).code == 0
    done = runtime("start", name)
    assert not (runtime.rootfs / "ran").exists()
    if runtime.is_ours:
        assert done.code == 1 and "startContainer" in done.err
    runtime.wait_for(name, "stopped")


def test_a_failure_of_poststart_ends_the_container(runtime):
    runtime.config("sleep", "100", hooks={"poststart": [{"path": "/bin/false"}]})
    name = runtime.id()
    assert runtime("create", name).code == 0
    assert runtime("start", name).code != 0
    if runtime("state", name).code == 0:
        runtime.wait_for(name, "stopped")


def test_a_failure_of_poststop_is_only_told(runtime):
    name = life(runtime, hooks={"poststop": [{"path": "/bin/false"}]})
    runtime("kill", name, "KILL")
    runtime.wait_for(name, "stopped")
    done = runtime("delete", name)
    assert done.code == 0 and runtime("state", name).code != 0
    assert "hook" in done.err or not runtime.is_ours


@pytest.mark.parametrize("point", ["prestart", "createRuntime", "createContainer", "startContainer"])
def test_a_hook_that_takes_too_long_is_killed(runtime, point):
    runtime.config("true", hooks={point: [{"path": "/bin/sleep", "args": ["sleep", "30"], "timeout": 1}]})
    begin = time.monotonic()
    done = runtime("run", runtime.id())
    assert done.code != 0 and time.monotonic() - begin < 8
    assert "timeout" in done.err.lower() or "timed out" in done.err.lower() or not runtime.is_ours


def test_a_hook_that_leaves_a_child_behind_does_not_hold_the_runtime(runtime):
    runtime.config("true", hooks={"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "sleep 20 >/dev/null 2>&1 & exit 0"]}]})
    begin = time.monotonic()
    assert runtime("run", runtime.id()).code == 0 and time.monotonic() - begin < 8


def test_a_hook_gets_only_its_own_environment(runtime):
    out = runtime.directory / "env"
    runtime.config("true", hooks={"createRuntime": [{"path": "/usr/bin/env", "args": ["env", "-u", "_", "sh", "-c", f"env > {out}"], "env": ["ONLY=this", "PATH=/usr/bin:/bin"]}]})
    assert runtime("run", runtime.id()).code == 0
    assert {line.split("=")[0] for line in out.read_text().splitlines()} <= {"ONLY", "PATH", "PWD", "_", "SHLVL", "OLDPWD"}


@pytest.mark.parametrize("hook,word", [({"path": "bin/relative"}, "absolute"), ({"path": "/bin/true", "timeout": 0}, "timeout"), ({"path": "/bin/true", "timeout": -1}, "timeout"), ({"path": "/nosuch/hook"}, "/nosuch/hook"), ({}, "path")])
def test_a_hook_that_cannot_be_is_refused(runtime, hook, word):
    runtime.refused(word, hooks={"createRuntime": [hook]})
