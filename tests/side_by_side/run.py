"""Tells each story of scenarios.py to docker 20.10 and to Proa and compares. On demand, about five minutes:

    cd tests && /usr/bin/python3 side_by_side/run.py [WORD...]      # stories whose names hold a word; all without one

Prints each difference; exits with the number of those that scenarios.py does not give a reason for."""
import difflib
import os
import re
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from scenarios import DIFFERENT, STORIES  # noqa: E402
from support import images, isolation  # noqa: E402
from support.engine import Engine  # noqa: E402
from support.http import Http  # noqa: E402

REFERENCE = os.environ.get("PROA_REFERENCE_DOCKERD", "/usr/sbin/dockerd")


def plain(text, names):
    """Without what differs from run to run."""
    for name in names:
        text = text.replace(name, "NAME")
    text = re.sub(r"sha256:[0-9a-f]{64}", "DIGEST", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "ID", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "SHORT", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"PATH=\S+?(?=[\",\s])", "PATH", text)
    return text.replace("Error response from daemon: ", "Error: ")


def tell(engine, text):
    container, image = "c" + uuid.uuid4().hex[:9] + "z", "i" + uuid.uuid4().hex[:9] + "z"
    with tempfile.TemporaryDirectory(prefix="proa-story-") as directory:
        environment = {**{key: value for key, value in os.environ.items() if not key.startswith("DOCKER")}, "DOCKER_HOST": engine.host, "DOCKER_CONFIG": directory, "DOCKER_CLI_HINTS": "false",
                       "C": container, "I": image, "T": directory + "/t", "LC_ALL": "C.UTF-8"}
        os.mkdir(directory + "/t")
        said = ""
        for line in text.split("\n"):
            done = subprocess.run(["sh", "-c", line], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=90)
            said += f"{done.stdout.rstrip()}\n= {done.returncode}\n"
        said = plain(said, [container, image, directory])
    http = Http(engine.socket)
    for one in http.get("/containers/json?all=1").json() or []:
        http.delete(f"/containers/{one['Id']}?force=1&v=1")
    return said


def start(kind, number, archive):
    os.environ.pop("PROA_TEST_DOCKERD", None)
    if kind == "docker":
        os.environ["PROA_TEST_DOCKERD"] = REFERENCE
    engine = Engine(number=number)
    engine.start()
    Http(engine.socket, timeout=120).post("/images/load?quiet=1", archive, [("Content-Type", "application/x-tar")])
    os.environ.pop("PROA_TEST_DOCKERD", None)
    return engine


def main():
    words = sys.argv[1:]
    chosen = [(name, text) for name, text in STORIES if not words or any(word in name for word in words)]
    isolation.become_subreaper()
    isolation.enter_private_namespaces()
    archive = images.test_images(with_hello=True)
    engines, unexplained = [], 0
    try:
        for number, kind in enumerate(("docker", "proa")):
            engines.append(start(kind, number + 60, archive))
        for name, text in chosen:
            reference, ours = (tell(engine, text) for engine in engines)
            if reference == ours:
                continue
            reason = DIFFERENT.get(name)
            unexplained += not reason
            print(f"--- {name}" + (f" (known: {reason})" if reason else ""))
            print("\n".join(line for line in difflib.unified_diff(reference.splitlines(), ours.splitlines(), "docker", "proa", lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))))
    finally:
        for engine in engines:
            engine.destroy()
    print(f"{len(chosen)} stories, {unexplained} differences without a reason")
    return min(unexplained, 100)


if __name__ == "__main__":
    sys.exit(main())
