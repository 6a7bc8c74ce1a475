"""cp, export and the archive endpoints: files in and out of containers, running or not."""
import base64
import io
import json
import os
import stat
import subprocess
import tarfile
import threading
import urllib.parse

import pytest


@pytest.fixture(params=["running", "stopped"])
def box(request, docker, name):
    """A container with a few files, in both states."""
    script = ("mkdir -p /d/sub && echo one >/d/f && echo two >/d/sub/g && ln -s f /d/link && ln -s /d /dlink && ln -s /nowhere /d/dangling && chmod 640 /d/f "
              "&& chown 12:34 /d/f && ln /d/f /d/hard && mkfifo /d/pipe; [ $1 = stopped ] || exec sleep 100")
    docker("run", *(["-d"] if request.param == "running" else []), "--name", name, "busybox", "sh", "-c", script, "sh", request.param, check=0)
    if request.param == "running":
        docker("exec", name, "sh", "-c", "until [ -p /d/pipe ]; do sleep 0.05; done", check=0)
    return name


def path_stat(answer):
    return json.loads(base64.b64decode(answer.header("X-Docker-Container-Path-Stat")))


def archive(api, container, path, **options):
    return api.get(f"/containers/{container}/archive?path={urllib.parse.quote(path)}", **options)


def names(body):
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return tar.getnames()


def tar_of(*entries):
    """(name, content or None for a directory, attributes)"""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content, *more in entries:
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            for key, value in (more[0] if more else {}).items():
                setattr(info, key, value)
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def put(api, container, path, body, query=""):
    return api.put(f"/containers/{container}/archive?path={urllib.parse.quote(path)}{query}", body, [("Content-Type", "application/x-tar")])


@pytest.mark.parametrize("path, called, kind", [("/d", "d", "dir"), ("/d/", "d", "dir"), ("/d/.", ".", "dir"), ("/", "/", "dir"), ("d/f", "f", "file"), ("../d/f", "f", "file"), ("/d/link", "link", "link"),
                                              ("/dlink", "dlink", "link"), ("/dlink/", "dlink", "dir"), ("/dlink/f", "f", "file"), ("/d/pipe", "pipe", "pipe")])
def test_stat_of_every_form_of_path(api, box, path, called, kind):
    answer = api.head(f"/containers/{box}/archive?path={urllib.parse.quote(path)}")
    assert answer.status == 200 and answer.header("Content-Type") is None
    seen = path_stat(answer)
    assert seen["name"] == called
    bits = {"dir": 1 << 31, "link": 1 << 27, "pipe": 1 << 25, "file": 0}[kind]
    assert seen["mode"] & 0xFFF80000 & ~(1 << 20) == bits
    assert seen["linkTarget"] == {"/d/link": "/d/f", "/dlink": "/d"}.get(path, "")
    if path == "d/f":
        assert seen["size"] == 4 and seen["mode"] & 0o777 == 0o640 and seen["mtime"].startswith("20")


def test_get_a_directory(api, box):
    answer = archive(api, box, "/d")
    assert answer.status == 200 and answer.header("Content-Type") == "application/x-tar"
    assert names(answer.body) == ["d", "d/dangling", "d/f", "d/hard", "d/link", "d/pipe", "d/sub", "d/sub/g"]
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        first = tar.getmember("d/f")
        assert (first.uid, first.gid, first.mode & 0o7777, tar.extractfile(first).read()) == (12, 34, 0o640, b"one\n")
        assert tar.getmember("d/hard").linkname == "d/f" and tar.getmember("d/link").linkname == "f" and tar.getmember("d/pipe").isfifo()
    assert {"/d/f", "/bin/busybox"} <= {"/" + entry.lstrip("/") for entry in names(archive(api, box, "/").body)}
    assert names(archive(api, box, "/d/f").body) == ["f"]
    assert "./f" in names(archive(api, box, "/d/.").body)
    with tarfile.open(fileobj=io.BytesIO(archive(api, box, "/dlink").body)) as tar:
        assert tar.getnames() == ["dlink"] and tar.getmember("dlink").issym()


