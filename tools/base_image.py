#!/usr/bin/env python3
"""Makes a base image out of Debian packages, for machines that reach a mirror of Debian and no registry.

    tools/base_image.py python:3 python3 python3-fastapi python3-uvicorn         into the engine, by proa import
    tools/base_image.py --save python.tar python3                                 only the file system, as tar

Needs root and mmdebstrap. What a container does not need (documentation, translations, package lists) is left out."""
import argparse
import os
import subprocess
import sys

LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", metavar="FILE", help="write the file system there instead of importing it")
    parser.add_argument("--suite", default="bookworm", help="Debian's suite (default: bookworm)")
    parser.add_argument("--cli", default="proa", help="the command line that imports")
    parser.add_argument("words", nargs="+", metavar="[NAME] PACKAGE", help="the image's name, unless --save is given, and packages beside the minimal system")
    arguments = parser.parse_args()
    packages = arguments.words if arguments.save else arguments.words[1:]
    make = ["mmdebstrap", "--variant=minbase", "--quiet", *([f"--include={','.join(packages)}"] if packages else []), *(f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT),
            "--customize-hook=rm -rf \"$1\"/var/lib/apt/lists/* \"$1\"/var/cache/apt/* \"$1\"/var/log/*", arguments.suite]
    if arguments.save:
        part = arguments.save + ".part"
        subprocess.run([*make, "--format=tar", part], check=True)
        os.rename(part, arguments.save)
        return 0
    maker = subprocess.Popen([*make, "--format=tar", "-"], stdout=subprocess.PIPE)
    imported = subprocess.run([arguments.cli, "import", "--change", 'CMD ["bash"]', "--message", "made of Debian packages", "-", arguments.words[0]], stdin=maker.stdout)
    return maker.wait() or imported.returncode


if __name__ == "__main__":
    sys.exit(main())
