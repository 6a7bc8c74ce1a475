"""In the guest: runs the tests and leaves their sum on the third disk. Started by the unit that run.py put into the image."""
import os
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# Emulation makes everything some ten times slower. Without a filter: what only a guest can show, and the runtime's basics, without the tests that
# are marked thorough. "all": what depends on the kernel or on the kind of the host. What removes packages comes last.
CHOICE = """cgroup tests/guest tests/runtime/test_lifecycle.py""".split()
ALL = """os cgroup seccomp runtime tests/runtime tests/api/test_limits.py tests/guest""".split()


def chosen(filters):
    """What tools/run_tests.py is to run for the filters of run.py."""
    return ALL if filters == ["all"] else filters or CHOICE


def main():
    print("proa-guest: begin", flush=True)
    began = time.monotonic()
    print("up for", open("/proc/uptime").read().split()[0], "s;", open("/proc/version").read().split(" (")[0], flush=True)
    filters = [line for line in open(HERE + "/filters").read().split("\n") if line]
    marks = "" if filters else "-m 'not thorough'"
    filters = chosen(filters)
    environment = dict(os.environ, PROA_GUEST="1", PYTEST_ADDOPTS="-vv --color=no --durations=25 --durations-min=2 " + marks, LC_ALL="C.UTF-8", HOME="/root", PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if filters[0].startswith("!"):  # a look around by hand
        done = subprocess.run(" ".join(filters)[1:], shell=True, env=environment, cwd=ROOT)
        with open("/tmp/sum", "w") as file:
            file.write("1 0" if done.returncode == 0 else "0 1")
        filters = []
    if filters:
        subprocess.run([sys.executable, "-u", ROOT + "/tools/run_tests.py", "--sum", "/tmp/sum", ROOT + "/build/release", *filters], env=environment, cwd=ROOT)
    print(f"proa-guest: {time.monotonic() - began:.0f} s", flush=True)
    with tarfile.open("/dev/vdc", "w") as archive:
        if os.path.exists("/tmp/sum"):
            archive.add("/tmp/sum", "sum")
    os.sync()


if __name__ == "__main__":
    main()
