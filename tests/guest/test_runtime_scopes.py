"""--systemd-cgroup of an OCI runtime: ours, and runc to prove the tests on."""
import json
import os
import pathlib
import subprocess

import pytest

from runtime import conftest as oci
from runtime.conftest import program_file, reaper  # pylint: disable=unused-import  # fixtures
from support.waiting import wait_until


@pytest.fixture(params=["proa-runtime", pytest.param("runc", marks=pytest.mark.thorough)])
def runtime(request, program_file, reaper):  # pylint: disable=unused-argument
    with oci.bundle_of("/usr/sbin/runc" if request.param == "runc" else oci.find_runtime(), program_file) as made:
        yield made


def systemd(runtime, *words, **options):
    return runtime("--systemd-cgroup", *words, **options)


def show(unit, name):
    return subprocess.check_output(["systemctl", "show", "--value", "-p", name, unit], text=True).strip()


def test_a_container_lives_in_a_scope_of_its_slice(runtime):
    name = runtime.id()
    runtime.config("sleep", "300", linux={"cgroupsPath": f"proatest-deep.slice:pre:{name}",
                                          "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 50}, "cpu": {"shares": 512, "quota": 30000, "period": 100000}}})
    done = systemd(runtime, "run", "--detach", name)
    assert done.code == 0, done
    unit, path = f"pre-{name}.scope", pathlib.Path(f"/sys/fs/cgroup/proatest.slice/proatest-deep.slice/pre-{name}.scope")
    assert show(unit, "ActiveState") == "active" and show(unit, "Delegate") == "yes"
    assert show(unit, "MemoryMax") == str(64 << 20) and show(unit, "TasksMax") == "50"
    assert (path / "memory.max").read_text().strip() == str(64 << 20)
    assert (path / "pids.max").read_text().strip() == "50"
    assert (path / "cpu.max").read_text().strip() == "30000 100000"
    assert str(runtime.state(name)["pid"]) in (path / "cgroup.procs").read_text().split()
    assert len((path / "cgroup.procs").read_text().split()) == 1  # nobody else was left in it

    done = systemd(runtime, "exec", name, "cat", "/proc/self/cgroup")
    assert done.code == 0 and done.out.startswith("0::/"), done
    assert systemd(runtime, "pause", name).code == 0
    assert runtime.state(name)["status"] == "paused"
    assert systemd(runtime, "resume", name).code == 0
    assert systemd(runtime, "update", "--memory", str(96 << 20), "--pids-limit", "60", name).code == 0
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert (path / "memory.max").read_text().strip() == str(96 << 20)
    assert (path / "pids.max").read_text().strip() == "60"

    assert systemd(runtime, "kill", name, "KILL").code == 0
    runtime.wait_for(name, "stopped")
    assert systemd(runtime, "delete", name).code == 0
    wait_until(lambda: not path.exists(), 10, "the scope to go")


def test_without_a_path_it_is_in_the_system_slice_and_can_be_used_again(runtime):
    name = runtime.id()
    for _ in range(2):
        runtime.config("cat", "/proc/self/cgroup")
        done = systemd(runtime, "run", name)
        assert done.code == 0 and "/system.slice/" in done.out and name in done.out and done.out.strip().endswith(".scope"), done


def test_a_path_of_another_form_is_refused(runtime):
    runtime.config("true", linux={"cgroupsPath": "/a/b"})
    done = systemd(runtime, "run", runtime.id())
    assert done.code == 1 and "slice:prefix:name" in done.err, done


def test_a_failed_start_leaves_no_scope(runtime):
    name = runtime.id()
    runtime.config("/not/there", linux={"cgroupsPath": f"system.slice:pre:{name}"})
    assert systemd(runtime, "run", name).code != 0
    wait_until(lambda: not json.loads(subprocess.check_output(["systemctl", "list-units", "--all", "--output=json", f"pre-{name}.scope"])), 10, "the unit to go")
