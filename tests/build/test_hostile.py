"""Dockerfiles, base images and repositories that reach for the host: recipes of known vulnerabilities of other builders. What is outside stays as it was."""
import hashlib
import io
import os
import subprocess
import tarfile

import pytest

from support.contexts import build, must_build, run

pytestmark = pytest.mark.proa


@pytest.fixture
def outside(tmp_path):
    """A directory of the host that no build may read or change."""
    directory = tmp_path / "outside"
    (directory / "stub").mkdir(parents=True)
    (directory / "canary").write_text("canary-4c1e77")
    (directory / "stub" / "kept").write_text("x")

    def state():
        return {os.path.relpath(os.path.join(root, name), directory): os.lstat(os.path.join(root, name)).st_mode for root, names, files in os.walk(directory) for name in names + files}

    before = state()
    yield str(directory)
    assert state() == before and (directory / "canary").read_text() == "canary-4c1e77"


@pytest.fixture
def evil(api, outside, name):
    """A base image whose links lead to the host's directory, from its root and from above it."""
    tag = f"evil-{name}"
    must_build(api, f"FROM busybox\nRUN ln -s {outside} /absolute && ln -s ../../../../../../..{outside} /relative && ln -s / /root-link && mkdir /d && ln -s {outside}/canary /d/file\n", t=tag)
    yield tag
    api.delete(f"/images/{tag}?force=1")


@pytest.mark.parametrize("link", ["absolute", "relative", "root-link{outside}"])
@pytest.mark.parametrize("mount", ["type=bind,from={evil},source=/{link},target=/m,rw", "type=cache,id={id},from={evil},source=/{link},target=/m", "type=bind,from={evil},source=/{link}/canary,target=/m/canary"])
def test_sources_of_mounts_end_in_their_image(api, outside, evil, name, link, mount):
    link = link.format(outside=outside)
    built = build(api, f"FROM busybox\nRUN --mount={mount.format(evil=evil, link=link, id=name)} ls -la /m; cat /m/canary; touch /m/new; true\n")
    assert "canary-4c1e77" not in built.answer.body.decode()


def test_sources_of_copy_end_in_their_image(api, outside, evil):
    for source in (f"--from={evil} /absolute/canary", f"--from={evil} /relative/canary", f"--from={evil} /root-link{outside}/canary", f"--from={evil} /d/file", "link/canary", "file"):
        built = build(api, f"FROM busybox\nCOPY {source} /x\nRUN cat /x\n", {"link": f"->{outside}", "file": f"->{outside}/canary"})
        assert "canary-4c1e77" not in built.answer.body.decode(), source


def test_destinations_end_in_their_image(api, outside, evil):
    text = f"FROM {evil}\nCOPY f /absolute/\nCOPY f /relative/stub/kept\nADD archive.tar /root-link/\nWORKDIR /absolute/made\nCOPY f ../by-workdir\nRUN --mount=type=cache,target=/absolute/stub touch /absolute/stub/x\n" \
           "RUN --mount=type=tmpfs,target=/relative/mounted true\n"
    built = build(api, text, {"f": "from the context", "archive.tar": archive_through(outside)})
    assert built.status == 200, built.answer


