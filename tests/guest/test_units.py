"""proad as the installed package's units run it."""
import os
import stat
import subprocess
import time

import pytest

from guest import service
from guest.service import SOCKET, property_of, systemctl
from support.http import Http
from support.waiting import wait_until


@pytest.fixture(scope="module")
def installed(archive):
    service.install()
    yield service.Units(archive)
    systemctl("stop", "proa.socket", "proa.service")


@pytest.fixture
def units(installed):
    systemctl("start", "proa.socket")
    yield installed
    installed.remove_containers()


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def test_the_package_brings_a_socket_for_its_group_that_starts_the_service(units):
    mode = os.stat(SOCKET)
    assert stat.S_IMODE(mode.st_mode) == 0o660 and mode.st_gid == int(subprocess.check_output(["getent", "group", "proa"], text=True).split(":")[2])
    assert property_of("ActiveState") == "inactive"
    assert systemctl("is-enabled", "proa.socket", "proa.service").split() == ["enabled", "enabled"]
    assert units.api.get("/_ping").status == 200
    assert property_of("ActiveState") == "active"


def test_a_member_of_the_group_runs_hello_world_and_nobody_else_does(units):  # pylint: disable=unused-argument
    assert "Hello from Proa!" in service.as_member("proa run --rm hello-world")
    refused = subprocess.run(["runuser", "-u", "nobody", "--", "proa", "ps"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "permission denied" in refused.stderr, refused


def test_a_container_lives_through_restart_stop_and_kill_of_the_service(units):
    units.load_images()
    container = units.api.run("sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done", name="counter",
                              host={"PortBindings": {"80/tcp": [{"HostPort": "8099"}]}})
    short = units.api.create("sh", "-c", "sleep 3; exit 7")
    pid = units.api.state(container)["Pid"]

    systemctl("restart", "proa.service")
    assert alive(pid) and units.api.state(container)["Running"] and units.api.state(container)["Pid"] == pid

    daemon = int(property_of("MainPID"))
    os.kill(daemon, 9)
    wait_until(lambda: property_of("MainPID") not in ("0", str(daemon)) and property_of("ActiveState") == "active", 60, "the service to come back")
    assert alive(pid) and units.api.state(container)["Pid"] == pid
    code, out, _ = units.api.execute(container, "echo", "inside")
    assert (code, out) == (0, "inside\n")

    units.api.start(short)
    systemctl("stop", "proa.socket", "proa.service")
    assert property_of("ActiveState") in ("inactive", "failed") and alive(pid)
    time.sleep(4)  # what ends now is found out later
    systemctl("start", "proa.socket")
    assert units.api.state(short)["ExitCode"] == 7
    assert units.api.state(container)["Pid"] == pid

    assert units.api.post(f"/containers/{container}/stop?t=1").status == 204
    assert not alive(pid)
    lines = [line for line in units.api.logs(container)[0].split("\n") if line]
    assert lines == [f"line {i + 1}" for i in range(len(lines))] and len(lines) > 20, "a line was lost or doubled"
    assert units.api.delete(f"/containers/{container}").status == 204


def test_reload_keeps_the_process_and_reads_the_file(units):
    assert units.api.get("/_ping").status == 200
    daemon = property_of("MainPID")
    with open("/etc/proa/daemon.json") as file:
        shipped = file.read()
    with open("/etc/proa/daemon.json", "w") as file:
        file.write('{"debug": true, "group": "proa"}')
    try:
        systemctl("reload", "proa.service")
        wait_until(lambda: Http(SOCKET).get("/info").json()["Debug"], 20, "the new settings")
        assert property_of("MainPID") == daemon
    finally:
        with open("/etc/proa/daemon.json", "w") as file:
            file.write(shipped)
