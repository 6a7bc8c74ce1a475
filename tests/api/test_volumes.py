"""Volumes by the API: records, copy-up, references, local driver options, subpaths, hostile images."""
import json
import os
import socketserver
import tarfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

import pytest

from support import images
from support.http import Http

ANONYMOUS = "com.docker.volume.anonymous"


def query(**filters):
    return "filters=" + urllib.parse.quote(json.dumps(filters))


def create(api, name="", **body):
    answer = api.post("/volumes/create", {"Name": name, **body})
    assert answer.status == 201, answer
    return answer.json()


def names(api, **filters):
    return {volume["Name"] for volume in api.get("/volumes" + ("?" + query(**filters) if filters else "")).json()["Volumes"]}


def host_path(engine, path):
    """A path of the engine's own mount namespace, as the test sees it."""
    return f"/proc/{engine.pid}/root{path}" if engine.pid else path


def node(tar, name, kind, device=(1, 3), mode=0o666):
    info = tarfile.TarInfo(name)
    info.type, info.mode, (info.devmajor, info.devminor) = kind, mode, device
    tar.addfile(info)


def hard_link(tar, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.uid, info.gid = tarfile.LNKTYPE, target, 0o640, 1000, 50
    tar.addfile(info)


def seeded(tar):
    images.add_directory(tar, "seed", 0o750, 1000, 50)
    images.add_file(tar, "seed/file", b"seed\n", 0o640, 1000, 50)
    images.add_file(tar, "seed/setuid", b"x", 0o4755)
    images.add_directory(tar, "seed/deep", 0o700, 7, 8)
    images.add_file(tar, "seed/deep/inner", b"inner\n")
    images.add_link(tar, "seed/link", "/etc/passwd")
    hard_link(tar, "seed/again", "seed/file")
    images.add_directory(tar, "bare", 0o1777, 5, 6)
    images.add_file(tar, "plainfile", b"a file\n")


def hostile(tar):
    """VOLUMEs that lead through links, and content that must not be opened."""
    images.add_link(tar, "out", "../../../../etc")
    images.add_link(tar, "loop", "loop")
    images.add_link(tar, "chain", "data/evil")
    images.add_directory(tar, "data")
    images.add_link(tar, "data/evil", "/")
    node(tar, "data/fifo", tarfile.FIFOTYPE)
    node(tar, "data/null", tarfile.CHRTYPE)
    node(tar, "data/disk", tarfile.BLKTYPE, (7, 0))
    images.add_file(tar, "data/good", b"good\n")
    images.add_directory(tar, "many")
    for number in range(5000):
        images.add_file(tar, f"many/{number}", b"")


@pytest.fixture(scope="module")
def seeded_images(engine):
    base = images.busybox_layer()
    tags = {"seeded": (seeded, {"/seed": {}}), "hostile": (hostile, {"/out": {}, "/data": {}, "/chain/sub": {}, "/many": {}}), "overfile": (seeded, {"/plainfile": {}}),
            "twovolumes": (seeded, {"/seed": {}, "/empty": {}})}
    contents = []
    for tag, (build, volumes) in tags.items():
        layers = [base, images.layer(build)]
        contents.append(([f"{tag}:latest"], images.configuration(layers, Volumes=volumes), layers))
    return images.archive(contents)


@pytest.fixture
def volume_images(engine, seeded_images):
    answer = Http(engine.socket, timeout=120).post("/images/load?quiet=1", seeded_images, [("Content-Type", "application/x-tar")])
    assert answer.status == 200 and b"errorDetail" not in answer.body, answer


class TestRecords:
    def test_create_answers_the_volume(self, api, name):
        volume = create(api, name, Labels={"a": "b"})
        assert volume["Name"] == name and volume["Driver"] == "local" and volume["Scope"] == "local"
        assert volume["Mountpoint"].endswith(f"/volumes/{name}/_data")
        assert volume["Labels"] == {"a": "b"} and volume["Options"] is None
        assert time.strptime(volume["CreatedAt"][:19], "%Y-%m-%dT%H:%M:%S")
        assert api.get(f"/volumes/{name}").json() == volume

    def test_create_is_idempotent_and_keeps_the_first_labels(self, api, name):
        first = create(api, name, Labels={"a": "b"})
        assert create(api, name, Labels={"c": "d"})["Labels"] == {"a": "b"}
        assert create(api, name) == first

    def test_a_volume_without_a_name_is_anonymous(self, api):
        volume = create(api)
        assert len(volume["Name"]) == 64 and ANONYMOUS in volume["Labels"]

    @pytest.mark.parametrize("bad, text", [("a", "volume name is too short"), ("../x", "includes invalid characters"), ("a b", "includes invalid characters"),
                                           ("-ab", "includes invalid characters"), ("/abs", "includes invalid characters")])
    def test_bad_names_are_refused(self, api, bad, text):
        answer = api.post("/volumes/create", {"Name": bad})
        assert answer.status == 400 and text in answer.json()["message"], answer

    def test_an_unknown_driver_is_named(self, api, name):
        if api.engine.is_docker():
            pytest.skip("docker waits half a minute for the plugin")
        answer = api.post("/volumes/create", {"Name": name, "Driver": "nope"})
        assert answer.status == 404 and answer.json()["message"] == f'create {name}: error looking up volume plugin nope: plugin "nope" not found'

    def test_a_missing_volume_is_404(self, api):
        answer = api.get("/volumes/nope-nope")
        assert answer.status == 404 and answer.json()["message"] == "get nope-nope: no such volume"
        assert api.delete("/volumes/nope-nope").status == 404
        assert api.delete("/volumes/nope-nope?force=1").status == 204

    def test_list_filters(self, api, name):
        create(api, name + "-one", Labels={"kind": "x", "only": "one"})
        create(api, name + "-two", Labels={"kind": "x"})
        used = api.create("true", host={"Binds": [f"{name}-one:/data"]})
        assert names(api, name=[name]) == {name + "-one", name + "-two"}
        assert names(api, name=[name + "-o.e"]) == {name + "-one"}
        assert names(api, label=["only"], name=[name]) == {name + "-one"}
        assert names(api, label=["kind=x", "only=one"]) == {name + "-one"}
        assert names(api, dangling=["true"], name=[name]) == {name + "-two"}
        assert names(api, dangling=["false"], name=[name]) == {name + "-one"}
        assert names(api, driver=["local"], name=[name]) == {name + "-one", name + "-two"}
        assert names(api, driver=["other"]) == set()
        assert api.get("/volumes?" + query(colour=["red"])).status == 400
        api.delete(f"/containers/{used}")

    def test_a_list_without_volumes_has_docker_s_shape(self, api):
        body = api.get("/volumes?" + query(name=["no-such-name"])).json()
        assert body == {"Volumes": [], "Warnings": None} or body == {"Volumes": None, "Warnings": None}

    def test_a_volume_in_use_is_not_removed(self, api, name):
        container = api.create("true", host={"Binds": [f"{name}:/data"]})
        for force in "", "?force=1":
            answer = api.delete(f"/volumes/{name}{force}")
            assert answer.status == 409 and answer.json()["message"] == f"remove {name}: volume is in use - [{container}]"
        api.delete(f"/containers/{container}")
        assert api.delete(f"/volumes/{name}").status == 204
        assert api.get(f"/volumes/{name}").status == 404

    def test_removal_removes_the_content(self, api, engine, name):
        path = os.path.dirname(host_path(engine, create(api, name)["Mountpoint"]))
        assert os.path.isdir(path + "/_data")
        assert api.delete(f"/volumes/{name}").status == 204
        assert not os.path.exists(path)

    @pytest.mark.modern
    def test_prune_takes_anonymous_volumes_unless_told_otherwise(self, api, name):
        create(api, name + "-named")
        anonymous = create(api)["Name"]
        answer = api.post("/volumes/prune").json()
        assert anonymous in answer["VolumesDeleted"] and name + "-named" not in answer["VolumesDeleted"]
        assert api.post("/volumes/prune?" + query(all=["true"], label=["no-such-label"])).json() == {"VolumesDeleted": [], "SpaceReclaimed": 0}
        assert name + "-named" in api.post("/volumes/prune?" + query(all=["1"])).json()["VolumesDeleted"]
        create(api, name + "-named")
        old = Http(api.engine.socket, version="1.41")
        assert name + "-named" in old.post("/volumes/prune").json()["VolumesDeleted"]

    def test_prune_counts_bytes(self, api, engine, name):
        volume = create(api)
        with open(host_path(engine, volume["Mountpoint"]) + "/file", "wb") as file:
            file.write(b"x" * 5000)
        assert api.post("/volumes/prune").json()["SpaceReclaimed"] >= 5000


class TestContainers:
    def test_data_outlives_the_container(self, api, name):
        first = api.run("sh", "-c", "echo kept > /data/file", host={"Binds": [f"{name}:/data"]})
        assert api.wait(first) == 0
        assert api.delete(f"/containers/{first}?v=1").status == 204
        second = api.run("cat", "/data/file", host={"Binds": [f"{name}:/data:ro"]})
        assert api.wait(second) == 0 and api.logs(second)[0] == "kept\n"

    def test_inspect_shows_named_anonymous_bind_and_tmpfs_mounts(self, api, name, tmp_path):
        container = api.create("true", Volumes={"/anon": {}}, host={
            "Binds": [f"{name}:/named", f"{tmp_path}:/bound:ro"],
            "Mounts": [{"Type": "tmpfs", "Target": "/ram"}, {"Type": "volume", "Target": "/unnamed"}]})
        mounts = {mount["Destination"]: mount for mount in api.inspect(container)["Mounts"]}
        assert set(mounts) == {"/named", "/anon", "/bound", "/ram", "/unnamed"}
        named = mounts["/named"]
        assert (named["Type"], named["Name"], named["Driver"], named["Mode"], named["RW"], named["Propagation"]) == ("volume", name, "local", "z", True, "")
        assert named["Source"].endswith(f"/volumes/{name}/_data")
        anonymous = mounts["/anon"]
        assert (anonymous["Type"], len(anonymous["Name"]), anonymous["Mode"], anonymous["RW"]) == ("volume", 64, "", True)
        bound = mounts["/bound"]
        assert (bound["Type"], bound["Source"], bound["Mode"], bound["RW"], bound["Propagation"]) == ("bind", str(tmp_path), "ro", False, "rprivate")
        assert (mounts["/ram"]["Type"], mounts["/ram"]["Source"], mounts["/ram"]["RW"]) == ("tmpfs", "", True)
        listed = [entry for entry in api.get("/containers/json?all=1").json() if entry["Id"] == container][0]
        sources = {mount["Destination"]: mount["Source"] for mount in listed["Mounts"]}
        assert sources["/anon"] == "" and sources["/named"] == named["Source"]
        assert {mount["Destination"] for mount in listed["Mounts"]} == set(mounts)
        assert ANONYMOUS in api.get(f"/volumes/{anonymous['Name']}").json()["Labels"] or api.engine.is_docker(20)
        found = api.get(f"/containers/json?all=1&" + query(volume=[name])).json()
        assert [entry["Id"] for entry in found] == [container]

    def test_rm_v_takes_anonymous_volumes_only(self, api, name):
        container = api.create("true", Volumes={"/anon": {}}, host={"Binds": [f"{name}:/named"]})
        anonymous = [mount["Name"] for mount in api.inspect(container)["Mounts"] if mount["Destination"] == "/anon"][0]
        assert api.delete(f"/containers/{container}?v=1").status == 204
        assert names(api) & {name, anonymous} == {name}

    def test_rm_keeps_anonymous_volumes_without_v(self, api):
        container = api.create("true", Volumes={"/anon": {}})
        anonymous = api.inspect(container)["Mounts"][0]["Name"]
        api.delete(f"/containers/{container}")
        assert anonymous in names(api, dangling=["1"])

    def test_auto_remove_takes_anonymous_volumes(self, api, name):
        container = api.create("true", Volumes={"/anon": {}}, host={"AutoRemove": True, "Binds": [f"{name}:/named"]})
        anonymous = [mount["Name"] for mount in api.inspect(container)["Mounts"] if mount["Destination"] == "/anon"][0]
        api.start(container)
        api.wait(container, "removed")
        assert names(api) & {name, anonymous} == {name}

    def test_a_failed_create_leaves_no_anonymous_volume(self, api, volume_images):
        before = names(api)
        answer = api.post("/containers/create", {"Image": "twovolumes", "Cmd": ["true"], "Volumes": {"/plainfile": {}}})
        assert answer.status in (400, 500) and "cannot mount volume over existing file, file exists" in answer.json()["message"], answer
        assert names(api) == before

    def test_volumes_from(self, api, name, tmp_path):
        (tmp_path / "host").write_text("host\n")
        first = api.run("sh", "-c", "echo one > /named/file; echo two > /anon/file", Volumes={"/anon": {}}, host={"Binds": [f"{name}:/named", f"{tmp_path}:/bound"]})
        assert api.wait(first) == 0
        second = api.run("sh", "-c", "cat /named/file /anon/file /bound/host; touch /named/x || echo refused", host={"VolumesFrom": [first + ":ro"]})
        api.wait(second)
        assert api.logs(second)[0] == "one\ntwo\nhost\nrefused\n"
        anonymous = [mount["Name"] for mount in api.inspect(second)["Mounts"] if mount["Destination"] == "/anon"][0]
        api.delete(f"/containers/{first}?v=1")
        assert anonymous in names(api), "the second container still uses it"
        api.delete(f"/containers/{second}?v=1")
        assert anonymous not in names(api)

    def test_volumes_from_gives_way_to_a_mount_of_one_s_own(self, api, name):
        first = api.create("true", host={"Binds": [f"{name}:/data"]})
        second = api.create("true", host={"VolumesFrom": [first], "Binds": [f"{name}-own:/data"]})
        assert [mount["Name"] for mount in api.inspect(second)["Mounts"]] == [f"{name}-own"]

    def test_volumes_from_a_missing_container(self, api):
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"VolumesFrom": ["nope-nope"]}})
        assert answer.status in (400, 404) and "No such container: nope-nope" in answer.json()["message"]

    @pytest.mark.parametrize("host, text", [
        ({"Binds": ["vol:/x:bad"]}, "invalid mode: bad"),
        ({"Binds": ["vol:/x:ro,rw"]}, "invalid mode: ro,rw"),
        ({"Binds": ["vol:rel"]}, "mount path must be absolute"),
        ({"Binds": ["vol:/"]}, "destination can't be '/'"),
        ({"Binds": ["vol:/x:rshared"]}, "field BindOptions must not be specified"),
        ({"Binds": ["a:b:c:d"]}, "invalid volume specification"),
        ({"Binds": ["one:/x", "two:/x"]}, "Duplicate mount point: /x"),
        ({"Mounts": [{"Type": "volume", "Source": "v1", "Target": ""}]}, "field Target must not be empty"),
        ({"Mounts": [{"Type": "volume", "Target": "/x", "ReadOnly": True}]}, "must not set ReadOnly mode when using anonymous volumes"),
        ({"Mounts": [{"Type": "volume", "Target": "/x", "Source": "v1", "BindOptions": {}}]}, "BindOptions must not be specified"),
        ({"Mounts": [{"Type": "bind", "Target": "/x", "Source": "/nope-nope"}]}, "bind source path does not exist: /nope-nope"),
        ({"Mounts": [{"Type": "bind", "Target": "/x", "Source": "rel"}]}, "mount path must be absolute"),
        ({"Mounts": [{"Type": "bind", "Target": "/x", "Source": "/tmp", "BindOptions": {"Propagation": "odd"}}]}, "invalid propagation mode: odd"),
        ({"Mounts": [{"Type": "tmpfs", "Target": "/x", "Source": "y"}]}, "field Source must not be specified"),
        ({"Mounts": [{"Type": "odd", "Target": "/x"}]}, "mount type unknown"),
    ])
    def test_bad_mounts_are_refused_in_docker_s_words(self, api, host, text):
        before = names(api)
        answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": host})
        assert answer.status in (400, 500) and text in answer.json()["message"], answer
        assert answer.status == 400 or api.engine.is_docker()
        if not api.engine.is_docker():
            assert names(api) == before

    def test_events(self, api, name, events):
        stream = events()
        container = api.run("true", host={"Binds": [f"{name}:/data:ro"]})
        api.wait(container)
        api.delete(f"/containers/{container}")
        api.delete(f"/volumes/{name}")
        seen = []
        for event in stream.objects():
            seen.append(event)
            if event["Action"] == "destroy" and event["Type"] == "volume":
                break
        volume_events = [event for event in seen if event["Type"] == "volume"]
        assert [event["Action"] for event in volume_events] == ["create", "mount", "unmount", "destroy"]
        assert all(event["Actor"]["ID"] == name for event in volume_events)
        assert volume_events[0]["Actor"]["Attributes"] == {"driver": "local"}
        assert volume_events[1]["Actor"]["Attributes"] == {"container": container, "destination": "/data", "driver": "local", "propagation": "", "read/write": "false"}
        assert volume_events[2]["Actor"]["Attributes"] == {"container": container, "driver": "local"}
        actions = [f"{event['Type']} {event['Action']}" for event in seen]
        order = ["network connect", "volume mount", "container start", "network disconnect", "volume unmount", "container die", "container destroy", "volume destroy"]
        assert [action for action in actions if action in order] == order

    def test_a_bind_that_shows_the_daemon_s_root_is_a_slave(self, api):
        container = api.create("true", host={"Binds": ["/:/host"], "Mounts": [{"Type": "bind", "Source": "/", "Target": "/other", "BindOptions": {"Propagation": "rshared"}}]})
        assert {mount["Destination"]: mount["Propagation"] for mount in api.inspect(container)["Mounts"]} == {"/host": "rslave", "/other": "rshared"}
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"Binds": ["/:/host:private"]}})
        assert answer.status in (400, 500) and 'must use either propagation mode "rslave" or "rshared"' in answer.json()["message"]

    def test_nested_mounts_come_in_order(self, api, name):
        container = api.run("sh", "-c", "echo a > /x/f; echo b > /x/y/f; ls /x; cat /x/y/f", host={"Binds": [f"{name}-b:/x/y", f"{name}-a:/x"]})
        api.wait(container)
        assert api.logs(container)[0] == "f\ny\nb\n"


