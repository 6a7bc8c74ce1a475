"""GET /events: order, attributes, filters, replay."""
import json
import time
from urllib.parse import quote

import pytest

from support.waiting import wait_until

TRAP = ["sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"]


def collect(stream, until, limit=20):
    """Events up to and with the action `until`."""
    stream.settimeout(limit)
    out = []
    for event in stream.objects():
        out.append(event)
        if (event["Type"], event["Action"]) == until:
            return out
    raise AssertionError(out)


def actions(events):
    return [f"{e['Type']} {e['Action']}" for e in events]


def ready(api, container):
    wait_until(lambda: "ready" in api.logs(container)[0])
    return container


def test_run_with_auto_remove(api, events):
    stream = events()
    container = api.create("true", host={"AutoRemove": True})
    attached = api.hijack(f"/containers/{container}/attach?stream=1&stdout=1")
    api.start(container)
    attached.read_all()
    seen = collect(stream, ("container", "destroy"))
    assert actions(seen) == ["container create", "container attach", "network connect", "container start", "network disconnect", "container die", "container destroy"]


def test_stop(api, events):
    container = ready(api, api.run(*TRAP))
    stream = events()
    api.post(f"/containers/{container}/stop")
    stream.settimeout(10)
    seen = []
    for event in stream.objects():
        seen.append(event)
        if {"container die", "container stop"} <= set(actions(seen)):
            break
    assert actions(seen)[:2] == ["container kill", "network disconnect"]
    assert sorted(actions(seen)[2:]) == ["container die", "container stop"]
    assert seen[0]["Actor"]["Attributes"]["signal"] == "15"


