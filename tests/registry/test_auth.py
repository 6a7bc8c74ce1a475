"""Who may come in: basic and token authentication, TLS and certs.d, login, and where credentials must never go."""
import base64
import json
import os
import shutil
import signal
import subprocess
import uuid
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from support import images, registries
from support.contexts import build, must_build
from support.http import Http
from support.registries import CERTS, auth, basic_user
from support.waiting import wait_until

ALICE = {"username": "alice", "password": "s3cret"}


def some_layer(seed="x"):
    return images.layer(lambda tar: images.add_file(tar, "file", seed.encode() * 5000))


def pull(api, name, headers=()):
    return api.post(f"/images/create?fromImage={quote(name)}", None, headers)


def push_busybox(api, name, headers):
    api.post(f"/images/busybox/tag?repo={name}&tag=1")
    return api.post(f"/images/{name}/push?tag=1", None, headers)


@pytest.fixture(scope="module")
def trusted(certificate):
    """certs.d as an administrator would fill it, for any host."""
    made = []

    def trust(address):
        directory = f"{CERTS}/{address}"
        os.makedirs(directory)
        made.append(directory)
        shutil.copy(certificate[0], directory + "/ca.crt")

    had = os.path.exists(CERTS)
    yield trust
    for directory in made:
        shutil.rmtree(directory)
    if not had and os.path.isdir(CERTS):
        os.removedirs(CERTS)


@pytest.fixture(scope="module")
def locked(engine, certificate):
    """docker-registry with TLS and htpasswd."""
    registry = registries.DockerRegistry(users={"alice": "s3cret"}, tls=certificate)
    yield registry
    registry.close()


class TestBasic:
    def test_push_and_pull(self, api, locked, repository):
        name = f"{locked.address}/{repository}"
        assert "errorDetail" not in push_busybox(api, name, auth(**ALICE)).text
        assert pull(api, f"{name}:1", auth(**ALICE)).status == 200

    def test_nobody(self, api, locked, repository):
        answer = pull(api, f"{locked.address}/{repository}:1")
        assert answer.status == 500 and answer.message == f'Head "https://{locked.address}/v2/{repository}/manifests/1": no basic auth credentials'
        message = push_busybox(api, f"{locked.address}/{repository}", [("X-Registry-Auth", "e30=")]).lines()[-1]["errorDetail"]["message"]
        assert message.endswith("no basic auth credentials")

    def test_wrong_password(self, api, locked, repository):
        answer = pull(api, f"{locked.address}/{repository}:1", auth(username="alice", password="no"))
        assert answer.status == 500 and answer.message == "unauthorized: authentication required"

    def test_base_images_of_builds(self, api, locked, repository):
        name = f"{locked.address}/{repository}"
        assert "errorDetail" not in push_busybox(api, name, auth(**ALICE)).text
        known = base64.urlsafe_b64encode(json.dumps({"elsewhere:5000": {"username": "x", "password": "y"}, locked.address: ALICE}).encode()).decode()
        must_build(api, f"FROM {name}:1\nLABEL a=b\n", headers=[("X-Registry-Config", known)], pull=1)
        stranger = build(api, f"FROM {name}:1\nLABEL a=b\n", pull=1)
        assert stranger.error["message"].endswith("no basic auth credentials"), stranger.answer

    def test_login(self, api, locked):
        answer = api.post("/auth", {**ALICE, "serveraddress": locked.address})
        assert (answer.status, answer.json()) == (200, {"Status": "Login Succeeded", "IdentityToken": ""})
        answer = api.post("/auth", {"username": "alice", "password": "no", "serveraddress": f"https://{locked.address}"})
        assert (answer.status, answer.message) == (401, f"login attempt to https://{locked.address}/v2/ failed with status: 401 Unauthorized")


