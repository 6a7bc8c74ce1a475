"""Each flag of `create` ends in its field: one row a flag, seen by inspect."""
import json
import time

import pytest

# flags, where in inspect, what stands there
ROWS = [
    (["--add-host", "h:10.0.0.1"], "HostConfig.ExtraHosts", ["h:10.0.0.1"]),
    (["-a", "stdout"], "Config.AttachStderr", False),
    (["--cap-add", "NET_ADMIN"], "HostConfig.CapAdd", lambda value: [one.replace("CAP_", "") for one in value] == ["NET_ADMIN"]),
    (["--cap-drop", "ALL"], "HostConfig.CapDrop", ["ALL"]),
    (["--cgroup-parent", "/flags-test"], "HostConfig.CgroupParent", "/flags-test"),
    (["--cgroupns", "host"], "HostConfig.CgroupnsMode", "host"),
    (["--cpu-period", "50000"], "HostConfig.CpuPeriod", 50000),
    (["--cpu-quota", "25000"], "HostConfig.CpuQuota", 25000),
    (["-c", "512"], "HostConfig.CpuShares", 512),
    (["--cpus", "0.5"], "HostConfig.NanoCpus", 500000000),
    (["--cpuset-cpus", "0"], "HostConfig.CpusetCpus", "0"),
    (["--cpuset-mems", "0"], "HostConfig.CpusetMems", "0"),
    (["--device", "/dev/null:/dev/n:r"], "HostConfig.Devices", [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/n", "CgroupPermissions": "r"}]),
    (["--device-cgroup-rule", "c 1:3 rwm"], "HostConfig.DeviceCgroupRules", ["c 1:3 rwm"]),
    (["--device-read-bps", "/dev/zero:1mb"], "HostConfig.BlkioDeviceReadBps", [{"Path": "/dev/zero", "Rate": 1048576}]),
    (["--device-write-bps", "/dev/zero:1mb"], "HostConfig.BlkioDeviceWriteBps", [{"Path": "/dev/zero", "Rate": 1048576}]),
    (["--device-read-iops", "/dev/zero:100"], "HostConfig.BlkioDeviceReadIOps", [{"Path": "/dev/zero", "Rate": 100}]),
    (["--device-write-iops", "/dev/zero:100"], "HostConfig.BlkioDeviceWriteIOps", [{"Path": "/dev/zero", "Rate": 100}]),
    (["--gpus", "all"], "HostConfig.DeviceRequests", lambda value: value[0]["Count"] == -1 and value[0]["Capabilities"] == [["gpu"]] and not value[0].get("Options")),
    (["--disable-content-trust"], "Config.Image", "busybox"),
    (["--dns", "10.0.0.2"], "HostConfig.Dns", ["10.0.0.2"]),
    (["--dns-opt", "ndots:2"], "HostConfig.DnsOptions", ["ndots:2"]),
    (["--dns-option", "ndots:3"], "HostConfig.DnsOptions", ["ndots:3"]),
    (["--dns-search", "example.org"], "HostConfig.DnsSearch", ["example.org"]),
    (["--domainname", "example.org"], "Config.Domainname", "example.org"),
    (["--expose", "81/udp"], "Config.ExposedPorts", {"81/udp": {}}),
    (["--group-add", "42"], "HostConfig.GroupAdd", ["42"]),
    (["--init"], "HostConfig.Init", True),
    (["--ipc", "shareable"], "HostConfig.IpcMode", "shareable"),
    (["--isolation", "default"], "HostConfig.Isolation", lambda value: value in ("", "default")),
    (["--log-driver", "none"], "HostConfig.LogConfig.Type", "none"),
    (["--log-opt", "max-size=1m"], "HostConfig.LogConfig.Config", {"max-size": "1m"}),
    (["-m", "64m", "--memory-reservation", "32m"], "HostConfig.MemoryReservation", 32 << 20),
    (["-m", "64m", "--memory-swap", "-1"], "HostConfig.MemorySwap", -1),
    (["-m", "64m", "--memory-swappiness", "20"], "HostConfig.MemorySwappiness", lambda value: value in (20, None)),
    (["-m", "64m", "--oom-kill-disable"], "HostConfig.OomKillDisable", lambda value: value in (True, None)),
    (["--oom-score-adj", "100"], "HostConfig.OomScoreAdj", 100),
    (["--pids-limit", "50"], "HostConfig.PidsLimit", 50),
    (["--privileged"], "HostConfig.Privileged", True),
    (["-P"], "HostConfig.PublishAllPorts", True),
    (["--publish-all"], "HostConfig.PublishAllPorts", True),
    (["--read-only"], "HostConfig.ReadonlyRootfs", True),
    (["--shm-size", "10m"], "HostConfig.ShmSize", 10 << 20),
    (["--stop-signal", "SIGINT"], "Config.StopSignal", "SIGINT"),
    (["--stop-timeout", "3"], "Config.StopTimeout", 3),
    (["--sysctl", "net.ipv4.ip_forward=1"], "HostConfig.Sysctls", {"net.ipv4.ip_forward": "1"}),
    (["--tmpfs", "/scratch:size=1m"], "HostConfig.Tmpfs", {"/scratch": "size=1m"}),
    (["--ulimit", "nofile=100:200"], "HostConfig.Ulimits", [{"Name": "nofile", "Hard": 200, "Soft": 100}]),
    (["--userns", "host"], "HostConfig.UsernsMode", "host"),
    (["--uts", "host"], "HostConfig.UTSMode", "host"),
    (["--health-cmd", "true", "--health-start-period", "5s", "--health-retries", "4"], "Config.Healthcheck", {"Test": ["CMD-SHELL", "true"], "StartPeriod": 5000000000, "Retries": 4}),
    (["--volume-driver", "local"], "HostConfig.VolumeDriver", "local"),
    (["--mount", "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770"], "HostConfig.Mounts", [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"SizeBytes": 1048576, "Mode": 0o1770}}]),
]


