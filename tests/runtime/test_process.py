"""process: what the program finds when it runs. Spec: config.md, Process and POSIX process."""
import os
import pathlib
import resource
import subprocess

import pytest

from support.descriptor_listener import Listener

RLIMITS = {"RLIMIT_CPU": ("Max cpu time", 100, 200), "RLIMIT_FSIZE": ("Max file size", 1 << 30, 1 << 31), "RLIMIT_DATA": ("Max data size", 1 << 30, 1 << 31),
           "RLIMIT_STACK": ("Max stack size", 1 << 23, 1 << 24), "RLIMIT_CORE": ("Max core file size", 0, 1 << 20), "RLIMIT_RSS": ("Max resident set", 1 << 30, 1 << 31),
           "RLIMIT_NPROC": ("Max processes", 1000, 2000), "RLIMIT_NOFILE": ("Max open files", 100, 200), "RLIMIT_MEMLOCK": ("Max locked memory", 1 << 16, 1 << 17),
           "RLIMIT_AS": ("Max address space", 1 << 32, 1 << 33), "RLIMIT_LOCKS": ("Max file locks", 10, 20), "RLIMIT_SIGPENDING": ("Max pending signals", 30, 40),
           "RLIMIT_MSGQUEUE": ("Max msgqueue size", 1 << 16, 1 << 17), "RLIMIT_NICE": ("Max nice priority", 1, 2), "RLIMIT_RTPRIO": ("Max realtime priority", 3, 4),
           "RLIMIT_RTTIME": ("Max realtime timeout", 1 << 20, 1 << 21)}


@pytest.mark.parametrize("kind", RLIMITS)
def test_rlimits(runtime, kind):
    name, soft, hard = RLIMITS[kind]
    most = resource.getrlimit(getattr(resource, kind))[1] if hasattr(resource, kind) else hard
    hard = hard if most < 0 else min(hard, most)  # this host may not let us raise it
    soft = min(soft, hard)
    text = runtime.output("cat /proc/self/limits", process={"rlimits": [{"type": kind, "soft": soft, "hard": hard}]})
    line = next(line for line in text.splitlines() if line.startswith(name))
    assert line[len(name):].split()[:2] == [str(soft), str(hard)]


