"""docker push: words, what is sent and what is not, and that others can use what came."""
import json
import os
from urllib.parse import quote

import pytest

from support import images, registries
from support.registries import INDEX, MANIFEST, digest_of

TAR = [("Content-Type", "application/x-tar")]
ANYBODY = [("X-Registry-Auth", "e30=")]


def local_image(api, name, *texts, **config):
    layers = [images.layer(lambda tar, text=text: images.add_file(tar, text, text.encode() * 2000)) for text in texts]
    answer = api.post("/images/load?quiet=1", images.archive([([name], images.configuration(layers, **config), layers)]), TAR)
    assert answer.status == 200 and b"errorDetail" not in answer.body
    return layers


def push(api, name, tag="", headers=ANYBODY, query=""):
    return api.post(f"/images/{name}/push?tag={tag}{query}", None, headers)


def test_lines_of_a_push(api, registry, repository):
    name = f"{registry.address}/{repository}"
    layers = local_image(api, f"{name}:1", "one", "two")
    answer = push(api, name, "1")
    assert answer.status == 200 and answer.header("Content-Type") == "application/json"
    lines = answer.lines()
    assert lines[0] == {"status": f"The push refers to repository [{name}]"}
    for data in layers:
        said = [line["status"] for line in lines if line.get("id") == digest_of(data)[7:19]]
        assert (said[0], said[-1]) == ("Preparing", "Pushed") and "Pushing" in said
    body, media, digest = registry.manifest(repository, "1")
    assert lines[-2] == {"status": f"1: digest: {digest} size: {len(body)}"}
    assert lines[-1] == {"progressDetail": {}, "aux": {"Tag": "1", "Digest": digest, "Size": len(body)}}
    image = api.get(f"/images/{name}:1/json").json()
    assert image["RepoDigests"] == [f"{name}@{digest}"] and image["Id"] == digest
    assert json.loads(body)["mediaType"] == media


def test_bars(api, registry, repository):
    """Clients such as docker-py's users print the bar that the engine draws."""
    name = f"{registry.address}/{repository}"
    local_image(api, f"{name}:1", "bars")
    moved = [line for line in push(api, name, "1").lines() if line.get("progressDetail")]
    size = len(images.layer(lambda tar: images.add_file(tar, "bars", b"bars" * 2000)))
    assert moved[-1]["progressDetail"] == {"current": size, "total": size}
    assert moved[-1]["progress"] == f"[{'=' * 50}>]  {size / 1000:.4g}kB/{size / 1000:.4g}kB"


def test_only_what_is_missing_is_sent(api, registry, repository):
    name = f"{registry.address}/{repository}"
    local_image(api, f"{name}:1", "one")
    push(api, name, "1")
    assert "Layer already exists" in [line.get("status") for line in push(api, name, "1").lines()]


def test_layers_are_mounted_from_other_repositories(api, registry, repository):
    other = f"{registry.address}/{repository}"
    local_image(api, f"{other}:1", repository)
    push(api, other, "1")
    api.post(f"/images/{other}:1/tag?repo={registry.address}/mounted/here&tag=1")
    assert f"Mounted from {repository}" in [line.get("status") for line in push(api, f"{registry.address}/mounted/here", "1").lines()]


def test_all_tags(api, registry, repository):
    name = f"{registry.address}/{repository}"
    for tag in ("a", "b"):
        local_image(api, f"{name}:{tag}", tag)
    lines = push(api, name).lines()
    assert [line["aux"]["Tag"] for line in lines if "aux" in line] == ["a", "b"]


def test_nothing_to_push(api, registry, repository):
    name = f"{registry.address}/{repository}"
    assert push(api, name, "9").lines()[-1]["errorDetail"]["message"] == f"tag does not exist: {name}:9"
    assert push(api, name).lines()[-1]["errorDetail"]["message"] == f"An image does not exist locally with the tag: {name}"


def test_nothing_listens(api, repository):
    name = f"127.0.0.1:{registries.free_port()}/{repository}"
    local_image(api, f"{name}:1", "x")
    assert "connect: connection refused" in push(api, name, "1").lines()[-1]["errorDetail"]["message"]


