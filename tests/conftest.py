"""Fixtures for the black-box tests: one private engine for the whole session, its clients, and tidiness after each test."""
import os
import shutil
import subprocess
import tempfile
import uuid

import pytest

from support import images, isolation
from support.engine import Engine
from support.http import Http
from support.terminal import Terminal


# What only a guest with systemd, cgroup version 2 and AppArmor can show (./dev test guest).
collect_ignore = [] if os.environ.get("PROA_GUEST") else ["guest"]


def pytest_configure(config):
    if os.geteuid() == 0:
        isolation.become_subreaper()


_isolated = []


def isolate():
    """The session's namespaces, made when the first engine is needed."""
    if _isolated:
        return
    _isolated.append(True)
    if os.environ.get("PROA_TEST_NETNS"):
        isolation.enter_network_namespace(os.environ["PROA_TEST_NETNS"])
    elif not os.environ.get("PROA_TEST_HOST"):
        isolation.enter_private_namespaces()


@pytest.fixture(scope="session")
def isolated():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    isolate()


@pytest.fixture(scope="session")
def archive(isolated):
    """The docker archive with the test images, as bytes."""
    return images.test_images(with_hello=bool(os.environ.get("PROA_TEST_DOCKERD") or os.environ.get("PROA_TEST_HOST")))


def load_images(engine, archive):
    answer = Http(engine.socket, timeout=120).post("/images/load?quiet=1", archive, [("Content-Type", "application/x-tar")])
    assert answer.status == 200 and b"errorDetail" not in answer.body, answer


@pytest.fixture(scope="session")
def engine(isolated, archive):
    """The engine under test, with the test images loaded."""
    engine = Engine()
    try:
        engine.start()
        load_images(engine, archive)
        yield engine
    finally:
        if os.environ.get("PROA_TEST_KEEP_LOG"):
            shutil.copy(engine.log_path, os.environ["PROA_TEST_KEEP_LOG"])
        engine.destroy()


@pytest.fixture
def private_engine(isolated, archive):
    """An engine of the test's own, not started: for tests that kill or configure it."""
    engine = Engine(number=os.getpid() % 50 + 100)
    if engine.external:
        pytest.skip("needs an engine that the test may start and kill")
    engine.load = lambda: load_images(engine, archive)
    with isolation.OwnNetwork():
        try:
            yield engine
        finally:
            engine.destroy()


@pytest.fixture(autouse=True)
def skip_old(request):
    if request.node.get_closest_marker("modern") and request.getfixturevalue("engine").is_docker(20):
        pytest.skip("differs in Docker 20.10")
    if request.node.get_closest_marker("proa") and (os.environ.get("PROA_TEST_DOCKERD") or os.environ.get("PROA_TEST_HOST") and request.getfixturevalue("engine").is_docker()):
        pytest.skip("holds for Proa only")


@pytest.fixture(autouse=True)
def tidy(request):
    """After a test that used the engine: it lives, and no container or image of the test is left."""
    yield
    if "engine" not in request.fixturenames:
        return
    engine = request.getfixturevalue("engine")
    if not engine.alive():
        tail = engine.log_tail()
        engine.start()
        pytest.fail("the daemon died:\n" + tail)
    http = Http(engine.socket)
    for container in http.get("/containers/json?all=1").json() or []:
        http.delete(f"/containers/{container['Id']}?force=1&v=1")
    for volume in http.get("/volumes").json()["Volumes"] or []:
        http.delete(f"/volumes/{volume['Name']}?force=1")
    for network in http.get("/networks").json() or []:
        if network["Name"] not in ("bridge", "host", "none"):
            http.delete(f"/networks/{network['Id']}")
    keep = {"busybox:latest", "odd:latest", "wrongarch:latest", "configured:latest", "hello-world:latest"}
    for image in http.get("/images/json").json() or []:
        for tag in image.get("RepoTags") or [image["Id"]]:
            if tag not in keep:
                http.delete(f"/images/{tag if tag != '<none>:<none>' else image['Id']}?force=1")


def api_version(engine, wanted):
    have = tuple(map(int, engine.api_version.split(".")))
    return wanted if tuple(map(int, wanted.split("."))) <= have else engine.api_version


@pytest.fixture
def api(engine):
    """Plain HTTP at API 1.45, or the engine's highest below that."""
    return Api(engine)


