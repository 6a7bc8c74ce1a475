"""Contexts and the ways to an engine that they name. Every test holds for the real docker client: PROA_TEST_CLI=/usr/bin/docker."""
import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
import zipfile

import pytest


@pytest.fixture(autouse=True)
def tidy():
    """Instead of the suite's: nothing here makes containers."""


@pytest.fixture
def client(tmp_path, engine):
    """The client under the name docker with an empty configuration: called with words, gives (code, output, errors)."""
    program = os.environ.get("PROA_TEST_CLI", os.path.join(engine.bin, "proa"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").symlink_to(program)
    config = tmp_path / "config"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}

    def call(*words, stdin=b"", **environment):
        path = f"{tmp_path}/bin:{kept['PATH']}"
        done = subprocess.run(["docker", *words], input=stdin, capture_output=True, timeout=30, cwd=tmp_path, env={**kept, "PATH": path, "DOCKER_CONFIG": str(config), **environment})
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode()

    call.config = config
    call.folder = tmp_path
    call.bytes = lambda *words: subprocess.run([tmp_path / "bin" / "docker", *words], capture_output=True, timeout=30, env={**kept, "DOCKER_CONFIG": str(config)}).stdout
    return call


def make_certificate(path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-out", path, "-days", "1", "-subj", "/CN=x"], check=True, capture_output=True)


def meta(client, name):
    return client.config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"


def missing(client, name):
    return f'context "{name}": context not found: open {meta(client, name)}: no such file or directory\n'


def test_a_context_is_kept_where_docker_keeps_it(client):
    assert client("context", "create", "ab", "--description", "first one", "--docker", "host=unix:///tmp/x.sock") == (0, "ab\n", 'Successfully created context "ab"\n')
    assert meta(client, "ab").read_text() == '{"Name":"ab","Metadata":{"Description":"first one"},"Endpoints":{"docker":{"Host":"unix:///tmp/x.sock","SkipTLSVerify":false}}}'
    assert client("context", "create", "ab") == (1, "", 'context "ab" already exists\n')
    assert client("context", "create", "cd", "--from", "ab")[0] == 0
    assert json.loads(meta(client, "cd").read_text())["Metadata"] == {"Description": "first one"}
    assert client("context", "create", "ef", "--docker", "from=ab")[0] == 0
    assert meta(client, "ef").read_text() == '{"Name":"ef","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///tmp/x.sock","SkipTLSVerify":false}}}'


@pytest.mark.parametrize("words, text", [
    (["default"], '"default" is a reserved context name'),
    (["x y"], 'context name "x y" is invalid, names are validated against regexp "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"'),
    (["ab", "--docker", "foo=bar"], "unable to create docker endpoint config: unrecognized config key: foo"),
    (["ab", "--docker", "host=tcp://h:1,ca=/nope"], "unable to create docker endpoint config: open /nope: no such file or directory"),
    (["ab", "--docker", "host=tcp://h:1,ca=/etc/hostname"],
     "unable to create docker endpoint config: invalid docker endpoint options: failed to retrieve context tls info: ca.pem seems invalid"),
    (["ab", "--docker", "host=tcp://h:1,skip-tls-verify=maybe"], 'unable to create docker endpoint config: skip-tls-verify: parsing "maybe": invalid syntax'),
    (["ab", "--from", "cd", "--docker", "host=x"], "cannot use --docker flag when --from is set"),
])
def test_create_says_what_is_wrong(client, words, text):
    assert client("context", "create", *words) == (1, "", text + "\n")
    assert not meta(client, "ab").exists()


def test_the_current_context_is_chosen_in_dockers_order(client):
    for name in "one", "two":
        client("context", "create", name, "--docker", f"host=unix:///{name}.sock")
    assert client("context", "show") == (0, "default\n", "")
    assert client("context", "use", "one") == (0, "one\n", 'Current context is now "one"\n')
    assert json.loads((client.config / "config.json").read_text()) == {"auths": {}, "currentContext": "one"}
    assert client("context", "show")[1] == "one\n"
    assert client("context", "show", DOCKER_CONTEXT="two")[1] == "two\n"
    assert client("context", "show", DOCKER_CONTEXT="two", DOCKER_HOST="tcp://z:1")[1] == "default\n"
    assert client("-c", "two", "context", "show", DOCKER_HOST="tcp://z:1")[1] == "two\n"
    assert client("-c", "two", "-H", "tcp://z:1", "ps") == (1, "", "conflicting options: cannot specify both --host and --context\n")
    assert "unix:///one.sock" in client("ps")[2] and "unix:///two.sock" in client("-c", "two", "ps")[2]
    code, _, errors = client("context", "use", "two", DOCKER_HOST="tcp://z:1")
    assert code == 0 and errors == 'Current context is now "two"\nWarning: DOCKER_HOST environment variable overrides the active context. To use "two", either set the global --context flag, or unset DOCKER_HOST environment variable.\n'
    assert client("context", "use", "nope") == (1, "", missing(client, "nope"))
    assert client("context", "use", "default") == (0, "default\n", 'Current context is now "default"\n')
    assert json.loads((client.config / "config.json").read_text()) == {"auths": {}}


def test_use_keeps_what_else_the_configuration_says(client):
    client("context", "create", "one", "--docker", "host=unix:///one.sock")
    file = client.config / "config.json"
    file.write_text('{"HttpHeaders":{"A":"b"},"detachKeys":"ctrl-x"}')
    file.chmod(0o644)
    client("context", "use", "one")
    assert json.loads(file.read_text()) == {"auths": {}, "HttpHeaders": {"A": "b"}, "detachKeys": "ctrl-x", "currentContext": "one"}
    assert file.read_text().startswith('{\n\t"') and stat.S_IMODE(file.stat().st_mode) == 0o644


def test_ls_shows_all_and_marks_the_current_one(client):
    client("context", "create", "zz", "--docker", "host=tcp://h:1")
    client("context", "create", "aa", "--description", "first", "--docker", "host=ssh://me@h")
    client("context", "use", "zz")
    lines = [line.split() for line in client("context", "ls", DOCKER_HOST="")[1].splitlines()]
    assert lines[0] == ["NAME", "DESCRIPTION", "DOCKER", "ENDPOINT", "ERROR"]
    assert [line[0] for line in lines[1:]] == ["aa", "default", "zz"] and lines[3][:2] == ["zz", "*"] and lines[1] == ["aa", "first", "ssh://me@h"]
    assert client("context", "ls", "-q")[1] == "aa\ndefault\nzz\n"
    rows = [json.loads(line) for line in client("context", "list", "--format", "json")[1].splitlines()]
    assert rows[0] == {"Current": False, "Description": "first", "DockerEndpoint": "ssh://me@h", "Error": "", "Name": "aa"}
    assert [row["Current"] for row in rows] == [False, False, True]
    gone = [json.loads(line) for line in client("context", "ls", "--format", "json", DOCKER_CONTEXT="nope")[1].splitlines()]
    assert gone[2] == {"Current": True, "Description": "", "DockerEndpoint": "", "Error": 'context "nope": context not found: open /tmp…', "Name": "nope"}
    assert client("context", "ls", DOCKER_HOST="tcp://z:1")[2].startswith("Warning: DOCKER_HOST environment variable overrides the active context. To use a context, ")


def test_inspect_prints_what_docker_prints(client):
    make_certificate(client.folder / "ca.pem")
    client("context", "create", "ab", "--docker", "host=tcp://h:2376,ca=ca.pem,skip-tls-verify=true")
    folder = hashlib.sha256(b"ab").hexdigest()
    assert json.loads(client("context", "inspect", "ab")[1]) == [{
        "Name": "ab", "Metadata": {}, "Endpoints": {"docker": {"Host": "tcp://h:2376", "SkipTLSVerify": True}}, "TLSMaterial": {"docker": ["ca.pem"]},
        "Storage": {"MetadataPath": f"{client.config}/contexts/meta/{folder}", "TLSPath": f"{client.config}/contexts/tls/{folder}"}}]
    file = client.config / "contexts" / "tls" / folder / "docker" / "ca.pem"
    assert file.read_text() == (client.folder / "ca.pem").read_text() and stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert client("context", "inspect", "-f", "{{.Name}} {{.Endpoints.docker.Host}}", "ab")[1] == "ab tcp://h:2376\n"
    fallback = json.loads(client("context", "inspect")[1])
    assert fallback[0]["Name"] == "default" and fallback[0]["Storage"] == {"MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>"}
    code, output, errors = client("context", "inspect", "ab", "nope")
    assert code == 1 and len(json.loads(output)) == 1 and errors == missing(client, "nope")


def test_update_changes_only_what_is_named(client):
    make_certificate(client.folder / "ca.pem")
    client("context", "create", "ab", "--description", "old", "--docker", "host=tcp://h:1,ca=ca.pem")
    assert client("context", "update", "ab", "--description", "new") == (0, "ab\n", 'Successfully updated context "ab"\n')
    now = json.loads(client("context", "inspect", "ab")[1])[0]
    assert now["Metadata"] == {"Description": "new"} and now["Endpoints"]["docker"]["Host"] == "tcp://h:1" and now["TLSMaterial"] == {"docker": ["ca.pem"]}
    client("context", "update", "ab", "--docker", "host=tcp://other:1")
    now = json.loads(client("context", "inspect", "ab")[1])[0]
    assert now["Metadata"] == {"Description": "new"} and now["Endpoints"]["docker"]["Host"] == "tcp://other:1" and now["TLSMaterial"] == {}
    assert client("context", "update", "nope") == (1, "", missing(client, "nope"))


def test_rm_spares_the_context_in_use(client):
    for name in "one", "two", "six":
        client("context", "create", name, "--docker", "host=tcp://h:1")
    client("context", "use", "one")
    assert client("context", "rm", "two", "nope", "one") == (1, "two\n", 'context "nope" does not exist\ncontext "one" is in use, set -f flag to force remove\n')
    assert client("context", "rm", "default") == (1, "", 'context "default" cannot be removed\n')
    assert client("context", "rm", "-f", "nope") == (0, "nope\n", "")
    assert client("context", "rm", "-f", "one") == (0, "one\n", "")
    assert client("context", "ls", "-q")[1] == "default\nsix\n" and "currentContext" not in (client.config / "config.json").read_text()


def test_export_and_import_carry_a_context_with_its_certificates(client):
    make_certificate(client.folder / "ca.pem")
    client("context", "create", "ab", "--description", "d", "--docker", "host=tcp://h:1,ca=ca.pem")
    assert client("context", "export", "ab") == (0, "", 'Written file "ab.dockercontext"\n')
    assert client("context", "export", "ab") == (1, "", "open ab.dockercontext: file exists\n")
    unfinished = (client.folder / "ab.dockercontext").read_bytes() + bytes(2048)  # docker leaves the end of the archive out
    with tarfile.open(fileobj=io.BytesIO(unfinished)) as archive:
        assert [(each.name, each.mode, each.mtime) for each in archive] == [("meta.json", 0o644, 0), ("tls", 0o700, 0), ("tls/docker", 0o700, 0), ("tls/docker/ca.pem", 0o600, 0)]
    assert client("context", "import", "cd", "ab.dockercontext") == (0, "cd\n", 'Successfully imported context "cd"\n')
    assert client("context", "import", "cd", "ab.dockercontext") == (1, "", 'context "cd" already exists\n')
    there = json.loads(client("context", "inspect", "cd")[1])[0]
    assert there["Metadata"] == {"Description": "d"} and there["TLSMaterial"] == {"docker": ["ca.pem"]}
    assert client("context", "import", "ef", "-", stdin=client.bytes("context", "export", "ab", "-"))[0] == 0
    assert client("context", "import", "gh", "/nope") == (1, "", "open /nope: no such file or directory\n")


def archive_of(kind, files):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_import_takes_archives_and_refuses_strange_files(client, kind):
    good = {"meta.json": '{"Name":"q","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://q:1"}}}', "tls/docker/ca.pem": "CA"}
    assert client("context", "import", "ab", "-", stdin=archive_of(kind, good))[0] == 0
    assert json.loads(client("context", "inspect", "ab")[1])[0]["TLSMaterial"] == {"docker": ["ca.pem"]}
    code, _, errors = client("context", "import", "cd", "-", stdin=archive_of(kind, {**good, "other": "x"}))
    assert (code, errors) == (1, "other: unexpected context file\n")
    code, _, errors = client("context", "import", "ef", "-", stdin=archive_of(kind, {"tls/docker/ca.pem": "CA"}))
    assert (code, errors) == (1, "invalid context: no metadata found\n")
    code, _, _ = client("context", "import", "gh", "-", stdin=archive_of(kind, {**good, "tls/docker/../../../escape": "x"}))
    assert code == 1 and not (client.config / "escape").exists() and not (client.config / "contexts" / "escape").exists()


@pytest.fixture
def ssh(client):
    """A stand-in for ssh that executes here what it would execute there, and notes its words."""
    stand_in = client.folder / "bin" / "ssh"
    stand_in.write_text('#!/bin/bash\necho "$@" >> "$0.log"\nwhile [ "$1" != -- ]; do shift; done\nshift\nhost=$1; shift\n[ "$host" = far ] || { echo "no route to $host" >&2; exit 255; }\n'
                        'unset DOCKER_CONFIG\nexport DOCKER_HOST=$REMOTE_HOST\neval "$@"\n')
    stand_in.chmod(0o755)
    return client.folder / "bin" / "ssh.log"


def test_ssh_leads_to_an_engine_behind_dial_stdio(client, ssh, engine):
    plain = client("version", "--format", "{{.Server.Version}}", DOCKER_HOST=engine.host)
    assert plain[0] == 0
    assert client("version", "--format", "{{.Server.Version}}", DOCKER_HOST="ssh://me@far:2222", REMOTE_HOST=engine.host) == plain
    assert ssh.read_text().splitlines()[0] == "-o ConnectTimeout=30 -T -l me -p 2222 -- far docker system dial-stdio"
    client("context", "create", "far", "--docker", "host=ssh://far" + engine.host.removeprefix("unix://"))
    assert client("-c", "far", "version", "--format", "{{.Server.Version}}", REMOTE_HOST="unix:///nowhere") == plain


def test_what_ssh_says_is_shown(client, ssh):
    code, _, errors = client("ps", DOCKER_HOST="ssh://near")
    assert code == 1 and errors.startswith("error during connect: ")
    assert "command [ssh -o ConnectTimeout=30 -T -- near docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, " \
           "and Docker 18.09 or later is installed on the remote host: stderr=no route to near\n" in errors
    assert client("ps", DOCKER_HOST="ssh://me:secret@far")[2] == "Failed to initialize: ssh host connection is not valid: invalid SSH URL: plain-text password is not supported\n"


def test_dial_stdio_reads_the_answer_after_its_input_has_ended(client, engine):
    request = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    code, output, _ = client("system", "dial-stdio", stdin=request, DOCKER_HOST=engine.host)
    assert code == 0 and output.startswith("HTTP/1.1 200 OK\r\n") and output.endswith("OK")
    code, _, errors = client("system", "dial-stdio", DOCKER_HOST="unix:///nowhere.sock")
    assert code == 1 and errors.startswith("failed to open the raw stream connection: ")
