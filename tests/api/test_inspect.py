"""The shape of GET /containers/{id}/json: keys, null against {} and [], per API version."""
import re

import pytest

TOP = ["Id", "Created", "Path", "Args", "State", "Image", "ResolvConfPath", "HostnamePath", "HostsPath", "LogPath", "Name", "RestartCount", "Driver", "Platform",
       "MountLabel", "ProcessLabel", "AppArmorProfile", "ExecIDs", "HostConfig", "GraphDriver", "Mounts", "Config", "NetworkSettings"]
STATE = ["Status", "Running", "Paused", "Restarting", "OOMKilled", "Dead", "Pid", "ExitCode", "Error", "StartedAt", "FinishedAt"]
HOST = ["Binds", "ContainerIDFile", "LogConfig", "NetworkMode", "PortBindings", "RestartPolicy", "AutoRemove", "VolumeDriver", "VolumesFrom", "ConsoleSize", "CapAdd", "CapDrop",
        "CgroupnsMode", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "IpcMode", "Cgroup", "Links", "OomScoreAdj", "PidMode", "Privileged", "PublishAllPorts",
        "ReadonlyRootfs", "SecurityOpt", "UTSMode", "UsernsMode", "ShmSize", "Runtime", "Isolation", "CpuShares", "Memory", "NanoCpus", "CgroupParent", "BlkioWeight",
        "BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps", "CpuPeriod", "CpuQuota", "CpuRealtimePeriod",
        "CpuRealtimeRuntime", "CpusetCpus", "CpusetMems", "Devices", "DeviceCgroupRules", "DeviceRequests", "MemoryReservation", "MemorySwap", "MemorySwappiness",
        "OomKillDisable", "PidsLimit", "Ulimits", "CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth", "MaskedPaths", "ReadonlyPaths"]
CONFIG = ["Hostname", "Domainname", "User", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd", "Image", "Volumes", "WorkingDir",
          "Entrypoint", "OnBuild", "Labels"]
NETWORK = ["Bridge", "SandboxID", "SandboxKey", "Ports", "HairpinMode", "LinkLocalIPv6Address", "LinkLocalIPv6PrefixLen", "SecondaryIPAddresses", "SecondaryIPv6Addresses",
           "EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen", "IPv6Gateway", "MacAddress", "Networks"]
ENDPOINT = ["IPAMConfig", "Links", "Aliases", "MacAddress", "NetworkID", "EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address",
            "GlobalIPv6PrefixLen", "DriverOpts", "DNSNames"]


def same_keys(found, wanted, missing_in_20=(), more=()):
    assert sorted(set(found) - set(more)) == sorted(set(wanted) - set(missing_in_20)), (sorted(set(found) ^ set(wanted)))


@pytest.mark.parametrize("version", ["1.41", "1.45"])
def test_keys(api, version):
    if version == "1.45" and api.engine.is_docker(20):
        pytest.skip("not in 20.10")
    old = api.engine.is_docker(20)
    container = api.run("sleep", "100")
    body = api.at(version).get(f"/containers/{container}/json").json()
    same_keys(body, TOP, more=["ImageManifestDescriptor"] if version != "1.41" and not api.engine.is_docker() else [])
    same_keys(body["State"], STATE)
    same_keys(body["HostConfig"], HOST, more=["KernelMemory", "KernelMemoryTCP", "Annotations", "Capabilities"] if old else [])
    same_keys(body["Config"], CONFIG)
    same_keys(body["NetworkSettings"], NETWORK)
    same_keys(body["NetworkSettings"]["Networks"]["bridge"], ENDPOINT, ["DNSNames"] if old else [])
    if not old:
        assert list(body["State"]) == STATE
        assert list(body)[:4] == TOP[:4]


