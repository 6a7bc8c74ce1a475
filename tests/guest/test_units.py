"""proad as the service manager runs it: packaging/proa.service and proa.socket."""
import os
import shutil
import stat
import subprocess
import time

import pytest

import conftest
from support.http import Http
from support.waiting import wait_until

SOCKET = "/run/proa/proa.sock"


def systemctl(*words, check=True):
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=90)
    assert not check or done.returncode == 0, f"systemctl {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def property_of(name, unit="proa.service"):
    return systemctl("show", "--value", "-p", name, unit)


class Units:
    def __init__(self, archive):
        self.socket, self.host, self.api_version = SOCKET, "unix://" + SOCKET, "1.45"
        self.archive = archive
        self.api = conftest.Api(self)

    def load_images(self):
        conftest.load_images(self, self.archive)


@pytest.fixture
def units(archive):
    systemctl("daemon-reload")
    systemctl("start", "proa.socket")
    made = Units(archive)
    yield made
    http = Http(SOCKET)
    for container in http.get("/containers/json?all=1").json():
        http.delete(f"/containers/{container['Id']}?force=1")
    systemctl("stop", "proa.socket", "proa.service")
    shutil.rmtree("/var/lib/proa")


def alive(pid):
    return os.path.exists(f"/proc/{pid}")


def test_the_socket_starts_the_service_on_the_first_request(units):
    mode = os.stat(SOCKET)
    assert stat.S_IMODE(mode.st_mode) == 0o660 and mode.st_gid == int(subprocess.check_output(["getent", "group", "docker"], text=True).split(":")[2])
    assert property_of("ActiveState") == "inactive"
    assert units.api.get("/_ping").status == 200
    assert property_of("ActiveState") == "active"


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
    os.makedirs("/etc/proa", exist_ok=True)
    with open("/etc/proa/daemon.json", "w") as file:
        file.write('{"debug": true}')
    try:
        systemctl("reload", "proa.service")
        wait_until(lambda: units.api.get("/info").json()["Debug"], 20, "the new settings")
        assert property_of("MainPID") == daemon
    finally:
        os.unlink("/etc/proa/daemon.json")
