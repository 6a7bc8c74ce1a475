"""Registries for the tests of this folder."""
import shutil
import tempfile
import uuid

import pytest

from support import registries


@pytest.fixture(scope="session")
def registry(engine):
    """A plain docker-registry on loopback, for everyone."""
    registry = registries.DockerRegistry()
    yield registry
    registry.close()


@pytest.fixture
def repository():
    """A name that no other test uses."""
    return "r" + uuid.uuid4().hex[:8] + "/image"


@pytest.fixture(scope="session")
def certificate(isolated):
    directory = tempfile.mkdtemp(prefix="proa-test-cert-", dir="/tmp")
    yield registries.make_certificate(directory, "localhost", "127.0.0.1", "127.0.0.2", "registry.test")
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def serve():
    """Starts stand-in servers that end with the test."""
    servers = []

    def start(answer, **options):
        servers.append(registries.Server(answer, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
