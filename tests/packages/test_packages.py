"""The Debian packages as files; what they do to a machine is shown in the guest (tests/guest)."""
import gzip
import os
import pathlib
import re
import stat
import subprocess

import pytest

from support import isolation
from support.engine import REPOSITORY, Engine

BUILD = pathlib.Path(os.environ.get("PROA_BIN", os.path.join(REPOSITORY, "build/release/bin"))).resolve().parent


def output(*words, **options):
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL, **options).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{name: its unpacked tree, control files below DEBIAN}"""
    directory = tmp_path_factory.mktemp("packages")
    output(os.path.join(REPOSITORY, "packaging/make_packages"), BUILD, directory / "files", env={**os.environ, "DEBFULLNAME": "A Maintainer", "DEBEMAIL": "maintainer@example.org"})
    trees = {}
    for path in (directory / "files").iterdir():
        name, version, architecture = path.stem.split("_")
        assert re.fullmatch(r"\d+\.\d+\.\d+", version) and architecture == ("all" if name == "proa-docker" else output("dpkg", "--print-architecture").strip())
        trees[name] = directory / name
        output("dpkg-deb", "-R", path, trees[name])
        owners = {line.split()[1] for line in output("dpkg-deb", "-c", path).splitlines()}
        assert owners == {"root/root"}
    return trees


def control(tree):
    text = (tree / "DEBIAN/control").read_text()
    assert "@" not in re.sub(r"<.*?>", "", text), text
    return dict(re.findall(r"^([\w-]+): (.*)$", text, re.M))


def test_there_are_two_and_the_small_one_needs_the_other(made):
    assert set(made) == {"proa", "proa-docker"}
    fields = control(made["proa"])
    assert fields["Maintainer"] == "A Maintainer <maintainer@example.org>" and int(fields["Installed-Size"]) > 1000
    small = control(made["proa-docker"])
    assert small["Depends"] == f"proa (>= {fields['Version']})" and "docker.io" in small["Conflicts"].split(", ")


def test_every_library_is_in_a_package_that_is_asked_for(made):
    wanted = {item.split(" ")[0] for item in control(made["proa"])["Depends"].split(", ")}
    for program in (made["proa"] / "usr/libexec/proa").iterdir():
        needed = re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", program))
        for library in needed:
            owners = {line.split(":")[0] for line in output("dpkg-query", "-S", f"*/{library}").splitlines()}
            assert owners & wanted, (program.name, library, owners)


def test_files_have_the_right_modes_and_sums(made):
    for tree in made.values():
        for path in tree.rglob("*"):
            mode = stat.S_IMODE(path.lstat().st_mode)
            if path.is_symlink():
                assert path.exists() or tree.name == "proa-docker", path
                assert not os.readlink(path).startswith("/"), path
            elif path.is_dir():
                assert mode == 0o755, path
            else:
                program = path.parent.name == "proa" and "." not in path.name and path.parent.parent.name == "libexec" or path.name in ("postinst", "prerm", "postrm")
                assert mode == (0o755 if program else 0o644), (path, oct(mode))
        output("md5sum", "--check", "--quiet", "DEBIAN/md5sums", cwd=tree)
        listed = {line.split("  ", 1)[1] for line in (tree / "DEBIAN/md5sums").read_text().splitlines()}
        assert listed == {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file() and not path.is_symlink() and "DEBIAN" not in path.parts}


def test_programs_tell_nothing_of_where_they_were_built(made):
    for program in (made["proa"] / "usr/libexec/proa").iterdir():
        assert " .debug_info" not in output("objdump", "-h", program)
        assert str(BUILD).encode() not in program.read_bytes(), program


def test_scripts_and_configuration(made):
    for tree in made.values():
        for script in ("postinst", "prerm", "postrm"):
            if (tree / "DEBIAN" / script).exists():
                output("sh", "-n", tree / "DEBIAN" / script)
    root = made["proa"]
    assert (root / "DEBIAN/conffiles").read_text() == "/etc/proa/daemon.json\n"
    assert subprocess.run([root / "usr/sbin/proad", "--config-file", root / "etc/proa/daemon.json", "--validate"], capture_output=True, text=True, check=True).stderr == "configuration OK\n"
    service, socket = ((root / "lib/systemd/system" / name).read_text() for name in ("proa.service", "proa.socket"))
    started = re.search(r"^ExecStart=(\S+)", service, re.M)[1]
    assert (root / started.lstrip("/")).exists() and "KillMode=process" in service and "SocketGroup=proa" in socket


def test_manuals_and_completions(made):
    for tree, name in ((made["proa"], "proa"), (made["proa-docker"], "docker")):
        pages = {path.name for path in (tree / "usr/share/man/man1").iterdir()}
        assert {f"{name}.1.gz", f"{name}-run.1.gz", f"{name}-volume-create.1.gz"} <= pages
        text = gzip.decompress((tree / f"usr/share/man/man1/{name}-run.1.gz").read_bytes()).decode()
        assert text.startswith(f'.TH "{name.upper()}-RUN" "1"') and "publish" in text
        for place in ("bash-completion/completions/" + name, "zsh/vendor-completions/_" + name, f"fish/vendor_completions.d/{name}.fish"):
            assert f"{name} __complete" in (tree / "usr/share" / place).read_text()
        output("bash", "-n", tree / "usr/share/bash-completion/completions" / name)
        documents = tree / "usr/share/doc" / tree.name
        assert "Apache-2.0" in (documents / "copyright").read_text() and gzip.decompress((documents / "changelog.gz").read_bytes()).startswith(b"proa (")
    pages = {path.name for path in (made["proa"] / "usr/share/man/man8").iterdir()}
    assert pages == {"proad.8.gz", "proa-runtime.8.gz"}


def test_programs_find_each_other_where_they_are_installed(made, isolated, monkeypatch):  # pylint: disable=unused-argument
    monkeypatch.setenv("PROA_BIN", str(made["proa"] / "usr/sbin"))
    engine = Engine(number=90)
    with isolation.OwnNetwork():
        try:
            engine.start()
            environment = {**os.environ, "DOCKER_HOST": engine.host}
            assert "Hello from Proa!" in output(made["proa"] / "usr/bin/proa", "run", "--rm", "--init", "hello-world", env=environment)
            made["proa-docker"].joinpath("usr/libexec").symlink_to(made["proa"] / "usr/libexec")
            assert output(made["proa-docker"] / "usr/bin/docker", "ps", "-q", env=environment) == ""
            assert "Usage:  docker " in output(made["proa-docker"] / "usr/bin/docker", "--help", env=environment)
            made["proa-docker"].joinpath("usr/libexec").unlink()
        finally:
            engine.destroy()
