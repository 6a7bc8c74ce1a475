"""`docker run` with the unmodified client: streams, terminals, exit codes."""
import hashlib
import os
import re
import signal
import time

import pytest

from support.waiting import wait_until


class TestStreams:
    def test_hello_world(self, docker):
        done = docker("run", "--rm", "hello-world", check=0)
        assert "Hello from" in done.stdout

    def test_output_streams_stay_apart(self, docker):
        done = docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2", check=0)
        assert (done.stdout, done.stderr) == ("out\n", "err\n")

    def test_stdin_reaches_the_process_and_ends(self, docker):
        assert docker.output("run", "--rm", "-i", "busybox", "cat", input="a\nb\n") == "a\nb"

    def test_large_stdin_comes_whole(self, docker):
        text = "0123456789abcdef" * 65536
        assert docker.output("run", "--rm", "-i", "busybox", "md5sum", input=text).split()[0] == hashlib.md5(text.encode()).hexdigest()

    def test_large_output_comes_whole(self, docker):
        assert len(docker("run", "--rm", "busybox", "sh", "-c", "yes 0123456789 | head -c 5000000", check=0).stdout) == 5000000

    def test_many_short_ones(self, docker):
        for number in range(10):
            assert docker("run", "--rm", "busybox", "echo", number, check=0).stdout == f"{number}\n"

    def test_attach_only_one_stream(self, docker):
        done = docker("run", "--rm", "-a", "stderr", "busybox", "sh", "-c", "echo out; echo err >&2", check=0)
        assert (done.stdout, done.stderr) == ("", "err\n")

    def test_detached_prints_the_id(self, docker, name):
        done = docker("run", "-d", "--name", name, "busybox", "sleep", "100", check=0)
        assert re.fullmatch(r"[0-9a-f]{64}\n", done.stdout)
        assert docker.inspect(name, "{{.Id}}") == done.stdout.strip()

    def test_removed_afterwards(self, docker, name):
        docker("run", "--rm", "--name", name, "busybox", "true", check=0)
        assert docker("inspect", name).returncode == 1
        docker("run", "--name", name, "busybox", "true", check=0)
        assert docker.inspect(name, "{{.State.Status}}") == "exited"


class TestExitCodes:
    @pytest.mark.parametrize("command, code", [("exit 42", 42), ("exit 0", 0), ("kill -9 $$ ; exit 7", 7), ("exit 255", 255)])
    def test_of_the_process(self, docker, command, code):
        docker("run", "--rm", "busybox", "sh", "-c", command, check=code)

    def test_program_not_found(self, docker):
        done = docker("run", "--rm", "busybox", "nosuchprogram", check=127)
        assert 'exec: "nosuchprogram": executable file not found in $PATH' in done.stderr
        assert "Error response from daemon" in done.stderr

    def test_program_path_not_found(self, docker):
        assert "no such file or directory" in docker("run", "--rm", "busybox", "/no/such", check=127).stderr

    @pytest.mark.parametrize("path", ["/etc/passwd", "/etc"])
    def test_not_executable(self, docker, path):
        done = docker("run", "--rm", "busybox", path)
        # an old client knows only "permission denied"
        assert done.returncode == 126 or (done.returncode == 125 and "is a directory" in done.stderr and "20.10" in docker.output("--version"))

    def test_daemon_refuses(self, docker):
        docker("run", "--rm", "-m", "1k", "busybox", "true", check=125)
        docker("run", "--rm", "--name", "a", "busybox", "true", check=125)

    def test_unknown_flag(self, docker):
        done = docker("run", "--nosuchflag", "busybox", check=125)
        assert "unknown flag: --nosuchflag" in done.stderr

    def test_killed(self, docker, name):
        process = docker.spawn("run", "--rm", "--name", name, "busybox", "sleep", "100")
        wait_until(lambda: docker("inspect", "-f", "{{.State.Running}}", name).stdout == "true\n")
        docker("kill", name, check=0)
        assert process.wait(20) == 137