class Api(Http):
    """HTTP with the few verbs that most tests start from."""

    def __init__(self, engine, version="1.45"):
        super().__init__(engine.socket, api_version(engine, version))
        self.engine = engine

    def create(self, *command, name=None, image="busybox", host=None, **config):
        answer = self.post("/containers/create" + (f"?name={name}" if name else ""),
                           {"Image": image, **({"Cmd": list(command)} if command else {}), "HostConfig": host or {}, **config})
        assert answer.status == 201, answer
        return answer.json()["Id"]

    def start(self, container):
        answer = self.post(f"/containers/{container}/start")
        assert answer.status == 204, answer

    def run(self, *command, **options):
        """create and start; the id."""
        container = self.create(*command, **options)
        self.start(container)
        return container

    def wait(self, container, condition="not-running"):
        return self.post(f"/containers/{container}/wait?condition={condition}").json()["StatusCode"]

    def inspect(self, container):
        answer = self.get(f"/containers/{container}/json")
        assert answer.status == 200, answer
        return answer.json()

    def state(self, container):
        return self.inspect(container)["State"]

    def logs(self, container, query="stdout=1&stderr=1"):
        """(stdout, stderr) as text."""
        from support.http import demultiplex
        answer = self.get(f"/containers/{container}/logs?{query}")
        assert answer.status == 200, answer
        out, err = demultiplex(answer.body)
        return out.decode(), err.decode()

    def execute(self, container, *command, **config):
        """Runs a command inside: (exit code, stdout, stderr)."""
        from support.http import demultiplex
        created = self.post(f"/containers/{container}/exec", {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **config})
        assert created.status == 201, created
        with self.hijack(f"/exec/{created.json()['Id']}/start", {}) as stream:
            out, err = demultiplex(stream.read_all())
        return self.get(f"/exec/{created.json()['Id']}/json").json()["ExitCode"], out.decode(), err.decode()


@pytest.fixture
def network(api):
    """Makes networks; the tidy-up removes them."""
    def make(name=None, status=201, **body):
        name = name or "n-" + uuid.uuid4().hex[:8]
        answer = api.post("/networks/create", {"Name": name, **body})
        assert answer.status == status, answer
        return name if status == 201 else answer
    return make


@pytest.fixture
def name():
    """A container name of the test's own."""
    return "t-" + uuid.uuid4().hex[:10]


@pytest.fixture(scope="session")
def client_environment(engine):
    config = tempfile.mkdtemp(prefix="proa-test-config-")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCKER_", "PROA_"))}
    environment.update(DOCKER_HOST=engine.host, DOCKER_CONFIG=config, LC_ALL="C.UTF-8", TZ="UTC", DOCKER_CLI_HINTS="false")
    yield environment
    shutil.rmtree(config, ignore_errors=True)


class Docker:
    """The command line client under test."""

    def __init__(self, environment):
        self.environment, self.program = environment, os.environ.get("PROA_TEST_CLI", "docker")

    def __call__(self, *arguments, input=None, timeout=60, check=None, env=None):
        """Runs it; `check` is the exit code that must come."""
        done = subprocess.run([self.program, *map(str, arguments)], input=input, capture_output=True, text=True, timeout=timeout,
                              env={**self.environment, **(env or {})}, **({} if input is not None else {"stdin": subprocess.DEVNULL}))
        if check is not None:
            assert done.returncode == check, f"exit {done.returncode}, expected {check}\nstdout: {done.stdout}\nstderr: {done.stderr}"
        return done

    def output(self, *arguments, **options):
        """stdout of a call that must succeed, without the last newline."""
        return self(*arguments, check=0, **options).stdout.rstrip("\n")

    def spawn(self, *arguments, **options):
        """Starts it and goes on; text pipes."""
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        return subprocess.Popen([self.program, *map(str, arguments)], env=self.environment, **options)

    def terminal(self, *arguments, **options):
        return Terminal([self.program, *map(str, arguments)], env=self.environment, **options)

    def inspect(self, name, template):
        return self.output("inspect", "-f", template, name)


@pytest.fixture
def docker(client_environment):
    return Docker(client_environment)


@pytest.fixture
def client(engine):
    """python3-docker."""
    import docker as docker_py
    client = docker_py.DockerClient(base_url=engine.host, version="auto", timeout=60)
    yield client
    client.close()


@pytest.fixture
def events(api):
    """Collects events from now on: call it to stop and get the list."""
    streams = []

    def begin(**filters):
        import json
        import urllib.parse
        query = "?filters=" + urllib.parse.quote(json.dumps(filters)) if filters else ""
        stream = api.open("GET", "/events" + query)
        assert stream.response.status == 200
        streams.append(stream)
        return stream

    yield begin
    for stream in streams:
        stream.close()
