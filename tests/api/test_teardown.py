"""proad --teardown: the engine leaves its host, and comes back."""
import os
import subprocess

from conftest import Api
from support.waiting import wait_until


def tear_down(engine):
    return subprocess.run(engine.command(["--teardown"]), capture_output=True, text=True, timeout=60, check=False)


def links_of(engine):
    links = [line.split(": ")[1] for line in subprocess.check_output(["ip", "-o", "link"], text=True).splitlines()]
    return [name for name in links if name.startswith(("proa", "br-", "vethp", engine.bridge))]


def test_it_stops_containers_and_takes_everything_out_of_the_kernel(private_engine):
    engine = private_engine
    engine.start()
    engine.load()
    api = Api(engine)
    assert api.post("/networks/create", {"Name": "own"}).status == 201
    assert api.post("/volumes/create", {"Name": "memory", "DriverOpts": {"type": "tmpfs", "device": "tmpfs"}}).status == 201
    patient = api.run("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done", name="patient",
                      host={"NetworkMode": "own", "Binds": ["memory:/memory"], "RestartPolicy": {"Name": "unless-stopped"}, "PortBindings": {"80/tcp": [{"HostPort": "8097"}]}})
    hasty = api.run("sleep", "1000", name="hasty", host={"AutoRemove": True})
    pids = [api.state(container)["Pid"] for container in (patient, hasty)]

    refused = tear_down(engine)
    assert refused.returncode == 1 and "another proad uses the data root" in refused.stderr

    engine.stop()
    assert all(os.path.exists(f"/proc/{pid}") for pid in pids)
    done = tear_down(engine)
    assert done.returncode == 0, done
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    wait_until(lambda: not links_of(engine), 20, "the kernel to end the namespaces and their links")
    assert "proa" not in subprocess.check_output(["nft", "list", "tables"], text=True)
    assert engine.cgroups() == []
    assert engine.directory not in open("/proc/self/mountinfo").read()

    engine.start()
    wait_until(lambda: api.state(patient)["Running"], 20, "its policy to start it")
    assert api.get(f"/containers/{hasty}/json").status == 404
    assert "own" in api.inspect(patient)["NetworkSettings"]["Networks"]


def test_it_does_nothing_on_a_host_that_has_nothing(private_engine):
    assert tear_down(private_engine).returncode == 0
    assert tear_down(private_engine).returncode == 0
