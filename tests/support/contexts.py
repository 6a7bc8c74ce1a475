"""Build contexts made on the spot."""
import io
import json
import tarfile
import urllib.parse

from support.images import add_directory, add_file, add_link


def context(files, compress=""):
    """A context as tar: name to content; a name ending in / is a directory, a tuple is (content, mode), a str that starts with -> is a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + compress) as tar:
        for name, content in files.items():
            mode = 0o644
            if isinstance(content, tuple):
                content, mode = content
            if name.endswith("/"):
                add_directory(tar, name.rstrip("/"), mode if mode != 0o644 else 0o755)
            elif isinstance(content, str) and content.startswith("->"):
                add_link(tar, name, content[2:])
            else:
                add_file(tar, name, content if isinstance(content, bytes) else content.encode(), mode)
    return out.getvalue()


class Built:
    """What a build said."""

    def __init__(self, answer):
        self.status, self.answer = answer.status, answer
        self.lines = [json.loads(line) for line in answer.body.decode().splitlines() if line.strip()] if answer.status == 200 else []
        self.text = "".join(line.get("stream", "") for line in self.lines)
        self.error = next((line["errorDetail"] for line in self.lines if "errorDetail" in line), None)
        ids = [line["aux"]["ID"] for line in self.lines if "ID" in (line.get("aux") or {})]
        self.id = ids[-1] if ids else None

    @property
    def cached(self):
        return self.text.count("Using cache")


def build(api, text, files=None, headers=(), compress="", body=None, **query):
    """POST /build of a Dockerfile's text and files; lists repeat their parameter."""
    if body is None:
        body = context({"Dockerfile": text, **(files or {})}, compress)
    pairs = []
    for key, value in query.items():
        for item in value if isinstance(value, list) else [value]:
            pairs.append((key, json.dumps(item) if isinstance(item, dict) else item))
    return Built(api.post("/build?" + urllib.parse.urlencode(pairs), body, [("Content-Type", "application/x-tar"), *headers]))


def must_build(api, text, files=None, **options):
    built = build(api, text, files, **options)
    assert built.status == 200 and not built.error and built.id, (built.answer.status, built.answer.body[-2000:])
    return built


def run(api, image, *command, **options):
    """(exit code, stdout, stderr) of a container of the image."""
    container = api.run(*command, image=image, **options)
    code = api.wait(container)
    out, err = api.logs(container)
    api.delete(f"/containers/{container}?force=1")
    return code, out, err


def config(api, image):
    answer = api.get(f"/images/{image}/json")
    assert answer.status == 200, answer
    return answer.json()["Config"]