class TestCopyUp:
    def listing(self, api, host, image="seeded", path="/seed"):
        container = api.run("sh", "-c", f"stat -c '%n %A %u %g' {path}; cd {path}; find . | sort | xargs stat -c '%n %A %u %g %h'; cat {path}/file; readlink {path}/link", image=image, host=host)
        api.wait(container)
        return api.logs(container)[0]

    def test_an_anonymous_volume_starts_with_the_image_s_content(self, api, volume_images):
        out = self.listing(api, {})
        assert out == self.listing(api, {"Tmpfs": {"/other": ""}, "Mounts": [{"Type": "volume", "Target": "/seed"}]})
        lines = out.splitlines()
        assert "/seed drwxr-x--- 1000 50" in lines and "./file -rw-r----- 1000 50 2" in lines and "./again -rw-r----- 1000 50 2" in lines
        assert "./setuid -rwsr-xr-x 0 0 1" in lines and "./deep drwx------ 7 8 2" in lines and "./link lrwxrwxrwx 0 0 1" in lines
        assert lines[-2:] == ["seed", "/etc/passwd"]

    def test_a_named_volume_too_but_only_while_it_is_empty(self, api, name, volume_images):
        assert "./deep drwx------ 7 8 2" in self.listing(api, {"Binds": [f"{name}:/seed"]})
        container = api.run("sh", "-c", "rm -rf /seed/*; touch /seed/mine", image="seeded", host={"Binds": [f"{name}:/seed"]})
        api.wait(container)
        container = api.run("ls", "/seed", image="seeded", host={"Binds": [f"{name}:/seed"]})
        api.wait(container)
        assert api.logs(container)[0] == "mine\n"

    @pytest.mark.parametrize("host", [{"Binds": ["NAME:/seed:nocopy"]}, {"Mounts": [{"Type": "volume", "Source": "NAME", "Target": "/seed", "VolumeOptions": {"NoCopy": True}}]}])
    def test_nocopy(self, api, name, volume_images, host):
        container = api.run("ls", "-A", "/seed", image="seeded", host=json.loads(json.dumps(host).replace("NAME", name)))
        api.wait(container)
        assert api.logs(container)[0] == ""

    def test_an_empty_directory_gives_its_owner_and_mode(self, api, name, volume_images):
        container = api.run("stat", "-c", "%A %u %g", "/bare", image="seeded", host={"Binds": [f"{name}:/bare"]})
        api.wait(container)
        assert api.logs(container)[0] == "drwxrwxrwt 5 6\n"

    def test_a_volume_over_a_file_of_the_image_is_refused(self, api, volume_images):
        before = names(api)
        answer = api.post("/containers/create", {"Image": "overfile", "Cmd": ["true"]})
        assert answer.status in (400, 500) and "cannot mount volume over existing file, file exists" in answer.json()["message"]
        assert names(api) == before

    def test_hostile_images_are_harmless(self, api, engine, volume_images):
        started = time.monotonic()
        container = api.run("sh", "-c", "ls /data; cat /data/good; ls /many | wc -l; ls -A /out/ | head -3; true", image="hostile")
        assert api.wait(container) == 0
        assert time.monotonic() - started < 30
        out = api.logs(container)[0].splitlines()
        assert "good" in out and "5000" in out
        if engine.is_docker():
            return
        assert not {"fifo", "null", "disk"} & set(out), "only regular files, directories and links are copied"
        mounts = {mount["Destination"]: mount for mount in api.inspect(container)["Mounts"]}
        data = host_path(engine, mounts["/data"]["Source"])
        assert sorted(os.listdir(data)) == ["evil", "good"] and os.readlink(data + "/evil") == "/"
        # The image's own /etc, not the host's: `out` leads there inside the image.
        assert open(host_path(engine, mounts["/out"]["Source"]) + "/passwd").read() == images.PASSWD


