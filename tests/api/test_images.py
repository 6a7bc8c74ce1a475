"""Images: load, import, list, inspect, tag, remove, save, history."""
import io
import json
import subprocess
import tarfile
from urllib.parse import quote

import pytest

from support import images

TAR = [("Content-Type", "application/x-tar")]


def small(**config):
    """A tiny image of its own: (config, layers)."""
    data = images.layer(lambda tar: images.add_file(tar, "hello.txt", b"hello\n"))
    return images.configuration([data], **config), [data]


def load(api, data, query="?quiet=1"):
    answer = api.post("/images/load" + query, data, TAR)
    assert answer.status == 200, answer
    return answer


def listed(api, **filters):
    return api.get("/images/json" + ("?filters=" + quote(json.dumps(filters)) if filters else "")).json()


class TestLoad:
    def test_docker_archive(self, api):
        config, layers = small(Labels={"x": "y"})
        answer = load(api, images.archive([(["small:1", "small:2"], config, layers)]))
        assert answer.header("Content-Type") == "application/json"
        assert [o["stream"] for o in answer.lines() if "stream" in o] == ["Loaded image: small:1\n", "Loaded image: small:2\n"]
        body = api.get("/images/small:1/json").json()
        assert sorted(body["RepoTags"]) == ["small:1", "small:2"]
        assert (body["Architecture"], body["Os"], body["Config"]["Labels"]) == (images.NATIVE, "linux", {"x": "y"})
        assert len(body["RootFS"]["Layers"]) == 1 and body["RootFS"]["Type"] == "layers"

    def test_oci_archive(self, api):
        if api.engine.is_docker():
            pytest.skip("graph driver stores take only Docker's own layout here")
        data, digest = images.oci_archive("ocismall:7", *small())
        answer = load(api, data)
        assert "Loaded image: ocismall:7\n" in [o.get("stream") for o in answer.lines()]
        assert api.get("/images/ocismall:7/json").json()["Id"] == digest

    def test_without_a_tag(self, api):
        config, layers = small(Env=["U=1"])
        answer = load(api, images.archive([([], config, layers)]))
        said = [o["stream"] for o in answer.lines() if "stream" in o]
        assert said[0].startswith("Loaded image ID: sha256:")
        image = said[0].split("ID: ")[1].strip()
        entry = next(i for i in listed(api) if i["Id"] == image)
        assert entry["RepoTags"] in ([], ["<none>:<none>"])

    @pytest.mark.parametrize("data", [b"garbage", b"", b"\0" * 1024])
    def test_garbage(self, api, data):
        answer = api.post("/images/load?quiet=1", data, TAR)
        assert answer.status >= 400 or "errorDetail" in answer.text or data == b"" or data == b"\0" * 1024
        assert api.get("/_ping").status == 200

    def test_wrong_layer_digest_is_refused(self, api):
        config, layers = small()
        answer = api.post("/images/load?quiet=1", images.archive([(["bad:1"], config, [layers[0][:-512] + b"x" * 512])]), TAR)
        assert answer.status >= 400 or "errorDetail" in answer.text
        assert api.get("/images/bad:1/json").status == 404

    def test_compressed(self, api):
        archive = images.archive([(["packed:1"], *small())])
        for program in ("gzip", "xz", "bzip2", "zstd"):
            load(api, subprocess.run([program, "-c", "-q"], input=archive, capture_output=True, check=True).stdout)
            assert api.delete("/images/packed:1").status == 200, program

    def test_load_moves_the_tag(self, api):
        load(api, images.archive([(["moved:1"], *small(Env=["V=1"]))]))
        first = api.get("/images/moved:1/json").json()["Id"]
        load(api, images.archive([(["moved:1"], *small(Env=["V=2"]))]))
        assert api.get("/images/moved:1/json").json()["Id"] != first
        assert api.get(f"/images/{first}/json").json()["RepoTags"] == []


class TestImport:
    def test_import(self, api):
        data = images.layer(lambda tar: images.add_file(tar, "f", b"x", 0o600, 3, 4))
        answer = api.post("/images/create?fromSrc=-&repo=imported&tag=5&changes=" + quote('CMD ["sh"]') + "&changes=" + quote("ENV A=b"), data, TAR)
        assert answer.status == 200
        objects = answer.lines()
        assert objects[-1]["status"].startswith("sha256:")
        body = api.get("/images/imported:5/json").json()
        assert body["Id"] == objects[-1]["status"]
        assert (body["Config"]["Cmd"], body["Config"]["Env"]) == (["sh"], ["A=b"])

    def test_run_it(self, api):
        assert api.post("/images/create?fromSrc=-&repo=imported&tag=6", images.busybox_layer(), TAR).status == 200
        container = api.run("/bin/echo", "hi", image="imported:6")
        api.wait(container)
        assert api.logs(container)[0] == "hi\n"

    def test_garbage(self, api):
        answer = api.post("/images/create?fromSrc=-&repo=imported&tag=7", b"garbage" * 1000, TAR)
        assert answer.status >= 400 or "error" in answer.text


