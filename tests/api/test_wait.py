"""POST /containers/{id}/wait: the three conditions, the early header flush."""
import time

import pytest


def open_wait(api, container, condition):
    stream = api.open("POST", f"/containers/{container}/wait?condition={condition}")
    assert stream.response.status == 200
    return stream


def result(stream):
    with stream:
        return __import__("json").loads(stream.read_all())


def test_not_running_of_an_exited_one(api):
    container = api.run("sh", "-c", "exit 4")
    assert api.wait(container) == 4
    answer = api.post(f"/containers/{container}/wait")
    assert answer.json()["StatusCode"] == 4 and not answer.json().get("Error")
    assert answer.header("Content-Type") == "application/json"


def test_not_running_of_a_created_one_answers_at_once(api):
    assert api.post(f"/containers/{api.create('true')}/wait").json()["StatusCode"] == 0


def test_next_exit_is_registered_before_the_headers_come(api):
    for _ in range(5):
        container = api.create("sh", "-c", "exit 6")
        stream = open_wait(api, container, "next-exit")
        api.start(container)
        assert result(stream)["StatusCode"] == 6


def test_next_exit_of_an_exited_one_waits_for_the_next(api):
    container = api.run("sh", "-c", "exit $(( $(cat /n 2>/dev/null || echo 0) + 1 ))")
    assert api.wait(container) == 1
    stream = open_wait(api, container, "next-exit")
    stream.settimeout(0.3)
    with pytest.raises(OSError):
        stream.read_some()
    stream.close()
    stream = open_wait(api, container, "next-exit")
    api.start(container)
    assert result(stream)["StatusCode"] == 1


def test_removed(api):
    container = api.create("sh", "-c", "exit 9")
    stream = open_wait(api, container, "removed")
    api.start(container)
    api.wait(container)
    stream.settimeout(0.3)
    with pytest.raises(OSError):
        stream.read_some()
    stream.close()
    stream = open_wait(api, container, "removed")
    api.delete(f"/containers/{container}")
    assert result(stream)["StatusCode"] == 9


def test_removed_with_auto_remove(api):
    for _ in range(5):
        container = api.create("sh", "-c", "exit 9", host={"AutoRemove": True})
        stream = open_wait(api, container, "removed")
        api.start(container)
        assert result(stream)["StatusCode"] == 9
        assert api.get(f"/containers/{container}/json").status == 404


def test_removed_when_the_start_fails(api):
    if api.engine.is_docker(20):
        pytest.skip("20.10 keeps the container")
    container = api.create("nosuchprogram", host={"AutoRemove": True})
    stream = open_wait(api, container, "removed")
    assert api.post(f"/containers/{container}/start").status == 400
    assert result(stream)["StatusCode"] == 127


def test_many_waiters(api):
    container = api.create("sh", "-c", "exit 3")
    streams = [open_wait(api, container, "next-exit") for _ in range(10)]
    api.start(container)
    assert [result(s)["StatusCode"] for s in streams] == [3] * 10


@pytest.mark.modern


def test_errors(api):
    answer = api.post(f"/containers/{api.create('true')}/wait?condition=foo")
    assert (answer.status, answer.message) == (400, 'invalid condition: "foo"')
    missing = api.post("/containers/nope/wait")
    assert (missing.status, missing.message) == (404, "No such container: nope")


def test_a_killed_one(api):
    container = api.run("sleep", "100")
    stream = open_wait(api, container, "not-running")
    api.post(f"/containers/{container}/kill")
    assert result(stream)["StatusCode"] == 137


def test_waiting_costs_nothing_when_the_client_goes(api):
    container = api.run("sleep", "100")
    for _ in range(20):
        open_wait(api, container, "not-running").close()
    assert api.state(container)["Running"]
