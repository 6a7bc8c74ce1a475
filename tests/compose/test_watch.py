"""`compose watch` and `up --watch`: changes of files come into the running containers."""
import os
import signal
import subprocess

import pytest

from support.waiting import wait_until

SERVICE = """
services:
  web:
    image: IMAGE
    command: sh -c "echo life; exec sleep 1000"
    stop_signal: SIGKILL
    deploy: {replicas: REPLICAS}
    develop: {watch: [RULES]}
"""


def file_of(rules, image="busybox", replicas="1"):
    return SERVICE.replace("RULES", rules).replace("IMAGE", image).replace("REPLICAS", replicas)


SYNC = "{action: sync, path: ./src, target: /app, ignore: [left/]}"


class Running:
    """A command that goes on, with what it has said so far."""

    def __init__(self, project, *words):
        self.paths = [project.folder / "said.out", project.folder / "said.err"]
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err:
            self.process = subprocess.Popen(project.words(*words), cwd=project.folder, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=project.environment)

    def text(self):
        return "".join(path.read_text() for path in self.paths)

    def expect(self, text, count=1):
        wait_until(lambda: self.text().count(text) >= count or self.process.poll() is not None, timeout=40)
        assert self.text().count(text) >= count, f"no {text!r} in:\n{self.text()}"

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def run(project):
    (project.folder / "src").mkdir()
    started = []

    def start(rules, *words, **options):
        project.write(file_of(rules, **options))
        started.append(Running(project, *words))
        return started[-1]
    yield start
    for each in started:
        each.end()


def inside(project, command, index="1"):
    return project("exec", "-T", "--index", index, "web", "sh", "-c", command, check=None).stdout


def settles(project, command, expected, index="1"):
    """What the command says becomes what is expected: changes may come in more than one batch."""
    wait_until(lambda: inside(project, command, index) == expected, timeout=30, what=f"{command!r} in web-{index}")


def test_files_come_into_every_container_and_go(project, run):
    source = project.folder / "src"
    (source / "old").write_text("old")
    watch = run(SYNC, "watch", replicas="2")
    watch.expect("Watch enabled\n")
    (source / "file").write_text("new")
    (source / "deep/er").mkdir(parents=True)
    (source / "deep/er/file").write_text("below")
    (source / "left").mkdir()
    (source / "left/file").write_text("ignored")
    (source / "link").symlink_to("file")
    (source / ".git").mkdir()
    (source / ".git/HEAD").write_text("ref")
    os.chmod(source / "file", 0o750)
    watch.expect('Syncing service "web" after ')
    for index in "1", "2":
        settles(project, "cat /app/deep/er/file /app/file /app/link; stat -c ' %a %u' /app/file; ls -A /app", "belownewnew 750 0\ndeep\nfile\nlink\n", index)
    (source / "file").unlink()
    (source / "deep").rename(source / "moved")
    settles(project, "ls -A /app; cat /app/moved/er/file", "link\nmoved\nbelow", "2")
    assert watch.interrupt() == 130 and "canceled" in watch.text()
    assert inside(project, "true; echo on") == "on\n"  # what runs goes on


def test_what_is_there_comes_first_when_asked(project, run):
    source = project.folder / "src"
    (source / "sub").mkdir()
    (source / "sub/old").write_text("old")
    watch = run(SYNC[:-1] + ", initial_sync: true}", "watch")
    watch.expect("Watch enabled\n")
    assert inside(project, "cat /app/sub/old") == "old"


def test_a_restart_and_a_command_follow_the_files(project, run):
    (project.folder / "conf").mkdir()
    (project.folder / "boot.conf").write_text("1")
    rules = ("{action: sync+restart, path: ./src, target: /app, include: '*.conf'}, {action: restart, path: ./boot.conf}, "
             "{action: sync+exec, path: ./conf, target: /conf, exec: {command: cp /conf/a /conf/copied}}")
    project.write(file_of(rules))("up", "-d")
    watch = run(rules, "watch", "--no-up")
    watch.expect("Watch enabled\n")
    (project.folder / "src/other").write_text("not included")
    (project.folder / "src/x.conf").write_text("x")
    watch.expect('service(s) ["web"] restarted')
    assert inside(project, "ls /app") == "x.conf\n"
    wait_until(lambda: project("logs", "--no-log-prefix").stdout == "life\nlife\n")
    (project.folder / "conf/a").write_text("text")
    settles(project, "cat /conf/copied", "text")
    (project.folder / "new.conf").write_text("2")
    (project.folder / "new.conf").rename(project.folder / "boot.conf")  # as editors save
    watch.expect('service(s) ["web"] restarted', 2)
    wait_until(lambda: project("logs", "--no-log-prefix").stdout == "life\nlife\nlife\n")


def test_an_image_is_built_anew_and_the_old_one_goes(project, run, api, inspect):
    """As it comes up attached: what the new container says is shown."""
    (project.folder / "Dockerfile").write_text("FROM busybox\nCOPY src /src\n")
    (project.folder / ".dockerignore").write_text("src/notes\n")
    (project.folder / "src/file").write_text("1")
    up = run("{action: rebuild, path: ./src}", "up", "--watch", image="prt-watched\n    build: .")
    up.expect("Watch enabled\n")
    before = inspect("prt-web-1")
    (project.folder / "src/notes").write_text("not in the image")
    (project.folder / "src/file").write_text("2")
    up.expect('service(s) ["web"] successfully built')
    up.expect("web-1  | life\n", 2)
    wait_until(lambda: api.get(f"/images/{before['Image']}/json").status == 404, timeout=20)
    assert inside(project, "cat /src/file") == "2" and inspect("prt-web-1")["Id"] != before["Id"]
    (project.folder / "Dockerfile").write_text("FROM busybox\nRUN false\n")
    (project.folder / "src/file").write_text("3")
    up.expect("Build failed. Error")
    assert inside(project, "cat /src/file") == "2"
    assert up.interrupt() == 130 and not inspect("prt-web-1")["State"]["Running"]


@pytest.mark.parametrize("rules, words, text", [
    ("{action: rebuild, path: ./src}", ["watch"], "can't watch service \"web\" with action rebuild without a build context"),
    ("{action: sync+exec, path: ./src, target: /app}", ["watch"], "can't watch service \"web\" with action sync+exec without a command"),
    ("", ["watch"], "none of the selected services is configured for watch, consider setting an 'develop' section"),
    (SYNC, ["up", "--watch", "-d"], "--detach cannot be combined with --watch"),
    (SYNC, ["--dry-run", "watch"], "--dry-run is supported by up and create only"),
])
def test_what_cannot_be_watched_is_refused(project, names, rules, words, text):
    done = project.write(file_of(rules))(*words, check=1)
    assert text in done.stderr and names() == {}
