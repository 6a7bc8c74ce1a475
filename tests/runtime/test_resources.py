"""linux.resources in the kernel's files, at the start and by update. Spec: config-linux.md, Control groups."""
import json
import os
import pathlib
import subprocess

import pytest

V1 = os.path.isdir("/sys/fs/cgroup/memory")
MB = 1 << 20
BLOCK = next((line.split()[0:2] for line in pathlib.Path("/proc/partitions").read_text().splitlines()[2:] if line.split()[3] in ("vda", "sda", "nvme0n1")), None)


def resources(**changes):
    return {"linux": {"resources": changes}}


# what is asked, (v1 file, what it says), (v2 file, what it says)
LIMITS = [
    ({"memory": {"limit": 64 * MB}}, ("memory/memory.limit_in_bytes", str(64 * MB)), ("memory.max", str(64 * MB))),
    ({"memory": {"limit": 64 * MB, "swap": 96 * MB}}, ("memory/memory.memsw.limit_in_bytes", str(96 * MB)), ("memory.swap.max", str(32 * MB))),
    ({"memory": {"reservation": 32 * MB}}, ("memory/memory.soft_limit_in_bytes", str(32 * MB)), ("memory.low", str(32 * MB))),
    ({"cpu": {"shares": 512}}, ("cpu/cpu.shares", "512"), ("cpu.weight", "59")),
    ({"cpu": {"quota": 50000, "period": 100000}}, ("cpu/cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000")),
    ({"cpu": {"quota": 20000, "period": 40000}}, ("cpu/cpu.cfs_period_us", "40000"), ("cpu.max", "20000 40000")),
    ({"cpu": {"cpus": "0"}}, ("cpuset/cpuset.cpus", "0"), ("cpuset.cpus", "0")),
    ({"cpu": {"mems": "0"}}, ("cpuset/cpuset.mems", "0"), ("cpuset.mems", "0")),
    ({"pids": {"limit": 33}}, ("pids/pids.max", "33"), ("pids.max", "33")),
    ({"pids": {"limit": -1}}, ("pids/pids.max", "max"), ("pids.max", "max")),
    ({"pids": {"limit": 0}}, ("pids/pids.max", "max"), ("pids.max", "max")),
]
V1_ONLY = [
    ({"memory": {"swappiness": 17}}, "memory/memory.swappiness", "17"),
    ({"memory": {"disableOOMKiller": True}}, "memory/memory.oom_control", "oom_kill_disable 1"),
    ({"cpu": {"realtimeRuntime": 5000, "realtimePeriod": 900000}}, "cpu/cpu.rt_runtime_us", "5000"),
    ({"cpu": {"realtimeRuntime": 5000, "realtimePeriod": 900000}}, "cpu/cpu.rt_period_us", "900000"),
]
NEW = [
    ({"cpu": {"idle": 1}}, ("cpu/cpu.idle", "1"), ("cpu.idle", "1")),
    ({"cpu": {"quota": 50000, "burst": 20000}}, ("cpu/cpu.cfs_burst_us", "20000"), ("cpu.max.burst", "20000")),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MB}]}, ("hugetlb/hugetlb.2MB.limit_in_bytes", str(4 * MB)), ("hugetlb.2MB.max", str(4 * MB))),
    ({"unified": {"hugetlb.2MB.max": str(6 * MB)}}, ("none/none", ""), ("hugetlb.2MB.max", str(6 * MB))),
]


def check(runtime, name, v1, v2):
    (file, text), (new_file, new_text) = v1, v2
    found = runtime.group_file(name, file, new_file)
    assert found.splitlines()[0] == (text if V1 and os.path.isdir("/sys/fs/cgroup/" + file.split("/")[0]) else new_text)


@pytest.mark.parametrize("wanted,v1,v2", LIMITS + NEW, ids=lambda value: json.dumps(value) if isinstance(value, dict) else "")
def test_a_limit(runtime, wanted, v1, v2):
    if V1 and v1[0].split("/")[0] in ("hugetlb", "none") and not os.path.exists("/sys/fs/cgroup/unified/cgroup.controllers"):
        pytest.skip("no hierarchy carries the controller")
    check(runtime, runtime.start_detached("sleep", "100", **resources(**wanted)), v1, v2)


@pytest.mark.skipif(not V1, reason="cgroup v2 does not know it")
@pytest.mark.parametrize("wanted,file,text", V1_ONLY)
def test_a_limit_of_version_1(runtime, wanted, file, text):
    name = runtime.start_detached("sleep", "100", **resources(**wanted))
    assert runtime.group_file(name, file, "").splitlines()[0] == text


