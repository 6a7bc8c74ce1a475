"""The corpus as Docker built it (golden.json, recorded on Docker 20.10's classic builder) and as the engine under test builds it.

    PROA_TEST_DOCKERD=/usr/sbin/dockerd PROA_TEST_RECORD=1 pytest build/test_differential.py     # records anew
    PROA_TEST_DOCKERD=/usr/sbin/dockerd pytest build/test_differential.py                        # proves the record
"""
import json
import os

import pytest

from build.corpus import CASES, facts, flatten
from support.contexts import build

GOLDEN = os.path.join(os.path.dirname(__file__), "golden.json")
golden = json.load(open(GOLDEN)) if os.path.exists(GOLDEN) else {}

# Where Proa does as BuildKit does, or better, and says why.
def with_files(**changed):
    return lambda expected: {**expected, "files": {**expected["files"], **{path.replace("__", "/"): value for path, value in changed.items()}}}


DIFFERENT = {
    # BuildKit and newer engines clean the path.
    "meta-22": lambda expected: {**expected, "config": {**expected["config"], "WorkingDir": "/etc"}},
    # BuildKit: a directory that WORKDIR makes belongs to the USER.
    "meta-inherited": with_files(home__alice__sub=["d755", "1000:1000", ""]),
    # BuildKit: commands of a build see no volumes, so VOLUME alone makes no directory.
    "run-22": lambda expected: {"fails": 1},
}


@pytest.fixture(scope="module")
def bases(engine):
    from support.http import Http
    api = Http(engine.socket, engine.api_version, timeout=120)
    return {name: flatten(api.get(f"/images/{name}/get").body) for name in ("busybox",)}


@pytest.mark.parametrize("name, text, files, query", CASES, ids=[case[0] for case in CASES])
def test_builds_what_docker_builds(api, engine, bases, name, text, files, query):
    base = bases["busybox"]
    found = facts(api, build(api, text, files, forcerm=1, **query), base)
    if os.environ.get("PROA_TEST_RECORD"):
        golden[name] = found
        with open(GOLDEN, "w") as file:
            json.dump(golden, file, indent=None, separators=(",", ":"), sort_keys=True)
        return
    expected = golden[name]
    if name in DIFFERENT and not engine.is_docker():
        expected = DIFFERENT[name](expected)
    assert found == expected
