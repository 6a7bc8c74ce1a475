"""linux.namespaces and what belongs to them. Spec: config-linux.md, Namespaces, User namespace mappings, Offset for Time Namespace, Sysctl."""
import os
import pathlib
import subprocess
import time

import pytest

KINDS = {"pid": "pid", "network": "net", "ipc": "ipc", "uts": "uts", "mount": "mnt", "cgroup": "cgroup", "user": "user", "time": "time"}
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def spaces(*kinds, **paths):
    return [{"type": kind} for kind in kinds] + [{"type": kind, "path": path} for kind, path in paths.items()]


def with_kind(kind):
    """The usual namespaces and this one, with what it needs."""
    usual = [name for name in ("pid", "network", "ipc", "uts", "mount") if name != kind]
    changes = {"namespaces": spaces(*usual, kind)}
    if kind == "user":
        changes.update(uidMappings=MAPS, gidMappings=MAPS)
    return changes


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_is_new(runtime, kind):
    if kind == "user":
        os.chown(runtime.rootfs, 100000, 100000)
    inside = runtime.output(f"readlink /proc/self/ns/{KINDS[kind]}", linux=with_kind(kind)).strip()
    assert inside.startswith(KINDS[kind]) and inside != os.readlink(f"/proc/self/ns/{KINDS[kind]}")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("mount",)])
def test_a_namespace_that_is_not_listed_is_the_callers(runtime, kind):
    kinds = [name for name in ("pid", "network", "ipc", "uts", "mount") if name != kind]
    changes = {"linux": {"namespaces": spaces(*kinds)}}
    if kind == "uts":
        changes["hostname"] = ""
    inside = runtime.output(f"readlink /proc/self/ns/{KINDS[kind]}", **changes).strip()
    assert inside == os.readlink(f"/proc/self/ns/{KINDS[kind]}")


