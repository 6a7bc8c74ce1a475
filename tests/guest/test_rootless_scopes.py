"""--systemd-cgroup for a plain user: scopes of the user's own service manager. runc proves the tests."""
import json
import os
import pathlib
import subprocess

import pytest

from guest import service
from runtime import conftest as oci
from runtime.conftest import program_file, reaper  # pylint: disable=unused-import  # fixtures
from runtime.test_rootless import UID, Plain, own_copy
from support.waiting import wait_until

RUN = f"/run/user/{UID}"
ENVIRONMENT = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": RUN, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={RUN}/bus"}
MANAGER = f"/user.slice/user-{UID}.slice/user@{UID}.service"


@pytest.fixture(scope="module", autouse=True)
def user_manager():
    """systemd of a plain user, as a login brings it."""
    service.command("useradd", "--uid", str(UID), "--create-home", "plain")
    mask = "/etc/systemd/system/systemd-logind.service"
    if os.path.islink(mask):
        os.unlink(mask)
        service.systemctl("daemon-reload")
    service.systemctl("start", f"user@{UID}.service")
    wait_until(lambda: os.path.exists("/proc/1/root" + RUN + "/bus"), 60, "the user's bus")
    yield
    service.systemctl("stop", f"user@{UID}.service")
    service.command("userdel", "--remove", "plain", check=False)


def outside(runtime):
    """/run/user is not in the tests' own mount namespace."""
    return [*service.OUTSIDE, f"--wdns={runtime.directory}/bundle"]


class Scoped(Plain):
    """`place`: called from a group of root's, or from one of the user's own."""

    def __init__(self, runtime, place):
        super().__init__(runtime, outside(runtime))
        self.place = place

    def __call__(self, *words):
        around = ["systemd-run", "--user", "--scope", "--quiet"] if self.place == "own" else []
        return super().__call__("--systemd-cgroup", *words, around=around, env=ENVIRONMENT, timeout=90)

    def systemctl(self, *words):
        return subprocess.check_output([*self.before, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "systemctl", "--user", *words], env=ENVIRONMENT, text=True, timeout=60).strip()


@pytest.fixture(params=["proa-runtime outside", *(pytest.param(more, marks=pytest.mark.thorough) for more in ("proa-runtime own", "runc own"))])
def plain(request, program_file, reaper):  # pylint: disable=unused-argument
    program, place = request.param.split()
    with oci.bundle_of("/usr/sbin/runc" if program == "runc" else oci.find_runtime(), program_file) as runtime, own_copy(runtime):
        yield Scoped(runtime, place)


def test_a_plain_users_container_has_a_scope_with_limits(plain):
    name = plain.runtime.id()
    plain.config("sleep", "300", linux={"cgroupsPath": f"user.slice:pre:{name}", "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}}})
    done = plain("run", "--detach", name)
    assert done.code == 0, done
    state = json.loads(plain("state", name).out)
    unit, group = f"pre-{name}.scope", f"{MANAGER}/user.slice/pre-{name}.scope"
    path = pathlib.Path("/sys/fs/cgroup" + group)
    assert pathlib.Path(f"/proc/{state['pid']}/cgroup").read_text() == f"0::{group}\n"
    assert plain.systemctl("show", "--value", "-p", "MemoryMax,Delegate,TasksMax", unit).split() == ["yes", str(64 << 20), "50"]
    assert (path / "memory.max").read_text().strip() == str(64 << 20) and (path / "pids.max").read_text().strip() == "50"
    assert (path / "cgroup.procs").read_text().split() == [str(state["pid"])]  # nobody else was left in it

    done = plain("exec", name, "cat", "/proc/self/cgroup")
    assert done.code == 0 and done.out == f"0::{group}\n", done  # the container has the host's cgroup namespace
    assert plain("pause", name).code == 0 and "frozen 1" in (path / "cgroup.events").read_text()
    assert plain("resume", name).code == 0
    assert plain("update", "--memory", str(96 << 20), "--pids-limit", "60", name).code == 0
    plain.systemctl("daemon-reload")
    assert (path / "memory.max").read_text().strip() == str(96 << 20) and (path / "pids.max").read_text().strip() == "60"

    assert plain("kill", name, "KILL").code == 0
    wait_until(lambda: json.loads(plain("state", name).out)["status"] == "stopped", 20, "its end")
    assert plain("delete", name).code == 0
    wait_until(lambda: not path.exists(), 20, "the scope to go")


@pytest.mark.thorough
def test_without_a_path_it_is_in_the_users_slice_and_can_be_used_again(plain):
    name = plain.runtime.id()
    for _ in range(2):
        plain.config("cat", "/proc/self/cgroup")
        done = plain("run", name)
        assert done.code == 0 and f"{MANAGER}/user.slice/" in done.out and done.out.strip().endswith(f"{name}.scope"), done


@pytest.mark.thorough
def test_a_limit_of_a_controller_that_the_user_was_not_given_is_refused(plain):
    plain.config("echo", "it ran", linux={"resources": {"cpu": {"cpus": "0"}}})
    done = plain("run", plain.runtime.id())
    if "cpuset" in pathlib.Path("/sys/fs/cgroup" + MANAGER + "/cgroup.controllers").read_text().split():
        assert done.code == 0, done
    else:
        assert done.code != 0 and "cpuset" in done.err and "it ran" not in done.out, done


def test_the_root_of_a_user_namespace_is_a_plain_user(program_file, reaper):  # pylint: disable=unused-argument
    """As podman without root calls its runtime."""
    with oci.bundle_of(oci.find_runtime(), program_file) as runtime, own_copy(runtime):
        plain = Plain(runtime, outside(runtime))
        config = plain.config("cat", "/proc/self/cgroup", linux={"resources": {"pids": {"limit": 50}}})
        config["linux"]["namespaces"] = [space for space in config["linux"]["namespaces"] if space["type"] != "user"]
        del config["linux"]["uidMappings"], config["linux"]["gidMappings"]
        runtime.write(config)
        name = runtime.id()
        done = plain("--systemd-cgroup", "run", name, around=["unshare", "--user", "--map-root-user"], env=ENVIRONMENT)
        assert done.code == 0 and done.out == f"0::{MANAGER}/user.slice/proa-{name}.scope\n", done