class TestListAndInspect:
    def test_entry(self, api):
        entry = next(i for i in listed(api) if "busybox:latest" in i["RepoTags"])
        assert set(entry) >= {"Containers", "Created", "Id", "Labels", "ParentId", "RepoDigests", "RepoTags", "SharedSize", "Size"}
        assert entry["Labels"] is None and entry["SharedSize"] == -1 and entry["Size"] > 500000
        assert entry["RepoDigests"] == [] or not api.engine.is_docker()
        old = next(i for i in api.at("1.41").get("/images/json").json() if "busybox:latest" in i["RepoTags"])
        assert old["VirtualSize"] == old["Size"]

    def test_filters(self, api):
        load(api, images.archive([(["small:1"], *small(Labels={"kind": "tiny"}))]))
        assert {t for i in listed(api, label=["kind=tiny"]) for t in i["RepoTags"]} == {"small:1"}
        assert {t for i in listed(api, reference=["small"]) for t in i["RepoTags"]} == {"small:1"}
        assert {t for i in listed(api, reference=["small:*"]) for t in i["RepoTags"]} == {"small:1"}
        assert listed(api, reference=["nope"]) == [] and listed(api, dangling=["true"]) == []
        answer = api.get("/images/json?filters=" + quote('{"zz":["1"]}'))
        assert answer.status == (400 if not api.engine.is_docker(20) else answer.status)

    def test_inspect_keys(self, api):
        body = api.get("/images/busybox/json").json()
        assert set(body) >= {"Id", "RepoTags", "RepoDigests", "Created", "Config", "Architecture", "Os", "Size", "RootFS", "Metadata"}
        assert body["Created"] == "2024-01-02T03:04:05Z"
        assert body["Config"]["Cmd"] == ["sh"]
        assert body["RepoTags"] == ["busybox:latest"]
        assert body["ContainerConfig"].get("Volumes") == body["Config"].get("Volumes")  # docker-compose 1.29 reads it

    def test_references(self, api):
        image = api.get("/images/busybox/json").json()["Id"]
        for reference in (image, image[7:], image[7:19], "busybox:latest", "docker.io/library/busybox", "docker.io%2Flibrary%2Fbusybox:latest"):
            assert api.get(f"/images/{reference}/json").json()["Id"] == image, reference
        missing = api.get("/images/nope/json")
        assert (missing.status, missing.message) == (404, "No such image: nope:latest")
        assert api.get("/images/nope:1/json").message == "No such image: nope:1"

    def test_history(self, api):
        entries = api.get("/images/odd/history").json()
        assert [e["CreatedBy"] for e in entries] == ["layer 1", "layer 0"]
        assert entries[0]["Tags"] == ["odd:latest"] and entries[0]["Id"].startswith("sha256:")
        assert entries[1]["Size"] > 500000 and set(entries[0]) == {"Comment", "Created", "CreatedBy", "Id", "Size", "Tags"}


class TestTag:
    def test_tag(self, api):
        image = api.get("/images/busybox/json").json()["Id"]
        assert api.post("/images/busybox/tag?repo=127.0.0.1:5000/a/b&tag=v1").status == 201
        assert api.get("/images/127.0.0.1:5000/a/b:v1/json").json()["Id"] == image
        assert api.post("/images/busybox/tag?repo=plain").status == 201
        assert api.get("/images/plain:latest/json").status == 200

    def test_errors(self, api):
        assert api.post("/images/nope/tag?repo=x").status == 404
        for bad in ("Upper", "a//b", "-x"):
            answer = api.post(f"/images/busybox/tag?repo={quote(bad)}")
            assert answer.status == 400 and "invalid reference format" in answer.message, answer
        assert api.post("/images/busybox/tag?repo=ok&tag=b%20d").status == 400


