"""Docker archives made on the spot from the machine's static busybox."""
import hashlib
import io
import json
import os
import subprocess
import tarfile

BUSYBOX = next((p for p in ("/bin/busybox", "/usr/bin/busybox") if os.path.exists(p)), "/bin/busybox")
BASE = "busybox:latest"
NATIVE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
FOREIGN = "arm64" if NATIVE == "amd64" else "amd64"

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nalice:x:1000:1000:Alice:/home/alice:/bin/sh\n"
GROUP = "root:x:0:\nnogroup:x:65534:\nalice:x:1000:\nwheel:x:10:alice\nstaff:x:50:\n"


def add_file(tar, name, data, mode=0o644, uid=0, gid=0):
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uid, info.gid = len(data), mode, uid, gid
    tar.addfile(info, io.BytesIO(data))


def add_directory(tar, name, mode=0o755, uid=0, gid=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, uid, gid
    tar.addfile(info)


def add_link(tar, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def layer(build):
    """The bytes of a layer that `build(tar)` fills."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        build(tar)
    return out.getvalue()


def busybox_layer():
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()

    def build(tar):
        for name, mode in [("bin", 0o755), ("dev", 0o755), ("etc", 0o755), ("proc", 0o755), ("sys", 0o755), ("root", 0o700), ("tmp", 0o1777), ("var", 0o755), ("www", 0o755)]:
            add_directory(tar, name, mode)
        add_directory(tar, "home")
        add_directory(tar, "home/alice", 0o755, 1000, 1000)
        with open(BUSYBOX, "rb") as file:
            add_file(tar, "bin/busybox", file.read(), 0o755)
        for applet in applets:
            if applet != "busybox":
                add_link(tar, "bin/" + applet, "busybox")
        add_file(tar, "etc/passwd", PASSWD.encode())
        add_file(tar, "etc/group", GROUP.encode())
        add_file(tar, "www/index.html", b"it works\n")

    return layer(build)


def foreign_elf():
    """The head of a program for another machine: enough for the kernel to refuse it."""
    machine = {"arm64": 183, "amd64": 62}[FOREIGN]
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + machine.to_bytes(2, "little") + (1).to_bytes(4, "little")
    return head + (0x400078).to_bytes(8, "little") + (64).to_bytes(8, "little") + bytes(8) + bytes(4) + b"\x40\0\x38\0\x01\0\0\0\0\0\0\0" + bytes(4000)


def missing_loader_elf():
    """A native program whose ELF interpreter does not exist in the image: the machine's own dynamic `true`."""
    return open(os.path.realpath("/bin/true"), "rb").read()


def odd_layer():
    def build(tar):
        add_file(tar, "crlf.sh", b"#!/bin/sh\r\necho never\r\n", 0o755)
        add_file(tar, "nointerp.sh", b"#!/no/such/interpreter\necho never\n", 0o755)
        add_file(tar, "noexec.sh", b"#!/bin/sh\necho never\n", 0o644)
        add_file(tar, "noshebang", b"echo never\n", 0o755)
        add_file(tar, "empty", b"", 0o755)
        add_file(tar, "foreign", foreign_elf(), 0o755)
        add_file(tar, "dynamic", missing_loader_elf(), 0o755)
        add_directory(tar, "adirectory")

    return layer(build)


def configuration(layers, architecture=NATIVE, **config):
    return json.dumps({
        "architecture": architecture, "os": "linux", "created": "2024-01-02T03:04:05Z", "config": {"Cmd": ["sh"], **config},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]},
        "history": [{"created": "2024-01-02T03:04:05Z", "created_by": f"layer {n}"} for n in range(len(layers))],
    }).encode()


def archive(images):
    """A docker archive (`docker save` form) of [(tags, config bytes, [layer bytes])]."""
    out, manifest, written = io.BytesIO(), [], set()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        def put(name, data):
            if name not in written:
                written.add(name)
                add_file(tar, name, data)

        for tags, config, layers in images:
            config_name = hashlib.sha256(config).hexdigest() + ".json"
            put(config_name, config)
            names = []
            for data in layers:
                name = hashlib.sha256(data).hexdigest() + "/layer.tar"
                if name.split("/")[0] not in written:
                    written.add(name.split("/")[0])
                    add_directory(tar, name.split("/")[0])
                put(name, data)
                names.append(name)
            manifest.append({"Config": config_name, "RepoTags": tags, "Layers": names})
        add_file(tar, "manifest.json", json.dumps(manifest).encode())
    return out.getvalue()


def oci_archive(tag, config, layers):
    """An OCI image layout as a tar, with one manifest that names `tag`."""
    blobs = {}

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(data, "application/vnd.oci.image.layer.v1.tar") for data in layers]}).encode()
    entry = blob(manifest, "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"io.containerd.image.name": "docker.io/library/" + tag, "org.opencontainers.image.ref.name": tag.split(":")[1]}
    entry["platform"] = {"architecture": NATIVE, "os": "linux"}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        add_file(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        add_directory(tar, "blobs")
        add_directory(tar, "blobs/sha256")
        for digest, data in blobs.items():
            add_file(tar, "blobs/sha256/" + digest, data)
        add_file(tar, "index.json", json.dumps(index).encode())
    return out.getvalue(), entry["digest"]


def test_images(with_hello):
    """The images that every test may count on."""
    base, odd = busybox_layer(), odd_layer()
    images = [
        ([BASE], configuration([base]), [base]),
        (["odd:latest"], configuration([base, odd]), [base, odd]),
        (["wrongarch:latest"], configuration([base], FOREIGN), [base]),
        (["configured:latest"], configuration([base], Env=["PATH=/bin", "FROM_IMAGE=yes", "OVERRIDE=image"], User="alice", WorkingDir="/home/alice", Entrypoint=["/bin/echo", "entry"],
                                              Cmd=["default"], Labels={"from": "image", "shared": "image"}, ExposedPorts={"80/tcp": {}}, StopSignal="SIGUSR1"), [base]),
    ]
    if with_hello:  # Proa carries its own; a reference engine has no registry to ask
        images.append((["hello-world:latest"], configuration([base], Cmd=["echo", "\nHello from Docker!\nThis message shows that your installation appears to be working correctly."]), [base]))
    return archive(images)
