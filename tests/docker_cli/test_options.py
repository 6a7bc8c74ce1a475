"""The flags of `docker run`, each seen from inside the container."""
import os
import re

import pytest


def sh(docker, script, *flags, **options):
    """Output of a script in a fresh container."""
    return docker.output("run", "--rm", *flags, "busybox", "sh", "-c", script, **options)


class TestProcess:
    def test_environment(self, docker, tmp_path):
        (tmp_path / "env").write_text("# comment\nFROM_FILE=a b\nINHERITED\nEMPTY=\nOVER=file\n")
        out = sh(docker, "env | sort", "-e", "ONE=1", "-e", "OVER=flag", "--env-file", tmp_path / "env", "-e", "INHERITED2", env={"INHERITED": "yes", "INHERITED2": "too"})
        assert {"ONE=1", "OVER=flag", "FROM_FILE=a b", "INHERITED=yes", "INHERITED2=too", "EMPTY=", "HOME=/root"} <= set(out.splitlines())
        assert "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" in out.splitlines()

    def test_hostname_variable(self, docker):
        assert sh(docker, "echo $HOSTNAME; hostname; cat /etc/hostname", "--hostname", "box").splitlines() == ["box", "box", "box"]

    @pytest.mark.parametrize("user, shown", [("alice", "1000 1000 1000 10"), ("1000", "1000 1000 1000 10"), ("5", "5 0 0"), ("5:7", "5 7 7"), ("alice:staff", "1000 50 50"), (":50", "0 50 50")])
    def test_user(self, docker, user, shown):
        assert sh(docker, "echo $(id -u) $(id -g) $(id -G)", "-u", user) == shown

    def test_group_add(self, docker):
        assert sh(docker, "id -G", "-u", "alice", "--group-add", "staff", "--group-add", "777").split() in (["1000", "10", "50", "777"], ["1000", "50", "777"])

    def test_home(self, docker):
        assert sh(docker, "echo $HOME", "-u", "alice") == "/home/alice"
        assert sh(docker, "echo $HOME", "-u", "4242") == "/"

    def test_workdir_is_made(self, docker):
        assert sh(docker, "pwd; stat -c '%U %a' .", "-w", "/new/deep/dir").splitlines() == ["/new/deep/dir", "root 755"]

    def test_entrypoint(self, docker):
        assert docker.output("run", "--rm", "--entrypoint", "echo", "busybox", "a", "b") == "a b"
        assert docker.output("run", "--rm", "configured", "x", "y") == "entry x y"
        assert docker.output("run", "--rm", "configured") == "entry default"
        assert docker.output("run", "--rm", "--entrypoint", "", "configured", "echo", "plain") == "plain"

    def test_init(self, docker):
        out = sh(docker, "cat /proc/1/comm; echo $$ > /dev/null; ps -o pid,comm | grep -c init", "--init").splitlines()
        assert "init" in out[0]
        assert docker("run", "--rm", "--init", "busybox", "sh", "-c", "exit 5").returncode == 5

    def test_init_reaps(self, docker, name):
        docker("run", "-d", "--init", "--name", name, "busybox", "sh", "-c", "(sleep 0.1 &) ; exec sleep 100", check=0)
        import time
        time.sleep(0.5)
        assert "Z" not in docker.output("exec", name, "sh", "-c", "cat /proc/[0-9]*/stat | cut -d' ' -f3 | sort -u | tr '\\n' ' '").split()

    def test_pid_one_without_init(self, docker):
        assert sh(docker, "echo $$") == "1"

    def test_labels(self, docker, name, tmp_path):
        (tmp_path / "labels").write_text("from=file\n")
        docker("create", "--name", name, "-l", "a=b", "--label", "empty", "--label-file", tmp_path / "labels", "busybox", check=0)
        assert docker.inspect(name, "{{json .Config.Labels}}") == '{"a":"b","empty":"","from":"file"}'

    def test_ulimit(self, docker):
        assert sh(docker, "ulimit -n; ulimit -Hn; ulimit -c", "--ulimit", "nofile=100:200", "--ulimit", "core=0").splitlines() == ["100", "200", "0"]

    def test_umask_and_oom_score(self, docker):
        assert sh(docker, "umask; cat /proc/self/oom_score_adj", "--oom-score-adj", "500").splitlines() == ["0022", "500"]

    def test_stop_signal_and_timeout(self, docker, name):
        docker("run", "-d", "--name", name, "--stop-signal", "USR2", "--stop-timeout", "20", "busybox", "sh", "-c", "trap 'exit 21' USR2; while :; do sleep 0.05; done", check=0)
        import time
        time.sleep(0.3)
        docker("stop", name, check=0)
        assert docker.inspect(name, "{{.State.ExitCode}} {{.Config.StopSignal}} {{.Config.StopTimeout}}") == "21 USR2 20"


