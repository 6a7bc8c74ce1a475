"""Fields of HostConfig that limit, share or give: seen in the kernel's files, or refused and warned about in Docker's words."""
import glob
import json
import os
import subprocess

import pytest

from support.cgroups import directory_of
from support.http import Http

V2 = os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def supports(controller, file):
    return any(os.path.exists(f"{mount}/{file}") for mount in glob.glob("/sys/fs/cgroup/*") if controller in os.path.basename(mount).split(","))


def block_device():
    for name in sorted(os.listdir("/sys/block")):
        if os.path.exists(f"/dev/{name}"):
            return f"/dev/{name}", open(f"/sys/block/{name}/dev").read().strip()
    return None, None


def create(api, **host):
    return api.post("/containers/create", {"Image": "busybox", "Cmd": ["sleep", "100"], "HostConfig": host})


@pytest.mark.skipif(V2 or not supports("blkio", "blkio.throttle.read_bps_device") or not block_device()[0], reason="needs blkio of cgroup v1 and a block device")
def test_block_throttles(api):
    path, number = block_device()
    rate = [{"Path": path, "Rate": 1048576}]
    container = api.run("sleep", "100", host={"BlkioDeviceReadBps": rate, "BlkioDeviceWriteBps": rate, "BlkioDeviceReadIOps": rate, "BlkioDeviceWriteIOps": rate})
    directory = directory_of(api, container, "blkio")
    for file in ("read_bps", "write_bps", "read_iops", "write_iops"):
        assert f"{number} 1048576" in open(f"{directory}/blkio.throttle.{file}_device").read()


def test_block_weight_is_set_or_warned_about(api):
    answer = create(api, BlkioWeight=300).json()
    if any("Block I/O weight" in warning for warning in answer["Warnings"] or []):
        assert answer["Warnings"] == ["Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded."]
        assert api.inspect(answer["Id"])["HostConfig"]["BlkioWeight"] == 0
    else:
        api.start(answer["Id"])
        directory = directory_of(api, answer["Id"], "blkio")
        assert "300" in "".join(open(file).read() for file in glob.glob(directory + "/blkio*weight"))


@pytest.mark.skipif(V2, reason="cgroup v1")
def test_swappiness(api):
    container = api.run("sleep", "100", host={"MemorySwappiness": 17, "Memory": 64 << 20})
    assert open(directory_of(api, container, "memory") + "/memory.swappiness").read().strip() == "17"
    assert create(api, MemorySwappiness=200).status == 400


def test_cpusets_are_checked(api):
    answer = create(api, CpusetCpus="999")
    assert answer.status == 400 and answer.message.startswith("Requested CPUs are not available - requested 999, available: ")
    answer = create(api, CpusetMems="99")
    assert answer.status == 400 and answer.message.startswith("Requested memory nodes are not available - requested 99, available: ")
    assert create(api, CpusetCpus="x").status == 400


def test_an_oom_killer_that_is_off_is_warned_about(api):
    answer = create(api, OomKillDisable=True).json()
    words = "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources."
    assert answer["Warnings"] in ([words], ["Your kernel does not support OomKillDisable. OomKillDisable discarded."])


@pytest.mark.skipif(V2, reason="cgroup v2 shows no list of devices")
def test_device_rules(api):
    container = api.run("sleep", "100", host={"DeviceCgroupRules": ["c 1:5 r", "c 99:* m"]})
    allowed = open(directory_of(api, container, "devices") + "/devices.list").read().splitlines()
    assert any(line.startswith("c 99:* ") for line in allowed) and any(line.startswith("c 1:5 ") for line in allowed)


@pytest.mark.proa  # Docker checks at the start
def test_bad_device_rules_are_named(api):
    for rule in ("c 1:3", "x 1:3 rwm", "c 1:3 rwx", "c a:3 r"):
        answer = create(api, DeviceCgroupRules=[rule])
        assert answer.status == 400 and answer.message == f"invalid device cgroup rule format: '{rule}'"


def test_ipc_of_another_container(api):
    donor = api.run("sh", "-c", "echo shared >/dev/shm/file; sleep 100", host={"IpcMode": "shareable"})
    guest = api.run("sleep", "100", host={"IpcMode": "container:" + donor})
    from support.waiting import wait_until
    wait_until(lambda: api.execute(guest, "cat", "/dev/shm/file")[1] == "shared\n", 5, "the file")
    api.execute(guest, "sh", "-c", "echo back >/dev/shm/answer")
    assert api.execute(donor, "cat", "/dev/shm/answer")[1] == "back\n"
    assert os.readlink(f"/proc/{api.state(donor)['Pid']}/ns/ipc") == os.readlink(f"/proc/{api.state(guest)['Pid']}/ns/ipc")