class TestTerminal:
    def test_size_interrupt_and_exit_code(self, docker):
        with docker.terminal("run", "-it", "--rm", "busybox", rows=30, columns=97) as terminal:
            terminal.expect(r"/ # ")
            time.sleep(0.3)
            terminal.type("stty size\r")
            terminal.expect(r"30 97\r\n")
            time.sleep(0.5)  # the client listens for size changes a little after the start
            terminal.resize(17, 61)
            os.kill(terminal.process.pid, signal.SIGWINCH)
            time.sleep(0.3)
            terminal.type("stty size\r")
            terminal.expect(r"17 61\r\n")
            terminal.type("sleep 1000\r")
            time.sleep(0.3)
            terminal.type("\x03")
            terminal.expect(r"/ # ")
            terminal.type("echo $((40+2)); exit 42\r")
            terminal.expect(r"42\r\n")
            assert terminal.wait() == 42

    def test_detach_and_attach_again(self, docker, name):
        with docker.terminal("run", "-it", "--name", name, "busybox") as terminal:
            terminal.expect(r"/ # ")
            terminal.type("x=kept\r")
            terminal.expect(r"/ # ")
            terminal.type("\x10\x11")
            assert terminal.wait() == 0
        assert docker.inspect(name, "{{.State.Running}}") == "true"
        with docker.terminal("attach", name) as terminal:
            terminal.type("\r")
            terminal.expect(r"/ # ")
            terminal.type("echo it is $x\r")
            terminal.expect(r"it is kept\r\n")
            terminal.type("exit 3\r")
            assert terminal.wait() == 3

    def test_own_detach_keys(self, docker, name):
        with docker.terminal("run", "-it", "--detach-keys", "ctrl-a,d", "--name", name, "busybox") as terminal:
            terminal.expect(r"/ # ")
            terminal.type("\x01d")
            assert terminal.wait() == 0
        assert docker.inspect(name, "{{.State.Running}}") == "true"

    def test_terminal_without_stdin(self, docker):
        assert docker.output("run", "--rm", "-t", "busybox", "sh", "-c", "tty; test -t 1 && echo yes; echo $TERM").splitlines() == ["/dev/pts/0", "yes", "xterm"]

    def test_stdin_must_be_a_terminal(self, docker):
        done = docker("run", "--rm", "-it", "busybox", "true", input="x")
        assert done.returncode == 1 and ("not a TTY" in done.stderr or "not a terminal" in done.stderr)

    def test_end_of_file_key(self, docker):
        with docker.terminal("run", "-it", "--rm", "busybox", "cat") as terminal:
            terminal.type("abc\r")
            terminal.expect("abc\r\nabc\r\n")
            terminal.type("\x04")
            assert terminal.wait() == 0


class TestSignals:
    @pytest.mark.parametrize("sent, code", [(signal.SIGTERM, 15), (signal.SIGINT, 2), (signal.SIGUSR1, 10)])
    def test_proxied(self, docker, sent, code):
        process = docker.spawn("run", "--rm", "busybox", "sh", "-c", "for s in 2 10 15; do trap \"exit $s\" $s; done; echo ready; while :; do sleep 0.05; done")
        assert process.stdout.readline() == "ready\n"
        process.send_signal(sent)
        assert process.wait(20) == code

    def test_not_proxied(self, docker, name):
        process = docker.spawn("run", "--sig-proxy=false", "--name", name, "busybox", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert docker.inspect(name, "{{.State.Running}}") == "true"
        process.kill()
        process.wait()


class TestCidfile:
    def test_written(self, docker, tmp_path):
        docker("run", "--cidfile", tmp_path / "cid", "busybox", "true", check=0)
        assert re.fullmatch("[0-9a-f]{64}", (tmp_path / "cid").read_text())

    def test_existing(self, docker, tmp_path):
        (tmp_path / "cid").write_text("")
        done = docker("run", "--cidfile", tmp_path / "cid", "busybox", "true", check=125)
        assert "container ID file found" in done.stderr.lower() or "container id file found" in done.stderr.lower()


def test_pull_policies(docker):
    done = docker("run", "--rm", "--pull", "never", "no/such/image", "true", check=125)
    assert "No such image" in done.stderr
    docker("run", "--rm", "--pull", "missing", "busybox", "true", check=0)


def test_published_port_with_detached_server(docker, name):
    import http.client
    docker("run", "-d", "--name", name, "-p", "8080:80", "busybox", "httpd", "-f", "-p", "80", "-h", "/www", check=0)
    assert docker.output("port", name).replace(":::", "[::]:") == "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080"
    for host in ("127.0.0.1", "::1"):
        def ask():
            try:
                connection = http.client.HTTPConnection(host, 8080, timeout=2)
                connection.request("GET", "/")
                return connection.getresponse().read() == b"it works\n"
            except OSError:
                return False
        wait_until(ask, 10, host)
    docker("stop", "-t", "0", name, check=0)
