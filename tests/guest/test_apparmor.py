"""Confinement by AppArmor."""
import subprocess

import pytest

CURRENT = ["cat", "/proc/self/attr/current"]


def parser(option, text):
    subprocess.run(["apparmor_parser", option], input=text, text=True, check=True)


@pytest.fixture
def profile():
    """A profile of the user's own."""
    text = "profile proa-test-own flags=(attach_disconnected) { file, signal, deny /etc/passwd r, }"
    parser("-r", text)
    yield "proa-test-own"
    parser("-R", text)


def test_the_default_profile_confines_container_and_exec(api):
    container = api.run("sh", "-c", "cat /proc/self/attr/current; sleep 300")
    assert api.execute(container, *CURRENT)[1] == "proa-default (enforce)\n"
    assert api.logs(container)[0] == "proa-default (enforce)\n"
    assert api.execute(container, *CURRENT, Privileged=True)[1] == "proa-default (enforce)\n"  # as with Docker
    assert api.inspect(container)["AppArmorProfile"] == "proa-default"


def test_unconfined_and_privileged(api):
    container = api.run("sleep", "300", host={"SecurityOpt": ["apparmor=unconfined"]})
    assert api.execute(container, *CURRENT)[1] == "unconfined\n"
    assert api.inspect(container)["AppArmorProfile"] == "unconfined"
    privileged = api.run("sleep", "300", host={"Privileged": True})
    assert api.execute(privileged, *CURRENT)[1] == "unconfined\n"
    assert api.inspect(privileged)["AppArmorProfile"] == "unconfined"


def test_the_default_profile_denies_what_leads_out(api):
    script = "mount -t tmpfs none /tmp 2>/dev/null && echo mounted; mount -t proc proc /tmp 2>/dev/null && echo mounted proc; true 2>/dev/null >/proc/sysrq-trigger && echo sysrq; echo done"
    host = {"CapAdd": ["SYS_ADMIN"], "MaskedPaths": [], "ReadonlyPaths": []}
    confined = api.run("sleep", "300", host=host)
    assert api.execute(confined, "sh", "-c", script)[1] == "done\n"
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/irq/default_smp_affinity"):
        code, _, error = api.execute(confined, "sh", "-c", f": >>{path}")
        assert code != 0 and ("Permission denied" in error or "Read-only" in error), (path, error)
    free = api.run("sleep", "300", host={**host, "SecurityOpt": ["apparmor=unconfined"]})
    assert api.execute(free, "sh", "-c", script)[1].startswith("mounted\n")  # so it was the profile


def test_what_programs_do_all_day_works_confined(api):
    script = "ping -c 1 127.0.0.1 >/dev/null && mkfifo /tmp/f && (echo hi >/tmp/f &) && cat /tmp/f; kill -0 1 && echo alive; sleep 5 & kill $! && echo killed; su -s /bin/sh alice -c 'id -u'"
    container = api.run("sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    code, out, error = api.execute(container, "sh", "-c", script)
    assert out == "hi\nalive\nkilled\n1000\n", (out, error)
    assert api.post(f"/containers/{container}/stop?t=60").status == 204  # signals from outside arrive
    assert api.state(container)["ExitCode"] == 5


def test_a_profile_of_ones_own(api, profile):
    container = api.run("sleep", "300", host={"SecurityOpt": ["apparmor=" + profile]})
    assert api.execute(container, *CURRENT)[1] == profile + " (enforce)\n"
    assert api.execute(container, "cat", "/etc/passwd")[0] != 0
    assert api.execute(container, "cat", "/etc/group")[0] == 0
    assert api.inspect(container)["AppArmorProfile"] == profile


def test_a_profile_that_is_not_loaded_is_named(api):
    container = api.create("true", host={"SecurityOpt": ["apparmor=proa-test-missing"]})
    answer = api.post(f"/containers/{container}/start")
    assert answer.status >= 400 and "apparmor" in answer.json()["message"] and "proa-test-missing" in answer.json()["message"], answer


def test_an_unloaded_default_profile_is_loaded_again(api):
    parser("-R", "profile proa-default { }")
    container = api.run("sleep", "300")
    assert api.execute(container, *CURRENT)[1] == "proa-default (enforce)\n"
