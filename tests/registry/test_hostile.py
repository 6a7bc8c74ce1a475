"""Registries that lie: 200 mutated documents and hostile layers. Each is refused, or does no harm; the engine lives on."""
import gzip
import io
import json
import lzma
import os
import random
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from support import images, registries
from support.http import Http
from support.registries import INDEX, MANIFEST, digest_of
from support.waiting import wait_until


def pull(api, name):
    return api.post(f"/images/create?fromImage={quote(name)}")


def good_parts():
    layer = images.layer(lambda tar: images.add_file(tar, "f", b"f"))
    return images.configuration([layer]), layer


def serve_manifest(serve, document, media=MANIFEST, blobs=(), head=None):
    shelf = registries.Shelf()
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    shelf.manifest(data, "1", media=head or media)
    for blob in blobs:
        shelf.blob(blob)
    return serve(shelf.answer).address + "/x:1", shelf


def manifest(configuration, layer, **changes):
    return {**json.loads(registries.manifest_of(configuration, [layer])), **changes}


@pytest.mark.parametrize("what", ["both", "head", "schema1", "layers", "diff", "size", "negative", "config size", "foreign config", "no digest", "not json", "list", "huge"])
def test_documents_that_lie(api, serve, what):
    configuration, layer = good_parts()
    blobs, head, document = [configuration, layer], None, manifest(configuration, layer)
    if what == "both":
        document["manifests"] = []
    elif what == "head":
        head = INDEX
    elif what == "schema1":
        document = {"schemaVersion": 1, "name": "x", "tag": "1", "fsLayers": [], "history": []}
    elif what == "layers":
        document["layers"] *= 2
    elif what == "diff":
        other = images.layer(lambda tar: images.add_file(tar, "g", b"g"))
        document = manifest(configuration, other)
        blobs = [configuration, other]
    elif what == "size":
        document["layers"][0]["size"] -= 1
    elif what == "negative":
        document["layers"][0]["size"] = -5
    elif what == "config size":
        document["config"]["size"] = 1
    elif what == "foreign config":
        document["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    elif what == "no digest":
        document["layers"][0]["digest"] = "../../../../etc/passwd"
    elif what == "not json":
        document = b"<html>"
    elif what == "list":
        document = b"[]"
    elif what == "huge":
        document["annotations"] = {"x": "y" * (5 << 20)}
    name, _ = serve_manifest(serve, document, blobs=blobs, head=head)
    answer = pull(api, name)
    assert answer.status != 200 or "errorDetail" in answer.text, answer
    assert api.get(f"/images/{name}/json").status == 404


def test_a_digest_that_is_not_the_documents(api, serve):
    configuration, layer = good_parts()
    shelf = registries.Shelf()
    data = json.dumps(manifest(configuration, layer)).encode()
    wanted = "sha256:" + "0" * 64
    shelf.manifests[wanted] = (data, MANIFEST)
    server = serve(shelf.answer)
    answer = api.post(f"/images/create?fromImage={server.address}/x&tag={wanted}")
    assert "manifest verification failed for digest " + wanted in answer.text


def test_a_configuration_that_is_another(api, serve):
    configuration, layer = good_parts()
    name, shelf = serve_manifest(serve, manifest(configuration, layer), blobs=[layer])
    shelf.blob(configuration.replace(b"2024", b"2025"), digest_of(configuration))
    assert "image config verification failed" in pull(api, name).text


def test_an_index_in_itself_many_times(api, serve):
    shelf = registries.Shelf()
    child = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
    for _ in range(10):
        digest = shelf.manifest(child, media=INDEX)
        child = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": INDEX, "digest": digest, "size": len(child)}]}).encode()
    shelf.manifest(child, "1", media=INDEX)
    assert "nested too deep" in pull(api, serve(shelf.answer).address + "/x:1").text


def hostile_layers(chance, canary):
    """Archives that try to reach out of their root."""
    def entry(tar, name, kind=tarfile.REGTYPE, link="", data=b"owned", **fields):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(data) if kind == tarfile.REGTYPE else 0
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(data) if kind == tarfile.REGTYPE else None)

    names = ["../" * n + canary.lstrip("/") for n in range(1, 12)] + [canary, "/" + canary, "a/../../" + canary, "./../" + canary, "a/" + "../" * 9 + canary]
    for name in names:
        yield images.layer(lambda tar: entry(tar, name))
        yield images.layer(lambda tar: entry(tar, "link", tarfile.LNKTYPE, name))
        yield images.layer(lambda tar: (entry(tar, "dir", tarfile.SYMTYPE, os.path.dirname(name) or "/"), entry(tar, "dir/" + os.path.basename(canary))))
        yield images.layer(lambda tar: (entry(tar, "l", tarfile.SYMTYPE, name), entry(tar, "h", tarfile.LNKTYPE, "l"), entry(tar, "h")))
        yield images.layer(lambda tar: entry(tar, os.path.join(os.path.dirname(name), ".wh." + os.path.basename(name))))
    for number in range(215):
        parts = [chance.choice(["a", "b", "..", ".", "", "c" * 260, ".wh..wh..opq", ".wh..", "\u00fc", "dev"]) for _ in range(chance.randrange(1, 8))]
        kind = chance.choice([tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
        yield images.layer(lambda tar: entry(tar, "/".join(parts), kind, "/".join(reversed(parts)), devmajor=1, devminor=3))
    yield images.layer(lambda tar: [entry(tar, "d/" * n, tarfile.DIRTYPE) for n in (10, 500, 2000)])
    yield images.layer(lambda tar: entry(tar, "x", pax_headers={"path": "../" * 8 + canary.lstrip("/")}))
    yield images.layer(lambda tar: entry(tar, "x", pax_headers={"SCHILY.xattr.trusted.overlay.redirect": "/etc"}))
    yield images.layer(lambda tar: entry(tar, "x", pax_headers={"comment": "y" * (3 << 20)}))
    yield images.layer(lambda tar: entry(tar, "/".join("z" * 200 for _ in range(40))))
    yield images.layer(lambda tar: [entry(tar, f"x{number}", pax_headers={f"SCHILY.xattr.user.n{index}": "v" * 60000 for index in range(20)}) for number in range(3)])


def test_hostile_layers_touch_nothing(api, engine, serve, tmp_path):
    canary = str(tmp_path / "canary")
    with open(canary, "w") as file:
        file.write("alive")
    shelf = registries.Shelf()
    names = []
    for number, layer in enumerate(hostile_layers(random.Random(5), canary)):
        shelf.image(f"t{number}", [layer])
        names.append(f"t{number}")
    server = serve(shelf.answer)
    assert len(names) >= 300
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda name: pull(Http(engine.socket), f"{server.address}/x:{name}"), names))
    assert all(answer.status in (200, 400, 404, 500) for answer in answers)
    assert open(canary).read() == "alive" and os.listdir(tmp_path) == ["canary"]
    assert engine.alive()


