"""What BuildKit added to the language and the classic builder refuses."""
import base64
import json
import re
import time

import pytest

from support.contexts import build, context, must_build, run
from support.images import NATIVE

pytestmark = pytest.mark.proa


def extension(**members):
    return [("X-Proa-Build", base64.b64encode(json.dumps(members).encode()).decode())]


def test_heredocs(api, name):
    built = must_build(api, """FROM busybox
ARG WHO=world
RUN <<EOF
echo "from $0 $WHO" > /one
echo second >> /one
EOF
RUN <<-"A" cat > /two && cat <<B >> /two
\tkept $WHO
\tA
more
B
RUN <<EOF
#!/bin/busybox sh
echo "script $WHO" > /three
EOF
COPY <<EOF <<"PLAIN" /d/
hello "$WHO" \\$WHO
EOF
raw $WHO
PLAIN
CMD cat /one /two /three /d/EOF /d/PLAIN
""", t=name)
    assert run(api, name)[1] == "from /bin/sh world\nsecond\nkept $WHO\nmore\nscript world\nhello \"world\" $WHO\nraw $WHO\n"
    assert "/dev/pipes" not in run(api, built.id, "find", "/", "-xdev", "-newer", "/one")[1]


def test_mounts_are_there_and_leave_no_trace(api, name):
    text = """FROM busybox AS base
RUN echo staged > /staged
FROM busybox
RUN --mount=type=bind,target=/src --mount=type=bind,from=base,source=/staged,target=/s --mount=type=tmpfs,target=/t,size=1m --mount=type=cache,target=/c,id=%s,mode=0700,uid=1000 \\
    cat /src/f /s; echo x > /t/x; stat -c %%a:%%u /c; echo cached >> /c/log; cat /c/log; ! touch /src/no 2>/dev/null
RUN --mount=type=bind,rw,target=/src echo changed > /src/f; cat /src/f
RUN ls /src /s /t /c; true
COPY f /f
""" % name
    built = must_build(api, text, {"f": "file\n"})
    assert "file\nstaged\n700:1000\ncached\n" in built.text and "changed\n" in built.text
    assert run(api, built.id, "sh", "-c", "ls -d /src /s /t /c; cat /f")[1] == "file\n"
    again = must_build(api, text, {"f": "file\n"}, nocache=1)
    assert "cached\ncached\n" in again.text


def test_secrets_stay_out(api):
    text = "FROM busybox\nRUN --mount=type=secret,id=s cat /run/secrets/s > /dev/null && stat -c %a /run/secrets/s\nRUN --mount=type=secret,id=s,env=TOKEN,target=/k echo ${#TOKEN}; cat /k | wc -c\n" \
           "RUN ls /run/secrets /k 2>&1; echo \"none:$TOKEN\"\nRUN --mount=type=secret,id=optional test ! -e /run/secrets/optional\n"
    canary = "canary-5f3c9a"
    built = must_build(api, text, headers=extension(secrets={"s": base64.b64encode(canary.encode()).decode()}))
    assert "400\n" in built.text and "13\n" in built.text and "none:\n" in built.text
    assert canary not in built.text
    assert canary not in json.dumps(api.get(f"/images/{built.id}/json").json()) + json.dumps(api.get(f"/images/{built.id}/history").json())
    _, out, _ = run(api, built.id, "sh", "-c", f"grep -r {canary[:10]} /run /k /tmp /etc 2>/dev/null; ls /run 2>/dev/null")
    assert canary not in out and "secrets" not in out
    other = must_build(api, text, headers=extension(secrets={"s": base64.b64encode(b"another-value").decode()}))
    assert other.id == built.id
    missing = build(api, "FROM busybox\nRUN --mount=type=secret,id=s,required true\n")
    assert missing.error["message"] == "secret s: not found"


