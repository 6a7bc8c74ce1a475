"""The command line against a running engine, as scripts use it.

PROA_TEST_CLI   the program (default: the proa beside the engine under test); it is called under the name `docker`
PROA_TEST_HOST  the engine's address, unix:///... (default: the engine that the whole suite tests)

Every test holds for the real docker client on a real Docker engine; run it there first when a test changes.
"""
import json
import os
import pty
import re
import select
import signal
import subprocess
import tarfile
import time
import uuid

import pytest

BUSYBOX = os.environ.get("PROA_TEST_BUSYBOX", "/bin/busybox")
APPLETS = "sh sleep true false echo cat env id hostname stty seq md5sum kill touch pwd tty head wc".split()


@pytest.fixture(autouse=True)
def tidy():
    """Instead of the suite's: what these tests share lives as long as this file's tests."""


@pytest.fixture(scope="module")
def program(tmp_path_factory, engine):
    """The client under the name docker, with a config directory of its own."""
    folder = tmp_path_factory.mktemp("cli")
    link = folder / "docker"
    client = os.environ.get("PROA_TEST_CLI", os.path.join(engine.bin, "proa"))
    link.symlink_to(subprocess.check_output(["bash", "-c", f"command -v {client}"], text=True).strip())
    (folder / "config").mkdir()
    return folder


@pytest.fixture(scope="module")
def environment(program, engine):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")}
    return {**kept, "DOCKER_HOST": engine.host, "DOCKER_CONFIG": str(program / "config")}


@pytest.fixture(scope="module")
def run(program, environment):
    def call(*arguments, stdin=b"", env=None, timeout=30):
        done = subprocess.run([str(program / "docker"), *arguments], input=stdin, capture_output=True, timeout=timeout, env={**environment, **(env or {})})
        done.out, done.err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return done
    return call


@pytest.fixture(scope="module")
def ok(run):
    def call(*arguments, **options):
        done = run(*arguments, **options)
        assert done.returncode == 0, (arguments, done.out, done.err)
        return done.out
    return call


@pytest.fixture(scope="module")
def image(ok, tmp_path_factory):
    """A busybox image of our own; removed at the end."""
    folder = tmp_path_factory.mktemp("image")
    archive = folder / "root.tar"
    with tarfile.open(archive, "w") as tar:
        for name in ("bin", "etc", "tmp"):
            info = tarfile.TarInfo(name)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        tar.add(BUSYBOX, "bin/busybox")
        for applet in APPLETS:
            info = tarfile.TarInfo("bin/" + applet)
            info.type, info.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(info)
    name = "clitest-" + uuid.uuid4().hex[:8]
    imported = ok("import", "-c", 'CMD ["sh"]', str(archive), name)
    assert re.match(r"sha256:[0-9a-f]{64}\n$", imported)
    yield name
    ok("rmi", "-f", name)


@pytest.fixture
def name():
    return "c" + uuid.uuid4().hex[:10]


@pytest.fixture
def sleeper(ok, image, name):
    ok("run", "-d", "--name", name, "--label", "a=b", image, "sleep", "1000")
    yield name
    ok("rm", "-f", name)


class Terminal:
    """The client on a pseudo-terminal."""

    def __init__(self, program, environment, *arguments, size=(24, 80)):
        import fcntl, struct, termios
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[0], size[1], 0, 0))
        self.process = subprocess.Popen([str(program / "docker"), *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True)
        os.close(slave)
        self.text = b""

    def read_until(self, wanted, timeout=10):
        deadline = time.time() + timeout
        while wanted not in self.text:
            assert time.time() < deadline, self.text
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.master, 65536)
                except OSError:
                    break
        assert wanted in self.text, self.text

    def write(self, data):
        os.write(self.master, data)

    def wait(self, timeout=10):
        """Drains and waits: a full terminal would block the client."""
        deadline = time.time() + timeout
        while self.process.poll() is None and time.time() < deadline:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.text += os.read(self.master, 65536)
                except OSError:
                    break
        code = self.process.wait(max(0.1, deadline - time.time()))
        os.close(self.master)
        return code


# run: streams and exit codes


