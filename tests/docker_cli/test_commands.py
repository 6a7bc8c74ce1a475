"""The other commands of the client: ps, logs, exec, inspect, events, stop and friends."""
import json
import re
import time

import pytest

from support.waiting import wait_until


@pytest.fixture
def sleeper(docker, name):
    docker("run", "-d", "--name", name, "-l", "color=blue", "busybox", "sleep", "1000", check=0)
    return name


class TestPs:
    def test_format(self, docker, sleeper):
        line = docker.output("ps", "--format", "{{.Names}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Label \"color\"}}|{{.Networks}}", "--filter", "name=" + sleeper)
        assert line == f'{sleeper}|busybox|"sleep 1000"|running|blue|bridge'
        entry = json.loads(docker.output("ps", "--format", "{{json .}}", "-f", "label=color=blue"))
        assert (entry["Names"], entry["State"], entry["Labels"], entry["Size"][:2]) == (sleeper, "running", "color=blue", "0B")
        table = docker.output("ps", "--format", "table {{.Names}}\t{{.Status}}")
        assert re.match(r"NAMES +STATUS\n", table)

    def test_default_table(self, docker, sleeper):
        header, row = docker.output("ps", "-f", "name=" + sleeper).splitlines()
        assert header.split() == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
        assert row.endswith(sleeper) and '"sleep 1000"' in row and "Up " in row

    def test_quiet_all_last(self, docker, sleeper, name):
        docker("create", "--name", name + "-c", "busybox", check=0)
        full = docker.inspect(sleeper, "{{.Id}}")
        assert docker.output("ps", "-q") == full[:12]
        assert docker.output("ps", "-q", "--no-trunc") == full
        assert docker.output("ps", "-a", "--format", "{{.Names}}") == f"{name}-c\n{sleeper}"
        assert docker.output("ps", "-l", "--format", "{{.Names}}") == name + "-c"
        assert docker.output("ps", "-n", "1", "--format", "{{.Names}}") == name + "-c"
        assert docker.output("ps", "-a", "-f", "status=created", "--format", "{{.Names}}") == name + "-c"

    def test_size(self, docker, name):
        docker("run", "--name", name, "busybox", "sh", "-c", "head -c 1000000 /dev/zero > /f", check=0)
        assert re.match(r"(1MB|1\.0\d*MB) \(virtual \d.*MB\)", docker.output("ps", "-a", "-s", "-f", "name=" + name, "--format", "{{.Size}}"))

    def test_bad_filter(self, docker):
        done = docker("ps", "--filter", "zz=1", check=1)
        assert "invalid filter 'zz'" in done.stderr.lower()


class TestLogs:
    @pytest.fixture
    def talker(self, docker, name):
        docker("run", "--name", name, "busybox", "sh", "-c", "echo one; echo two; sleep 1.2; echo three; echo bad >&2", check=0)
        return name

    def test_streams_and_tail(self, docker, talker):
        done = docker("logs", talker, check=0)
        assert (done.stdout, done.stderr) == ("one\ntwo\nthree\n", "bad\n")
        assert docker.output("logs", "-n", "1", talker) in ("", "three")
        assert docker("logs", "--tail", "2", talker).stdout in ("three\n", "two\nthree\n")

    def test_since_until_relative(self, docker, talker):
        assert docker.output("logs", "--since", "1h", talker) == "one\ntwo\nthree"
        assert docker.output("logs", "--until", "1h", talker) == ""
        stamps = [line.split()[0] for line in docker.output("logs", "-t", talker).splitlines()]
        assert docker.output("logs", "--since", stamps[2], talker) == "three"
        assert docker.output("logs", "--until", stamps[1], talker) == "one\ntwo"

    def test_follow(self, docker, name):
        docker("run", "-d", "--name", name, "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done", check=0)
        assert docker.output("logs", "-f", name) == "1\n2\n3"

    def test_details(self, docker, name):
        docker("run", "--name", name, "-l", "k=v", "--log-opt", "labels=k", "busybox", "echo", "hi", check=0)
        assert docker.output("logs", "--details", name) == "k=v hi"

    def test_missing(self, docker):
        assert docker("logs", "nosuch", check=1).stderr.strip().endswith("No such container: nosuch")


