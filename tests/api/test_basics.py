"""Versions, headers, error bodies: what every request shares."""
import pytest


def test_ping(api):
    plain = api.at(None)
    answer = plain.get("/_ping")
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Cache-Control") == "no-cache, no-store, must-revalidate"
    assert answer.header("Pragma") == "no-cache"
    assert answer.header("Api-Version") == api.engine.api_version
    assert answer.header("Ostype") == "linux"
    if api.engine.at_least(26):
        assert answer.header("Swarm") == "inactive"
    assert answer.header("Server").startswith("Docker/") and answer.header("Server").endswith(" (linux)")
    head = plain.head("/_ping")
    assert (head.status, head.header("Content-Length"), head.header("Api-Version")) == (200, "0", api.engine.api_version)
    assert api.at("1.41").get("/_ping").status == 200
    assert plain.post("/_ping").status == 404


def test_every_answer_carries_the_headers(api):
    for answer in (api.get("/containers/json"), api.get("/containers/nope/json"), api.post("/containers/create", b"{", [("Content-Type", "application/json")])):
        assert answer.header("Api-Version") == api.engine.api_version
        assert answer.header("Docker-Experimental") == "false"
        assert answer.header("Ostype") == "linux"
        assert answer.header("Content-Type") == "application/json"


def test_version_window(api):
    plain = api.at(None)
    new = plain.get("/v1.99/_ping")
    assert new.status == 400
    assert new.message == f"client version 1.99 is too new. Maximum supported API version is {api.engine.api_version}"
    old = plain.get("/v1.10/containers/json")
    assert old.status == 400
    assert "client version 1.10 is too old. Minimum supported API version is " in old.text
    assert plain.get("/v2.0/info").status == 400


def test_supported_range(api):
    if not api.engine.is_docker():
        version = api.at(None).get("/version").json()
        assert version["MinAPIVersion"] == "1.24"
    for version in ("1.24", "1.30", "1.41", api.engine.api_version):
        assert api.at(version).get("/containers/json").status == 200


@pytest.mark.parametrize("method, path", [("GET", "/nope"), ("POST", "/info"), ("PUT", "/containers/json"), ("GET", "/containers/json/"), ("HEAD", "/info")])
def test_unknown_routes(api, method, path):
    answer = api.request(method, path)
    assert answer.status == 404
    if method != "HEAD":
        assert answer.json() == {"message": "page not found"}


def test_error_body_is_one_line(api):
    answer = api.get("/containers/nope/json")
    assert answer.status == 404
    assert answer.body == b'{"message":"No such container: nope"}\n'


@pytest.mark.parametrize("body, kind, text", [
    (b"{}", "text/plain", "unsupported Content-Type header (text/plain): must be 'application/json'"),
    (b"{}", None, "malformed Content-Type header (): mime: no media type"),
    (b"{", "application/json", "invalid JSON: unexpected EOF"),
    (b"{}{}", "application/json", "unexpected content after JSON"),
    (b"{}", "application/json; charset=utf-8", "config cannot be empty in order to create a container"),
    (b"null", "application/json", "config cannot be empty in order to create a container"),
    (b'{"Image":5}', "application/json", "invalid JSON: json: cannot unmarshal number into Go struct field "),
    (b'{"Image":""}', "application/json", "no command specified"),
    (b'{"Image":"busybox","Cmd":{}}', "application/json", "invalid JSON: "),
])
def test_request_bodies(api, body, kind, text):
    if api.engine.is_docker(20):
        pytest.skip("other texts in 20.10")
    answer = api.post("/containers/create", body, [("Content-Type", kind)] if kind else [])
    assert answer.status == 400
    assert answer.message.startswith(text), answer


def test_json_keys_are_case_insensitive_and_null_leaves_the_default(api):
    answer = api.post("/containers/create", {"image": "busybox", "CMD": ["true"], "hostconfig": None, "Labels": None, "nonsense": 1})
    assert answer.status == 201
    assert api.inspect(answer.json()["Id"])["Config"]["Cmd"] == ["true"]


def test_a_bare_string_is_one_argument(api):
    container = api.post("/containers/create", {"Image": "busybox", "Cmd": "echo hi", "Entrypoint": "sh"}).json()["Id"]
    config = api.inspect(container)["Config"]
    assert (config["Cmd"], config["Entrypoint"]) == (["echo hi"], ["sh"])


@pytest.mark.parametrize("value, shown", [("0", False), ("no", False), ("FALSE", False), ("none", False), ("", False), ("1", True), ("True", True), ("2", True), ("off", True)])
def test_boolean_query_values(api, value, shown):
    container = api.create("true")
    listed = [c["Id"] for c in api.get("/containers/json?all=" + value).json()]
    assert (container in listed) is shown


