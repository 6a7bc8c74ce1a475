"""Registries to test against: Debian's docker-registry, a token server, and stand-ins written here that serve whatever a test wants."""
import base64
import hashlib
import http.client
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

from . import images

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPT = ", ".join([MANIFEST, INDEX, DOCKER_MANIFEST, "application/vnd.docker.distribution.manifest.list.v2+json"])


CERTS = "/etc/docker/certs.d"


def auth(**fields):
    """The header with a user's credentials."""
    return [("X-Registry-Auth", base64.urlsafe_b64encode(json.dumps(fields).encode()).decode())]


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(directory, *names):
    """An authority and a server's certificate for `names`: (ca, cert, key)."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=" + names[0])
    with open(directory + "/names", "w") as file:
        file.write("subjectAltName=" + ",".join(("IP:" if name[0].isdigit() else "DNS:") + name for name in names))
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt")
    return [f"{directory}/{name}" for name in ("ca.crt", "server.crt", "server.key")]


class DockerRegistry:
    """Debian's docker-registry as a process of its own."""

    def __init__(self, users=None, tls=None, host="127.0.0.1", auth=None, read_only=False):
        self.directory = tempfile.mkdtemp(prefix="proa-test-registry-", dir="/tmp")
        self.port, self.host, self.tls = free_port(), host, tls
        self.address = f"{host}:{self.port}"
        config = {"version": 0.1, "log": {"level": "warn", "accesslog": {"disabled": True}},
                  "storage": {"filesystem": {"rootdirectory": self.directory + "/data"}, "delete": {"enabled": True}, "maintenance": {"readonly": {"enabled": read_only}}},
                  "http": {"addr": f"{host}:{self.port}"}}
        if tls:
            config["http"]["tls"] = {"certificate": tls[1], "key": tls[2]}
        if users:
            with open(self.directory + "/htpasswd", "w") as file:
                for user, password in users.items():
                    file.write(subprocess.run(["htpasswd", "-Bbn", "-C", "4", user, password], capture_output=True, text=True, check=True).stdout)
            config["auth"] = {"htpasswd": {"realm": "test", "path": self.directory + "/htpasswd"}}
        if auth:
            config["auth"] = auth
        with open(self.directory + "/config.yml", "w") as file:
            json.dump(config, file)  # JSON is YAML
        self.process = subprocess.Popen(["docker-registry", "serve", self.directory + "/config.yml"], stdin=subprocess.DEVNULL,
                                        stdout=open(self.directory + "/log", "wb"), stderr=subprocess.STDOUT, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((host, self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError("docker-registry does not answer:\n" + open(self.directory + "/log").read())
                time.sleep(0.02)

    def request(self, method, path, body=None, headers=()):
        """Plain registries only: (status, headers, body)."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, answer.headers, data

    def put_blob(self, repository, data):
        status, headers, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/", b"")
        assert status == 202
        location = urllib.parse.urlsplit(headers["Location"])
        status, _, body = self.request("PUT", f"{location.path}?{location.query}&digest={digest_of(data)}", data, {"Content-Type": "application/octet-stream"})
        assert status == 201, body
        return digest_of(data)

    def put_manifest(self, repository, reference, data, media=MANIFEST):
        status, _, body = self.request("PUT", f"/v2/{repository}/manifests/{reference}", data, {"Content-Type": media})
        assert status == 201, body
        return digest_of(data)

    def put_image(self, repository, tag, layers, architecture=images.NATIVE, pack=None, layer_type=LAYER, **config):
        """An image of plain layers, packed by `pack` on their way; its manifest's digest."""
        configuration = images.configuration(layers, architecture, **config)
        packed = [pack(data) if pack else data for data in layers]
        for data in [configuration, *packed]:
            self.put_blob(repository, data)
        manifest = manifest_of(configuration, packed, layer_type)
        return self.put_manifest(repository, tag or digest_of(manifest), manifest), len(manifest)

    def manifest(self, repository, reference):
        status, headers, body = self.request("GET", f"/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT})
        assert status == 200, body
        return body, headers["Content-Type"], headers["Docker-Content-Digest"]

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def manifest_of(configuration, layers, layer_type=LAYER):
    return json.dumps({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest_of(configuration), "size": len(configuration)},
        "layers": [{"mediaType": layer_type, "digest": digest_of(data), "size": len(data)} for data in layers]}).encode()


class Server:
    """An HTTP server whose answers a function gives: `answer(request)` gets the handler and writes what it likes."""

    def __init__(self, answer, tls=None, host="127.0.0.1"):
        self.requests = requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                requests.append((self.command, self.path, dict(self.headers.items())))
                try:
                    answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_CONNECT = handle_any

            def reply(self, status, body=b"", headers=()):
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                if "Content-Length" not in dict(headers):
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def reply_json(self, status, value, headers=()):
                self.reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **dict(headers)})

            def read_body(self):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def log_message(self, *arguments):
                pass

        class Threading(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *arguments):
                pass

        self.server = Threading((host, 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls[1], tls[2])
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.address = f"{host}:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Taker:
    """A stand-in registry that takes pushes; `cut` bytes of each PATCH are read, then the connection ends. 0: it knows no PATCH."""

    def __init__(self, serve, cut=None, tells=True):
        self.uploads, self.blobs, self.received, self.cut, self.tells = {}, {}, 0, cut, tells
        self.server = serve(self.answer)
        self.address = self.server.address

    def answer(self, request):
        url = urllib.parse.urlsplit(request.path)
        kind, name = url.path.split("/")[-2:]
        if url.path == "/v2/":
            return request.reply(200, b"{}")
        if request.command == "HEAD":
            return request.reply(200 if name in self.blobs else 404)
        if kind == "manifests":
            request.read_body()
            return request.reply(201)
        if request.command == "POST":
            name = str(len(self.uploads))
            self.uploads[name] = b""
            return request.reply(202, b"", self.place(request, name))
        return getattr(self, request.command.lower())(request, name, urllib.parse.parse_qs(url.query))

    def place(self, request, name):
        location = request.path.split("?")[0].rsplit("/", 1)[0] + "/" + name
        return {"Location": location, "Range": f"0-{max(len(self.uploads[name]), 1) - 1}"}

    def take(self, request, name, limit=None):
        size = int(request.headers.get("Content-Length") or 0)
        data = request.rfile.read(size if limit is None else min(size, limit))
        self.uploads[name] += data
        self.received += len(data)
        return len(data) == size

    def patch(self, request, name, _):
        if self.cut == 0:
            request.read_body()
            return request.reply_json(405, {"errors": [{"code": "UNSUPPORTED", "message": "the operation is unsupported"}]})
        start = request.headers.get("Content-Range", "0-").split("-")[0]
        assert int(start) == len(self.uploads[name])
        if self.take(request, name, self.cut):
            return request.reply(202, b"", self.place(request, name))
        request.close_connection = True

    def get(self, request, name, _):
        if not self.tells:
            return request.reply_json(404, {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "blob upload unknown to registry"}]})
        return request.reply(204, b"", self.place(request, name))

    def put(self, request, name, query):
        self.take(request, name)
        data = self.uploads[name]
        if digest_of(data) != query["digest"][0]:
            return request.reply_json(400, {"errors": [{"code": "DIGEST_INVALID", "message": "provided digest did not match uploaded content"}]})
        self.blobs[digest_of(data)] = data
        return request.reply(201)