def test_missing_things(api, box):
    for path in ("/no", "/d/no", "/d/dangling/x"):
        answer = archive(api, box, path)
        assert answer.status == 404 and answer.message == f"Could not find the file {path} in container {box}"
    assert put(api, box, "/no", tar_of()).status == 404
    assert archive(api, "nope", "/").status == 404
    assert api.get(f"/containers/{box}/archive").status == 400


@pytest.mark.modern
def test_put_needs_a_directory(api, box):
    answer = put(api, box, "/d/f", tar_of(("x", b"")))
    assert answer.status == 400 and answer.message == "extraction point is not a directory"


def test_put_and_read_back(docker, api, box):
    body = tar_of(("new", None), ("new/file", b"content", {"uid": 7, "gid": 8, "mode": 0o4711, "mtime": 1000000000}))
    assert put(api, box, "/d", body).status == 200
    with tarfile.open(fileobj=io.BytesIO(archive(api, box, "/d/new/file").body)) as tar:
        seen = tar.getmember("file")
        assert (seen.uid, seen.gid, seen.mode & 0o7777, seen.mtime) == (7, 8, 0o4711, 1000000000)
    assert put(api, box, "/dlink/sub", tar_of(("through", b"link"))).status == 200
    assert docker.output("cp", f"{box}:/d/sub/through", "-").count("link") == 1
    assert put(api, box, "/d", b"").status == 200


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_put_takes_compressed_archives(api, box, mode):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + mode) as tar:
        info = tarfile.TarInfo("packed")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"12345"))
    assert put(api, box, "/", out.getvalue()).status == 200
    assert path_stat(api.head(f"/containers/{box}/archive?path=/packed"))["size"] == 5


def test_kinds_can_be_kept(api, box):
    refused = put(api, box, "/d", tar_of(("sub", b"a file")), "&noOverwriteDirNonDir=1")
    assert refused.status >= 400 and "cannot overwrite directory" in refused.message
    refused = put(api, box, "/d", tar_of(("f", None)), "&noOverwriteDirNonDir=true")
    assert refused.status >= 400 and "cannot overwrite non-directory" in refused.message
    assert put(api, box, "/d", tar_of(("sub", b"a file"))).status == 200


def test_archives_cannot_lead_out(api, box, tmp_path):
    for entry in ("../out", "a/../../out", "/../out"):
        put(api, box, "/d", tar_of((entry, b"evil")))
    assert not os.path.exists("/out") and not os.path.exists("/d/out")


def test_copy_both_ways(docker, box, tmp_path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "file").write_text("text")
    docker("cp", f"{box}:/d/f", tmp_path / "got", check=0)
    assert (tmp_path / "got").read_text() == "one\n"
    docker("cp", f"{box}:/d", tmp_path / "tree", check=0)
    assert (tmp_path / "tree" / "sub" / "g").read_text() == "two\n"
    docker("cp", f"{box}:/d/.", tmp_path / "local", check=0)
    assert (tmp_path / "local" / "f").read_text() == "one\n"
    docker("cp", "-L", f"{box}:/dlink", tmp_path / "followed", check=0)
    assert (tmp_path / "followed" / "sub").is_dir()
    docker("cp", f"{box}:/d/link", tmp_path / "aslink", check=0)
    assert os.readlink(tmp_path / "aslink") == "f"
    docker("cp", tmp_path / "local", f"{box}:/d/put", check=0)
    docker("cp", tmp_path / "local" / "file", f"{box}:/d/put/renamed", check=0)
    docker("cp", f"{tmp_path}/local/.", f"{box}:/d/sub", check=0)
    docker("cp", f"{box}:/d/put/renamed", tmp_path / "back", check=0)
    docker("cp", f"{box}:/d/sub/file", tmp_path / "back2", check=0)
    assert (tmp_path / "back").read_text() == (tmp_path / "back2").read_text() == "text"
    missing = docker("cp", f"{box}:/nope", tmp_path, check=1)
    assert "Could not find the file /nope in container" in missing.stderr