def test_run_prints_output_and_passes_the_exit_code(run, image):
    done = run("run", "--rm", image, "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.out, done.err) == (7, "out\n", "err\n")


def test_run_feeds_standard_input_and_half_closes(run, image):
    data = os.urandom(300_000)
    done = run("run", "--rm", "-i", image, "cat", stdin=data)
    assert done.returncode == 0 and done.stdout == data


def test_run_moves_large_output(run, image):
    done = run("run", "--rm", image, "seq", "1", "200000")
    assert done.out.splitlines()[-1] == "200000" and len(done.out) == 1288895


@pytest.mark.parametrize("command,code", [(["nope"], 127), (["/tmp"], 126), (["sh", "-c", "exit 99"], 99)])
def test_run_exit_codes_of_failures(run, image, command, code):
    assert run("run", "--rm", image, *command).returncode == code


def test_run_names_the_error_and_the_hint(run, image):
    done = run("run", "--rm", image, "nope")
    assert done.err.startswith("docker: Error response from daemon: ")
    assert 'exec: "nope": executable file not found in $PATH' in done.err
    assert done.err.endswith("\n\nRun 'docker run --help' for more information\n")


@pytest.mark.parametrize("flags,text", [
    (["-m", "abc"], 'invalid argument "abc" for "-m, --memory" flag: invalid size: \'abc\''),
    (["--foo"], "unknown flag: --foo"),
    (["-zx"], "unknown shorthand flag: 'z' in -zx"),
    (["--detach=x"], 'invalid argument "x" for "-d, --detach" flag: strconv.ParseBool: parsing "x": invalid syntax'),
    (["--cpus", "x"], 'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number'),
    (["--ulimit", "foo=1"], 'invalid argument "foo=1" for "--ulimit" flag: invalid ulimit type: foo'),
    (["--mount", "x"], 'invalid argument "x" for "--mount" flag: invalid field \'x\' must be a key=value pair'),
    (["-e", "=x"], 'invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x'),
    (["--dns", "x"], 'invalid argument "x" for "--dns" flag: IP address is not correctly formatted: x'),
])
def test_run_flag_errors(run, image, flags, text):
    done = run("run", *flags, image, "true")
    assert done.returncode == 125 and done.out == ""
    assert done.err == f"{text}\n\nUsage:  docker run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nRun 'docker run --help' for more information\n"


@pytest.mark.parametrize("flags,text", [
    (["-p", "a"], "invalid containerPort: a"),
    (["-p", "1:2/foo"], "invalid proto: foo"),
    (["--restart", "always"], "conflicting options: cannot specify both --restart and --rm"),
    (["--health-cmd", "x", "--no-healthcheck"], "--no-healthcheck conflicts with --health-* options"),
    (["--security-opt", "foo"], 'Invalid --security-opt: "foo"'),
    (["--pull", "foo"], "invalid pull option: 'foo': must be one of \"always\", \"missing\" or \"never\""),
    (["--env-file", "/nope"], "open /nope: no such file or directory"),
    (["--pid", "foo"], "--pid: invalid PID mode"),
])
def test_run_option_errors(run, image, flags, text):
    done = run("run", "--rm", *flags, image, "true")
    assert (done.returncode, done.err) == (125, f"docker: {text}\n\nRun 'docker run --help' for more information\n")


def test_run_environment_user_and_directory(ok, image):
    out = ok("run", "--rm", "-e", "A=b", "-e", "COPIED", "-e", "UNSET", "-w", "/tmp", "-u", "5:6", "-h", "hh", image, "sh", "-c", "echo $A-$COPIED-$UNSET; pwd; id -u; id -g; hostname", env={"COPIED": "c"})
    assert out == "b-c-\n/tmp\n5\n6\nhh\n"


def test_run_flags_end_at_the_image(ok, image):
    assert ok("run", "--rm", image, "echo", "-n", "--rm", "-it") == "--rm -it"


def test_run_entrypoint_and_cidfile(ok, image, tmp_path):
    cidfile = tmp_path / "id"
    assert ok("run", "--rm", "--entrypoint", "echo", "--cidfile", str(cidfile), image, "a", "b") == "a b\n"
    assert re.fullmatch("[0-9a-f]{64}", cidfile.read_text())


def test_run_detached_prints_the_id(ok, image, name):
    assert re.fullmatch("[0-9a-f]{64}\n", ok("run", "-d", "--name", name, image, "true"))
    assert ok("wait", name) == "0\n"
    assert ok("rm", name) == name + "\n"


def test_run_attach_selects_streams(run, image):
    done = run("run", "--rm", "-a", "stderr", image, "sh", "-c", "echo out; echo err >&2")
    assert (done.out, done.err) == ("", "err\n")


def test_run_proxies_signals(program, environment, image, ok, name):
    process = subprocess.Popen([str(program / "docker"), "run", "--name", name, image, "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"],
                               stdout=subprocess.PIPE, env=environment)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 9 and process.stdout.read() == b"got\n"
    process.stdout.close()
    ok("rm", "-f", name)


# terminals


def test_terminal_session_in_raw_mode_with_size(program, environment, image):
    terminal = Terminal(program, environment, "run", "--rm", "-it", image, "sh", "-c", "stty size; read line; echo got:$line; exit 4", size=(30, 100))
    terminal.read_until(b"30 100\r\n")
    terminal.write(b"hello\r")
    terminal.read_until(b"got:hello")
    assert terminal.wait() == 4


def test_terminal_detaches_by_keys(program, environment, image, ok, name):
    terminal = Terminal(program, environment, "run", "-it", "--name", name, image, "sh", "-c", "echo ready; exec cat")
    terminal.read_until(b"ready")
    terminal.write(b"\x10")
    time.sleep(0.1)
    terminal.write(b"\x11")
    assert terminal.wait() == 0
    assert ok("inspect", "-f", "{{.State.Running}}", name) == "true\n"
    attached = Terminal(program, environment, "attach", "--detach-keys", "ctrl-x,x", name)
    time.sleep(0.3)
    attached.write(b"\x18x")
    assert attached.wait() == 1
    assert b"read escape sequence" in attached.text
    ok("rm", "-f", name)


def test_terminal_is_required_for_interactive_terminals(run, image, sleeper):
    for arguments in (("run", "--rm", "-it", image, "true"), ("exec", "-it", sleeper, "true")):
        done = run(*arguments)
        assert done.returncode == 1 and "TTY" in done.err


# exec, attach, start


def test_exec_streams_and_codes(run, ok, sleeper):
    done = run("exec", sleeper, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.out, done.err) == (3, "out\n", "err\n")
    assert ok("exec", "-i", sleeper, "cat", stdin=b"hello") == "hello"
    assert ok("exec", "-e", "A=b", "-w", "/tmp", "-u", "9", sleeper, "sh", "-c", "echo $A; pwd; id -u") == "b\n/tmp\n9\n"
    assert ok("exec", "-d", sleeper, "touch", "/made") == ""
    assert run("exec", sleeper, "nope").returncode in (126, 127)


def test_exec_needs_a_running_container(run, ok, image, name):
    ok("create", "--name", name, image, "true")
    done = run("exec", name, "true")
    assert done.returncode == 1 and re.search("container [0-9a-f]{64} is not running", done.err)
    assert run("attach", name).err == "You cannot attach to a stopped container, start it first\n"
    ok("rm", name)


def test_start_attached_gives_output_and_code(run, ok, image, name):
    ok("create", "-i", "--name", name, image, "sh", "-c", "cat; exit 5")
    done = run("start", "-ai", name, stdin=b"zz\n")
    assert (done.returncode, done.out) == (5, "zz\n")
    assert ok("logs", name) == "zz\n"
    ok("rm", name)


def test_lifecycle_verbs_echo_their_argument(ok, run, image, name):
    assert re.fullmatch("[0-9a-f]{64}\n", ok("create", "--name", name, image, "sleep", "1000"))
    for verb in (["start"], ["pause"], ["unpause"], ["restart", "-t", "0"], ["kill"], ["start"], ["stop", "-t", "0"]):
        assert ok(*verb, name) == name + "\n"
    ok("rename", name, name + "x")
    assert ok("rm", name + "x") == name + "x\n"


@pytest.mark.parametrize("verb", ["stop", "kill", "rm", "pause", "unpause", "restart", "wait", "logs", "top", "diff", "port", "update --restart=no"])
def test_missing_containers(run, verb):
    done = run(*verb.split(), "nope-at-all")
    assert (done.returncode, done.err.strip().split("\n")[0]) == (1, "Error response from daemon: " + ("cannot kill container: nope-at-all: " if verb == "kill" else "") + "No such container: nope-at-all")


def test_rm_force_forgives_missing_ones(run):
    done = run("rm", "-f", "nope-at-all")
    assert (done.returncode, done.err) == (0, "Error response from daemon: No such container: nope-at-all\n")


def test_multi_argument_verbs_go_on(run, sleeper):
    done = run("stop", "-t", "0", "nope-a", sleeper, "nope-b")
    assert (done.returncode, done.out) == (1, sleeper + "\n")
    assert done.err == "Error response from daemon: No such container: nope-a\nError response from daemon: No such container: nope-b\n"
    failed = run("start", "nope-a", sleeper)
    assert (failed.returncode, failed.out) == (1, sleeper + "\n")
    assert failed.err.endswith("Error: failed to start containers: nope-a\n")


def test_logs_options(ok, image, name):
    ok("run", "--name", name, image, "sh", "-c", "echo one; echo two; echo three")
    assert ok("logs", "-n", "2", name) == "two\nthree\n"
    assert ok("logs", "--tail", "0", name) == ""
    lines = ok("logs", "-t", name).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z one", lines[0])
    assert ok("logs", "-f", "--since", "1h", name) == "one\ntwo\nthree\n"
    ok("rm", name)


# lists and inspect


def test_ps_table_quiet_and_filters(ok, sleeper):
    out = ok("ps", "-f", "name=" + sleeper)
    assert re.match(r"CONTAINER ID {3}IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n[0-9a-f]{12}   .*" + sleeper + "\n$", out)
    assert re.fullmatch("[0-9a-f]{12}\n", ok("ps", "-q", "-f", "name=" + sleeper))
    assert re.fullmatch("[0-9a-f]{64}\n", ok("ps", "-q", "--no-trunc", "-f", "name=" + sleeper))
    assert ok("ps", "-f", "name=nothing-like-this").startswith("CONTAINER ID") and ok("ps", "-qf", "name=nothing-like-this") == ""


def test_ps_json_is_one_object_a_line_of_texts(ok, sleeper):
    row = json.loads(ok("ps", "--format", "json", "-f", "name=" + sleeper))
    assert list(row) == sorted(row)
    assert row["Labels"] == "a=b" and row["Names"] == sleeper and row["Command"] == '"sleep 1000"' and row["State"] == "running"
    assert all(isinstance(value, str) for key, value in row.items() if key != "Platform")


def test_ps_templates(ok, run, sleeper):
    assert ok("ps", "-f", "name=" + sleeper, "--format", '{{upper .Names}} {{.Label "a"}}{{if eq .State "running"}} yes{{end}}') == f"{sleeper.upper()} b yes\n"
    assert ok("ps", "-f", "name=" + sleeper, "--format", r"table {{.Names}}\t{{.Label \"a\"}}".replace('\\"', '"')) .startswith("NAMES")
    done = run("ps", "--format", "{{.Nope}}")
    assert (done.returncode, done.err) == (1, "failed to execute template: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.ContainerContext\n")
    done = run("ps", "--format", "{{.ID")
    assert (done.returncode, done.err) == (1, "failed to parse template: template: :1: unclosed action\n")


def test_inspect_prints_an_indented_array(ok, run, sleeper):
    text = ok("inspect", sleeper)
    assert text.startswith('[\n    {\n        "Id": "') and text.endswith("    }\n]\n")
    assert json.loads(text)[0]["Name"] == "/" + sleeper
    done = run("inspect", "nope-at-all")
    assert (done.returncode, done.out) == (1, "[]\n") and done.err.lower() == "error: no such object: nope-at-all\n"


@pytest.mark.parametrize("template,wanted", [
    ("{{.State.Running}} {{.RestartCount}} {{.HostConfig.RestartPolicy.Name}}", "true 0 no"),
    ("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}", "none"),
    ('{{index .Config.Labels "a"}} {{.Config.Labels.zz}}', "b <no value>"),
    ("{{json .Config.Cmd}} {{.Path}} {{.Args}} {{len .Args}}", '["sleep","1000"] sleep [1000] 1'),
    ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}{{end}}", "a=b"),
    ("{{.Mounts}} {{.HostConfig.PidsLimit}} {{.HostConfig.LogConfig.Config}}", "[] <nil> map[]"),
    ('{{printf "%.3s" .State.Status}} {{eq .State.Status "running"}}', "run true"),
])
def test_inspect_templates(ok, sleeper, template, wanted):
    assert ok("inspect", "-f", template, sleeper) == wanted + "\n"