class Shelf:
    """What a stand-in registry has: blobs and manifests of any bytes, by the names a test gives them."""

    def __init__(self):
        self.blobs, self.manifests = {}, {}

    def blob(self, data, name=None):
        self.blobs[name or digest_of(data)] = data
        return name or digest_of(data)

    def manifest(self, data, *names, media=MANIFEST):
        for name in [digest_of(data), *names]:
            self.manifests[name] = (data, media)
        return digest_of(data)

    def image(self, tag, layers, **config):
        configuration = images.configuration(layers, **config)
        for data in [configuration, *layers]:
            self.blob(data)
        return self.manifest(manifest_of(configuration, layers), tag)

    def answer(self, request):
        path = urllib.parse.urlsplit(request.path).path
        if path == "/v2/":
            return request.reply(200, b"{}", {"Docker-Distribution-Api-Version": "registry/2.0"})
        kind, name = path.split("/")[-2:]
        if kind == "manifests" and name in self.manifests:
            data, media = self.manifests[name]
            return request.reply(200, data, {"Content-Type": media, "Docker-Content-Digest": digest_of(data)})
        if kind == "blobs" and name in self.blobs:
            return self.send_blob(request, self.blobs[name])
        code = "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN"
        return request.reply_json(404, {"errors": [{"code": code, "message": code.lower().replace("_", " ")}]})

    def send_blob(self, request, data):
        start = int((request.headers.get("Range") or "bytes=0-")[6:].rstrip("-"))
        if start:
            return request.reply(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        return request.reply(200, data)


def basic_user(request):
    """The name and password of a request's Basic proof, (None, None) without one."""
    header = request.headers.get("Authorization") or ""
    if not header.startswith("Basic "):
        return None, None
    name, _, password = base64.b64decode(header[6:]).decode().partition(":")
    return name, password
