"""Compose projects in one text each, and what comes of them.

A case is a file of sections. `=== NAME` starts the file NAME of the project; `=== arguments` (behind `proa compose`), `=== expected`
(standard output), `=== hashes` (output of `config --hash '*'`), `=== error` (standard error without warnings, by line) and `=== code` belong
to the test. The project's folder is written /srv/app, the home folder /home/u.
"""
import pathlib
import shlex
import subprocess

FOLDER = pathlib.Path(__file__).parent.parent / "compose"
RESERVED = ("arguments", "expected", "hashes", "error", "code")


def names(kind):
    return sorted(path.stem for path in (FOLDER / kind).glob("*.txt"))


def read(kind, name):
    """The sections of a case by name. The newline before a section's head and at the end of the file belongs to the format."""
    text = (FOLDER / kind / f"{name}.txt").read_bytes().decode()
    sections, current = {}, []
    for line in text[:-1].split("\n"):
        if line.startswith("=== "):
            current = sections.setdefault(line[4:], [])
        else:
            current.append(line)
    return {key: "\n".join(lines) for key, lines in sections.items()}


class Project:
    """A case laid out in a folder."""

    def __init__(self, program, sections, folder):
        self.program = program
        self.folder = folder / "app"
        self.folder.mkdir()
        self.sections = sections
        for name, text in sections.items():
            if name in RESERVED:
                continue
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.here(text).encode())

    def here(self, text):
        return text.replace("/srv/app", str(self.folder)).replace("/home/u", "/nonexistent/u")

    def there(self, text):
        """What a program said, with the names that the case uses. Paths above the project's folder are /srv."""
        return text.replace(str(self.folder), "/srv/app").replace(str(self.folder.parent), "/srv").replace("/nonexistent/u", "/home/u")

    def run(self, *arguments):
        environment = {"HOME": "/nonexistent/u", "PATH": "/usr/bin:/bin", "DOCKER_CONFIG": "/nonexistent"}
        return subprocess.run([self.program, "compose", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=30)

    def config(self, *more):
        arguments = shlex.split(self.sections.get("arguments", ""))
        if "config" not in arguments:
            arguments.append("config")
        return self.run(*arguments, *more)