def archive_through(outside):
    """A tar archive with a link to `outside` and a file through it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member, target in (("through", outside), ("above", "../../../../../../.." + outside)):
            info = tarfile.TarInfo(member)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
            info = tarfile.TarInfo(member + "/unpacked")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    return out.getvalue()


def test_mount_points_are_tidied_inside_only(api, outside):
    """The parent of a mount point is exchanged for a link to the host while the mount is there: what is removed afterwards must not be found through it."""
    swap = f"mkdir -p /m/n && mv /m /moved && ln -s {outside} /m"
    for mount in ("type=tmpfs,target=/m/stub", "type=cache,target=/m/stub", "type=bind,target=/m/stub"):
        built = build(api, f"FROM busybox\nRUN --mount={mount} {swap}\n", {"f": "x"}, nocache=1)
        assert built.status == 200, built.answer


def test_a_cache_mount_keeps_its_users_inside(api, outside, name):
    """What one build leaves in a cache is data to the next: links in it lead nowhere but into the container."""
    must_build(api, f"FROM busybox\nRUN --mount=type=cache,id={name},target=/c ln -s {outside} /c/sub && ln -s {outside}/canary /c/file\n")
    built = build(api, f"FROM busybox\nRUN --mount=type=cache,id={name},target=/c cat /c/file; touch /c/sub/new; true\n"
                       f"RUN --mount=type=cache,id={name},target=/c --mount=type=cache,id={name}-2,target=/c/sub/stub touch /c/sub/stub/x; true\n")
    assert "canary-4c1e77" not in built.answer.body.decode()
    again = build(api, f"FROM busybox\nRUN --mount=type=cache,id={name}-3,from=busybox,source=/,target=/c true\nRUN --mount=type=cache,id={name},source=sub,target=/c cat /c/canary; true\n")
    assert "canary-4c1e77" not in again.answer.body.decode()


@pytest.mark.parametrize("flag, words", [
    ("--mount=type=cache,target=/c,bind-propagation=shared", "unexpected key 'bind-propagation'"), ("--mount=type=bind,target=/c,propagation=rshared", "unexpected key 'propagation'"),
    ("--mount=type=volume,target=/c", "volume"), ("--mount=type=bind,source=../../..,target=/c,device=/dev/sda", "unexpected key 'device'"),
    ("--security=insecure", "security.insecure is not allowed"), ("--security=root", "security"), ("--network=container:x", "network"),
])
def test_rights_are_not_the_dockerfile_s_to_give(api, flag, words):
    failed = build(api, f"FROM busybox\nRUN {flag} true\n")
    assert words in (failed.error or failed.answer.json())["message"], failed.answer


@pytest.mark.parametrize("source", [
    "ext::sh -c touch% {outside}/made", "ssh://-oProxyCommand=touch{{IFS}}{outside}/made/x.git", "git@-oProxyCommand=touch:{outside}/made.git", "git://127.0.0.1:1/x.git#-b", "git://127.0.0.1:1/x.git#--upload-pack=touch {outside}/made",
    "git://127.0.0.1:1/x.git#main:../../..{outside}", "file://{outside}/repo.git", "{outside}/repo.git", "--upload-pack=touch {outside}/made.git",
])
def test_urls_run_nothing_and_read_nothing_here(api, outside, source):
    url = source.format(outside=outside)
    remote = build(api, "", body=b"", remote=url)
    assert remote.status >= 400 or remote.error, remote.answer
    added = build(api, f"FROM busybox\nADD [\"{url}\", \"/x/\"]\n")
    assert added.error or added.status >= 400


def git(directory, *words):
    return subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", directory, *words], check=True, capture_output=True, text=True).stdout.strip()


def test_repositories_run_nothing_and_read_nothing_here(api, repository, outside, tmp_path):
    tree = tmp_path / "served" / "evil.git"
    tree.mkdir()
    git(tree, "init", "-q", "-b", "main")
    (tree / "Dockerfile").write_text("FROM busybox\nCOPY . /ctx/\nRUN cat /ctx/link/canary /ctx/file; ls /ctx\n")
    os.symlink(outside, tree / "link")
    os.symlink(f"{outside}/canary", tree / "file")
    (tree / "hooks").mkdir()
    (tree / "hooks" / "post-checkout").write_text(f"#!/bin/sh\ntouch {outside}/made\n")
    os.chmod(tree / "hooks" / "post-checkout", 0o755)
    (tree / ".gitattributes").write_text("* filter=evil\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "evil")
    address = repository.replace("repo.git", "evil.git")
    built = build(api, "", body=b"", remote=address)
    assert "canary-4c1e77" not in built.answer.body.decode() and "can't open '/ctx/link/canary'" in built.text, built.answer
    for directory in ("link", "hooks/../link"):
        refused = build(api, "", body=b"", remote=f"{address}#main:{directory}")
        assert refused.status >= 400 and f"git subdirectory {directory} is not in" in refused.answer.json()["message"], refused.answer
    for module, url, update in (("command", "../repo.git", f"!touch {outside}/made"), ("ext", f"ext::sh -c touch% {outside}/made", ""), ("local", f"file://{outside}/repo.git", ""), ("option", f"-u./touch {outside}/made", "")):
        (tree / ".gitmodules").write_text(f"[submodule \"{module}\"]\n\tpath = {module}\n\turl = {url}\n" + (f"\tupdate = {update}\n" if update else ""))
        git(tree, "update-index", "--add", "--cacheinfo", f"160000,{hashlib.sha1(b'no commit').hexdigest()},{module}")
        git(tree, "add", ".gitmodules")
        git(tree, "commit", "-qm", module)
        refused = build(api, "", body=b"", remote=address)
        assert refused.status >= 400 and ("git submodule: " in refused.answer.json()["message"]), (module, refused.answer)
        git(tree, "rm", "-q", "--cached", module)
