"""What a container sees, may do, and cannot reach."""
import os
import pathlib
import subprocess

import pytest


def output(runtime, script, **changes):
    runtime.config("sh", "-c", script, **changes)
    done = runtime("run", runtime.id())
    return done.out + done.err


def test_own_pids_devices_and_links(runtime):
    text = output(runtime, "echo $$; ls -l /dev")
    assert text.startswith("1\n")
    for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd ->", "stdin ->", "stdout ->", "stderr ->"):
        assert name in text


def test_masked_and_read_only_paths(runtime):
    text = output(runtime, "cat /proc/keys; cat /proc/timer_list; ls /sys/firmware /proc/scsi; echo x > /proc/sys/vm/swappiness; echo x > /proc/sys/kernel/domainname; touch /sys/x")
    assert text.count("Read-only file system") == 3, text
    assert "keyring" not in text and "clock" not in text


def test_capabilities_and_no_new_privileges(runtime):
    text = output(runtime, "grep -E '^Cap|NoNew' /proc/self/status", process={"noNewPrivileges": True})
    assert "CapEff:\t00000000a80425fb" in text and "CapBnd:\t00000000a80425fb" in text and "NoNewPrivs:\t1" in text


def test_limits_of_the_process(runtime):
    text = output(runtime, "ulimit -n; ulimit -c; cat /proc/self/oom_score_adj; umask",
                  process={"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}], "oomScoreAdj": 250, "user": {"uid": 0, "gid": 0, "umask": 0o27}})
    assert text == "100\n0\n250\n0027\n"


def test_cgroup_limits(runtime):
    if not os.path.isdir("/sys/fs/cgroup/memory"):
        pytest.skip("for cgroup v1")
    name = runtime.start_detached("sleep", "100", linux={"resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 33}, "cpu": {"shares": 512}}})
    pid = runtime.state(name)["pid"]
    groups = {line.split(":")[1]: line.split(":")[2] for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().split()}
    assert pathlib.Path("/sys/fs/cgroup/memory" + groups["memory"], "memory.limit_in_bytes").read_text() == f"{64 << 20}\n"
    assert pathlib.Path("/sys/fs/cgroup/pids" + groups["pids"], "pids.max").read_text() == "33\n"
    if runtime("update", "--memory", str(128 << 20), name).code == 0:
        assert pathlib.Path("/sys/fs/cgroup/memory" + groups["memory"], "memory.limit_in_bytes").read_text() == f"{128 << 20}\n"


def test_sysctls_of_its_namespaces(runtime):
    assert output(runtime, "cat /proc/sys/net/ipv4/ip_forward", linux={"sysctl": {"net.ipv4.ip_forward": "1"}}) == "1\n"
    runtime.config("true", linux={"sysctl": {"kernel.panic": "1"}})
    assert runtime("run", runtime.id()).code != 0


def test_binds_with_their_options(runtime):
    volume = runtime.directory / "volume"
    volume.mkdir()
    (volume / "file").write_text("content\n")
    config = runtime.config("sh", "-c", "cat /vol/file; touch /vol/new; cat /one")
    config["mounts"] += [{"destination": "/vol", "type": "bind", "source": str(volume), "options": ["rbind", "ro"]},
                         {"destination": "/one", "type": "bind", "source": str(volume / "file"), "options": ["bind"]}]
    runtime.write(config)
    done = runtime("run", runtime.id())
    assert done.out == "content\ncontent\n" and "Read-only" in done.err
    assert not (volume / "new").exists()


def test_read_only_root(runtime):
    assert "Read-only" in output(runtime, "touch /x", root={"readonly": True})


def test_seccomp(runtime):
    text = output(runtime, "mkdir /tmp/x 2>&1; echo $?", linux={"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                                                                     "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}})
    assert "not supported" in text and text.endswith("1\n")


def test_home_comes_from_the_users_of_the_root(runtime):
    assert output(runtime, "echo $HOME", process={"user": {"uid": 1000, "gid": 1000}}) == "/home/app\n"


def test_streams_belong_to_the_user(runtime):
    assert output(runtime, "echo again > /dev/stdout", process={"user": {"uid": 1000, "gid": 1000}}).strip() in ("again", "")  # a file on the host's side may refuse


def test_a_link_in_the_image_cannot_move_a_mount_outside(runtime):
    victim = runtime.directory / "victim"
    victim.mkdir()
    (runtime.rootfs / "data").symlink_to("../../../../../../../.." + str(victim))
    source = runtime.directory / "source"
    source.mkdir()
    config = runtime.config("sh", "-c", "touch /data/planted")
    config["mounts"].append({"destination": "/data", "type": "bind", "source": str(source), "options": ["rbind"]})
    runtime.write(config)
    runtime("run", runtime.id())
    assert not list(victim.iterdir())


def test_a_working_directory_cannot_lead_outside(runtime):
    """CVE-2024-21626: a descriptor of the host within reach and an image whose working directory names it. crun 1.8.1 lets it through."""
    (runtime.rootfs / "etc" / "marker").write_text("inside\n")
    runtime.config("sh", "-c", "cat ../../../../../../../../../../../etc/marker 2>/dev/null || echo outside", process={"cwd": "/proc/self/fd/3"})
    words = runtime.command("run", "--preserve-fds", "1", runtime.id())
    done = subprocess.run(["sh", "-c", 'exec 3</; exec "$@"', "sh", *words], cwd=runtime.directory / "bundle", capture_output=True, text=True, timeout=30)
    if not runtime.is_ours and "outside" in done.stdout:
        pytest.xfail("this runtime lets the container out")
    assert "outside" not in done.stdout and done.returncode != 0, done
    assert "outside of container" in done.stderr or not runtime.is_ours


def test_a_fifo_as_passwd_does_not_hang(runtime):
    if not runtime.is_ours:
        pytest.skip("a promise of ours")
    (runtime.rootfs / "etc" / "passwd").unlink()
    os.mkfifo(runtime.rootfs / "etc" / "passwd")
    assert output(runtime, "echo $HOME", process={"user": {"uid": 1000, "gid": 1000}}) == "/\n"


def test_the_runtimes_binary_is_out_of_reach(runtime):
    """CVE-2019-5736: what /proc/PID/exe of the waiting init leads to cannot be opened for writing, not even by the host's root."""
    if not runtime.is_ours:
        pytest.skip("a promise of ours")
    runtime.config("sleep", "100")
    name = runtime.id()
    assert runtime("create", name).code == 0
    with pytest.raises(OSError):
        os.open(f"/proc/{runtime.state(name)['pid']}/exe", os.O_WRONLY)


def test_nothing_is_left_after_many_runs(runtime):
    if not runtime.is_ours:
        pytest.skip("counts are ours")
    runtime.config("true")
    runtime("run", "t-warm")
    mounts = len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines())
    for number in range(40):
        assert runtime("run", f"t-{number}").code == 0
    assert len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()) == mounts
    assert not list(pathlib.Path("/sys/fs/cgroup").glob("*/t-*"))
    assert [path.name for path in runtime.root.iterdir() if not path.name.startswith(".")] == []
