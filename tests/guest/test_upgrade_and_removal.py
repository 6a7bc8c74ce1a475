"""The packages' other ways: upgrade, removal, purge, and proa-docker."""
import glob
import os
import subprocess

import pytest

from guest import service
from guest.service import SOCKET, apt, command, property_of, status_of, systemctl
from support.http import Http
from support.waiting import wait_until


@pytest.fixture
def units(archive):
    service.install()
    systemctl("start", "proa.socket")
    made = service.Units(archive)
    made.load_images()
    return made


def program_of(pid):
    """The path of a process' program, "" for who has none or has just gone."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def traces():
    """What the installed Proa has in the kernel. The tests' own engine is not meant."""
    links = [name for name in command("ls", "/sys/class/net").split() if name.startswith(("proa", "br-", "vethp"))]
    tables = [line for line in command("nft", "list", "tables").splitlines() if "proa" in line]
    mounts = [line.split()[4] for line in open("/proc/1/mountinfo") if line.split()[4].startswith(("/run/proa", "/var/lib/proa"))]
    groups = glob.glob("/sys/fs/cgroup/proa") + glob.glob("/sys/fs/cgroup/system.slice/proa-*.scope")
    programs = [program_of(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    return [*links, *tables, *mounts, *groups, *(path for path in programs if path.startswith("/usr/libexec/proa/"))]


def test_an_upgrade_keeps_containers_running_and_brings_the_new_daemon(units):
    container = units.api.run("sleep", "1000", host={"PortBindings": {"80/tcp": [{"HostPort": "8098"}]}})
    pid, daemon = units.api.state(container)["Pid"], property_of("MainPID")
    service.install("next/proa_*_amd64.deb")
    assert property_of("MainPID") not in ("0", daemon) and property_of("ActiveState") == "active"
    assert units.api.state(container)["Pid"] == pid and os.path.exists(f"/proc/{pid}")
    assert units.api.execute(container, "echo", "inside")[:2] == (0, "inside\n")
    units.remove_containers()


def test_removal_stops_containers_and_keeps_the_data_and_a_later_install_goes_on_with_them(units):
    assert units.api.post("/volumes/create", {"Name": "kept"}).status == 201
    assert units.api.post("/networks/create", {"Name": "own"}).status == 201
    patient = units.api.run("sh", "-c", "trap 'echo ended > /data/said; exit 3' TERM; while :; do sleep 0.1; done", name="patient",
                            host={"Binds": ["kept:/data"], "NetworkMode": "own", "RestartPolicy": {"Name": "unless-stopped"}})
    by_hand = units.api.run("sleep", "1000", name="by-hand", host={"RestartPolicy": {"Name": "unless-stopped"}})
    assert units.api.post(f"/containers/{by_hand}/stop?t=0").status == 204

    command("dpkg", "--remove", "proa")
    assert status_of("proa") == "config-files" and os.path.exists("/etc/proa/daemon.json")
    assert traces() == []
    assert open("/var/lib/proa/volumes/kept/_data/said").read() == "ended\n"  # it had its time to end well

    service.install()
    assert units.api.state(patient)["Running"]  # the request has started the service, and its boot the container
    assert not units.api.state(by_hand)["Running"]
    assert "own" in units.api.inspect(patient)["NetworkSettings"]["Networks"]


@pytest.mark.thorough
def test_a_purge_with_containers_running_leaves_nothing(units):
    units.api.run("sleep", "1000")
    assert traces() != []
    command("dpkg", "--purge", "proa")
    assert status_of("proa") in ("", "not-installed")
    assert traces() == []
    for path in ("/var/lib/proa", "/etc/proa", "/run/proa", "/usr/libexec/proa", "/lib/systemd/system/proa.service"):
        assert not os.path.exists(path), path
    assert glob.glob("/etc/systemd/system/**/proa.*", recursive=True) == []


@pytest.mark.thorough
def test_proa_docker_takes_the_place_of_docker(units):
    apt("install", service.package("proa-docker_*.deb"))
    assert status_of("docker.io") in ("", "config-files", "not-installed")
    assert os.path.realpath("/usr/bin/docker") == "/usr/libexec/proa/proa" and os.path.realpath("/run/docker.sock") == SOCKET
    assert "Hello from Proa!" in service.as_member("docker run --rm hello-world")
    assert Http("/run/docker.sock").get("/_ping").status == 200
    units.remove_containers()
    apt("purge", "proa-docker", "proa")
    wait_until(lambda: traces() == [], 10, "traces to go")
    assert not os.path.lexists("/run/docker.sock") and not os.path.lexists("/usr/bin/docker")
    assert subprocess.run(["systemctl", "--failed", "--quiet", "--no-legend", "list-units", "proa*"], capture_output=True, check=False).stdout == b""
