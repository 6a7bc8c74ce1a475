"""What `proa build` and `proa builder` have beside the classic client: named contexts, caches, outputs, progress."""
import io
import json
import os
import pathlib
import subprocess
import tarfile

import pytest

from support import registries
from support.terminal import Terminal

pytestmark = pytest.mark.proa


class Proa:
    def __init__(self, engine, directory):
        self.program, self.directory = engine.bin + "/proa", directory
        self.environment = {"PATH": "/usr/bin:/bin", "DOCKER_HOST": engine.host, "DOCKER_CONFIG": f"{directory}/.config", "HOME": str(directory), "TERM": "xterm"}

    def __call__(self, *arguments, check=0, env=None, **options):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, timeout=90, cwd=self.directory, env={**self.environment, **(env or {})},
                              **({} if "input" in options else {"stdin": subprocess.DEVNULL}), **options)
        assert done.returncode == check, done
        return done

    def write(self, **files):
        for name, content in files.items():
            path = self.directory / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def show(self, image, *command):
        return self("run", "--rm", image, *command).stdout


@pytest.fixture
def proa(engine, tmp_path):
    return Proa(engine, tmp_path)


@pytest.fixture
def registry(engine):
    registry = registries.DockerRegistry()
    yield registry
    registry.close()


def test_named_contexts(proa, name):
    proa.write(Dockerfile="FROM other AS replaced\nRUN exit 9\nFROM alias\nCOPY --from=files . /files/\nCOPY --from=replaced one /one\nRUN --mount=from=files,target=/m cat /m/two > /two\nCOPY . /main/\n",
               main="main", files__one="1", files__two="2", files__left="left")
    (proa.directory / "files" / ".dockerignore").write_text("left\n.dockerignore\n")
    (proa.directory / ".dockerignore").write_text("files\nDockerfile\n")
    proa("build", "-t", name, "--build-context", "files=files", "--build-context", "replaced=files", "--build-context", "alias:latest=docker-image://busybox", ".")
    assert proa.show(name, "sh", "-c", "ls -A /files /main; cat /one /two").split() == ["/files:", "one", "two", "/main:", ".dockerignore", "main", "12"]
    proa.write(**{"Dockerfile.directory": "FROM files\nCOPY --from=busybox /bin/busybox /cat\nCMD [\"/cat\", \"/one\"]\n"})
    proa("build", "-t", name, "-f", "Dockerfile.directory", "--build-context", "files=./files", ".")
    assert proa.show(name) == "1"
    for wrong, words in (("x", "expected key=value"), ("x=/no/such", "not found"), ("x=target:y", "not supported")):
        assert words in proa("build", "--build-context", wrong, ".", check=1).stderr


