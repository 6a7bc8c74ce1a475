"""Limits, devices, freezing and numbers on cgroup version 2, with both cgroup drivers."""
import json
import os
import subprocess

import pytest

import conftest
from support import isolation
from support.engine import Engine
from support.waiting import wait_until

ROOT = "/sys/fs/cgroup"


@pytest.fixture(scope="module", params=["cgroupfs", "systemd"])
def driven(request, isolated, archive):
    engine = Engine(number=20 + len(request.param))
    engine.driver = request.param
    engine.arguments = ["--exec-opt", "native.cgroupdriver=" + request.param]
    if request.param == "systemd":
        engine.cgroup_parent = "proatest.slice"
    with isolation.OwnNetwork():
        try:
            engine.start()
            conftest.load_images(engine, archive)
            yield engine
        finally:
            engine.destroy()


@pytest.fixture
def api(driven):
    made = conftest.Api(driven)
    yield made
    driven.remove_all_containers()


def group_of(api, container):
    return open(f"/proc/{api.state(container)['Pid']}/cgroup").read().strip().partition("0::")[2]


def value(path, name):
    return open(f"{ROOT}{path}/{name}").read().strip()


LIMITS = {"Memory": 64 << 20, "MemorySwap": 96 << 20, "MemoryReservation": 32 << 20, "CpuShares": 512, "NanoCpus": 250_000_000, "PidsLimit": 77, "CpusetCpus": "0"}
FILES = {"memory.max": str(64 << 20), "memory.swap.max": str(32 << 20), "memory.low": str(32 << 20), "cpu.weight": "59", "cpu.max": "25000 100000", "pids.max": "77", "cpuset.cpus": "0"}


def test_info_tells_the_truth(api):
    info = api.get("/info").json()
    assert info["CgroupDriver"] == api.engine.driver and info["CgroupVersion"] == "2"
    assert info["SecurityOptions"][0] == "name=apparmor" and "name=cgroupns" in info["SecurityOptions"]
    assert info["MemoryLimit"] and info["SwapLimit"] and info["PidsLimit"] and info["CPUSet"] and not info["OomKillDisable"]


def test_limits_reach_the_kernel_and_outlast_a_reload_of_systemd(api):
    container = api.run("sleep", "300", host=LIMITS)
    path = group_of(api, container)
    assert path == (f"/proatest.slice/proa-{container}.scope" if api.engine.driver == "systemd" else f"{api.engine.cgroup_parent}/{container}")
    assert {name: value(path, name) for name in FILES} == FILES
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert {name: value(path, name) for name in FILES} == FILES
    answer = api.post(f"/containers/{container}/update", {"Memory": 128 << 20, "MemorySwap": -1, "CpuShares": 1024, "PidsLimit": -1})
    assert answer.status == 200, answer
    changed = {**FILES, "memory.max": str(128 << 20), "memory.swap.max": "max", "cpu.weight": "100", "pids.max": "max"}
    assert {name: value(path, name) for name in FILES} == changed
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    assert {name: value(path, name) for name in FILES} == changed


def test_only_its_own_cgroup_is_seen_and_it_is_read_only(api):
    container = api.run("sleep", "300", host={"Memory": 50 << 20})
    code, out, _ = api.execute(container, "sh", "-c", "cat /proc/self/cgroup /sys/fs/cgroup/memory.max; echo 1 > /sys/fs/cgroup/memory.max || echo refused; ls -d /sys/fs/cgroup/*.slice 2>/dev/null")
    assert out == f"0::/\n{50 << 20}\nrefused\n", out
    shared = api.run("sleep", "300", host={"CgroupnsMode": "host"})
    assert api.execute(shared, "cat", "/proc/self/cgroup")[1] == f"0::{group_of(api, shared)}\n"
    assert api.inspect(container)["HostConfig"]["CgroupnsMode"] == "private"


def test_freezing(api):
    container = api.run("sh", "-c", "while :; do date +%s%N > /tmp/now; done")
    path = group_of(api, container)
    assert api.post(f"/containers/{container}/pause").status == 204
    assert "frozen 1" in value(path, "cgroup.events") and api.state(container)["Paused"]
    assert api.post(f"/containers/{container}/unpause").status == 204
    assert "frozen 0" in value(path, "cgroup.events")
    api.post(f"/containers/{container}/pause")
    assert api.delete(f"/containers/{container}?force=1").status == 204


