"""Attacks that have had CVE numbers, as recipes: a hostile root file system, a hostile container, and a process outside that exchanges what the
runtime is about to touch. A canary of the host must stay as it was. PROA_TEST_EXCHANGES=100000 runs the races in full; usually each lasts a
second. Classes C1 to C26 are those of the project's security rules; where an installed older runtime is vulnerable, the test has been seen to
fail there (docs/conformance.md)."""
import ctypes
import mmap
import os
import pathlib
import re
import shutil
import signal
import stat
import time

import pytest

EXCHANGES = int(os.environ.get("PROA_TEST_EXCHANGES", "0"))
RENAME_EXCHANGE, AT_FDCWD = 2, -100
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def canary(isolated, runtime):  # pylint: disable=unused-argument  # mounts of others come and go
    """A directory and a file of the host that nothing inside may reach."""
    directory = runtime.directory / "canary"
    directory.mkdir()
    (directory / "file").write_text("untouched\n")
    mounts = pathlib.Path("/proc/self/mountinfo").read_text()
    core_file = pathlib.Path("/proc/sys/kernel/core_pattern")
    core = core_file.read_text()
    yield directory
    core_after = core_file.read_text()
    if core_after != core:
        core_file.write_text(core)
    assert [path.name for path in directory.iterdir()] == ["file"] and (directory / "file").read_text() == "untouched\n"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o755 and directory.stat().st_uid == 0
    assert pathlib.Path("/proc/self/mountinfo").read_text() == mounts
    assert core_after == core


class Racer:
    """Exchanges two names as fast as it can, in a process of its own."""

    def __init__(self, first, second):
        self.first, self.second = os.fsencode(str(first)), os.fsencode(str(second))
        self.counter = mmap.mmap(-1, 8)

    def count(self):
        return int.from_bytes(self.counter[:8], "little")

    def __enter__(self):
        self.pid = os.fork()
        if self.pid == 0:
            try:
                count = 0
                while True:
                    for _ in range(100):
                        count += LIBC.renameat2(AT_FDCWD, self.first, AT_FDCWD, self.second, RENAME_EXCHANGE) == 0
                    self.counter[:8] = count.to_bytes(8, "little")
            finally:
                os._exit(1)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def race(first, second, attempt):
    """Runs `attempt` again and again while two names are exchanged."""
    runs, begin = 0, time.monotonic()
    with Racer(first, second) as racer:
        while runs < 3 or (racer.count() < EXCHANGES if EXCHANGES else time.monotonic() - begin < 1):
            attempt()
            runs += 1
        assert racer.count() > 1000


# C1: the runtime's own binary


def test_c1_the_binary_cannot_be_opened_for_writing_through_proc(runtime):
    """CVE-2019-5736: an image whose program is /proc/self/exe gets the runtime's binary into its hands."""
    before = pathlib.Path(runtime.program).read_bytes()
    (runtime.rootfs / "bin" / "entry").symlink_to("/proc/self/exe")
    runtime.config("entry", "--version")
    runtime("run", runtime.id())
    name = runtime.start_detached("sh", "-c", "while true; do for p in /proc/[0-9]*; do test ${p#/proc/} = 1 || { : >> $p/exe; } 2>/dev/null; (echo owned >> $p/exe) 2>/dev/null; done; done",
                                  process={"capabilities": {}})
    for _ in range(10):
        runtime("exec", name, "/proc/self/exe", "--version")
        runtime("exec", name, "true")
    assert pathlib.Path(runtime.program).read_bytes() == before


def test_c1_nobody_inside_can_look_into_the_runtime_while_it_joins(runtime):
    """CVE-2016-9962: ptrace and /proc/PID/fd of a process that is about to become an exec."""
    caps = [f"CAP_{name}" for name in "SYS_PTRACE DAC_OVERRIDE SYS_ADMIN".split()]
    name = runtime.start_detached("sh", "-c", "while true; do for p in /proc/[0-9]*; do case $p in /proc/1) ;; *) ls -l $p/fd $p/cwd $p/root 2>/dev/null;; esac; done; done > /seen",
                                  process={"capabilities": {kind: caps for kind in ("bounding", "effective", "permitted")}})
    for _ in range(20):
        assert runtime("exec", name, "true").code == 0
    seen = (runtime.rootfs / "seen").read_text()
    # What it may have open are the container's own streams and sockets; a directory of the host would be a way out.
    targets = {line.split(" -> ")[1] for line in seen.splitlines() if re.search(r" \d+ -> ", line)}
    # "/" may be the container's own root: others open that one.
    assert [target for target in targets if target.startswith("/") and (runtime.is_ours or target != "/") and not re.match(r"/(dev/(null|pts/\d+|console)|proc/.+|seen|etc/(passwd|group)|.* \(deleted\))$", target)] == []


