"""The way of a person with a small web application: a base of Debian packages (tools/base_image.py), a Dockerfile, a build, a change, a build."""
import os
import re
import subprocess
import time
import urllib.request

import pytest

from support import isolation
from support.engine import REPOSITORY

pytestmark = pytest.mark.proa
BASE = os.path.join(REPOSITORY, "build/story/python.tar")

APPLICATION = """
from fastapi import FastAPI
app = FastAPI()

@app.get("/")
def root():
    return {"message": "hello", "note": open("/app/note").read()}
"""
DOCKERFILE = """# syntax=docker/dockerfile:1
FROM python:3 AS build
WORKDIR /src
COPY . .
RUN python3 -m compileall -q app && head -c 5000000 /dev/zero > /src/ballast && echo built > /src/note

FROM python:3
ENV PYTHONUNBUFFERED=1
WORKDIR /app
COPY requirements.txt .
RUN python3 -c 'import fastapi, uvicorn; print("installed", fastapi.__version__)'
COPY app ./app
COPY --from=build /src/note /app/note
EXPOSE 8000
HEALTHCHECK CMD python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:8000/")'
CMD ["python3", "-m", "uvicorn", "--host", "0.0.0.0", "app.main:app"]
"""


@pytest.fixture
def proa(engine, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "DOCKER_HOST": engine.host, "DOCKER_CONFIG": f"{tmp_path}/.config", "HOME": str(tmp_path)}

    def run(*arguments, check=0):
        done = subprocess.run([engine.bin + "/proa", *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=tmp_path / "project", env=environment, stdin=subprocess.DEVNULL)
        assert done.returncode == check, done
        return done.stdout

    project = tmp_path / "project"
    for name, text in {"app/main.py": APPLICATION, "app/__init__.py": "", "requirements.txt": "fastapi\nuvicorn\n", "Dockerfile": DOCKERFILE, ".git/config": "[core]\n", "venv/bin/python": "no",
                       ".dockerignore": ".git\nvenv\n**/__pycache__\n"}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    run.project = project
    return run


@pytest.fixture
def base(proa):
    if not os.path.exists(BASE):
        os.makedirs(os.path.dirname(BASE), exist_ok=True)
        # The tests' network namespace reaches no mirror; the machine's does.
        isolation.run_outside([f"{REPOSITORY}/tools/base_image.py", "--save", BASE, "python3", "python3-fastapi", "python3-uvicorn"], timeout=600)
    proa("import", "--change", 'CMD ["bash"]', BASE, "python:3")


def test_a_web_application(proa, base, name):
    first = proa("build", "-t", name, ".")
    assert re.search(r"^installed \d", first, re.M) and "Using cache" not in first
    begun = time.monotonic()
    again = proa("build", "-t", name, ".")
    assert "Running in" not in again and time.monotonic() - begun < 1
    assert "ballast" not in proa("run", "--rm", name, "find", "/app", "/src", check=1)
    listed = proa("run", "--rm", name, "find", "/app").split()
    assert "/app/app/main.py" in listed and not any(".git" in path or "venv" in path for path in listed)
    stage = proa("build", "-q", "--target", "build", ".").strip()
    assert proa("run", "--rm", stage, "ls", "-A", "/src").split() == [".dockerignore", "Dockerfile", "app", "ballast", "note", "requirements.txt"]

    proa("run", "-d", "--name", name, "-p", "127.0.0.1::8000", name)
    try:
        address = proa("port", name, "8000/tcp").strip()
        assert answer_of(f"http://{address}/") == b'{"message":"hello","note":"built\\n"}'
    finally:
        proa("rm", "-f", name)

    (proa.project / "app/main.py").write_text(APPLICATION.replace('"hello"', '"changed"'))
    changed = proa("build", "-t", name, ".")
    assert changed.count("Running in") == 1  # of the first stage, which takes all; the packages' step is kept
    assert '"changed"' in proa("run", "--rm", name, "cat", "/app/app/main.py")


def answer_of(address):
    deadline = time.monotonic() + 30
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
