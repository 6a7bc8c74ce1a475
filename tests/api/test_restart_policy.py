"""Restart policies: which exits restart, how often, how fast."""
import os
import time

import pytest

from support.waiting import wait_until


def run(api, command, policy, count=0, **options):
    return api.run("sh", "-c", command, host={"RestartPolicy": {"Name": policy, "MaximumRetryCount": count}}, **options)


def test_on_failure_gives_up(api):
    container = run(api, "echo x; exit 3", "on-failure", 3)
    wait_until(lambda: api.state(container)["Status"] == "exited" and api.inspect(container)["RestartCount"] == 3, 20)
    assert api.logs(container)[0] == "x\n" * 4
    assert api.state(container)["ExitCode"] == 3


def test_on_failure_leaves_success_alone(api):
    container = run(api, "echo x", "on-failure")
    api.wait(container)
    time.sleep(0.5)
    assert api.logs(container)[0] == "x\n" and api.inspect(container)["RestartCount"] == 0


def test_no(api):
    container = run(api, "echo x; exit 1", "no")
    api.wait(container)
    time.sleep(0.5)
    assert api.logs(container)[0] == "x\n"


def gaps_of(api, container, count):
    wait_until(lambda: len(api.logs(container)[0].splitlines()) > count, 30)
    stamps = [line.split()[0] for line in api.logs(container, "stdout=1&timestamps=1")[0].splitlines()]
    seconds = [float(s[17:29]) + 60 * int(s[14:16]) for s in stamps]
    return [(b - a) % 3600 for a, b in zip(seconds, seconds[1:])][:count]


