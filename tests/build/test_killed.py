"""The daemon and clients killed in the middle of builds."""
import base64
import json
import os
import random
import subprocess
import time

import pytest

from support.contexts import context, must_build
from support.http import Http

pytestmark = pytest.mark.proa


def test_boot_removes_what_a_killed_build_left(private_engine):
    engine = private_engine.start()
    engine.load()
    http = Http(engine.socket, "1.45", timeout=60)
    stream = http.open("POST", "/build", context({"Dockerfile": "FROM busybox\nRUN echo one > /one\nRUN echo begun; sleep 300\n"}), [("Content-Type", "application/x-tar")])
    stream.read_until(b'"begun')
    engine.kill()
    stream.close()
    engine.start()
    assert http.get("/containers/json?all=1").json() == [], engine.log_tail()
    assert not os.path.exists(engine.data_root + "/builds") or os.listdir(engine.data_root + "/builds") == []
    again = must_build(http, "FROM busybox\nRUN echo one > /one\nRUN echo two\n")
    assert again.cached == 1


def test_random_kills_leave_nothing_that_is_not_whole(private_engine):
    engine = private_engine.start()
    engine.load()
    chance = random.Random(7)
    text = "FROM busybox AS a\nRUN for i in 1 2 3 4 5 6; do echo $i > /a$i; done\nRUN head -c 3000000 /dev/urandom > /big\nFROM busybox AS b\nCOPY files /b/\nRUN --mount=type=cache,target=/c echo x >> /c/x\n" \
           "FROM busybox\nCOPY --from=a /a1 /big /\nCOPY --from=b /b /b\nRUN echo end > /end\n"
    body = context({"Dockerfile": text, "files/": "", **{f"files/{i}": "x" * 5000 for i in range(50)}})
    for number in range(int(os.environ.get("PROA_TEST_KILLS", 12))):
        http = Http(engine.socket, "1.45", timeout=60)
        stream = http.open("POST", f"/build?nocache={number % 2}&t=killed", body, [("Content-Type", "application/x-tar")])
        time.sleep(chance.uniform(0, 0.6))
        if number % 3 == 2:
            stream.close()  # the client goes
            deadline = time.monotonic() + 20
            while (http.get("/containers/json?all=1").json() or os.listdir(engine.data_root + "/builds")) and time.monotonic() < deadline:
                time.sleep(0.05)
        else:
            engine.kill()
            stream.close()
            engine.start()
        http = Http(engine.socket, "1.45", timeout=60)
        assert http.get("/containers/json?all=1").json() == [], engine.log_tail()
        assert not os.path.exists(engine.data_root + "/builds") or os.listdir(engine.data_root + "/builds") == []
        assert engine.data_root + "/builds" not in open("/proc/self/mounts").read()
        built = must_build(http, text, body=body)
        records = engine.data_root + "/build/records"
        for name in os.listdir(records) if os.path.exists(records) else []:
            with open(f"{records}/{name}") as file:
                assert json.load(file)["type"]
        container = http.post("/containers/create", json.dumps({"Image": built.id, "Cmd": ["sh", "-c", "test $(wc -c < /big) = 3000000 && test $(ls /b | wc -l) = 50 && cat /a1 /end"]}).encode(),
                              [("Content-Type", "application/json")]).json()["Id"]
        http.post(f"/containers/{container}/start", b"")
        assert http.post(f"/containers/{container}/wait", b"").json()["StatusCode"] == 0
        http.delete(f"/containers/{container}?force=1")


def test_a_secret_is_nowhere_afterwards_nor_in_other_steps(private_engine):
    engine = private_engine.start()
    engine.load()
    http = Http(engine.socket, "1.45", timeout=60)
    canary = "canary-7d1f0c2b9e"
    text = "FROM busybox AS a\nRUN --mount=type=secret,id=s test $(wc -c < /run/secrets/s) = 17 && touch /seen && sleep 2\nRUN --mount=type=secret,id=s,env=TOKEN test ${#TOKEN} = 17 && touch /seen-too\nFROM busybox AS b\n" \
           "RUN sleep 1; ! grep -l canary[-]7 /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/mountinfo /run/secrets/* 2>/dev/null | grep -v /self/\nFROM busybox\nCOPY --from=a /seen /seen-too /\nCOPY --from=b /etc/passwd /b\n"
    extension = base64.b64encode(json.dumps({"secrets": {"s": base64.b64encode(canary.encode()).decode()}}).encode()).decode()
    built = must_build(http, text, headers=[("X-Proa-Build", extension)])
    assert canary not in built.answer.body.decode()
    archive = http.get(f"/images/{built.id}/get").body
    assert canary.encode() not in archive
    found = subprocess.run(["grep", "-rl", canary, engine.data_root, engine.exec_root, engine.log_path], capture_output=True, text=True).stdout
    assert found == "", found
