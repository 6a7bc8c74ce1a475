"""The unmodified client: docker volume, run -v, --mount, --volumes-from, -v on rm."""
import json
import os

import pytest


class TestVolumeCommand:
    def test_life(self, docker, name):
        assert docker.output("volume", "create", name) == name
        assert docker.output("volume", "ls", "-q", "-f", f"name={name}") == name
        assert docker.output("volume", "ls", "--format", "{{.Driver}} {{.Name}} {{.Scope}}", "-f", f"name={name}") == f"local {name} local"
        assert docker.output("volume", "inspect", "-f", "{{.Name}} {{.Driver}}", name) == f"{name} local"
        assert docker.output("volume", "rm", name) == name
        gone = docker("volume", "inspect", name, check=1)
        assert f"no such volume" in gone.stderr.lower()
        missing = docker("volume", "rm", name, check=1)
        assert "no such volume" in missing.stderr

    def test_create_options(self, docker, name):
        docker("volume", "create", "--label", "a=b", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", name, check=0)
        volume = json.loads(docker.output("volume", "inspect", name))[0]
        assert volume["Labels"] == {"a": "b"} and volume["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
        assert "/data tmpfs" in docker.output("run", "--rm", "-v", f"{name}:/data", "busybox", "grep", " /data ", "/proc/mounts")

    def test_an_anonymous_volume_prints_its_name(self, docker):
        assert len(docker.output("volume", "create")) == 64

    def test_in_use(self, docker, name):
        container = docker.output("create", "-v", f"{name}:/data", "busybox")
        refused = docker("volume", "rm", name, check=1)
        assert f"remove {name}: volume is in use - [{container}]" in refused.stderr
        docker("rm", container, check=0)
        docker("volume", "rm", name, check=0)

    def test_rm_force_of_a_missing_one(self, docker):
        docker("volume", "rm", "-f", "nope-nope", check=0)

    @pytest.mark.modern
    def test_prune(self, docker, name):
        docker("volume", "create", name, check=0)
        out = docker.output("volume", "prune", "-f")
        assert "Total reclaimed space: 0B" in out


class TestRun:
    def test_volume_and_mount_flags(self, docker, name, tmp_path):
        (tmp_path / "f").write_text("host\n")
        docker("run", "--rm", "-v", f"{name}:/data", "busybox", "sh", "-c", "mkdir /data/sub; echo one > /data/sub/file", check=0)
        assert docker.output("run", "--rm", "--mount", f"type=volume,src={name},dst=/data,readonly", "busybox", "cat", "/data/sub/file") == "one"
        assert docker.output("run", "--rm", "--mount", f"src={name},dst=/data,volume-nocopy", "busybox", "cat", "/data/sub/file") == "one"
        assert docker.output("run", "--rm", "--mount", f"type=bind,src={tmp_path},dst=/b,ro", "-v", f"{tmp_path}:/c:ro,z", "busybox", "cat", "/b/f", "/c/f") == "host\nhost"
        refused = docker("run", "--rm", "-v", f"{name}:/data:ro", "busybox", "touch", "/data/x", check=1)
        assert "Read-only file system" in refused.stderr
        out = docker.output("run", "--rm", "--mount", "type=tmpfs,dst=/ram,tmpfs-size=1m,tmpfs-mode=1770", "busybox", "sh", "-c", "stat -c %a /ram; grep ' /ram ' /proc/mounts")
        assert out.startswith("1770\n") and "size=1024k" in out

    def test_mount_creates_with_driver_options_and_labels(self, docker, name):
        docker("run", "--rm", "--mount", f"type=volume,src={name},dst=/data,volume-driver=local,volume-label=k=v,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=3m",
               "busybox", "true", check=0)
        volume = json.loads(docker.output("volume", "inspect", name))[0]
        assert volume["Labels"] == {"k": "v"} and volume["Options"]["o"] == "size=3m"

    def test_volumes_from_and_ps(self, docker, name):
        docker("run", "--name", name, "-v", f"{name}:/data", "-v", "/anonymous", "busybox", "sh", "-c", "echo x > /data/f; echo y > /anonymous/f", check=0)
        assert docker.output("run", "--rm", "--volumes-from", name, "busybox", "cat", "/data/f", "/anonymous/f") == "x\ny"
        listed = docker.output("ps", "-a", "--no-trunc", "--filter", f"volume={name}", "--format", "{{.Names}} {{.Mounts}} {{.LocalVolumes}}")
        assert listed.startswith(name + " ") and name in listed.split(" ")[1].split(",") and listed.endswith(" 2")
        docker("rm", "-v", name, check=0)
        left = docker.output("volume", "ls", "-q").split()
        assert name in left and not [volume for volume in left if len(volume) == 64]

    def test_rm_flag_removes_anonymous_volumes(self, docker):
        docker("run", "--rm", "-v", "/anonymous", "busybox", "true", check=0)
        assert docker.output("volume", "ls", "-q") == ""

    def test_recursive_read_only(self, docker, tmp_path, engine):
        """A mount below the source: read-only with it, writable when asked for, left out when not recursive."""
        inner = tmp_path / "inner"
        inner.mkdir()
        os.system(f"mount -t tmpfs tmpfs {inner}")
        try:
            for options, wanted in ("readonly", "ro\nro"), ("bind-nonrecursive=true", "rw\nmissing"):
                if engine.is_docker(20) and options == "readonly":
                    continue
                (inner / "marker").write_text("")
                out = docker.output("run", "--rm", "--mount", f"type=bind,src={tmp_path},dst=/b,{options}", "busybox", "sh", "-c",
                                    "touch /b/x 2>/dev/null && echo rw || echo ro; [ -e /b/inner/marker ] || { echo missing; exit; }; touch /b/inner/x 2>/dev/null && echo rw || echo ro")
                assert out == wanted, options
        finally:
            os.system(f"umount {inner}")