def find(document, path):
    for part in path.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


@pytest.mark.parametrize("flags, place, wanted", ROWS, ids=[" ".join(row[0]) for row in ROWS])
def test_a_flag_ends_in_its_field(docker, flags, place, wanted):
    container = docker.output("create", *flags, "busybox", "true").splitlines()[-1]
    value = find(json.loads(docker.output("inspect", container))[0], place)
    assert wanted(value) if callable(wanted) else value == wanted, value


def test_labels_of_a_file(docker, tmp_path):
    (tmp_path / "labels").write_text("# a comment\none=1\ntwo=2 words\n")
    container = docker.output("create", "--label-file", tmp_path / "labels", "-l", "three=3", "busybox")
    labels = json.loads(docker.output("inspect", "-f", "{{json .Config.Labels}}", container))
    assert (labels["one"], labels["two"], labels["three"]) == ("1", "2 words", "3")


@pytest.mark.proa  # Docker keeps them without a word
def test_what_only_windows_has_is_kept_and_warned_of(api):
    fields = {"CpuCount": 2, "CpuPercent": 10, "IOMaximumIOps": 3, "IOMaximumBandwidth": 4}
    created = api.post("/containers/create", {"Image": "busybox", "HostConfig": fields})
    assert created.status == 201
    assert created.json()["Warnings"] == [f"{field} is for Windows: it limits nothing on Linux." for field in fields]
    host = api.inspect(created.json()["Id"])["HostConfig"]
    assert {field: host[field] for field in fields} == fields
    api.delete("/containers/" + created.json()["Id"])


def test_realtime_scheduling_is_checked(docker):
    done = docker("create", "--cpu-rt-period", "100000", "--cpu-rt-runtime", "200000", "busybox")
    assert done.returncode != 0 and ("real-time" in done.stderr)


@pytest.mark.parametrize("flags, field, wanted", [(["--cpu-period", "60000", "--cpu-quota", "30000"], "CpuQuota", 30000), (["--cpuset-mems", "0"], "CpusetMems", "0"), (["--memory", "64m", "--memory-swap", "64m", "--memory-reservation", "32m"], "MemoryReservation", 32 << 20),
                                                  (["--blkio-weight", "200"], "BlkioWeight", None)])
def test_update_changes_fields(docker, name, flags, field, wanted):
    docker("run", "-d", "--name", name, "busybox", "sleep", "100", check=0)
    done = docker("update", *flags, name)
    value = json.loads(docker.output("inspect", name))[0]["HostConfig"][field]
    assert (value in (0, 200)) if wanted is None else (done.returncode == 0 and value == wanted), (done, value)


def test_a_weight_of_a_device(docker):
    container = docker.output("create", "--blkio-weight", "300", "--blkio-weight-device", "/dev/zero:200", "busybox").splitlines()[-1]
    assert json.loads(docker.output("inspect", container))[0]["HostConfig"]["BlkioWeightDevice"] in ([], None, [{"Path": "/dev/zero", "Weight": 200}])


@pytest.mark.modern
def test_annotations(docker):
    assert docker.inspect(docker.output("create", "--annotation", "a=b", "busybox"), "{{json .HostConfig.Annotations}}") == '{"a":"b"}'


@pytest.mark.proa  # Docker wants more capabilities than a test machine may have
def test_exec_can_be_privileged(docker, name):
    docker("run", "-d", "--name", name, "busybox", "sleep", "100", check=0)
    plain = docker.output("exec", name, "grep", "CapEff", "/proc/self/status")
    assert int(docker.output("exec", "--privileged", name, "grep", "CapEff", "/proc/self/status").split()[1], 16) > int(plain.split()[1], 16)


def test_details_stats_and_attach(docker, name):
    docker("run", "-d", "--name", name, "--label", "k=v", "--log-opt", "labels=k", "busybox", "sh", "-c", "echo line; sleep 100", check=0)
    assert docker.output("logs", "--details", name) in ("k=v line", "k=v  line")
    assert name in docker.output("stats", "--no-stream", "--format", "{{.Name}}", name)
    attached = docker.spawn("attach", "--no-stdin", name)
    time.sleep(0.7)
    docker("kill", name, check=0)
    assert attached.wait(10) == 137


def test_odd_fields_of_the_body(api):
    container = api.create("true", Shell=["/bin/ash", "-c"], ArgsEscaped=True, NetworkDisabled=True)
    seen = api.inspect(container)
    assert seen["Config"]["Shell"] == ["/bin/ash", "-c"] and seen["HostConfig"]["NetworkMode"] in ("none", "bridge", "default")


@pytest.mark.modern
def test_the_start_interval(docker):
    container = docker.output("create", "--health-cmd", "true", "--health-start-interval", "2s", "busybox")
    assert json.loads(docker.inspect(container, "{{json .Config.Healthcheck}}")) == {"Test": ["CMD-SHELL", "true"], "StartInterval": 2000000000}
