#!/usr/bin/env python3
"""Writes docs/coverage.md: every flag of the container commands and every field of POST /containers/create, with the test that proves it or
the place that refuses it by name. Built from the flag tables in src/cli/, the field tables in src/schema/docker/container.cc, and the tests.
With --check nothing is written: it fails when a row is empty, or when the file lacks a row or names a test that is gone."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COMMANDS = {"run and create": ["container_flags.cc", "run.cc"], "attach": ["attach.cc"], "commit and export": ["commit.cc"], "cp": ["cp.cc"], "exec": ["exec.cc"], "kill": ["kill.cc"], "logs": ["logs.cc"],
            "port": ["port.cc"], "prune": ["prune.cc"], "ps": ["ps.cc"], "rename": ["rename.cc"], "rm": ["rm.cc"], "start": ["start.cc"], "stats": ["stats.cc"],
            "stop and restart": ["stop.cc"], "update": ["update.cc"], "wait": ["wait.cc"], "why": ["why.cc"]}
TABLES = ["HealthConfig", "ContainerConfig", "PortBinding", "RestartPolicy", "LogConfig", "WeightDevice", "ThrottleDevice", "DeviceMapping", "DeviceRequest", "Ulimit", "BindOptions", "VolumeDriverConfig",
          "VolumeOptions", "TmpfsOptions", "ImageOptions", "MountRequest", "Resources", "HostConfig", "EndpointIpamConfig", "EndpointSettings", "NetworkingConfig"]


def read(path):
    with open(os.path.join(ROOT, path)) as file:
        return file.read()


def tests():
    """(file, function, text) of every black-box test, and unit tests as whole files."""
    for folder, _, files in sorted(os.walk(os.path.join(ROOT, "tests"))):
        for name in sorted(files):
            if not name.endswith(".py") or not name.startswith("test_"):
                continue
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            for part in re.split(r"^(?=(?:[ \t]*@pytest[^\n]*\n)*[ \t]*def )", read(path), flags=re.M):
                found = re.search(r"^[ \t]*def (test_\w+)", part, re.M)
                yield path, found.group(1) if found else "", part
    for folder, _, files in sorted(os.walk(os.path.join(ROOT, "src"))):
        for name in sorted(files):
            if name.endswith("_test.cc"):
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                for part in re.split(r"^(?=TEST)", read(path), flags=re.M):
                    found = re.match(r"TEST(?:_F|_P)?\((\w+),\s*(\w+)\)", part)
                    yield path, found.group(2) if found else "", part


ALL_TESTS = list(tests())


def proofs(pattern, better):
    """The test that matches `pattern`; one with a line that matches `better` as well comes first."""
    wanted, best = re.compile(pattern), re.compile(better)
    found = [(not best.search(text), path, name) for path, name, text in ALL_TESTS if wanted.search(text)]
    found.sort(key=lambda item: (item[0], item[1].startswith("src/"), item[2] == "", "bad_input" in item[1] or "options" in item[1]))
    found = [(path, name) for _, path, name in found]
    return [f"`{path}`" + (f" {name}" if name else "") for path, name in found[:1]]


def refusals(name):
    found = []
    for folder in ("src/engine", "src/container", "src/cli"):
        for file in sorted(os.listdir(os.path.join(ROOT, folder))):
            if file.endswith(".cc") and not file.endswith("_test.cc") and re.search(rf'not_yet\("{name}"|invalid\([^\n]*\b{name}\b[^\n]*not supported', read(f"{folder}/{file}")):
                found.append(f"refused by name: `{folder}/{file}`")
    return found[:1]


def flag_rows():
    for command, files in COMMANDS.items():
        for file in files:
            path = f"src/cli/{file}"
            if not os.path.exists(os.path.join(ROOT, path)):
                continue
            for name, short in re.findall(r'^\s+\{"([a-z][a-z0-9-]*)", (0|\'.\'), FlagType::', read(path), re.M):
                pattern = rf"--{name}(?![\w-])"
                if short != "0":
                    pattern += rf"|[\"' ]-[A-Za-z]*{short[1]}[A-Za-z]*[\"'=, 0-9]"
                words = "|".join(command.split(" and "))
                yield command, "--" + name, proofs(pattern, rf"[\"' ](?:{words})[\"', ][^\n]*(?:{pattern})") or refusals(name)


def field_rows():
    text = read("src/schema/docker/container.cc")
    for table in TABLES:
        found = re.search(rf'PROA_JSON_TABLE\(proa::docker::{table},.*?\)\)\n', text, re.S)
        for name in re.findall(r'field<[^>]*>\("(\w+)"', found.group(0) if found else ""):
            yield table, name, proofs(rf"[\"']{name}[\"']|\b{name}=|\.{name}\b", rf"[\"']{name}[\"']: |\b{name}=") or refusals(name)


def table(title, first, rows):
    lines = [f"## {title}", "", f"| {first} | name | proof |", "|---|---|---|"]
    empty = []
    for group, name, proof in rows:
        lines.append(f"| {group} | `{name}` | {proof[0] if proof else '**none**'} |")
        if not proof:
            empty.append(f"{group} {name}")
    return lines + [""], empty


def main():
    flags, no_flags = table("Flags of the container commands", "command", flag_rows())
    fields, no_fields = table("Fields of POST /containers/create", "object", field_rows())
    text = "\n".join(["# What is proven", "", "Made by `tools/coverage_table.py`; one proof of each is named, most have several.", ""] + flags + fields)
    empty = no_flags + no_fields
    faults = [f"no proof of {row}" for row in empty]
    if "--check" in sys.argv:
        faults += stale(read("docs/coverage.md"), text)
    else:
        with open(os.path.join(ROOT, "docs/coverage.md"), "w") as file:
            file.write(text)
    for fault in faults:
        print("coverage_table:", fault)
    return 1 if faults else 0


def rows_of(text):
    """{(group, name): proof} of a written table."""
    return {(cells[0], cells[1]): cells[2] for cells in (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")) if len(cells) == 3}


def stale(old, new):
    """What no longer holds in the written table; a proof that is there still need not be the first that would be found now."""
    old, new = rows_of(old), rows_of(new)
    known = {f"`{path}`" + (f" {name}" if name else "") for path, name, text in ALL_TESTS}
    for row in sorted(new.keys() - old.keys()):
        yield f"docs/coverage.md lacks {' '.join(row)}: run tools/coverage_table.py"
    for row in sorted(old.keys() - new.keys()):
        yield f"docs/coverage.md has {' '.join(row)}, which is gone: run tools/coverage_table.py"
    for row, proof in sorted(old.items()):
        if proof.startswith("`tests/") or proof.startswith("`src/"):
            if proof not in known:
                yield f"docs/coverage.md names {proof} for {' '.join(row)}, which is gone: run tools/coverage_table.py"


sys.exit(main())
