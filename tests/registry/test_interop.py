"""Proa, docker, podman and skopeo exchange images by registries: what one pushes the others pull, the same to the last attribute.

PROA_TEST_INTEROP=1  all registries, and a Debian root filesystem of 300 MB by mmdebstrap (cached in build/debian)
"""
import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest

from support import images, isolation, registries, trees
from support.engine import REPOSITORY, Engine
from support.proa_registry import ProaRegistry
from support.registries import CERTS, INDEX, LAYER, MANIFEST, digest_of

WHOLE = bool(os.environ.get("PROA_TEST_INTEROP"))
ALICE = ("alice", "s3cret")


# --- the registries ---

def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer:
    """Gives alice signed tokens for whatever she asks."""

    def __init__(self, directory):
        self.key, self.certificate = directory + "/token.key", directory + "/token.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", "/CN=tokens"],
                       check=True, capture_output=True)
        self.server = registries.Server(self.answer)
        self.auth = {"token": {"realm": f"http://{self.server.address}/token", "service": "test", "issuer": "tests", "rootcertbundle": self.certificate}}

    def answer(self, request):
        query = parse_qs(urlsplit(request.path).query)
        if request.command == "POST":
            query = parse_qs(request.read_body().decode())
        if registries.basic_user(request) != ALICE and (query.get("username"), query.get("password")) != ([ALICE[0]], [ALICE[1]]):
            return request.reply_json(401, {"details": "incorrect username or password"})
        access = []
        for scope in " ".join(query.get("scope", [])).split():
            kind, rest = scope.split(":", 1)
            name, actions = rest.rsplit(":", 1)
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        token = self.signed({"iss": "tests", "sub": "alice", "aud": "test", "exp": int(time.time()) + 300, "nbf": int(time.time()) - 10, "iat": int(time.time()),
                             "jti": uuid.uuid4().hex, "access": access})
        return request.reply_json(200, {"token": token, "access_token": token, "expires_in": 300})

    def signed(self, claims):
        with open(self.certificate) as file:
            der = "".join(line.strip() for line in file if "-----" not in line)
        text = ".".join(base64url(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "RS256", "x5c": [der]}, claims))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=text.encode(), capture_output=True, check=True)
        return text + "." + base64url(done.stdout)

    def close(self):
        self.server.close()


@pytest.fixture(scope="module")
def directory():
    directory = tempfile.mkdtemp(prefix="px-", dir="/tmp")  # podman wants short names
    yield directory
    shutil.rmtree(directory)


ALL = ["plain", "users", "tokens", "ours", "ours with users"]


@pytest.fixture(scope="module", params=ALL if WHOLE else ["ours with users"])
def place(request, engine, directory, certificate):
    """A registry, with what clients must know: `users`, `tls`, `address`."""
    kind, tokens = request.param, None
    tls = certificate if "users" in kind else None
    if kind.startswith("ours"):
        flags = []
        if tls:
            with open(directory + "/users", "w") as file:
                file.write(subprocess.run(["htpasswd", "-Bbn", "-C", "4", *ALICE], capture_output=True, text=True, check=True).stdout)
            flags = ["--htpasswd", directory + "/users", "--tls-cert", tls[1], "--tls-key", tls[2]]
        registry = ProaRegistry(engine, *flags)
    else:
        tokens = TokenServer(directory) if kind == "tokens" else None
        registry = registries.DockerRegistry(users=dict([ALICE]) if kind == "users" else None, tls=tls, auth=tokens and tokens.auth)
    registry.known, registry.tls = kind not in ("plain", "ours"), tls
    certificates, had = f"{CERTS}/{registry.address}", os.path.exists(CERTS)
    if tls:
        os.makedirs(certificates)
        shutil.copy(tls[0], certificates + "/ca.crt")
    os.makedirs(directory + "/config", exist_ok=True)
    with open(directory + "/config/config.json", "w") as file:
        json.dump({"auths": {registry.address: {"auth": base64.b64encode(":".join(ALICE).encode()).decode()}} if registry.known else {}}, file)
    yield registry
    if tls:
        shutil.rmtree(certificates)
        if not had:
            os.removedirs(CERTS)
    registry.close()
    if tokens:
        tokens.close()


