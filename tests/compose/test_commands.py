"""The commands that look at a project, work in it or change the state of its containers."""
import json
import re
import time

import pytest

TWO = """
services:
  one:
    image: busybox
    command: sh -c "echo hello; echo error >&2; exec sleep 1000"
    stop_signal: SIGKILL
    ports: ["127.0.0.1::80"]
    deploy: {replicas: 2}
  two:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: [one]
"""


@pytest.fixture
def up(project):
    project.write(TWO)("up", "-d")
    return project


def test_ps(up):
    table = up("ps").stdout.splitlines()
    assert table[0].split() == ["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"] and [line.split()[0] for line in table[1:]] == ["prt-one-1", "prt-one-2", "prt-two-1"]
    rows = [json.loads(line) for line in up("ps", "--format", "json", "one").stdout.splitlines()]
    assert len(rows) == 2 and rows[0]["Service"] == "one" and rows[0]["State"] == "running" and rows[0]["Project"] == "prt" and rows[0]["ExitCode"] == 0 and rows[0]["Health"] == ""
    assert rows[0]["Publishers"][0]["TargetPort"] == 80 and rows[0]["Publishers"][0]["URL"] == "127.0.0.1" and rows[0]["Publishers"][0]["Protocol"] == "tcp"
    assert re.fullmatch("([0-9a-f]{64}\n){2}", up("ps", "-q", "one").stdout) and up("ps", "--services").stdout == "one\ntwo\n"
    up("kill", "two")
    assert "prt-two-1" not in up("ps").stdout and "Exited (137)" in up("ps", "-a").stdout
    assert up("ps", "--status", "exited", "--format", "{{.Name}} {{.ExitCode}}").stdout == "prt-two-1 137\n"
    assert "no such service: nope" in up("ps", "nope", check=1).stderr


def test_ls_shows_projects(up):
    assert json.loads(up("ls", "--format", "json").stdout) == [{"Name": "prt", "Status": "running(3)", "ConfigFiles": str(up.folder / "compose.yaml")}]
    assert up("ls", "-q").stdout == "prt\n" and up("ls", "-q", "--filter", "name=zzz").stdout == ""
    assert up("ls").stdout.splitlines()[1].split()[:2] == ["prt", "running(3)"]


def test_logs(up):
    text = up("logs", "--no-color").stdout
    assert "one-1  | hello\n" in text and "one-2  | hello\n" in text
    assert "hello\n" in up("logs", "--no-log-prefix", "one").stdout.splitlines(keepends=True)
    assert re.fullmatch(r"one-2  \| hello\n", up("logs", "--index", "2", "one").stdout)
    assert re.search(r"one-1  \| \d{4}-\d\d-\d\dT\S+Z hello", up("logs", "-t", "one").stdout)
    assert up("logs", "--tail", "0", "one").stdout == ""


def test_followed_logs_go_on_after_a_restart(up):
    process = up.spawn("logs", "-f", "--tail", "0", "one")
    time.sleep(0.7)
    up("restart", "-t", "0", "one")
    time.sleep(0.7)
    up("down", "-t", "0")
    out, _ = process.communicate(timeout=20)
    assert out.count("hello") >= 2, out


def test_exec(up):
    assert up("exec", "-T", "one", "echo", "hi").stdout == "hi\n"
    assert up("exec", "-T", "one", "sh", "-c", "exit 7", check=7)
    assert up("exec", "-T", "-e", "A=b", "-w", "/tmp", "-u", "1:1", "one", "sh", "-c", "echo $A $PWD $(id -u)").stdout == "b /tmp 1\n"
    assert up("exec", "-T", "one", "cat", stdin="through").stdout == "through"
    assert up("exec", "-T", "--index", "2", "one", "hostname").stdout.strip() == up("ps", "-q", "one").stdout.split()[1][:12]
    assert 'service "nope" is not running' in up("exec", "nope", "true", check=1).stderr
    assert 'service "one" is not running container #9' in up("exec", "--index", "9", "one", "true", check=1).stderr


