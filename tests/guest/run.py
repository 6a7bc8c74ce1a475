#!/usr/bin/env python3
"""Runs tests in a guest: Debian with its own kernel, systemd, cgroup version 2 and AppArmor, under qemu's software emulation.

run.py [--sum FILE] BUILD [FILTER ...]

FILTER as in tools/run_tests.py; without one a choice of some five minutes, "all" the long one (inside.py has both); "!COMMAND" is a shell command
that runs instead. The image is made once by mmdebstrap and kept in PROA_GUEST_CACHE (default ~/.cache/proa/guest); each run copies the programs
and tests in on a disk of their own and changes nothing of the image. What the guest printed stands in build/guest/console.log. PROA_GUEST_SECONDS
(default 900, for "all" 3600) is the time limit of the guest. The exit code is 1 when a test failed, when none ran and when the guest did not come back with a result.
"""
import glob
import os
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

from inside import chosen
from image import make_image, run, say, write

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from support import system_call_probe  # pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BEGIN = "proa-guest: begin"


def packages(stage):
    """The Debian packages, and below next/ proa's as if a later version."""
    made = glob.glob(ROOT + "/build/package/*.deb")
    for path in made:
        shutil.copy(path, stage)
    tree, later = stage + "/tree", stage + "/next"
    os.mkdir(later)
    run("dpkg-deb", "-R", glob.glob(ROOT + "/build/package/proa_*.deb")[0], tree)
    with open(tree + "/DEBIAN/control") as file:
        control = file.read()
    write(tree + "/DEBIAN/control", re.sub(r"^Version: (.*)$", r"Version: \1+next", control, flags=re.M))
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, later, stdout=subprocess.DEVNULL)
    return [os.path.join(stage, os.path.basename(path)) for path in made] + glob.glob(later + "/*.deb")


def unit_programs(build, filters):
    """The unit tests' programs that these filters may mean: those of the modules named, or all."""
    programs = glob.glob(build + "/test/*_test")
    named = [path for path in programs if os.path.basename(path).removesuffix("_test") in chosen(filters)]
    return named if filters in ([], ["all"]) else programs


def pack(build, filters, target):
    """A tar archive, which is the guest's second disk: programs, unit tests without debug symbols, tests, units, each at its path of this machine."""
    with tempfile.TemporaryDirectory(prefix="stage-", dir=os.path.dirname(target)) as stage, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for path in glob.glob(build + "/bin/*") + unit_programs(build, filters):
            small = os.path.join(stage, os.path.basename(path))
            run("objcopy", "--strip-debug", path, small)
            archive.add(small, f"{ROOT}/build/release/" + os.path.relpath(path, build))
        for path in packages(stage):
            archive.add(path, f"{ROOT}/build/package/" + os.path.relpath(path, stage))
        for name in ("tests", "tools", "src/shim/fixtures"):
            archive.add(os.path.join(ROOT, name), filter=lambda entry: None if "__pycache__" in entry.name else entry)
        system_call_probe.write_prebuilt(stage + "/prebuilt")
        archive.add(stage + "/prebuilt", f"{ROOT}/tests/support/prebuilt")
        wish = os.path.join(stage, "filters")
        write(wish, "\n".join(filters))
        archive.add(wish, f"{ROOT}/tests/guest/filters")
        begin = os.path.join(stage, "begin")
        write(begin, f"#!/bin/sh\nexec /usr/bin/python3 -u {ROOT}/tests/guest/inside.py\n")
        os.chmod(begin, 0o755)
        archive.add(begin, "begin")


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
    build, filters, seconds = os.path.abspath(arguments[0]), arguments[1:], int(os.environ.get("PROA_GUEST_SECONDS") or ("3600" if arguments[1:] == ["all"] else "900"))
    disk, kernel, initrd = make_image(os.environ.get("PROA_GUEST_CACHE") or os.path.expanduser("~/.cache/proa/guest"))
    folder = os.path.join(ROOT, "build/guest")
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as directory:
        parcel, result = directory + "/parcel.tar", directory + "/result"
        pack(build, filters, parcel)
        with open(result, "wb") as file:
            file.truncate(16 << 20)
        began = time.monotonic()
        say("booting")
        came_back = boot(disk, kernel, initrd, parcel, result, folder + "/console.log", seconds)
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