def test_the_newest_version_keeps_the_old_network_keys(api):
    """Docker drops them from 1.52 on; scripts that let their SDK choose the newest version read them all the same."""
    if api.engine.is_docker():
        pytest.skip("newer than this Docker")
    body = api.at(None).get(f"/containers/{api.run('sleep', '100')}/json").json()
    same_keys(body["NetworkSettings"], NETWORK)
    assert body["NetworkSettings"]["IPAddress"] == body["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] != ""


def test_created(api):
    body = api.inspect(api.create("true"))
    assert {k: body["State"][k] for k in STATE} == dict(Status="created", Running=False, Paused=False, Restarting=False, OOMKilled=False, Dead=False, Pid=0, ExitCode=0, Error="",
                                                       StartedAt="0001-01-01T00:00:00Z", FinishedAt="0001-01-01T00:00:00Z")
    assert body["NetworkSettings"]["Ports"] == {}
    assert (body["NetworkSettings"]["SandboxID"], body["NetworkSettings"]["SandboxKey"]) == ("", "")
    endpoint = body["NetworkSettings"]["Networks"]["bridge"]
    assert (endpoint["IPAddress"], endpoint["EndpointID"], endpoint["IPAMConfig"], endpoint["Links"], endpoint["Aliases"]) == ("", "", None, None, None)
    assert body["Mounts"] == [] and body["ExecIDs"] is None
    config = body["Config"]
    assert (config["Env"], config["Volumes"], config["Entrypoint"], config["OnBuild"], config["Labels"]) == (
        config["Env"], None, None, None, {})
    assert config["Hostname"] == body["Id"][:12]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", body["Created"])


def test_unset_host_config(api):
    host = api.inspect(api.create("true"))["HostConfig"]
    nulls = ["Binds", "VolumesFrom", "CapAdd", "CapDrop", "ExtraHosts", "GroupAdd", "Links", "SecurityOpt", "BlkioDeviceReadBps", "DeviceRequests", "DeviceCgroupRules",
             "MemorySwappiness", "PidsLimit", "Ulimits"]
    if not api.engine.is_docker(20):
        nulls += ["Dns", "DnsOptions", "DnsSearch", "Devices"]
        assert host["PortBindings"] in (None, {})
    for key in nulls:
        if key == "Ulimits" and host[key] == []:
            continue
        assert host[key] is None, key
    assert host["RestartPolicy"]["MaximumRetryCount"] == 0 and host["RestartPolicy"]["Name"] in ("", "no")
    assert host["LogConfig"] == {"Type": "json-file", "Config": {}}
    assert (host["ShmSize"], host["Runtime"], host["IpcMode"]) == (67108864, host["Runtime"], "private")
    assert "/proc/kcore" in host["MaskedPaths"] and "/proc/sys" in host["ReadonlyPaths"]
    if api.engine.kind == "proa":
        assert "/proc/dynamic_debug" in host["ReadonlyPaths"]  # ours: a kernel that has it lets root write there
    assert host["ConsoleSize"] == [0, 0]


def test_running(api):
    body = api.inspect(api.run("sleep", "100", host={"PortBindings": {"80/tcp": [{"HostPort": ""}]}}, ExposedPorts={"80/tcp": {}, "443/tcp": {}}))
    state = body["State"]
    assert (state["Status"], state["Running"], state["FinishedAt"]) == ("running", True, "0001-01-01T00:00:00Z")
    assert state["Pid"] > 1 and open(f"/proc/{state['Pid']}/comm").read().strip() == "sleep"
    network = body["NetworkSettings"]
    assert network["Ports"]["443/tcp"] is None
    assert [b["HostIp"] for b in network["Ports"]["80/tcp"]] == ["0.0.0.0", "::"]
    assert len({b["HostPort"] for b in network["Ports"]["80/tcp"]}) == 1 or api.engine.is_docker(20)
    endpoint = network["Networks"]["bridge"]
    assert re.fullmatch(r"172\.30\.\d+\.\d+", endpoint["IPAddress"]) or api.engine.external
    assert (network["IPAddress"], network["MacAddress"], network["Gateway"]) == (endpoint["IPAddress"], endpoint["MacAddress"], endpoint["Gateway"])
    assert endpoint["NetworkID"] == api.get("/networks/bridge").json()["Id"]
    assert len(network["SandboxID"]) == 64 and network["SandboxKey"].endswith("netns/" + network["SandboxID"][:12])


@pytest.mark.modern


def test_after_exit(api):
    container = api.run("sh", "-c", "exit 3")
    api.wait(container)
    body = api.inspect(container)
    assert (body["State"]["Status"], body["State"]["ExitCode"], body["State"]["Pid"], body["State"]["Running"]) == ("exited", 3, 0, False)
    assert body["State"]["FinishedAt"] > "2000" and (api.engine.is_docker() or body["State"]["FinishedAt"] > body["State"]["StartedAt"])  # Docker notes the start late
    assert body["NetworkSettings"]["Ports"] == {} and body["NetworkSettings"]["IPAddress"] == ""
    assert body["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""
    assert body["NetworkSettings"]["SandboxID"] != ""


def test_size(api):
    container = api.run("sh", "-c", "head -c 100000 /dev/zero > /big")
    api.wait(container)
    assert "SizeRw" not in api.inspect(container)
    body = api.get(f"/containers/{container}/json?size=1").json()
    assert body["SizeRw"] >= 100000 and body["SizeRootFs"] > 100000 + 500000


def test_lookup_by_name_prefix_and_id(api, name):
    container = api.create("true", name=name)
    for reference in (container, container[:12], container[:20], name):
        assert api.inspect(reference)["Id"] == container


def test_files_named_exist(api):
    body = api.inspect(api.run("sh", "-c", "echo hi; sleep 100"))
    if api.engine.external:
        return
    for key in ("ResolvConfPath", "HostnamePath", "HostsPath", "LogPath"):
        assert body["Id"] in body[key]
        assert open(body[key]) is not None
    assert open(body["HostnamePath"]).read().strip() == body["Id"][:12]
    assert f"\t{body['Id'][:12]}" in open(body["HostsPath"]).read()