class TestOptions:
    def test_a_tmpfs_volume(self, api, engine, name):
        volume = create(api, name, DriverOpts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000,nosuid"})
        assert volume["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=1000,nosuid"}
        container = api.run("sh", "-c", "grep ' /data ' /proc/mounts; stat -c %u /data; touch /data/here; sleep 100", host={"Binds": [f"{name}:/data"]})
        second = api.run("ls", "/data", host={"Binds": [f"{name}:/data"]})
        api.wait(second)
        for _ in range(100):
            out = api.logs(container)[0]
            if "1000" in out:
                break
            time.sleep(0.02)
        assert "tmpfs /data tmpfs" in out and "size=1024k" in out and "nosuid" in out and "\n1000\n" in out
        assert os.path.ismount(host_path(engine, volume["Mountpoint"]))
        api.delete(f"/containers/{second}?force=1")
        assert os.path.ismount(host_path(engine, volume["Mountpoint"])), "the first container still uses it"
        api.delete(f"/containers/{container}?force=1")
        assert not os.path.ismount(host_path(engine, volume["Mountpoint"]))
        third = api.run("ls", "/data", host={"Binds": [f"{name}:/data"]})
        api.wait(third)
        assert api.logs(third)[0] == ""

    def test_a_bind_volume(self, api, name, tmp_path):
        (tmp_path / "file").write_text("bound\n")
        create(api, name, DriverOpts={"type": "none", "device": str(tmp_path), "o": "bind,ro"})
        container = api.run("sh", "-c", "cat /data/file; touch /data/x || echo refused", host={"Binds": [f"{name}:/data"]})
        api.wait(container)
        assert api.logs(container)[0] == "bound\nrefused\n"

    def test_an_overlay_volume(self, api, name, tmp_path):
        for directory in "lower", "upper", "work":
            (tmp_path / directory).mkdir()
        (tmp_path / "lower/file").write_text("lower\n")
        create(api, name, DriverOpts={"type": "overlay", "device": "overlay", "o": f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"})
        container = api.run("sh", "-c", "cat /data/file; echo changed > /data/file", host={"Binds": [f"{name}:/data"]})
        assert api.wait(container) == 0 and api.logs(container)[0] == "lower\n"
        assert (tmp_path / "upper/file").read_text() == "changed\n" and (tmp_path / "lower/file").read_text() == "lower\n"

    def test_a_device_that_is_missing_fails_the_start_by_name(self, api, name):
        create(api, name, DriverOpts={"type": "none", "device": "/nope-nope", "o": "bind"})
        answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": {"Binds": [f"{name}:/data"]}})
        if answer.status == 201:
            answer = api.post(f"/containers/{answer.json()['Id']}/start")
        assert answer.status == 500
        assert "failed to mount local volume: mount /nope-nope:" in answer.json()["message"] and "no such file or directory" in answer.json()["message"]

    @pytest.mark.parametrize("options, text", [({"odd": "1"}, "invalid option"), ({"type": "tmpfs"}, "missing required option: \"device\""),
                                               ({"device": "x", "o": "y"}, "missing required option: \"type\""), ({"size": "1g"}, "quota size requested but no quota support")])
    def test_bad_options_are_refused(self, api, name, options, text):
        answer = api.post("/volumes/create", {"Name": name, "DriverOpts": options})
        assert answer.status in (400, 500) and text in answer.json()["message"], answer
        assert answer.status == 400 or api.engine.is_docker()
        assert api.get(f"/volumes/{name}").status == 404

    def test_mounts_make_volumes_with_options_and_labels(self, api, name):
        container = api.run("grep", " /data ", "/proc/mounts", host={"Mounts": [{"Type": "volume", "Source": name, "Target": "/data", "VolumeOptions": {
            "Labels": {"a": "b"}, "DriverConfig": {"Name": "local", "Options": {"type": "tmpfs", "device": "tmpfs", "o": "size=2m"}}}}]})
        assert api.wait(container) == 0 and "size=2048k" in api.logs(container)[0]
        volume = api.get(f"/volumes/{name}").json()
        assert volume["Labels"] == {"a": "b"} and volume["Options"]["o"] == "size=2m"

    def test_volumes_with_options_are_not_pruned(self, api, name):
        create(api, name, DriverOpts={"type": "tmpfs", "device": "tmpfs"})
        deleted = api.post("/volumes/prune?" + query(all=["1"])).json()["VolumesDeleted"] if api.engine.at_least(23) else api.post("/volumes/prune").json()["VolumesDeleted"]
        assert name not in (deleted or []) and name in names(api)


class TestSubpath:
    pytestmark = pytest.mark.modern

    def mount(self, name, subpath, **more):
        return {"Mounts": [{"Type": "volume", "Source": name, "Target": "/data", "VolumeOptions": {"Subpath": subpath}, **more}]}

    def fill(self, api, name):
        container = api.run("sh", "-c", "mkdir -p /v/a/b; echo inner > /v/a/b/file; ln -s a/b /v/inside; ln -s /etc /v/absolute; ln -s ../../../../../etc /v/outside",
                            host={"Binds": [f"{name}:/v"]})
        assert api.wait(container) == 0

    def test_a_directory_of_the_volume(self, api, name):
        self.fill(api, name)
        for subpath in "a/b", "inside", "./a/../a/b/":
            container = api.run("cat", "/data/file", host=self.mount(name, subpath))
            assert api.wait(container) == 0 and api.logs(container)[0] == "inner\n", subpath
        container = api.run("sh", "-c", "touch /data/x || echo refused", host=self.mount(name, "a", ReadOnly=True))
        api.wait(container)
        assert api.logs(container)[0] == "refused\n"

    def test_a_file_of_the_volume(self, api, name):
        self.fill(api, name)
        container = api.run("cat", "/data", host=self.mount(name, "a/b/file"))
        assert api.wait(container) == 0 and api.logs(container)[0] == "inner\n"

    @pytest.mark.parametrize("subpath", ["nope", "outside", "absolute", "outside/passwd"])
    def test_what_is_missing_or_leads_out_is_refused(self, api, name, subpath):
        self.fill(api, name)
        answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["ls", "/data"], "HostConfig": self.mount(name, subpath)})
        if answer.status == 201:
            answer = api.post(f"/containers/{answer.json()['Id']}/start")
        assert answer.status == 404 if subpath == "nope" else answer.status in (400, 404, 500), answer
        assert any(text in answer.json()["message"] for text in ("cannot access path", "path concatenation escapes the base directory"))

    @pytest.mark.parametrize("subpath", ["/a", "../a", "a/../../b"])
    def test_paths_that_are_not_local_are_refused(self, api, name, subpath):
        answer = api.post("/containers/create", {"Image": "busybox", "Cmd": ["true"], "HostConfig": self.mount(name, subpath)})
        assert answer.status == 400 and "subpath must be a relative path within the volume" in answer.json()["message"]


class TestImages:
    pytestmark = pytest.mark.proa  # Docker has it since 28

    def test_an_image_as_a_mount(self, engine, api, name, volume_images):
        modern = type(api)(engine, "1.48")
        host = {"Mounts": [{"Type": "image", "Source": "seeded", "Target": "/image"}, {"Type": "image", "Source": "seeded:latest", "Target": "/part", "ImageOptions": {"Subpath": "seed/deep"}}]}
        container = modern.create("sh", "-c", "cat /image/seed/file /part/inner; touch /image/x || echo refused", host=host)
        assert api.delete("/images/seeded").status in (200, 409)
        for _ in range(2):  # the layers stay as long as the container
            modern.start(container)
            assert modern.wait(container) == 0
        assert modern.logs(container)[0] == "seed\ninner\nrefused\n" * 2
        mount = modern.inspect(container)["Mounts"][0]
        assert (mount["Type"], mount["Name"], mount["RW"]) == ("image", "seeded", False)

    def test_refusals(self, engine, api, volume_images):
        host = {"Mounts": [{"Type": "image", "Source": "seeded", "Target": "/image"}]}
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": host})
        assert answer.status == 400 and answer.json()["message"] == 'Mount type "Image" needs API v1.48 or newer'
        modern = type(api)(engine, "1.48")
        host["Mounts"][0]["Source"] = "nope-nope"
        answer = modern.post("/containers/create", {"Image": "busybox", "HostConfig": host})
        assert answer.status == 404 and "No such image: nope-nope:latest" in answer.json()["message"]
        host["Mounts"][0].update(Source="seeded", ImageOptions={"Subpath": "../x"})
        assert modern.post("/containers/create", {"Image": "busybox", "HostConfig": host}).status == 400


class Plugin(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A volume driver of Docker's v1 protocol that keeps directories."""
    daemon_threads = True

    def __init__(self, path, root):
        self.root, self.volumes, self.calls, self.mounted = root, {}, [], set()
        super().__init__(path, PluginHandler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class PluginHandler(BaseHTTPRequestHandler):
    def address_string(self):
        return "plugin"

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"null") or {}
        plugin, method, name = self.server, self.path.split(".")[-1].lstrip("/"), body.get("Name")
        plugin.calls.append((self.path, body))
        answer = {"Err": ""}
        view = lambda name: {"Name": name, "Mountpoint": f"{plugin.root}/{name}" if name in plugin.mounted else "", "Status": {"hello": "world"}}
        if method == "Activate":
            answer = {"Implements": ["VolumeDriver"]}
        elif method == "Capabilities":
            answer = {"Capabilities": {"Scope": "global"}}
        elif method == "Create":
            if body.get("Opts", {}).get("fail"):
                answer = {"Err": "this one fails"}
            else:
                plugin.volumes[name] = body.get("Opts")
                os.makedirs(f"{plugin.root}/{name}", exist_ok=True)
        elif method == "List":
            answer["Volumes"] = [view(name) for name in plugin.volumes]
        elif name not in plugin.volumes:
            answer = {"Err": "no such volume"}
        elif method == "Get":
            answer["Volume"] = view(name)
        elif method in ("Mount", "Path"):
            plugin.mounted.add(name)
            answer["Mountpoint"] = f"{plugin.root}/{name}"
        elif method == "Unmount":
            plugin.mounted.discard(name)
        elif method == "Remove":
            del plugin.volumes[name]
        text = json.dumps(answer).encode()
        self.send_response(500 if answer.get("Err") else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def plugin(engine, tmp_path):
    os.makedirs(engine.exec_root + "/plugins", exist_ok=True)
    path = engine.exec_root + "/plugins/keeper.sock"
    server = Plugin(path, str(tmp_path))
    yield server
    server.shutdown()
    server.server_close()
    os.unlink(path)


@pytest.mark.proa
class TestPlugins:
    def test_the_life_of_a_plugin_s_volume(self, api, name, plugin):
        volume = create(api, name, Driver="keeper", DriverOpts={"a": "b"})
        assert plugin.volumes == {name: {"a": "b"}}
        assert volume["Driver"] == "keeper" and volume["Scope"] == "global" and volume["Status"] == {"hello": "world"}
        container = api.run("sh", "-c", "echo kept > /data/file", host={"Binds": [f"{name}:/data"], "VolumeDriver": "keeper"})
        assert api.wait(container) == 0
        assert open(f"{plugin.root}/{name}/file").read() == "kept\n"
        assert api.inspect(container)["Mounts"][0]["Driver"] == "keeper"
        mount = [body for path, body in plugin.calls if path == "/VolumeDriver.Mount"][-1]
        unmount = [body for path, body in plugin.calls if path == "/VolumeDriver.Unmount"][-1]
        assert mount == unmount and mount["Name"] == name and mount["ID"]
        assert name in names(api, driver=["keeper"]) and "keeper" in api.get("/info").json()["Plugins"]["Volume"]
        api.delete(f"/containers/{container}")
        assert api.delete(f"/volumes/{name}").status == 204 and plugin.volumes == {}

    def test_a_refusal_comes_with_the_plugin_s_words(self, api, name, plugin):
        answer = api.post("/volumes/create", {"Name": name, "Driver": "keeper", "DriverOpts": {"fail": "1"}})
        assert answer.status == 500 and answer.json()["message"] == f"create {name}: VolumeDriver.Create: this one fails"
        assert api.get(f"/volumes/{name}").status == 404

    def test_volumes_made_elsewhere_are_found(self, api, name, plugin):
        plugin.volumes[name] = {}
        os.makedirs(f"{plugin.root}/{name}")
        assert name in names(api)
        assert api.get(f"/volumes/{name}").json()["Driver"] == "keeper"
        assert api.post("/volumes/create", {"Name": name, "Driver": "local"}).status == 409
        assert api.delete(f"/volumes/{name}").status == 204


@pytest.mark.proa
class TestOwn:
    def filled(self, api, name):
        container = api.run("sh", "-c", "mkdir /v/d; echo one > /v/d/file; mkfifo /v/fifo; chown 7:8 /v/d; ln /v/d/file /v/hard", host={"Binds": [f"{name}:/v"]})
        assert api.wait(container) == 0
        api.delete(f"/containers/{container}")

    def test_snapshot_clone_and_rename(self, api, engine, name):
        create(api, name, Labels={"a": "b"})
        self.filled(api, name)
        snapshot = api.post(f"/volumes/{name}/snapshot")
        assert snapshot.status == 201 and snapshot.json()["Name"].startswith(name + "-20") and snapshot.json()["Labels"] == {"proa.volume.snapshot-of": name}
        clone = api.post(f"/volumes/{name}/clone", {"Name": name + "-clone"})
        assert clone.status == 201 and clone.json()["Labels"] == {"a": "b"}
        assert api.post(f"/volumes/{name}/clone", {"Name": name + "-clone"}).status == 409
        assert api.post(f"/volumes/{name}/clone").status == 400
        for copy in snapshot.json(), clone.json():
            path = host_path(engine, copy["Mountpoint"])
            assert open(path + "/d/file").read() == "one\n" and sorted(os.listdir(path)) == ["d", "fifo", "hard"]
            assert (os.stat(path + "/d").st_uid, os.stat(path + "/d").st_gid, os.stat(path + "/hard").st_nlink) == (7, 8, 2)
        renamed = api.post(f"/volumes/{name}-clone/rename", {"Name": name + "-new"})
        assert renamed.status == 200 and renamed.json()["Labels"] == {"a": "b"} and renamed.json()["Mountpoint"].endswith(f"/{name}-new/_data")
        assert names(api, name=[name]) == {name, name + "-new", snapshot.json()["Name"]}
        assert open(host_path(engine, renamed.json()["Mountpoint"]) + "/d/file").read() == "one\n"

    def test_a_volume_in_use_is_not_renamed(self, api, name):
        container = api.create("true", host={"Binds": [f"{name}:/v"]})
        answer = api.post(f"/volumes/{name}/rename", {"Name": name + "-new"})
        assert answer.status == 409 and f"in use - [{container}]" in answer.json()["message"]
        assert api.post("/volumes/nope-nope/rename", {"Name": name}).status == 404
        assert api.post(f"/volumes/{name}/snapshot", {"Name": "../x"}).status == 400


@pytest.mark.proa
class TestOwners:
    def test_idmap_shows_the_source_as_the_user_s(self, api, tmp_path):
        os.chown(tmp_path, 4321, 4321)
        (tmp_path / "file").write_text("mine\n")
        os.chown(tmp_path / "file", 4321, 4321)
        mount = {"Type": "bind", "Source": str(tmp_path), "Target": "/data", "BindOptions": {"IDMap": "match-user"}}
        container = api.create("sh", "-c", "stat -c '%u %g' /data/file; touch /data/new; stat -c '%u %g' /data/new", host={"Mounts": [mount]}, User="alice")
        answer = api.post(f"/containers/{container}/start")
        if answer.status != 204 and "mount_setattr" in answer.json()["message"]:
            pytest.skip("this machine's /tmp cannot be idmapped: " + answer.json()["message"])
        api.wait(container)
        assert api.logs(container) == ("1000 1000\n1000 1000\n", "")
        assert (os.stat(tmp_path / "new").st_uid, os.stat(tmp_path / "file").st_uid) == (4321, 4321)

    def test_an_unknown_idmap_is_refused(self, api, tmp_path):
        mount = {"Type": "bind", "Source": str(tmp_path), "Target": "/data", "BindOptions": {"IDMap": "odd"}}
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"Mounts": [mount]}})
        assert answer.status == 400 and 'invalid IDMap: "odd"' in answer.json()["message"]

    def test_capital_u_gives_the_volume_to_the_user(self, api, name, tmp_path):
        (tmp_path / "sub").mkdir()
        os.symlink("/etc", tmp_path / "link")
        container = api.run("sh", "-c", "stat -c '%u %g' /v /b /b/sub; touch /v/x /b/sub/x", host={"Binds": [f"{name}:/v:U", f"{tmp_path}:/b:U"]}, User="alice")
        assert api.wait(container) == 0 and api.logs(container)[0] == "1000 1000\n" * 3
        assert os.lstat(tmp_path / "link").st_uid == 1000 and os.stat("/etc").st_uid == 0