@pytest.mark.skipif(not BLOCK or not (V1 and os.path.isdir("/sys/fs/cgroup/blkio")), reason="needs a disk and the blkio controller")
@pytest.mark.parametrize("kind,file", [("throttleReadBpsDevice", "read_bps"), ("throttleWriteBpsDevice", "write_bps"), ("throttleReadIOPSDevice", "read_iops"), ("throttleWriteIOPSDevice", "write_iops")])
def test_a_throttle(runtime, kind, file):
    major, minor = map(int, BLOCK)
    name = runtime.start_detached("sleep", "100", **resources(blockIO={kind: [{"major": major, "minor": minor, "rate": 1048576}]}))
    assert runtime.group_file(name, f"blkio/blkio.throttle.{file}_device", "") == f"{major}:{minor} 1048576"


UPDATES = [
    (["--memory", "128m"], ("memory/memory.limit_in_bytes", str(128 * MB)), ("memory.max", str(128 * MB))),
    (["--memory", str(32 * MB), "--memory-swap", str(48 * MB)], ("memory/memory.memsw.limit_in_bytes", str(48 * MB)), ("memory.swap.max", str(16 * MB))),
    (["--memory-reservation", str(16 * MB)], ("memory/memory.soft_limit_in_bytes", str(16 * MB)), ("memory.low", str(16 * MB))),
    (["--cpu-share", "200"], ("cpu/cpu.shares", "200"), ("cpu.weight", "29")),
    (["--cpu-period", "20000", "--cpu-quota", "10000"], ("cpu/cpu.cfs_quota_us", "10000"), ("cpu.max", "10000 20000")),
    (["--cpuset-cpus", "0"], ("cpuset/cpuset.cpus", "0"), ("cpuset.cpus", "0")),
    (["--cpuset-mems", "0"], ("cpuset/cpuset.mems", "0"), ("cpuset.mems", "0")),
    (["--pids-limit", "12"], ("pids/pids.max", "12"), ("pids.max", "12")),
]
NEW_UPDATES = [
    (["--cpu-quota", "50000", "--cpu-burst", "1000"], ("cpu/cpu.cfs_burst_us", "1000"), ("cpu.max.burst", "1000")),
    (["--cpu-idle", "1"], ("cpu/cpu.idle", "1"), ("cpu.idle", "1")),
]


