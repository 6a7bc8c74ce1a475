"""`proa compose` in a folder of the test's own.

PROA_TEST_COMPOSE   another program with its first words, for example "docker compose": proves these tests on docker compose itself
"""
import os
import subprocess

import pytest


class Project:
    """One project: its folder, and calls of compose in it."""

    def __init__(self, folder, engine, name="prt"):
        self.folder, self.engine, self.name = folder, engine, name
        self.program = os.environ.get("PROA_TEST_COMPOSE", os.path.join(engine.bin, "proa") + " compose").split()
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("COMPOSE_", "DOCKER_"))}
        self.environment.update(DOCKER_HOST=engine.host, DOCKER_CONFIG=os.environ.get("DOCKER_CONFIG", str(folder / "config")))

    def write(self, text, file="compose.yaml"):
        (self.folder / file).write_text(text)
        return self

    def words(self, *words):
        return [*self.program, "-p", self.name, *words]

    def __call__(self, *words, check=0, stdin="", env=None, timeout=60):
        done = subprocess.run(self.words(*words), cwd=self.folder, input=stdin, capture_output=True, text=True, timeout=timeout, env={**self.environment, **(env or {})})
        assert check is None or done.returncode == check, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def spawn(self, *words, **options):
        return subprocess.Popen(self.words(*words), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment, **options)


@pytest.fixture
def project(tmp_path, engine):
    project = Project(tmp_path, engine)
    yield project
    project("down", "-t", "0", "-v", "--remove-orphans", check=None)


@pytest.fixture
def inspect(api):
    """A container by name."""
    return lambda name: api.get(f"/containers/{name}/json").json()


@pytest.fixture
def names(api):
    """Names of all containers of the project, with their states."""
    return lambda: {each["Names"][0][1:]: each["State"] for each in api.get("/containers/json?all=1").json()}
