"""A value that cannot be honoured is refused by its name; a property that is unknown is ignored. Spec: config.md, Extensibility ("Runtimes MUST
NOT generate an error if they encounter an unknown property"), Valid values ("MUST generate an error when invalid or unsupported values are
encountered")."""
import json

import pytest


def set_path(config, path, value):
    target = config
    *parents, last = path.split(".")
    for name in parents:
        target = target[int(name)] if isinstance(target, list) else target.setdefault(name, {})
    if value is None:
        target.pop(last, None)
    else:
        target[int(last) if isinstance(target, list) else last] = value


WRONG = [
    ("ociVersion", None, "ociversion"), ("ociVersion", 1, "ociVersion must be a string"), ("ociVersion", "2.0.0", "2.0.0"), ("ociVersion", "x", "version"), ("root", None, "root"), ("root", "rootfs", "root must be an object"),
    ("root.path", None, "root.path"), ("root.path", 5, "root.path must be a string"), ("root.path", "/nosuch/root", "/nosuch/root"), ("root.readonly", "yes", "root.readonly"),
    ("hostname", 5, "hostname"), ("process", None, "process"), ("process", [], "process must be an object"), ("process.args", None, "args"), ("process.args", [], "args"), ("process.args", "sh", "process.args must be a list"),
    ("process.args", [5], "process.args[0]"), ("process.env", ["A", 5], "process.env[1]"), ("process.cwd", None, "cwd"), ("process.cwd", "relative", "absolute"), ("process.cwd", 5, "process.cwd"),
    ("process.user", 0, "process.user"), ("process.user.uid", "root", "process.user.uid"), ("process.user.uid", -1, "user.uid"), ("process.user.uid", 2**32, "user.uid"), ("process.user.additionalGids", [-1], "additionalGids"),
    ("process.user.umask", "022", "umask"), ("process.terminal", "no", "process.terminal"), ("process.noNewPrivileges", 1, "noNewPrivileges"), ("process.oomScoreAdj", 5000, "oom"), ("process.oomScoreAdj", "5", "oomScoreAdj"),
    ("process.capabilities", [], "capabilities"), ("process.capabilities.bounding", "CAP_KILL", "process.capabilities.bounding"), ("process.capabilities.bounding", [5], "process.capabilities.bounding[0]"),
    ("process.rlimits", [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}], "RLIMIT_NOSUCH"), ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 1}], "hard"), ("process.rlimits", [{"soft": 1, "hard": 1}], "type"),
    ("process.rlimits", [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1}], "RLIMIT_CORE"), ("process.rlimits", [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 5}], "rlimit"),
    ("process.scheduler", {"policy": "SCHED_NOSUCH"}, "SCHED_NOSUCH"), ("process.scheduler", {}, "policy"), ("process.scheduler", {"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_NOSUCH"]}, "SCHED_FLAG_NOSUCH"),
    ("process.scheduler", {"policy": "SCHED_OTHER", "priority": 5}, "priority"), ("process.scheduler", {"policy": "SCHED_BATCH", "runtime": 5}, "SCHED_DEADLINE"),
    ("process.ioPriority", {"class": "IOPRIO_CLASS_NOSUCH"}, "IOPRIO_CLASS_NOSUCH"), ("process.ioPriority", {"class": "IOPRIO_CLASS_BE", "priority": 9}, "priority"), ("process.execCPUAffinity", {"initial": "x"}, "execCPUAffinity"),
    ("process.consoleSize", {"height": 5}, "consoleSize.width"), ("process.apparmorProfile", "nosuchprofile", "apparmor"), ("process.selinuxLabel", "system_u:system_r:x:s0", "label"), ("linux.mountLabel", "system_u:object_r:x:s0", "mountLabel"),
    ("mounts", {}, "mounts must be a list"), ("mounts", [{"type": "tmpfs"}], "destination"), ("mounts", [{"destination": "/m", "type": "tmpfs", "options": "ro"}], "options"), ("annotations", {"a": 5}, "annotations.a"),
    ("annotations", [], "annotations"), ("hooks", [], "hooks"), ("hooks", {"prestart": {}}, "hooks.prestart"), ("linux", [], "linux must be an object"), ("linux.namespaces", {}, "linux.namespaces"), ("linux.namespaces", [{}], "type"),
    ("linux.namespaces", [], "namespace"), ("linux.uidMappings", [{"containerID": 0, "hostID": 1, "size": 1}], "user namespace"), ("linux.uidMappings", "x", "uidMappings"),
    ("linux.devices", [{"path": "dev/x", "type": "c"}], "absolute"), ("linux.devices", [{"path": "/dev/x", "type": "z"}], "type"), ("linux.devices", [{"type": "c"}], "path"), ("linux.devices", [{"path": "/dev/x", "type": "c", "major": -1}], "major"),
    ("linux.devices", [{"path": "/dev/null", "type": "c", "major": 1, "minor": 5}, {"path": "/dev/null", "type": "c", "major": 1, "minor": 3}], "/dev/null"),
    ("linux.rootfsPropagation", "everywhere", "everywhere"), ("linux.cgroupsPath", 5, "cgroupsPath"), ("linux.cgroupsPath", "/", "cgroupsPath"), ("linux.sysctl", {"net.ipv4.ip_forward": 1}, "linux.sysctl"), ("linux.sysctl", {"net.ipv4.ip_forward": "x"}, "net.ipv4.ip_forward"),
    ("linux.maskedPaths", "/proc", "maskedPaths"), ("linux.readonlyPaths", [5], "readonlyPaths[0]"), ("linux.personality", {"domain": "LINUX64"}, "LINUX64"), ("linux.personality", {"domain": "LINUX", "flags": ["X"]}, "personality"),
    ("linux.timeOffsets", {"monotonic": {"secs": "x"}}, "secs"), ("linux.timeOffsets", {"boottime": {"secs": 1}}, "time"), ("linux.timeOffsets", {"wall": {"secs": 1}}, "time"),
    ("linux.intelRdt", {"closID": "x"}, "intelRdt"), ("linux.memoryPolicy", {"mode": "MPOL_NOSUCH"}, "MPOL_NOSUCH"), ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "700"}, "memoryPolicy"),
    ("linux.memoryPolicy", {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NOSUCH"]}, "MPOL_F_NOSUCH"), ("linux.memoryPolicy", {"nodes": "0"}, "mode"), ("linux.netDevices", {"a/b": {}}, "a/b"), ("linux.netDevices", {"eth0": {"name": "x" * 20}}, "x" * 20),
    ("linux.netDevices", {"a": {"name": "c"}, "b": {"name": "c"}}, "name"), ("linux.seccomp", [], "seccomp"), ("linux.seccomp", {"syscalls": []}, "defaultAction"), ("linux.resources", [], "resources"), ("domainname", 5, "domainname"),
]


@pytest.mark.parametrize("path,value,word", WRONG, ids=lambda value: json.dumps(value)[:50] if not isinstance(value, str) else value[:40])
def test_a_wrong_value_is_refused_by_name(runtime, path, value, word):
    config = runtime.config("sh", "-c", "echo it ran")
    set_path(config, path, value)
    runtime.write(config)
    done = runtime("run", runtime.id())
    assert done.code != 0 and "it ran" not in done.out, done
    assert word.lower() in done.err.lower().replace("\\", "") or not runtime.is_ours, done


@pytest.mark.parametrize("path", ["x", "process.x", "process.user.x", "root.x", "linux.x", "linux.resources.x", "linux.resources.memory.x", "linux.namespaces.0.x", "mounts.0.x", "org.example", "windows", "solaris", "vm", "zos"])
def test_an_unknown_property_is_ignored(runtime, path):
    config = runtime.config("sh", "-c", "echo it ran")
    set_path(config, path, {"any": ["thing", 5, None]})
    runtime.write(config)
    assert runtime("run", runtime.id()).out == "it ran\n"


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2", "1.0.2-dev", "1.1.0", "1.2.0", "1.3.0"])
def test_a_version_of_the_first_kind_is_taken(runtime, version):
    assert runtime.output("echo it ran", ociVersion=version) == "it ran\n"


@pytest.mark.parametrize("text,word", [("", "config.json"), ("{", "config.json"), ("[]", "object"), ("null", "object"), ('{"ociVersion":', "config.json"), ("[" * 5000, "config.json"), ("\x00", "config.json")])
def test_a_file_that_is_no_configuration(runtime, text, word):
    (runtime.directory / "bundle" / "config.json").write_text(text)
    done = runtime("run", runtime.id())
    assert done.code != 0 and (word in done.err or not runtime.is_ours), done


def test_a_bundle_without_a_configuration(runtime):
    (runtime.directory / "bundle" / "config.json").unlink(missing_ok=True)
    done = runtime("run", runtime.id())
    assert done.code != 0 and "config.json" in done.err


def test_the_read_only_root(runtime):
    done = runtime.run("touch /x; touch /dev/shm/y && echo shm", root={"readonly": True})
    assert "Read-only" in done.err and done.out == "shm\n"


def test_an_empty_list_of_mounts(runtime):
    config = runtime.config("sh", "-c", "ls /proc; echo it ran")
    config["mounts"] = []
    config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
    runtime.write(config)
    assert runtime("run", runtime.id()).out == "it ran\n"