def test_copy_by_streams(docker, box):
    out = subprocess.run([docker.program, "cp", f"{box}:/d/sub", "-"], env=docker.environment, capture_output=True, check=True).stdout
    assert names(out) == ["sub", "sub/g"]
    subprocess.run([docker.program, "cp", "-", f"{box}:/"], env=docker.environment, input=out, capture_output=True, check=True)
    assert docker.output("cp", f"{box}:/sub/g", "-").count("two") == 1


@pytest.mark.proa  # Docker asks the host's accounts
def test_archive_mode_gives_files_to_the_user(docker, api, name):
    docker("create", "--user", "77:88", "--name", name, "busybox", check=0)
    assert put(api, name, "/tmp", tar_of(("mine", b"x", {"uid": 5})), "&copyUIDGID=1").status == 200
    with tarfile.open(fileobj=io.BytesIO(archive(api, name, "/tmp/mine").body)) as tar:
        assert (tar.getmember("mine").uid, tar.getmember("mine").gid) == (77, 88)


def test_binds_are_reached_and_honoured(docker, api, name, tmp_path):
    (tmp_path / "rw").mkdir(), (tmp_path / "ro").mkdir()
    (tmp_path / "rw" / "seen").write_text("bound")
    docker("create", "--name", name, "-v", f"{tmp_path}/rw:/rw", "-v", f"{tmp_path}/ro:/ro:ro", "--read-only", "busybox", check=0)
    assert docker.output("cp", f"{name}:/rw/seen", "-").count("bound") == 1
    assert put(api, name, "/rw", tar_of(("new", b"n"))).status == 200 and (tmp_path / "rw" / "new").read_text() == "n"
    answer = put(api, name, "/ro", tar_of(("new", b"n")))
    assert answer.status >= 400 and "mounted volume is marked read-only" in answer.message and not (tmp_path / "ro" / "new").exists()
    answer = put(api, name, "/tmp", tar_of(("new", b"n")))
    assert answer.status >= 400 and answer.message == "container rootfs is marked read-only"


def test_export_has_the_root_without_mounts(docker, box, tmp_path):
    docker("export", "-o", tmp_path / "root.tar", box, check=0)
    with tarfile.open(tmp_path / "root.tar") as tar:
        listed = {member.name: member for member in tar}
        assert listed["d/f"].size == 4 and listed["bin/busybox"].isfile() and listed["dlink"].linkname == "/d"
        assert not any(name.startswith(("proc/", "sys/")) for name in listed) and ".dockerenv" in listed


def test_export_becomes_an_image(docker, box, name):
    saved = subprocess.run([docker.program, "export", box], env=docker.environment, capture_output=True, check=True).stdout
    subprocess.run([docker.program, "import", "-c", "CMD [\"cat\", \"/d/f\"]", "-", f"imported-{name}"], env=docker.environment, input=saved, capture_output=True, check=True)
    assert docker.output("run", "--rm", f"imported-{name}") == "one"


def test_events_name_the_copies(docker, api, box, events):
    stream = events(container=[box])
    archive(api, box, "/d/f"), put(api, box, "/", tar_of(("e", b""))), api.get(f"/containers/{box}/export")
    actions = (event["Action"] for event in stream.objects())
    assert [next(actions) for _ in range(3)] == ["archive-path", "extract-to-dir", "export"]


def test_docker_py_copies(client, name):
    container = client.containers.create("busybox", "true", name=name)
    assert container.put_archive("/tmp", tar_of(("a", b"from python")))
    pieces, seen = container.get_archive("/tmp/a")
    assert seen["name"] == "a" and seen["size"] == 11
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.extractfile("a").read() == b"from python"
    assert b"".join(container.export())[257:262] == b"ustar"


