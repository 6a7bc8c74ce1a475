"""POST /build as the classic builder answers it. Proven on Docker 20.10 and 26.1."""
import json
import re
import threading
import time

import pytest

from support.contexts import build, config, context, must_build, run
from support.http import Http


def test_says_what_it_does(api, name):
    built = must_build(api, "FROM busybox\nRUN echo out; echo err >&2\nCMD [\"x\"]\n", t=name)
    assert [line["stream"] for line in built.lines[:2]] == ["Step 1/3 : FROM busybox", "\n"]
    assert re.search(r"^Step 1/3 : FROM busybox\n ---> [0-9a-f]{12}\nStep 2/3 : RUN echo out; echo err >&2\n ---> Running in [0-9a-f]{12}\n", built.text)
    assert "out\n" in built.text and "\x1b[91merr\n\x1b[0m" in built.text
    assert re.search(r"Remov(ed|ing) intermediate container [0-9a-f]{12}\n ---> [0-9a-f]{12}\nStep 3/3 : CMD \[\"x\"\]\n", built.text)
    assert built.text.endswith(f"Successfully built {built.id[7:19]}\nSuccessfully tagged {name}:latest\n")
    assert api.get(f"/images/{name}/json").json()["Id"] == built.id
    assert api.get("/containers/json?all=1").json() == []


def test_a_second_build_uses_the_cache(api, name):
    text = f"FROM busybox\nENV A={name}\nRUN echo x > /x\nCOPY f /f\nLABEL l=1\n"
    first = must_build(api, text, {"f": "one"})
    second = must_build(api, text, {"f": "one"})
    assert second.cached == 4 and second.id == first.id
    changed = must_build(api, text, {"f": "two"})
    assert changed.cached == 2 and changed.id != first.id
    assert must_build(api, text, {"f": "one"}, nocache=1).cached == 0


def test_a_failing_command_fails_the_build(api):
    built = build(api, "FROM busybox\nRUN echo before; exit 3\nRUN echo never\n", forcerm=1)
    assert built.status == 200
    assert built.error == {"code": 3, "message": "The command '/bin/sh -c echo before; exit 3' returned a non-zero code: 3"}
    assert built.lines[-1]["error"] == built.error["message"]
    assert "before\n" in built.text and "Step 3/3" not in built.text
    assert api.get("/containers/json?all=1").json() == []


def test_keeps_containers_when_asked(api):
    must_build(api, "FROM busybox\nRUN echo kept > /kept\n", rm=0)
    containers = api.get("/containers/json?all=1").json()
    assert [c["State"] for c in containers] == ["exited"]
    built = build(api, "FROM busybox\nRUN exit 1\n")
    assert built.error and len(api.get("/containers/json?all=1").json()) == 2


def test_quiet_says_the_id_only(api):
    built = build(api, "FROM busybox\nRUN echo loud\n", q=1)
    assert len(built.lines) == 1 and re.fullmatch(r"sha256:[0-9a-f]{64}\n", built.lines[0]["stream"])


@pytest.mark.parametrize("text, query, status, words", [
    ("FROM busybox\nFOO bar\n", {}, 400, "unknown instruction: FOO"),
    ("", {}, 400, "the Dockerfile (Dockerfile) cannot be empty"),
    ("# nothing\n", {}, 400, "file with no instructions"),
    ("RUN x\n", {}, 400, "no build stage in current context"),
    ("FROM busybox\n", {"target": "nope"}, 400, "nope"),
    ("FROM busybox\n", {"t": "UPPER"}, 400, "invalid reference format"),
    ("FROM busybox\n", {"dockerfile": "missing"}, 500, "Cannot locate specified Dockerfile: missing"),
    ("FROM busybox\n", {"buildargs": "{"}, 400, "build"),
])
def test_requests_that_cannot_begin(api, text, query, status, words):
    built = build(api, text, **query)
    assert built.status in (status, 500) and words in built.answer.json()["message"], built.answer


@pytest.mark.proa
def test_refuses_what_it_cannot_do_by_name(api):
    for query, words in [({"version": "2"}, "BuildKit"), ({"squash": "1"}, "squash"), ({"isolation": "hyperv"}, "isolation"), ({"outputs": '[{"Type":"local"}]'}, "outputs"),
                         ({"platform": "foobar"}, "unknown operating system")]:
        built = build(api, "FROM busybox\n", **query)
        assert built.status == 400 and words in built.answer.json()["message"], built.answer