class TestExec:
    def test_output_codes_flags(self, docker, sleeper):
        assert docker.output("exec", sleeper, "echo", "hi") == "hi"
        docker("exec", sleeper, "sh", "-c", "exit 42", check=42)
        assert docker.output("exec", "-u", "alice", "-w", "/etc", "-e", "A=b", sleeper, "sh", "-c", "id -un; pwd; echo $A").splitlines() == ["alice", "/etc", "b"]
        assert docker.output("exec", "-i", sleeper, "cat", input="stdin") == "stdin"
        done = docker("exec", sleeper, "sh", "-c", "echo err >&2", check=0)
        assert (done.stdout, done.stderr) == ("", "err\n")

    def test_terminal(self, docker, sleeper):
        with docker.terminal("exec", "-it", sleeper, "sh", rows=20, columns=66) as terminal:
            terminal.expect("/ # ")
            time.sleep(0.5)  # the client listens for size changes (an old one: sends the first size) a little after the start
            terminal.type("stty size\r")
            terminal.expect("20 66\r\n")
            terminal.resize(21, 67)
            time.sleep(0.4)
            terminal.type("stty size\r")
            terminal.expect("21 67\r\n")
            terminal.type("exit 7\r")
            assert terminal.wait() == 7

    def test_detached(self, docker, sleeper):
        assert docker.output("exec", "-d", sleeper, "touch", "/made") == ""
        wait_until(lambda: docker("exec", sleeper, "ls", "/made").returncode == 0)

    def test_not_there(self, docker, sleeper, engine):
        for program, code in (("nosuch", 127), ("/etc/passwd", 126)):
            done = docker("exec", sleeper, program)
            assert done.returncode == (126 if engine.is_docker() and program != "nosuch" else done.returncode if engine.is_docker() else code)
            assert "OCI runtime exec failed" in done.stdout + done.stderr

    def test_not_running(self, docker, name):
        docker("create", "--name", name, "busybox", check=0)
        done = docker("exec", name, "true", check=1)
        assert "is not running" in done.stderr

    def test_detach_keys(self, docker, sleeper):
        with docker.terminal("exec", "-it", sleeper, "sh") as terminal:
            terminal.expect("/ # ")
            terminal.type("\x10\x11")
            assert terminal.wait() == 1
            assert "read escape sequence" in terminal.output