def test_run(project, names):
    project.write(TWO.replace("deploy: {replicas: 2}", "environment: {A: b}"))
    done = project("run", "--rm", "-T", "two", "sh", "-c", "echo ran; exit 3", check=3)
    assert done.stdout == "ran\n" and names() == {"prt-one-1": "running"}
    assert project("run", "--rm", "-T", "--no-deps", "-e", "A=c", "one", "sh", "-c", "echo $A").stdout == "c\n"
    assert project("run", "--rm", "-T", "--entrypoint", "echo from", "one").stdout.strip() == "from"
    assert project("run", "--rm", "-T", "one", "cat", stdin="through").stdout == "through"
    container = project("run", "-d", "--name", "prt-mine", "-l", "x=y", "one", "sleep", "1000").stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", container) and names()["prt-mine"] == "running"
    assert "prt-mine" in project("ps", "-a").stdout and project("ps", "-q", "one").stdout.count("\n") == 2
    project("down", "-t", "0", "--remove-orphans")
    assert names() == {}


def test_a_one_off_container_has_labels_of_its_own(project, inspect, names):
    project.write(TWO)("run", "-d", "--no-deps", "two", "sleep", "1000")
    name, = names()
    labels = inspect(name)["Config"]["Labels"]
    assert re.fullmatch("prt-two-run-[0-9a-f]{12}", name) and labels["com.docker.compose.oneoff"] == "True" and labels["com.docker.compose.slug"].startswith(name[-12:])
    assert len(labels["com.docker.compose.slug"]) == 64
    project("down", "-t", "0")
    assert list(names()) == [name]


def test_stop_start_restart_pause_and_rm(up, names, inspect):
    steps = up("stop", "-t", "0").stderr
    assert set(names().values()) == {"exited"} and steps.index("prt-two-1  Stopped") < steps.index("prt-one-1  Stopping")
    steps = up("start").stderr
    assert set(names().values()) == {"running"} and steps.index("prt-one-1  Started") < steps.index("prt-two-1  Starting")
    before = inspect("prt-one-1")["State"]["StartedAt"]
    assert "Container prt-one-1  Started" in up("restart", "-t", "0", "one").stderr and inspect("prt-one-1")["State"]["StartedAt"] != before
    up("pause", "one")
    assert names() == {"prt-one-1": "paused", "prt-one-2": "paused", "prt-two-1": "running"}
    up("unpause")
    assert "No stopped containers" in up("rm", "-f").stderr
    up("kill", "-s", "KILL", "one")
    assert up("rm", "-f", "one").stdout == "Going to remove prt-one-1, prt-one-2\n" and names() == {"prt-two-1": "running"}
    up("rm", "-fs")
    assert names() == {}


def test_port(up):
    first, second = (up("port", "--index", index, "one", "80").stdout.strip() for index in "12")
    assert first.startswith("127.0.0.1:") and first != second and up("port", "one", "80").stdout.strip() == first
    assert "no port 99/tcp for container prt-one-1: " in up("port", "one", "99", check=1).stderr
    assert 'service "nope" is not running' in up("port", "nope", "80", check=1).stderr


def test_images_and_top(up):
    images = json.loads(up("images", "--format", "json").stdout)
    assert [image["ContainerName"] for image in images] == ["prt-one-1", "prt-one-2", "prt-two-1"] and images[0]["Repository"] == "busybox" and images[0]["Tag"] == "latest" and images[0]["Size"] > 0
    assert re.fullmatch("[0-9a-f]{64}\n", up("images", "-q").stdout)
    blocks = up("top").stdout.split("\n\n")
    assert blocks[0].startswith("prt-one-1\nUID") and "sleep 1000" in blocks[2]


def test_cp(up, tmp_path):
    (tmp_path / "file").write_text("content")
    up("cp", "file", "one:/tmp/there")
    assert up("exec", "-T", "--index", "2", "one", "cat", "/tmp/there").stdout == "content"
    up("cp", "one:/tmp/there", "back")
    assert (tmp_path / "back").read_text() == "content"


def test_events(up):
    time.sleep(1.1)
    since = str(int(time.time()))
    up("restart", "-t", "0", "two")
    events = [json.loads(line) for line in up("events", "--json", "--since", since, "--until", str(int(time.time()) + 1)).stdout.splitlines()]
    assert [event["action"] for event in events if event["action"] in ("die", "start")] == ["die", "start"] and {event["service"] for event in events} == {"two"}
    assert not any(key.startswith("com.docker.compose") for key in events[0]["attributes"])