def test_out_of_memory(api):
    container = api.run("tail", "/dev/zero", host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    assert api.wait(container) == 137
    wait_until(lambda: api.state(container)["OOMKilled"], 10, "OOMKilled")
    # The unit of a scope that ended so is a failed one: the next start must not stumble over it.
    api.start(container)
    assert api.wait(container) == 137


def test_devices_are_denied_by_program_and_allowed_by_name(api):
    probe = "mknod /tmp/mem c 1 1; mknod /tmp/full c 1 7; for d in mem full; do head -c 1 /tmp/$d >/dev/null 2>&1 && echo $d opened || echo $d refused; done"
    container = api.run("sleep", "300")
    assert api.execute(container, "sh", "-c", probe)[1] == "mem refused\nfull opened\n"
    privileged = api.run("sleep", "300", host={"Privileged": True})
    assert api.execute(privileged, "sh", "-c", "mknod /tmp/blk b 254 0; head -c 1 /tmp/blk >/dev/null && echo opened")[1] == "opened\n"
    named = api.run("sleep", "300", host={"Devices": [{"PathOnHost": "/dev/vda", "PathInContainer": "/dev/disk", "CgroupPermissions": "r"}]})
    assert api.execute(named, "sh", "-c", "head -c 1 /dev/disk >/dev/null && echo read; true 2>/dev/null >>/dev/disk || echo not written")[1] == "read\nnot written\n"


def test_stats_are_those_of_version_2(api):
    container = api.run("sh", "-c", "dd if=/dev/zero of=/file bs=1M count=8 2>/dev/null; sync; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 300", host={"Memory": 64 << 20})
    path = group_of(api, container)
    wait_until(lambda: int(value(path, "cpu.stat").split()[1]) > 200_000, 60, "some work")
    stats = api.get(f"/containers/{container}/stats?stream=0&one-shot=1").json()
    cpu = stats["cpu_stats"]["cpu_usage"]
    assert "percpu_usage" not in cpu and 200_000_000 < cpu["total_usage"] and cpu["usage_in_usermode"] + cpu["usage_in_kernelmode"] <= cpu["total_usage"] + 1000
    memory = stats["memory_stats"]
    assert memory["limit"] == 64 << 20 and 0 < memory["usage"] <= memory["limit"] and "max_usage" not in memory
    assert {"anon", "file", "inactive_file", "pgfault", "slab"} <= set(memory["stats"])
    assert stats["pids_stats"]["current"] >= 1 and stats["pids_stats"]["limit"] == 2**64 - 1
    assert all(stats["blkio_stats"][name] is None for name in stats["blkio_stats"] if name != "io_service_bytes_recursive")
    assert {entry["op"] for entry in stats["blkio_stats"]["io_service_bytes_recursive"] or []} <= {"read", "write"}


def test_an_exec_finds_a_container_that_has_moved_into_a_sub_group(api):
    # What docker-in-docker and systemd in a container do: a group that hands controllers down takes no process any more.
    script = "mkdir /sys/fs/cgroup/init && for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p > /sys/fs/cgroup/init/cgroup.procs; done; echo +memory > /sys/fs/cgroup/cgroup.subtree_control && echo moved; sleep 300"
    container = api.run("sh", "-c", script, host={"Privileged": True})
    wait_until(lambda: api.logs(container)[0] == "moved\n", 20, "the move")
    code, out, error = api.execute(container, "cat", "/proc/self/cgroup")
    assert (code, out) == (0, "0::/init\n"), error


def test_restarts_and_ends_leave_no_unit_and_no_directory(api):
    container = api.run("sleep", "300")
    for _ in range(3):
        assert api.post(f"/containers/{container}/restart?t=0").status == 204
    path = group_of(api, container)
    api.post(f"/containers/{container}/kill")
    api.wait(container)
    wait_until(lambda: not os.path.exists(ROOT + path), 10, "the cgroup to go")
    listed = lambda: json.loads(subprocess.check_output(["systemctl", "list-units", "--all", "--output=json", f"proa-{container}.scope"]))
    wait_until(lambda: not listed(), 10, "the unit to go")


def test_a_parent_must_suit_the_driver(api):
    if api.engine.driver == "systemd":
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"CgroupParent": "/some/where"}})
        assert answer.status == 400 and 'valid slice named as "xxx.slice"' in answer.json()["message"]
        container = api.run("sleep", "300", host={"CgroupParent": "proatest-inner.slice"})
        assert group_of(api, container) == f"/proatest.slice/proatest-inner.slice/proa-{container}.scope"
    else:
        container = api.run("sleep", "300", host={"CgroupParent": api.engine.cgroup_parent + "/inner"})
        assert group_of(api, container) == f"{api.engine.cgroup_parent}/inner/{container}"


def test_what_version_2_has_no_word_for_is_discarded_with_a_warning(api):
    answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"MemorySwappiness": 10, "OomKillDisable": True, "Memory": 32 << 20}})
    first, second = answer.json()["Warnings"]
    assert first.endswith("Memory swappiness discarded.") and second.endswith("OomKillDisable discarded."), answer
    assert api.post(f"/containers/{answer.json()['Id']}/start").status == 204
    answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"CpuRealtimeRuntime": 1000, "CpuRealtimePeriod": 100000}})
    assert answer.status == 400 and "real-time" in answer.json()["message"], answer