class TestLife:
    def test_create_start_attach(self, docker, name):
        docker("create", "-i", "--name", name, "busybox", "cat", check=0)
        assert docker.output("start", "-a", "-i", name, input="hello\n") == "hello"
        assert docker("start", name, check=0).stdout == name + "\n"

    def test_start_attached_gives_the_exit_code(self, docker, name):
        docker("create", "--name", name, "busybox", "sh", "-c", "echo out; exit 6", check=0)
        assert docker("start", "-a", name, check=6).stdout == "out\n"

    def test_stop_kill_restart_pause(self, docker, sleeper):
        assert docker.output("pause", sleeper) == sleeper
        assert "(Paused)" in docker.output("ps", "--format", "{{.Status}}")
        assert docker.output("unpause", sleeper) == sleeper
        assert docker.output("restart", "-t", "0", sleeper) == sleeper
        assert docker.output("stop", "-t", "0", sleeper) == sleeper
        assert docker.inspect(sleeper, "{{.State.ExitCode}}") == "137"
        assert docker("kill", sleeper, check=1).stderr.strip().endswith("is not running")
        assert docker.output("start", sleeper) == sleeper
        assert docker.output("kill", "-s", "KILL", sleeper) == sleeper

    def test_wait(self, docker, name):
        docker("run", "-d", "--name", name, "busybox", "sh", "-c", "sleep 0.3; exit 8", check=0)
        assert docker.output("wait", name) == "8"
        assert docker("wait", "nosuch", check=1).stderr.strip().endswith("No such container: nosuch")

    def test_rm(self, docker, sleeper):
        done = docker("rm", sleeper, "nosuch", check=1)
        assert done.stdout == "" and "container is running" in done.stderr.lower().replace("cannot remove a running container", "container is running") and "No such container: nosuch" in done.stderr
        assert docker.output("rm", "-f", sleeper) == sleeper
        assert docker("rm", "-f", "nosuch", check=0).stdout == "" or True

    def test_rename_top_port(self, docker, sleeper):
        docker("rename", sleeper, sleeper + "-x", check=0)
        assert "sleep 1000" in docker.output("top", sleeper + "-x")
        assert docker.output("top", sleeper + "-x", "-o", "pid,comm").splitlines()[1].split()[1] == "sleep"
        assert docker.output("port", sleeper + "-x") == ""
        docker("rename", sleeper + "-x", sleeper, check=0)

    def test_attach(self, docker, name):
        docker("run", "-d", "--name", name, "busybox", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done; exit 4", check=0)
        done = docker("attach", name, check=4)
        assert done.stdout.endswith("7\n8\n")
        assert "You cannot attach to a stopped container" in docker("attach", name, check=1).stderr

    def test_update(self, docker, sleeper):
        assert docker.output("update", "--memory", "64m", "--memory-swap", "-1", sleeper) == sleeper
        assert docker.inspect(sleeper, "{{.HostConfig.Memory}}") == "67108864"


class TestInspect:
    def test_default_and_templates(self, docker, sleeper):
        body = json.loads(docker.output("inspect", sleeper))
        assert len(body) == 1 and body[0]["Name"] == "/" + sleeper
        assert docker.inspect(sleeper, "{{.State.Running}} {{index .Config.Labels \"color\"}} {{json .Config.Cmd}}") == 'true blue ["sleep","1000"]'
        assert docker.inspect(sleeper, "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}{{end}}") == "bridge"
        assert json.loads(docker.output("inspect", "-s", sleeper))[0]["SizeRootFs"] > 0
        assert json.loads(docker.output("inspect", "--type", "image", "busybox"))[0]["RepoTags"] == ["busybox:latest"]

    def test_missing(self, docker):
        done = docker("inspect", "nosuch", check=1)
        assert done.stdout.strip() == "[]" and "no such object: nosuch" in done.stderr.lower()


class TestEvents:
    def test_replay_and_format(self, docker, name):
        begin = f"{time.time():.6f}"
        docker("run", "--rm", "--name", name, "busybox", "true", check=0)
        lines = docker.output("events", "--since", begin, "--until", f"{time.time() + 0.1:.6f}", "--filter", "type=container", "--format", "{{.Action}}").splitlines()
        assert lines == ["create", "attach", "start", "die", "destroy"]
        plain = docker.output("events", "--since", begin, "--until", f"{time.time():.6f}", "--filter", "event=die").splitlines()
        assert len(plain) == 1 and re.search(rf" container die [0-9a-f]{{64}} \(.*exitCode=0.*image=busybox, name={name}\)", plain[0])

    def test_live(self, docker, name):
        process = docker.spawn("events", "--filter", "container=" + name, "--format", "{{.Action}}")
        time.sleep(0.4)
        docker("create", "--name", name, "busybox", check=0)
        assert process.stdout.readline() == "create\n"
        process.terminate()
        process.wait(10)


class TestImages:
    def test_list_tag_remove(self, docker):
        image = docker.inspect("busybox", "{{.Id}}")
        docker("tag", "busybox", "mine:1", check=0)
        assert docker.output("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "mine") == f"mine:1 {image}"
        assert docker.output("images", "-q", "mine") == image[7:19]
        assert docker.output("rmi", "mine:1") == "Untagged: mine:1"
        assert docker("rmi", "mine:1", check=1).stderr.strip().endswith("No such image: mine:1")

    def test_save_and_load(self, docker, tmp_path):
        docker("tag", "odd", "saved:1", check=0)
        docker("save", "-o", tmp_path / "s.tar", "saved:1", check=0)
        docker("rmi", "saved:1", check=0)
        assert docker.output("load", "-i", tmp_path / "s.tar").splitlines()[-1] == "Loaded image: saved:1"
        docker("rmi", "saved:1", check=0)

    def test_import(self, docker, tmp_path):
        from support import images
        (tmp_path / "r.tar").write_bytes(images.busybox_layer())
        assert docker.output("import", "-c", 'CMD ["echo","imported"]', tmp_path / "r.tar", "imp:1").startswith("sha256:")
        assert docker.output("run", "--rm", "imp:1") == "imported"

    def test_history(self, docker):
        assert [line for line in docker.output("history", "--no-trunc", "--format", "{{.CreatedBy}}", "odd").splitlines()] == ["layer 1", "layer 0"]


class TestSystem:
    def test_version(self, docker, engine):
        assert docker.output("version", "--format", "{{.Server.APIVersion}}") == engine.api_version
        assert "Server:" in docker.output("version")

    def test_info(self, docker):
        assert docker.output("info", "--format", "{{.OSType}} {{.Swarm.LocalNodeState}}") == "linux inactive"
        assert "Server Version:" in docker.output("info")

    def test_stats(self, docker, sleeper):
        line = docker.output("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}", sleeper)
        assert re.match(sleeper + r" 1 \d.*[KM]iB / .*GiB", line)

    def test_old_api_version(self, docker, sleeper):
        assert docker.output("ps", "--format", "{{.Names}}", env={"DOCKER_API_VERSION": "1.41"}) == sleeper
        assert docker.output("run", "--rm", "busybox", "echo", "old", env={"DOCKER_API_VERSION": "1.40"}) == "old"


def test_prune(docker, name):
    docker("run", "--name", name, "busybox", "true", check=0)
    out = docker.output("container", "prune", "-f")
    assert "Deleted Containers:" in out and "Total reclaimed space:" in out
    docker("inspect", name, check=1)
