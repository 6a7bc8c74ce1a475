"""Who is asked for a registry's content: hosts.toml, mirrors of any registry, proxies."""
import os
import shutil
import signal
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from support import images, registries
from support.http import Http
from support.registries import CERTS, auth
from support.waiting import wait_until

ALICE = {"username": "alice", "password": "s3cret"}


def some_layer():
    return images.layer(lambda tar: images.add_file(tar, "file", b"content"))


def pull(http, name, headers=()):
    return http.post(f"/images/create?fromImage={quote(name)}", None, headers)


def last(answer):
    assert answer.status == 200, answer.message
    return answer.lines()[-1].get("status") or answer.lines()[-1]["errorDetail"]["message"]


@pytest.fixture
def shelf():
    shelf = registries.Shelf()
    shelf.image("1", [some_layer()])
    return shelf


@pytest.fixture
def hosts():
    """Writes a hosts.toml for a registry."""
    made, had = [], os.path.exists(CERTS)

    def write(address, text, **files):
        directory = f"{CERTS}/{address}"
        os.makedirs(directory)
        made.append(directory)
        for name, content in {"hosts.toml": text, **files}.items():
            with open(f"{directory}/{name}", "w") as file:
                file.write(content)

    yield write
    for directory in made:
        shutil.rmtree(directory)
    if not had and os.path.isdir(CERTS):
        os.removedirs(CERTS)


class TestHostsFile:
    def test_a_mirror_with_a_path_and_a_header(self, api, serve, shelf, hosts):
        def answer(request):
            request.path = request.path.removeprefix("/proxy/for-all")
            return shelf.answer(request)

        mirror, upstream = serve(answer), serve(shelf.answer)
        hosts(upstream.address, f'[host."http://{mirror.address}/proxy/for-all"]\n[host."http://{mirror.address}/proxy/for-all".header]\nx-team = "blue"\n')
        assert last(pull(api, f"{upstream.address}/x:1", auth(**ALICE))).startswith("Status: Downloaded newer")
        assert upstream.requests == []
        for _, path, headers in mirror.requests[1:]:
            assert path.startswith("/proxy/for-all/v2/") and parse_qs(urlsplit(path).query)["ns"] == [upstream.address]
        assert all(headers["x-team"] == "blue" and "Authorization" not in headers for _, _, headers in mirror.requests)

    def test_a_mirror_that_replaces_the_root(self, api, serve, shelf, hosts):
        def answer(request):
            assert request.path.startswith("/artifacts/")
            request.path = "/v2/" + request.path.removeprefix("/artifacts/")
            return shelf.answer(request)

        mirror, upstream = serve(answer), serve(shelf.answer)
        hosts(upstream.address, f'[host."http://{mirror.address}/artifacts"]\noverride_path = true\n')
        assert last(pull(api, f"{upstream.address}/x:1")).startswith("Status: Downloaded newer")
        assert upstream.requests == [] and mirror.requests

    def test_content_from_one_and_tags_from_another(self, api, serve, shelf, hosts):
        mirror, upstream = serve(shelf.answer), serve(shelf.answer)
        hosts(upstream.address, f'server = "http://{upstream.address}"\n[host."http://{mirror.address}"]\ncapabilities = ["pull"]\n')
        assert last(pull(api, f"{upstream.address}/x:1")).startswith("Status: Downloaded newer")
        assert [(method, path) for method, path, _ in upstream.requests] == [("GET", "/v2/"), ("HEAD", "/v2/x/manifests/1")]
        assert not any("manifests/1?" in path for _, path, _ in mirror.requests) and any("/blobs/" in path for _, path, _ in mirror.requests)

    def test_a_mirror_that_knows_nothing_or_is_down(self, api, serve, shelf, hosts):
        empty, upstream = serve(registries.Shelf().answer), serve(shelf.answer)
        hosts(upstream.address, f'server = "http://{upstream.address}"\n[host."http://127.0.0.1:{registries.free_port()}"]\n[host."http://{empty.address}"]\n')
        assert last(pull(api, f"{upstream.address}/x:1")).startswith("Status: Downloaded newer")
        assert any("manifests" in path for _, path, _ in empty.requests)
        assert last(pull(api, f"{upstream.address}/x:1")).startswith("Status: Image is up to date")

    def test_pushes_go_to_who_may_take_them(self, api, serve, shelf, hosts, registry, repository):
        mirror = serve(shelf.answer)
        name = f"127.0.0.1:{registries.free_port()}"
        hosts(name, f'server = "http://{registry.address}"\n[host."http://{mirror.address}"]\ncapabilities = ["pull", "resolve"]\n')
        api.post(f"/images/busybox/tag?repo={name}/{repository}&tag=1")
        assert "errorDetail" not in api.post(f"/images/{name}/{repository}/push?tag=1", None, auth()).text
        assert registry.manifest(repository, "1") and mirror.requests == []

    def test_an_authority_of_its_own(self, api, serve, shelf, hosts, certificate, tmp_path):
        secured = serve(shelf.answer, tls=certificate)
        other = registries.make_certificate(str(tmp_path), "127.0.0.1")
        dead = f"127.0.0.1:{registries.free_port()}"
        with open(certificate[0]) as file:
            hosts(dead, f'server = "https://{secured.address}"\nca = "mine.pem"\n', **{"mine.pem": file.read()})
        assert last(pull(api, f"{dead}/x:1")).startswith("Status: Downloaded newer")
        dead = f"127.0.0.1:{registries.free_port()}"
        with open(other[0]) as file:
            hosts(dead, f'server = "https://{secured.address}"\nca = "other.pem"\n', **{"other.pem": file.read()})
        answer = pull(api, f"{dead}/x:1")
        assert answer.status == 500 and "certificate signed by unknown authority" in answer.message

    def test_what_is_wrong_is_named(self, api, hosts):
        name = f"127.0.0.1:{registries.free_port()}"
        hosts(name, 'skipverify = true\n')
        answer = pull(api, f"{name}/x:1")
        assert (answer.status, answer.message) == (400, f"{CERTS}/{name}/hosts.toml: skipverify: unknown key")