def test_a_private_ipc_is_not_shared(api):
    donor = api.run("sleep", "100", host={"IpcMode": "private"})
    guest = api.create("sleep", "100", host={"IpcMode": "container:" + donor})
    answer = api.post(f"/containers/{guest}/start")
    assert answer.status >= 400 and "non-shareable IPC (hint: use IpcMode:shareable for the donor container)" in answer.message


def test_ipc_modes(api):
    none = api.run("sleep", "100", host={"IpcMode": "none"})
    assert " /dev/shm " not in api.execute(none, "cat", "/proc/mounts")[1]
    host = api.run("sleep", "100", host={"IpcMode": "host"})
    assert os.readlink(f"/proc/{api.state(host)['Pid']}/ns/ipc") == os.readlink("/proc/self/ns/ipc")


@pytest.mark.modern
def test_bad_modes_are_named(api):
    for field in ("IpcMode", "PidMode", "UTSMode"):
        assert create(api, **{field: "nonsense"}).status == 400


def test_pid_and_uts_modes(api):
    donor = api.run("sleep", "111")
    guest = api.run("sleep", "222", host={"PidMode": "container:" + donor})
    assert "sleep 111" in api.execute(guest, "ps")[1]
    uts = api.run("hostname", host={"UTSMode": "host"})
    api.wait(uts)
    assert api.logs(uts)[0].strip() == os.uname().nodename


def test_groups_are_added(api):
    container = api.run("id", "-G", host={"GroupAdd": ["4242"]}, User="1000:1000")
    api.wait(container)
    assert "4242" in api.logs(container)[0].split()


def test_storage_options_are_refused_as_without_quota(api):
    answer = create(api, StorageOpt={"size": "10G"})
    assert answer.status >= 400 and "--storage-opt is supported only for" in answer.message


def test_gpus_need_a_driver(api):
    container = api.create("true", host={"DeviceRequests": [{"Count": -1, "Capabilities": [["gpu"]]}]})
    answer = api.post(f"/containers/{container}/start")
    assert answer.status == 500 and 'could not select device driver "" with capabilities: [[gpu]]' in answer.message


CDI_YAML = """---
cdiVersion: 0.6.0
containerEdits:
  env:
  - ALL=1
devices:
- containerEdits:
    deviceNodes:
    - hostPath: /dev/full
      path: /dev/thing
    env: [ONE=1]
    mounts:
    - containerPath: /opt/library
      hostPath: LIBRARY
      options:
      - ro
      - bind
  name: one
kind: proa.test/thing
"""


@pytest.mark.proa
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_cdi_devices(api, docker, tmp_path, form):
    os.makedirs("/run/cdi", exist_ok=True)
    path = f"/run/cdi/proa-test-{os.getpid()}.{form}"
    (tmp_path / "library").write_text("mounted")
    spec = {"cdiVersion": "0.6.0", "kind": "proa.test/thing", "containerEdits": {"env": ["ALL=1"]},
            "devices": [{"name": "one", "containerEdits": {"env": ["ONE=1"], "deviceNodes": [{"path": "/dev/thing", "hostPath": "/dev/full"}],
                                                           "mounts": [{"hostPath": str(tmp_path / "library"), "containerPath": "/opt/library", "options": ["ro", "bind"]}]}}]}
    with open(path, "w") as file:
        file.write(json.dumps(spec) if form == "json" else CDI_YAML.replace("LIBRARY", str(tmp_path / "library")))
    try:
        container = api.run("sh", "-c", "echo $ALL$ONE; cat /opt/library; echo; echo x >/dev/thing || true", host={"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["proa.test/thing=one"]}]})
        api.wait(container)
        out, err = api.logs(container)
        assert out.split() == ["11", "mounted"] and "No space left" in err
        missing = api.create("true", host={"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["proa.test/thing=two"]}]})
        answer = api.post(f"/containers/{missing}/start")
        assert answer.status >= 400 and "unresolvable CDI devices proa.test/thing=two" in answer.message
    finally:
        os.remove(path)


@pytest.mark.proa  # Docker 20.10 looks at the start
def test_userns_mode(api):
    assert create(api, UsernsMode="host").status == 201
    assert create(api, UsernsMode="nonsense").status >= 400


def test_annotations_are_kept(api):
    container = create(api, Annotations={"a": "b"}).json()["Id"]
    assert api.inspect(container)["HostConfig"].get("Annotations", {"a": "b"}) == {"a": "b"}


def test_cdi_can_be_switched_off(private_engine):
    private_engine.write_config({"features": {"cdi": False}})
    private_engine.start()
    private_engine.load()
    http = Http(private_engine.socket)
    request = {"Driver": "cdi", "DeviceIDs": ["vendor.com/device=one"]}
    created = http.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"DeviceRequests": [request]}}).json()["Id"]
    started = http.post(f"/containers/{created}/start")
    assert started.status == 500 and 'could not select device driver "cdi"' in started.message, started