def test_an_rlimit_without_end(runtime):
    text = runtime.output("cat /proc/self/limits", process={"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64}, {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1}]})
    assert next(line for line in text.splitlines() if line.startswith("Max core")).split()[4:6] == ["unlimited", "unlimited"]


def test_arguments_arrive_as_they_are(runtime):
    runtime.config("printf", "%s|", "a b", "", "$HOME", "'", "\u00fc", "\\n", "*")
    assert runtime("run", runtime.id()).out == "a b||$HOME|'|\u00fc|\\n|*|"


def test_the_environment_is_the_one_of_the_file(runtime):
    runtime.config("env", process={"env": ["PATH=/bin", "A=1", "B=two words", "C=", "HOME=/x"]})
    assert sorted(runtime("run", runtime.id(), env={"LEAKED": "yes", "PATH": os.environ["PATH"]}).out.split("\n")) == ["", "A=1", "B=two words", "C=", "HOME=/x", "PATH=/bin"]


def test_the_working_directory(runtime):
    assert runtime.output("pwd", process={"cwd": "/tmp"}) == "/tmp\n"


def test_a_working_directory_behind_a_link(runtime):
    (runtime.rootfs / "link").symlink_to("/tmp")
    assert runtime.output("pwd -P", process={"cwd": "/link"}) == "/tmp\n"


def test_a_program_is_found_along_the_path(runtime):
    (runtime.rootfs / "opt").mkdir()
    (runtime.rootfs / "opt" / "mine").symlink_to("/bin/echo")
    (runtime.rootfs / "opt" / "echo").symlink_to("/bin/busybox")
    runtime.config("echo", "found", process={"env": ["PATH=/nosuch:/opt:/bin"]})
    assert runtime("run", runtime.id()).out == "found\n"


@pytest.mark.parametrize("args,words", [(["nosuch"], "not found in $path"), (["/nosuch"], "no such file"), (["/etc/passwd"], "permission denied"), (["/tmp"], "")])
def test_a_program_that_cannot_be(runtime, args, words):
    runtime.config(*args)
    done = runtime("run", runtime.id())
    assert done.code != 0 and (words in done.err.lower() or not runtime.is_ours), done


@pytest.mark.parametrize("uid,gid", [(0, 0), (1000, 1000), (12345, 54321), (4294967294, 4294967294)])
def test_user_and_group(runtime, uid, gid):
    text = runtime.output("grep -E '^(Uid|Gid)' /proc/self/status", process={"user": {"uid": uid, "gid": gid}})
    assert text == f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\n"


def test_additional_groups_and_no_others(runtime):
    text = runtime.output("grep Groups /proc/self/status", process={"user": {"uid": 1000, "gid": 1000, "additionalGids": [7, 70000]}})
    assert text.split()[1:] == ["7", "70000"]
    assert runtime.output("grep Groups /proc/self/status").split()[1:] in ([], ["0"])


@pytest.mark.parametrize("umask,text", [(0o22, "0022"), (0o77, "0077"), (0, "0000"), (0o777, "0777")])
def test_umask(runtime, umask, text):
    assert runtime.output("umask", process={"user": {"uid": 0, "gid": 0, "umask": umask}}) == text + "\n"


def test_the_umask_of_the_caller_has_no_say(runtime):
    runtime.config("sh", "-c", "umask")
    words = runtime.command("run", runtime.id())
    done = subprocess.run(["sh", "-c", 'umask 0777; exec "$@"', "sh", *words], cwd=runtime.directory / "bundle", capture_output=True, text=True, timeout=30)
    assert done.stdout == "0022\n"


SETS = {"bounding": "CapBnd", "effective": "CapEff", "permitted": "CapPrm", "inheritable": "CapInh", "ambient": "CapAmb"}


def capabilities(runtime, uid=0, **sets):
    text = runtime.output("grep ^Cap /proc/self/status", process={"user": {"uid": uid, "gid": 0}, "capabilities": {**{name: [] for name in SETS}, **sets}})
    values = dict(line.split(":\t") for line in text.splitlines())
    return {name: int(values[key], 16) for name, key in SETS.items()}


@pytest.mark.parametrize("name,bit", [("CAP_CHOWN", 0), ("CAP_KILL", 5), ("CAP_NET_RAW", 13), ("CAP_SYS_ADMIN", 21), ("CAP_AUDIT_READ", 37), ("CAP_BPF", 39)])
def test_a_capability_of_root(runtime, name, bit):
    found = capabilities(runtime, bounding=[name], effective=[name], permitted=[name])
    assert found == {"bounding": 1 << bit, "effective": 1 << bit, "permitted": 1 << bit, "inheritable": 0, "ambient": 0}


def test_no_capabilities_at_all(runtime):
    assert set(capabilities(runtime).values()) == {0}


def test_bounding_alone_gives_root_everything_of_it_at_exec(runtime):
    found = capabilities(runtime, bounding=["CAP_KILL"])
    assert found["bounding"] == 1 << 5 and found["permitted"] == 1 << 5


def test_ambient_capabilities_reach_a_plain_user(runtime):
    every = {name: ["CAP_NET_BIND_SERVICE"] for name in SETS}
    assert set(capabilities(runtime, 1000, **every).values()) == {1 << 10}


def test_a_plain_user_without_ambient_ones_has_none(runtime):
    found = capabilities(runtime, 1000, bounding=["CAP_KILL"], effective=["CAP_KILL"], permitted=["CAP_KILL"])
    assert (found["effective"], found["permitted"], found["bounding"]) == (0, 0, 1 << 5)


def test_inheritable_capabilities(runtime):
    found = capabilities(runtime, 1000, bounding=["CAP_KILL"], permitted=["CAP_KILL"], inheritable=["CAP_KILL"])
    assert found["inheritable"] == 1 << 5 and found["ambient"] == 0


def test_a_capability_that_is_none_is_left_out(runtime):
    assert capabilities(runtime, bounding=["CAP_KILL", "CAP_NOSUCH"], permitted=["CAP_KILL"])["bounding"] == 1 << 5


@pytest.mark.parametrize("wanted,text", [(True, "1"), (False, "0")])
def test_no_new_privileges(runtime, wanted, text):
    assert runtime.output("grep NoNewPrivs /proc/self/status", process={"noNewPrivileges": wanted}).split()[1] == text


def test_a_limit_that_cannot_be_raised_is_an_error(runtime):
    if int(pathlib.Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16) >> 24 & 1:
        most = 1 << 40  # above fs.nr_open, which binds those who may raise the others
        runtime.refused("rlimit", process={"rlimits": [{"type": "RLIMIT_NOFILE", "soft": most, "hard": most}]})
    else:
        runtime.refused("oomScoreAdj", process={"oomScoreAdj": -500})
        runtime.refused("rlimit", process={"rlimits": [{"type": "RLIMIT_NICE", "soft": 40, "hard": 40}]})


@pytest.mark.parametrize("score", [0, 1, 500, 1000])
def test_oom_score(runtime, score):
    assert runtime.output("cat /proc/self/oom_score_adj", process={"oomScoreAdj": score}) == f"{score}\n"


def test_the_oom_score_of_the_caller_is_kept_without_a_wish(runtime):
    assert runtime.output("cat /proc/self/oom_score_adj").strip() == pathlib.Path("/proc/self/oom_score_adj").read_text().strip()


@pytest.mark.parametrize("kind,number,seen", [("IOPRIO_CLASS_RT", 3, "realtime: prio 3"), ("IOPRIO_CLASS_BE", 7, "best-effort: prio 7"), ("IOPRIO_CLASS_IDLE", 0, "idle")])
def test_io_priority(runtime, kind, number, seen):
    assert seen in runtime.output("ionice -p $$", process={"ioPriority": {"class": kind, "priority": number}})


@pytest.mark.parametrize("policy,extra,fields", [("SCHED_OTHER", {"nice": 5}, ["5", "0", "0"]), ("SCHED_OTHER", {"nice": -5}, ["-5", "0", "0"]), ("SCHED_BATCH", {"nice": 1}, ["1", "0", "3"]),
                                                 ("SCHED_IDLE", {}, ["0", "0", "5"]), ("SCHED_FIFO", {"priority": 5}, ["0", "5", "1"]), ("SCHED_RR", {"priority": 6}, ["0", "6", "2"])])
def test_scheduler(runtime, policy, extra, fields):
    changes = {"process": {"scheduler": {"policy": policy, **extra}}}
    if "priority" in extra and os.path.exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"):
        changes["linux"] = {"resources": {"cpu": {"realtimeRuntime": 10000, "realtimePeriod": 1000000}}}
    assert runtime.output("cut -d' ' -f19,40,41 /proc/self/stat", **changes).split() == fields


def test_scheduler_with_a_deadline(runtime):
    runtime.config("sleep", "100", process={"scheduler": {"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 5000000, "period": 10000000, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}})
    name = runtime.id()
    done = runtime("run", "-d", name)
    assert done.code == 0, done
    assert pathlib.Path(f"/proc/{runtime.state(name)['pid']}/stat").read_text().rsplit(")")[1].split()[38] == "6"


def test_scheduler_resets_on_fork_when_asked(runtime):
    text = runtime.output("cut -d' ' -f19 /proc/$$/stat; true | cut -d' ' -f19 /proc/self/stat", process={"scheduler": {"policy": "SCHED_OTHER", "nice": -5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}})
    assert text == "-5\n0\n"


@pytest.mark.parametrize("domain,machine", [("LINUX", os.uname().machine), ("LINUX32", "i686")])
def test_personality(runtime, domain, machine):
    assert runtime.output("uname -m", linux={"personality": {"domain": domain}}) == machine + "\n"


@pytest.mark.parametrize("mode,extra,word", [("MPOL_DEFAULT", {}, "default"), ("MPOL_BIND", {"nodes": "0"}, "bind"), ("MPOL_PREFERRED", {"nodes": "0"}, "prefer"), ("MPOL_INTERLEAVE", {"nodes": "0"}, "interleave"),
                                             ("MPOL_LOCAL", {}, "local"), ("MPOL_BIND", {"nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static")])
def test_memory_policy(runtime, mode, extra, word):
    assert word in runtime.output("head -1 /proc/self/numa_maps", linux={"memoryPolicy": {"mode": mode, **extra}}).split()[1]


def test_hostname_and_domain_name(runtime):
    text = runtime.output("hostname; cat /proc/sys/kernel/domainname", hostname="here", domainname="there.example")
    assert text == "here\nthere.example\n"


def test_without_a_terminal_there_is_none(runtime):
    assert runtime.run("tty; test -c /dev/console").out.startswith("not a tty")


def with_terminal(runtime, script, **process):
    runtime.config("sh", "-c", script, process={"terminal": True, **process})
    listener = Listener(runtime.directory / "tty.sock")
    name = runtime.id()
    done = runtime("create", "--console-socket", str(runtime.directory / "tty.sock"), name)
    assert done.code == 0, done
    master = listener.wait()
    assert runtime("start", name).code == 0
    return name, master, listener


def test_a_terminal_by_the_console_socket(runtime):
    _, master, listener = with_terminal(runtime, "tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all; readlink /proc/self/fd/0; read x; echo got $x; echo end", consoleSize={"height": 40, "width": 120})
    os.write(master, b"word\n")
    text = listener.read_until(master, "end\r\n")
    os.close(master)
    assert "/dev/pts/0" in text or "/dev/console" in text
    assert "40 120" in text and "all" in text and "got word" in text, text
    assert "pt" in listener.text or "console" in listener.text


def test_interrupt_of_a_terminal_reaches_the_program(runtime):
    _, master, listener = with_terminal(runtime, "trap 'echo caught; exit' INT; echo ready; while true; do usleep 10000; done")
    listener.read_until(master, "ready")
    os.write(master, b"\x03")
    assert "caught" in listener.read_until(master, "caught\r\n")
    os.close(master)


def test_the_terminal_belongs_to_its_user(runtime):
    _, master, listener = with_terminal(runtime, "echo direct > /dev/tty && stat -L -c owner=%u /proc/self/fd/0; echo end", user={"uid": 1000, "gid": 1000})
    text = listener.read_until(master, "end\r\n")
    os.close(master)
    assert "direct" in text and "owner=1000" in text, text


def test_preserved_descriptors_and_no_others(runtime):
    runtime.config("sh", "-c", "ls /proc/self/fd; echo through >&4")
    read, write = os.pipe()
    words = runtime.command("run", "--preserve-fds", "2", runtime.id())
    done = subprocess.run(["bash", "-c", f'exec 3<&{read} 4>&{write} 7</etc/passwd; exec "$@"', "bash", *words], cwd=runtime.directory / "bundle", capture_output=True, text=True, timeout=30, pass_fds=(read, write))
    os.close(write)
    text = os.read(read, 100)
    os.close(read)
    assert text == b"through\n", done
    assert "7" not in done.stdout.split()


def test_no_descriptor_of_the_caller_leaks(runtime):
    runtime.config("sh", "-c", "ls -l /proc/self/fd")
    words = runtime.command("run", runtime.id())
    done = subprocess.run(["sh", "-c", 'exec 3</etc/passwd 4</; exec "$@"', "sh", *words], cwd=runtime.directory / "bundle", capture_output=True, text=True, timeout=30)
    assert "passwd" not in done.stdout and len(done.stdout.splitlines()) == 5, done  # the head line, 0, 1, 2 and ls's own


def test_signals_are_as_a_fresh_program_expects_them(runtime):
    runtime.config("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
    words = runtime.command("run", runtime.id())
    done = subprocess.run(["sh", "-c", "trap '' PIPE USR1 HUP; exec \"$@\"", "sh", *words], cwd=runtime.directory / "bundle", capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16], done


@pytest.mark.parametrize("path,number", [("/dev/null", "1:3"), ("/dev/zero", "1:5"), ("/dev/full", "1:7"), ("/dev/random", "1:8"), ("/dev/urandom", "1:9"), ("/dev/tty", "5:0")])
def test_a_default_device(runtime, path, number):
    assert runtime.output(f"stat -c '%t:%T %a' {path}") == f"{number} 666\n"


@pytest.mark.parametrize("link,target", [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"), ("ptmx", "pts/ptmx")])
def test_a_default_link(runtime, link, target):
    assert runtime.output(f"readlink /dev/{link}") == target + "\n"


@pytest.mark.parametrize("device,seen", [
    ({"type": "c", "major": 1, "minor": 11, "fileMode": 0o640, "uid": 5, "gid": 6}, "character special file b 640 5:6"),
    ({"type": "u", "major": 1, "minor": 5}, "character special file 5"),
    ({"type": "b", "major": 7, "minor": 77, "fileMode": 0o600}, "block special file 4d 600"),
    ({"type": "p", "fileMode": 0o622}, "fifo 0 622")])
def test_a_device_of_the_file(runtime, device, seen):
    text = runtime.output("stat -c '%F %T %a %u:%g' /dev/deep/made", linux={"devices": [{"path": "/dev/deep/made", **device}]})
    assert text.startswith(seen), text


def test_a_device_outside_of_dev(runtime):
    assert runtime.output("stat -c %F /made", linux={"devices": [{"path": "/made", "type": "c", "major": 1, "minor": 3}]}) == "character special file\n"
