"""Proa's own command line with registries: login, logout, pull, push, manifest, search."""
import base64
import json
import os
import subprocess
import uuid

import pytest

from support import images, registries

pytestmark = pytest.mark.proa


@pytest.fixture
def proa(engine, tmp_path):
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "DOCKER_HOST": engine.host, "DOCKER_CONFIG": f"{tmp_path}/config", "HOME": str(tmp_path)}

    def run(*arguments, input="", check=0):
        done = subprocess.run([engine.bin + "/proa", *map(str, arguments)], input=input, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == check, done
        return done

    run.config = lambda: json.load(open(f"{tmp_path}/config/config.json"))
    run.directory = tmp_path
    return run


@pytest.fixture
def name(registry):
    return f"{registry.address}/x{uuid.uuid4().hex[:8]}/image"


@pytest.fixture(scope="module")
def locked(engine, certificate):
    registry = registries.DockerRegistry(users={"alice": "s3cret"}, tls=certificate)
    yield registry
    registry.close()


def test_login_pull_push_logout(proa, locked):
    target = f"{locked.address}/thing:1"
    proa("tag", "busybox", target)
    assert "no basic auth credentials" in proa("push", target, check=1).stderr
    done = proa("login", "-u", "alice", "--password-stdin", locked.address, input="bad\n", check=1)
    assert done.stderr == f"Error response from daemon: login attempt to https://{locked.address}/v2/ failed with status: 401 Unauthorized\n"
    done = proa("login", "-u", "alice", "--password-stdin", locked.address, input="s3cret\n")
    assert done.stdout == "Login Succeeded\n" and "stored unencrypted" in done.stderr
    assert proa.config()["auths"] == {locked.address: {"auth": base64.b64encode(b"alice:s3cret").decode()}}
    assert os.stat(f"{proa.directory}/config/config.json").st_mode & 0o777 == 0o600
    assert "1: digest: sha256:" in proa("push", target).stdout
    proa("rmi", target)
    assert proa("pull", "-q", target).stdout == target + "\n"
    proa("login", locked.address)  # with what it knows
    assert proa("logout", locked.address).stdout == f"Removing login credentials for {locked.address}\n"
    assert proa("logout", locked.address).stdout == f"Not logged in to {locked.address}\n"
    assert proa.config()["auths"] == {}
    assert "non TTY" in proa("login", locked.address, check=1).stderr


def test_credential_helper(proa, locked):
    helper = f"{proa.directory}/docker-credential-test"
    with open(helper, "w") as file:
        file.write(f"""#!/bin/sh
case $1 in
store) cat > {proa.directory}/secret ;;
get) test -e {proa.directory}/secret && cat {proa.directory}/secret || {{ echo "credentials not found in native keychain"; exit 1; }} ;;
erase) rm {proa.directory}/secret ;;
esac
""")
    os.chmod(helper, 0o755)
    os.makedirs(f"{proa.directory}/config")
    with open(f"{proa.directory}/config/config.json", "w") as file:
        json.dump({"credHelpers": {locked.address: "test"}}, file)
    proa("login", "-u", "alice", "--password-stdin", locked.address, input="s3cret")
    assert json.load(open(f"{proa.directory}/secret"))["Username"] == "alice"
    assert proa.config()["auths"] == {locked.address: {}}
    target = f"{locked.address}/helped:1"
    proa("tag", "busybox", target)
    proa("push", "-q", target)
    proa("logout", locked.address)
    assert not os.path.exists(f"{proa.directory}/secret")
    proa("push", "-q", target, check=1)


def test_implicit_pull(proa, name):
    proa("tag", "busybox", name)
    proa("push", "-q", name)
    proa("rmi", name)
    assert "No such image" in proa("run", "--rm", "--pull", "never", name, "true", check=125).stderr
    done = proa("run", "--rm", name, "echo", "hi")
    assert done.stdout == "hi\n" and f"Unable to find image '{name}:latest' locally" in done.stderr


def test_manifest_lists(proa, registry, name):
    repository = name.split("/", 1)[1]
    for architecture in (images.NATIVE, images.FOREIGN):
        layer = images.layer(lambda tar: images.add_file(tar, architecture, b"x" * 100))
        registry.put_image(repository if architecture == images.NATIVE else repository + "-other", architecture, [layer], architecture)
    own, other, both = f"{name}:{images.NATIVE}", f"{name}-other:{images.FOREIGN}", f"{name}:both"
    assert json.loads(proa("manifest", "inspect", own).stdout)["schemaVersion"] == 2
    assert json.loads(proa("manifest", "inspect", "-v", own).stdout)["Descriptor"]["platform"]["architecture"] == images.NATIVE
    assert proa("manifest", "create", both, own, other).stdout == f"Created manifest list {both}\n"
    assert "no --amend flag" in proa("manifest", "create", both, own, check=1).stderr
    proa("manifest", "annotate", "--variant", "v9", both, other)
    listed = json.loads(proa("manifest", "inspect", both).stdout)
    assert {one["platform"]["architecture"] for one in listed["manifests"]} == {images.NATIVE, images.FOREIGN}
    assert [one["platform"].get("variant") for one in listed["manifests"] if one["platform"]["architecture"] == images.FOREIGN] == ["v9"]
    pushed = proa("manifest", "push", "--purge", both).stdout.splitlines()
    assert registry.manifest(repository, "both")[2] == pushed[-1]
    proa("pull", both)
    assert json.loads(proa("image", "inspect", both).stdout)[0]["Architecture"] == images.NATIVE
    assert "No such manifest" in proa("manifest", "rm", both, check=1).stderr
    assert "no such manifest" in proa("manifest", "inspect", f"{name}:none", check=1).stderr


def test_search(proa, serve):
    results = [{"name": "a/x", "description": "what it is " * 9, "star_count": 7, "is_official": True, "is_automated": False}]
    server = serve(lambda request: request.reply_json(200, {"results": results}))
    lines = proa("search", f"{server.address}/x").stdout.splitlines()
    assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"] and lines[1].startswith("a/x") and lines[1].endswith("[OK]")
    assert proa("search", "--format", "{{.Name}} {{.StarCount}}", f"{server.address}/x").stdout == "a/x 7\n"