class TestFiles:
    def test_bind(self, docker, tmp_path):
        (tmp_path / "f").write_text("host\n")
        assert sh(docker, "cat /m/f; echo inside > /m/g", "-v", f"{tmp_path}:/m") == "host"
        assert (tmp_path / "g").read_text() == "inside\n"

    def test_bind_of_a_file(self, docker, tmp_path):
        (tmp_path / "f").write_text("one file\n")
        assert sh(docker, "cat /etc/odd; ls -A /etc | grep -c odd", "-v", f"{tmp_path}/f:/etc/odd").splitlines() == ["one file", "1"]

    def test_bind_read_only(self, docker, tmp_path):
        done = docker("run", "--rm", "-v", f"{tmp_path}:/m:ro", "busybox", "touch", "/m/x", check=1)
        assert "Read-only file system" in done.stderr
        done = docker("run", "--rm", "--mount", f"type=bind,src={tmp_path},dst=/m,readonly", "busybox", "touch", "/m/x", check=1)
        assert "Read-only file system" in done.stderr

    def test_bind_source_is_made(self, docker, tmp_path):
        sh(docker, "echo x > /m/f", "-v", f"{tmp_path}/made/here:/m")
        assert (tmp_path / "made/here/f").read_text() == "x\n"
        done = docker("run", "--rm", "--mount", f"type=bind,src={tmp_path}/absent,dst=/m", "busybox", check=125)
        assert "bind source path does not exist" in done.stderr

    def test_nested_binds(self, docker, tmp_path):
        (tmp_path / "a/b").mkdir(parents=True)
        (tmp_path / "c").mkdir()
        (tmp_path / "c/in_c").write_text("")
        assert sh(docker, "ls /m /m/b", "-v", f"{tmp_path}/c:/m/b", "-v", f"{tmp_path}/a:/m").split() == ["/m:", "b", "/m/b:", "in_c"]

    def test_propagation(self, docker, tmp_path):
        from support import isolation
        shared = tmp_path / "shared"
        shared.mkdir()
        isolation.mount("tmpfs", str(shared), "tmpfs")
        isolation.mount("none", str(shared), None, isolation.MS_SHARED)
        try:
            (shared / "sub").mkdir()
            out = sh(docker, "mount -t tmpfs none /m/sub && touch /m/sub/inside; grep ' /m ' /proc/self/mountinfo", "-v", f"{shared}:/m:rshared", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined")
            assert "shared:" in out
            assert (shared / "sub/inside").exists()
            isolation.unmount(str(shared / "sub"))
            assert "master:" in sh(docker, "grep ' /m ' /proc/self/mountinfo", "-v", f"{shared}:/m:rslave")
            private = sh(docker, "grep ' /m ' /proc/self/mountinfo", "-v", f"{shared}:/m:rprivate")
            assert "shared:" not in private and "master:" not in private
        finally:
            isolation.unmount(str(shared))

    def test_tmpfs(self, docker):
        out = sh(docker, "grep ' /t ' /proc/mounts; df -k /t | tail -1 | awk '{print $2}'; stat -c %a /t", "--tmpfs", "/t:size=1m,mode=700,uid=5").splitlines()
        assert out[0].startswith("tmpfs /t tmpfs rw,nosuid,nodev,noexec") and out[1:] == ["1024", "700"]
        out = sh(docker, "grep ' /t ' /proc/mounts; stat -c %a /t", "--mount", "type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=1770").splitlines()
        assert "size=2048k" in out[0] and out[1] == "1770"

    def test_read_only_root(self, docker):
        done = docker("run", "--rm", "--read-only", "--tmpfs", "/tmp", "busybox", "sh", "-c", "echo x > /tmp/ok && touch /no", check=1)
        assert "Read-only file system" in done.stderr
        assert sh(docker, "echo x > /dev/null; echo y > /dev/shm/z; cat /dev/shm/z", "--read-only") == "y"

    def test_standard_mounts(self, docker):
        out = sh(docker, "cat /proc/mounts")
        for wanted in ("overlay / overlay rw", "proc /proc proc rw", "tmpfs /dev tmpfs rw,nosuid", "devpts /dev/pts devpts rw", "sysfs /sys sysfs ro", "mqueue /dev/mqueue mqueue rw", "shm /dev/shm tmpfs rw", "proc /proc/sys proc ro", "tmpfs /proc/acpi tmpfs ro" if os.path.isdir("/proc/acpi") else ""):
            assert wanted in out, wanted
        assert sh(docker, "df -k /dev/shm | tail -1 | awk '{print $2}'") == "65536"
        assert sh(docker, "df -k /dev/shm | tail -1 | awk '{print $2}'", "--shm-size", "8m") == "8192"

    def test_standard_devices(self, docker):
        out = sh(docker, "ls -A /dev; readlink /dev/fd; readlink /dev/ptmx").split()
        assert {"full", "null", "zero", "tty", "random", "urandom", "ptmx", "pts", "shm", "mqueue", "fd", "stdin", "stdout", "stderr"} <= set(out)
        assert out[-2:] == ["/proc/self/fd", "pts/ptmx"]

    def test_masked_paths(self, docker):
        assert sh(docker, "head -c 10 /proc/kcore | wc -c; ls -A /sys/firmware 2>/dev/null | wc -l; echo x > /proc/sysrq-trigger 2>&1 || echo denied", ).splitlines()[-1] in ("denied",)
        assert sh(docker, "cat /proc/keys /proc/timer_list 2>/dev/null | wc -c") == "0"

    def test_dockerenv(self, docker):
        assert sh(docker, "ls /.dockerenv; stat -c %s /.dockerenv").splitlines() == ["/.dockerenv", "0"]

    def test_changes_stay_in_the_container(self, docker, name):
        docker("run", "--name", name, "busybox", "sh", "-c", "rm /etc/passwd; echo x > /new", check=0)
        assert sh(docker, "ls /new 2>/dev/null; wc -l < /etc/passwd") == "3"
        docker("start", "-a", name, check=0)


class TestSecurity:
    def caps(self, docker, *flags):
        return sh(docker, "grep Cap /proc/self/status | awk '{print $2}'", *flags).split()

    def test_default_capabilities(self, docker):
        assert self.caps(docker) == ["0000000000000000", "00000000a80425fb", "00000000a80425fb", "00000000a80425fb", "0000000000000000"]

    def test_add_and_drop(self, docker):
        assert int(self.caps(docker, "--cap-add", "NET_ADMIN")[1], 16) == 0xa80425fb | 1 << 12
        assert int(self.caps(docker, "--cap-drop", "CHOWN", "--cap-drop", "CAP_KILL")[1], 16) == 0xa80425fb & ~(1 | 1 << 5)
        assert self.caps(docker, "--cap-drop", "ALL")[1] == "0000000000000000"
        assert int(self.caps(docker, "--cap-drop", "ALL", "--cap-add", "CHOWN")[1], 16) == 1
        # ALL means all that the machine has
        assert int(self.caps(docker, "--cap-add", "ALL")[3], 16) & ~int(open("/proc/1/status").read().split("CapBnd:\t")[1].split()[0], 16) == 0

    def test_user_has_no_effective_ones(self, docker):
        inheritable, permitted, effective, bounding, ambient = self.caps(docker, "-u", "alice")
        assert (permitted, effective, bounding) == ("0000000000000000", "0000000000000000", "00000000a80425fb")

    def test_privileged(self, docker):
        out = sh(docker, "ls /dev | wc -l; grep -c ' /sys sysfs rw' /proc/mounts; grep -c 'proc /proc/sys proc ro' /proc/mounts; grep Seccomp: /proc/self/status", "--privileged").split()
        assert int(out[0]) > 20 and out[1:3] == ["1", "0"] and out[-1] == "0"

    def test_seccomp(self, docker, tmp_path):
        assert sh(docker, "grep Seccomp: /proc/self/status").split()[1] == "2"
        assert sh(docker, "grep Seccomp: /proc/self/status", "--security-opt", "seccomp=unconfined").split()[1] == "0"
        (tmp_path / "p.json").write_text('{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}')
        done = docker("run", "--rm", "--security-opt", f"seccomp={tmp_path}/p.json", "busybox", "mkdir", "/x", check=1)
        assert "Operation not permitted" in done.stderr

    def test_seccomp_default_denies(self, docker):
        assert docker("run", "--rm", "busybox", "unshare", "-U", "true").returncode != 0
        assert docker("run", "--rm", "--security-opt", "seccomp=unconfined", "busybox", "unshare", "-U", "true").returncode == 0

    def test_no_new_privileges(self, docker):
        assert sh(docker, "grep NoNewPrivs /proc/self/status").split()[1] == "0"
        assert sh(docker, "grep NoNewPrivs /proc/self/status", "--security-opt", "no-new-privileges").split()[1] == "1"

    def test_unknown_security_option(self, docker):
        docker("run", "--rm", "--security-opt", "bogus=1", "busybox", "true", check=125)

    def test_systempaths(self, docker):
        assert sh(docker, "grep -c 'proc /proc/sys proc ro' /proc/mounts; true", "--security-opt", "systempaths=unconfined") == "0"


class TestNamespaces:
    def test_host_ones(self, docker):
        for flag, kind in (("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--network", "net")):
            assert sh(docker, f"readlink /proc/self/ns/{kind}", flag, "host") == os.readlink(f"/proc/self/ns/{kind}"), flag
            assert sh(docker, f"readlink /proc/self/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")

    def test_of_another_container(self, docker, name):
        docker("run", "-d", "--name", name, "busybox", "sleep", "100", check=0)
        for flag, kind in (("--pid", "pid"), ("--network", "net")):
            assert sh(docker, f"readlink /proc/self/ns/{kind}", flag, "container:" + name) == docker.output("exec", name, "readlink", f"/proc/1/ns/{kind}")
        assert re.search("ipc", docker("run", "--rm", "--ipc", "container:" + name, "busybox", "true", check=125).stderr, re.I)

    def test_sysctl(self, docker):
        assert sh(docker, "cat /proc/sys/net/ipv4/ip_default_ttl", "--sysctl", "net.ipv4.ip_default_ttl=33") == "33"
        assert sh(docker, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start") == "0"

    def test_network_none_and_host(self, docker):
        assert sh(docker, "ls /sys/class/net", "--network", "none") == "lo"
        assert "eth0" in sh(docker, "ls /sys/class/net").split()

    def test_expose_and_publish_flags(self, docker, name):
        docker("create", "--name", name, "-p", "127.0.0.1:9000:80", "-p", "9001-9002:81-82/udp", "--expose", "90-91", "busybox", check=0)
        import json
        config = json.loads(docker.output("inspect", name))[0]
        assert sorted(config["Config"]["ExposedPorts"]) == ["80/tcp", "81/udp", "82/udp", "90/tcp", "91/tcp"]
        assert config["HostConfig"]["PortBindings"]["80/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": "9000"}]
        assert config["HostConfig"]["PortBindings"]["82/udp"] == [{"HostIp": "", "HostPort": "9002"}]


def test_limits_flags(docker, name):
    docker("create", "--name", name, "-m", "64m", "--memory-swap", "128m", "--cpus", "1.5", "--pids-limit", "50", "--cpu-shares", "300", "--cpuset-cpus", "0", "busybox", check=0)
    assert docker.inspect(name, "{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.NanoCpus}} {{.PidsLimit}} {{.CpuShares}} {{.CpusetCpus}}{{end}}") == "67108864 134217728 1500000000 50 300 0"


def test_runtime_flag(docker):
    done = docker("run", "--rm", "--runtime", "nosuch", "busybox", "true", check=125)
    assert "unknown or invalid runtime name: nosuch" in done.stderr.lower()


def test_platform(docker):
    assert docker.output("run", "--rm", "--platform", "linux/amd64" if os.uname().machine == "x86_64" else "linux/arm64", "busybox", "echo", "ok") == "ok"
    docker("run", "--rm", "--platform", "linux/s390x", "--pull", "never", "busybox", "true", check=125)
