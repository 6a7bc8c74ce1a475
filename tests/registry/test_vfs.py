"""The vfs driver: asked for, and found out where the file system of the data root cannot carry overlay2. All that images and containers do works on it."""
import io
import json
import os
import subprocess
import tarfile

import pytest

from support import registries
from support.waiting import wait_until

pytestmark = pytest.mark.proa


def mount_overlay(directory):
    for name in ("lower", "upper", "work", "disk"):
        os.makedirs(f"{directory}/{name}")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work", f"{directory}/disk"], check=True)


def mount_ramfs(directory):
    os.makedirs(directory + "/disk")
    subprocess.run(["mount", "-t", "ramfs", "ramfs", directory + "/disk"], check=True)


@pytest.fixture(params=["asked", "overlay on overlay", "ramfs"])
def vfs(request, private_engine):
    """An engine on vfs, with the test images."""
    extra = []
    if request.param == "asked":
        extra = ["--storage-driver", "vfs"]
    else:
        {"overlay on overlay": mount_overlay, "ramfs": mount_ramfs}[request.param](private_engine.directory)
        private_engine.data_root = private_engine.directory + "/disk/data"
    private_engine.start(extra)
    private_engine.load()
    private_engine.by_choice = request.param == "asked"
    return private_engine


@pytest.fixture
def proa(vfs, tmp_path):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DOCKER_HOST": vfs.host, "DOCKER_CONFIG": f"{tmp_path}/config", "HOME": str(tmp_path)}

    def run(*arguments, input="", check=0):
        done = subprocess.run([vfs.bin + "/proa", *map(str, arguments)], input=input, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == check, done
        return done.stdout

    return run


def names_in(archive):
    """Of the file or bytes, gzip or not."""
    if not isinstance(archive, bytes):
        archive = archive.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name for member in tar}


def layers_in(archive):
    """The names in each layer of a saved image."""
    with tarfile.open(archive) as tar:
        return [names_in(tar.extractfile(name).read()) for name in json.loads(tar.extractfile("manifest.json").read())[0]["Layers"]]


DOCKERFILE = """FROM busybox
RUN mkdir -p /made/deep && echo one > /made/one && echo two > /made/deep/two && chmod 750 /made
RUN rm /made/one && echo changed > /made/deep/two && rm -r /var && mkdir /var
COPY --chown=7:8 file /copied/
WORKDIR /work
FROM busybox
COPY --from=0 /made /from
RUN --mount=type=bind,from=0,source=/copied,target=/mnt cat /mnt/file > /seen
"""


