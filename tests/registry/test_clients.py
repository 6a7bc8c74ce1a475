"""Real clients with registries in between: docker, python3-docker, skopeo, podman."""
import json
import shutil
import subprocess
import tempfile
import uuid

import pytest

from support import images, registries


@pytest.fixture
def name(registry):
    return f"{registry.address}/c{uuid.uuid4().hex[:8]}/image:1"


def test_push_remove_pull_run(docker, name):
    docker("tag", "busybox", name, check=0)
    pushed = docker.output("push", name)
    assert f"The push refers to repository [{name[:-2]}]" in pushed and "1: digest: sha256:" in pushed
    docker("rmi", name, check=0)
    pulled = docker.output("pull", name)
    assert pulled.splitlines()[-1] == name and f"Status: Downloaded newer image for {name}" in pulled
    assert docker.output("run", "--rm", name, "echo", "hi") == "hi"
    assert docker.output("pull", "-q", name) == name


def test_implicit_pull(docker, name):
    docker("tag", "busybox", name, check=0)
    docker("push", "-q", name, check=0)
    docker("rmi", name, check=0)
    done = docker("run", "--rm", name, "echo", "there", check=0)
    assert done.stdout == "there\n" and done.stderr.startswith(f"Unable to find image '{name}' locally\n")
    docker("rmi", name, check=0)
    done = docker("run", "--pull", "never", "--rm", name, "true")
    assert done.returncode == 125 and f"No such image: {name}" in done.stderr
    docker("run", "--pull", "always", "--rm", name, "true", check=0)
    docker("run", "--pull", "missing", "--rm", name, "true", check=0)


def test_pull_failures(docker, registry):
    done = docker("pull", f"{registry.address}/none:1")
    assert done.returncode == 1
    assert done.stderr == f"Error response from daemon: manifest for {registry.address}/none:1 not found: manifest unknown: manifest unknown\n"
    port = registries.free_port()
    assert "connect: connection refused" in docker("pull", f"127.0.0.1:{port}/x").stderr
    done = docker("push", f"{registry.address}/nothing/here")
    assert done.returncode == 1 and "tag does not exist" in done.stderr


def test_hello_world_needs_no_registry(docker):
    done = docker("run", "--rm", "hello-world", check=0)
    assert "Hello from" in done.stdout


def test_login_and_logout(docker, certificate, client_environment):
    registry = registries.DockerRegistry(users={"alice": "s3cret"}, tls=certificate)
    try:
        name = f"{registry.address}/locked:1"
        docker("tag", "busybox", name, check=0)
        assert "no basic auth credentials" in docker("push", name).stderr
        assert docker("login", "-u", "alice", "--password-stdin", registry.address, input="wrong\n").returncode == 1
        assert "Login Succeeded" in docker("login", "-u", "alice", "--password-stdin", registry.address, input="s3cret\n", check=0).stdout
        docker("push", name, check=0)
        docker("rmi", name, check=0)
        docker("pull", name, check=0)
        docker("logout", registry.address, check=0)
        assert docker("pull", name).returncode == 1
    finally:
        registry.close()


def test_manifest_lists(docker, registry, name):
    enabled = {"DOCKER_CLI_EXPERIMENTAL": "enabled"}
    entries = []
    for architecture in (images.NATIVE, images.FOREIGN):
        one = f"{name[:-2]}:{architecture}"
        registry.put_image(name[:-2].split("/", 1)[1], architecture, [images.layer(lambda tar: images.add_file(tar, architecture, b"x"))], architecture)
        entries.append(one)
    assert json.loads(docker.output("manifest", "inspect", "--insecure", entries[0], env=enabled))["schemaVersion"] == 2
    docker("pull", entries[0], check=0)
    answer = docker("manifest", "create", "--insecure", name, *entries, env=enabled)
    assert answer.returncode == 0 or "not a distributable" in answer.stderr or "unsupported manifest format" in answer.stderr, answer.stderr


def test_python_client(client, registry):
    repository = f"{registry.address}/py{uuid.uuid4().hex[:8]}"
    client.images.get("busybox").tag(repository, "1")
    lines = list(client.images.push(repository, tag="1", stream=True, decode=True))
    assert any("aux" in line for line in lines) and not any("error" in line for line in lines)
    client.images.remove(f"{repository}:1")
    image = client.images.pull(repository, tag="1")
    assert f"{repository}:1" in image.tags
    assert client.images.get_registry_data(f"{repository}:1").id == image.attrs["RepoDigests"][0].split("@")[1]
    assert client.containers.run(f"{repository}:1", "echo hi", remove=True) == b"hi\n"
    client.images.remove(f"{repository}:1")
    assert [f"{repository}:1" in one.tags for one in client.images.pull(repository, all_tags=True)] == [True]
    import docker as docker_py
    with pytest.raises(docker_py.errors.NotFound):
        client.images.pull(repository, tag="nope")


class TestSkopeo:
    def skopeo(self, *arguments):
        done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_registry_to_engine_and_back(self, engine, docker, name):
        docker("tag", "busybox", name, check=0)
        docker("push", "-q", name, check=0)
        self.skopeo("copy", "--src-tls-verify=false", f"docker://{name}", "--dest-daemon-host", engine.host, "docker-daemon:skopeo/in:1")
        assert docker.output("run", "--rm", "skopeo/in:1", "echo", "ok") == "ok"
        assert json.loads(self.skopeo("inspect", "--daemon-host", engine.host, "docker-daemon:skopeo/in:1"))["Architecture"] == images.NATIVE
        target = name.replace("/image", "/back")
        self.skopeo("copy", "--src-daemon-host", engine.host, "docker-daemon:skopeo/in:1", "--dest-tls-verify=false", f"docker://{target}")
        docker("pull", target, check=0)
        assert docker.output("run", "--rm", target, "cat", "/www/index.html") == "it works"


@pytest.fixture
def podman_storage():
    directory = tempfile.mkdtemp(prefix="pm-", dir="/tmp")  # podman wants short names
    yield ["--root", f"{directory}/root", "--runroot", f"{directory}/run", "--storage-driver", "vfs"]
    shutil.rmtree(directory)


def test_podman_uses_what_was_pushed(docker, name, podman_storage):
    docker("tag", "busybox", name, check=0)
    docker("push", "-q", name, check=0)
    storage = podman_storage
    done = subprocess.run(["podman", *storage, "pull", "-q", "--tls-verify=false", name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    again = name.replace("/image", "/podman")
    done = subprocess.run(["podman", *storage, "push", "-q", "--tls-verify=false", name, f"docker://{again}"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    docker("pull", again, check=0)
    assert docker.output("run", "--rm", again, "echo", "from podman") == "from podman"


def test_oracle_pulls_what_was_pushed_and_the_other_way_round(docker, name, tmp_path):
    """skopeo's own copy of the image is, byte for byte, what the engine pushed."""
    docker("tag", "configured", name, check=0)
    docker("push", "-q", name, check=0)
    done = subprocess.run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path}/dir"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    manifest = open(f"{tmp_path}/dir/manifest.json", "rb").read()
    assert registries.digest_of(manifest) == docker.output("image", "inspect", "-f", "{{.Id}}", name)