# C2: descriptors and the working directory


@pytest.mark.parametrize("number", range(3, 12))
def test_c2_a_working_directory_by_a_descriptor_is_refused(runtime, number):
    """CVE-2024-21626"""
    marker = runtime.rootfs / "marker"
    marker.write_text("inside\n")
    runtime.config("sh", "-c", "cat ../../../../../../../../marker || echo outside", process={"cwd": f"/proc/self/fd/{number}"})
    done = runtime("run", runtime.id())
    assert "outside" not in done.out, done


@pytest.mark.parametrize("number", [5, 7, 8, 9])
def test_c2_exec_with_a_working_directory_by_a_descriptor(runtime, number):
    name = runtime.start_detached("sleep", "100")
    done = runtime("exec", "--cwd", f"/proc/self/fd/{number}", name, "sh", "-c", f"ls {runtime.directory} /proc/1/root/.. && pwd")
    assert "bundle" not in done.out, done


def test_c2_a_link_that_is_exchanged_does_not_lead_the_working_directory_out(runtime, canary):
    (runtime.rootfs / "work").mkdir()
    (runtime.rootfs / "other").symlink_to("/proc/self/fd/7")

    def attempt():
        runtime.config("sh", "-c", "pwd; ls -d ../../../../../.." + str(canary), process={"cwd": "/work"})
        assert str(canary) not in runtime("run", runtime.id()).out

    race(runtime.rootfs / "work", runtime.rootfs / "other", attempt)


# C3: mount targets


@pytest.mark.parametrize("kind", ["bind", "tmpfs", "device", "file", "cwd"])
def test_c3_a_target_that_is_exchanged_for_a_link_stays_inside(runtime, canary, kind):
    """CVE-2021-30465, CVE-2024-45310: between the look at a path and the mount on it the path becomes a link to the host."""
    (runtime.rootfs / "a" / "b").mkdir(parents=True)
    (runtime.rootfs / "x").symlink_to("../../../../../../../../.." + str(canary))
    volume = runtime.bind("/a/b", ["rbind"], planted="")
    changes = {"bind": {"mounts": [volume]}, "tmpfs": {"mounts": [{"destination": "/a/b", "type": "tmpfs", "source": "tmpfs", "options": ["mode=777", "uid=5"]}]},
               "device": {"linux": {"devices": [{"path": "/a/dev/node", "type": "c", "major": 1, "minor": 3}]}},
               "file": {"mounts": [{"destination": "/a/new/file", "type": "bind", "source": volume["source"] + "/planted", "options": ["bind"]}]},
               "cwd": {"process": {"cwd": "/a/made/here"}}}[kind]

    def attempt():
        runtime.config("true", **changes)
        runtime("run", runtime.id())
        assert [path.name for path in canary.iterdir()] == ["file"]

    race(runtime.rootfs / "a", runtime.rootfs / "x", attempt)


@pytest.mark.parametrize("path", ["proc", "sys", "dev"])
def test_c3_a_directory_of_the_image_that_is_a_link(runtime, canary, path):
    shutil.rmtree(runtime.rootfs / path)
    (runtime.rootfs / path).symlink_to("../../../../../../../../.." + str(canary))
    runtime.config("true")
    runtime("run", runtime.id())
    assert [entry.name for entry in canary.iterdir()] == ["file"]


def test_c3_two_containers_that_share_a_volume_race(runtime, canary):
    """CVE-2021-30465 as it was reported: the volume that holds the target is changed by another container."""
    volume = runtime.bind("/vol", ["rbind"])
    shared = pathlib.Path(volume["source"])
    (shared / "a" / "target").mkdir(parents=True)
    (shared / "x").symlink_to("/../../../../../../../.." + str(canary))
    inner = runtime.bind("/vol/a/target", ["rbind"], planted="")

    def attempt():
        runtime.config("true", mounts=[volume, inner])
        runtime("run", runtime.id())
        assert [path.name for path in canary.iterdir()] == ["file"]

    race(shared / "a", shared / "x", attempt)


# C4: writes to /proc


def test_c4_a_volume_over_proc_sys_does_not_catch_the_sysctls(runtime):
    """CVE-2025-52881: the write goes to a file of the attacker, or a harmless write to a dangerous file."""
    volume = runtime.bind("/proc/sys/net", ["rbind"], ip_forward="")
    done = runtime.run("echo it ran", mounts=[volume], linux={"sysctl": {"net.ipv4.ip_forward": "1"}})
    assert done.code != 0 and "it ran" not in done.out