class TestUsage:
    def test_system_df(self, api, engine, name):
        volume = create(api, name)
        with open(host_path(engine, volume["Mountpoint"]) + "/file", "wb") as file:
            file.write(b"x" * 5000)
        container = api.create("true", host={"Binds": [f"{name}:/data"]})
        usage = api.get("/system/df").json()
        entry = [entry for entry in usage["Volumes"] if entry["Name"] == name][0]
        assert entry["UsageData"]["RefCount"] == 1 and entry["UsageData"]["Size"] >= 5000
        assert container in [entry["Id"] for entry in usage["Containers"]] and usage["LayersSize"] > 0
        image = [entry for entry in usage["Images"] if "busybox:latest" in (entry["RepoTags"] or [])][0]
        assert image["Containers"] >= 1 and image["Size"] > 0
        assert usage["BuildCache"] == [] or usage["BuildCache"] is None

    @pytest.mark.modern
    def test_one_type(self, api, name):
        create(api, name)
        usage = api.get("/system/df?type=volume").json()
        assert usage["Images"] is None and usage["Containers"] is None and name in [entry["Name"] for entry in usage["Volumes"]]
        assert api.get("/system/df?type=nonsense").status == 400


@pytest.mark.proa
class TestArchives:
    def test_export_and_import(self, api, engine, name):
        container = api.run("sh", "-c", "mkdir -p /v/d; echo one > /v/d/file; chown 7:8 /v/d/file; chmod 2755 /v/d; ln -s /etc /v/link", host={"Binds": [f"{name}:/v"]})
        assert api.wait(container) == 0
        exported = api.get(f"/volumes/{name}/export")
        assert exported.status == 200
        answer = api.post(f"/volumes/{name}-copy/import", exported.body, [("Content-Type", "application/x-tar")])
        assert answer.status == 201, answer
        path = host_path(engine, answer.json()["Mountpoint"])
        assert open(path + "/d/file").read() == "one\n" and os.readlink(path + "/link") == "/etc"
        assert (os.stat(path + "/d/file").st_uid, os.stat(path + "/d").st_mode & 0o7777) == (7, 0o2755)
        assert api.post(f"/volumes/{name}-copy/import", exported.body).status == 409
        assert api.get("/volumes/nope-nope/export").status == 404

    def test_a_hostile_archive_makes_no_volume(self, api, engine, name, tmp_path):
        bad = images.layer(lambda tar: (images.add_link(tar, "out", str(tmp_path)), images.add_file(tar, "out/file", b"escaped"), images.add_file(tar, "../../file", b"escaped")))
        assert api.post(f"/volumes/{name}/import", bad).status == 400
        assert api.post(f"/volumes/{name}/import", b"no archive at all" * 100).status == 400
        assert name not in names(api) and os.listdir(tmp_path) == []


def test_copying_from_a_stopped_container_sees_its_volumes(api, name):
    create(api, name, DriverOpts={"type": "tmpfs", "device": "tmpfs"})
    container = api.create("true", Volumes={"/plain": {}}, host={"Binds": [f"{name}:/ram"]})
    body = images.layer(lambda tar: images.add_file(tar, "file", b"put\n"))
    assert api.put(f"/containers/{container}/archive?path=/plain", body, [("Content-Type", "application/x-tar")]).status == 200
    answer = api.get(f"/containers/{container}/archive?path=/plain/file")
    assert answer.status == 200 and b"put\n" in answer.body
    assert api.get(f"/containers/{container}/archive?path=/ram").status == 200
    api.start(container)
    api.wait(container)
