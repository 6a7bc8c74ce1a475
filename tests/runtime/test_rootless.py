"""A plain user runs containers: a user namespace with its own id, no cgroup, no privileges. Spec: config-linux.md, User namespace mappings."""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import pytest

from support.outcome import Done

UID = 61234


class Plain:
    """The runtime as a plain user, in a bundle of its own."""

    def __init__(self, runtime, before=()):
        """`before`: words before setpriv."""
        self.runtime, self.before = runtime, before
        for directory, names, files in os.walk(runtime.directory):
            for name in [".", *names, *files]:
                os.lchown(os.path.join(directory, name), UID, UID)

    def __call__(self, *words, around=(), timeout=30, **options):
        """`around`: what runs the runtime in its turn."""
        user = [*self.before, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", *around]
        program = str(self.runtime.program)
        process = subprocess.run([*user, program, "--root", str(self.runtime.root), *words], cwd=self.runtime.directory / "bundle", stdin=subprocess.DEVNULL, stdout=open(self.runtime.directory / "out", "wb"),
                                 stderr=open(self.runtime.directory / "err", "wb"), timeout=timeout, check=False, **options)
        process.stdout, process.stderr = (self.runtime.directory / "out").read_text(), (self.runtime.directory / "err").read_text()
        return Done(process)

    def config(self, *args, **changes):
        config = self.runtime.config(*args, **changes)
        kinds = ("pid", "ipc", "uts", "mount", "user")
        ids = [{"containerID": 0, "hostID": UID, "size": 1}]
        config["linux"].update(namespaces=[{"type": kind} for kind in kinds], uidMappings=ids, gidMappings=ids)
        config["linux"].setdefault("resources", {}).pop("devices", None)
        for mount in config["mounts"]:
            if mount["destination"] == "/dev/pts":
                mount["options"] = [option for option in mount["options"] if not option.startswith("gid=")]
            if mount["destination"] == "/sys":
                mount.update(type="none", source="/sys", options=["rbind", "nosuid", "noexec", "nodev", "ro"])
        self.runtime.write(config)
        os.chown(self.runtime.directory / "bundle" / "config.json", UID, UID)
        return config


@contextlib.contextmanager
def own_copy(runtime):
    """The program where anybody may run it."""
    copy = pathlib.Path("/tmp") / f"oci-program-{os.getpid()}"
    shutil.copy(runtime.program, copy)
    copy.chmod(0o755)
    own, runtime.program = runtime.program, copy
    try:
        yield
    finally:
        runtime.program = own
        copy.unlink()


@pytest.fixture
def plain(runtime):
    if runtime.is_crun:
        pytest.skip("wants a cgroup")
    with own_copy(runtime):
        yield Plain(runtime)


def test_a_plain_user_runs_a_container(plain):
    plain.config("sh", "-c", "id -u; cat /proc/self/uid_map; echo $$; hostname; echo x > /dev/null && echo written")
    done = plain("run", plain.runtime.id())
    assert done.code == 0 and done.out.split() == ["0", "0", str(UID), "1", "1", "box", "written"], done


def test_the_whole_life_of_a_plain_users_container(plain):
    plain.config("sleep", "100")
    name = plain.runtime.id()
    for words in (["create", name], ["start", name]):
        done = plain(*words)
        assert done.code == 0, done
    state = json.loads(plain("state", name).out)
    assert state["status"] == "running"
    assert f"Uid:\t{UID}\t" in pathlib.Path(f"/proc/{state['pid']}/status").read_text()
    done = plain("exec", name, "sh", "-c", "id -u; grep NoNew /proc/self/status")
    assert done.out.startswith("0\n"), done
    assert plain("kill", name, "KILL").code == 0
    end = time.monotonic() + 5
    while json.loads(plain("state", name).out)["status"] != "stopped":
        assert time.monotonic() < end
        time.sleep(0.02)
    assert plain("delete", name).code == 0 and not (plain.runtime.root / name).exists()


@pytest.mark.parametrize("user", [0, 5])
def test_the_root_of_a_user_namespace_runs_a_container(plain, user):
    """As podman without root calls its runtime: no user namespace is asked for, the caller is in one."""
    config = plain.config("sh", "-c", "cat /proc/self/uid_map; echo x > /dev/null && echo written; ls /sys/kernel > /dev/null && echo seen", process={"user": {"uid": 0, "gid": user and 5}})
    config["linux"]["namespaces"] = [space for space in config["linux"]["namespaces"] if space["type"] != "user"]
    del config["linux"]["uidMappings"], config["linux"]["gidMappings"]
    plain.runtime.write(config)
    done = plain("run", plain.runtime.id(), around=["unshare", "--user", "--map-root-user"])
    if user:  # who has only one id has no other
        assert done.code != 0 and "written" not in done.out and ("setgid" in done.err or not plain.runtime.is_ours), done
    else:
        assert done.code == 0 and done.out.split() == ["0", str(UID), "1", "written", "seen"], done


def test_limits_without_the_right_to_set_them_are_refused(plain):
    plain.config("echo", "it ran", linux={"resources": {"pids": {"limit": 5}}})
    done = plain("run", plain.runtime.id())
    assert done.code != 0 and "it ran" not in done.out
    assert "rootless" in done.err or not plain.runtime.is_ours


def test_what_needs_a_cgroup_says_so(plain):
    if not plain.runtime.is_ours:
        pytest.skip("our words")
    plain.config("sleep", "100")
    name = plain.runtime.id()
    assert plain("run", "-d", name).code == 0
    for words in (["pause", name], ["update", "--pids-limit", "5", name], ["events", "--stats", name], ["ps", name]):
        done = plain(*words)
        assert done.code == 1 and "no cgroup of its own" in done.err, done
    assert plain("delete", "--force", name).code == 0


def test_a_map_of_further_ids_needs_the_users_share(plain):
    config = plain.config("echo", "it ran")
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": UID, "size": 1}, {"containerID": 1, "hostID": 0, "size": 1}]
    plain.runtime.write(config)
    done = plain("run", plain.runtime.id())
    assert done.code != 0 and "it ran" not in done.out, done


def test_a_plain_user_reaches_no_file_of_others(plain):
    secret = plain.runtime.directory / "secret"
    secret.write_text("hidden")
    os.chown(secret, 0, 0)
    secret.chmod(0o600)
    plain.config("cat", "/m/secret", mounts=[{"destination": "/m", "type": "bind", "source": str(plain.runtime.directory), "options": ["rbind"]}])
    done = plain("run", plain.runtime.id())
    assert "hidden" not in done.out and "denied" in done.err, done