def test_inspect_template_errors(run, sleeper):
    done = run("inspect", "-f", "{{.Nope}}", sleeper)
    assert (done.returncode, done.err) == (1, 'template parsing error: template: :1:2: executing "" at <.Nope>: map has no entry for key "Nope"\n')
    assert run("inspect", "-f", "{{", sleeper).returncode == 64


def test_images_tag_history_and_rmi(ok, run, image):
    assert re.match(r"REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n" + image + r" +latest +[0-9a-f]{12} ", ok("images", image))
    row = json.loads(ok("images", "--format", "json", image))
    assert row["Repository"] == image and row["Digest"] in ("<none>",) or row["Digest"].startswith("sha256:")
    assert re.fullmatch("[0-9a-f]{12}\n", ok("images", "-q", image))
    assert ok("tag", image, image + "x:1") == ""
    assert ok("rmi", image + "x:1") == f"Untagged: {image}x:1\n"
    assert ok("history", image).startswith("IMAGE ")
    done = run("rmi", "nope-at-all")
    assert (done.returncode, done.err) == (1, "Error response from daemon: No such image: nope-at-all:latest\n")
    assert run("rmi", "-f", "nope-at-all").returncode == 0
    assert run("tag", image, "UPPER").err.startswith('Error parsing reference: "UPPER" is not a valid repository/tag: invalid reference format')