def test_network_and_security_of_one_command(api):
    built = must_build(api, "FROM busybox\nRUN --network=none ls /sys/class/net\n")
    assert "eth0" not in built.text
    refused = build(api, "FROM busybox\nRUN --security=insecure id\n", forcerm=1)
    assert "security.insecure is not allowed" in refused.error["message"]
    text = "FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status\nRUN grep CapEff /proc/self/status\n"
    allowed = must_build(api, text, headers=extension(allow=["security.insecure"]))
    first, second = re.findall(r"CapEff:\t([0-9a-f]+)", allowed.text)
    assert int(first, 16) > int(second, 16)


def test_copy_flags(api):
    files = {"d/": "", "d/s/": "", "x/": "", "x/y/": "", "d/a.txt": "a", "d/b.md": "b", "d/s/c.txt": "c", "x/y/z.txt": "z"}
    built = must_build(api, """FROM busybox
COPY --chmod=u=rw,go= d/a.txt /one
COPY --chmod=750 d /two
COPY --exclude=*.md --exclude=s d /three
COPY --parents x/y/z.txt /four/
COPY --parents x/./y/*.txt /five/
COPY --link d /six
ADD --chmod=0600 d/a.txt /seven
""", files)
    out = run(api, built.id, "sh", "-c", "stat -c %a /one /two /two/a.txt /seven; cd /; find three four five six -type f | sort")[1].split()
    assert out[:4] == ["600", "755", "750", "600"]
    assert out[4:] == ["five/y/z.txt", "four/x/y/z.txt", "six/a.txt", "six/b.md", "six/s/c.txt", "three/a.txt"]


def test_add_can_leave_archives_packed(api):
    inner = context({"f": "x"}, "gz")
    built = must_build(api, "FROM busybox\nADD --unpack=false x.tgz /o/\n", {"x.tgz": inner})
    assert run(api, built.id, "ls", "/o")[1] == "x.tgz\n"


def test_stages_that_nobody_needs_are_skipped(api):
    built = must_build(api, "FROM busybox AS unused\nRUN exit 1\nFROM busybox\nRUN echo done\n")
    assert "Step 1/2" in built.text and "done" in built.text


def test_stages_build_at_the_same_time(api, name):
    # Each waits for the other's file in a cache mount: one after the other they would never end.
    mount = f"--mount=type=cache,target=/c,id={name}"

    def rendezvous(mine, other):
        return f"RUN {mount} touch /c/{mine}; for i in $(seq 100); do test -e /c/{other} && exit 0; sleep 0.1; done; exit 1\n"

    built = must_build(api, f"FROM busybox AS a\n{rendezvous('a', 'b')}RUN echo a > /a\nFROM busybox AS b\n{rendezvous('b', 'a')}RUN echo b > /b\n"
                            "FROM busybox\nCOPY --from=a /a /a\nCOPY --from=b /b /b\n", nocache=1)
    assert [int(n) for n in re.findall(r"Step (\d+)/9", built.text)] == list(range(1, 10))


def test_equal_sources_give_equal_images(api):
    text = "FROM busybox\nARG SOURCE_DATE_EPOCH\nWORKDIR /w\nCOPY f d /w/\nRUN echo x > /x; mkdir -p /y/z\n"
    ids = {must_build(api, text, {"f": "same", "d/": "", "d/g": "g"}, nocache=1, buildargs={"SOURCE_DATE_EPOCH": "1700000000"}).id for _ in range(2)}
    assert len(ids) == 1
    assert api.get(f"/images/{ids.pop()}/json").json()["Created"] == "2023-11-14T22:13:20Z"


def test_a_label_before_a_command_keeps_its_files(api, name):
    must_build(api, f"FROM busybox\nRUN echo {name} > /x\n")
    built = must_build(api, f"FROM busybox\nLABEL a=1\nRUN echo {name} > /x\n")
    assert built.cached >= 1 and "Running in" not in built.text
    changed = must_build(api, f"FROM busybox\nENV A=1\nRUN echo {name} > /x\n")
    assert "Running in" in changed.text