def test_many_and_large_files(docker, box, tmp_path):
    (tmp_path / "many").mkdir()
    for number in range(1500):
        (tmp_path / "many" / f"n{number}").write_text(str(number))
    with open(tmp_path / "many" / "large", "wb") as file:
        file.write(os.urandom(1 << 20) * 24)
    docker("cp", tmp_path / "many", f"{box}:/many", check=0)
    docker("cp", f"{box}:/many", tmp_path / "back", check=0)
    assert subprocess.run(["diff", "-r", tmp_path / "many", tmp_path / "back"]).returncode == 0


SWAPPER = "mkdir -p /race/real; cd /race; while :; do ln -sfn /canary spot 2>/dev/null; rm -f spot; mkdir spot 2>/dev/null; rmdir spot 2>/dev/null; done"


@pytest.mark.proa
def test_a_container_that_swaps_links_cannot_lead_a_copy_out(docker, api, name, tmp_path):
    """CVE-2018-15664, 2026-41567: the canary outside stays as it is, whatever the copy says."""
    canary = "/canary"
    assert not os.path.exists(canary)
    os.mkdir(canary)
    try:
        with open(canary + "/secret", "w") as file:
            file.write("outside")
        docker("run", "-d", "--name", name, "busybox", "sh", "-c", SWAPPER, check=0)
        for _ in range(60):
            put(api, name, "/race/spot", tar_of(("planted", b"evil"), ("secret", b"evil")))
            body = archive(api, name, "/race/spot/secret").body
            assert b"outside" not in body
            archive(api, name, "/race")
        assert os.listdir(canary) == ["secret"] and open(canary + "/secret").read() == "outside"
    finally:
        subprocess.run(["rm", "-rf", canary])


@pytest.mark.proa
def test_the_helper_is_locked_in(api, name, engine):
    """While a copy waits for more of its archive, the helper has no way to the host."""
    container = api.run("sleep", "100", name=name)
    import socket
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(engine.socket)
    body = tar_of(("waits", b"x" * 100000))
    connection.sendall(f"PUT /v1.45/containers/{container}/archive?path=/tmp HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:20000])
    from support.waiting import wait_until
    helper = wait_until(lambda: [pid for pid in helpers(engine) if _status(pid).get("Seccomp") == "2"], 5, "the helper")[0]
    status = _status(helper)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) and int(status["CapEff"], 16).bit_count() == 6
    assert status["NoNewPrivs"] == "1" and sorted(os.listdir(f"/proc/{helper}/root")) == ["proc", "root"] and os.listdir(f"/proc/{helper}/root/root") == []
    connection.sendall(body[20000:])
    assert b"200 OK" in connection.recv(4096)
    connection.close()
    wait_until(lambda: not os.path.exists(f"/proc/{helper}"), 5, "its end")


def helpers(engine):
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and _comm(pid) == "proa-archive" and _status(pid).get("PPid") == str(engine.pid)]


def _comm(pid):
    try:
        return open(f"/proc/{pid}/comm").read().strip()
    except OSError:
        return ""


def _status(pid):
    try:
        return dict(line.rstrip("\n").split(":\t", 1) for line in open(f"/proc/{pid}/status") if ":\t" in line)
    except OSError:
        return {"Seccomp": ""}


@pytest.mark.proa
def test_a_client_that_breaks_off_leaves_no_helper(api, name, engine):
    container = api.run("sh", "-c", "head -c 30000000 /dev/zero >/big; sleep 100", name=name)
    from support.waiting import wait_until
    wait_until(lambda: api.execute(container, "stat", "-c", "%s", "/big")[1].strip() == "30000000", 10, "the file")
    stream = api.open("GET", f"/containers/{container}/archive?path=/big")
    stream.read_some()
    stream.close()
    wait_until(lambda: not helpers(engine), 5, "the helper's end")
