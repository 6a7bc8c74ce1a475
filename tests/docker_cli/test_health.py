"""Health checks: probes, states, events, and what hangs on them."""
import json
import time

import pytest

from support.waiting import wait_until


def health(api, container):
    return api.state(container).get("Health")


def status_is(api, container, status, timeout=10):
    return wait_until(lambda: (health(api, container) or {}).get("Status") == status and health(api, container), timeout, status)


def test_a_container_becomes_healthy(docker, api, name, events):
    stream = events(container=[name], event=["health_status"])
    docker("run", "-d", "--name", name, "--health-cmd", "echo checked; exit 0", "--health-interval", "200ms", "busybox", "sleep", "100", check=0)
    assert health(api, name)["Status"] == "starting" and health(api, name)["Log"] == []
    assert "(health: starting)" in docker.output("ps", "--filter", f"name={name}", "--format", "{{.Status}}")
    seen = status_is(api, name, "healthy")
    assert seen["FailingStreak"] == 0 and seen["Log"][0]["ExitCode"] == 0 and seen["Log"][0]["Output"] == "checked\n"
    assert seen["Log"][0]["Start"] < seen["Log"][0]["End"]
    assert next(stream.objects())["Action"] == "health_status: healthy"
    assert docker.output("ps", "--filter", f"name={name}", "--format", "{{.Status}}").endswith("(healthy)")
    assert name in docker.output("ps", "--filter", "health=healthy", "--format", "{{.Names}}").split()
    assert name not in docker.output("ps", "--filter", "health=unhealthy", "--format", "{{.Names}}").split()
    wait_until(lambda: len(health(api, name)["Log"]) == 5, 10, "five results")
    time.sleep(0.5)
    assert len(health(api, name)["Log"]) == 5


def test_failures_in_a_row_make_it_unhealthy(docker, api, name, events):
    stream = events(container=[name], event=["health_status"])
    docker("run", "-d", "--name", name, "--health-cmd", "echo bad >&2; exit 3", "--health-interval", "150ms", "--health-retries", "2", "busybox", "sleep", "100", check=0)
    seen = status_is(api, name, "unhealthy")
    assert seen["FailingStreak"] >= 2 and seen["Log"][0]["ExitCode"] == 3 and seen["Log"][0]["Output"] == "bad\n"
    docker("exec", name, "true", check=0)
    assert next(stream.objects())["Action"] == "health_status: unhealthy"


def test_it_recovers(docker, api, name):
    docker("run", "-d", "--name", name, "--health-cmd", "test -e /good", "--health-interval", "150ms", "--health-retries", "1", "busybox", "sleep", "100", check=0)
    status_is(api, name, "unhealthy")
    docker("exec", name, "touch", "/good", check=0)
    assert status_is(api, name, "healthy")["FailingStreak"] == 0


def test_a_probe_that_hangs_is_ended(docker, api, name):
    docker("run", "-d", "--name", name, "--health-cmd", "echo begun; sleep 50", "--health-interval", "150ms", "--health-timeout", "300ms", "--health-retries", "1", "busybox", "sleep", "100", check=0)
    seen = status_is(api, name, "unhealthy")
    assert seen["Log"][0]["ExitCode"] == -1 and seen["Log"][0]["Output"].startswith("Health check exceeded timeout (300ms)")


@pytest.mark.proa  # Docker 20.10 leaves such probes running
def test_an_ended_probe_leaves_no_process(docker, api, name):
    docker("run", "-d", "--name", name, "--health-cmd", "exec sleep 51", "--health-interval", "100ms", "--health-timeout", "200ms", "--health-retries", "1", "busybox", "sleep", "100", check=0)
    status_is(api, name, "unhealthy")
    time.sleep(0.5)
    rows = [row for row in api.get(f"/containers/{name}/top").json()["Processes"] if row[-1] == "sleep 51"]
    assert len(rows) <= 1


def test_failures_in_the_start_period_do_not_count(docker, api, name):
    docker("run", "-d", "--name", name, "--health-cmd", "false", "--health-interval", "100ms", "--health-start-period", "30s", "--health-retries", "1", "busybox", "sleep", "100", check=0)
    if "StartInterval" not in str(api.inspect(name)["Config"]):
        pass
    wait_until(lambda: len(health(api, name)["Log"]) >= 1, 12, "a result")
    assert health(api, name)["Status"] == "starting" and health(api, name)["FailingStreak"] == 0


@pytest.mark.modern
def test_the_start_interval_counts_in_the_start_period(api):
    container = api.run("sleep", "100", Healthcheck={"Test": ["CMD", "true"], "Interval": 60 * 10**9, "StartPeriod": 60 * 10**9, "StartInterval": 150 * 10**6})
    status_is(api, container, "healthy", 5)


def test_forms_of_the_command(api):
    plain = api.run("sleep", "100", Healthcheck={"Test": ["CMD", "sh", "-c", "echo $X"], "Interval": 150 * 10**6}, Env=["X=env"], User="1000")
    assert status_is(api, plain, "healthy")["Log"][0]["Output"] == "env\n"
    missing = api.run("sleep", "100", Healthcheck={"Test": ["CMD", "/no/such"], "Interval": 150 * 10**6, "Retries": 1})
    assert status_is(api, missing, "unhealthy")["Log"][0]["ExitCode"] != 0
    none = api.run("sleep", "100", Healthcheck={"Test": ["NONE"]})
    assert health(api, none) is None


