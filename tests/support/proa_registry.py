"""`proa registry serve` as a process of its own."""
import shutil
import signal
import subprocess
import tempfile

from . import registries


class ProaRegistry(registries.DockerRegistry):
    """The same questions as to docker-registry."""

    def __init__(self, engine, *flags, data=None):
        self.directory = data or tempfile.mkdtemp(prefix="proa-test-registry-", dir="/tmp")
        self.process = subprocess.Popen([engine.bin + "/proa", "registry", "serve", "--addr", "127.0.0.1:0", "--data-root", self.directory, *flags],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("Registry listens on http"), line
        self.host, port = line.strip().rsplit("/", 1)[1].rsplit(":", 1)
        self.port, self.address = int(port), f"{self.host}:{port}"

    def close(self):
        self.stop()
        shutil.rmtree(self.directory)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.stdout.close()
        return self.process.wait(10)
