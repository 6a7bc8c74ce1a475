"""The daemon killed in the middle of a build."""
import os

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
