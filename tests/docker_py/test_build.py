"""python3-docker's images.build, after the manner of its own tests."""
import io

import docker
import pytest


def test_builds_and_returns_image_and_log(client, name):
    image, log = client.images.build(fileobj=io.BytesIO(b"FROM busybox\nCMD echo hello world\n"), tag=name, rm=True)
    assert client.containers.run(image, remove=True) == b"hello world\n"
    assert any("Successfully built" in line.get("stream", "") for line in log)


def test_a_failing_command_is_a_build_error(client):
    with pytest.raises(docker.errors.BuildError) as error:
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 1\n"), forcerm=True)
    assert "The command '/bin/sh -c exit 1' returned a non-zero code: 1" in str(error.value)
    assert error.value.build_log


def test_an_unknown_instruction_is_an_api_error(client):
    with pytest.raises(docker.errors.APIError):
        client.images.build(fileobj=io.BytesIO(b"FROM busybox\nNOTADOCKERFILECOMMAND\n"))


def test_directory_with_ignore_file(client, tmp_path):
    for path in ("ignored", "sub/keep", "sub/drop.o", "Dockerfile"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("FROM busybox\nADD . /test\n" if path == "Dockerfile" else path)
    (tmp_path / ".dockerignore").write_text("ignored\n*/*.o\nDockerfile\n.dockerignore\n")
    image, _ = client.images.build(path=str(tmp_path), rm=True)
    out = client.containers.run(image, ["find", "/test", "-type", "f"], remove=True).decode().split()
    assert sorted(out) == ["/test/sub/keep"]


def test_arguments_labels_target_and_limits(client):
    text = b"FROM busybox AS first\nARG user\nUSER $user\nFROM busybox\nRUN false\n"
    image, _ = client.images.build(fileobj=io.BytesIO(text), buildargs={"user": "OK"}, labels={"test": "OK"}, target="first", rm=True, shmsize=1 << 26, extra_hosts={"a.test": "127.0.0.1"},
                                   network_mode="none", container_limits={"memory": 64 << 20}, gzip=True)
    assert image.attrs["Config"]["User"] == "OK" and image.labels["test"] == "OK"


def test_standard_error_is_red(client):
    stream = client.api.build(fileobj=io.BytesIO(b"FROM busybox\nRUN sh -c \">&2 echo 'to stderr'\"\n"), decode=True, rm=True)
    assert any(line.get("stream") == "\x1b[91mto stderr\n\x1b[0m" for line in stream)


def test_prune_counts_bytes(client):
    assert isinstance(client.api.prune_builds()["SpaceReclaimed"], int)


def test_dockerfile_outside_the_context(client, tmp_path):
    (tmp_path / "ctx").mkdir()
    (tmp_path / "ctx" / "file.txt").write_text("hello")
    (tmp_path / "Df").write_text("FROM busybox\nCOPY . /src\n")
    image, _ = client.images.build(path=str(tmp_path / "ctx"), dockerfile=str(tmp_path / "Df"), rm=True)
    out = client.containers.run(image, ["ls", "-A", "/src"], remove=True).decode()
    assert "file.txt" in out and ".dockerfile" not in out
