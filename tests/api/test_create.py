"""POST /containers/create: what is accepted, what is refused and in which words."""
import re

import pytest


def refused(api, status, text, name=None, **body):
    answer = api.post("/containers/create" + (f"?name={name}" if name else ""), {"Image": "busybox", "Cmd": ["true"], **body})
    assert (answer.status, text in answer.message) == (status, True), answer
    return answer


def test_answer(api):
    answer = api.post("/containers/create", {"Image": "busybox"})
    assert answer.status == 201
    body = answer.json()
    assert re.fullmatch("[0-9a-f]{64}", body["Id"])
    assert body["Warnings"] == []
    assert list(body) == ["Id", "Warnings"]


def test_missing_image(api):
    refused(api, 404, "No such image: nope:latest", Image="nope")
    refused(api, 404, "No such image: nope:v1", Image="nope:v1")


def test_names(api, name):
    first = api.create("true", name="/" + name)
    assert api.inspect(name)["Name"] == "/" + name
    conflict = refused(api, 409, "", name=name)
    assert conflict.message == (f'Conflict. The container name "/{name}" is already in use by container "{first}". '
                                "You have to remove (or rename) that container to be able to reuse that name.")
    for bad in ("a", "_x", "a%20b", ".x", "-x", "a$"):
        refused(api, 400, "Invalid container name (", name=bad)
    assert "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed" in refused(api, 400, "", name="a").message


def test_generated_name(api):
    assert re.fullmatch("/[a-z]+_[a-z]+[0-9]*", api.inspect(api.create("true"))["Name"])


@pytest.mark.parametrize("host, text", [
    ({"Memory": 1000}, "inimum memory limit allowed is 6MB"),
    ({"RestartPolicy": {"Name": "foo"}}, "invalid restart policy"),
    ({"RestartPolicy": {"Name": "always"}, "AutoRemove": True}, "can't create 'AutoRemove' container with restart policy"),
    ({"Binds": ["/tmp:/a", "/tmp:/a"]}, "Duplicate mount point: /a"),
    ({"CapAdd": ["FOO"]}, 'invalid CapAdd: unknown capability: "CAP_FOO"'),
    ({"Runtime": "zz"}, "unknown or invalid runtime name: zz"),
    ({"IpcMode": "zz"}, "invalid IPC mode: zz"),
    ({"PidMode": "zz"}, "invalid PID mode: zz"),
    ({"Mounts": [{"Type": "bind", "Source": "/nope/x", "Target": "/x"}]}, 'invalid mount config for type "bind": bind source path does not exist: /nope/x'),
    ({"PortBindings": {"x": [{}]}}, "invalid port specification: \"x\""),
    ({"LogConfig": {"Type": "json-file", "Config": {"zz": "1"}}}, "unknown log opt 'zz' for json-file log driver"),
    ({"LogConfig": {"Type": "nonesuch"}}, 'error looking up logging plugin nonesuch: plugin "nonesuch" not found'),
    ({"NanoCpus": 10**12}, "ange of CPUs is from 0.01 to"),
    ({"OomScoreAdj": 5000}, "Invalid value 5000, range for oom score adj is [-1000, 1000]"),
    ({"ShmSize": -1}, "SHM size can not be less than 0"),
])
def test_bad_host_config(api, host, text):
    if api.engine.is_docker(20):
        pytest.skip("other statuses and texts in 20.10")
    refused(api, 400, text, HostConfig=host)


@pytest.mark.parametrize("config, text", [
    ({"StopSignal": "FOO"}, "invalid signal: FOO"),
    ({"Env": ["=x"]}, "invalid environment variable: =x"),
    ({"WorkingDir": "rel"}, "the working directory 'rel' is invalid, it needs to be an absolute path"),
])
def test_bad_config(api, config, text):
    if api.engine.is_docker(20):
        pytest.skip("other statuses in 20.10")
    refused(api, 400, text, **config)


def test_nothing_is_left_of_a_refused_create(api, name):
    refused(api, 400, "", name=name, HostConfig={"Memory": 1000})
    assert api.get(f"/containers/{name}/json").status == 404
    api.create("true", name=name)


def test_missing_network_is_noticed_at_start(api):
    container = api.create("true", host={"NetworkMode": "nope"})
    answer = api.post(f"/containers/{container}/start")
    assert (answer.status, answer.message) == (404, "network nope not found")


def test_network_mode_default_is_bridge(api):
    for mode in ("", "default", "bridge"):
        inspected = api.inspect(api.create("true", host={"NetworkMode": mode}))
        if not api.engine.is_docker(20):
            assert inspected["HostConfig"]["NetworkMode"] == "bridge"
        assert list(inspected["NetworkSettings"]["Networks"]) in (["bridge"], ["default"])


def test_container_network_mode_stores_the_id(api, name):
    other = api.create("true", name=name)
    inspected = api.inspect(api.create("true", host={"NetworkMode": "container:" + name}))
    assert inspected["HostConfig"]["NetworkMode"] == "container:" + other
    assert inspected["NetworkSettings"]["Networks"] == {}


def test_image_defaults_are_merged(api):
    config = api.inspect(api.create(image="configured", Env=["OVERRIDE=mine", "NEW=1"], Labels={"shared": "mine", "new": "1"}))["Config"]
    assert config["Env"] == ["OVERRIDE=mine", "NEW=1", "PATH=/bin", "FROM_IMAGE=yes"]
    assert config["Labels"] == {"from": "image", "shared": "mine", "new": "1"}
    assert (config["Entrypoint"], config["Cmd"]) == (["/bin/echo", "entry"], ["default"])
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("alice", "/home/alice", "SIGUSR1")
    assert config["ExposedPorts"] == {"80/tcp": {}}
    assert api.inspect(api.create("x", image="configured"))["Config"]["Cmd"] == ["x"]
    other = api.inspect(api.create(image="configured", Entrypoint=["/bin/true"]))
    assert other["Config"]["Cmd"] is None and (other["Path"], other["Args"]) == ("/bin/true", [])
    both = api.inspect(api.create("y", image="configured", Entrypoint=["/bin/true"]))
    assert (both["Path"], both["Args"]) == ("/bin/true", ["y"])


def test_platform(api):
    if api.engine.is_docker(20):
        return
    answer = api.post("/containers/create?platform=linux%2Fs390x", {"Image": "busybox", "Cmd": ["true"]})
    assert answer.status == 404 and "platform" in answer.message, answer


def test_create_by_id_prefix_of_the_image(api):
    full = api.get("/images/busybox/json").json()["Id"]
    for reference in (full, full.split(":")[1][:12], "docker.io/library/busybox:latest", "busybox:latest", "library/busybox"):
        inspected = api.inspect(api.create("true", image=reference))
        assert (inspected["Image"], inspected["Config"]["Image"]) == (full, reference)