# --- the clients ---

def run(*words, environment=None, timeout=300):
    done = subprocess.run([str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env={**os.environ, **(environment or {})})
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


def overlay_tree(data):
    """The tree of an image by the directories that its inspect names."""
    lower = [path for path in [data["UpperDir"], *data.get("LowerDir", "").split(":")] if path]
    if len(lower) == 1:
        return trees.describe(lower[0])
    point = tempfile.mkdtemp(prefix="px-", dir="/tmp")
    links = tempfile.mkdtemp(prefix="l", dir="/tmp")  # twenty long names do not fit into one page
    for number, path in enumerate(lower):
        os.symlink(path, f"{links}/{number}")
    before = os.getcwd()
    try:
        os.chdir(links)
        isolation.mount("overlay", point, "overlay", 1, "lowerdir=" + ":".join(map(str, range(len(lower)))))
        os.chdir(before)
        try:
            return trees.describe(point)
        finally:
            isolation.unmount(point)
    finally:
        os.chdir(before)
        os.rmdir(point)
        shutil.rmtree(links)


class DockerClient:
    """The docker command line with an engine behind it: Proa or dockerd."""

    def __init__(self, name, host, directory):
        self.name, self.environment = name, {"DOCKER_HOST": host, "DOCKER_CONFIG": directory + "/config"}

    def __call__(self, *words):
        return run("docker", *words, environment=self.environment)

    def pull(self, place, name, platform=None):
        self("pull", "-q", *(["--platform", platform] if platform else []), name)

    def push(self, place, name, target):
        self("tag", name, target)
        self("push", "-q", target)

    def inspect(self, name):
        return json.loads(self("image", "inspect", name))[0]

    def layers(self, name):
        return self.inspect(name)["RootFS"]["Layers"]

    def tree(self, name):
        return overlay_tree(self.inspect(name)["GraphDriver"]["Data"])

    def forget(self, *names):
        self("rmi", "-f", *names)


class Podman:
    name = "podman"

    def __init__(self, directory):
        self.storage = ["--root", directory + "/pod", "--runroot", directory + "/run", "--storage-driver", "vfs", "--events-backend", "file"]
        self.environment = {"REGISTRY_AUTH_FILE": directory + "/config/config.json"}

    def __call__(self, *words):
        return run("podman", *self.storage, *words, environment=self.environment)

    def verify(self, place):
        return f"--tls-verify={'true' if place.tls else 'false'}"

    def pull(self, place, name, platform=None):
        self("pull", "-q", self.verify(place), *(["--platform", platform] if platform else []), name)

    def push(self, place, name, target):
        self("push", "-q", self.verify(place), name, "docker://" + target)

    def layers(self, name):
        return json.loads(self("image", "inspect", name))[0]["RootFS"]["Layers"]

    def tree(self, name):
        point = self("image", "mount", name).strip()
        try:
            return trees.describe(point)
        finally:
            self("image", "unmount", name)

    def forget(self, *names):
        self("rmi", "-f", *names)


class Skopeo:
    """Has no store of its own: layouts in a folder stand for it."""
    name = "skopeo"

    def __init__(self, directory):
        self.directory, self.environment = directory + "/layouts", {"REGISTRY_AUTH_FILE": directory + "/config/config.json"}
        os.makedirs(self.directory)

    def layout(self, name):
        return f"{self.directory}/{hashlib.sha256(name.encode()).hexdigest()[:16]}"

    def verify(self, place):
        return "true" if place.tls else "false"

    def pull(self, place, name, platform=None):
        run("skopeo", "copy", "--all", "--preserve-digests", f"--src-tls-verify={self.verify(place)}", f"docker://{name}", f"oci:{self.layout(name)}:x", environment=self.environment)

    def push(self, place, name, target):
        run("skopeo", "copy", "--all", "--preserve-digests", f"--dest-tls-verify={self.verify(place)}", f"oci:{self.layout(name)}:x", f"docker://{target}", environment=self.environment)

    def layers(self, name):
        read = lambda digest: json.load(open(f"{self.layout(name)}/blobs/sha256/{digest[7:]}"))
        document = read(json.load(open(self.layout(name) + "/index.json"))["manifests"][0]["digest"])
        if "manifests" in document:
            document = next(read(one["digest"]) for one in document["manifests"] if one["platform"]["architecture"] == images.NATIVE)
        return read(document["config"]["digest"])["rootfs"]["diff_ids"]

    def tree(self, name):
        return None

    def forget(self, *names):
        for name in names:
            shutil.rmtree(self.layout(name), ignore_errors=True)


@pytest.fixture(scope="module")
def clients(engine, directory):
    dockerd = Engine(number=41)
    dockerd.dockerd, dockerd.kind, dockerd.external = "/usr/sbin/dockerd", "docker", None
    dockerd.arguments = ["--iptables=false", "--bridge=none"]
    command = dockerd.command
    dockerd.command = lambda extra=(): [word for index, word in enumerate(command(extra)) if word != "--bip" and command(extra)[index - 1] != "--bip"]
    try:
        dockerd.start()
        yield [DockerClient("proa", engine.host, directory), DockerClient("docker", dockerd.host, directory), Podman(directory), Skopeo(directory)]
    finally:
        dockerd.destroy()


# --- the images ---

def odd_files(tar):
    """Everything that a layer may hold."""
    def add(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, uid=0, gid=0, link="", device=(0, 0), **pax):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mode, info.uid, info.gid, info.linkname, info.mtime = kind, len(data), mode, uid, gid, link, 1600000000
        info.devmajor, info.devminor = device
        info.pax_headers = {key.replace("_", ".", 1) if key.startswith("SCHILY_") else key: value for key, value in pax.items()}
        tar.addfile(info, io.BytesIO(data))

    for name, mode in [("./", 0o755), ("bin", 0o755), ("tmp", 0o1777), ("srv", 0o2755), ("var", 0o755)]:
        add(name, tarfile.DIRTYPE, mode=mode)
    add("bin/tool", data=b"\x7fELF tool" * 100, mode=0o4755)
    add("bin/hard", tarfile.LNKTYPE, link="bin/tool", mode=0o4755)  # as archivers write it: docker takes the mode of the last name
    add("bin/soft", tarfile.SYMTYPE, link="../bin/tool", uid=5, gid=6)
    add("bin/able", data=b"able", mode=0o755, **{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"})
    add("srv/owned", data=b"owned", uid=1234, gid=100000, **{"SCHILY.xattr.user.note": "kept"})
    add("var/pipe", tarfile.FIFOTYPE, mode=0o600)
    add("var/" + "long" * 50, data=b"long name")
    add("var/\udcff\udcfe", data=b"no UTF-8")
    add("var/empty")
    add("var/zeros", data=bytes(300000))


def gone_and_new(tar):
    images.add_file(tar, "var/.wh.empty", b"")
    images.add_file(tar, "bin/new", b"new", 0o755)


def pack_zstd(data):
    return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout


def debian():
    """A root filesystem of about 300 MB, made once."""
    path = os.path.join(REPOSITORY, "build/debian/rootfs.tar")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # The tests' network namespace reaches no mirror; the network that the session came from does.
        isolation.run_outside(["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,git,vim", "bookworm", path + ".new.tar"], timeout=900)
        os.rename(path + ".new.tar", path)
    with open(path, "rb") as file:
        return file.read()


def manifest(blobs, layers, architecture=images.NATIVE, pack=gzip.compress, suffix="+gzip"):
    config = images.configuration(layers, architecture, Labels={"made": "here"})
    packed = [pack(data) for data in layers]
    for data in [config, *packed]:
        blobs[digest_of(data)] = data
    text = registries.manifest_of(config, packed, LAYER + suffix)
    blobs[digest_of(text)] = text
    return {"mediaType": MANIFEST, "digest": digest_of(text), "size": len(text), "platform": {"architecture": architecture, "os": "linux"}}


def build(kind, blobs):
    odd, second = images.layer(odd_files), images.layer(gone_and_new)
    if kind == "zstd":
        return manifest(blobs, [odd, second], pack=pack_zstd, suffix="+zstd")
    if kind == "twenty layers":
        return manifest(blobs, [odd, second, *(images.layer(lambda tar, n=n: images.add_file(tar, f"layer{n}", b"%d" % n * 3000)) for n in range(18))])
    if kind == "debian":
        return manifest(blobs, [debian()], pack=lambda data: gzip.compress(data, 1))
    entries = [manifest(blobs, [odd, images.layer(lambda tar: images.add_file(tar, architecture, b"x"))], architecture) for architecture in (images.NATIVE, images.FOREIGN)]
    text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    blobs[digest_of(text)] = text
    return {"mediaType": INDEX, "digest": digest_of(text), "size": len(text)}


def write_layout(path, kind):
    """An image layout with one image; its digest."""
    blobs = {}
    target = build(kind, blobs)
    os.makedirs(path + "/blobs/sha256")
    for digest, data in blobs.items():
        with open(f"{path}/blobs/sha256/{digest[7:]}", "wb") as file:
            file.write(data)
    with open(path + "/oci-layout", "w") as file:
        file.write('{"imageLayoutVersion": "1.0.0"}')
    with open(path + "/index.json", "w") as file:
        json.dump({"schemaVersion": 2, "manifests": [{**target, "annotations": {"org.opencontainers.image.ref.name": "x"}}]}, file)
    return target["digest"]


@pytest.mark.proa
@pytest.mark.parametrize("kind", ["twenty layers", "two platforms", "zstd", *(["debian"] if WHOLE else [])])
def test_everybody_with_everybody(place, clients, engine, kind):
    proa, docker, podman, skopeo = clients
    base = f"{place.address}/i{uuid.uuid4().hex[:8]}"
    origin = base + "/origin:1"
    digest = write_layout(skopeo.layout(origin), kind)
    skopeo.push(place, origin, origin)
    layers = skopeo.layers(origin)
    able = [client for client in clients if not (client is docker and kind == "zstd")]  # docker 20.10 does not know zstd
    # Everyone takes it, and sees the same.
    tree = None
    for client in able:
        client.pull(place, origin)
        assert client.layers(origin) == layers, client.name
        own = client.tree(origin)
        if own is None:
            continue
        if tree is not None:
            assert trees.difference(tree, own) == "", client.name
        tree = tree or own
    assert tree and b"/bin" in tree
    assert proa.inspect(origin)["Id"] == digest
    if kind == "two platforms":
        proa.pull(place, origin, "linux/" + images.FOREIGN)
    # Everyone gives it on, and everyone takes that.
    for giver in able:
        given = f"{base}/{giver.name}:1"
        giver.push(place, origin, given)
        for taker in able:
            if taker is giver:
                continue
            taker.pull(place, given)
            assert taker.layers(given) == layers, f"{giver.name} to {taker.name}"
            own = taker.tree(given)
            assert own is None or trees.difference(tree, own) == "", f"{giver.name} to {taker.name}"
            if giver in (proa, skopeo) and taker is proa:
                assert proa.inspect(given)["Id"] == digest
            if giver is proa and taker is skopeo:
                assert json.load(open(skopeo.layout(given) + "/index.json"))["manifests"][0]["digest"] == digest, "what Proa pushes is what it pulled, byte for byte"
            taker.forget(given)
    for client in able:
        client.forget(origin)