class TestTls:
    @pytest.fixture
    def outside(self, engine, serve, certificate):
        """A registry whose address is none of loopback's, so that its certificate counts."""
        subprocess.run(["ip", "address", "add", "198.51.100.7/32", "dev", "lo"], check=True)
        shelf = registries.Shelf()
        shelf.image("1", [some_layer()])
        directory = certificate[0].rsplit("/", 1)[0] + "/outside"
        os.makedirs(directory, exist_ok=True)
        own = registries.make_certificate(directory, "198.51.100.7")
        yield serve(shelf.answer, tls=own, host="198.51.100.7"), own, shelf
        subprocess.run(["ip", "address", "del", "198.51.100.7/32", "dev", "lo"], check=True)

    def test_unknown_authority(self, api, outside):
        answer = pull(api, f"{outside[0].address}/x:1")
        assert answer.status == 500
        assert answer.message == f'Get "https://{outside[0].address}/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority'

    def test_certs_d(self, api, outside, trusted):
        server, own, _ = outside
        trusted(server.address)
        shutil.copy(own[0], f"{CERTS}/{server.address}/ca.crt")
        assert pull(api, f"{server.address}/x:1").status == 200

    def test_client_key_without_certificate(self, api, outside, trusted):
        server, own, _ = outside
        trusted(server.address)
        shutil.copy(own[2], f"{CERTS}/{server.address}/client.key")
        answer = pull(api, f"{server.address}/x:1")
        assert answer.status == 400 and answer.message == "missing client certificate client.cert for key client.key"

    def test_plain_http_outside_is_refused(self, api, outside, serve):
        server = serve(outside[2].answer, host="198.51.100.7")
        answer = pull(api, f"{server.address}/x:1")
        assert answer.status == 500 and answer.message == f'Get "https://{server.address}/v2/": http: server gave HTTP response to HTTPS client'


def test_insecure_registries_after_reload(private_engine, serve):
    subprocess.run(["ip", "address", "add", "198.51.100.7/32", "dev", "lo"], check=True)  # goes with this test's network
    shelf = registries.Shelf()
    shelf.image("1", [some_layer()])
    server = serve(shelf.answer, host="198.51.100.7")
    private_engine.start()
    http = Http(private_engine.socket)
    path = f"/images/create?fromImage={quote(server.address)}/x&tag=1"
    assert http.post(path).status == 500
    private_engine.write_config({"insecure-registries": ["198.51.100.0/24"]})
    os.kill(private_engine.pid, signal.SIGHUP)
    wait_until(lambda: "198.51.100.0/24" in str(http.get("/info").json().get("RegistryConfig")), 30, "the reload")
    assert http.post(path).status == 200


class TokenServer:
    """Gives tokens to alice, or to anybody for pulls of public/; a registry that wants them stands beside it."""

    def __init__(self, serve, **names):
        self.shelf, self.issued, self.asked = registries.Shelf(), {}, []
        self.names = {"token": "token", "lifetime": 60, **names}
        self.tokens = serve(self.give)
        self.registry = serve(self.answer)
        self.service = "reg"

    def give(self, request):
        query = parse_qs(urlsplit(request.path).query)
        if request.command == "POST":
            query = parse_qs(request.read_body().decode())
        self.asked.append((request.command, query, request.headers.get("Authorization")))
        user = basic_user(request)
        allowed = user == ("alice", "s3cret") or query.get("refresh_token") == ["fresh"]
        if user[0] and not allowed:
            return request.reply_json(401, {"details": "incorrect username or password"})
        scopes = [scope for scope in " ".join(query.get("scope", [])).split() if allowed or scope.startswith("repository:public/")]
        token = uuid.uuid4().hex
        self.issued[token] = scopes
        answer = {self.names["token"]: token, "expires_in": self.names["lifetime"]}
        if query.get("offline_token"):
            answer["refresh_token"] = "fresh"
        return request.reply_json(200, answer)

    def answer(self, request):
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        path = urlsplit(request.path).path
        challenge = f'Bearer realm="http://{self.tokens.address}/token",service="{self.service}"'
        if path == "/v2/":
            if token in self.issued:
                return request.reply(200, b"{}")
            return request.reply_json(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}, {"WWW-Authenticate": challenge})
        scope = "repository:" + "/".join(path.split("/")[2:-2]) + ":pull"
        if scope not in self.issued.get(token, []):
            return request.reply_json(401, {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]},
                                      {"WWW-Authenticate": f'{challenge},scope="{scope}",error="insufficient_scope"'})
        return self.shelf.answer(request)


