"""What images take on disk, and archives that come by URL."""
import json
from urllib.parse import quote

import pytest

from support import images
from support.registries import INDEX, MANIFEST


def test_import_by_url(api, serve):
    server = serve(lambda request: request.reply(200, images.busybox_layer()) if request.path == "/root.tar" else request.reply(404, b"no"))
    answer = api.post(f"/images/create?fromSrc={quote('http://' + server.address + '/root.tar')}&repo=by-url&tag=1&changes=" + quote('CMD ["echo","imported"]'))
    assert answer.status == 200
    assert answer.lines()[0]["status"] == f"Downloading from http://{server.address}/root.tar"
    assert answer.lines()[-1]["status"].startswith("sha256:")
    container = api.run(image="by-url:1")
    assert api.wait(container) == 0 and api.logs(container)[0] == "imported\n"
    answer = api.post(f"/images/create?fromSrc={quote(server.address + '/none')}&repo=by-url&tag=2")
    assert "404" in answer.text


def test_save_one_platform(api):
    assert api.get(f"/images/busybox/get?platform={quote(json.dumps({'os': 'linux', 'architecture': images.NATIVE}))}").status == 200
    assert api.get(f"/images/busybox/get?platform={quote(json.dumps({'os': 'linux', 'architecture': 's390x'}))}").status == 404


@pytest.mark.parametrize("query", ["limit=101", "limit=-1"])
def test_search_limits(api, query):
    answer = api.get("/images/search?term=x&" + query)
    assert answer.status == 400 and "is outside the range of [1, 100]" in answer.message


def test_search_and_distribution(api, serve):
    results = [{"name": "a/x", "description": "d", "star_count": 7, "is_official": False, "is_automated": False}, {"name": "x", "description": "", "star_count": 1, "is_official": True, "is_automated": False}]
    server = serve(lambda request: request.reply_json(200, {"results": results}) if request.path.startswith("/v1/search") else request.reply(404, b""))
    assert api.get(f"/images/search?term={server.address}/x").json() == results
    assert server.requests[-1][1] == "/v1/search?q=x&n=25"
    official = api.get(f"/images/search?term={server.address}/x&filters=" + quote(json.dumps({"is-official": ["true"]}))).json()
    assert [one["name"] for one in official] == ["x"]


def test_distribution(api, registry):
    layer = images.layer(lambda tar: images.add_file(tar, "f", b"f"))
    digest, size = registry.put_image("dist/x", "1", [layer])
    body = api.get(f"/distribution/{registry.address}/dist/x:1/json").json()
    assert body["Descriptor"]["digest"] == digest and body["Descriptor"]["size"] == size
    assert body["Platforms"] == [{"architecture": images.NATIVE, "os": "linux"}]
    assert api.get(f"/distribution/{registry.address}/dist/x:nope/json").status == 404


def test_manifests_of_an_index(engine, api, registry):
    from conftest import Api
    entries = []
    for architecture in (images.NATIVE, images.FOREIGN):
        digest, size = registry.put_image("multi/m", None, [images.layer(lambda tar, a=architecture: images.add_file(tar, a, b"m" * 3000))], architecture)
        entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
    registry.put_manifest("multi/m", "1", json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode(), INDEX)
    name = f"{registry.address}/multi/m:1"
    api.post(f"/images/create?fromImage={quote(name)}")
    modern = Api(engine, "1.50")
    container = modern.create("x", image=name)
    own, other = modern.get(f"/images/{name}/json?manifests=1").json()["Manifests"]
    assert (own["Kind"], own["Available"], other["Available"]) == ("image", True, False)
    assert own["ImageData"]["Containers"] == [container] and own["ImageData"]["Size"]["Unpacked"] == 3000
    assert own["ImageData"]["Platform"] == {"architecture": images.NATIVE, "os": "linux"} and own["ID"] == entries[0]["digest"]
    listed = next(one for one in modern.get("/images/json?manifests=1").json() if name in one["RepoTags"])
    assert [one["ID"] for one in listed["Manifests"]] == [one["digest"] for one in entries]
    assert "Manifests" not in modern.get("/images/json").json()[0]