@pytest.mark.proa
class TestDelays:
    def test_of_their_own(self, api):
        policy = {"Name": "always", "DelayMin": 400 * 10**6, "DelayMax": 500 * 10**6}
        container = api.run("sh", "-c", "echo x; exit 1", host={"RestartPolicy": policy})
        gaps = gaps_of(api, container, 3)
        for gap, least in zip(gaps, (0.4, 0.5, 0.5)):
            assert least <= gap < least + 1.5, gaps
        assert api.inspect(container)["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0, **{k: policy[k] for k in ("DelayMin", "DelayMax")}}

    def test_one_alone_is_the_first_and_the_longest_too_when_it_is_long(self, api):
        container = api.run("sh", "-c", "echo x; exit 1", host={"RestartPolicy": {"Name": "always", "DelayMax": 100 * 10**6}})
        assert all(0.1 <= gap < 1.6 for gap in gaps_of(api, container, 4))

    @pytest.mark.parametrize("end", ["remove", "stop"])
    def test_a_start_by_hand_takes_the_place_of_the_planned_one(self, api, end):
        container = api.run("sh", "-c", "test -e /seen && exec sleep 1000; touch /seen; exit 1", host={"RestartPolicy": {"Name": "always", "DelayMin": 60 * 10**9, "DelayMax": 60 * 10**9}})
        wait_until(lambda: api.state(container)["Restarting"], 30)
        assert api.post(f"/containers/{container}/start").status == 204
        pid = api.state(container)["Pid"]
        assert pid and os.path.exists(f"/proc/{pid}")
        ended = api.delete(f"/containers/{container}?force=1") if end == "remove" else api.post(f"/containers/{container}/stop?t=0")
        assert ended.status == 204
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 15)  # and not what was planned called off, with the process left alone

    def test_changed_by_update(self, api):
        container = api.run("sleep", "100", host={"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4}})
        assert api.post(f"/containers/{container}/update", {"RestartPolicy": {"DelayMin": 10**9}}).status == 200
        policy = api.inspect(container)["HostConfig"]["RestartPolicy"]
        assert policy == {"Name": "on-failure", "MaximumRetryCount": 4, "DelayMin": 10**9}
        assert api.post(f"/containers/{container}/update", {"RestartPolicy": {"Name": "always"}}).status == 200
        assert api.inspect(container)["HostConfig"]["RestartPolicy"] == {"Name": "always", "MaximumRetryCount": 0, "DelayMin": 10**9}
        assert api.post(f"/containers/{container}/update", {"RestartPolicy": {"Name": "no"}}).status == 200
        assert "DelayMin" not in api.inspect(container)["HostConfig"]["RestartPolicy"]

    @pytest.mark.parametrize("policy, words", [({"Name": "always", "DelayMin": -1}, "cannot be negative"), ({"Name": "no", "DelayMin": 10**9}, "needs a policy that restarts"),
                                               ({"Name": "always", "DelayMin": 2 * 10**9, "DelayMax": 10**9}, "the longest delay (1s) is shorter than the first one (2s)")])
    def test_bad_ones(self, api, policy, words):
        answer = api.post("/containers/create", {"Image": "busybox", "HostConfig": {"RestartPolicy": policy}})
        assert answer.status == 400 and words in answer.json()["message"]


def test_back_off_doubles(api):
    container = run(api, "date +%s%N; exit 1", "always")
    wait_until(lambda: len(api.logs(container)[0].splitlines()) >= 5, 30)
    stamps = [line.split()[0] for line in api.logs(container, "stdout=1&timestamps=1")[0].splitlines()]
    seconds = [float(s[17:29]) + 60 * int(s[14:16]) for s in stamps]
    gaps = [b - a for a, b in zip(seconds, seconds[1:])][:4]
    for gap, least in zip(gaps, (0.1, 0.2, 0.4, 0.8)):
        assert least * 0.9 <= gap < least + 1.5, gaps


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_success_restarts_too(api, policy):
    container = run(api, "echo x", policy)
    wait_until(lambda: len(api.logs(container)[0]) >= 6, 20)


def test_stop_ends_it(api):
    container = run(api, "trap 'exit 1' TERM; echo x; while :; do sleep 0.05; done", "always")
    wait_until(lambda: api.logs(container)[0])
    api.post(f"/containers/{container}/stop")
    time.sleep(0.6)
    assert api.state(container)["Status"] == "exited" and api.logs(container)[0] == "x\n"


def test_stop_while_waiting_for_the_next_try(api):
    container = run(api, "exit 1", "always")
    wait_until(lambda: api.inspect(container)["RestartCount"] >= 3, 20)
    assert api.post(f"/containers/{container}/stop").status in (204, 304)
    wait_until(lambda: api.state(container)["Status"] == "exited")
    count = api.inspect(container)["RestartCount"]
    time.sleep(1.8)
    assert api.inspect(container)["RestartCount"] == count


def test_kill_is_a_failure_but_a_wanted_one(api):
    container = run(api, "while :; do sleep 0.05; done", "always")
    api.post(f"/containers/{container}/kill")
    wait_until(lambda: not api.state(container)["Running"])
    time.sleep(0.5)
    assert not api.state(container)["Running"]


def test_death_from_inside_restarts(api):
    container = run(api, "echo x; sleep 0.3; exit 137", "always")
    wait_until(lambda: len(api.logs(container)[0]) >= 4, 20)


def test_removal_while_restarting(api):
    container = run(api, "exit 1", "always")
    wait_until(lambda: api.inspect(container)["RestartCount"] >= 2, 20)
    assert api.delete(f"/containers/{container}?force=1").status == 204
    assert api.get(f"/containers/{container}/json").status == 404


def test_update_of_the_policy(api):
    container = run(api, "sleep 100", "always")
    answer = api.post(f"/containers/{container}/update", {"RestartPolicy": {"Name": "no"}})
    assert (answer.status, answer.json()) == (200, {"Warnings": None}) or answer.json() == {"Warnings": []}
    assert api.inspect(container)["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_wait_next_exit_sees_each_exit(api):
    container = run(api, "exit 5", "always")
    for _ in range(3):
        assert api.wait(container, "next-exit") == 5