def test_hostile_archives_touch_nothing(api, engine, tmp_path):
    """The same layers by docker load, and archives whose own entries lead out."""
    canary = str(tmp_path / "canary")
    with open(canary, "w") as file:
        file.write("alive")
    configuration, layer = good_parts()
    archives = [images.archive([([f"hostile:{number}"], images.configuration([data]), [data])]) for number, data in enumerate(hostile_layers(random.Random(6), canary))]
    for name in [*("../" * depth + canary.lstrip("/") for depth in range(12)), canary, "blobs/sha256/../../" + canary]:
        for kind in (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
            def outer(tar):
                info = tarfile.TarInfo(name if kind == tarfile.REGTYPE else "layer.tar")
                info.type, info.linkname, info.size = kind, name, 5 if kind == tarfile.REGTYPE else 0
                tar.addfile(info, io.BytesIO(b"owned") if kind == tarfile.REGTYPE else None)
                images.add_file(tar, "c.json", configuration)
                images.add_file(tar, "manifest.json", json.dumps([{"Config": "c.json", "RepoTags": ["hostile:outer"], "Layers": ["layer.tar" if kind != tarfile.REGTYPE else name]}]).encode())
            archives.append(images.layer(outer))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda data: Http(engine.socket).post("/images/load", data, [("Content-Type", "application/x-tar")]), archives))
    assert all(answer.status in (200, 400, 404, 500) for answer in answers)
    assert open(canary).read() == "alive" and os.listdir(tmp_path) == ["canary"]
    assert engine.alive()


