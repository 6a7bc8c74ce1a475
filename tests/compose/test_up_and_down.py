"""up and down: what is made, in which order, what is left alone, what is replaced."""
import json
import re
import signal
import time

WEB = """
services:
  db:
    image: busybox
    command: sh -c "sleep 0.5; touch /tmp/ready; exec sleep 1000"
    stop_signal: SIGKILL
    healthcheck: {test: test -f /tmp/ready, interval: 200ms, retries: 50}
    volumes: ["data:/data", "/anonymous"]
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: {db: {condition: service_healthy}}
    environment: {A: b}
    networks: {front: {aliases: [shop]}, default: {}}
    deploy: {replicas: 2}
networks: {front: {}}
volumes: {data: {}}
"""
ONE = "services:\n  one: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}\n"


def lines(text):
    return [line.strip() for line in text.splitlines()]


def test_up_makes_all_and_a_second_up_nothing(project, api, inspect, names):
    steps = lines(project.write(WEB)("up", "-d").stderr)
    assert set(names()) == {"prt-db-1", "prt-web-1", "prt-web-2"} and set(names().values()) == {"running"}
    for step in "Network prt_default  Created", "Network prt_front  Created", 'Volume "prt_data"  Created', "Container prt-db-1  Healthy", "Container prt-web-2  Started":
        assert step in steps
    assert steps.index("Container prt-db-1  Healthy") < steps.index("Container prt-web-1  Starting")
    assert {network["Name"] for network in api.get("/networks").json()} >= {"prt_default", "prt_front"}
    web = inspect("prt-web-1")
    assert "A=b" in web["Config"]["Env"] and set(web["NetworkSettings"]["Networks"]) == {"prt_default", "prt_front"}
    assert {"prt-web-1", "web", "shop"} <= set(web["NetworkSettings"]["Networks"]["prt_front"]["Aliases"])
    assert {mount["Destination"] for mount in inspect("prt-db-1")["Mounts"]} == {"/data", "/anonymous"}
    before = {name: inspect(name)["Id"] for name in names()}
    again = lines(project("up", "-d").stderr)
    assert "Container prt-web-1  Running" in again and not any("Creat" in line or "Start" in line for line in again)
    assert {name: inspect(name)["Id"] for name in names()} == before


def test_labels_are_those_of_docker_compose(project, inspect):
    project.write(WEB)("up", "-d")
    web = inspect("prt-web-2")["Config"]["Labels"]
    own = {key.removeprefix("com.docker.compose."): value for key, value in web.items() if key.startswith("com.docker.compose.")}
    assert re.fullmatch("[0-9a-f]{64}", own.pop("config-hash")) and own.pop("image").startswith("sha256:") and own.pop("version")
    assert own == {"project": "prt", "service": "web", "container-number": "2", "oneoff": "False", "depends_on": "db:service_healthy:false",
                   "project.working_dir": str(project.folder), "project.config_files": str(project.folder / "compose.yaml")}


def test_down_removes_all_but_volumes(project, api, names):
    project.write(WEB)("up", "-d")
    steps = lines(project("down", "-t", "0").stderr)
    assert names() == {} and not any(network["Name"].startswith("prt_") for network in api.get("/networks").json())
    assert max(steps.index(f"Container prt-web-{number}  Removed") for number in (1, 2)) < steps.index("Container prt-db-1  Stopping")
    assert "prt_data" in {volume["Name"] for volume in api.get("/volumes").json()["Volumes"]}
    project("up", "-d")
    project("down", "-t", "0", "-v")
    assert "prt_data" not in {volume["Name"] for volume in api.get("/volumes").json()["Volumes"]}
    assert 'Warning: No resource found to remove for project "prt".' in project("down").stderr


def test_only_what_changed_is_replaced(project, inspect, names):
    project.write(WEB)("up", "-d")
    before = {name: inspect(name) for name in names()}
    project.write(WEB.replace("A: b", "A: c"))
    steps = lines(project("up", "-d").stderr)
    assert "Container prt-web-1  Recreated" in steps and "Container prt-db-1  Running" in steps
    after = {name: inspect(name) for name in names()}
    assert after["prt-db-1"]["Id"] == before["prt-db-1"]["Id"] and after["prt-web-1"]["Id"] != before["prt-web-1"]["Id"]
    assert "A=c" in after["prt-web-2"]["Config"]["Env"] and set(names()) == {"prt-db-1", "prt-web-1", "prt-web-2"}