def test_save_and_load(ok, image, tmp_path):
    archive = tmp_path / "i.tar"
    ok("save", "-o", str(archive), image)
    assert "manifest.json" in tarfile.open(archive).getnames()
    assert ok("load", "-i", str(archive)) == f"Loaded image: {image}:latest\n"
    assert ok("load", "-q", stdin=archive.read_bytes()) == f"Loaded image: {image}:latest\n"


def test_networks(ok, run, sleeper, name):
    assert re.match(r"NETWORK ID +NAME +DRIVER +SCOPE\n", ok("network", "ls"))
    assert re.fullmatch("[0-9a-f]{64}\n", ok("network", "create", "--label", "x=y", name + "n"))
    ok("network", "connect", "--alias", "al", name + "n", sleeper)
    assert ok("network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}} {{.Labels}}", name + "n") == f"{sleeper} map[x:y]\n"
    ok("network", "disconnect", name + "n", sleeper)
    assert ok("network", "rm", name + "n") == name + "n\n"
    assert run("network", "rm", name + "n").err.startswith(f"Error response from daemon: network {name}n not found\n")


def test_volumes(ok, run, image, name):
    assert ok("volume", "create", "--label", "x=y", name + "v") == name + "v\n"
    assert json.loads(ok("volume", "ls", "--format", "json", "-f", "name=" + name + "v"))["Labels"] == "x=y"
    ok("run", "--rm", "-v", name + "v:/v", image, "sh", "-c", "echo kept > /v/f")
    assert ok("run", "--rm", "-v", name + "v:/v:ro", image, "cat", "/v/f") == "kept\n"
    assert ok("volume", "rm", name + "v") == name + "v\n"
    assert run("volume", "rm", name + "v").err == f"Error response from daemon: get {name}v: no such volume\n"
    assert run("volume", "rm", "-f", name + "v").returncode == 0


