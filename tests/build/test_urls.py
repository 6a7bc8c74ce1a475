"""ADD of http URLs, and contexts behind them."""
import base64
import hashlib
import http.server
import threading

import pytest

from support.contexts import build, context, must_build, run

pytestmark = pytest.mark.proa
MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT"


class Server(http.server.BaseHTTPRequestHandler):
    files = {}

    def do_GET(self):
        path = self.path.split("?")[0]
        if path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", "/" + path[7:])
            return self.end_headers()
        if path.startswith("/private/") and self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:my pass").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            return self.end_headers()
        found = self.files.get(path.replace("/private", ""))
        if found is None:
            return self.send_error(404, explain="no such thing")
        content, headers = found
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        for pair in headers.items():
            self.send_header(*pair)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words):
        pass


@pytest.fixture
def server(engine):
    """What is served, by path: (content, headers)."""
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Server,), {"files": {}}))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    served.url = f"http://127.0.0.1:{served.server_port}"
    served.files = served.RequestHandlerClass.files
    yield served
    served.shutdown()
    served.server_close()


def test_add_takes_a_url_with_its_time_and_mode(api, server):
    server.files["/dir/f.txt"] = (b"fetched\n", {"Last-Modified": MODIFIED})
    built = must_build(api, f"FROM busybox\nENV U={server.url}\nADD $U/dir/f.txt?q=1 /d/\nADD --chown=7:8 --chmod=755 ${{U}}/dir/f.txt /named\nADD {server.url}/moved/dir/f.txt /etc\nWORKDIR /w\nADD {server.url}/dir/f.txt .\n")
    _, out, _ = run(api, built.id, "sh", "-c", "cat /d/f.txt; stat -c '%a %u:%g %Y' /d/f.txt /named /etc/f.txt /w/f.txt")
    assert out.splitlines() == ["fetched", "600 0:0 1445412480", "755 7:8 1445412480", "600 0:0 1445412480", "600 0:0 1445412480"]


def test_archives_stay_packed_unless_asked(api, server):
    server.files["/a.tar.gz"] = (context({"inside": "x\n"}, "gz"), {})
    built = must_build(api, f"FROM busybox\nADD {server.url}/a.tar.gz /p/\nADD --unpack=true {server.url}/a.tar.gz /u/\n")
    assert run(api, built.id, "ls", "/p", "/u")[1].split() == ["/p:", "a.tar.gz", "/u:", "inside"]
    assert run(api, built.id, "stat", "-c", "%Y", "/p/a.tar.gz")[1] == "0\n"


def test_content_decides_about_the_cache(api, server):
    server.files["/f"] = (b"one", {"Last-Modified": MODIFIED})
    text = f"FROM busybox\nADD {server.url}/f /f\nRUN cat /f\n"
    must_build(api, text)
    server.files["/f"] = (b"one", {})
    assert must_build(api, text).cached == 2
    server.files["/f"] = (b"two", {})
    again = must_build(api, text)
    assert again.cached == 0 and "two" in again.text


def test_checksums(api, server):
    server.files["/f"] = (b"content", {})
    right = hashlib.sha256(b"content").hexdigest()
    must_build(api, f"FROM busybox\nARG S=sha256:{right}\nADD --checksum=$S {server.url}/f /f\n")
    must_build(api, f"FROM busybox\nADD --checksum=sha512:{hashlib.sha512(b'content').hexdigest()} {server.url}/f /f\n")
    for wrong, words in ((f"sha256:{'0' * 64}", f"digest mismatch sha256:{right}: sha256:{'0' * 64}"), ("sha256:12", "invalid checksum digest length"), ("x", "invalid checksum digest format")):
        failed = build(api, f"FROM busybox\nADD --checksum={wrong} {server.url}/f /f\n")
        assert words in failed.error["message"], failed.answer
    assert "multiple sources" in build(api, f"FROM busybox\nADD --checksum=sha256:{right} {server.url}/f {server.url}/f /d/\n").error["message"]


def test_names(api, server):
    for path in ("/", "/a%20b"):
        server.files[path] = (b"x", {"Content-Disposition": 'attachment; filename="../given.bin"'})
    built = must_build(api, f"FROM busybox\nADD {server.url}/ {server.url}/a%20b /d/\nADD {server.url}/ /plain\n")
    assert run(api, built.id, "sh", "-c", "ls /d; cat /plain")[1] == "a b\ngiven.bin\nx"
    server.files["/"] = (b"x", {})
    assert "cannot determine filename" in build(api, f"FROM busybox\nADD {server.url}/ /d/\n").error["message"]


def test_users_of_urls(api, server):
    server.files["/f"] = (b"secret", {})
    built = must_build(api, f"FROM busybox\nADD {server.url.replace('//', '//me:my%20pass@')}/private/f /f\n")
    assert run(api, built.id, "cat", "/f")[1] == "secret"
    failed = build(api, f"FROM busybox\nADD {server.url}/private/f /f\n")
    assert f"failed to GET {server.url}/private/f with status 401 Unauthorized" in failed.error["message"]


def test_failures_say_what_and_why(api, server):
    missing = build(api, f"FROM busybox\nADD {server.url}/nothing /f\n")
    assert missing.error["message"].startswith(f"ADD failed: failed to GET {server.url}/nothing with status 404 Not Found: "), missing.answer
    refused = build(api, "FROM busybox\nADD http://127.0.0.1:1/f /f\n")
    assert 'Get "http://127.0.0.1:1/f": dial tcp 127.0.0.1:1: connect: connection refused' in refused.error["message"]


def test_contexts_behind_urls(api, server):
    server.files["/context.tgz"] = (context({"Dockerfile": "FROM busybox\nCOPY . /ctx/\n", "other/Dockerfile": "FROM busybox\nCOPY kept /k\n", "kept": "k", "left": "l", ".dockerignore": "left\n"}, "gz"), {})
    server.files["/text"] = (b"FROM busybox\nRUN echo alone > /alone\n", {"Content-Type": "text/plain; charset=utf-8"})
    built = must_build(api, "", body=b"", remote=server.url + "/context.tgz")
    assert run(api, built.id, "ls", "/ctx")[1].split() == ["Dockerfile", "kept", "other"]
    built = must_build(api, "", body=b"", remote=server.url + "/context.tgz", dockerfile="other/Dockerfile")
    assert run(api, built.id, "cat", "/k")[1] == "k"
    assert run(api, must_build(api, "", body=b"", remote=server.url + "/text").id, "cat", "/alone")[1] == "alone\n"
    failed = build(api, "", body=b"", remote=server.url + "/nothing")
    assert failed.status == 404 and f"error downloading remote context {server.url}/nothing: failed to GET" in failed.answer.json()["message"], failed.answer
