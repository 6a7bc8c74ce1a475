"""GET /containers/json: entries, filters, sizes, status texts."""
import json
import re
import time
from urllib.parse import quote

import pytest

from support.waiting import wait_until


def listed(api, query="", **filters):
    answer = api.get("/containers/json?all=1" + query + ("&filters=" + quote(json.dumps(filters)) if filters else ""))
    assert answer.status == 200, answer
    return answer.json()


def ids(api, **filters):
    return {c["Id"] for c in listed(api, **filters)}


@pytest.mark.modern
def test_entry(api, name):
    container = api.run("sh", "-c", "while :; do sleep 1; done", name=name, Labels={"app": "web"}, ExposedPorts={"443/tcp": {}, "80/tcp": {}},
                        host={"PortBindings": {"80/tcp": [{"HostPort": ""}]}, "Binds": ["/tmp:/t:ro"]})
    entry = listed(api)[0]
    assert list(entry) == ["Id", "Names", "Image", "ImageID", "Command", "Created", "Ports", "Labels", "State", "Status", "HostConfig", "NetworkSettings", "Mounts"] or (
        not api.engine.is_docker() and set(entry) >= {"Id", "Names", "Image", "ImageID", "Command", "Created", "Ports", "Labels", "State", "Status", "HostConfig", "NetworkSettings", "Mounts"})
    assert (entry["Id"], entry["Names"], entry["Image"], entry["State"]) == (container, ["/" + name], "busybox", "running")
    assert entry["ImageID"] == api.get("/images/busybox/json").json()["Id"]
    assert entry["Command"] == "sh -c 'while :; do sleep 1; done'"
    assert abs(entry["Created"] - time.time()) < 60
    assert re.fullmatch("Up (Less than a second|[0-9]+ seconds?)", entry["Status"])
    port = api.inspect(container)["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    assert {"PrivatePort": 443, "Type": "tcp"} in entry["Ports"]
    assert {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": int(port), "Type": "tcp"} in entry["Ports"]
    assert {"IP": "::", "PrivatePort": 80, "PublicPort": int(port), "Type": "tcp"} in entry["Ports"]
    assert entry["HostConfig"] == {"NetworkMode": "bridge"}
    assert entry["Labels"] == {"app": "web"}
    assert list(entry["NetworkSettings"]) == ["Networks"] and entry["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    assert [(m["Type"], m["Source"], m["Destination"], m["Mode"], m["RW"]) for m in entry["Mounts"]] == [("bind", "/tmp", "/t", "ro", False)]


def test_order_is_newest_first_and_limit(api):
    made = [api.create("true") for _ in range(3)]
    assert [c["Id"] for c in listed(api)][:3] == made[::-1]
    assert [c["Id"] for c in api.get("/containers/json?limit=2").json()] == made[:0:-1]
    assert api.get("/containers/json?limit=-1").json() == api.get("/containers/json?limit=0").json() == api.get("/containers/json").json()
    assert api.get("/containers/json?limit=abc").status in (400, 500)


def test_running_only_by_default(api):
    created, running = api.create("true"), api.run("sleep", "100")
    shown = {c["Id"] for c in api.get("/containers/json").json()}
    assert running in shown and created not in shown


def test_states_and_status_texts(api):
    created, exited, paused, running = api.create("true"), api.run("sh", "-c", "exit 3"), api.run("sleep", "100"), api.run("sleep", "100")
    api.wait(exited)
    api.post(f"/containers/{paused}/pause")
    by_id = {c["Id"]: c for c in listed(api)}
    assert (by_id[created]["State"], by_id[created]["Status"]) == ("created", "Created")
    assert by_id[exited]["State"] == "exited" and re.fullmatch(r"Exited \(3\) (Less than a second|\d+ seconds?) ago", by_id[exited]["Status"])
    assert by_id[paused]["State"] == "paused" and re.fullmatch(r"Up .* \(Paused\)", by_id[paused]["Status"])
    assert by_id[exited]["Ports"] == [] and by_id[created]["Labels"] == {}
    assert ids(api, status=["exited"]) == {exited}
    assert ids(api, status=["running"]) == {running}
    assert ids(api, status=["paused", "created"]) == {paused, created}
    assert ids(api, exited=["3"]) == {exited}
    assert ids(api, exited=["0"]) == set()


def test_filters(api, name):
    one = api.create("true", name=name + "-one", Labels={"a": "1", "b": ""})
    two = api.create("true", name=name + "-two", Labels={"a": "2"}, image="configured", host={"NetworkMode": "none"}, ExposedPorts={"7/udp": {}})
    three = api.create("true", name=name + "-three", host={"Binds": ["/tmp:/data"]})
    assert ids(api, name=["-t"]) & {one, two, three} == {two, three}
    assert ids(api, name=[f"^/{name}-one$"]) == {one}
    assert ids(api, id=[two[:10]]) == {two}
    assert ids(api, label=["a"]) == {one, two}
    assert ids(api, label=["a=2"]) == {two}
    assert ids(api, label=["a", "b"]) == {one}
    assert ids(api, ancestor=["configured"]) == {two}
    assert {one, three} <= ids(api, ancestor=["busybox:latest"])
    assert ids(api, ancestor=["nope"]) == set()
    assert ids(api, before=[two]) >= {one} and two not in ids(api, before=[two])
    assert ids(api, since=[name + "-one"]) == {two, three}
    assert ids(api, network=["none"]) == {two}
    assert ids(api, volume=["/data"]) == {three} and ids(api, volume=["/tmp"]) in ({three}, set())
    assert ids(api, health=["none"]) >= {one}
    assert ids(api, label=["a"], name=["two"]) == {two}
    assert api.get("/containers/json?filters=" + quote('{"exited":["x"]}')).status in (400, 500)


def test_publish_and_expose_filters(api):
    exposed = api.run("sleep", "100", ExposedPorts={"7/udp": {}})
    assert ids(api, expose=["7/udp"]) == {exposed}
    published = api.run("sleep", "100", ExposedPorts={"80/tcp": {}}, host={"PortBindings": {"80/tcp": [{"HostPort": "18080"}]}})
    assert ids(api, publish=["18080"]) == {published}
    assert ids(api, publish=["18081"]) == set()


def test_sizes(api):
    container = api.run("sh", "-c", "head -c 50000 /dev/zero > /f")
    api.wait(container)
    entry = listed(api, "&size=1")[0]
    assert entry["SizeRw"] >= 50000 and entry["SizeRootFs"] > 1000000
    assert "SizeRw" not in listed(api)[0]


def test_command_quoting(api):
    api.create("sh", "-c", "a  b", "it's", "")
    assert listed(api)[0]["Command"] == "sh -c 'a  b' it's "


def test_image_reference_after_untag(api):
    api.post("/images/busybox/tag?repo=other&tag=1")
    container = api.create("true", image="other:1")
    api.delete("/images/other:1?force=1")
    entry = next(c for c in listed(api) if c["Id"] == container)
    assert entry["ImageID"].startswith("sha256:")
    assert entry["Image"] in ("other:1", entry["ImageID"], entry["ImageID"][7:19]), entry["Image"]


def test_restarting_state(api):
    container = api.run("sh", "-c", "exit 1", host={"RestartPolicy": {"Name": "always"}})
    wait_until(lambda: api.state(container)["Restarting"], 10)
    state = wait_until(lambda: (s := api.state(container))["Status"] == "restarting" and s)
    assert state["Running"] is True and state["Restarting"] is True
    entry = wait_until(lambda: next((c for c in listed(api) if c["State"] == "restarting"), None))
    assert re.fullmatch(r"Restarting \(1\) .* ago", entry["Status"])
    answer = api.delete(f"/containers/{container}")
    if answer.status != 409:
        return  # it ran just then
    if not api.engine.is_docker(20):
        assert "container is re" in answer.message or "container is running" in answer.message
