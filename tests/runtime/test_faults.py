"""The runtime killed at its system calls, and system calls that fail: nothing is left that `delete --force` does not remove, nothing hangs, and
every error names what was being done. PROA_TEST_FAULTS=all takes every call instead of a sample."""
import errno
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import pytest

from support.outcome import Done

EVERY = os.environ.get("PROA_TEST_FAULTS") == "all"
SAMPLE = 14
# execve is the program's own. What the C library does by itself, before main() or to end; a fault there has nothing to tell.
QUIET = {"execve", "execveat", "exit_group", "exit", "rt_sigreturn", "restart_syscall", "arch_prctl", "set_tid_address", "set_robust_list", "rseq"}


@pytest.fixture(autouse=True)
def ours_with_strace(isolated, runtime):  # pylint: disable=unused-argument  # mounts of others come and go
    if not shutil.which("strace"):
        pytest.fail("no strace: ./dev setup installs it")
    if not runtime.is_ours:
        pytest.skip("a promise of ours")


class Faults:
    """A container's life in which one command runs under strace."""

    def __init__(self, runtime, command):
        self.runtime, self.command = runtime, command
        self.marker = str(random.randrange(10**8, 10**9))
        runtime.config("sleep", self.marker, hooks={"poststop": [{"path": "/bin/true"}]})
        self.mounts = pathlib.Path("/proc/self/mountinfo").read_text()

    def words(self, name):
        return {"create": ["create", name], "start": ["start", name], "exec": ["exec", "--detach", name, "sleep", self.marker], "delete": ["delete", "--force", name], "run": ["run", "-d", name]}[self.command]

    def prepare(self):
        name = self.runtime.id()
        before = {"create": [], "run": [], "start": ["create"], "exec": ["create", "start"], "delete": ["create", "start"]}[self.command]
        for word in before:
            done = self.runtime(word, name)
            assert done.code == 0, done
        return name

    def calls(self):
        """(system call, n) for the n-th call of that kind in any of the command's processes, of a run that goes well."""
        name, trace = self.prepare(), self.runtime.directory / "trace"
        done = self.under(["-e", "trace=all", "-o", str(trace)], name)
        assert done.code == 0, done
        self.clean(name)
        counts, seen = {}, {}
        for line in trace.read_text(errors="replace").splitlines():
            found = re.match(r"(\d+)\s+(\w+)\(", line)
            if found and found[2] not in QUIET:
                seen[found.groups()] = seen.get(found.groups(), 0) + 1
                counts[found[2]] = max(counts.get(found[2], 0), seen[found.groups()])
        return [(call, number) for call in sorted(counts) for number in range(1, counts[call] + 1)]

    def under(self, options, name):
        words = self.runtime.command(*self.words(name))
        with open(self.runtime.directory / "err", "w+b") as err:
            process = subprocess.run(["strace", "-D", "-f", "-qq", *options, *words], cwd=self.runtime.directory / "bundle", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, timeout=25, check=False)
            err.seek(0)
            text = err.read().decode(errors="replace")
        process.stdout, process.stderr = "", "\n".join(line for line in text.splitlines() if not line.startswith("strace:"))
        return Done(process)

    def clean(self, name, what=""):
        done = self.runtime("delete", "--force", name)
        assert done.code == 0, (what, done)

    def check(self, name, what):
        """Nothing is left."""
        end = time.monotonic() + 5
        while True:
            left = [str(path) for path in pathlib.Path("/sys/fs/cgroup").glob(f"*/{name}")]
            left += [str(path) for path in [self.runtime.root / name] if path.exists()]
            left += [path.parent.name for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if self.marker in read(path) and "strace" not in read(path)]
            if not left:
                break
            assert time.monotonic() < end, (what, left)
            time.sleep(0.02)
        assert pathlib.Path("/proc/self/mountinfo").read_text() == self.mounts, what


def read(path):
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return ""


def chosen(calls, seed):
    if EVERY or len(calls) <= SAMPLE:
        return calls
    # The same sample in each run, so that a failure can be looked at; PROA_TEST_SEED takes another one.
    return sorted(random.Random(seed + os.environ.get("PROA_TEST_SEED", "330")).sample(calls, SAMPLE))


@pytest.mark.parametrize("command", ["create", "start", "exec", "delete"])
def test_a_kill_leaves_nothing_that_delete_does_not_remove(runtime, command):
    faults = Faults(runtime, command)
    for call, number in chosen(faults.calls(), command):
        name = faults.prepare()
        faults.under([f"--trace={call}", "--seccomp-bpf", f"--inject={call}:signal=KILL:when={number}", "-o", "/dev/null"], name)
        faults.clean(name, (call, number))
        faults.check(name, (call, number))


NUMBERS = [errno.EIO, errno.ENOMEM, errno.EPERM, errno.EMFILE, errno.EINVAL, errno.ENOSPC, errno.EAGAIN, errno.ENOENT, errno.EEXIST, errno.EBUSY]
# Waiting: a failure is a wrong answer, not a failed act. The C library's first brk, without which no program starts. And close: an injected fault
# leaves the descriptor open, which the kernel never does. And getrandom, which cannot fail once the machine is up.
HARMLESS = {"wait4", "waitid", "brk", "close", "getrandom"}


@pytest.mark.parametrize("command", ["create", "start", "exec", "delete"])
def test_a_failing_call_is_told_by_what_it_was_for(runtime, command):
    faults = Faults(runtime, command)
    calls = [entry for entry in faults.calls() if entry[0] not in HARMLESS]
    silent = []
    for index, (call, number) in enumerate(chosen(calls, command + "errno")):
        code = errno.errorcode[NUMBERS[index % len(NUMBERS)]]
        if code == "ENOENT" and call in ("rmdir", "unlink", "unlinkat"):
            code = "EIO"  # "already gone" is believed, rightly
        name = faults.prepare()
        trace = runtime.directory / "injected"
        done = faults.under([f"--trace={call}", "--seccomp-bpf", f"--inject={call}:error={code}:when={number}", "-o", str(trace)], name)
        what = (call, number, code, done)
        # strace counts in each process: where the fault has also struck the report itself, only the exit code can tell.
        report_lost = re.search(r"write\(2, .*\(INJECTED\)", trace.read_text(errors="replace"))
        if done.code != 0 and not report_lost:
            text = done.err.strip()
            message = re.search(r'msg="(.*)"', text)
            if not text or "terminate called" in text or len((message[1] if message else text).replace(os.strerror(getattr(errno, code)), "").strip(": ")) <= 8:
                silent.append(what)
        faults.clean(name, what)
        faults.check(name, what)
    assert not silent