class Holder:
    """A process in new namespaces of the host."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(["unshare", *flags, "sh", "-c", "echo ready; exec sleep 100"], stdout=subprocess.PIPE)
        assert self.process.stdout.readline()
        self.pid = self.process.pid
        if "--fork" in flags:
            self.pid = int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.pid, 9)
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


FLAGS = {"network": ["--net"], "ipc": ["--ipc"], "uts": ["--uts"], "cgroup": ["--cgroup"], "pid": ["--pid", "--fork", "--kill-child"], "time": ["--time", "--fork"]}


@pytest.mark.parametrize("kind", FLAGS)
def test_a_namespace_is_joined_by_its_path(runtime, kind):
    with Holder(*FLAGS[kind]) as holder:
        path = f"/proc/{holder.pid}/ns/{KINDS[kind]}"
        kinds = [name for name in ("pid", "network", "ipc", "uts", "mount") if name != kind]
        changes = {"hostname": ""} if kind == "uts" else {}
        inside = runtime.output(f"readlink /proc/self/ns/{KINDS[kind]}", linux={"namespaces": spaces(*kinds, **{kind: path})}, **changes).strip()
        assert inside == os.readlink(path)


def test_a_user_namespace_is_joined_by_its_path(runtime):
    os.chown(runtime.rootfs, 100000, 100000)
    holder = subprocess.Popen(["unshare", "--user", "sleep", "100"])
    try:
        while os.readlink(f"/proc/{holder.pid}/ns/user") == os.readlink("/proc/self/ns/user"):
            time.sleep(0.01)
        for name in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{holder.pid}/{name}").write_text("0 100000 65536\n")
        path = f"/proc/{holder.pid}/ns/user"
        text = runtime.output("readlink /proc/self/ns/user; cat /proc/self/uid_map", linux={"namespaces": spaces("pid", "network", "ipc", "uts", "mount", user=path)})
        assert text.split() == [os.readlink(path), "0", "100000", "65536"]
    finally:
        holder.kill()
        holder.wait()


def test_a_path_of_another_kind_is_refused(runtime):
    runtime.refused("namespace", linux={"namespaces": spaces("pid", "ipc", "uts", "mount", network="/proc/self/ns/uts")})


def test_a_path_that_is_not_there_is_refused(runtime):
    runtime.refused("/nosuch/ns", linux={"namespaces": spaces("pid", "ipc", "uts", "mount", network="/nosuch/ns")})


def test_a_path_that_is_not_absolute_is_refused(runtime):
    runtime.refused("absolute", linux={"namespaces": spaces("pid", "ipc", "uts", "mount", network="proc/self/ns/net")})


def test_a_kind_twice_is_refused(runtime):
    runtime.refused("duplicated ns", linux={"namespaces": spaces("pid", "network", "ipc", "uts", "mount", "uts")})


def test_a_kind_that_is_none_is_refused(runtime):
    runtime.refused("nosuch", linux={"namespaces": spaces("pid", "network", "ipc", "uts", "mount", "nosuch")})


def test_the_first_process_is_number_one(runtime):
    assert runtime.output("echo $$; ls -d /proc/[0-9]*").split()[:2] == ["1", "/proc/1"]


def test_loopback_is_up_and_alone(runtime):
    text = runtime.output("ip -o link; ip -o -4 addr")
    assert "UP" in text.splitlines()[0] and "127.0.0.1/8" in text
    assert not any("eth" in line for line in text.splitlines())


def test_user_namespace_maps(runtime):
    os.chown(runtime.rootfs, 100000, 100000)
    maps = [{"containerID": 0, "hostID": 100000, "size": 1000}, {"containerID": 1000, "hostID": 300000, "size": 5}]
    text = runtime.output("cat /proc/self/uid_map /proc/self/gid_map; id -u", linux={**with_kind("user"), "uidMappings": maps, "gidMappings": maps})
    assert text.split() == ["0", "100000", "1000", "1000", "300000", "5"] * 2 + ["0"]


def test_root_of_a_user_namespace_is_nobody_outside(runtime):
    os.chown(runtime.rootfs, 100000, 100000)
    name = runtime.start_detached("sleep", "100", linux=with_kind("user"))
    assert os.stat(f"/proc/{runtime.state(name)['pid']}").st_uid in (100000, 0)
    assert f"Uid:\t100000" in pathlib.Path(f"/proc/{runtime.state(name)['pid']}/status").read_text()


def test_devices_in_a_user_namespace(runtime):
    os.chown(runtime.rootfs, 100000, 100000)
    assert runtime.output("echo x > /dev/null && head -c 3 /dev/zero | wc -c; stat -c %t:%T /dev/null", linux=with_kind("user")) == "3\n1:3\n"


def test_exec_joins_a_user_namespace(runtime):
    os.chown(runtime.rootfs, 100000, 100000)
    name = runtime.start_detached("sleep", "100", linux=with_kind("user"))
    done = runtime("exec", name, "sh", "-c", "cat /proc/self/uid_map; id -u")
    assert done.out.split() == ["0", "100000", "65536", "0"], done


@pytest.mark.parametrize("clock,seconds", [("boottime", 1000000), ("monotonic", 500000)])
def test_time_offsets(runtime, clock, seconds):
    text = runtime.output("cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime", linux={**with_kind("time"), "timeOffsets": {clock: {"secs": seconds, "nanosecs": 5}}})
    rows = dict((line.split()[0], line.split()[1:]) for line in text.splitlines() if line.split()[0] in ("monotonic", "boottime"))
    assert rows[clock] == [str(seconds), "5"]
    if clock == "boottime":
        assert int(text.splitlines()[-1]) >= 1000000


@pytest.mark.parametrize("key,value,path", [("net.ipv4.ip_forward", "1", "net/ipv4/ip_forward"), ("net/ipv4/conf/lo/forwarding", "1", "net/ipv4/conf/lo/forwarding"), ("kernel.shmmax", "65536", "kernel/shmmax"),
                                            ("kernel.msgmni", "77", "kernel/msgmni"), ("fs.mqueue.msg_max", "12", "fs/mqueue/msg_max"), ("kernel.domainname", "dom", "kernel/domainname")])
def test_a_sysctl(runtime, key, value, path):
    assert runtime.output(f"cat /proc/sys/{path}", linux={"sysctl": {key: value}}) == value + "\n"


@pytest.mark.parametrize("key", ["kernel.panic", "vm.swappiness", "fs.file-max", "kernel.hostname", "nosuch.key", "kernel.shm_rmid_forcedx"])
def test_a_sysctl_of_the_host_is_refused(runtime, key):
    runtime.refused(key, linux={"sysctl": {key: "1"}})


@pytest.mark.parametrize("key,kind", [("net.ipv4.ip_forward", "network"), ("kernel.shmmax", "ipc"), ("kernel.domainname", "uts")])
def test_a_sysctl_without_its_namespace_is_refused(runtime, key, kind):
    kinds = [name for name in ("pid", "network", "ipc", "uts", "mount") if name != kind]
    changes = {"hostname": ""} if kind == "uts" else {}
    runtime.refused(key, linux={"namespaces": spaces(*kinds), "sysctl": {key: "1"}}, **changes)


@pytest.mark.parametrize("new_name", ["", "eth7"])
def test_a_network_device_moves_in_with_its_addresses(runtime, new_name):
    name = "oci" + runtime.directory.name[-6:].replace("_", "x")
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name + "p"], check=True)
    try:
        subprocess.run(["ip", "addr", "add", "10.99.7.5/24", "dev", name], check=True)
        inside = new_name or name
        text = runtime.output(f"ip -o addr show {inside}; ip -o link show {inside}", linux={"netDevices": {name: {"name": new_name} if new_name else {}}})
        assert "10.99.7.5/24" in text and "UP" in text, text
        assert subprocess.run(["ip", "link", "show", name], capture_output=True).returncode != 0
    finally:
        subprocess.run(["ip", "link", "del", name], capture_output=True)


def test_a_network_device_that_is_not_there_is_refused(runtime):
    runtime.refused("nosuch0", linux={"netDevices": {"nosuch0": {}}})


def test_a_network_device_needs_a_namespace(runtime):
    runtime.refused("netDevices", linux={"namespaces": spaces("pid", "ipc", "uts", "mount"), "netDevices": {"lo": {}}})