def test_says_why(api, name):
    def reasons(text, files=None, **arguments):
        built = must_build(api, text, files, headers=extension(explain=True), t=f"{name}:{time.time_ns()}", **arguments)
        return [line.partition(" ---> ")[2] for line in built.text.splitlines() if "he cache: " in line]

    text = "FROM busybox\nARG VERSION=1\nENV MODE=a\nRUN echo $VERSION > /v\nCOPY --chmod=644 app /app/\nRUN --mount=type=bind,source=requirements.txt,target=/r cat /r > /out\n"
    files = {"app/main.py": "1", "app/lib/util.py": "2", "requirements.txt": "x"}
    assert set(reasons(text, files)) == {"Not from the cache: no earlier build had this step"}
    assert set(reasons(text, files)) == {"From the cache: nothing that the step depends on has changed"}
    assert reasons(text, {**files, "app/lib/util.py": "3"})[3:] == [
        "Not from the cache: app/lib/util.py has changed", "Not from the cache: what the steps before it made has changed"]
    assert reasons(text, {**files, "app/new.py": ""})[3] == "Not from the cache: app/lib/util.py has changed"
    assert reasons(text, {**files, "app/extra.py": "", "app/new.py": ""})[3] == "Not from the cache: app/extra.py is new"
    assert reasons(text, files)[3].startswith("From the cache: ")
    assert reasons(text, {**files, "requirements.txt": "y"})[3:] == [
        "From the cache: nothing that the step depends on has changed", "Not from the cache: --mount=type=bind,source=requirements.txt,target=/r has changed"]
    assert reasons(text, files, buildargs=json.dumps({"VERSION": "2"}))[:3] == [
        "From the cache: nothing that the step depends on has changed"] * 2 + ["Not from the cache: ARG VERSION has changed"]
    reasons(text, files)
    assert "Not from the cache: ENV MODE has changed" in reasons(text.replace("MODE=a", "MODE=b"), files)
    assert reasons(text, files, nocache=1)[0] == "Not from the cache: it was not to be used"


def test_platform_arguments(api):
    built = must_build(api, "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\nARG TARGETOS\nRUN echo $TARGETOS-$TARGETARCH\n")
    assert f"linux-{NATIVE}\n" in built.text


def test_proxies_reach_commands_only(api):
    built = must_build(api, "FROM busybox\nRUN echo $http_proxy\n", buildargs={"http_proxy": "http://proxy.test"})
    assert "http://proxy.test\n" in built.text and "not consumed" not in built.text
    assert "proxy.test" not in json.dumps(api.get(f"/images/{built.id}/json").json()) + json.dumps(api.get(f"/images/{built.id}/history").json())


def test_steps_are_hidden_images(api, name):
    must_build(api, f"FROM busybox\nENV STEP={name}\nENV B=2\n", t=name)
    hidden = [image for image in api.get("/images/json?all=1").json() if not image["RepoTags"]]
    listed = [image for image in api.get("/images/json").json() if not image["RepoTags"]]
    assert len(hidden) > len(listed)


@pytest.mark.parametrize("line, words", [
    ("RUN --mount=type=foo,target=/x true", "unsupported mount type \"foo\""),
    ("RUN --mount=target=/x,nope=1 true", "unexpected key 'nope' in 'nope=1'"),
    ("RUN --mount=type=cache true", "target is required"),
    ("RUN --mount=type=bind,source=nosuch,target=/x true", "\"/nosuch\": not found"),
    ("COPY --chmod=9x f /x", "invalid chmod parameter: '9x'. it should be octal string and between 0 and 07777"),
    ("ADD https://example.invalid/r.git#--upload-pack=x /x", "invalid refspec"),
    ("ADD ext::sh /x", "file does not exist"),
])
def test_steps_that_fail(api, line, words):
    built = build(api, f"FROM busybox\n{line}\n", {"f": "x"}, forcerm=1)
    assert built.error and words in built.error["message"], built.answer
