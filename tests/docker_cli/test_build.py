"""The unmodified docker command line (or proa, PROA_TEST_CLI) builds."""
import os
import subprocess

import pytest

from support.contexts import context


@pytest.fixture
def tree(tmp_path):
    """Writes files below a fresh directory: tree(name=content)."""
    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return str(tmp_path)
    return write


def output_of(docker, image, *command):
    return docker.output("run", "--rm", image, *command)


def test_builds_a_directory(docker, tree, name):
    path = tree({"Dockerfile": "FROM busybox\nWORKDIR /app\nCOPY . .\nRUN echo built > /built\nCMD cat /built app.txt\n", "app.txt": "app\n", "node_modules/x": "no", ".git/config": "no",
                 ".dockerignore": "node_modules\n.git\nDockerfile\n.dockerignore\n"})
    done = docker("build", "-t", name, path, check=0)
    assert f"Successfully tagged {name}:latest" in done.stdout
    assert output_of(docker, name) == "built\napp"
    assert output_of(docker, name, "ls", "-A", "/app") == "app.txt"


def test_dockerfile_and_context_by_standard_input(docker, tree, name):
    docker("build", "-t", name, "-", input="FROM busybox\nCMD echo one\n", check=0)
    assert output_of(docker, name) == "one"
    path = tree({"f": "two\n", "Dockerfile": "FROM nosuch\n"})
    docker("build", "-t", name, "-f", "-", path, input="FROM busybox\nCOPY f /f\nCMD cat /f\n", check=0)
    assert output_of(docker, name) == "two"
    done = subprocess.run([docker.program, "build", "-t", name, "-"], input=context({"Dockerfile": "FROM busybox\nCOPY g /g\nCMD cat /g\n", "g": "three\n"}, "gz"), capture_output=True,
                          env=docker.environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert output_of(docker, name) == "three"


def test_another_file_inside_and_outside(docker, tree, name, tmp_path):
    path = tree({"ctx/f": "x", "ctx/sub/Other": "FROM busybox\nCMD echo inside\n", "Outside": "FROM busybox\nCOPY f /f\nCMD echo outside\n"})
    docker("build", "-t", name, "-f", path + "/ctx/sub/Other", path + "/ctx", check=0)
    assert output_of(docker, name) == "inside"
    docker("build", "-t", name, "-f", path + "/Outside", path + "/ctx", check=0)
    assert output_of(docker, name) == "outside"


def test_quiet_and_iidfile(docker, tree, tmp_path):
    path = tree({"Dockerfile": "FROM busybox\nENV A=1\n"})
    done = docker("build", "-q", "--iidfile", str(tmp_path / "id"), path, check=0)
    image = done.stdout.strip()
    assert image.startswith("sha256:") and (tmp_path / "id").read_text().strip() == image
    assert docker.inspect(image, "{{.Id}}") == image


def test_exit_code_is_the_command_s(docker, tree):
    done = docker("build", "--force-rm", tree({"Dockerfile": "FROM busybox\nRUN exit 3\n"}))
    assert done.returncode == 3
    assert "The command '/bin/sh -c exit 3' returned a non-zero code: 3" in done.stderr
    done = docker("build", tree({"Dockerfile": "FROM busybox\nNOPE\n"}))
    assert done.returncode == 1 and "unknown instruction: NOPE" in done.stderr


def test_flags(docker, tree, name):
    path = tree({"Dockerfile": "FROM busybox AS first\nARG A\nRUN echo $A > /a && grep -q 10.9.8.7 /etc/hosts\nCMD cat /a\nFROM busybox\n"})
    docker("build", "-t", name, "--build-arg", "A", "--target", "first", "--label", "l=v", "--add-host", "some:10.9.8.7", "--no-cache", "--network", "none", "--shm-size", "8m", "--ulimit",
           "nofile=100:200", "-m", "64m", path, check=0, env={"A": "from-environment"})
    assert output_of(docker, name) == "from-environment"
    assert docker.inspect(name, "{{.Config.Labels.l}}") == "v"


def test_compresses_the_context(docker, tree, name):
    docker("build", "--compress", "-t", name, tree({"Dockerfile": "FROM busybox\nCOPY f /f\nCMD cat /f\n", "f": "packed\n" * 50000}), check=0)
    assert output_of(docker, name).count("packed") == 50000


def test_a_missing_context_is_named(docker):
    done = docker("build", "/no/such/place")
    assert done.returncode != 0 and "unable to prepare context: path \"/no/such/place\" not found" in done.stderr


def test_compose_builds(docker, tree, name):
    program = "/usr/bin/docker-compose"
    if not os.path.exists(program):
        pytest.fail("no docker-compose: ./dev setup installs it")
    path = tree({"docker-compose.yml": f"version: '2.4'\nservices:\n  web:\n    image: {name}\n    build:\n      context: .\n      args: {{A: two}}\n", "Dockerfile": "FROM busybox\nARG A=one\nENV A=$A\nCMD echo $A\n"})
    done = subprocess.run([program, "build"], cwd=path, env={**docker.environment, "COMPOSE_DOCKER_CLI_BUILD": "0"}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert output_of(docker, name) == "two"


def test_prunes(docker, tree):
    docker("build", tree({"Dockerfile": "FROM busybox\nRUN echo for-prune\n"}), check=0)
    done = docker("builder", "prune", "-a", "-f", check=0)
    assert "Total" in done.stdout