def test_top_and_port(ok, run, image, name):
    ok("run", "-d", "--name", name, "-p", "127.0.0.1::80", image, "sleep", "1000")
    assert "sleep 1000" in ok("top", name) and ok("top", name, "-o", "pid,cmd").startswith("PID ")
    port = ok("port", name, "80").strip()
    assert re.fullmatch(r"127\.0\.0\.1:\d+", port) and ok("port", name) == f"80/tcp -> {port}\n"
    assert run("port", name, "81").err == f"Error: No public port '81' published for {name}\n"
    ok("rm", "-f", name)


def test_events_between_two_moments(ok, image, name):
    since = str(int(time.time()) - 1)
    ok("run", "--rm", "--name", name, image, "true")
    out = ok("events", "--since", since, "--until", str(int(time.time()) + 1), "--filter", "container=" + name, "--format", "{{.Type}} {{.Action}}")
    actions = [line.split()[1] for line in out.splitlines() if line.startswith("container")]
    assert actions[0] == "create" and "start" in actions and "die" in actions and actions[-1] == "destroy"


# the program itself


def test_usage_errors(run):
    done = run("rm")
    assert (done.returncode, done.err) == (1, "docker: 'docker rm' requires at least 1 argument\n\nUsage:  docker rm [OPTIONS] CONTAINER [CONTAINER...]\n\nSee 'docker rm --help' for more information\n")
    done = run("ps", "extra")
    assert (done.returncode, done.err) == (1, "docker: 'docker ps' accepts no arguments\n\nUsage:  docker ps [OPTIONS]\n\nRun 'docker ps --help' for more information\n")
    done = run("tag", "a")
    assert done.returncode == 1 and "'docker tag' requires 2 arguments" in done.err
    done = run("frobnicate")
    assert (done.returncode, done.err) == (1, "docker: unknown command: docker frobnicate\n\nRun 'docker --help' for more information\n")
    done = run("container", "frobnicate")
    assert (done.returncode, done.err) == (1, "docker: unknown command: docker container frobnicate\n\nUsage:  docker container\n\nRun 'docker container --help' for more information\n")
    assert run("events", "--filter", "foo").returncode == 125


