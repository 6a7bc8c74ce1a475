"""Limits, seen where the kernel keeps them, and from inside."""
import glob
import os

import pytest

from support.cgroups import directory_of


def cgroup_value(api, container, controller, v1_name, v2_name):
    """The value in the container's own cgroup, on v1 or v2."""
    if directory := directory_of(api, container, controller):
        return open(f"{directory}/{v1_name}").read().strip()
    pid = api.state(container)["Pid"]
    for line in open(f"/proc/{pid}/cgroup"):
        if line.startswith("0::"):
            path = line.strip()[3:]
            for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                if os.path.exists(f"{root}{path}/{v2_name}"):
                    return open(f"{root}{path}/{v2_name}").read().strip()
    raise AssertionError(f"no {controller} cgroup of {pid}")


V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def test_memory(api):
    container = api.run("sleep", "100", host={"Memory": 64 << 20, "MemorySwap": 64 << 20, "MemoryReservation": 32 << 20})
    assert cgroup_value(api, container, "memory", "memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert cgroup_value(api, container, "memory", "memory.soft_limit_in_bytes", "memory.low") == str(32 << 20)


def test_out_of_memory(api, events):
    container = api.run("sh", "-c", "head -c 100000000 /dev/zero | tail >/dev/null", host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    seen = events(container=[container], event=["oom"])
    assert api.wait(container) in (137, 1, 0)
    del seen


def test_out_of_memory_of_the_main_process(api):
    container = api.run("tail", "/dev/zero", host={"Memory": 16 << 20, "MemorySwap": 16 << 20})
    assert api.wait(container) == 137
    from support.waiting import wait_until
    wait_until(lambda: api.state(container)["OOMKilled"], 5, "OOMKilled")


def test_cpus(api):
    container = api.run("sleep", "100", host={"NanoCpus": 500000000})
    if V2:
        assert cgroup_value(api, container, "cpu", "", "cpu.max") == "50000 100000"
    else:
        quota = int(cgroup_value(api, container, "cpu", "cpu.cfs_quota_us", ""))
        assert quota / int(cgroup_value(api, container, "cpu", "cpu.cfs_period_us", "")) == 0.5


def test_cpu_shares_quota_cpuset(api):
    container = api.run("sleep", "100", host={"CpuShares": 512, "CpuQuota": 20000, "CpuPeriod": 50000, "CpusetCpus": "0"})
    if not V2:
        assert cgroup_value(api, container, "cpu", "cpu.shares", "") == "512"
        assert cgroup_value(api, container, "cpu", "cpu.cfs_quota_us", "") == "20000"
        assert cgroup_value(api, container, "cpu", "cpu.cfs_period_us", "") == "50000"
    assert cgroup_value(api, container, "cpuset", "cpuset.cpus", "cpuset.cpus") == "0"


def test_pids(api):
    container = api.run("sleep", "100", host={"PidsLimit": 20})
    assert cgroup_value(api, container, "pids", "pids.max", "pids.max") == "20"
    code, _, err = api.execute(container, "sh", "-c", "for i in $(seq 1 50); do sleep 5 & done; exit 0")
    assert "can't fork" in err


def test_no_limit_unless_asked(api):
    container = api.run("sleep", "100")
    assert cgroup_value(api, container, "pids", "pids.max", "pids.max") == "max"
    assert cgroup_value(api, container, "memory", "memory.limit_in_bytes", "memory.max") in ("max", "9223372036854771712")


def test_devices(api):
    container = api.run("sh", "-c", "mknod /blk b 8 0; dd if=/blk of=/dev/null bs=1 count=1 2>&1; echo ok > /dev/null && head -c 1 /dev/zero | wc -c; ls -l /dev/null")
    api.wait(container)
    text = api.logs(container)[0]
    assert "Operation not permitted" in text and "\n1\n" in text
    device = api.run("sh", "-c", "ls -l /dev/full2 | cut -c1-1; echo x > /dev/full2", host={"Devices": [{"PathOnHost": "/dev/full", "PathInContainer": "/dev/full2", "CgroupPermissions": "rwm"}]})
    api.wait(device)
    out, err = api.logs(device)
    assert out == "c\n" and "No space left" in err


def test_update(api):
    container = api.run("sleep", "100", host={"Memory": 64 << 20, "MemorySwap": -1})
    answer = api.post(f"/containers/{container}/update", {"Memory": 128 << 20, "MemorySwap": -1, "PidsLimit": 33, "CpuShares": 300})
    assert answer.status == 200, answer
    assert cgroup_value(api, container, "memory", "memory.limit_in_bytes", "memory.max") == str(128 << 20)
    assert cgroup_value(api, container, "pids", "pids.max", "pids.max") == "33"
    assert api.inspect(container)["HostConfig"]["Memory"] == 128 << 20


def test_cgroup_parent(api):
    parent = api.engine.cgroup_parent + "/special"
    container = api.run("sleep", "100", host={"CgroupParent": parent})
    assert f"{parent}/{container}" in open(f"/proc/{api.state(container)['Pid']}/cgroup").read()


def test_default_cgroup_path_ends_in_the_id(api):
    container = api.run("sleep", "100")
    assert all(container in line for line in open(f"/proc/{api.state(container)['Pid']}/cgroup") if "pids" in line or "memory" in line or V2)


def test_cgroups_are_removed(api):
    container = api.run("sleep", "100")
    paths = [p for p in glob.glob(f"/sys/fs/cgroup/**/*{container}*", recursive=True)]
    assert paths
    api.delete(f"/containers/{container}?force=1")
    from support.waiting import wait_until
    wait_until(lambda: not any(os.path.exists(p) for p in paths))


def test_stats(api):
    container = api.run("sh", "-c", "while :; do :; done")
    body = api.get(f"/containers/{container}/stats?stream=0").json()
    assert body["id"] == container and body["read"] > body["preread"] > "2000"
    for key in ("pids_stats", "blkio_stats", "num_procs", "storage_stats", "cpu_stats", "precpu_stats", "memory_stats", "name", "networks"):
        assert key in body, key
    delta = body["cpu_stats"]["cpu_usage"]["total_usage"] - body["precpu_stats"]["cpu_usage"]["total_usage"]
    system = body["cpu_stats"]["system_cpu_usage"] - body["precpu_stats"]["system_cpu_usage"]
    assert delta > 0 and system > 0 and body["cpu_stats"]["online_cpus"] == os.cpu_count()
    assert body["pids_stats"]["current"] >= 1 and body["memory_stats"]["usage"] > 0
    assert body["memory_stats"]["limit"] == api.get("/info").json()["MemTotal"]
    assert {"rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped"} == set(body["networks"]["eth0"])


def test_stats_once_and_stream(api):
    container = api.run("sleep", "100")
    once = api.get(f"/containers/{container}/stats?stream=0&one-shot=1").json()
    assert once["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    if not api.engine.is_docker(20):
        assert api.get(f"/containers/{container}/stats?stream=1&one-shot=1").status == 400
    with api.open("GET", f"/containers/{container}/stats") as stream:
        objects = stream.objects()
        first, second = next(objects), next(objects)
        assert second["read"] > first["read"] and second["preread"] == first["read"]
    stopped = api.get(f"/containers/{api.create('true')}/stats?stream=0").json()
    assert stopped["read"] == "0001-01-01T00:00:00Z"
    assert api.get("/containers/nope/stats?stream=0").status == 404
