"""`proa why`, completion, manual pages, plugins, and the API behind them."""
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import tarfile

import pytest

from support.engine import REPOSITORY
from support.waiting import wait_until

pytestmark = pytest.mark.proa


@pytest.fixture
def proa(client_environment):
    program = os.path.abspath(os.environ.get("PROA_BIN", os.path.join(REPOSITORY, "build/release/bin"))) + "/proa"

    def run(*arguments, check=0, env=None):
        done = subprocess.run([program, *arguments], env={**client_environment, **(env or {})}, capture_output=True, text=True, timeout=60)
        assert done.returncode == check, done
        return done.stdout

    run.program = program
    return run


def why(proa, container):
    return json.loads(proa("why", "--format", "json", container))


def put(api, container, name, content, mode=0o755):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(content), mode
        tar.addfile(info, io.BytesIO(content))
    assert api.put(f"/containers/{container}/archive?path=/", out.getvalue(), [("Content-Type", "application/x-tar")]).status == 200


def elf(machine, loader):
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(loader) + 1, len(loader) + 1, 1) + loader + b"\0" + bytes(200)


@pytest.mark.parametrize("content, mode, cause, words", [
    (b"#!/bin/sh\r\necho hi\r\n", 0o755, "crlf", "Windows line ends"),
    (b"#!/usr/bin/nonsense\n", 0o755, "missing-interpreter", "/usr/bin/nonsense"),
    (elf(183 if os.uname().machine == "x86_64" else 62, b"/lib/ld.so"), 0o755, "wrong-architecture", "this host is"),
    (elf(62 if os.uname().machine == "x86_64" else 183, b"/lib/ld-absent.so"), 0o755, "missing-loader", "/lib/ld-absent.so"),
    (b"#!/bin/sh\necho hi\n", 0o644, "not-executable", "no execute permission"),
    (b"echo no first line\n", 0o755, "no-format", "interpreter")])
def test_programs_that_cannot_run(api, proa, content, mode, cause, words):
    container = api.create("/program")
    put(api, container, "program", content, mode)
    assert api.post(f"/containers/{container}/start").status >= 400
    answer = why(proa, container)
    assert answer["Cause"] == cause and words in answer["Text"], answer
    assert answer["Fix"]


def test_a_missing_program(api, proa):
    container = api.create("nonsense-program")
    assert api.post(f"/containers/{container}/start").status >= 400
    assert why(proa, container)["Cause"] == "not-found"


def test_out_of_memory(api, proa):
    container = api.run("tail", "/dev/zero", host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    api.wait(container)
    wait_until(lambda: api.state(container)["OOMKilled"], 5, "OOMKilled")
    answer = why(proa, container)
    assert answer["Cause"] == "oom" and "16 MiB" in answer["Text"] and answer["OOMKilled"]


def test_ends(api, proa, docker, name):
    api.wait(api.run("sh", "-c", "echo last words; exit 7", name=name))
    answer = why(proa, name)
    assert answer["Cause"] == "exited" and answer["ExitCode"] == 7 and answer["Lines"] == ["last words"]
    text = proa("why", name)
    assert text.startswith(f"{name} (exited): its program ended by itself with exit code 7") and "last words" in text
    killed = api.run("sleep", "100")
    docker("kill", killed, check=0)
    api.wait(killed)
    assert "SIGKILL, as a client asked for" in why(proa, killed)["Text"]
    fault = api.run("sh", "-c", "kill -SEGV $$")
    api.wait(fault)
    assert "SIGSEGV, a fault of the program itself" in why(proa, fault)["Text"] or why(proa, fault)["ExitCode"] == 0


def test_states(api, proa):
    assert why(proa, api.create("true"))["Cause"] == "created"
    running = api.run("sleep", "100")
    assert why(proa, running)["Cause"] == "running" and why(proa, running)["MemoryUsage"] > 0
    api.post(f"/containers/{running}/pause")
    assert why(proa, running)["Cause"] == "paused"
    sick = api.run("sleep", "100", Healthcheck={"Test": ["CMD-SHELL", "echo broken; false"], "Interval": 150 * 10**6, "Retries": 1})
    wait_until(lambda: api.state(sick)["Health"]["Status"] == "unhealthy", 10, "unhealthy")
    answer = why(proa, sick)
    assert answer["Cause"] == "unhealthy" and answer["Probes"][0]["Output"] == "broken\n"
    proa("why", "nope", check=1)


def test_completion_of_words(api, proa, name):
    api.run("sleep", "100", name=name)
    first = lambda *words: [line.split("\t")[0] for line in proa("__complete", *words).splitlines()]
    assert {"run", "ps", "container", "why"} <= set(first(""))
    assert first("container", "re") == ["rename", "restart", "rm"] or set(first("container", "re")) >= {"rename", "restart"}
    assert "--health-cmd" in first("run", "--health")
    assert name in first("stop", "t-") and name in first("container", "inspect", "--size", "t-")
    assert "busybox:latest" in first("run", "--name", "x", "busy")
    assert first("run", "--name", "") == [] and first("run", "busybox", "") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(proa, shell):
    script = proa("completion", shell)
    assert "__complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n", "/dev/stdin"], input=script, text=True, check=True)
    proa("completion", "cmd", check=1)