def test_200_mutated_documents(api, engine, serve):
    chance = random.Random(11)
    configuration, layer = good_parts()
    shelf = registries.Shelf()
    for blob in (configuration, layer):
        shelf.blob(blob)
    originals = [registries.manifest_of(configuration, [layer]),
                 json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, "digest": digest_of(registries.manifest_of(configuration, [layer])), "size": 10}]}).encode()]
    shelf.manifest(originals[0])
    server = serve(shelf.answer)
    pieces = [b"null", b"-1", b"1e308", b'"' + b"A" * 5000 + b'"', b"[]", b"{}", b"9223372036854775808", b'"\\u0000"', b"[[[[[[[["]
    for number in range(200):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(data))
            if chance.random() < 0.5:
                data[at] = chance.randrange(256)
            else:
                data[at:at + chance.randrange(1, 30)] = chance.choice(pieces)
        shelf.manifest(bytes(data), f"m{number}", media=chance.choice([MANIFEST, INDEX, "application/json", "text/html"]))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: pull(Http(engine.socket), f"{server.address}/x:m{number}"), range(200)))
    assert engine.alive() and api.get("/_ping").status == 200


DISK = 32 << 20  # of the engine below
ZEROS = 80 << 20  # what a bomb unpacks to


def zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def bomb(kind):
    """A layer of a few kilobytes that unpacks to more than the disk has."""
    if kind == "many files":
        return images.layer(lambda tar: [images.add_file(tar, f"d/{number}", bytes(2 << 20)) for number in range(40)])
    if kind == "behind the end":
        return images.layer(lambda tar: images.add_file(tar, "f", b"f")) + bytes(ZEROS)
    return images.layer(lambda tar: images.add_file(tar, "f", bytes(ZEROS)))


@pytest.fixture(scope="module")
def bombs():
    plain = {kind: bomb(kind) for kind in ("one file", "many files", "behind the end")}
    packed = {(kind, "gzip"): gzip.compress(data, 1) for kind, data in plain.items()}
    packed["one file", "xz"] = lzma.compress(plain["one file"], preset=0)
    packed["one file", "zstd"] = zstd(plain["one file"])
    packed["one file", "twice gzip"] = gzip.compress(packed["one file", "gzip"])
    return {key: (digest_of(plain[key[0]]), data) for key, data in packed.items()}


@pytest.mark.proa
def test_bombs_on_a_small_disk(private_engine, serve, bombs):
    """What unpacks to more than the disk has is refused by name, and all of it is gone from the disk; the daemon goes on and takes the next image."""
    engine, taken = private_engine, 0
    engine.data_root = engine.directory + "/disk/data"
    os.makedirs(engine.directory + "/disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0755", "small", engine.directory + "/disk"], check=True)
    engine.start()

    def used():
        st = os.statvfs(engine.directory + "/disk")
        return (st.f_blocks - st.f_bfree) * st.f_frsize

    http = Http(engine.socket, timeout=60)
    before = used()
    shelf = registries.Shelf()
    registry = serve(shelf.answer)
    for number, ((kind, compression), (diff_id, data)) in enumerate(bombs.items()):
        assert len(data) < DISK / 8
        configuration = json.dumps({"architecture": images.NATIVE, "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}).encode()
        suffix = {"xz": "+xz", "zstd": "+zstd"}.get(compression, "+gzip")
        shelf.blob(configuration)
        shelf.blob(data)
        shelf.manifest(registries.manifest_of(configuration, [data], registries.LAYER + suffix), f"t{number}")
        ways = {"pull": pull(http, f"{registry.address}/x:t{number}"),
                "load": http.post("/images/load", images.archive([([f"bomb:{number}"], configuration, [data])]), [("Content-Type", "application/x-tar")])}
        if compression != "twice gzip":  # imported, it is not even an archive
            ways["import"] = http.post(f"/images/create?fromSrc=-&repo=bomb&tag=i{number}", data, [("Content-Type", "application/x-tar")])
        for way, answer in ways.items():
            said = (kind, compression, way, answer.text[-300:])
            refused = answer.status != 200 or "error" in answer.text
            if kind == "behind the end":  # all of it is read, nothing of it is written
                assert not refused, said
            else:
                assert refused and ("no space left on device" in answer.text.lower() or compression in ("xz", "twice gzip") and way != "import"), said
        taken += len(ways)
        http.post("/images/prune?filters=%7B%22dangling%22%3A%7B%22false%22%3Atrue%7D%7D")
        wait_until(lambda: used() < before + (1 << 20), 20, f"the disk to be free again after {kind} {compression}")
    assert taken == 17 and engine.alive()
    assert [image for image in http.get("/images/json").json() if "bomb" in str(image["RepoTags"])] == []
    layer = images.busybox_layer()
    good = images.archive([(["good:1"], images.configuration([layer]), [layer])])
    assert "Loaded image: good:1" in http.post("/images/load", good, [("Content-Type", "application/x-tar")]).text