def test_no_html_escaping(api):
    container = api.create("echo", "<a>&b")
    answer = api.get(f"/containers/{container}/json")
    assert b'"<a>&b"' in answer.body
    assert answer.body.endswith(b"\n")


@pytest.mark.modern


def test_filter_forms(api, name):
    api.create("true", name=name, Labels={"a": "b"})
    from urllib.parse import quote
    for form in ('{"label":["a=b"]}', '{"label":{"a=b":true}}', '{"label":{"a=b":false}}'):
        assert len(api.get("/containers/json?all=1&filters=" + quote(form)).json()) == 1
    bad = {"x": "invalid filter", '{"zz":["1"]}': "invalid filter 'zz'", '{"status":["bogus"]}': "invalid filter 'status=bogus'"}
    for form, text in bad.items():
        answer = api.get("/containers/json?all=1&filters=" + quote(form))
        if api.engine.is_docker(20):
            assert answer.status in (400, 500)
            continue
        assert answer.status == 400 and answer.message.startswith(text), answer
    missing = api.get("/containers/json?all=1&filters=" + quote('{"before":["nope"]}'))
    assert missing.status == 404


def test_info_and_version(api):
    info = api.get("/info").json()
    for key in ("ID", "Containers", "ContainersRunning", "Driver", "DriverStatus", "Plugins", "NCPU", "MemTotal", "DockerRootDir", "Name", "Labels", "ServerVersion", "Runtimes",
                "DefaultRuntime", "Swarm", "SecurityOptions", "LoggingDriver", "CgroupDriver", "CgroupVersion", "KernelVersion", "OperatingSystem", "OSType", "Architecture", "IndexServerAddress",
                "RegistryConfig", "Images", "Warnings", "LiveRestoreEnabled", "InitBinary"):
        assert key in info, key
    assert info["Swarm"]["LocalNodeState"] == "inactive"
    assert info["LoggingDriver"] == "json-file" and info["OSType"] == "linux"
    assert {"Volume", "Network", "Authorization", "Log"} <= set(info["Plugins"])
    assert "name=seccomp,profile=builtin" in info["SecurityOptions"] or "name=seccomp,profile=default" in info["SecurityOptions"]
    assert info["DockerRootDir"] == api.engine.data_root
    running = info["ContainersRunning"]
    api.run("sleep", "100")
    assert api.get("/info").json()["ContainersRunning"] == running + 1
    version = api.get("/version").json()
    assert version["Components"][0]["Name"] == "Engine"
    assert {"ApiVersion", "MinAPIVersion", "Arch", "BuildTime", "Experimental", "GitCommit", "GoVersion", "KernelVersion", "Os"} <= set(version["Components"][0]["Details"])
    assert (version["Os"], version["KernelVersion"]) == ("linux", __import__("os").uname().release)


@pytest.mark.parametrize("method, path", [("GET", "/services"), ("GET", "/nodes/x"), ("DELETE", "/services/x"), ("DELETE", "/nodes/x"), ("DELETE", "/secrets/x"), ("DELETE", "/configs/x"),
                                          ("POST", "/services/x/update?version=1"), ("POST", "/secrets/x/update?version=1"), ("POST", "/nodes/x/update?version=1"), ("GET", "/services/x/logs?stdout=1")])
def test_swarm_says_that_it_is_none(api, method, path):
    answer = api.request(method, path, {} if method == "POST" else None)
    assert answer.status == 503
    assert answer.message.startswith("This node is not a swarm manager.")


def test_managed_plugins_are_none(api):
    assert api.get("/plugins").json() == []
    assert api.get("/plugins/vieux/sshfs:latest/json").status == 404
    for method, path in (("GET", "/plugins/none/json"), ("POST", "/plugins/none/enable"), ("POST", "/plugins/none/disable"), ("DELETE", "/plugins/none")):
        answer = api.request(method, path, None)
        assert answer.status == 404 and "none" in answer.message and "not found" in answer.message, (path, answer.message)


@pytest.mark.proa
def test_what_is_absent_is_named(api):
    assert "managed plugins are not supported" in api.post("/plugins/pull?remote=x&name=y", []).message
    assert api.get("/images/busybox/attestations").status == 501 and "attestations" in api.get("/images/busybox/attestations").message
    assert api.get("/images/nope/attestations").status == 404


def test_empty_lists_are_lists(api):
    for container in api.get("/containers/json?all=1").json():
        api.delete(f"/containers/{container['Id']}?force=1")
    assert api.get("/containers/json").body == b"[]\n"
    assert api.get("/plugins").body == b"[]\n"
