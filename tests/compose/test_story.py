"""A web application as people have them: FastAPI from Debian's packages in front of Postgres, by compose. Up, a row, down, up: the row is still there.

The image is made by tools/base_image.py from Debian's packages, once, and kept in build/story. PROA_TEST_COMPOSE_V2 names a docker client that has compose v2; it takes part when it is set.
"""
import hashlib
import json
import os
import shutil
import subprocess
import time

import pytest

from support import isolation
from support.engine import REPOSITORY

PACKAGES = ["python3-fastapi", "uvicorn", "python3-psycopg2", "postgresql"]
APP = '''
import os, psycopg2
from fastapi import FastAPI
app = FastAPI()

def database():
    return psycopg2.connect(host="db", user="postgres", dbname="postgres", connect_timeout=5)

@app.post("/notes/{text}")
def add(text: str):
    with database() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
        cursor.execute("INSERT INTO notes VALUES (%s)", (text,))
    return {"added": text}

@app.get("/notes")
def notes():
    with database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT text FROM notes")
        return [row[0] for row in cursor.fetchall()]
'''
DATABASE = r'''#!/bin/sh
set -e
P=$(ls -d /usr/lib/postgresql/*/bin)
mkdir -p /data/db && chown postgres /data/db
[ -s /data/db/PG_VERSION ] || { su postgres -c "$P/initdb -A trust -D /data/db"; echo "host all all all trust" >> /data/db/pg_hba.conf; }
exec setpriv --reuid postgres --regid postgres --clear-groups $P/postgres -D /data/db -c listen_addresses='*' -c unix_socket_directories=/tmp
'''
FILE = """
version: "2.4"
services:
  db:
    image: story
    command: ["sh", "/database.sh"]
    stop_signal: SIGINT
    volumes: ["data:/data"]
    healthcheck: {test: "pg_isready -h 127.0.0.1", interval: 1s, retries: 60}
  web:
    build: ./web
    depends_on: {db: {condition: service_healthy}}
    ports: ["127.0.0.1::8000"]
volumes: {data: {}}
"""


@pytest.fixture(autouse=True)
def tidy():
    """Instead of the suite's: the image stays from one test to the next; each test takes its project down."""


@pytest.fixture(scope="module")
def story_image(engine):
    """The image `story`: Debian with the packages, and the database's start."""
    if not shutil.which("mmdebstrap"):
        pytest.fail("mmdebstrap is not installed (./dev setup)")
    folder = os.path.join(REPOSITORY, "build", "story")
    os.makedirs(folder, exist_ok=True)
    archive = os.path.join(folder, hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12] + ".tar")
    if not os.path.exists(archive):
        # The session has a network of its own, from which no mirror is reached.
        isolation.run_outside([f"{REPOSITORY}/tools/base_image.py", "--save", archive, *PACKAGES], stdin=subprocess.DEVNULL, timeout=600)
    with open(archive, "rb") as file:
        subprocess.run([engine.bin + "/proa", "-H", engine.host, "import", "-", "story-base"], stdin=file, check=True, stdout=subprocess.DEVNULL)
    build = os.path.join(folder, "image")
    os.makedirs(build, exist_ok=True)
    with open(build + "/database.sh", "w") as file:
        file.write(DATABASE)
    with open(build + "/Dockerfile", "w") as file:
        file.write("FROM story-base\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCOPY database.sh /\n")
    subprocess.run([engine.bin + "/proa", "-H", engine.host, "build", "-q", "-t", "story", build], check=True, stdout=subprocess.DEVNULL)
    yield
    subprocess.run([engine.bin + "/proa", "-H", engine.host, "rmi", "-f", "story", "story-base", "story-web"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def drivers():
    yield pytest.param("proa", id="proa compose")
    yield pytest.param("old", id="docker-compose 1.29")
    if os.environ.get("PROA_TEST_COMPOSE_V2"):
        yield pytest.param("v2", id="docker compose v2")


@pytest.mark.slow
@pytest.mark.parametrize("driver", drivers())
def test_the_row_is_still_there(driver, story_image, engine, client_environment, tmp_path):
    program = {"proa": [engine.bin + "/proa", "compose"], "old": ["docker-compose"], "v2": [os.environ.get("PROA_TEST_COMPOSE_V2", ""), "compose"]}[driver]
    environment = {**client_environment, "DOCKER_BUILDKIT": "0"}
    if driver == "v2":
        environment["DOCKER_CONFIG"] = os.environ.get("DOCKER_CONFIG", client_environment["DOCKER_CONFIG"])
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "app.py").write_text(APP)
    (tmp_path / "web" / "Dockerfile").write_text('FROM story\nWORKDIR /app\nCOPY app.py .\nCMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8000"]\n')
    (tmp_path / "docker-compose.yml").write_text(FILE)

    def compose(*words, timeout=180):
        done = subprocess.run([*program, "-p", "story", *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(method, path):
        address = compose("port", "web", "8000").strip()
        for _ in range(100):
            done = subprocess.run(["curl", "-s", "-f", "-m", "10", "-X", method, f"http://{address}{path}"], capture_output=True)
            if done.returncode == 0:
                return json.loads(done.stdout)
            time.sleep(0.2)
        raise AssertionError(f"{method} {path}: curl {done.returncode}\n" + compose("logs"))

    try:
        compose("up", "-d")
        assert ask("POST", "/notes/hello") == {"added": "hello"}
        assert ask("GET", "/notes") == ["hello"]
        compose("down")
        compose("up", "-d")
        assert ask("GET", "/notes") == ["hello"]
    finally:
        compose("down", "-v")


@pytest.mark.slow
def test_a_database_outlives_its_container(story_image, engine, docker):
    """PostgreSQL's server and its client, both from Debian, in two containers that talk by name."""
    def start():
        docker.output("run", "-d", "--name", "story-db", "--network", "story-net", "-v", "story-data:/data", "story", "sh", "/database.sh")

    def ask(sql):
        for _ in range(150):
            done = docker("run", "--rm", "--network", "story-net", "-e", "PGCONNECT_TIMEOUT=5", "story", "psql", "-h", "story-db", "-U", "postgres", "-Atc", sql)
            if done.returncode == 0:
                return done.stdout
            time.sleep(0.2)
        raise AssertionError(f"{done.stderr}\n" + docker("logs", "story-db").stderr)
    docker.output("network", "create", "story-net")
    try:
        start()
        assert ask("CREATE TABLE notes AS SELECT 'kept' AS text") == "SELECT 1\n"
        docker.output("rm", "-f", "story-db")
        start()
        assert ask("SELECT text FROM notes") == "kept\n"
    finally:
        docker("rm", "-f", "story-db")
        docker("network", "rm", "story-net")
        docker("volume", "rm", "story-data")
