"""The Debian packages and the service that they bring."""
import glob
import os
import subprocess

import conftest
from support.http import Http

SOCKET = "/run/proa/proa.sock"
OUTSIDE = ["nsenter", "--target", "1", "--mount", "--net"]  # where the service lives; the tests have a network and mounts of their own
PACKAGES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "build/package")


def command(*words, check=True, timeout=240, **options):
    """stdout of a command that must succeed, run where the service lives."""
    done = subprocess.run([*OUTSIDE, *words], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **options)
    assert not check or done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def systemctl(*words, check=True):
    return command("systemctl", *words, check=check, timeout=90)


def property_of(name, unit="proa.service"):
    return systemctl("show", "--value", "-p", name, unit)


def apt(*words, check=True):
    return command("apt-get", "-y", "-q", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *words, check=check, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))


def package(pattern):
    found = sorted(glob.glob(f"{PACKAGES}/{pattern}"))
    assert found, f"no {pattern} in {PACKAGES}: ./dev package"
    return found[0]


def status_of(name):
    """"installed", "config-files", or "" for a package that is unknown."""
    return command("dpkg-query", "-W", "-f", "${db:Status-Status}", name, check=False)


def install(pattern="proa_*_amd64.deb"):
    """By dpkg: what it depends on is there, and apt takes three times as long."""
    if status_of("proa") != "installed" or pattern.startswith("next/"):
        command("dpkg", "--install", package(pattern))


def as_member(line, check=True):
    """A shell line as a plain user who is in the group."""
    if subprocess.run(["id", "member"], capture_output=True, check=False).returncode != 0:
        command("useradd", "--create-home", "--groups", "proa", "member")
    return command("runuser", "-l", "member", "-c", line, check=check)


class Units:
    """The engine behind the service's socket."""

    def __init__(self, archive):
        self.socket, self.host, self.api_version = SOCKET, "unix://" + SOCKET, "1.45"
        self.archive = archive
        self.api = conftest.Api(self)

    def load_images(self):
        conftest.load_images(self, self.archive)

    def remove_containers(self):
        http = Http(SOCKET)
        for container in http.get("/containers/json?all=1").json():
            http.delete(f"/containers/{container['Id']}?force=1")