class TestTokens:
    @pytest.mark.parametrize("names", [{}, {"token": "access_token", "lifetime": 1}])
    def test_anonymous_and_known(self, api, serve, names):
        server = TokenServer(serve, **names)
        server.shelf.image("1", [some_layer("a"), some_layer("b")])
        assert pull(api, f"{server.registry.address}/public/x:1").status == 200
        assert pull(api, f"{server.registry.address}/private/x:1", auth(**ALICE)).status == 200
        assert server.asked[-1][1]["account"] == ["alice"] and server.asked[-1][1]["service"] == ["reg"]

    def test_denied(self, api, serve):
        server = TokenServer(serve)
        server.shelf.image("1", [some_layer()])
        name = f"{server.registry.address}/private/x"
        answer = pull(api, f"{name}:1")
        assert answer.status == 404
        assert answer.message == (f"pull access denied for {name}, repository does not exist or may require 'docker login': "
                                  "denied: requested access to the resource is denied")

    def test_one_token_serves_many_requests(self, api, serve):
        server = TokenServer(serve)
        server.shelf.image("1", [some_layer(seed) for seed in "abcdef"])
        assert pull(api, f"{server.registry.address}/public/x:1").status == 200
        assert len(server.asked) <= 2

    def test_identity_token(self, api, serve):
        server = TokenServer(serve)
        server.shelf.image("1", [some_layer()])
        assert pull(api, f"{server.registry.address}/private/x:1", auth(identitytoken="fresh")).status == 200
        method, form, _ = server.asked[-1]
        assert method == "POST" and form["grant_type"] == ["refresh_token"] and form["client_id"] == ["docker"]

    def test_login_gives_an_identity_token(self, api, serve):
        server = TokenServer(serve)
        answer = api.post("/auth", {**ALICE, "serveraddress": server.registry.address})
        assert answer.json() == {"Status": "Login Succeeded", "IdentityToken": "fresh"}

    def test_login_fails(self, api, serve):
        server = TokenServer(serve)
        answer = api.post("/auth", {"username": "alice", "password": "no", "serveraddress": server.registry.address})
        assert (answer.status, answer.message) == (401, f'Get "http://{server.registry.address}/v2/": unauthorized: incorrect username or password')

    def test_registry_token(self, api, serve):
        server = TokenServer(serve)
        server.issued["given"] = ["repository:private/x:pull"]
        server.shelf.image("1", [some_layer()])
        assert pull(api, f"{server.registry.address}/private/x:1", auth(registrytoken="given")).status == 200
        assert server.asked == []


class TestNowhereElse:
    """Rule C19."""

    def test_redirected_blobs_get_no_credentials(self, api, serve):
        shelf = registries.Shelf()
        shelf.image("1", [some_layer()])
        store = serve(shelf.answer, host="127.0.0.2")

        def answer(request):
            if basic_user(request) != ("alice", "s3cret"):
                return request.reply_json(401, {}, {"WWW-Authenticate": 'Basic realm="x"'})
            if "/blobs/" in request.path:
                return request.reply(307, b"", {"Location": f"http://{store.address}{request.path}"})
            return shelf.answer(request)

        front = serve(answer)
        assert pull(api, f"{front.address}/x:1", auth(**ALICE)).status == 200
        assert len(store.requests) == 2 and not any("Authorization" in headers for _, _, headers in store.requests)

    def test_https_is_never_left(self, api, serve, certificate):
        shelf = registries.Shelf()
        shelf.image("1", [some_layer()])
        plain = serve(shelf.answer)

        def answer(request):
            if "/blobs/" in request.path:
                return request.reply(307, b"", {"Location": f"http://{plain.address}{request.path}"})
            return shelf.answer(request)

        front = serve(answer, tls=certificate)
        answer = pull(api, f"{front.address}/x:1")
        assert "redirect from https to" in answer.text and "is refused" in answer.text
        assert plain.requests == []

    def test_a_mirror_gets_no_credentials(self, private_engine, serve):
        shelf = registries.Shelf()
        shelf.image("1", [some_layer()])
        mirror = serve(shelf.answer)
        private_engine.write_config({"registry-mirrors": [f"http://{mirror.address}"]})
        private_engine.start()
        http = Http(private_engine.socket)
        answer = http.post("/images/create?fromImage=thing&tag=1", None, auth(**ALICE))
        assert answer.status == 200 and answer.lines()[-1]["status"] == "Status: Downloaded newer image for thing:1"
        assert all("/library/thing/" in path or path == "/v2/" for _, path, _ in mirror.requests)
        assert not any("Authorization" in headers for _, _, headers in mirror.requests)

    def test_a_redirect_that_never_ends(self, api, serve):
        def answer(request):
            if request.path == "/v2/":
                return request.reply(200, b"{}")
            return request.reply(307, b"", {"Location": request.path})

        assert "stopped after 10 redirects" in pull(api, f"{serve(answer).address}/x:1").text
