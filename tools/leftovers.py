#!/usr/bin/env python3
"""What Proa could leave behind on this machine. `leftovers.py` prints it; `leftovers.py --since FILE` prints what is more than in FILE.

Looks at processes of our programs, mounts, network namespaces, cgroups, interfaces, nft tables and temporary directories. Waits some
seconds for what is about to vanish. A zombie is none of ours: some machines' first process reaps late.
"""
import json
import os
import re
import subprocess
import sys
import time

PROGRAMS = re.compile(r"^(proa|proad|proa-shim|proa-resolver|proa-runtime)$")


def processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm") as file:
                name = file.read().strip()
            with open(f"/proc/{pid}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if PROGRAMS.match(name) and state != "Z":
            yield f"process {pid} {name}"


def mounts():
    with open("/proc/self/mountinfo") as file:
        for line in file:
            point = line.split()[4]
            if "proa" in point:
                yield f"mount {point}"


def cgroups():
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        if root.count("/") > 7:
            folders.clear()
        for name in folders:
            if "proa" in name:
                yield f"cgroup {os.path.join(root, name)}"


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def network():
    for line in output("ip", "-o", "link").splitlines():
        name = line.split()[1].rstrip(":").partition("@")[0]
        if re.match(r"(proa|veth|prt|br-[0-9a-f]{12})", name):
            yield f"interface {name}"
    for line in output("nft", "list", "tables").splitlines():
        if "proa" in line:
            yield f"nft {line}"
    for folder in ("/run/netns", "/run/proa/netns"):
        if os.path.isdir(folder):
            yield from (f"netns {os.path.join(folder, name)}" for name in os.listdir(folder))


def temporary():
    for name in os.listdir("/tmp"):
        if name.startswith("proa"):
            yield f"directory /tmp/{name}"


def everything():
    return sorted([*processes(), *mounts(), *cgroups(), *network(), *temporary()])


def main():
    if sys.argv[1:2] != ["--since"]:
        print(json.dumps(everything(), indent=0))
        return
    with open(sys.argv[2]) as file:
        before = set(json.load(file))
    deadline = time.monotonic() + 10
    while (more := [one for one in everything() if one not in before]) and time.monotonic() < deadline:
        time.sleep(0.3)
    if more:
        print("left behind:\n  " + "\n  ".join(more))
    sys.exit(bool(more))


if __name__ == "__main__":
    main()
