"""The guest's disk: Debian with its cloud kernel, systemd, AppArmor, and a unit that unpacks the second disk over the root and runs its /begin."""
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time

PACKAGES = """systemd systemd-sysv dbus udev kmod iproute2 nftables iptables apparmor busybox-static python3 python3-pytest python3-docker
    docker.io runc crun procps psmisc util-linux strace socat xz-utils file ca-certificates linux-image-cloud-amd64
    libpam-systemd dbus-user-session uidmap criu libcurl4 libdeflate0 libisal2 libsqlite3-0 libssl3""".split()
MODULES = "virtio_pci virtio_blk ext4 crc32c_generic".split()  # what it takes to find the root
UNWANTED = """docker.service docker.socket containerd.service serial-getty@ttyS0.service apparmor.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
    systemd-binfmt.service systemd-update-utmp.service getty@tty1.service systemd-logind.service dpkg-db-backup.timer fstrim.timer""".split()
UNIT = """[Unit]
Description=Tests of Proa
After=basic.target dbus.service apparmor.service
Wants=dbus.service

[Service]
Type=oneshot
Delegate=yes
TimeoutStartSec=infinity
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/tar -xf /dev/vdb -C /
ExecStart=/begin
ExecStopPost=/bin/systemctl --force --force poweroff

[Install]
WantedBy=multi-user.target
"""


def say(text):
    print(f"== guest: {text}", file=sys.stderr, flush=True)


def run(*command, **options):
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, **options)


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def cpio(files):
    """An archive in the kernel's "newc" form. files: [(name, mode, content)]"""
    out = bytearray()
    for number, (name, mode, content) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def initial_memory_disk(root):
    """Loads the modules that the root needs and goes there: Debian's own takes twenty seconds more under emulation."""
    base = glob.glob(root + "/lib/modules/*")[0]
    needs = {}
    for line in open(base + "/modules.dep"):
        path, _, rest = line.partition(":")
        needs[os.path.basename(path).removesuffix(".ko").replace("-", "_")] = [*reversed(rest.split()), path]
    order = list(dict.fromkeys(path for name in MODULES for path in needs.get(name, [])))
    script = "#!/busybox sh\n" + "".join(f"/busybox insmod /{os.path.basename(path)}\n" for path in order) + """/busybox mount -t devtmpfs dev /dev
n=0; while [ ! -b /dev/vda ] && [ $n -lt 100 ]; do /busybox sleep 0.1; n=$((n+1)); done
/busybox mount -t ext4 /dev/vda /root && /busybox mount -o move /dev /root/dev && exec /busybox switch_root /root /sbin/init
"""
    files = [("dev", 0o40755, b""), ("root", 0o40755, b""), ("busybox", 0o100755, open(root + "/bin/busybox", "rb").read()), ("init", 0o100755, script.encode())]
    return cpio(files + [(os.path.basename(path), 0o100644, open(f"{base}/{path}", "rb").read()) for path in order])


def make_image(cache):
    """(disk, kernel, initrd), made when this file has changed."""
    os.makedirs(cache, exist_ok=True)
    with open(__file__, "rb") as file:
        recipe = hashlib.sha256(file.read()).hexdigest()[:16]
    disk, kernel, initrd = (f"{cache}/{name}-{recipe}" for name in ("disk", "vmlinuz", "initrd"))
    if os.path.exists(disk):
        return disk, kernel, initrd
    say("making the image (once)")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="root-", dir=cache) as root:
        with open(f"{cache}/image.log", "wb") as log:
            run("mmdebstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
                "bookworm", root, stdout=log, stderr=log)
        shutil.copy(glob.glob(root + "/boot/vmlinuz-*")[0], kernel)
        with open(initrd, "wb") as file:
            file.write(initial_memory_disk(root))
        write(root + "/etc/systemd/system/proa-guest.service", UNIT)
        write(root + "/etc/dpkg/dpkg.cfg.d/guest", "force-unsafe-io\n")
        write(root + "/etc/hostname", "guest\n")
        write(root + "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 guest\n")
        os.makedirs(root + "/etc/systemd/system/multi-user.target.wants", exist_ok=True)
        os.symlink("../proa-guest.service", root + "/etc/systemd/system/multi-user.target.wants/proa-guest.service")
        for unit in UNWANTED:
            path = root + "/etc/systemd/system/" + unit
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink("/dev/null", path)
        run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d", root, disk + ".part", "3G")
    os.rename(disk + ".part", disk)
    for old in set(glob.glob(f"{cache}/*-" + "[0-9a-f]" * 16)) - {disk, kernel, initrd}:
        os.unlink(old)
    say(f"the image took {time.monotonic() - began:.0f} s")
    return disk, kernel, initrd
