#!/usr/bin/env python3
"""Runs tests in a guest: Debian with its own kernel, systemd, cgroup version 2 and AppArmor, under qemu's software emulation.

run.py [--sum FILE] BUILD [FILTER ...]

FILTER as in tools/run_tests.py; without one the choice of inside.py; "!COMMAND" is a shell command that runs instead. The image is made once by mmdebstrap and kept in build/guest; each run
copies the programs and tests in on a disk of their own and changes nothing of the image. What the guest printed stands in
build/guest/console.log. PROA_GUEST_SECONDS (default 900) is the time limit of the guest. The exit code is 1 when a test failed, when none
ran and when the guest did not come back with a result.
"""
import glob
import hashlib
import os
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGES = """systemd systemd-sysv dbus udev kmod iproute2 nftables iptables apparmor busybox-static python3 python3-pytest python3-docker
    docker.io runc crun procps psmisc util-linux strace socat xz-utils file ca-certificates linux-image-cloud-amd64
    libdeflate0 libisal2 libsqlite3-0 libssl3""".split()
MODULES = "virtio_pci virtio_blk ext4 crc32c_generic".split()  # what it takes to find the root
UNWANTED = """docker.service docker.socket containerd.service serial-getty@ttyS0.service apparmor.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service
    systemd-binfmt.service systemd-update-utmp.service getty@tty1.service systemd-logind.service dpkg-db-backup.timer fstrim.timer""".split()
UNIT = f"""[Unit]
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
ExecStart=/bin/mkdir -p {ROOT}
ExecStart=/bin/tar -xf /dev/vdb -C {ROOT}
ExecStart=/usr/bin/python3 -u {ROOT}/tests/guest/inside.py
ExecStopPost=/bin/systemctl --force --force poweroff

[Install]
WantedBy=multi-user.target
"""
BEGIN = "proa-guest: begin"


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
    """(disk, kernel, initrd), made when the recipe has changed."""
    recipe = hashlib.sha256("\n".join([*PACKAGES, *UNWANTED, UNIT, *MODULES, *open(__file__).read().split("\ndef ")[3:7]]).encode()).hexdigest()[:16]
    disk, kernel, initrd = (f"{cache}/{name}-{recipe}" for name in ("disk", "vmlinuz", "initrd"))
    if os.path.exists(disk):
        return disk, kernel, initrd
    say("making the image (once)")
    began = time.monotonic()
    for old in glob.glob(f"{cache}/*-" + "[0-9a-f]" * 16):
        os.unlink(old)
    with tempfile.TemporaryDirectory(prefix="root-", dir=cache) as root:
        with open(f"{cache}/image.log", "wb") as log:
            run("mmdebstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES), *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")),
                "bookworm", root, stdout=log, stderr=log)
        shutil.copy(glob.glob(root + "/boot/vmlinuz-*")[0], kernel)
        with open(initrd, "wb") as file:
            file.write(initial_memory_disk(root))
        write(root + "/etc/systemd/system/proa-guest.service", UNIT)
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
    say(f"the image took {time.monotonic() - began:.0f} s")
    return disk, kernel, initrd


def pack(build, filters, target):
    """A tar archive, which is the guest's second disk: programs, unit tests without debug symbols, tests, units."""
    with tempfile.TemporaryDirectory(prefix="stage-", dir=os.path.dirname(target)) as stage, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in glob.glob(build + "/bin/*") + glob.glob(build + "/test/*_test"):
            small = os.path.join(stage, os.path.basename(path))
            run("objcopy", "--strip-debug", path, small)
            archive.add(small, "build/release/" + os.path.relpath(path, build))
        for name in ("tests", "tools", "packaging", "src/shim/fixtures"):
            archive.add(os.path.join(ROOT, name), name, filter=lambda entry: None if "__pycache__" in entry.name else entry)
        wish = os.path.join(stage, "filters")
        write(wish, "\n".join(filters))
        archive.add(wish, "tests/guest/filters")


def boot(disk, kernel, initrd, parcel, result, log_path, seconds):
    """Runs the guest to its end and shows what it prints from its unit's begin on; False when it had to be ended."""
    options = "console=ttyS0 root=/dev/vda rw quiet loglevel=2 panic=-1 mitigations=off apparmor=1 security=apparmor systemd.show_status=false cryptomgr.notests random.trust_cpu=on"
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "2048", "-smp", "2", "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", "-nic", "none",
               "-kernel", kernel, "-initrd", initrd, "-append", options,
               "-drive", f"file={disk},if=virtio,format=raw,snapshot=on,cache=unsafe",
               "-drive", f"file={parcel},if=virtio,format=raw,readonly=on",
               "-drive", f"file={result},if=virtio,format=raw,cache=unsafe"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline, shown, rest = time.monotonic() + seconds, False, b""
    try:
        with open(log_path, "wb") as log:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if not select.select([process.stdout], [], [], min(left, 5))[0]:
                    continue
                data = os.read(process.stdout.fileno(), 65536)
                if not data:
                    process.wait()
                    return True
                log.write(data), log.flush()
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace").rstrip("\r")
                    if shown:
                        print(text, flush=True)
                    shown = shown or BEGIN in text
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def read_result(path):
    """(passed, failed) of the report that the guest wrote on its third disk, or None."""
    try:
        with tarfile.open(path) as archive:
            passed, failed = archive.extractfile("sum").read().split()
            return int(passed), int(failed)
    except (tarfile.TarError, KeyError, ValueError):
        return None


def main():
    arguments, sum_file = sys.argv[1:], None
    if arguments[0] == "--sum":
        sum_file, arguments = arguments[1], arguments[2:]
    build, filters, seconds = os.path.abspath(arguments[0]), arguments[1:], int(os.environ.get("PROA_GUEST_SECONDS", "900"))
    cache = os.path.join(ROOT, "build/guest")
    os.makedirs(cache, exist_ok=True)
    disk, kernel, initrd = make_image(cache)
    with tempfile.TemporaryDirectory(prefix="run-", dir=cache) as directory:
        parcel, result = directory + "/parcel.tar", directory + "/result"
        pack(build, filters, parcel)
        with open(result, "wb") as file:
            file.truncate(16 << 20)
        began = time.monotonic()
        say("booting")
        came_back = boot(disk, kernel, initrd, parcel, result, cache + "/console.log", seconds)
        say(f"{'off' if came_back else 'ended by its time limit'} after {time.monotonic() - began:.0f} s")
        counts = read_result(result)
    if counts is None or not came_back:
        print(f"failed: the guest {'brought no result' if came_back else f'did not end within {seconds} s'}; see build/guest/console.log")
        counts = (counts[0] if counts else 0, (counts[1] if counts else 0) + 1)
    if sum_file:
        write(sum_file, f"{counts[0]} {counts[1]}\n")
    else:
        print(f"{counts[0]} passed, {counts[1]} failed")
    sys.exit(counts[1] > 0 or counts[0] == 0)


if __name__ == "__main__":
    main()