class TestRemove:
    def test_untag_and_delete(self, api):
        load(api, images.archive([(["small:1", "small:2"], *small())]))
        image = api.get("/images/small:1/json").json()["Id"]
        assert {"Untagged": "small:1"} in api.delete("/images/small:1").json()
        assert api.get("/images/small:2/json").json()["Id"] == image
        gone = api.delete("/images/small:2").json()
        assert {"Untagged": "small:2"} in gone and {"Deleted": image} in gone
        assert api.get(f"/images/{image}/json").status == 404

    def test_errors(self, api):
        missing = api.delete("/images/nope")
        assert (missing.status, missing.message) == (404, "No such image: nope:latest")

    def test_in_use(self, api):
        load(api, images.archive([(["small:1"], *small())]))
        container = api.create("true", image="small:1")
        answer = api.delete("/images/small:1")
        assert answer.status == 409
        assert "conflict: unable to " in answer.message and container[:12] in answer.message
        image = api.get("/images/small:1/json").json()["Id"]
        by_id = api.delete(f"/images/{image}")
        assert by_id.status == 409 and "must be forced" in by_id.message
        api.delete(f"/containers/{container}")
        assert api.delete("/images/small:1").status == 200

    def test_running_one_cannot_be_forced_by_id(self, api):
        data = images.busybox_layer()
        load(api, images.archive([(["runner:1"], images.configuration([data], Env=["R=1"]), [data])]))
        image = api.get("/images/runner:1/json").json()["Id"]
        container = api.run("sleep", "100", image="runner:1")
        answer = api.delete(f"/images/{image}?force=1")
        assert answer.status == 409 and "cannot be forced" in answer.message
        assert api.execute(container, "echo", "alive")[1] == "alive\n"

    def test_by_id_with_two_repositories(self, api):
        load(api, images.archive([(["small:1", "other:1"], *small())]))
        image = api.get("/images/small:1/json").json()["Id"]
        answer = api.delete(f"/images/{image[7:19]}")
        assert answer.status == 409 and "is referenced in multiple repositories" in answer.message
        assert api.delete(f"/images/{image[7:19]}?force=1").status == 200

    def test_layers_go_with_the_last_user(self, api):
        if api.engine.external:
            pytest.skip("data root unknown")
        import os

        def size():
            return sum(os.lstat(os.path.join(d, f)).st_blocks for d, _, fs in os.walk(api.engine.data_root) for f in fs)

        data = images.layer(lambda tar: images.add_file(tar, "big", os.urandom(4 << 20)))
        before = size()
        load(api, images.archive([(["big:1"], images.configuration([data]), [data])]))
        assert size() - before > (4 << 20) / 512
        api.delete("/images/big:1")
        from support.waiting import wait_until
        wait_until(lambda: size() - before < (1 << 20) / 512, 10, "the space to come back")


class TestSave:
    def test_round_trip(self, api):
        config, layers = small(Labels={"round": "trip"})
        load(api, images.archive([(["small:1"], config, layers)]))
        image = api.get("/images/small:1/json").json()["Id"]
        answer = api.get("/images/small:1/get")
        assert (answer.status, answer.header("Content-Type")) == (200, "application/x-tar")
        names = tarfile.open(fileobj=io.BytesIO(answer.body)).getnames()
        assert "manifest.json" in names
        manifest = json.load(tarfile.open(fileobj=io.BytesIO(answer.body)).extractfile("manifest.json"))
        assert manifest[0]["RepoTags"] == ["small:1"]
        api.delete("/images/small:1")
        load(api, answer.body)
        body = api.get("/images/small:1/json").json()
        assert body["Config"]["Labels"] == {"round": "trip"}
        assert body["Id"] == image

    def test_several_and_missing(self, api):
        load(api, images.archive([(["small:1"], *small()), (["small:2"], *small(Env=["B=1"]))]))
        answer = api.get("/images/get?names=small:1&names=small:2")
        manifest = json.load(tarfile.open(fileobj=io.BytesIO(answer.body)).extractfile("manifest.json"))
        assert sorted(t for m in manifest for t in m["RepoTags"]) == ["small:1", "small:2"]
        missing = api.get("/images/nope/get")
        assert missing.status == 404 and "No such image: nope" in missing.message


def test_prune(api):
    data = images.layer(lambda tar: images.add_file(tar, "prunable", b"p" * 10000))
    load(api, images.archive([([], images.configuration([data]), [data])]))
    body = api.post("/images/prune").json()
    assert body["ImagesDeleted"] and body["SpaceReclaimed"] > 0
    assert api.post("/images/prune").json() == {"ImagesDeleted": None, "SpaceReclaimed": 0}


def test_content_of_a_layer(api):
    """Owners, modes, links, whiteouts and special names survive the way into a container."""
    def first(tar):
        images.add_directory(tar, "d", 0o750, 7, 8)
        images.add_file(tar, "d/gone", b"x")
        images.add_file(tar, "d/stays", b"x", 0o4755, 9, 10)
        images.add_directory(tar, "opaque")
        images.add_file(tar, "opaque/old", b"x")
        images.add_file(tar, "sp ace-ünï-" + "n" * 120, b"long\n")
        images.add_link(tar, "link", "d/stays")
        info = tarfile.TarInfo("hard")
        info.type, info.linkname, info.mode, info.uid, info.gid = tarfile.LNKTYPE, "d/stays", 0o4755, 9, 10
        tar.addfile(info)

    def second(tar):
        images.add_directory(tar, "d", 0o750, 7, 8)
        images.add_file(tar, "d/.wh.gone", b"")
        images.add_directory(tar, "opaque")
        images.add_file(tar, "opaque/.wh..wh..opq", b"")
        images.add_file(tar, "opaque/new", b"x")

    layers = [images.busybox_layer(), images.layer(first), images.layer(second)]
    load(api, images.archive([(["content:1"], images.configuration(layers), layers)]))
    container = api.run("sh", "-c", "stat -c '%a %u:%g %h %n' /d /d/* /hard; ls /opaque; readlink /link; cat /sp*", image="content:1")
    api.wait(container)
    assert api.logs(container)[0] == "750 7:8 1 /d\n4755 9:10 2 /d/stays\n4755 9:10 2 /hard\nnew\nd/stays\nlong\n"