def test_help_goes_to_output_and_bare_calls_to_error(run):
    done = run("ps", "--help")
    assert done.returncode == 0 and done.out.startswith("Usage:  docker ps [OPTIONS]\n\n") and "Aliases:\n  docker container ls, docker container list, docker container ps, docker ps\n" in done.out
    for arguments in ((), ("container",)):
        done = run(*arguments)
        assert done.returncode == 0 and done.out == "" and done.err.startswith("Usage:  docker ")


def test_version_and_info(ok, run):
    assert re.match(r"Docker version \d+\.\d+\.\d+, build ", ok("--version"))
    text = ok("version")
    assert text.startswith("Client:") and "\nServer:" in text and re.search(r"\n API version: +\d\.\d+", text)
    assert re.fullmatch(r"\d+\.\d+\S*\n", ok("version", "-f", "{{.Server.Version}}"))
    facts = json.loads(ok("info", "-f", "json"))
    assert facts["ClientInfo"]["Context"] == "default" and facts["OSType"] == "linux"
    assert ok("info", "-f", "{{.Driver}} {{.OSType}}") == f"{facts['Driver']} linux\n"


def test_no_daemon(run):
    gone = {"DOCKER_HOST": "unix:///nowhere/x.sock"}
    text = "Cannot connect to the Docker daemon at unix:///nowhere/x.sock. Is the docker daemon running?\n"
    done = run("ps", env=gone)
    assert (done.returncode, done.err) == (1, text)
    done = run("run", "x", env=gone)
    assert (done.returncode, done.err) == (125, "docker: " + text + "\nRun 'docker run --help' for more information\n")
    done = run("version", env=gone)
    assert done.returncode == 1 and done.out.startswith("Client:") and done.err == text


def test_api_version_pin(run):
    done = run("ps", env={"DOCKER_API_VERSION": "1.99"})
    assert done.returncode == 1 and "client version 1.99 is too new. Maximum supported API version is" in done.err


def test_contexts_and_config(program, environment, run, ok, sleeper):
    import hashlib
    meta = program / "config/contexts/meta" / hashlib.sha256(b"there").hexdigest()
    meta.mkdir(parents=True)
    (meta / "meta.json").write_text(json.dumps({"Name": "there", "Metadata": {}, "Endpoints": {"docker": {"Host": environment["DOCKER_HOST"], "SkipTLSVerify": False}}}))
    no_host = {"DOCKER_HOST": ""}
    assert sleeper in ok("--context", "there", "ps", env=no_host)
    assert sleeper in ok("ps", env={**no_host, "DOCKER_CONTEXT": "there"})
    assert "context not found" in run("--context", "nope", "ps", env=no_host).err
    config = program / "config/config.json"
    config.write_text(json.dumps({"currentContext": "there", "psFormat": "{{.Names}}"}))
    try:
        assert sleeper in ok("ps", env=no_host).splitlines()
    finally:
        config.unlink()