def test_everything(vfs, proa, tmp_path):
    assert proa("info", "--format", "{{.Driver}} {{json .DriverStatus}}") == "vfs []\n"
    said = "storage driver vfs is used, because the file system of" in vfs.log_tail(20000)
    assert said != vfs.by_choice
    assert not os.path.exists(vfs.data_root + "/overlay2")

    # A container's own file system: written, compared, copied from and to, committed, exported; across a restart of the daemon.
    proa("run", "--name", "one", "busybox", "sh", "-c", "echo new > /etc/new; rm /bin/vi; echo x >> /etc/passwd; mkdir /d; ln /etc/new /d/linked")
    # /etc is what changed below it; what the engine mounts is no change.
    expected = {"C /bin", "D /bin/vi", "C /etc", "A /etc/new", "C /etc/passwd", "A /d", "A /d/linked"}
    assert set(proa("diff", "one").split("\n")) - {""} == expected
    assert json.loads(proa("inspect", "one"))[0]["GraphDriver"] == {"Data": None, "Name": "vfs"}
    vfs.stop()
    vfs.start(["--storage-driver", "vfs"] if vfs.by_choice else [])
    assert set(proa("diff", "one").split("\n")) - {""} == expected
    proa("cp", "one:/etc/new", tmp_path / "new")
    assert (tmp_path / "new").read_text() == "new\n"
    (tmp_path / "in").write_text("in\n")
    proa("cp", tmp_path / "in", "one:/d/in")
    proa("export", "-o", tmp_path / "one.tar", "one")
    exported = names_in(tmp_path / "one.tar")
    assert {"etc/new", "d/in", "bin/sh"} <= exported and "bin/vi" not in exported
    proa("commit", "one", "committed")
    assert proa("run", "--rm", "committed", "sh", "-c", "cat /d/in /etc/new; ls /bin/vi 2>&1; [ /d/linked -ef /etc/new ] && echo linked") == "in\nnew\nls: /bin/vi: No such file or directory\nlinked\n"
    proa("save", "-o", tmp_path / "committed.tar", "committed")
    assert layers_in(tmp_path / "committed.tar")[-1] == {"bin", "bin/.wh.vi", "etc", "etc/new", "etc/passwd", "d", "d/in", "d/linked"}

    # Volumes take the image's content, images can be mounted.
    assert proa("run", "--rm", "-v", "content:/etc", "committed", "cat", "/etc/new") == "new\n"
    assert proa("run", "--rm", "--mount", "type=image,source=committed,target=/img", "busybox", "sh", "-c", "cat /img/d/in; echo x > /img/x || echo refused") == "in\nrefused\n"
    assert proa("run", "--rm", "--read-only", "busybox", "sh", "-c", "echo x > /x || echo refused") == "refused\n"

    # Builds, by both builders' ways.
    (tmp_path / "context").mkdir()
    (tmp_path / "context/file").write_text("file\n")
    (tmp_path / "context/Dockerfile").write_text(DOCKERFILE)
    proa("build", "-t", "built", tmp_path / "context")
    assert proa("run", "--rm", "built", "sh", "-c", "cat /from/deep/two /seen; ls /from; stat -c %a /from") == "changed\nfile\ndeep\n755\n"
    proa("build", "-t", "first", "--target", "0", tmp_path / "context")
    assert proa("run", "--rm", "first", "sh", "-c", "pwd; stat -c '%u %g' /copied/file; ls -A /var; ls /made; stat -c %a /made") == "/work\n7 8\ndeep\n750\n"
    # What a build's steps hold is what they did, and nothing of what the engine mounts.
    proa("save", "-o", tmp_path / "first.tar", "first")
    second = layers_in(tmp_path / "first.tar")[2]
    assert {name for name in second if not name.startswith("var")} == {"made", "made/.wh.one", "made/deep", "made/deep/two"}

    # What was saved is loaded, pushed and pulled the same.
    before = proa("image", "inspect", "--format", "{{.Id}}", "committed")
    registry = registries.DockerRegistry()
    try:
        name = f"{registry.address}/x/committed:1"
        proa("tag", "committed", name)
        proa("push", name)
        proa("rm", "one")
        proa("rmi", "committed", name)
        proa("pull", name)
        assert proa("image", "inspect", "--format", "{{.Id}}", name) == before
        proa("rmi", name)
    finally:
        registry.close()
    proa("load", "-i", tmp_path / "committed.tar")
    assert proa("image", "inspect", "--format", "{{.Id}}", "committed") == before
    assert proa("run", "--rm", "committed", "cat", "/d/in") == "in\n"
    assert "no damage" in proa("system", "fsck")

    # Nothing is left but what images and containers need.
    proa("volume", "rm", "content")
    proa("system", "prune", "-af")
    wait_until(lambda: set(os.listdir(vfs.data_root + "/vfs")) == {"l", "empty", "bottom"}, 20, "the layers to go")
    assert os.listdir(vfs.data_root + "/vfs/l") == []
    probe = [name for name in os.listdir(vfs.data_root) if name.startswith("probe-")]
    assert not probe


def test_the_driver_of_a_data_root(private_engine):
    """It stays what it was; another one is refused while containers need the old one, else takes its place."""

    def proa(*arguments):
        return subprocess.run([private_engine.bin + "/proa", "-H", private_engine.host, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout

    private_engine.environment = {"DOCKER_DRIVER": "vfs"}
    private_engine.start()
    private_engine.environment = {}
    private_engine.load()
    proa("create", "--name", "one", "busybox")
    used = int(proa("system", "df", "--format", "{{.Type}} {{.Size}}").split("Containers ")[1].split(".")[0].rstrip("kMB\n"))
    assert used >= 1  # MB: a whole copy
    private_engine.restart()
    assert proa("info", "--format", "{{.Driver}}") == "vfs\n"
    private_engine.stop()
    process = private_engine.spawn(["--storage-driver", "overlay2"])
    assert process.wait(20) == 1
    private_engine.process = None
    assert "/vfs holds the file systems of 1 container; start with storage driver vfs and remove it" in private_engine.log_tail()
    private_engine.start()
    proa("rm", "one")
    private_engine.restart(["--storage-driver", "overlay2"])
    assert proa("info", "--format", "{{.Driver}}") == "overlay2\n"
    assert proa("run", "--rm", "busybox", "echo", "unpacked again") == "unpacked again\n"
    assert not os.path.exists(private_engine.data_root + "/vfs")
    wait_until(lambda: not [name for name in os.listdir(private_engine.data_root + "/overlay2") if name.startswith("discarded-")], 20, "the old layers to go")