def test_stop_after_timeout(api, events):
    container = ready(api, api.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"))
    stream = events(type=["container"])
    api.post(f"/containers/{container}/stop?t=1")
    stream.settimeout(10)
    seen = []
    for event in stream.objects():
        seen.append(event)
        if {"container die", "container stop"} <= set(actions(seen)):
            break
    assert [e["Actor"]["Attributes"]["signal"] for e in seen[:2]] == ["15", "9"]


def test_restart(api, events):
    container = ready(api, api.run(*TRAP))
    stream = events()
    api.post(f"/containers/{container}/restart")
    seen = actions(collect(stream, ("container", "restart")))
    assert seen[0] == "container kill"
    assert seen[-3:] == ["network connect", "container start", "container restart"]
    assert sorted(seen[1:-3]) == ["container die", "container stop", "network disconnect"]


def test_forced_removal(api, events):
    container = api.run("sleep", "100")
    stream = events()
    api.delete(f"/containers/{container}?force=1")
    seen = collect(stream, ("container", "destroy"))
    assert actions(seen) == ["container kill", "network disconnect", "container die", "container destroy"]
    assert seen[0]["Actor"]["Attributes"]["signal"] == "9"
    assert seen[2]["Actor"]["Attributes"]["exitCode"] == "137"


def test_failed_start(api, events):
    stream = events()
    container = api.create("nosuchprogram")
    api.post(f"/containers/{container}/start")
    api.delete(f"/containers/{container}")
    seen = actions(collect(stream, ("container", "destroy")))
    assert [a for a in seen if a != "network disconnect"] == ["container create", "network connect", "container destroy"]
    assert "container die" not in seen


def test_attributes(api, events, name):
    stream = events()
    container = api.create("sh", "-c", "exit 3", name=name, Labels={"color": "blue"})
    api.start(container)
    seen = {f"{e['Type']} {e['Action']}": e for e in collect(stream, ("container", "die"))}
    created = seen["container create"]
    assert created["Actor"] == {"ID": container, "Attributes": {"color": "blue", "image": "busybox", "name": name}}
    assert created["scope"] == "local" and created["timeNano"] // 10**9 == created["time"]
    die = seen["container die"]["Actor"]["Attributes"]
    assert die["exitCode"] == "3" and (die.get("execDuration", "0").isdigit())
    if not api.engine.is_docker(20):
        assert "execDuration" in die
    connect = seen["network connect"]
    assert connect["Actor"]["ID"] == api.get("/networks/bridge").json()["Id"]
    assert connect["Actor"]["Attributes"] == {"container": container, "name": "bridge", "type": "bridge"}


def test_legacy_keys(api):
    container = api.create("true")
    event = api.get(f"/events?since=1&until={time.time():.9f}&filters=" + quote(json.dumps({"container": [container]}))).lines()[0]
    assert (event["status"], event["id"], event["from"]) == ("create", container, "busybox")
    if not api.engine.is_docker():
        new = api.at(None).get(f"/events?since=1&until={time.time():.9f}&filters=" + quote(json.dumps({"container": [container]}))).lines()[0]
        assert (new["status"], new["id"], new["from"]) == ("create", container, "busybox")


def test_small_operations(api, events, name):
    container = api.run("sleep", "100", name=name, Tty=True)
    stream = events(container=[container])
    api.post(f"/containers/{container}/pause")
    api.post(f"/containers/{container}/unpause")
    api.post(f"/containers/{container}/resize?h=5&w=6")
    api.post(f"/containers/{container}/rename?name={name}-b")
    api.post(f"/containers/{container}/kill?signal=USR1")
    api.get(f"/containers/{container}/top")
    seen = collect(stream, ("container", "top"))
    assert actions(seen) == ["container " + a for a in ("pause", "unpause", "resize", "rename", "kill", "top")]
    attributes = [e["Actor"]["Attributes"] for e in seen]
    assert (attributes[2]["height"], attributes[2]["width"]) == ("5", "6")
    assert (attributes[3]["oldName"], attributes[3]["name"]) == ("/" + name, name + "-b")
    assert attributes[4]["signal"] == "10"


def test_exec(api, events):
    container = api.run("sleep", "100")
    stream = events(container=[container])
    api.execute(container, "sh", "-c", "exit 2")
    seen = collect(stream, ("container", "exec_die"))
    assert actions(seen) == ["container exec_create: sh -c exit 2", "container exec_start: sh -c exit 2", "container exec_die"]
    assert len({e["Actor"]["Attributes"]["execID"] for e in seen}) == 1
    assert seen[2]["Actor"]["Attributes"]["exitCode"] == "2"


def test_filters(api, name):
    container = api.run("true", name=name, Labels={"color": "blue"})
    api.wait(container)
    die = "/events?since=1&until={}&filters=" + quote(json.dumps({"container": [name], "event": ["die"]}))
    wait_until(lambda: api.get(die.format(f"{time.time():.9f}")).body, what="the event of the end")
    now = f"{time.time():.9f}"

    def ask(**filters):
        return actions(api.get(f"/events?since=1&until={now}&filters=" + quote(json.dumps({"container": [name], **filters}))).lines())

    every = ask()
    assert {"container create", "container start", "container die"} <= set(every)
    assert ask(event=["die"]) == ["container die"]
    assert ask(event=["die", "start"]) == ["container start", "container die"]
    assert set(ask(type=["container"])) == {"container create", "container start", "container die"}
    assert ask(label=["color=blue"], event=["create"]) == ["container create"]
    assert ask(label=["color=red"]) == []
    assert ask(image=["busybox"], event=["create"]) == ["container create"]
    assert ask(image=["busybox:latest"], event=["create"]) in (["container create"], [])
    assert ask(type=["bogus"]) == []
    assert ask(scope=["local"], event=["create"]) == ["container create"]
    assert ask(nonsense=["x"]) == every
    assert actions(api.get(f"/events?since=1&until={now}&filters=" + quote(json.dumps({"container": [container[:12]], "event": ["create"]}))).lines()) == ["container create"]


def test_replay_since(api):
    begin = f"{time.time():.9f}"
    container = api.create("true")
    middle = f"{time.time():.9f}"
    api.delete(f"/containers/{container}")
    end = f"{time.time() + 0.05:.9f}"
    assert actions(api.get(f"/events?since={begin}&until={middle}").lines()) == ["container create"]
    assert actions(api.get(f"/events?since={middle}&until={end}").lines()) == ["container destroy"]
    backwards = api.get(f"/events?since={end}&until={begin}")
    assert backwards.status == 400
    raw = api.get("/events?since=abc")
    assert raw.status in (400, 500)


def test_until_in_the_future_ends(api):
    begin = time.monotonic()
    api.get(f"/events?until={time.time() + 0.5:.3f}")
    assert 0.2 < time.monotonic() - begin < 3


def test_ring_of_256(api):
    if api.engine.is_docker():
        pytest.skip("takes long on Docker")
    ids = [api.create("true") for _ in range(140)]
    for container in ids:
        api.delete(f"/containers/{container}")
    seen = api.get(f"/events?since=1&until={time.time() + 0.1:.3f}").lines()
    assert len(seen) == 256
    assert seen[-1]["Actor"]["ID"] == ids[-1]


def test_content_type_and_early_headers(api, events):
    stream = events()
    assert stream.response.header("Content-Type") == "application/json"
    if not api.engine.is_docker():
        with api.at(None).open("GET", "/events") as new:
            assert new.response.header("Content-Type") == "application/jsonl"


def test_image_events(api, events):
    stream = events(type=["image"])
    image = api.get("/images/busybox/json").json()["Id"]
    api.post("/images/busybox/tag?repo=evt&tag=1")
    api.delete("/images/evt:1")
    seen = collect(stream, ("image", "untag"))
    assert [(e["Action"], e["Actor"]["ID"], e["Actor"]["Attributes"]["name"]) for e in seen if e["Action"] in ("tag", "untag")] == [("tag", image, "evt:1"), ("untag", image, image)]


def test_many_listeners_and_their_going(api):
    streams = [api.open("GET", "/events") for _ in range(30)]
    container = api.create("true")
    for stream in streams:
        assert next(stream.objects())["Actor"]["ID"] == container
        stream.close()
    api.delete(f"/containers/{container}")
    assert api.get("/_ping").status == 200