def test_bash_completes(proa, client_environment, tmp_path):
    script = proa("completion", "bash")
    done = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(proa container in); COMP_CWORD=2; _proa_complete; printf '%s\\n' \"${COMPREPLY[@]}\""],
                          env={**client_environment, "PATH": os.path.dirname(proa.program) + ":" + os.environ["PATH"]}, capture_output=True, text=True)
    assert done.stdout.split() == ["inspect"], done


def test_manual_pages(proa, tmp_path):
    proa("__man", str(tmp_path))
    pages = os.listdir(tmp_path)
    assert {"proa.1", "proa-run.1", "proa-container-ls.1", "proa-why.1"} <= set(pages)
    text = (tmp_path / "proa-run.1").read_text()
    assert ".SH OPTIONS" in text and "\\-\\-health\\-cmd" in text
    if shutil.which("man"):
        done = subprocess.run(["man", "--warnings", "-l", str(tmp_path / "proa-run.1")], capture_output=True, text=True, env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and "--health-cmd" in done.stdout


def test_plugins(proa, client_environment, tmp_path):
    directory = tmp_path / "cli-plugins"
    directory.mkdir()
    plugin = directory / "docker-hello"
    plugin.write_text("#!/bin/sh\necho \"plugin: $* $DOCKER_HOST\"\nexit 5\n")
    plugin.chmod(0o755)
    out = proa("hello", "--flag", "word", check=5, env={"DOCKER_CONFIG": str(tmp_path)})
    assert out == f"plugin: hello --flag word {client_environment['DOCKER_HOST']}\n"
    assert "hello*" in proa("--help", env={"DOCKER_CONFIG": str(tmp_path)})
    assert "unknown command" in subprocess.run([proa.program, "nonsense"], env=client_environment, capture_output=True, text=True).stderr


def test_an_alias_leads_to_a_plugin(proa, tmp_path):
    """config.json's `aliases`, as `docker buildx install` writes them."""
    directory = tmp_path / "cli-plugins"
    directory.mkdir()
    (directory / "docker-mine").write_text("#!/bin/sh\necho \"plugin: $*\"\n")
    (directory / "docker-mine").chmod(0o755)
    environment = {"DOCKER_CONFIG": str(tmp_path)}

    def alias(**names):
        (tmp_path / "config.json").write_text(json.dumps({"aliases": names}))

    def refused(*words):
        return subprocess.run([proa.program, *words], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)

    alias(builder="mine")
    assert proa("builder", "prune", "--force", env=environment) == "plugin: mine prune --force\n"
    alias(builder="gone")
    assert refused("builder").returncode == 1 and "unknown command" in refused("builder").stderr
    alias(ps="mine")
    assert 'not allowed to alias "ps"' in refused("ps").stderr and refused("ps").returncode == 1
    alias(builder="run")
    assert 'not allowed to alias with builtin "run" as target' in refused("ps").stderr


def test_the_api_socket_is_given(proa, api, engine, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"example.org": {"auth": "dTpw"}}}))
    out = proa("run", "--rm", "--use-api-socket", "busybox", "sh", "-c", "test -S /var/run/docker.sock && echo socket; cat $DOCKER_CONFIG/config.json; stat -c %a $DOCKER_CONFIG/config.json", env={"DOCKER_CONFIG": str(tmp_path)})
    assert out.startswith("socket\n") and "dTpw" in out and out.endswith("600\n")


def test_disk_usage(proa, api, docker, name):
    api.wait(api.run("sh", "-c", "head -c 1000000 /dev/zero >/big", name=name))
    seen = api.get("/system/df").json()
    entry = next(one for one in seen["Containers"] if one["Names"] == ["/" + name])
    assert entry["SizeRw"] >= 1000000 and seen["LayersSize"] > 0 and seen["BuildCache"] == [] and any("busybox:latest" in (one["RepoTags"] or []) for one in seen["Images"])
    only = api.get("/system/df?type=container").json()
    assert only["Images"] is None and only["Containers"]
    assert api.get("/system/df?type=nonsense").status == 400
    assert "Containers" in docker.output("system", "df") and name in docker.output("system", "df", "-v")
    newest = api.at("1.52").get("/system/df").json() if hasattr(api, "at") else {}
    assert newest.get("ContainerUsage", {"TotalCount": 1})["TotalCount"] >= 1


def test_flags_of_our_own_command(proa, api, name):
    proa("create", "--name", name, "--health-cmd", "true", "--health-on-failure", "stop", "--kernel-memory", "8m", "busybox")
    assert api.inspect(name)["Config"]["Healthcheck"]["OnFailure"] == "stop"
    proa("commit", "--no-pause", name, f"image-{name}")
    refused = subprocess.run([proa.program, "start", "--checkpoint", "x", "--checkpoint-dir", "/x", name], env=os.environ, capture_output=True, text=True)
    assert refused.returncode != 0
    proa("update", "--kernel-memory", "8m", name)
    proa("update", "--restart", "always", "--restart-delay", "1s:5m", name)
    assert api.inspect(name)["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0, "DelayMin": 10**9, "DelayMax": 300 * 10**9}
    second = proa("create", "--restart", "on-failure:2", "--restart-delay", "250ms", "busybox").strip()
    assert api.inspect(second)["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 2, "DelayMin": 250 * 10**6}
