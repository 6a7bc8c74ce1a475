"""diff and commit: what a container changed, seen and kept as an image."""
import io
import json
import subprocess
import tarfile
from urllib.parse import quote

import pytest


def test_a_container_that_wrote_nothing_has_no_changes(docker, name):
    docker("run", "--name", name, "busybox", "true", check=0)
    assert docker.output("diff", name) == ""


def test_diff_shows_added_changed_and_deleted(docker, name):
    docker("run", "--name", name, "busybox", "sh", "-c", "mkdir /new && echo x >/new/file && echo y >>/etc/passwd && rm /etc/group", check=0)
    assert sorted(docker.output("diff", name).splitlines()) == ["A /new", "A /new/file", "C /etc", "C /etc/passwd", "D /etc/group"]


def test_changes_are_null_when_there_are_none(api):
    container = api.create("true")
    answer = api.get(f"/containers/{container}/changes")
    assert answer.status == 200 and answer.body.strip() == b"null"
    assert api.get("/containers/nope/changes").status == 404


def test_commit_runs_with_its_files_and_configuration(docker, name):
    image = f"commit-{name}"
    docker("run", "--name", name, "-e", "A=1", "-w", "/srv", "busybox", "sh", "-c", "echo hello >/srv/text; rm /etc/group; ln /srv/text /srv/hard", check=0)
    identity = docker.output("commit", "-a", "Me <me@example.org>", "-m", "a message", name, image)
    assert identity.startswith("sha256:")
    assert docker.output("run", "--rm", image, "sh", "-c", "cat text; ls /etc/group 2>/dev/null; stat -c %h hard; echo $A") == "hello\n2\n1"
    seen = json.loads(docker.output("inspect", image))[0]
    base = json.loads(docker.output("inspect", "busybox"))[0]
    assert seen["Author"] == "Me <me@example.org>" and seen["Comment"] == "a message"
    assert seen["Config"]["WorkingDir"] == "/srv" and "A=1" in seen["Config"]["Env"]
    assert seen["RootFS"]["Layers"][:-1] == base["RootFS"]["Layers"]
    assert seen["Architecture"] == base["Architecture"] and seen["Os"] == "linux"
    newest = docker.output("history", "--no-trunc", "--format", "{{.Comment}}|{{.CreatedBy}}", image).splitlines()[0]
    assert newest.startswith("a message|sh -c echo hello")


CHANGES = ["CMD [\"echo\", \"from change\"]", "ENV B=2 C=\"3 4\"", "LABEL one=1 two=\"t w o\"", "EXPOSE 80 53/udp", "USER 1000", "WORKDIR /tmp", "VOLUME /data",
           "ONBUILD RUN true", "HEALTHCHECK --interval=5s --retries=2 CMD wget localhost"]


def test_commit_carries_out_changes(docker, name):
    image = f"commit-{name}"
    docker("create", "--name", name, "busybox", "sh", check=0)
    docker("commit", *sum((["-c", change] for change in CHANGES), []), name, image, check=0)
    config = json.loads(docker.output("inspect", image))[0]["Config"]
    assert config["Cmd"] == ["echo", "from change"] and {"B=2", "C=3 4"} <= set(config["Env"])
    assert config["Labels"] == {"one": "1", "two": "t w o"} and set(config["ExposedPorts"]) == {"80/tcp", "53/udp"}
    assert config["User"] == "1000" and config["WorkingDir"] == "/tmp" and config["Volumes"] == {"/data": {}}
    assert config["OnBuild"] == ["RUN true"]
    assert config["Healthcheck"] == {"Test": ["CMD-SHELL", "wget localhost"], "Interval": 5000000000, "Retries": 2}


def test_one_parameter_may_hold_several_changes(docker, api, name):
    docker("create", "--name", name, "busybox", "sh", check=0)
    changes = quote('EXPOSE 8000\n# a comment\nENV P=/bin\nENV A="b c" \\\n  D=$A-$P\nCMD ["py"]')
    image = api.post(f"/commit?container={name}&repo=commit-{name}&changes={changes}&changes=USER%20me", {}).json()["Id"]
    config = api.get(f"/images/{image}/json").json()["Config"]
    assert list(config["ExposedPorts"]) == ["8000/tcp"] and config["Cmd"] == ["py"] and config["User"] == "me"
    assert {"A=b c", "D=-/bin"} <= set(config["Env"]), "variables mean what held before the instruction"


def test_an_entrypoint_change_clears_the_command(docker, name):
    docker("create", "--name", name, "busybox", "echo", "old", check=0)
    docker("commit", "-c", "ENTRYPOINT [\"echo\", \"new\"]", name, f"commit-{name}", check=0)
    assert docker.output("run", "--rm", f"commit-{name}") == "new"


@pytest.mark.parametrize("change, words", [("RUN true", "run is not a valid change command"), ("ENV", "ENV requires at least one argument"), ("EXPOSE 99999", "Invalid containerPort: 99999")])
def test_bad_changes_are_named(docker, name, change, words):
    docker("create", "--name", name, "busybox", check=0)
    done = docker("commit", "-c", change, name, check=1)
    assert words in done.stderr


def test_commit_pauses_a_running_container(docker, api, name, events):
    docker("run", "-d", "--name", name, "busybox", "sleep", "100", check=0)
    stream = events(container=[name])
    docker("commit", name, f"commit-{name}", check=0)
    actions = (event["Action"] for event in stream.objects())
    seen = [next(actions) for _ in range(3)]
    assert seen == ["pause", "commit", "unpause"]
    assert api.state(name)["Status"] == "running"
    docker("commit", "--pause=false", name, f"commit-{name}:2", check=0)
    assert next(actions) == "commit"


def test_a_commit_without_changes_adds_no_layer(docker, name):
    docker("create", "--name", name, "busybox", check=0)
    docker("commit", name, f"commit-{name}", check=0)
    layers = "{{json .RootFS.Layers}}"
    assert docker.inspect(f"commit-{name}", layers) == docker.inspect("busybox", layers)


def test_a_commit_is_saved_and_loaded_again(docker, name):
    docker("run", "--name", name, "busybox", "sh", "-c", "echo kept >/kept", check=0)
    docker("commit", name, f"commit-{name}", check=0)
    saved = subprocess.run([docker.program, "save", f"commit-{name}"], env=docker.environment, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = json.load(archive.extractfile("manifest.json"))
        assert manifest[0]["RepoTags"] == [f"commit-{name}:latest"]
    docker("rm", name, check=0)
    docker("rmi", f"commit-{name}", check=0)
    subprocess.run([docker.program, "load"], env=docker.environment, input=saved, capture_output=True, check=True)
    assert docker.output("run", "--rm", f"commit-{name}", "cat", "/kept") == "kept"


@pytest.mark.modern
def test_names_are_checked(api):
    container = api.create("true")
    assert api.post(f"/commit?container={container}&repo=UPPER").status == 400
    assert api.post("/commit?container=nope").status == 404


def test_docker_py_commits(client, name):
    container = client.containers.run("busybox", "touch /x", name=name, detach=True)
    container.wait()
    image = container.commit(repository=f"commit-{name}", tag="t", message="m", author="a", changes="CMD [\"ls\", \"/x\"]")
    assert client.containers.run(image.id, remove=True) == b"/x\n"
    assert {"Path": "/x", "Kind": 1} in container.diff()