def test_c4_labels_are_not_written_to_a_planted_file(runtime):
    """CVE-2019-16884, CVE-2023-27561: /proc is a directory of the image when the label is set."""
    if not runtime.is_ours:
        pytest.skip("asks for a host without labels")
    (runtime.rootfs / "proc" / "self" / "attr" / "apparmor").mkdir(parents=True)
    for name in ("exec", "apparmor/exec"):
        (runtime.rootfs / "proc" / "self" / "attr" / name).write_text("")
    config = runtime.config("echo", "it ran", process={"apparmorProfile": "docker-default"})
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/proc"]
    config["linux"]["maskedPaths"] = config["linux"]["readonlyPaths"] = []
    runtime.write(config)
    done = runtime("run", runtime.id())
    planted = (runtime.rootfs / "proc" / "self" / "attr" / "exec").read_text() + (runtime.rootfs / "proc" / "self" / "attr" / "apparmor" / "exec").read_text()
    assert planted == "" and "it ran" not in done.out, done


@pytest.mark.parametrize("name", ["../../kernel/core_pattern", "kernel/core_pattern", "net/../kernel/core_pattern", "net.ipv4.conf/../../../kernel.core_pattern", "net./../kernel.core_pattern"])
def test_c4_a_sysctl_name_cannot_climb(runtime, canary, name):  # pylint: disable=unused-argument
    runtime.refused("sysctl", linux={"sysctl": {name: "|/tmp/evil"}})


# C5: masks and the console


def test_c5_a_planted_null_device_is_no_source_of_masks(runtime, canary):
    """CVE-2025-31133: /dev/null of the image is a link to what should be hidden, and masking makes it writable."""
    config = runtime.config("sh", "-c", "stat -c %t:%T /proc/kcore; echo '|evil' > /proc/sys/kernel/core_pattern; ls -l /dev/null")
    config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
    runtime.write(config)
    (runtime.rootfs / "dev" / "null").symlink_to("/proc/sys/kernel/core_pattern")
    runtime("run", runtime.id())
    assert (canary / "file").read_text() == "untouched\n"


def test_c5_a_null_device_that_is_exchanged(runtime, canary):  # pylint: disable=unused-argument
    (runtime.rootfs / "dev" / "null").touch()
    (runtime.rootfs / "dev" / "evil").symlink_to("/proc/sys/kernel/core_pattern")
    config = runtime.config("sh", "-c", "echo '|evil' > /proc/kcore; echo '|evil' > /proc/sys/kernel/core_pattern")
    config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
    runtime.write(config)
    race(runtime.rootfs / "dev" / "null", runtime.rootfs / "dev" / "evil", lambda: runtime("run", runtime.id()))


def test_c5_a_planted_terminal_is_refused(runtime, canary):
    """CVE-2025-52565: /dev/pts/ptmx and /dev/console lead elsewhere."""
    config = runtime.config("true", process={"terminal": True})
    config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
    runtime.write(config)
    (runtime.rootfs / "dev" / "pts").mkdir()
    (runtime.rootfs / "dev" / "pts" / "ptmx").symlink_to("../../../../../../../../.." + str(canary / "file"))
    (runtime.rootfs / "dev" / "console").symlink_to("../../../../../../../../.." + str(canary / "file"))
    runtime("run", runtime.id())
    assert (canary / "file").read_text() == "untouched\n"


# C12, C13: who a process is


def test_c12_an_exec_gets_no_more_than_the_container(runtime):
    """CVE-2022-29162, CVE-2022-24769: inheritable and ambient sets are empty unless asked for."""
    name = runtime.start_detached("sleep", "100")
    text = runtime("exec", name, "grep", "^Cap", "/proc/self/status").out
    assert text == "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n"
    text = runtime("exec", "--user", "1000:1000", name, "grep", "-E", "^(Cap|Groups)", "/proc/self/status").out
    assert "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000" in text and "CapAmb:\t0000000000000000" in text and text.split("Groups:")[1].split("\n")[0].split() in ([], ["1000"])