def test_a_replacement_keeps_anonymous_volumes_unless_renewed(project, inspect):
    project.write(WEB)("up", "-d", "db")
    project("exec", "-T", "db", "sh", "-c", "echo kept > /anonymous/file")
    project("up", "-d", "--force-recreate", "db")
    assert project("exec", "-T", "db", "cat", "/anonymous/file").stdout == "kept\n"
    project("up", "-d", "--force-recreate", "-V", "db")
    assert project("exec", "-T", "db", "cat", "/anonymous/file", check=None).returncode == 1


def test_another_image_of_the_same_name_replaces(project, api, inspect):
    project.write(ONE.replace("image: busybox", "image: prt-moving"))
    assert api.post("/images/busybox/tag?repo=prt-moving").status == 201
    project("up", "-d")
    before = inspect("prt-one-1")["Id"]
    other = api.post("/commit?container=prt-one-1&repo=prt-moving&tag=latest", {})
    assert other.status == 201, other
    project("up", "-d")
    assert inspect("prt-one-1")["Id"] != before and inspect("prt-one-1")["Image"] == other.json()["Id"]


def test_scale_adds_above_and_removes_from_the_top(project, names):
    project.write(ONE)("up", "-d", "--scale", "one=3")
    assert set(names()) == {"prt-one-1", "prt-one-2", "prt-one-3"}
    project("scale", "one=2")
    assert set(names()) == {"prt-one-1", "prt-one-2"}
    project("up", "-d")
    assert set(names()) == {"prt-one-1"}
    assert "no such service: nope" in project("up", "-d", "--scale", "nope=2", check=1).stderr


def test_orphans_are_named_and_removed_on_demand(project, names):
    two = ONE + "  two: {image: busybox, command: sleep 1000, stop_signal: SIGKILL}\n"
    project.write(two)("up", "-d")
    project.write(ONE)
    assert "Found orphan containers ([prt-two-1]) for this project." in project("up", "-d").stderr and "prt-two-1" in names()
    assert "orphan" not in project("up", "-d", env={"COMPOSE_IGNORE_ORPHANS": "1"}).stderr
    project("up", "-d", "--remove-orphans")
    assert set(names()) == {"prt-one-1"}


def test_an_unhealthy_dependency_stops_the_start(project, names):
    project.write(WEB.replace("touch /tmp/ready", "true").replace("retries: 50", "retries: 2"))
    done = project("up", "-d", check=1)
    assert "dependency failed to start: container prt-db-1 is unhealthy" in done.stderr
    assert names()["prt-web-1"] == "created" and names()["prt-db-1"] == "running"


def test_a_dependency_that_must_complete(project, names):
    text = """
services:
  migrate: {image: busybox, command: sh -c "sleep 0.3; exit CODE"}
  app: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, depends_on: {migrate: {condition: service_completed_successfully}}}
"""
    done = project.write(text.replace("CODE", "4"))("up", "-d", check=1)
    assert "service \"migrate\" didn't complete successfully: exit 4" in done.stderr and names()["prt-app-1"] == "created"
    project.write(text.replace("CODE", "0"))("up", "-d")
    assert names() == {"prt-migrate-1": "exited", "prt-app-1": "running"}


def test_wait_tells_of_health_and_of_failure(project):
    assert "Container prt-db-1  Healthy" in project.write(WEB)("up", "--wait").stderr
    project.write("services:\n  bad: {image: busybox, command: sh -c 'exit 2'}\n")
    assert "container prt-bad-1 exited (2)" in project("up", "--wait", "--remove-orphans", check=1).stderr


def test_secrets_and_configs_come_from_files_variables_and_the_text(project):
    (project.folder / "secret.txt").write_text("of a file")
    project.write("""
services:
  one:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    secrets: [filed, {source: told, target: renamed, mode: 0400}]
    configs: [{source: written, target: /etc/written}]
secrets:
  filed: {file: ./secret.txt}
  told: {environment: TOLD}
configs:
  written: {content: "of the text"}
""")("up", "-d", env={"TOLD": "of a variable"})
    out = project("exec", "-T", "one", "sh", "-c", "cat /run/secrets/filed /run/secrets/renamed /etc/written; stat -c ' %a' /run/secrets/renamed", env={"TOLD": "x"}).stdout
    assert out == "of a fileof a variableof the text 400\n"


