"""What an engine holds of the machine, counted: so that a test can say that all is back where it was."""
import collections
import json
import os
import re
import subprocess

from . import isolation
from .waiting import wait_until


def _descendants(root):
    children = collections.defaultdict(list)
    names = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = open(f"/proc/{pid}/stat").read()
        except OSError:
            continue
        name, fields = text[text.index("(") + 1:text.rindex(")")], text.rsplit(")", 1)[1].split()
        children[int(fields[1])].append(int(pid))
        names[int(pid)] = (name, fields[0])
    out, queue = {}, list(children[root])
    while queue:
        pid = queue.pop()
        out[pid] = names[pid]
        queue.extend(children[pid])
    return out


def _tree_size(path):
    return sum(len(files) + len(directories) for _, directories, files in os.walk(path))


def _nft():
    """Table elements and rules; counters do not count."""
    try:
        done = subprocess.run(["nft", "-j", "list", "ruleset"], capture_output=True, text=True, timeout=10)
    except FileNotFoundError:
        return {}
    if done.returncode != 0:
        return {}
    counts = collections.Counter()
    for item in json.loads(done.stdout or "{}").get("nftables", []):
        for kind, body in item.items():
            if kind == "rule":
                counts[f"nft rules {body['table']}"] += 1
            elif kind in ("map", "set"):
                counts[f"nft elements {body['table']}/{body['name']}"] += len(body.get("elem", []))
            elif kind in ("table", "chain"):
                counts["nft " + kind + "s"] += 1
    return counts


def snapshot(engine):
    """{what: count}; a zombie that only waits for its parent counts by itself."""
    isolation.reap_orphans()
    counts = collections.Counter()
    daemon = engine.pid
    for pid, (name, state) in _descendants(os.getpid()).items():
        counts["zombies" if state == "Z" else f"process {re.sub('[0-9]+$', '', name)}"] += 1
    for line in open(f"/proc/{daemon or 'self'}/mountinfo"):
        if engine.directory in line:
            counts["mounts"] += 1
    spaces = set()
    for pid in _descendants(os.getpid()):
        try:
            spaces.add(os.stat(f"/proc/{pid}/ns/net").st_ino)
        except OSError:
            pass
    counts["netns of processes"] = len(spaces)
    counts["cgroups"] = len(engine.cgroups("/**/"))
    for line in subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines():
        if "veth" in line or "@if" in line:
            counts["veths"] += 1
    counts.update(_nft())
    counts["files in exec root"] = _tree_size(engine.exec_root)
    for name in ("containers", "image/overlay2/layerdb/mounts", "overlay2/l"):
        counts[f"files in data root {name}"] = _tree_size(os.path.join(engine.data_root, name))
    if daemon:
        counts["daemon fds"] = len(os.listdir(f"/proc/{daemon}/fd"))
        counts["daemon threads"] = len(os.listdir(f"/proc/{daemon}/task"))
    return dict(counts)


def difference(before, after, tolerance=None):
    """{what: (before, after)} where they differ by more than the tolerance."""
    tolerance = tolerance or {}
    out = {}
    for key in sorted(set(before) | set(after)):
        a, b = before.get(key, 0), after.get(key, 0)
        if b - a > tolerance.get(key, 0):
            out[key] = (a, b)
    return out


def assert_back(engine, before, timeout=15, tolerance=None):
    """Waits until nothing is left that was not there before."""
    left = {}

    def settled():
        left.clear()
        left.update(difference(before, snapshot(engine), tolerance))
        return not left

    try:
        wait_until(settled, timeout, interval=0.2)
    except AssertionError:
        raise AssertionError("left behind (what: before, after): " + ", ".join(f"{k}: {a}, {b}" for k, (a, b) in left.items())) from None
