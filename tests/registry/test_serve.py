"""`proa registry serve`: a registry of our own, used by docker, podman, skopeo and plain HTTP; with users and TLS; as a cache."""
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from support import images, registries
from support.proa_registry import ProaRegistry
from support.registries import digest_of


@pytest.fixture(scope="module")
def own(engine):
    registry = ProaRegistry(engine)
    yield registry
    assert registry.stop() == 0
    shutil.rmtree(registry.directory)


@pytest.mark.proa
class TestProtocol:
    def test_base(self, own):
        status, headers, body = own.request("GET", "/v2/")
        assert (status, body, headers["Docker-Distribution-Api-Version"]) == (200, b"{}", "registry/2.0")

    def test_chunked_upload(self, own, repository):
        data = os.urandom(100000)
        status, headers, _ = own.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        location = headers["Location"]
        assert status == 202
        for start in range(0, 100000, 40000):
            chunk = data[start:start + 40000]
            status, headers, _ = own.request("PATCH", location, chunk, {"Content-Range": f"{start}-{start + len(chunk) - 1}"})
            assert (status, headers["Range"]) == (202, f"0-{start + len(chunk) - 1}")
        assert own.request("PATCH", location, b"x", {"Content-Range": "5-5"})[0] == 416
        assert own.request("GET", location)[:2][0] == 204
        assert own.request("PUT", f"{location}?digest={digest_of(data)}", b"")[0] == 201
        status, headers, body = own.request("GET", f"/v2/{repository}/blobs/{digest_of(data)}")
        assert (status, body, headers["Docker-Content-Digest"]) == (200, data, digest_of(data))
        status, headers, body = own.request("GET", f"/v2/{repository}/blobs/{digest_of(data)}", headers={"Range": "bytes=99990-"})
        assert (status, body, headers["Content-Range"]) == (206, data[-10:], "bytes 99990-99999/100000")
        status, headers, body = own.request("HEAD", f"/v2/{repository}/blobs/{digest_of(data)}")
        assert (status, headers["Content-Length"], body) == (200, "100000", b"")

    def test_wrong_digest(self, own, repository):
        _, headers, _ = own.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        status, _, body = own.request("PUT", f"{headers['Location']}?digest={digest_of(b'other')}", b"this")
        assert status == 400 and json.loads(body)["errors"][0]["code"] == "DIGEST_INVALID"
        assert own.request("HEAD", f"/v2/{repository}/blobs/{digest_of(b'this')}")[0] == 404

    def test_single_post_and_mount_and_cancel(self, own, repository):
        data = b"single" * 100
        assert own.request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest_of(data)}", data)[0] == 201
        assert own.request("POST", f"/v2/{repository}-b/blobs/uploads/?mount={digest_of(data)}&from={repository}", b"")[0] == 201
        assert own.request("HEAD", f"/v2/{repository}-b/blobs/{digest_of(data)}")[0] == 200
        assert own.request("HEAD", f"/v2/{repository}-c/blobs/{digest_of(data)}")[0] == 404
        _, headers, _ = own.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        assert own.request("DELETE", headers["Location"])[0] == 204
        assert own.request("GET", headers["Location"])[0] == 404

    def test_manifests_tags_delete(self, own, repository):
        layer = images.layer(lambda tar: images.add_file(tar, "f", b"f"))
        for tag in "abc":
            digest, _ = own.put_image(repository, tag, [layer], Labels={"tag": tag})
        assert json.loads(own.request("GET", f"/v2/{repository}/tags/list")[2]) == {"name": repository, "tags": ["a", "b", "c"]}
        status, headers, body = own.request("GET", f"/v2/{repository}/tags/list?n=2")
        assert json.loads(body)["tags"] == ["a", "b"] and 'rel="next"' in headers["Link"]
        assert json.loads(own.request("GET", headers["Link"][1:].split(">")[0])[2])["tags"] == ["c"]
        assert repository in json.loads(own.request("GET", "/v2/_catalog?n=1000")[2])["repositories"]
        assert own.request("DELETE", f"/v2/{repository}/manifests/{digest}")[0] == 202
        assert own.request("GET", f"/v2/{repository}/manifests/c")[0] == 404
        assert own.request("DELETE", f"/v2/{repository}/manifests/b")[0] == 202
        assert json.loads(own.request("GET", f"/v2/{repository}/tags/list")[2])["tags"] == ["a"]

    def test_manifest_without_its_blobs(self, own, repository):
        manifest = registries.manifest_of(b"{}", [b"layer"])
        status, _, body = own.request("PUT", f"/v2/{repository}/manifests/1", manifest, {"Content-Type": registries.MANIFEST})
        assert status == 404 and json.loads(body)["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"

    def test_referrers(self, own, repository):
        layer = images.layer(lambda tar: images.add_file(tar, "f", b"f"))
        subject, size = own.put_image(repository, "1", [layer])
        own.put_blob(repository, b"{}")
        artifact = json.dumps({"schemaVersion": 2, "mediaType": registries.MANIFEST, "artifactType": "test/x",
                               "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2}, "layers": [],
                               "subject": {"mediaType": registries.MANIFEST, "digest": subject, "size": size}}).encode()
        status, headers, _ = own.request("PUT", f"/v2/{repository}/manifests/{digest_of(artifact)}", artifact, {"Content-Type": registries.MANIFEST})
        assert (status, headers["OCI-Subject"]) == (201, subject)
        found = json.loads(own.request("GET", f"/v2/{repository}/referrers/{subject}")[2])
        assert [(one["digest"], one["artifactType"]) for one in found["manifests"]] == [(digest_of(artifact), "test/x")]
        assert json.loads(own.request("GET", f"/v2/{repository}/referrers/{subject}?artifactType=other")[2])["manifests"] == []

    @pytest.mark.parametrize("path", ["/v2/../../etc/passwd", "/v2/x/../../../y/tags/list", "/v2/UPPER/tags/list", "/v2/a/manifests/../../x", "/v2/a/blobs/sha256:zz", "/v2/_x/tags/list"])
    def test_names_that_lead_astray(self, own, path):
        connection = http.client.HTTPConnection(own.host, own.port, timeout=30)
        connection.putrequest("GET", path, skip_host=True)
        connection.putheader("Host", "x")
        connection.endheaders()
        assert connection.getresponse().status in (301, 400, 404)
        connection.close()


@pytest.mark.proa
class TestClients:
    def test_docker(self, docker, own, repository):
        name = f"{own.address}/{repository}:1"
        docker("tag", "busybox", name, check=0)
        docker("push", name, check=0)
        docker("rmi", name, check=0)
        docker("pull", name, check=0)
        assert docker.output("run", "--rm", name, "echo", "hi") == "hi"
        assert repository in docker.output("search", f"{own.address}/{repository}")

    def test_skopeo(self, docker, own, repository, tmp_path):
        name = f"{own.address}/{repository}"
        docker("tag", "configured", f"{name}:1", check=0)
        docker("push", "-q", f"{name}:1", check=0)
        for arguments in (["copy", "--src-tls-verify=false", f"docker://{name}:1", f"oci:{tmp_path}/oci:x"],
                          ["copy", "--dest-tls-verify=false", f"oci:{tmp_path}/oci:x", f"docker://{name}:2"],
                          ["inspect", "--tls-verify=false", f"docker://{name}:2"], ["list-tags", "--tls-verify=false", f"docker://{name}"],
                          ["delete", "--tls-verify=false", f"docker://{name}:2"]):
            done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr

    def test_kept_over_a_kill(self, engine, docker, repository):
        first = ProaRegistry(engine)
        docker("tag", "busybox", f"{first.address}/{repository}:1", check=0)
        docker("push", "-q", f"{first.address}/{repository}:1", check=0)
        first.stop(signal.SIGKILL)
        second = ProaRegistry(engine, data=first.directory)
        docker("pull", f"{second.address}/{repository}:1", check=0)
        second.stop()
        shutil.rmtree(first.directory)


@pytest.mark.proa
def test_users_and_tls(engine, docker, certificate, repository):
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        with open(directory + "/users", "w") as file:
            file.write(subprocess.run(["htpasswd", "-Bbn", "-C", "4", "alice", "s3cret"], capture_output=True, text=True, check=True).stdout)
        registry = ProaRegistry(engine, "--htpasswd", directory + "/users", "--tls-cert", certificate[1], "--tls-key", certificate[2], data=directory + "/data")
        name = f"{registry.address}/{repository}:1"
        docker("tag", "busybox", name, check=0)
        assert "no basic auth credentials" in docker("push", name).stderr
        assert docker("login", "-u", "alice", "--password-stdin", registry.address, input="bad\n").returncode == 1
        docker("login", "-u", "alice", "--password-stdin", registry.address, input="s3cret\n", check=0)
        docker("push", name, check=0)
        docker("logout", registry.address, check=0)
        assert registry.stop() == 0


@pytest.mark.proa
def test_a_cache_in_front_of_another(engine, docker, registry, repository):
    docker("tag", "configured", f"{registry.address}/{repository}:1", check=0)
    docker("push", "-q", f"{registry.address}/{repository}:1", check=0)
    cache = ProaRegistry(engine, "--proxy", registry.address)
    name = f"{cache.address}/{repository}:1"
    docker("pull", name, check=0)
    assert docker.output("run", "--rm", name) == "entry default"
    docker("tag", "busybox", f"{cache.address}/new:1", check=0)
    assert docker("push", f"{cache.address}/new:1").returncode == 1
    cache.stop()
    shutil.rmtree(cache.directory)