def test_mirrors_of_any_registry(private_engine, serve, shelf):
    first, second, upstream = serve(shelf.answer), serve(shelf.answer), serve(shelf.answer)
    private_engine.write_config({"mirrors": {upstream.address: [f"http://{first.address}"]}})
    private_engine.start()
    http = Http(private_engine.socket)
    assert http.get("/info").json()["RegistryConfig"]["IndexConfigs"][upstream.address]["Mirrors"] == [f"http://{first.address}/"]
    assert last(pull(http, f"{upstream.address}/x:1", auth(**ALICE))).startswith("Status: Downloaded newer")
    assert first.requests and upstream.requests == [] and not any("Authorization" in headers for _, _, headers in first.requests)
    private_engine.write_config({"mirrors": {upstream.address: [f"http://{second.address}"], "docker.io": [f"http://{second.address}"]}})
    os.kill(private_engine.pid, signal.SIGHUP)
    wait_until(lambda: upstream.address in http.get("/info").text and second.address in http.get("/info").text, 30, "the new configuration")
    shelf.image("2", [some_layer()], labels={"a": "b"})
    assert last(pull(http, f"{upstream.address}/x:2")).startswith("Status: Downloaded newer")
    assert last(pull(http, "thing:2")).startswith("Status: Downloaded newer")
    assert any("/library/thing/" in path for _, path, _ in second.requests) and upstream.requests == []


def test_proxies_of_the_configuration(private_engine, serve, shelf):
    """Registries by their names alone: only the proxy knows where they are."""
    proxy, near = serve(shelf.answer), serve(shelf.answer, host="127.0.0.2")
    subject = "registry.invalid:5000"
    private_engine.write_config({"insecure-registries": [subject], "proxies": {"http-proxy": f"http://{proxy.address}", "https-proxy": f"http://{proxy.address}", "no-proxy": "127.0.0.2"}})
    private_engine.start()
    http = Http(private_engine.socket)
    assert last(pull(http, f"{subject}/x:1")).startswith("Status: Downloaded newer")
    assert ("CONNECT", subject) in [(method, path) for method, path, _ in proxy.requests], "https goes through it too"
    plain = [path for method, path, _ in proxy.requests if method == "GET"]
    assert plain and all(path.startswith(f"http://{subject}/v2/") for path in plain)
    count = len(proxy.requests)
    assert last(pull(http, f"{near.address}/x:1")).startswith("Status: ")
    assert near.requests and len(proxy.requests) == count
