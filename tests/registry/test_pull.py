"""docker pull: words, digests, platforms, what comes and what does not, over plain HTTP."""
import gzip
import json
import subprocess
from urllib.parse import quote

import pytest

from support import images, registries
from support.registries import INDEX, MANIFEST, digest_of


def files(count, size=1000, seed="x"):
    return images.layer(lambda tar: [images.add_file(tar, f"{seed}/{n}", f"{seed}{n}".encode() * size) for n in range(count)])


def pull(api, image, tag="", platform=""):
    query = f"/images/create?fromImage={quote(image)}" + (f"&tag={quote(tag)}" if tag else "") + (f"&platform={quote(platform)}" if platform else "")
    return api.post(query)


def statuses(answer):
    return [line.get("status") for line in answer.lines()]


class TestWords:
    def test_lines_of_a_pull(self, api, registry, repository):
        layers = [files(3, seed="a"), files(3, seed="b")]
        digest, _ = registry.put_image(repository, "1", layers, pack=gzip.compress, layer_type=registries.LAYER + "+gzip")
        name = f"{registry.address}/{repository}"
        answer = pull(api, name, "1")
        assert answer.status == 200 and answer.header("Content-Type") == "application/json"
        assert b"}\r\n" in answer.body
        lines = answer.lines()
        assert lines[0] == {"status": f"Pulling from {repository}", "id": "1"}
        assert [line["status"] for line in lines[-2:]] == [f"Digest: {digest}", f"Status: Downloaded newer image for {name}:1"]
        ids = {line["id"] for line in lines[1:-2]}
        assert len(ids) == 2 and all(len(one) == 12 for one in ids)
        for one in ids:
            said = [line["status"] for line in lines if line.get("id") == one]
            assert said[0] == "Pulling fs layer" and said[-1] == "Pull complete"
            assert "Download complete" in said and "Verifying Checksum" in said and "Extracting" in said

    def test_up_to_date(self, api, registry, repository):
        registry.put_image(repository, "1", [files(2)])
        name = f"{registry.address}/{repository}"
        pull(api, name, "1")
        assert [s for s in statuses(pull(api, name, "1")) if not s.startswith("Digest")] == [f"Pulling from {repository}", f"Status: Image is up to date for {name}:1"]

    def test_shared_layers_are_there_already(self, api, registry, repository):
        shared = files(2, seed="shared")
        registry.put_image(repository, "1", [shared])
        registry.put_image(repository, "2", [shared, files(1, seed="own")])
        pull(api, f"{registry.address}/{repository}", "1")
        lines = pull(api, f"{registry.address}/{repository}", "2").lines()
        assert {"status": "Already exists", "progressDetail": {}, "id": digest_of(shared)[7:19]} in lines

    def test_missing_manifest(self, api, registry, repository):
        registry.put_image(repository, "1", [files(1)])
        answer = pull(api, f"{registry.address}/{repository}", "nope")
        assert answer.status == 404
        assert answer.message == f"manifest for {registry.address}/{repository}:nope not found: manifest unknown: manifest unknown"

    def test_nothing_listens(self, api):
        port = registries.free_port()
        answer = pull(api, f"127.0.0.1:{port}/x", "1")
        assert answer.status == 500
        assert answer.message == f'Get "http://127.0.0.1:{port}/v2/": dial tcp 127.0.0.1:{port}: connect: connection refused'

    def test_bad_names(self, api):
        assert (pull(api, "Busybox", "1").status, pull(api, "a", "not a tag").status) == (400, 400)

    def test_events(self, api, registry, repository, events):
        registry.put_image(repository, "1", [files(1)], Labels={"who": "me"})
        stream = events(type=["image"], event=["pull"])
        pull(api, f"{registry.address}/{repository}", "1")
        event = json.loads(stream.read_some())
        assert event["Actor"] == {"ID": f"{registry.address}/{repository}:1", "Attributes": {"name": f"{registry.address}/{repository}", "who": "me"}}