def test_wait_gives_the_exit_code(project):
    project.write("services:\n  brief: {image: busybox, command: sh -c 'sleep 1; exit 5'}\n")("up", "-d")
    assert "exited with status code 5" in project("wait", "brief", check=5).stderr


def test_build_and_up_build(project, inspect):
    (project.folder / "app").mkdir()
    (project.folder / "app" / "Dockerfile").write_text("FROM busybox\nARG WHO=nobody\nRUN echo $WHO > /who\nCMD [\"sleep\", \"1000\"]\n")
    text = "services:\n  app: {build: {context: ./app, args: {WHO: me}}, stop_signal: SIGKILL}\n"
    project.write(text)("up", "-d")
    assert project("exec", "-T", "app", "cat", "/who").stdout == "me\n" and inspect("prt-app-1")["Config"]["Image"] == "prt-app"
    project.write(text.replace("me}", "you}"))
    project("up", "-d")
    assert project("exec", "-T", "app", "cat", "/who").stdout == "me\n"
    project("up", "-d", "--build")
    assert project("exec", "-T", "app", "cat", "/who").stdout == "you\n"
    project("build", "--build-arg", "WHO=they")
    project("up", "-d")
    assert project("exec", "-T", "app", "cat", "/who").stdout == "they\n"
    project("down", "-t", "0", "--rmi", "local")
    assert project("images", "-q").stdout == ""


def test_wrong_words_answer_as_docker_compose(project):
    project.write(TWO)
    assert project("up", "--nope", check=16).stderr.startswith("unknown flag: --nope")
    assert 'unknown docker command: "compose nope"' in project("nope", check=16).stderr
    assert "requires at least 2 arg(s), only received 1" in project("exec", "one", check=1).stderr
    assert "no such service: nope" in project("up", "-d", "nope", check=1).stderr
    assert "--force-recreate and --no-recreate are incompatible" in project("up", "-d", "--force-recreate", "--no-recreate", check=1).stderr


def test_commit(up, api):
    up("exec", "-T", "--index", "2", "one", "sh", "-c", "echo kept > /kept")
    identity = up("commit", "--index", "2", "-a", "me", "-m", "why", "-c", "ENV A=b", "--pause=false", "one", "prt-kept:1").stdout.strip()
    image = api.get("/images/prt-kept:1/json").json()
    assert image["Id"] == identity and image["Author"] == "me" and image["Comment"] == "why" and "A=b" in image["Config"]["Env"]
    up("stop", "-t", "0", "two")
    assert up("commit", "two").stdout.startswith("sha256:")
    assert 'service "one" is not running container #7' in up("commit", "--index", "7", "one", check=1).stderr


def test_names_of_old_with_compatibility(project, names, api):
    (project.folder / "Dockerfile").write_text("FROM busybox\nCMD [\"sleep\", \"1000\"]\n")
    project.write("services:\n  one: {build: ., stop_signal: SIGKILL, deploy: {replicas: 2}}\n")
    project("--compatibility", "up", "-d")
    assert set(names()) == {"prt_one_1", "prt_one_2"} and api.get("/images/prt_one/json").status == 200
    before = {each["Id"] for each in api.get("/containers/json").json()}
    project("up", "-d", env={"COMPOSE_COMPATIBILITY": "true"})
    assert {each["Id"] for each in api.get("/containers/json").json()} == before
    assert project("--compatibility", "run", "-d", "one", "sleep", "1000").returncode == 0
    assert any(name.startswith("prt_one_run_") for name in names())
    project("--compatibility", "down", "-t", "0", "--rmi", "local", "--remove-orphans")
    assert names() == {} and api.get("/images/prt_one/json").status == 404


def test_an_image_as_a_volume(project):
    text = """
services:
  one:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: [{type: image, source: busybox, target: /whole}, {type: image, source: busybox, target: /part, image: {subpath: www}}]
"""
    project.write(text)("up", "-d")
    assert project("exec", "-T", "one", "sh", "-c", "cat /whole/www/index.html /part/index.html").stdout == "it works\n" * 2
    assert project("exec", "-T", "one", "touch", "/part/file", check=None).returncode == 1
    assert project("plan").stdout.endswith("Nothing to do.\n")
