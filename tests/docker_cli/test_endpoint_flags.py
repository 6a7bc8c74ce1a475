"""Flags of an endpoint, the fields that they become, and what the container then has."""
import json

import pytest


@pytest.fixture
def dual(docker):
    docker("network", "create", "--ipv6", "--subnet", "10.97.0.0/24", "--subnet", "fd00:97::/64", "cli-dual", check=0)
    yield "cli-dual"
    docker("network", "rm", "cli-dual", check=0)


def endpoint(docker, container, network):
    return json.loads(docker.inspect(container, "{{json .NetworkSettings.Networks}}"))[network]


def addresses(docker, container):
    return docker.output("exec", container, "ip", "-o", "addr", "show", "dev", "eth0")


def test_fixed_addresses_of_both_families_and_a_link_local_one(docker, name, dual):
    docker("run", "-d", "--name", name, "--network", dual, "--ip", "10.97.0.30", "--ip6", "fd00:97::30", "--link-local-ip", "169.254.8.8", "--link-local-ip", "fe80::8", "busybox", "sleep", "100", check=0)
    settings = endpoint(docker, name, dual)
    assert settings["IPAMConfig"] == {"IPv4Address": "10.97.0.30", "IPv6Address": "fd00:97::30", "LinkLocalIPs": ["169.254.8.8", "fe80::8"]}
    assert (settings["IPAddress"], settings["GlobalIPv6Address"]) == ("10.97.0.30", "fd00:97::30")
    found = addresses(docker, name)
    for address in ("10.97.0.30/24", "fd00:97::30/64", "169.254.8.8/16", "fe80::8/64"):
        assert f" {address} " in found, found
    docker("rm", "-f", name, check=0)


def test_a_bad_link_local_address_is_named(docker, dual):
    refused = docker("create", "--network", dual, "--link-local-ip", "nonsense", "busybox")
    assert refused.returncode != 0 and "nonsense" in refused.stderr


def test_the_old_name_of_network_alias(docker, name, dual):
    docker("run", "-d", "--name", name, "--net", dual, "--net-alias", "older", "--network-alias", "newer", "busybox", "sleep", "100", check=0)
    assert sorted(endpoint(docker, name, dual)["Aliases"]) == ["newer", "older"] or {"newer", "older"} <= set(endpoint(docker, name, dual)["Aliases"])
    for alias in ("older", "newer"):
        docker("run", "--rm", "--network", dual, "busybox", "ping", "-c1", "-W2", alias, check=0)
    docker("rm", "-f", name, check=0)


def test_the_flags_of_windows_are_for_windows(docker):
    """The client itself refuses them: the engine is none of windows."""
    for flag in ("--cpu-count", "--cpu-percent", "--io-maxbandwidth", "--io-maxiops"):
        refused = docker("create", flag, "1", "busybox")
        assert refused.returncode != 0 and flag in refused.stderr and "windows" in refused.stderr, refused.stderr


@pytest.mark.modern
def test_system_prune_with_volumes(docker, name):
    docker("volume", "create", f"kept-{name}", check=0)
    anonymous = docker.output("volume", "create")
    out = docker.output("system", "prune", "-f", "--volumes", "--filter", "label!=keep")
    assert anonymous in out and f"kept-{name}" in docker.output("volume", "ls", "-q")
    docker("volume", "rm", f"kept-{name}", check=0)


def bind(source, **options):
    return {"Type": "bind", "Source": str(source), "Target": "/b", "BindOptions": options}


def create(api, mount, *command):
    return api.post("/containers/create", {"Image": "busybox", "Cmd": list(command), "HostConfig": {"Mounts": [mount]}})


class TestBindOptions:
    def output(self, api, mount, command):
        created = create(api, mount, "sh", "-c", command)
        assert created.status == 201, created.json()
        container = created.json()["Id"]
        assert api.post(f"/containers/{container}/start").status == 204
        api.wait(container)
        out = api.logs(container)
        api.delete(f"/containers/{container}?force=1")
        return out[0] if isinstance(out, tuple) else out

    @pytest.fixture
    def nested(self, tmp_path, isolated):
        """A directory with a file system mounted below it."""
        import subprocess
        (tmp_path / "sub").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "sub"], check=True)
        (tmp_path / "sub" / "deep").write_text("deep\n")
        yield tmp_path
        subprocess.run(["umount", tmp_path / "sub"], check=True)

    def test_non_recursive(self, api, nested):
        assert "deep" in self.output(api, bind(nested), "ls /b/sub")
        assert "deep" not in self.output(api, bind(nested, NonRecursive=True), "ls /b/sub")

    @pytest.mark.modern
    def test_read_only_reaches_the_mounts_below(self, api, nested):
        read_only = dict(bind(nested), ReadOnly=True)
        assert "Read-only file system" in self.output(api, read_only, "touch /b/sub/x 2>&1")
        assert "Read-only file system" in self.output(api, dict(bind(nested, ReadOnlyForceRecursive=True, Propagation="rprivate"), ReadOnly=True), "touch /b/sub/x 2>&1")
        assert "written" in self.output(api, dict(bind(nested, ReadOnlyNonRecursive=True), ReadOnly=True), "touch /b/sub/x && echo written")

    def test_create_mountpoint(self, api, tmp_path):
        missing = create(api, bind(tmp_path / "missing"), "true")
        assert missing.status == 400 and "bind source path does not exist" in missing.json()["message"]
        assert "empty" in self.output(api, bind(tmp_path / "made", CreateMountpoint=True), "[ -d /b ] && echo empty")
        assert (tmp_path / "made").is_dir()

    def test_consistency_changes_nothing(self, api, tmp_path):
        created = create(api, dict(bind(tmp_path), Consistency="cached"), "true")
        assert created.status == 201
        assert api.inspect(created.json()["Id"])["HostConfig"]["Mounts"][0]["Consistency"] == "cached"
        api.delete("/containers/" + created.json()["Id"])