class TestContent:
    @pytest.mark.parametrize("kind", ["plain", "gzip", "members", "zstd"])
    def test_compressions(self, api, registry, repository, kind):
        base = images.busybox_layer()
        own = images.layer(lambda tar: images.add_file(tar, "hello", b"from " + kind.encode()))
        packers = {"plain": (lambda data: data, ""), "gzip": (gzip.compress, "+gzip"), "members": (lambda data: gzip.compress(data[:5000]) + gzip.compress(data[5000:]), "+gzip"),
                   "zstd": (lambda data: subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout, "+zstd")}
        pack, suffix = packers[kind]
        registry.put_image(repository, kind, [base, own], pack=pack, layer_type=registries.LAYER + suffix)
        name = f"{registry.address}/{repository}:{kind}"
        assert pull(api, name).status == 200
        container = api.run("cat", "/hello", image=name)
        assert api.wait(container) == 0 and api.logs(container)[0] == f"from {kind}"

    def test_by_digest(self, api, registry, repository):
        digest, _ = registry.put_image(repository, "1", [files(1)])
        name = f"{registry.address}/{repository}"
        lines = statuses(pull(api, name, digest))
        assert lines[-1] == f"Status: Downloaded newer image for {name}@{digest}"
        body = api.get(f"/images/{name}@{digest}/json").json()
        assert body["RepoTags"] == [] and body["RepoDigests"] == [f"{name}@{digest}"]
        api.delete(f"/images/{name}@{digest}")

    def test_all_tags(self, api, registry, repository):
        for tag in "abc":
            registry.put_image(repository, tag, [files(1, seed=tag)])
        name = f"{registry.address}/{repository}"
        assert pull(api, name).status == 200
        tags = sorted(tag for image in api.get("/images/json").json() for tag in image["RepoTags"] if tag.startswith(name))
        assert tags == [f"{name}:{tag}" for tag in "abc"]

    def test_a_tag_that_moved(self, api, registry, repository):
        registry.put_image(repository, "1", [files(1, seed="old")])
        name = f"{registry.address}/{repository}:1"
        pull(api, name)
        old = api.get(f"/images/{name}/json").json()["Id"]
        registry.put_image(repository, "1", [files(1, seed="new")])
        assert statuses(pull(api, name))[-1] == f"Status: Downloaded newer image for {name}"
        assert api.get(f"/images/{name}/json").json()["Id"] != old
        assert api.get(f"/images/{old}/json").json()["RepoTags"] == []
        api.delete(f"/images/{old}")


class TestPlatforms:
    @pytest.fixture
    def index(self, registry, repository):
        entries = []
        for architecture in (images.NATIVE, images.FOREIGN):
            digest, size = registry.put_image(repository, None, [files(1, seed=architecture)], architecture)
            entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
        attestation, size = registry.put_image(repository, None, [files(1, seed="att")])
        entries.insert(0, {"mediaType": MANIFEST, "digest": attestation, "size": size, "platform": {"architecture": "unknown", "os": "unknown"},
                           "annotations": {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": entries[0]["digest"]}})
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        registry.put_manifest(repository, "multi", data, INDEX)
        return f"{registry.address}/{repository}:multi", digest_of(data)

    def test_native(self, api, index):
        name, digest = index
        assert f"Digest: {digest}" in statuses(pull(api, name))
        body = api.get(f"/images/{name}/json").json()
        assert body["Architecture"] == images.NATIVE and body["RepoDigests"] == [f"{name.rsplit(':', 1)[0]}@{digest}"]

    def test_foreign_on_demand(self, api, index):
        name, _ = index
        assert pull(api, name, platform=f"linux/{images.FOREIGN}").status == 200
        assert api.get(f"/images/{name}/json").json()["Architecture"] == images.FOREIGN

    def test_both(self, api, index):
        name, _ = index
        pull(api, name)
        assert "Pull complete" in statuses(pull(api, name, platform=f"linux/{images.FOREIGN}"))
        assert statuses(pull(api, name))[-1] == f"Status: Image is up to date for {name}"

    def test_none_fits(self, api, index):
        lines = pull(api, index[0], platform="linux/s390x").lines()
        assert lines[-1]["errorDetail"] == {"message": "no matching manifest for linux/s390x in the manifest list entries"}

    def test_bad_platform(self, api, index):
        assert pull(api, index[0], platform="linux/amd64/v1/what/ever").status == 400

    def test_single_platform_image_of_another(self, api, registry, repository):
        registry.put_image(repository, "1", [files(1)])
        lines = pull(api, f"{registry.address}/{repository}", "1", f"linux/{images.FOREIGN}").lines()
        assert lines[-1]["errorDetail"]["message"] == (f"image with reference {registry.address}/{repository}:1 was found but does not match the specified platform: "
                                                       f"wanted linux/{images.FOREIGN}, actual: linux/{images.NATIVE}")