def test_sets_the_configuration(api, name):
    must_build(api, """FROM busybox
MAINTAINER someone
ENV A=1 B="two words"
ENV C three words
LABEL a=1 "b c"=$A
EXPOSE 80 90-91/udp
VOLUME /v /x
WORKDIR /w
WORKDIR sub
USER alice
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=2s --retries=4 CMD true
ONBUILD RUN echo hi
SHELL ["/bin/sh", "-ec"]
ENTRYPOINT echo
CMD ["a", "b"]
""", t=name)
    made = config(api, name)
    assert made["Env"][1:] == ["A=1", "B=two words", "C=three words"]
    assert made["Labels"] == {"a": "1", "b c": "1"}
    assert set(made["ExposedPorts"]) == {"80/tcp", "90/udp", "91/udp"}
    assert set(made["Volumes"]) == {"/v", "/x"}
    assert (made["WorkingDir"], made["User"], made["StopSignal"]) == ("/w/sub", "alice", "SIGTERM")
    assert made["Healthcheck"] == {"Test": ["CMD-SHELL", "true"], "Interval": 2000000000, "Retries": 4}
    assert made["OnBuild"] == ["RUN echo hi"]
    assert made["Shell"] == ["/bin/sh", "-ec"]
    assert made["Entrypoint"] == ["/bin/sh", "-ec", "echo"] and made["Cmd"] == ["a", "b"]
    assert api.get(f"/images/{name}/json").json()["Author"] == "someone"
    history = [entry["CreatedBy"] for entry in api.get(f"/images/{name}/history").json()]
    assert history[0] == '/bin/sh -ec #(nop)  CMD ["a" "b"]'
    assert "/bin/sh -c #(nop)  ENV A=1 B=two words" in history
    child = must_build(api, f"FROM {name}\nENTRYPOINT []\n")
    assert "# Executing 1 build trigger\n" in child.text and "hi\n" in child.text
    assert not config(api, child.id).get("OnBuild") and not config(api, child.id)["Cmd"]


def test_build_arguments(api, name):
    text = "ARG TAG=latest\nFROM busybox:$TAG\nARG A=one\nARG B\nARG TAG\nRUN echo \"$A-$B-$TAG-$C\" > /out\nENV E=$A\nCMD cat /out\n"
    must_build(api, text, t=name)
    assert run(api, name)[1] == "one--latest-\n"
    built = must_build(api, text, t=name, buildargs={"A": "1", "B": "2", "C": "3"})
    assert run(api, name)[1] == "1-2-latest-\n"
    assert "E=1" in config(api, name)["Env"]
    assert "[Warning] One or more build-args [C] were not consumed\n" in built.text
    history = [entry["CreatedBy"] for entry in api.get(f"/images/{name}/history").json()]
    assert any(entry.startswith("|3 A=1 B=2 TAG=latest /bin/sh -c echo") for entry in history)


def test_stages(api, name):
    text = """FROM busybox AS first
RUN echo one > /one
FROM busybox AS Second
COPY --from=first /one /two
RUN cat /two
FROM second
COPY --from=0 /one /three
COPY --from=busybox /etc/passwd /four
CMD cat /two /three
"""
    must_build(api, text, t=name)
    assert run(api, name)[1] == "one\none\n"
    targeted = must_build(api, text, target="FIRST")
    assert run(api, targeted.id, "cat", "/one")[1] == "one\n"
    assert run(api, targeted.id, "ls", "/two")[0] == 1


def test_copies_as_docker(api, name):
    files = {"a": "A", "d/": "", "d/x": ("X", 0o755), "d/sub/": "", "d/sub/y": "Y", "l": "->a", "sp ace": "S", "g1.txt": "1", "g2.txt": "2"}
    must_build(api, """FROM busybox
COPY a /one
COPY a /into/
COPY d /d
COPY d/ /e/
COPY ["sp ace", "/s/"]
COPY g*.txt /g/
COPY --chown=alice:staff a /owned
COPY --chown=1234 d /ownedd
WORKDIR /w
COPY a .
COPY a d/x ./many/
ADD a /added

""", files, t=name)
    code, out, err = run(api, name, "sh", "-c", "cat /one /into/a /d/x /d/sub/y /e/x '/s/sp ace' /g/g1.txt /g/g2.txt /w/a /w/many/a /w/many/x /added;"
                         "stat -c ' %u:%g:%a' /one /owned /ownedd /ownedd/x /d/x /into")
    assert (code, err) == (0, "")
    assert out == "AAXYXS12AAXA 0:0:644\n 1000:50:644\n 1234:1234:755\n 1234:1234:755\n 0:0:755\n 0:0:755\n"


@pytest.mark.parametrize("line, words", [
    ("COPY nosuch /x", "nosuch"),
    ("COPY no*such /x", "no source files were specified"),
    ("COPY a b /x", "When using COPY with more than one source file, the destination must be a directory and end with a /"),
    ("COPY --chown=nobody-here a /x", "no such user: nobody-here"),
    ("STOPSIGNAL NOPE", "NOPE"),
    ("FROM $NOPE", "base name ($NOPE) should not be blank"),
    ("RUN nosuchprogram", "returned a non-zero code: 127"),
])
def test_steps_that_fail(api, line, words):
    built = build(api, f"FROM busybox\n{line}\n", {"a": "A", "b": "B"}, forcerm=1)
    said = built.error["message"] if built.error else built.answer.json()["message"]
    assert words in said, built.answer


def test_add_unpacks_archives(api, name):
    for compress in ("", "gz", "bz2", "xz"):
        inner = context({"in/": "", "in/f": "deep"}, compress)
        built = must_build(api, "FROM busybox\nADD x.tar /o/\nCOPY x.tar /c/\n", {"x.tar": inner})
        assert run(api, built.id, "sh", "-c", "cat /o/in/f; test -f /c/x.tar; echo $?")[1] == "deep0\n"


