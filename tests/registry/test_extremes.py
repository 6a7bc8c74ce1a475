"""Images at the edges: many layers, long names and such that are no text, sparse files, devices, hard links, attributes; by load, push, pull, save and in containers."""
import io
import os
import subprocess
import tarfile

import pytest

from support import images
from support.http import Http

TAR = [("Content-Type", "application/x-tar")]
CAPABILITY = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"  # cap_net_bind_service=ep


@pytest.fixture(params=["overlay2", pytest.param("vfs", marks=pytest.mark.proa)])
def http(request, private_engine):
    private_engine.start(["--storage-driver", request.param])
    private_engine.load()
    return Http(private_engine.socket, timeout=60)


def load(http, name, layers):
    answer = http.post("/images/load?quiet=1", images.archive([([name], images.configuration(layers), layers)]), TAR)
    assert answer.status == 200 and b"errorDetail" not in answer.body, answer.text


def create(http, image, *command):
    answer = http.post("/containers/create", {"Image": image, "Cmd": list(command)})
    assert answer.status == 201, answer.text
    return answer.json()["Id"]


def run(http, image, *command):
    container = create(http, image, *command)
    http.post(f"/containers/{container}/start")
    code = http.post(f"/containers/{container}/wait").json()["StatusCode"]
    return container, code


def exported(http, container):
    """{name: member} of a container's file system, names as bytes."""
    archive = tarfile.open(fileobj=io.BytesIO(http.get(f"/containers/{container}/export").body), errors="surrogateescape")
    return {os.fsencode(member.name): member for member in archive}, archive


def test_150_layers(http):
    """Each one adds a file, replaces one and takes one away."""
    def step(number):
        def build(tar):
            images.add_file(tar, f"steps/{number}", str(number).encode())
            images.add_file(tar, "steps/last", str(number).encode())
            if number >= 2:
                images.add_file(tar, f"steps/.wh.{number - 2}", b"")
        return images.layer(build)

    layers = [images.busybox_layer(), *map(step, range(150))]
    load(http, "many:1", layers)
    container, code = run(http, "many:1", "sh", "-c", "ls /steps > /seen; cat /steps/last > /last; rm /steps/148")
    assert code == 0
    members, archive = exported(http, container)
    assert archive.extractfile("seen").read().split() == [b"148", b"149", b"last"] and archive.extractfile("last").read() == b"149"
    assert b"steps/148" not in members
    # One more on top of it, and all of it again from what is saved.
    committed = http.post(f"/commit?container={container}&repo=many&tag=2").json()["Id"]
    assert len(http.get("/images/many:2/json").json()["RootFS"]["Layers"]) == len(layers) + 1
    saved = http.get("/images/many:2/get").body
    assert len(http.get("/images/many:1/history").json()) in (1, len(layers))
    http.delete(f"/containers/{container}")
    for name in ("many:2", "many:1"):
        http.delete(f"/images/{name}?force=1")
    http.post("/images/load?quiet=1", saved, TAR)
    assert http.get("/images/many:2/json").json()["Id"] == committed
    container, code = run(http, "many:2", "sh", "-c", "[ ! -e /steps/148 ] && [ $(cat /steps/149) = 149 ]")
    assert code == 0