def test_proxies_of_the_config_reach_the_container(program, ok, image):
    config = program / "config/config.json"
    config.write_text(json.dumps({"proxies": {"default": {"httpProxy": "http://p:1", "noProxy": "n"}}}))
    try:
        out = ok("run", "--rm", "-e", "no_proxy=mine", image, "env")
    finally:
        config.unlink()
    assert "HTTP_PROXY=http://p:1\n" in out and "http_proxy=http://p:1\n" in out and "no_proxy=mine\n" in out


def test_prune_asks_first(run):
    done = run("container", "prune", stdin=b"n\n")
    assert (done.returncode, done.out) == (0, "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] ")


# cp


def test_cp_follows_the_rules_of_unix_cp(ok, run, sleeper, tmp_path):
    (tmp_path / "f").write_text("a\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d/g").write_text("b\n")
    at = lambda path: f"{sleeper}:{path}"
    for source, target in (("f", "/tmp/"), ("f", "/tmp/f2"), ("d", "/tmp"), ("d", "/tmp/new"), ("d/.", "/tmp/flat")):
        ok("cp", str(tmp_path) + "/" + source, at(target))
    assert ok("exec", sleeper, "sh", "-c", "cd /tmp; cat f f2 d/g new/g flat/g; echo *") == "a\na\nb\nb\nb\nd f f2 flat new\n"
    out = tmp_path / "out"
    out.mkdir()
    for source, target in (("/tmp/f", "one"), ("/tmp/d", "."), ("/tmp/d", "renamed"), ("/tmp/d/.", "flat")):
        ok("cp", at(source), f"{out}/{target}")
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == ["d/g", "flat/g", "one", "renamed/g"]
    assert run("cp", str(tmp_path / "d"), at("/tmp/f")).err.endswith("cannot copy directory\n")
    assert run("cp", at("/nope"), str(out)).err == f"Error response from daemon: Could not find the file /nope in container {sleeper}\n"
    assert run("cp", "a", "b").err == "must specify at least one container source\n"
    assert run("cp", "a:b", "c:d").err == "copying between containers is not supported\n"


def test_cp_streams_archives(ok, run, sleeper, tmp_path):
    import io
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("streamed")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"bytes"))
    ok("cp", "-", f"{sleeper}:/tmp", stdin=data.getvalue())
    got = run("cp", f"{sleeper}:/tmp/streamed", "-")
    assert tarfile.open(fileobj=io.BytesIO(got.stdout)).extractfile("streamed").read() == b"bytes"


@pytest.mark.proa
def test_volume_commands_of_our_own(ok, run, image, name, tmp_path):
    ok("run", "--rm", "-v", name + "v:/v", image, "sh", "-c", "echo kept > /v/f")
    read = lambda volume: ok("run", "--rm", "-v", volume + ":/v", image, "cat", "/v/f")
    snapshot = ok("volume", "snapshot", name + "v").strip()
    assert re.fullmatch(name + r"v-\d{8}-\d{6}", snapshot) and read(snapshot) == "kept\n"
    assert ok("volume", "clone", name + "v", name + "c") == name + "c\n" and read(name + "c") == "kept\n"
    assert ok("volume", "rename", name + "c", name + "r") == name + "r\n" and read(name + "r") == "kept\n"
    ok("volume", "export", "-o", str(tmp_path / "v.tar"), name + "v")
    assert tarfile.open(tmp_path / "v.tar").extractfile("./f").read() == b"kept\n"
    assert ok("volume", "import", "-i", str(tmp_path / "v.tar"), name + "i") == name + "i\n" and read(name + "i") == "kept\n"
    assert run("volume", "clone", name + "v", name + "r").err == f"Error response from daemon: create {name}r: a volume of this name exists already\n"
    assert run("volume", "update", name + "v").err == "Can only update cluster volumes\n"
    ok("volume", "rm", name + "v", name + "r", name + "i", snapshot)
