"""`docker run` with the unmodified client."""
import os


class TestHello:
    def test_hello_world(self, docker):
        done = docker("run", "--rm", "hello-world", check=0)
        assert "Hello from" in done.stdout

    def test_output_streams_stay_apart(self, docker):
        done = docker("run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2", check=0)
        assert (done.stdout, done.stderr) == ("out\n", "err\n")

    def test_stdin_reaches_the_process_and_ends(self, docker):
        assert docker.output("run", "--rm", "-i", "busybox", "cat", input="a\nb\n") == "a\nb"

    def test_large_stdin_comes_back_whole(self, docker):
        text = "0123456789abcdef" * 65536
        assert docker.output("run", "--rm", "-i", "busybox", "md5sum", input=text).split()[0] == __import__("hashlib").md5(text.encode()).hexdigest()

    def test_large_output_comes_whole(self, docker):
        assert len(docker("run", "--rm", "busybox", "sh", "-c", "yes 0123456789 | head -c 5000000", check=0).stdout) == 5000000