def test_contexts_may_be_compressed(api):
    for compress in ("gz", "bz2", "xz"):
        must_build(api, "FROM busybox\nCOPY f /f\n", {"f": "x"}, compress=compress)


def test_leaves_the_ignore_file_out(api):
    built = must_build(api, "FROM busybox\nCOPY . /c/\n", {".dockerignore": "Dockerfile\n.dockerignore\n", "f": "x"})
    assert run(api, built.id, "ls", "-A", "/c")[1] == "f\n"


def test_another_dockerfile(api):
    built = must_build(api, "FROM nosuch\n", {"sub/": "", "sub/Other": "FROM busybox\nENV OTHER=1\n"}, dockerfile="sub/Other")
    assert "OTHER=1" in config(api, built.id)["Env"]
    outside = build(api, "FROM busybox\n", dockerfile="../x")
    assert outside.status in (400, 500) and "outside the build context" in outside.answer.json()["message"]


def test_from_scratch(api):
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    built = must_build(api, "FROM scratch\nCOPY b /bin/busybox\nRUN [\"/bin/busybox\", \"mkdir\", \"/made\"]\nCMD [\"/bin/busybox\", \"ls\", \"/\"]\n", {"b": (program, 0o755)})
    out = run(api, built.id)[1].split()
    assert "made" in out and "bin" in out
    layers = api.get(f"/images/{built.id}/json").json()["RootFS"]["Layers"]
    assert len(layers) == 2


def test_labels_tags_and_limits(api, name):
    built = must_build(api, "FROM busybox\nRUN df -k /dev/shm | tail -1 | awk '{print $2}'; ulimit -n; grep extra /etc/hosts\n", labels={"x": "y z", "q": "it's"}, t=[name, name + ":2"],
                       shmsize=8 << 20, ulimits='[{"Name":"nofile","Soft":111,"Hard":222}]', extrahosts="extra:10.1.2.3")
    assert "8192\n111\n10.1.2.3\textra\n" in built.text
    assert config(api, name)["Labels"] == {"x": "y z", "q": "it's"}
    assert f"Successfully tagged {name}:latest\nSuccessfully tagged {name}:2\n" in built.text
    assert api.get(f"/images/{name}:2/json").status == 200


def test_network_mode_none(api):
    built = must_build(api, "FROM busybox\nRUN ls /sys/class/net\n", networkmode="none")
    assert "\nlo\n" in built.text and "eth0" not in built.text


def test_cache_from_limits_the_cache(api, name):
    text = f"FROM busybox\nENV NAME={name}\nRUN touch baz\nRUN touch bax\n"
    must_build(api, text, t=name)
    assert must_build(api, text, cachefrom=json.dumps([name])).cached == 3
    assert must_build(api, text, cachefrom=json.dumps(["nosuchtag"])).cached == 0


def test_removed_files_stay_removed(api):
    built = must_build(api, "FROM busybox\nRUN rm /www/index.html && rmdir /www && mkdir /www && echo new > /www/new\n")
    assert run(api, built.id, "ls", "/www")[1] == "new\n"


def test_a_step_without_changes_has_no_layer(api):
    built = must_build(api, "FROM busybox\nRUN true\nWORKDIR /etc\nENV A=1\n")
    base = api.get("/images/busybox/json").json()["RootFS"]["Layers"]
    assert api.get(f"/images/{built.id}/json").json()["RootFS"]["Layers"] == base


def test_ends_with_its_client(engine, api):
    stream = Http(engine.socket, api.version).open("POST", "/build", context({"Dockerfile": "FROM busybox\nRUN echo begun; sleep 300\n"}), [("Content-Type", "application/x-tar")])
    try:
        seen = b""
        while b"begun" not in seen:
            seen += stream.read_some()
    finally:
        stream.close()
    deadline = time.time() + 15
    while api.get("/containers/json?all=1").json() and time.time() < deadline:
        time.sleep(0.05)
    assert api.get("/containers/json?all=1").json() == []


def test_builds_at_the_same_time(api, engine):
    results = []

    def one(number):
        own = Http(engine.socket, api.version, timeout=60)
        results.append(build(own, f"FROM busybox\nRUN echo {number} > /n && sleep 0.2\nRUN cat /n\n"))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4 and all(r.id and not r.error for r in results)


def test_prune_removes_what_nothing_uses(api):
    must_build(api, "FROM busybox\nRUN echo prune-me > /x\n")
    answer = api.post("/build/prune?all=1").json()
    assert isinstance(answer["SpaceReclaimed"], int) and "CachesDeleted" in answer


@pytest.mark.proa
def test_sources_stop_at_the_context(api):
    built = must_build(api, "FROM busybox\nCOPY ../../a /clamped\n", {"a": "A"})
    assert run(api, built.id, "cat", "/clamped")[1] == "A"
    outside = build(api, "FROM busybox\nCOPY l /link\n", {"l": "->/etc/shadow"})
    assert "file does not exist" in outside.error["message"]