def test_output_is_cut(api):
    container = api.run("sleep", "100", Healthcheck={"Test": ["CMD-SHELL", "head -c 10000 /dev/zero | tr '\\0' x"], "Interval": 150 * 10**6})
    assert status_is(api, container, "healthy")["Log"][0]["Output"] == "x" * 4096 + "..."


@pytest.mark.proa  # Docker says it in the log only
def test_an_unknown_type_is_kept_and_warned_of(api):
    created = api.post("/containers/create", {"Image": "busybox", "Cmd": ["sleep", "100"], "Healthcheck": {"Test": ["true"], "Interval": 10**9}})
    assert created.status == 201 and "Unknown healthcheck type \"true\"" in created.json()["Warnings"][0]
    container = created.json()["Id"]
    assert api.post(f"/containers/{container}/start").status == 204
    body = api.inspect(container)
    assert body["Config"]["Healthcheck"]["Test"] == ["true"] and "Health" not in body["State"]
    api.delete(f"/containers/{container}?force=1")


@pytest.mark.parametrize("check, words", [({"Test": ["CMD", "true"], "Interval": 100}, "Interval in Healthcheck cannot be less than 1ms"),
                                          ({"Test": ["CMD", "true"], "Timeout": 100}, "Timeout in Healthcheck cannot be less than 1ms"),
                                          ({"Test": ["CMD", "true"], "Retries": -1}, "Retries in Healthcheck cannot be negative"),
                                          ({"Test": ["CMD", "true"], "StartPeriod": 5}, "StartPeriod in Healthcheck cannot be less than 1ms")])
def test_bad_checks_are_named(api, check, words):
    answer = api.post("/containers/create", {"Image": "busybox", "Healthcheck": check})
    assert answer.status == 400 and words in answer.message


def test_pause_and_stop_end_the_checks(docker, api, name):
    docker("run", "-d", "--name", name, "--health-cmd", "true", "--health-interval", "150ms", "busybox", "sleep", "100", check=0)
    status_is(api, name, "healthy")
    docker("pause", name, check=0)
    assert health(api, name)["Status"] == "unhealthy"
    docker("unpause", name, check=0)
    status_is(api, name, "healthy")
    docker("kill", name, check=0)
    docker("wait", name, check=0)
    wait_until(lambda: health(api, name)["Status"] == "unhealthy", 5, "the end")
    docker("start", name, check=0)
    assert health(api, name)["Status"] in ("starting", "healthy")
    status_is(api, name, "healthy")


def test_an_image_brings_its_check(docker, api, name):
    docker("create", "--name", name, "busybox", "sleep", "100", check=0)
    docker("commit", "-c", "HEALTHCHECK --interval=200ms --timeout=5s CMD echo from image", name, f"checked-{name}", check=0)
    inherited = docker.output("run", "-d", f"checked-{name}")
    assert status_is(api, inherited, "healthy")["Log"][0]["Output"] == "from image\n"
    off = docker.output("run", "-d", "--no-healthcheck", f"checked-{name}")
    assert health(api, off) is None
    changed = docker.output("run", "-d", "--health-retries", "7", f"checked-{name}")
    assert api.inspect(changed)["Config"]["Healthcheck"] == {"Test": ["CMD-SHELL", "echo from image"], "Interval": 200000000, "Timeout": 5000000000, "Retries": 7}


@pytest.mark.proa
def test_checks_go_on_under_a_new_daemon(private_engine):
    from conftest import Api
    private_engine.start()
    private_engine.load()
    api = Api(private_engine)
    container = api.run("sleep", "100", Healthcheck={"Test": ["CMD-SHELL", "test ! -e /bad"], "Interval": 200 * 10**6, "Retries": 1})
    status_is(api, container, "healthy")
    private_engine.kill()
    private_engine.start()
    assert health(api, container)["Status"] == "healthy" and health(api, container)["Log"]
    api.execute(container, "touch", "/bad")
    status_is(api, container, "unhealthy")


@pytest.mark.proa
@pytest.mark.parametrize("action", ["restart", "stop", "kill"])
def test_on_failure(api, action):
    container = api.run("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done",
                        Healthcheck={"Test": ["CMD", "false"], "Interval": 200 * 10**6, "Retries": 1, "OnFailure": action})
    started = api.state(container)["StartedAt"]
    if action == "restart":
        wait_until(lambda: api.state(container)["StartedAt"] != started and api.state(container)["Running"], 10, "the restart")
    else:
        wait_until(lambda: api.state(container)["Status"] == "exited", 10, "the end")
        assert api.state(container)["ExitCode"] == (137 if action == "kill" else 0)
    refused = api.post("/containers/create", {"Image": "busybox", "Healthcheck": {"Test": ["CMD", "false"], "OnFailure": "explode"}})
    assert refused.status == 400 and "OnFailure" in refused.message