@pytest.mark.parametrize("plant", ["fifo", "directory", "huge", "long line", "device", "link outside", "no numbers"])
def test_c13_an_account_file_of_any_kind_neither_hangs_nor_gives_root(runtime, canary, plant):
    """CVE-2016-3697, CVE-2024-40635, CVE-2026-46680"""
    passwd = runtime.rootfs / "etc" / "passwd"
    passwd.unlink()
    if plant == "fifo":
        os.mkfifo(passwd)
    elif plant == "directory":
        passwd.mkdir()
    elif plant == "huge":
        passwd.write_text("x" * (3 << 20))
    elif plant == "long line":
        passwd.write_text("y" * 100000 + ":x:0:0::/:\n")
    elif plant == "device":
        os.mknod(passwd, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    elif plant == "link outside":
        passwd.symlink_to("../../../../../../../../.." + str(canary / "file"))
    else:
        passwd.write_text("app:x:abc:0::/:\n1000:x:0:0::/stolen:\n")
    runtime.config("sh", "-c", "grep ^Uid /proc/self/status; echo $HOME", process={"user": {"uid": 1000, "gid": 1000}, "env": ["PATH=/bin"]})
    done = runtime("run", runtime.id(), timeout=15)
    assert done.out.startswith("Uid:\t1000\t1000\t1000\t1000\n") or done.code != 0, done


@pytest.mark.parametrize("user", ["-1", "4294967295", "4294967296", "99999999999999999999", "0x0", "+0", " 0", "1000:-1"])
def test_c13_an_id_out_of_range_is_refused(runtime, user):
    name = runtime.start_detached("sleep", "100")
    done = runtime("exec", "--user", user, name, "id", "-u")
    assert done.code != 0 and "0" not in done.out.split(), done


# C14: what the kernel shows


PROC_ALLOWED = re.compile(r"/proc/(kmsg|mtrr|slabinfo|swaps|vmallocinfo|kpage\w+|pressure/\w+|kcore|keys|timer_list|interrupts|latency_stats|sched_debug|acpi.*|kallsyms|modules)$")


def test_c14_nothing_of_the_kernel_is_writable(runtime):
    script = ("find /proc /sys -path '/proc/[0-9]*' -prune -o -path /proc/self -prune -o -path /proc/thread-self -prune -o -type f -perm /222 -print 2>/dev/null"
              " | while read f; do dd of=\"$f\" count=0 conv=notrunc 2>/dev/null < /dev/null && echo \"$f\"; done")
    masks = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
             "/sys/devices/virtual/powercap", "/sys/firmware"]
    text = runtime.run(script, linux={"maskedPaths": masks}).out
    assert [line for line in text.splitlines() if not PROC_ALLOWED.match(line)] == []


# C15: control groups


def test_c15_the_cgroup_tree_is_read_only_and_ends_at_the_container(runtime):
    """CVE-2022-0492: release_agent of a hierarchy that the container can mount or write."""
    mount = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev", "relatime"]}
    kinds = [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")]
    script = ("find /sys/fs/cgroup -name release_agent; for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/evil 2>/dev/null && echo made $d; done;"
              " for f in $(find /sys/fs/cgroup -type f); do : >> $f && echo open $f; done 2>/dev/null; mkdir /tmp/c; mount -t cgroup -o memory cgroup /tmp/c && echo mounted; cat /proc/self/cgroup")
    done = runtime.run(script, mounts=[mount], linux={"namespaces": kinds})
    lines = done.out.splitlines()
    assert all(re.match(r"\d+:[^:]*:/$", line) for line in lines), done


# C25: devices


DEVICE_CASES = [(kind, major, minor, access) for kind in "cb" for major, minor in ((1, 3), (10, 229), (10, 200), (7, 0), (8, 0), (254, 0)) for access in ("r", "w")]
RULES = [
    [{"allow": False, "access": "rwm"}],
    [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "r"}],
    [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "access": "rw"}],
    [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"}, {"allow": False, "type": "c", "major": 10, "minor": 229, "access": "w"}],
]


def permitted(rules, kind, major, minor, access):
    """What the ordered rules of the specification say, and what every container may use."""
    if (kind, major, minor) == ("c", 1, 3):
        return True
    answer = True
    for rule in rules:
        if rule.get("type", "a") in ("a", kind) and rule.get("major", major) == major and rule.get("minor", minor) == minor and access in rule["access"]:
            answer = rule["allow"]
    return answer


@pytest.mark.parametrize("index", range(len(RULES)))
def test_c25_the_kernel_decides_as_the_rules_say(runtime, index):
    """CVE-2021-43784 and its kind: what was asked for is what is enforced."""
    script = ""
    for kind, major, minor, access in DEVICE_CASES:
        sign = "<" if access == "r" else ">>"
        # A device that does not exist says "no such device" only after the rules have let it through.
        script += f"rm -f /tmp/d; mknod /tmp/d {kind} {major} {minor}; (: {sign} /tmp/d) 2>&1 | grep -q 'not permitted' && echo no || echo yes\n"
    answers = runtime.output(script, linux={"resources": {"devices": RULES[index]}}).split()
    wrong = [(case, answer) for case, answer in zip(DEVICE_CASES, answers) if (answer == "yes") != permitted(RULES[index], *case)]
    assert not wrong and len(answers) == len(DEVICE_CASES), wrong