@pytest.mark.parametrize("flags,v1,v2", UPDATES + NEW_UPDATES, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_update(runtime, flags, v1, v2):
    name = runtime.start_detached("sleep", "100", **resources(memory={"limit": 64 * MB}))
    done = runtime("update", *flags, name)
    assert done.code == 0, done
    check(runtime, name, v1, v2)


@pytest.mark.parametrize("by_stdin", [True, False])
def test_update_from_json(runtime, by_stdin):
    name = runtime.start_detached("sleep", "100")
    file = runtime.directory / "resources.json"
    file.write_text(json.dumps({"memory": {"limit": 96 * MB}, "pids": {"limit": 9}}))
    with open(file, "rb") as stream:
        done = runtime("update", "--resources", "-" if by_stdin else str(file), name, stdin=stream)
    assert done.code == 0, done
    check(runtime, name, ("memory/memory.limit_in_bytes", str(96 * MB)), ("memory.max", str(96 * MB)))
    check(runtime, name, ("pids/pids.max", "9"), ("pids.max", "9"))


def test_update_keeps_the_devices(runtime):
    name = runtime.start_detached("sleep", "100")
    assert runtime("update", "--pids-limit", "50", name).code == 0
    done = runtime("exec", name, "sh", "-c", "echo x > /dev/null && echo fine")
    assert done.out == "fine\n", done


@pytest.mark.parametrize("flags,word", [(["--memory", "x"], "memory"), (["--pids-limit", "many"], "pids-limit"), (["--l3-cache-schema", "L3:0=f"], "l3-cache-schema"), (["--mem-bw-schema", "MB:0=20"], "mem-bw-schema"),
                                        (["--resources", "/nosuch/file"], "/nosuch/file"), (["--cpuset-cpus", "4000"], "cpu")])
def test_update_refuses_what_cannot_be(runtime, flags, word):
    name = runtime.start_detached("sleep", "100")
    done = runtime("update", *flags, name)
    assert done.code != 0 and (word in done.err.lower() or not runtime.is_ours), done


def test_update_of_a_stopped_container_is_refused(runtime):
    name = runtime.start_detached("true")
    runtime.wait_for(name, "stopped")
    assert runtime("update", "--pids-limit", "5", name).code != 0


def test_the_pids_limit_binds(runtime):
    done = runtime.run("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait", **resources(pids={"limit": 4}))
    assert "fork" in done.err.lower(), done


def test_a_pids_limit_of_zero_is_a_limit_since_1_3(runtime):
    name = runtime.start_detached("sleep", "100", ociVersion="1.3.0", **resources(pids={"limit": 0}))
    check(runtime, name, ("pids/pids.max", "0"), ("pids.max", "0"))


def test_the_memory_limit_binds(runtime):
    done = runtime.run("dd if=/dev/zero of=/dev/null bs=64M count=1; echo survived", **resources(memory={"limit": 16 * MB, "swap": 16 * MB}))
    assert "survived" not in done.out or "Killed" in done.err or done.code == 137, done


def test_a_limit_below_what_is_in_use_is_refused_when_asked_to_look(runtime):
    name = runtime.start_detached("sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=20; sleep 100")
    for _ in range(100):
        if runtime("exec", name, "sh", "-c", "test $(stat -c %s /dev/shm/x) = 20971520").code == 0:
            break
    file = runtime.directory / "r.json"
    file.write_text(json.dumps({"memory": {"limit": 8 * MB, "checkBeforeUpdate": True}}))
    done = runtime("update", "--resources", str(file), name)
    assert done.code != 0
    assert "checkBeforeUpdate" in done.err or not runtime.is_ours


@pytest.mark.parametrize("wanted,word", [
    ({"memory": {"limit": "64m"}}, "linux.resources.memory.limit"), ({"cpu": {"cpus": "500"}}, "cpu"), ({"cpu": {"cpus": "x"}}, "cpu"), ({"pids": {"limit": "5"}}, "linux.resources.pids.limit"),
    ({"devices": [{"allow": True, "type": "x"}]}, "device"), ({"devices": [{"allow": True, "type": "c", "access": "rwz"}]}, "device"),
    ({"unified": {"memory.nosuch": "1"}}, "memory.nosuch"), ({"unified": {"../escape": "1"}}, "../escape"), ({"unified": {"cgroup.procs": "1"}}, "cgroup.procs"),
    ({"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}, "huge page"), ({"hugepageLimits": [{"pageSize": "../x", "limit": 1}]}, "pageSize"), ({"rdma": {"mlx5_0": {"hcaHandles": 1}}}, "rdma"),
    ({"network": {"classID": 5}}, "network class"), ({"network": {"priorities": [{"name": "lo", "priority": 1}]}}, "priorit"), ({"cpu": {"quota": 5}}, "cpu quota"),
    ({"blockIO": {"throttleReadBpsDevice": [{"major": 250, "minor": 77, "rate": 5}]}}, "block i/o")])
def test_a_resource_that_cannot_be_honoured_is_refused_by_name(runtime, wanted, word):
    if "network" in wanted and os.path.isdir("/sys/fs/cgroup/net_cls"):
        pytest.skip("this host can")
    runtime.refused(word, **resources(**wanted))


def devices(*rules):
    return resources(devices=[{"allow": False, "access": "rwm"}, *rules])


@pytest.mark.parametrize("rules,script,fine", [
    ([], "mknod /tmp/d c 10 200 && echo made", True),
    ([], "mknod /tmp/d c 10 229 && cat /tmp/d", False),
    ([{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}], "mknod /tmp/d c 10 229 && true < /tmp/d && echo fine", True),
    ([{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "w"}], "mknod /tmp/d c 10 229 && : < /tmp/d", False),
    ([{"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}, {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "rw"}], "mknod /tmp/d c 10 229 && : < /tmp/d", False),
    ([{"allow": True, "type": "c", "major": 10, "access": "rw"}], "mknod /tmp/d c 10 229 && : < /tmp/d", True),
    ([], "echo x > /dev/null && : < /dev/zero && : < /dev/urandom", True)])
def test_device_rules_bind(runtime, rules, script, fine):
    done = runtime.run(script, **devices(*rules))
    assert (done.code == 0) == fine, done


def test_allow_all_devices(runtime):
    done = runtime.run("mknod /tmp/d c 10 229 && : < /tmp/d", **resources(devices=[{"allow": True, "access": "rwm"}]))
    assert done.code == 0, done


@pytest.mark.parametrize("path,below", [("/oci-test/deep/{id}", "/oci-test/deep/{id}"), ("relative-{id}", "relative-{id}")])
def test_the_cgroup_path(runtime, path, below):
    runtime.ids.append("tcg" + runtime.directory.name[-6:])
    name = runtime.ids[-1]
    runtime.config("sleep", "100", linux={"cgroupsPath": path.format(id=name)})
    done = runtime("run", "-d", name)
    assert done.code == 0, done
    text = pathlib.Path(f"/proc/{runtime.state(name)['pid']}/cgroup").read_text()
    assert below.format(id=name) in text
    assert runtime("delete", "-f", name).code == 0
    assert not list(pathlib.Path("/sys/fs/cgroup").glob(f"*/**/{name}"))
    for directory in pathlib.Path("/sys/fs/cgroup").glob("*/oci-test/deep"):
        subprocess.run(["rmdir", "-p", "--ignore-fail-on-non-empty", directory], check=False, capture_output=True)


def test_sub_groups_are_removed_with_the_container(runtime):
    if not V1:
        pytest.skip("for v1")
    name = runtime.start_detached("sleep", "100")
    (pathlib.Path("/sys/fs/cgroup/pids") / name / "sub").mkdir()
    assert runtime("delete", "-f", name).code == 0
    assert not (pathlib.Path("/sys/fs/cgroup/pids") / name).exists()