def test_named_contexts_beside_other_sources(proa, name):
    proa.write(files__one="1")
    proa("build", "-t", name, "--build-context", "f=files", "-", input="FROM busybox\nCOPY --from=f one /one\n")
    assert proa.show(name, "cat", "/one") == "1"
    with tarfile.open(proa.directory / "context.tgz", "w:gz") as tar:
        for path, text in (("Dockerfile", "FROM busybox\nCOPY --from=f one /\nCOPY two /\n"), ("two", "2")):
            proa.write(**{path: text})
            tar.add(proa.directory / path, path)
    with open(proa.directory / "context.tgz") as stream:
        done = subprocess.run([proa.program, "build", "-t", name, "--build-context", "f=files", "-"], stdin=stream, cwd=proa.directory, env=proa.environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done
    assert proa.show(name, "cat", "/one", "/two") == "12"


def test_local_cache_of_all_stages(proa, name):
    proa.write(Dockerfile=f"FROM busybox AS a\nRUN echo {name} > /a\nFROM busybox\nCOPY --from=a /a /b\nRUN date +%N > /c\n")
    proa("build", "-t", name, "--cache-to", "type=local,dest=cache,mode=max", "--cache-to", "inline", ".")
    first = proa.show(name, "cat", "/c")
    before = proa("images", "-aq", "--no-trunc").stdout.split()
    proa("rmi", name)
    proa("builder", "prune", "-af")
    assert len(proa("images", "-aq").stdout.split()) < len(before)
    text = proa("build", "-t", name, "--cache-from", "type=local,src=cache", ".").stdout
    assert text.count("Using cache") == 3, text
    assert proa.show(name, "cat", "/c") == first
    missing = proa("build", "--cache-from", "type=local,src=nothing", ".")
    assert "WARNING: failed to import cache from nothing" in missing.stderr


def test_registry_cache(proa, registry, name):
    reference = f"{registry.address}/cache/{name}:v1"
    proa.write(Dockerfile=f"FROM busybox\nENV N={name}\nRUN date +%N > /c\n", f="x")
    proa("build", "-t", name, "--cache-to", f"type=registry,ref={reference}", ".")
    first = proa.show(name, "cat", "/c")
    assert registry.address not in proa("images").stdout
    proa("rmi", name)
    proa("builder", "prune", "-af")
    assert proa("build", "-t", name, "--cache-from", reference, ".").stdout.count("Using cache") == 2
    assert proa.show(name, "cat", "/c") == first
    assert registry.address not in proa("images").stdout


def test_registry_cache_of_all_stages(proa, registry, name):
    reference = f"{registry.address}/cache/{name}"
    proa.write(Dockerfile=f"FROM busybox AS a\nRUN echo {name}; date +%N > /a\nFROM busybox AS b\nRUN echo b-{name}; date +%N > /b\nFROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n")
    proa("build", "-t", name, "--cache-to", f"type=registry,ref={reference},mode=max", ".")
    first = proa.show(name, "cat", "/a", "/b")
    proa("rmi", name)
    proa("builder", "prune", "-af")
    assert proa("build", "-t", name, "--cache-from", reference, ".").stdout.count("Using cache") == 4
    assert proa.show(name, "cat", "/a", "/b") == first
    assert registry.address not in proa("images").stdout


@pytest.mark.parametrize("flag, words", [
    ("--cache-to=type=registry", "requires ref"), ("--cache-to=type=gha", "unknown cache exporter: \"gha\""), ("--cache-from=type=local", "requires src"),
    ("--cache-to=type=registry,ref=x,mode=most", "mode=most"), ("--cache-from=type=registry,ref=x,other=1", "other=1"), ("--output=type=local", "dest is required"),
    ("--output=type=image,unpack=true", "unpack=true"), ("--output=type=nope", "unsupported output type \"nope\""), ("--progress=nope", "invalid progress mode nope"), ("--push", "tag is needed"),
])
def test_what_is_not_known_is_refused_by_name(proa, flag, words):
    proa.write(Dockerfile="FROM busybox\n")
    assert words in proa("build", flag, ".", check=1).stderr


def test_a_bind_mount_s_files_count_for_caches_of_others(proa, name):
    proa.write(Dockerfile="FROM busybox\nRUN --mount=target=/m cp /m/f /f\n", f="one")
    proa("build", "-t", name, "--cache-to", "type=local,dest=../cache-" + name, ".")
    proa("builder", "prune", "-af")
    proa.write(f="two")
    proa("build", "-t", name, "--cache-from", "type=local,src=../cache-" + name, ".")
    assert proa.show(name, "cat", "/f") == "two"


def test_outputs(proa, registry, name):
    proa.write(Dockerfile="FROM scratch\nCOPY f /d/f\n", f="content")
    pushed = f"{registry.address}/{name}:1"
    proa("build", "-o", "tree", "-o", "type=tar,dest=tree.tar", "-o", "type=oci,dest=oci.tar", "-o", "type=oci,dest=layout,tar=false", "-o", "type=docker,dest=docker.tar",
         "-o", f"type=image,name={pushed},push=true", "--iidfile", "id", "--metadata-file", "meta.json", ".")
    assert (proa.directory / "tree/d/f").read_text() == "content"
    assert "d/f" in tarfile.open(proa.directory / "tree.tar").getnames()
    assert "oci-layout" in tarfile.open(proa.directory / "oci.tar").getnames()
    assert "manifest.json" in tarfile.open(proa.directory / "docker.tar").getnames()
    assert json.loads((proa.directory / "layout/index.json").read_text())["schemaVersion"] == 2
    image = (proa.directory / "id").read_text()
    metadata = json.loads((proa.directory / "meta.json").read_text())
    assert metadata["containerimage.digest"] == image == metadata["containerimage.descriptor"]["digest"] and metadata["image.name"] == pushed
    assert registry.request("GET", f"/v2/{name}/tags/list")[0] == 200
    streamed = subprocess.run([proa.program, "build", "-q", "-o", "-", "."], cwd=proa.directory, env=proa.environment, capture_output=True, timeout=60)
    assert b"d/f" in streamed.stdout


def test_quiet_tells_all_only_of_a_failure(proa):
    proa.write(Dockerfile="FROM busybox\nRUN echo before; exit 4\n")
    done = proa("build", "-q", "--force-rm", ".", check=4)
    assert done.stdout == "" and "before" in done.stderr and "returned a non-zero code: 4" in done.stderr


def test_stages_to_build_anew(proa, name):
    proa.write(Dockerfile=f"FROM busybox AS a\nRUN echo {name} > /a\nFROM busybox\nRUN echo {name} > /b\nCOPY --from=a /a /a\n")
    proa("build", ".")
    text = proa("build", "--no-cache-filter", "a", ".").stdout
    assert text.count("Running in") == 1 and "Using cache" in text


def test_a_terminal_shows_parallel_steps_live(proa, name):
    proa.write(Dockerfile=f"FROM busybox AS one\nRUN echo first {name}; sleep 2; touch /x\nFROM busybox AS two\nRUN echo second {name}; sleep 2; touch /x\nFROM busybox\nCOPY --from=one /x /1\nCOPY --from=two /x /2\n")
    terminal = Terminal([proa.program, "build", "-t", name, str(proa.directory)], env=proa.environment, rows=30, columns=100)
    assert terminal.wait(60) == 0
    pictures = terminal.output.split("[+] Building ")
    both = [picture for picture in pictures if f"=> => first {name}" in picture and f"=> => second {name}" in picture]
    assert both, terminal.output[-3000:]
    assert "[one 2/2] RUN echo first" in both[-1] and "[two 2/2] RUN echo second" in both[-1]
    assert "(7/7)" in pictures[-1] and "Successfully tagged" in pictures[-1] and "=> =>" not in pictures[-1]
    again = Terminal([proa.program, "build", str(proa.directory)], env=proa.environment, columns=100)
    assert again.wait(60) == 0 and "CACHED [one 2/2]" in again.output


def test_a_terminal_keeps_the_last_words_of_what_failed(proa):
    proa.write(Dockerfile="FROM busybox\nRUN echo it broke; exit 7\n")
    terminal = Terminal([proa.program, "build", "--force-rm", str(proa.directory)], env=proa.environment, columns=100)
    assert terminal.wait(60) == 7
    assert "ERROR [stage-0 2/2] RUN" in terminal.output and "=> => it broke" in terminal.output and "returned a non-zero code: 7" in terminal.output


def test_raw_status(proa, name):
    proa.write(Dockerfile=f"FROM busybox\nRUN echo out {name}; echo err >&2\n")
    lines = [json.loads(line) for line in proa("build", "--progress", "rawjson", ".").stderr.splitlines()]
    vertexes = [vertex for line in lines for vertex in line.get("vertexes", [])]
    assert [vertex["name"] for vertex in vertexes if "completed" in vertex] == ["[stage-0 1/2] FROM busybox", f"[stage-0 2/2] RUN echo out {name}; echo err >&2"]
    assert {log["stream"] for line in lines for log in line.get("logs", [])} == {1, 2}


def test_a_cache_mount_goes_to_another_machine(proa, name):
    mount = f"/root/.cache/{name}"
    proa.write(Dockerfile=f"FROM busybox\nRUN --mount=type=cache,target={mount},mode=0700 cat {mount}/packages || {{ echo {name} > {mount}/packages; ln -s packages {mount}/link; }}\n")
    assert f"No such cache mount: {mount}" in proa("builder", "export", mount, check=1).stderr
    proa("build", ".")
    proa("builder", "export", "-o", "mount.tar", mount)
    with tarfile.open(proa.directory / "mount.tar") as tar:
        assert {os.path.normpath(entry.name): entry.mode for entry in tar if not entry.issym()} == {".": 0o700, "packages": 0o644}
    proa("builder", "prune", "-af")
    assert f"No such cache mount: {mount}" in proa("builder", "export", mount, check=1).stderr
    (proa.directory / "broken.tar").write_bytes((proa.directory / "mount.tar").read_bytes()[:700])
    assert proa("builder", "import", "-i", "broken.tar", mount, check=1).stderr
    assert f"No such cache mount: {mount}" in proa("builder", "export", mount, check=1).stderr
    proa("builder", "import", "-i", "mount.tar", mount)
    assert proa("build", "--no-cache", ".").stdout.count(f"\n{name}\n") == 1
    proa("builder", "import", "-i", "mount.tar", mount)  # in place of what is there
    with tarfile.open(fileobj=io.BytesIO(subprocess.run([proa.program, "builder", "export", mount], cwd=proa.directory, env=proa.environment, capture_output=True, check=True).stdout)) as tar:
        assert sorted(os.path.basename(entry.name) for entry in tar if not entry.isdir()) == ["link", "packages"]


def test_disk_usage_and_prune(proa, name):
    proa.write(Dockerfile=f"FROM busybox\nRUN --mount=type=cache,target=/c,id={name} head -c 100000 /dev/zero > /c/x\nRUN echo {name} > /x\n")
    proa("build", "-t", name, ".")
    rows = [json.loads(line) for line in proa("builder", "du", "--format", "json").stdout.splitlines()]
    mount = next(row for row in rows if row["Type"] == "exec.cachemount" and name in row["Description"])
    assert mount["Size"] == "100kB" and mount["Reclaimable"] == "true"
    assert "Total:" in proa("builder", "du").stdout and "exec.cachemount" in proa("builder", "du", "--verbose", "--filter", "type=exec.cachemount").stdout
    assert "invalid filter" in proa("builder", "du", "--filter", "nope=1", check=1).stderr
    df = proa("system", "df", "--format", "{{.Type}} {{.TotalCount}}").stdout
    assert int(df.split("Build Cache ")[1]) == len(rows)
    for flag in ("--reserved-space", "--keep-storage", "--max-used-space"):
        assert "Deleted" not in proa("builder", "prune", "-af", flag, "10g").stdout
    assert "Deleted" not in proa("builder", "prune", "-af", "--min-free-space", "1k").stdout
    # What an image still holds stays without --all.
    assert mount["ID"] in proa("builder", "prune", "-f").stdout
    assert proa("build", ".").stdout.count("Using cache") == 2
    proa("builder", "prune", "-af")
    assert proa("builder", "du", "--format", "{{.ID}}").stdout.strip() == ""


def test_base_images_of_a_registry_with_a_login(proa, certificate_free_locked):
    registry = certificate_free_locked
    proa.write(Dockerfile=f"FROM {registry.address}/base:1\nENV A=1\n")
    assert "no basic auth credentials" in proa("build", ".", check=1).stderr
    proa("login", "-u", "alice", "--password-stdin", registry.address, input="s3cret\n")
    proa("tag", "busybox", f"{registry.address}/base:1")
    proa("push", f"{registry.address}/base:1")
    proa("rmi", f"{registry.address}/base:1")
    proa("build", ".")


@pytest.fixture
def certificate_free_locked(engine):
    registry = registries.DockerRegistry(users={"alice": "s3cret"})
    yield registry
    registry.close()


def test_a_context_is_read_in_place_like_one_that_is_sent(proa):
    proa.write(Dockerfile="FROM busybox\nARG SOURCE_DATE_EPOCH\nCOPY . /c/\nCOPY link dir/* /d/\nRUN --mount=target=/m,rw rm /m/a && cp -a /m /n\n",
               a="a", dir__x="x", dir__left="left", kept__deep__in="in", kept__out="out", empty__out="out")
    os.symlink("a", proa.directory / "link")
    os.chmod(proa.directory / "a", 0o640)
    os.setxattr(proa.directory / "a", "user.note", b"mine") if os.access("/etc", os.W_OK) and supports_attributes(proa.directory) else None
    os.link(proa.directory / "a", proa.directory / "b")
    (proa.directory / ".dockerignore").write_text("dir/left\nkept\nempty\n!kept/deep/in\n!empty/nothing\nDockerfile\n.dockerignore\nid*\n")
    times = {"SOURCE_DATE_EPOCH": "1600000000"}
    for flags in ([], ["--compress"]):
        done = proa("build", "--no-cache", "--iidfile", "id" + "".join(flags), *flags, ".", env=times)
        assert ("Sending build context" in done.stdout) == bool(flags)
    in_place, sent = ((proa.directory / name).read_text() for name in ("id", "id--compress"))
    listed = proa.show(in_place, "sh", "-c", "find /c /d /n | sort; stat -c '%a %u %h' /c/a").splitlines()
    assert listed == ["/c", "/c/a", "/c/b", "/c/dir", "/c/dir/x", "/c/kept", "/c/kept/deep", "/c/kept/deep/in", "/c/link", "/d", "/d/link", "/d/x",
                      "/n", "/n/b", "/n/dir", "/n/dir/x", "/n/kept", "/n/kept/deep", "/n/kept/deep/in", "/n/link", "640 0 2"]
    assert in_place == sent
    assert sorted(os.listdir(proa.directory / "kept")) == ["deep", "out"] and (proa.directory / "Dockerfile").exists()


def supports_attributes(directory):
    try:
        os.setxattr(directory, "user.test", b"")
        return True
    except OSError:
        return False


def test_links_do_not_lead_to_what_is_ignored(proa):
    proa.write(Dockerfile="FROM busybox\nCOPY link /x\n", secret="s", dir__f="f")
    os.symlink("secret", proa.directory / "link")
    (proa.directory / ".dockerignore").write_text("secret\n")
    for flags in ([], ["--compress"]):
        assert proa("build", *flags, ".", check=1).stderr


def test_changes_between_builds_are_seen(proa):
    proa.write(Dockerfile="FROM busybox\nCOPY f /f\n", f="one")
    stamp = os.stat(proa.directory / "f").st_mtime_ns
    seen = []
    for text in ("one", "two", "one"):
        (proa.directory / "f").write_text(text)
        os.utime(proa.directory / "f", ns=(stamp, stamp))
        seen.append(proa.show(proa("build", "-q", ".").stdout.strip(), "cat", "/f"))
    assert seen == ["one", "two", "one"]


def test_an_engine_that_sees_another_directory_is_sent_the_files(proa, name):
    proa.write(Dockerfile="FROM busybox\nCOPY f /f\n", f="the engine's")
    script = f"mount -t tmpfs none {proa.directory} && cd {proa.directory} && printf 'FROM busybox\\nCOPY f /f\\n' > Dockerfile && echo \"the client's\" > f && exec {proa.program} build -t {name} ."
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], env=proa.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "Sending build context" in done.stdout, done
    assert proa.show(name, "cat", "/f") == "the client's\n"
