#!/usr/bin/env python3
"""Checks every #include of src/ against the rank table in ARCHITECTURE.md: downward only, never between siblings.

The table's rows are `| rank | modules | ... |`; a module named `a/b/` is its own rank, apart from `a/`. `check_layers.py --self-test` proves
that the check has teeth.
"""
import os
import re
import sys
import tempfile

ROW = re.compile(r"^\|\s*([0-9.]+)\s*\|([^|]*)\|")
MODULE = re.compile(r"`([a-z_]+(?:/[a-z_]+)*)/`")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
STATIC = re.compile(r"^Static modules:(.*)$", re.M)
COLUMN = re.compile(r"^Client column:(.*)$", re.M)


class Map:
    """What ARCHITECTURE.md says: each module's rank, the modules of the static programs and what the client column may see."""

    def __init__(self, text):
        self.rank = {}
        for line in text.splitlines():
            row = ROW.match(line)
            for module in MODULE.findall(row.group(2)) if row else []:
                if module in self.rank:
                    raise SystemExit(f"ARCHITECTURE.md: {module} stands twice in the rank table")
                self.rank[module] = float(row.group(1))
        self.static = self._list(STATIC, text)
        self.client = self._list(COLUMN, text)

    @staticmethod
    def _list(pattern, text):
        found = pattern.search(text)
        return MODULE.findall(found.group(1)) if found else []

    def module_of(self, path):
        """The longest module name that `path` (from src/) lies in; None for a folder that the table does not know."""
        parts = path.split("/")[:-1]
        for length in range(len(parts), 0, -1):
            if "/".join(parts[:length]) in self.rank:
                return "/".join(parts[:length])
        return None

    def problem(self, path, included):
        """Why the file at `path` may not include `included`; None when it may."""
        here, there = self.module_of(path), self.module_of(included)
        if here is None:
            return "is in no module of the rank table"
        if there is None:
            return f'includes "{included}", which is in no module of the rank table'
        if here == there:
            return None
        if self.rank[there] > self.rank[here]:
            return f'includes "{included}": {there}/ (rank {self.rank[there]:g}) is above {here}/ (rank {self.rank[here]:g})'
        if self.rank[there] == self.rank[here]:
            return f'includes "{included}": {there}/ and {here}/ are siblings of rank {self.rank[here]:g}'
        if here in self.static and there not in self.static:
            return f'includes "{included}": {here}/ is built into the static programs, {there}/ is not'
        if here in ("client", "cli") and self.client and there not in self.client:
            return f'includes "{included}": {here}/ is of the client column and sees only {", ".join(self.client)}'
        return None


def check(root):
    with open(os.path.join(root, "ARCHITECTURE.md"), encoding="utf-8") as file:
        layers = Map(file.read())
    if not layers.rank:
        raise SystemExit("ARCHITECTURE.md: no rank table")
    source, problems = os.path.join(root, "src"), []
    for folder, _, names in sorted(os.walk(source)):
        for name in sorted(names):
            if not name.endswith((".h", ".cc")):
                continue
            path = os.path.relpath(os.path.join(folder, name), source)
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    include = INCLUDE.match(line)
                    if not include:
                        continue
                    if include.group(1).startswith(".") or not os.path.exists(os.path.join(source, include.group(1))):
                        problems.append(f'src/{path}:{number} includes "{include.group(1)}": write the path from src/')
                        continue
                    problem = layers.problem(path, include.group(1))
                    if problem:
                        problems.append(f"src/{path}:{number} {problem}")
    return problems


def self_test():
    table = ("| rank | module | purpose |\n|---|---|---|\n| 0 | `base/` | |\n| 1 | `os/` | |\n| 2 | `codec/` `http/` | |\n| 1.5 | `codec/json/` | |\n"
             "| 3 | `shim/` `store/` | |\n| 4 | `client/` `cli/` `engine/` | |\n\nStatic modules: `base/` `os/` `shim/`\n")
    cases = {  # file, what it includes, part of the complaint ("" for none)
        ("os/fd.h", "base/result.h"): "",
        ("base/text.h", "os/fd.h"): "above",
        ("codec/tar.h", "http/message.h"): "siblings",
        ("codec/tar.h", "codec/json/value.h"): "",
        ("codec/json/value.h", "codec/tar.h"): "above",
        ("shim/loop.cc", "codec/tar.h"): "static programs",
        ("store/image.cc", "codec/tar.h"): "",
        ("engine/x.cc", "cli/run.h"): "siblings",
        ("stray/x.cc", "base/text.h"): "in no module",
    }
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(root, "ARCHITECTURE.md"), "w", encoding="utf-8") as file:
            file.write(table)
        for path, included in cases:
            for one in (path, included):
                os.makedirs(os.path.dirname(os.path.join(root, "src", one)), exist_ok=True)
                open(os.path.join(root, "src", one), "a").close()
        for (path, included), complaint in cases.items():
            full = os.path.join(root, "src", path)
            with open(full, "w", encoding="utf-8") as file:
                file.write(f'#include "{included}"\n')
            problems = check(root)
            assert (complaint in problems[0] if complaint else not problems) if problems or complaint else True, (path, included, problems)
            assert bool(problems) == bool(complaint), (path, included, problems)
            open(full, "w").close()
        with open(os.path.join(root, "src/os/fd.h"), "w", encoding="utf-8") as file:
            file.write('#include "result.h"\n')
        assert "from src/" in check(root)[0]
    print("check_layers: self-test passed")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    problems = check(sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    print("\n".join(problems) if problems else "check_layers: every include goes downward")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
