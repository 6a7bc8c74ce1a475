"""What is on disk: damage is found and put out of the way, the sum of `system df` is what du says, a budget is kept."""
import glob
import gzip
import json
import os
import random
import subprocess
from urllib.parse import quote

import pytest

from support import images, registries
from support.http import Http
from support.registries import INDEX, MANIFEST, digest_of
from support.waiting import wait_until

pytestmark = pytest.mark.proa
TAR = [("Content-Type", "application/x-tar")]


def noise(size, seed):
    data = random.Random(seed).randbytes(size)
    return images.layer(lambda tar: images.add_file(tar, "noise", data))


def pull(http, name, query=""):
    answer = http.post(f"/images/create?fromImage={quote(name)}{query}")
    assert answer.status == 200 and "errorDetail" not in answer.text, answer.text
    return answer


def fsck(engine, *flags):
    """(exit code, report) of `proa system fsck`."""
    done = subprocess.run([engine.bin + "/proa", "-H", engine.host, "system", "fsck", "--format", "json", *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def near(private_engine):
    """A registry in the private engine's network."""
    registry = registries.DockerRegistry()
    yield registry
    registry.close()


@pytest.fixture
def pulled(api, engine, registry, repository):
    """An image of one gzip layer: (name, path of the layer's blob, its directory)."""
    data = noise(50000, repository)
    before = set(glob.glob(engine.data_root + "/overlay2/*/diff"))
    registry.put_image(repository, "1", [data], pack=gzip.compress, layer_type=registries.LAYER + "+gzip")
    name = f"{registry.address}/{repository}:1"
    pull(api, name)
    manifest = json.loads(registry.manifest(repository, "1")[0])
    blob = engine.data_root + "/content/blobs/sha256/" + manifest["layers"][0]["digest"][7:]
    (directory,) = (path for path in set(glob.glob(engine.data_root + "/overlay2/*/diff")) - before if "-" not in path.split("/")[-2])  # work in progress has one
    return name, blob, directory


class TestFsck:
    def test_nothing(self, api, engine, pulled):
        code, report = fsck(engine)
        assert (code, report["Damage"]) == (0, []) and report["Blobs"] >= 3 and report["Layers"] >= 2
        done = subprocess.run([engine.bin + "/proa", "-H", engine.host, "system", "fsck"], capture_output=True, text=True)
        assert done.stdout.endswith("unpacked layers: no damage\n")

    def test_a_damaged_blob(self, api, engine, pulled):
        name, blob, _ = pulled
        with open(blob, "r+b") as file:
            file.seek(1000)
            byte = file.read(1)[0]
            file.seek(1000)
            file.write(bytes([byte ^ 1]))
        code, report = fsck(engine, "--dry-run")
        found = {damage["Kind"]: damage for damage in report["Damage"]}
        assert code == 1 and found["blob"]["Name"] == "sha256:" + os.path.basename(blob) and found["blob"]["Images"] == [name]
        assert os.path.exists(blob) and found["blob"]["Action"] == ""
        code, report = fsck(engine)
        found = {damage["Kind"]: damage for damage in report["Damage"]}
        aside = f"{engine.data_root}/content/quarantine/sha256-{os.path.basename(blob)}"
        assert found["blob"]["Action"] == f"moved to {aside}" and os.path.exists(aside) and not os.path.exists(blob)
        assert found["image"]["Name"] == name
        pull(api, name)
        assert fsck(engine)[0] == 0
        assert api.get(f"/images/{name}/get").status == 200
        os.unlink(aside)

    def test_a_damaged_layer(self, api, engine, pulled):
        name, _, directory = pulled
        (path,) = glob.glob(directory + "/noise")
        with open(path, "r+b") as file:
            file.write(b"damaged")
        code, report = fsck(engine)
        (damage,) = report["Damage"]
        assert code == 1 and (damage["Kind"], damage["Images"]) == ("layer", [name])
        assert damage["Reason"] == f"{os.path.basename(path)}: content differs" and damage["Action"].startswith("removed")
        assert fsck(engine)[0] == 0
        container = api.post("/containers/create", {"Image": name, "Cmd": ["/x"]}).json()["Id"]
        archive = api.get(f"/containers/{container}/archive?path=/{quote(os.path.basename(path))}")
        assert archive.status == 200 and b"damaged" not in archive.body

    def test_a_damaged_layer_that_is_used_stays(self, api, engine, pulled):
        name, _, directory = pulled
        api.post("/containers/create", {"Image": name, "Cmd": ["/x"]})
        (path,) = glob.glob(directory + "/noise")
        os.unlink(path)
        _, report = fsck(engine)
        (damage,) = report["Damage"]
        assert damage["Reason"].endswith(": is missing") and "a container uses it" in damage["Action"] and os.path.isdir(directory)
        with open(path, "wb"):
            pass  # for the checks of later tests the container goes first, and the layer with it

    def test_a_damaged_document(self, private_engine, near, repository):
        registry = near
        registry.put_image(repository, "1", [noise(1000, repository)])
        name = f"{registry.address}/{repository}:1"
        private_engine.start()
        http = Http(private_engine.socket)
        pull(http, name)
        digest = http.get(f"/images/{name}/json").json()["Id"]
        with open(private_engine.data_root + "/content/blobs/sha256/" + digest[7:], "ab") as file:
            file.write(b" ")
        assert fsck(private_engine)[0] == 1
        assert http.get(f"/images/{name}/json").status == 404
        pull(http, name)
        assert http.get(f"/images/{name}/json").json()["Id"] == digest
        assert fsck(private_engine)[0] == 1, "what was set aside is told once more"
        assert fsck(private_engine)[0] == 0
        private_engine.kill()
        private_engine.start()
        assert Http(private_engine.socket).get(f"/images/{name}/json").json()["Id"] == digest


def taken(directory):
    """Bytes on disk, as du counts."""
    return int(subprocess.run(["du", "-s", "--block-size=1", directory], capture_output=True, text=True, check=True).stdout.split()[0])


def test_the_sum_of_df_is_what_du_says(private_engine):
    chance = random.Random(1)
    files = {f"d{n % 40}/f{n}": chance.randbytes(chance.randrange(1, 20000)) for n in range(1500)}
    shared = images.layer(lambda tar: [images.add_file(tar, name, data) for name, data in sorted(files.items())])
    private_engine.start()
    http = Http(private_engine.socket)
    for tag in "ab":
        layers = [shared, noise(300000, tag)]
        assert http.post("/images/load?quiet=1", images.archive([([f"many:{tag}"], images.configuration(layers), layers)]), TAR).status == 200
    wait_until(lambda: not glob.glob(private_engine.data_root + "/overlay2/*-*"), 30, "what the second load unpacked in vain to go")
    df = http.get("/system/df").json()
    du = taken(private_engine.data_root + "/content/blobs") + taken(private_engine.data_root + "/overlay2")
    assert abs(df["LayersSize"] - du) <= 0.01 * du
    shared_once = df["Images"][0]["SharedSize"]
    total = sum(image["Size"] - image["SharedSize"] for image in df["Images"]) + shared_once
    assert abs(total - du) <= 0.01 * du


def test_a_budget(private_engine, near, repository):
    """Of what nothing refers to the oldest goes first; what has a name or a container stays."""
    size = 3000000
    registry = near
    name = f"{registry.address}/{repository}"
    private_engine.write_config({"storage-budget": "16MB"})  # each image takes twice its size: as it came and unpacked
    private_engine.start()
    http = Http(private_engine.socket)
    ids = []
    for number in range(4):
        registry.put_image(repository, "moving", [noise(size, f"{repository}{number}")])
        pull(http, f"{name}:moving")
        ids.append(http.get(f"/images/{name}:moving/json").json()["Id"])
    there = [http.get(f"/images/{one}/json").status for one in ids]
    assert there == [404, 404, 200, 200]
    assert http.get("/system/df").json()["LayersSize"] <= 16 << 20
    http.post("/containers/create", {"Image": ids[2], "Cmd": ["/x"]})
    for number in range(2):
        registry.put_image(repository, f"named{number}", [noise(size, f"{repository}named{number}")])
        pull(http, f"{name}:named{number}")
    assert [http.get(f"/images/{one}/json").status for one in ids] == [404, 404, 200, 200]
    assert "more than the storage budget of" in private_engine.log_tail()


class TestPlatforms:
    @pytest.fixture
    def both(self, api, registry, repository):
        entries = []
        for architecture in (images.NATIVE, images.FOREIGN):
            digest, size = registry.put_image(repository, None, [noise(3000, repository + architecture)], architecture)
            entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": {"architecture": architecture, "os": "linux"}})
        data = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
        registry.put_manifest(repository, "multi", data, INDEX)
        name = f"{registry.address}/{repository}:multi"
        for entry in entries:
            pull(api, name, f"&platform=linux/{entry['platform']['architecture']}")
        return name, digest_of(data), [entry["digest"] for entry in entries]

    @staticmethod
    def wanted(*architectures, parameter="platform"):
        return "&".join(f"{parameter}=" + quote(json.dumps({"os": "linux", "architecture": one})) for one in architectures)

    def test_inspect_and_history(self, api, both):
        name = both[0]
        assert api.get(f"/v1.49/images/{name}/json?{self.wanted(images.FOREIGN)}").json()["Architecture"] == images.FOREIGN
        assert api.get(f"/v1.49/images/{name}/json").json()["Architecture"] == images.NATIVE
        assert api.get(f"/v1.48/images/{name}/history?{self.wanted(images.FOREIGN)}").status == 200
        for what in ("json", "history"):
            answer = api.get(f"/v1.49/images/{name}/{what}?{self.wanted('s390x')}")
            assert (answer.status, answer.message) == (404, f"image with reference {name} was found but does not provide the specified platform (linux/s390x)")
            assert api.get(f"/v1.49/images/{name}/{what}?platform=linux").status == 400

    def test_save_and_load(self, api, both):
        name, index, digests = both
        whole = api.get(f"/images/{name}/get").body
        two = api.get(f"/images/{name}/get?{self.wanted(images.NATIVE, images.FOREIGN)}").body
        assert two == whole
        one = api.get(f"/images/{name}/get?{self.wanted(images.FOREIGN)}").body
        api.delete(f"/images/{name}?force=1")
        api.post("/images/load", one, TAR)
        assert api.get(f"/images/{name}/json").json()["Id"] == digests[1]
        api.delete(f"/images/{name}?force=1")
        answer = api.post(f"/v1.48/images/load?{self.wanted(images.FOREIGN)}", whole, TAR)
        assert f"Loaded image: {name}" in answer.text
        summary = next(image for image in api.get("/v1.48/images/json?manifests=1").json() if name in image["RepoTags"])
        assert summary["Id"] == index and [entry["Available"] for entry in summary["Manifests"]] == [False, True]
        assert "does not provide the specified platform (linux/s390x)" in api.post(f"/v1.48/images/load?{self.wanted('s390x')}", whole, TAR).text

    def test_remove_one(self, api, engine, both):
        name, index, digests = both
        answer = api.delete(f"/v1.50/images/{name}?{self.wanted(images.FOREIGN, parameter='platforms')}")
        assert answer.json() == [{"Deleted": digests[1]}]
        assert not os.path.exists(f"{engine.data_root}/content/blobs/sha256/{digests[1][7:]}")
        summary = next(image for image in api.get("/v1.48/images/json?manifests=1").json() if name in image["RepoTags"])
        assert [entry["Available"] for entry in summary["Manifests"]] == [True, False]
        assert api.delete(f"/v1.50/images/{name}?{self.wanted(images.FOREIGN, parameter='platforms')}").status == 404
        api.post("/containers/create", {"Image": name, "Cmd": ["/x"]})
        answer = api.delete(f"/v1.50/images/{name}?{self.wanted(images.NATIVE, parameter='platforms')}")
        assert answer.status == 409 and "is using it" in answer.message

    def test_tree(self, engine, both):
        name, index, digests = both
        done = subprocess.run([engine.bin + "/proa", "-H", engine.host, "images", "--tree"], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        assert lines[1].split() == ["IMAGE", "ID", "DISK", "USAGE", "CONTENT", "SIZE", "EXTRA"]
        at = next(number for number, line in enumerate(lines) if line.startswith(name))
        assert index[7:19] in lines[at]
        assert lines[at + 1].startswith(f"├─ linux/{images.NATIVE} ") and digests[0][7:19] in lines[at + 1]
        assert lines[at + 2].startswith(f"└─ linux/{images.FOREIGN} ") and digests[1][7:19] in lines[at + 2]


def test_what_old_clients_find(api):
    """Docker left Container out since API 1.45; docker-py still looks for it."""
    container = api.run("true")
    api.wait(container)
    image = api.post(f"/commit?container={container}&repo=committed").json()["Id"]
    old = api.get(f"/v1.44/images/{image}/json").json()
    assert old["Container"] == container and "ContainerConfig" in old
    assert api.get("/v1.44/images/busybox/json").json()["Container"] == ""
    assert api.get(f"/v1.45/images/{image}/json").json()["Container"] == container