def odd_names():
    return {b"plain", b"caf\xe9-latin1", b"\xff\xfe\x80", "sn\u00f6w-\u2603".encode(), b"n" * 255, b"/".join([b"d" * 200] * 18) + b"/end", b"with space and\ttab", b"new\nline", b"-rf", b"$(x)`y`"}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_names(http, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as tar:
        for name in sorted(odd_names()):
            info = tarfile.TarInfo(os.fsdecode(b"odd/" + name))
            info.size = 4
            tar.addfile(info, io.BytesIO(b"here"))
            link = tarfile.TarInfo(os.fsdecode(b"links/" + name[:200].replace(b"/", b"-")))
            link.type, link.linkname = tarfile.SYMTYPE, os.fsdecode(b"../odd/" + name)
            tar.addfile(link)
    layers = [images.busybox_layer(), out.getvalue()]
    load(http, "names:1", layers)
    container, code = run(http, "names:1", "sh", "-c", "cp -a /odd /copied")
    assert code == 0
    members, archive = exported(http, container)
    for name in odd_names():
        assert members[b"odd/" + name].size == members[b"copied/" + name].size == 4
        assert os.fsencode(members[b"links/" + name[:200].replace(b"/", b"-")].linkname) == b"../odd/" + name
    # A layer of ours brings them too.
    http.post(f"/commit?container={container}&repo=names&tag=2")
    members, _ = exported(http, create(http, "names:2", "true"))
    assert {name for name in members if name.startswith(b"copied/")} >= {b"copied/" + name for name in odd_names()}


def test_kinds_of_files(http):
    def build(tar):
        def add(name, kind, link="", **fields):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info)

        images.add_file(tar, "kinds/file", b"content", 0o4755, 12345, 54321)
        add("kinds/hard", tarfile.LNKTYPE, "kinds/file")
        add("kinds/null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
        add("kinds/block", tarfile.BLKTYPE, devmajor=7, devminor=250, mode=0o600)
        add("kinds/fifo", tarfile.FIFOTYPE, mode=0o640)
        add("kinds/sticky", tarfile.DIRTYPE, mode=0o1777, uid=4294967294, mtime=12345)
        info = tarfile.TarInfo("kinds/capable")
        info.size, info.mode = 4, 0o755
        info.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1")}
        tar.addfile(info, io.BytesIO(b"here"))

    layers = [images.busybox_layer(), images.layer(build)]
    load(http, "kinds:1", layers)
    check = ("cd /kinds && [ file -ef hard ] && [ $(stat -c %a.%u.%g file) = 4755.12345.54321 ] && [ -c null ] && [ $(stat -c %t.%T null) = 1.3 ] && [ -b block ]"
             " && [ $(stat -c %t.%T block) = 7.fa ] && [ -p fifo ] && [ $(stat -c %a fifo) = 640 ] && [ $(stat -c %a.%u sticky) = 1777.4294967294 ]")
    container, code = run(http, "kinds:1", "sh", "-c", check + " && echo x > new && ln new another && mknod made c 1 5 && cp -a sticky sticky2")
    assert code == 0
    http.post(f"/commit?container={container}&repo=kinds&tag=2")
    container, code = run(http, "kinds:2", "sh", "-c", check + " && [ new -ef another ] && [ $(stat -c %t.%T made) = 1.5 ] && [ $(stat -c %a.%u sticky2) = 1777.4294967294 ]")
    assert code == 0
    members, _ = exported(http, container)
    assert members[b"kinds/capable"].pax_headers["SCHILY.xattr.security.capability"].encode("utf-8", "surrogateescape") == CAPABILITY


def test_sparse(http, private_engine, tmp_path):
    """4 GiB of a file that has three blocks, by GNU tar: on disk it takes next to nothing, also in a container's copy."""
    with open(tmp_path / "sparse", "wb") as file:
        for at, data in ((0, b"begin"), (1 << 30, b"middle"), ((4 << 30) - 3, b"end")):
            file.seek(at)
            file.write(data)
    plain = tmp_path / "sparse.tar"
    subprocess.run(["tar", "--sparse", "-C", tmp_path, "-cf", plain, "sparse"], check=True)
    assert plain.stat().st_size < 1 << 20
    load(http, "sparse:1", [images.busybox_layer(), plain.read_bytes()])
    container, code = run(http, "sparse:1", "sh", "-c", "[ $(stat -c %s /sparse) = 4294967296 ] && [ $(tail -c 3 /sparse) = end ] && [ $(dd if=/sparse bs=1024 skip=1048576 count=1 | head -c 6) = middle ]")
    assert code == 0
    assert sum(os.lstat(os.path.join(root, name)).st_blocks * 512 for root, _, names in os.walk(private_engine.data_root) for name in names if name == "sparse") < 1 << 20