def test_index_goes_as_it_came(api, registry, repository):
    entries = []
    for architecture in (images.NATIVE, images.FOREIGN):
        digest, size = registry.put_image(repository, None, [images.layer(lambda tar, a=architecture: images.add_file(tar, a, b"x" * 3000))], architecture)
        entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
    data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    registry.put_manifest(repository, "multi", data, INDEX)
    name = f"{registry.address}/{repository}"
    for architecture in (images.NATIVE, images.FOREIGN):
        api.post(f"/images/create?fromImage={quote(name)}&tag=multi&platform=linux/{architecture}")
    api.post(f"/images/{name}:multi/tag?repo={quote(name)}-copy&tag=2")
    assert "errorDetail" not in push(api, name + "-copy", "2").text
    assert registry.manifest(repository + "-copy", "2")[:2] == (data, INDEX)


def test_the_only_platform_here_goes_instead_of_its_index(api, registry, repository):
    entries = []
    for architecture in (images.NATIVE, images.FOREIGN):
        digest, size = registry.put_image(repository, None, [images.layer(lambda tar, a=architecture: images.add_file(tar, a, b"y" * 3000))], architecture)
        entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
    registry.put_manifest(repository, "multi", json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode(), INDEX)
    name = f"{registry.address}/{repository}"
    api.post(f"/images/create?fromImage={quote(name)}&tag=multi")
    api.post(f"/images/{name}:multi/tag?repo={quote(name)}-copy&tag=2")
    lines = push(api, name + "-copy", "2").lines()
    assert registry.manifest(repository + "-copy", "2")[2] == entries[0]["digest"]
    assert lines[-1]["aux"]["manifestPushedInsteadOfIndex"] and lines[-1]["aux"]["selectedManifest"]["digest"] == entries[0]["digest"]


def test_round_trip_runs_again(api, registry, repository):
    name = f"{registry.address}/{repository}:1"
    api.post(f"/images/busybox/tag?repo={registry.address}/{repository}&tag=1")
    before = api.get(f"/images/{name}/json").json()
    push(api, f"{registry.address}/{repository}", "1")
    api.delete(f"/images/{name}")
    api.post(f"/images/create?fromImage={quote(name)}")
    after = api.get(f"/images/{name}/json").json()
    assert (after["Id"], after["RootFS"]) == (before["Id"], before["RootFS"])
    assert api.wait(api.run("true", image=name)) == 0


def large_image(api, name, size=12000000):
    layer = images.layer(lambda tar: images.add_file(tar, "large", os.urandom(size)))
    answer = api.post("/images/load?quiet=1", images.archive([([name], images.configuration([layer]), [layer])]), TAR)
    assert answer.status == 200 and b"errorDetail" not in answer.body
    return layer


def test_each_upload_is_cut(api, serve):
    """It goes on where it ended, so that a layer gets through that no connection lasts for."""
    taker = registries.Taker(serve, cut=1500000)
    layer = large_image(api, f"{taker.address}/x:1")
    assert "errorDetail" not in push(api, f"{taker.address}/x", "1").text
    assert taker.blobs[digest_of(layer)] == layer
    assert taker.received <= 1.05 * sum(map(len, taker.blobs.values()))
    assert sum(method == "PATCH" for method, _, _ in taker.server.requests) >= 8


def test_a_registry_that_knows_no_patch(api, serve):
    taker = registries.Taker(serve, cut=0)
    layer = large_image(api, f"{taker.address}/x:1")
    assert "errorDetail" not in push(api, f"{taker.address}/x", "1").text
    assert taker.blobs[digest_of(layer)] == layer


def test_a_registry_that_cannot_say_what_arrived(api, serve):
    """It is sent anew, a few times, and then the failure is told."""
    taker = registries.Taker(serve, cut=1500000, tells=False)
    layer = large_image(api, f"{taker.address}/x:1")
    assert "errorDetail" in push(api, f"{taker.address}/x", "1").text
    taker.cut = None
    assert "errorDetail" not in push(api, f"{taker.address}/x", "1").text
    assert taker.blobs[digest_of(layer)] == layer


def test_events(api, registry, repository, events):
    name = f"{registry.address}/{repository}"
    local_image(api, f"{name}:1", "one")
    stream = events(type=["image"], event=["push"])
    push(api, name, "1")
    assert json.loads(stream.read_some())["Actor"] == {"ID": f"{name}:1", "Attributes": {"name": name}}
