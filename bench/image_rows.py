"""Images: a Debian root filesystem is imported, pushed, pulled, saved and loaded, each engine in turn on the same disk."""
import json
import os
import shutil
import subprocess
import tempfile
import time

from harness import Failed

ROOTFS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build/debian/rootfs.tar")


def debian():
    """A root filesystem of about 300 MB by mmdebstrap, made once."""
    if not os.path.exists(ROOTFS):
        os.makedirs(os.path.dirname(ROOTFS), exist_ok=True)
        subprocess.run(["mmdebstrap", "--variant=minbase", "--include=python3,git,vim", "bookworm", ROOTFS + ".new.tar"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.rename(ROOTFS + ".new.tar", ROOTFS)
    return ROOTFS


class Registry:
    """docker-registry in the namespace of one engine: each reaches it on its own loopback."""

    def __init__(self, peer, directory):
        self.peer, self.root, self.address = peer, f"{directory}/{peer.name}", "127.0.0.1:5055"
        os.makedirs(self.root)
        with open(self.root + "/config.yml", "w") as file:
            json.dump({"version": 0.1, "log": {"level": "error", "accesslog": {"disabled": True}}, "storage": {"filesystem": {"rootdirectory": self.root + "/data"}},
                       "http": {"addr": self.address}}, file)
        self.pid = peer.worker.start(["env", "OTEL_TRACES_EXPORTER=none", "docker-registry", "serve", self.root + "/config.yml"])
        for _ in range(100):
            try:
                peer.worker.output(["curl", "-sf", f"http://{self.address}/v2/"])
                return
            except Failed:
                time.sleep(0.1)
        raise Failed(f"{peer.name}: docker-registry does not answer")

    def size(self):
        """Bytes of what was pushed."""
        return sum(os.path.getsize(os.path.join(root, name)) for root, _, names in os.walk(self.root + "/data") for name in names if name == "data")

    def stop(self):
        self.peer.worker.stop(self.pid)


def measure(bench, make_row):
    """The rows of the group `images`. On tmpfs when TMPDIR lies there."""
    rootfs = debian()
    rows = {key: make_row(title, unit, targets) for key, title, unit, targets in (
        ("send", "import + push of a 300 MB rootfs", "s", [("dockerd", ">=", 3)]),
        ("size", "pushed bytes", "MB", [("dockerd", ">=", 1)]),
        ("pull", "pull of its layer (gzip) from loopback", "s", [("dockerd", ">=", 1), ("podman", ">=", 1)]),
        ("save", "save", "s", [("dockerd", ">=", 1), ("podman", ">=", 1)]),
        ("load", "load of what it saved", "s", [("dockerd", ">=", 1), ("podman", ">=", 1)]))}
    directory = tempfile.mkdtemp(prefix="bench-images-")
    registries = []
    try:
        registries = [Registry(peer, directory) for peer in bench.peers]
        for number in range(1 if bench.quick else 3):
            for peer, registry in zip(bench.peers, registries):
                plain = ["--tls-verify=false"] if peer.name == "podman" else []
                name, archive = f"{registry.address}/deb:{number}", f"{registry.root}/saved.tar"
                before = registry.size()
                imported = peer.run("import", rootfs, name)
                if number:  # else the registry would have the layer already
                    peer.worker.output(["rm", "-rf", f"{registry.root}/data/docker/registry/v2/blobs", f"{registry.root}/data/docker/registry/v2/repositories"])
                    before = 0
                pushed = peer.run("push", "-q", *plain, name)
                rows["send"].add(peer.name, (imported + pushed) / 1e3)
                rows["size"].add(peer.name, (registry.size() - before) / 1e6)
                if os.path.exists(archive):
                    os.unlink(archive)
                rows["save"].add(peer.name, peer.run("save", "-o", archive, name) / 1e3)
                peer.run("rmi", "-f", name)
                rows["pull"].add(peer.name, peer.run("pull", *plain, name) / 1e3)
                peer.run("rmi", "-f", name)
                rows["load"].add(peer.name, peer.run("load", "-i", archive) / 1e3)
                peer.run("rmi", "-f", name)
    finally:
        for registry in registries:
            registry.stop()
        shutil.rmtree(directory)
    return list(rows.values())
