"""What tests of builds share."""
import os
import shutil
import socket
import subprocess

import pytest

from support.waiting import wait_until


@pytest.fixture
def repository(engine, tmp_path):
    """A repository with a branch and a tag, behind git's own daemon; its URL."""
    tree = tmp_path / "served" / "repo.git"
    (tree / "sub").mkdir(parents=True)

    def git(*words):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "-C", tree, *words], check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (tree / "Dockerfile").write_text("FROM busybox\nCOPY . /ctx/\nCMD ls -A /ctx\n")
    (tree / "ignored").write_text("x")
    (tree / ".dockerignore").write_text("ignored\nDockerfile\n")
    (tree / "sub" / "Dockerfile").write_text("FROM busybox\nCOPY f /f\nCMD cat /f\n")
    (tree / "sub" / "f").write_text("main\n")
    git("add", "-A")
    git("commit", "-qm", "one")
    git("checkout", "-qb", "other")
    (tree / "sub" / "f").write_text("other\n")
    git("commit", "-qam", "two")
    git("checkout", "-q", "main")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(["git", "daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1", f"--port={port}", f"--base-path={tmp_path}/served", f"{tmp_path}/served"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"})

    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    wait_until(answers)
    shutil.copytree(tree, tmp_path / "served" / "outer.git")
    tree = tmp_path / "served" / "outer.git"
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "protocol.file.allow=always", "-C", tree, "submodule", "--quiet", "add", f"{tmp_path}/served/repo.git", "inner"], check=True, capture_output=True)
    (tree / ".gitmodules").write_text('[submodule "inner"]\n\tpath = inner\n\turl = ../repo.git\n[submodule "local"]\n\tpath = local\n\turl = file:///etc\n\tupdate = none\n')
    git("commit", "-qam", "with a submodule")
    yield f"git://127.0.0.1:{port}/repo.git"
    os.killpg(daemon.pid, 15)
    daemon.wait()