def test_external_things_must_be_there(project, api):
    project.write(ONE + "networks: {default: {external: true, name: outside}}\n")
    assert "network outside declared as external, but could not be found" in project("up", "-d", check=1).stderr
    project.write("services:\n  one: {image: busybox, command: sleep 1000, volumes: ['vol:/v']}\nvolumes: {vol: {external: true, name: prt-gone}}\n")
    assert 'external volume "prt-gone" not found' in project("up", "-d", check=1).stderr


def test_static_addresses_and_network_options(project, inspect, api):
    project.write("""
services:
  one: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, networks: {net: {ipv4_address: 10.98.7.9}}}
networks:
  net: {driver: bridge, internal: true, labels: {kind: back}, ipam: {config: [{subnet: 10.98.7.0/24, gateway: 10.98.7.254}]}}
""")("up", "-d")
    assert inspect("prt-one-1")["NetworkSettings"]["Networks"]["prt_net"]["IPAddress"] == "10.98.7.9"
    network = api.get("/networks/prt_net").json()
    assert network["Internal"] and network["Labels"]["kind"] == "back" and network["IPAM"]["Config"][0]["Gateway"] == "10.98.7.254"


def test_a_namespace_is_shared_and_its_sharer_follows_a_replacement(project, inspect):
    text = """
services:
  owner: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, environment: {V: "1"}}
  guest: {image: busybox, command: sleep 1000, stop_signal: SIGKILL, network_mode: "service:owner"}
"""
    project.write(text)("up", "-d")
    assert inspect("prt-guest-1")["HostConfig"]["NetworkMode"] == "container:" + inspect("prt-owner-1")["Id"]
    project.write(text.replace('"1"', '"2"'))("up", "-d")
    assert inspect("prt-guest-1")["HostConfig"]["NetworkMode"] == "container:" + inspect("prt-owner-1")["Id"]
    assert inspect("prt-guest-1")["State"]["Running"]


ATTACHED = """
services:
  brief: {image: busybox, command: sh -c "echo hi; echo err >&2; sleep 1; exit 3"}
  long: {image: busybox, command: sh -c "trap 'echo bye; exit 0' TERM; echo up; while true; do sleep 0.1; done"}
"""


def test_an_attached_up_ends_with_a_container_when_it_should(project, names):
    done = project.write(ATTACHED)("up", "--abort-on-container-exit", check=3)
    text = done.stdout + done.stderr
    assert "Attaching to brief-1, long-1" in text and "brief-1  | hi\n" in text and "brief-1  | err\n" in text and "long-1   | up\n" in text
    assert "brief-1 exited with code 3" in text and "Aborting on container exit..." in done.stderr
    assert set(names().values()) == {"exited"}
    assert project("up", "--exit-code-from", "brief", check=3).returncode == 3


def test_ctrl_c_stops_the_project_in_peace(project, names):
    process = project.write(ATTACHED).spawn("up")
    deadline = time.time() + 20
    while "exited" not in names().values() and time.time() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "Gracefully stopping... (press Ctrl+C again to force)" in errors
    assert "long-1   | bye" in out and set(names().values()) == {"exited"}


def test_containers_of_a_project_without_a_file(project, names):
    project.write(WEB)("up", "-d")
    (project.folder / "compose.yaml").unlink()
    assert "prt-web-1" in project("ps").stdout
    project("down", "-t", "0")
    assert names() == {}


def test_plan_is_what_up_then_does(project, names):
    text = project.write(WEB)("plan").stdout
    assert "+ create network prt_front" in text and "+ create container prt-web-2" in text and names() == {}
    project("up", "-d")
    assert project("plan").stdout.endswith("Nothing to do.\n")
    project.write(WEB.replace("A: b", "A: c").replace("replicas: 2", "replicas: 1"))
    steps = json.loads(project("plan", "--format", "json").stdout)
    wanted = [step for step in steps if step["Action"] != "keep"]
    assert {(step["Action"], step["Name"]) for step in wanted} == {("recreate", "prt-web-1"), ("remove", "prt-web-2")}
    assert [step for step in wanted if step["Action"] == "recreate"][0]["Reasons"] == ["environment"]


def test_the_name_of_an_interface(project):
    project.write("services: {a: {image: busybox, command: sleep 1000, networks: {default: {interface_name: lan7}}}}\n")
    project("up", "-d")
    assert " lan7" in project("exec", "-T", "a", "ip", "-o", "link").stdout


def test_the_sockets_flag_is_refused_by_name(project, names):
    project.write("services: {a: {image: busybox, use_api_socket: true}}\n")
    refused = project("up", "-d", check=1)
    assert "services.a.use_api_socket is not supported" in refused.stderr and not names()
