#!/usr/bin/env python3
"""Rules about the text of the sources: words and headers that must not appear where they do harm, and a report of long files."""
import os
import re
import sys

# (what, files it is allowed in, why)
FORBIDDEN = [
    (r"\bco_(await|return|yield)\b", [], "g++ 12 miscompiles ordinary coroutines"),
    (r"#\s*include\s*<regex>", [], "slow to compile and to run; match by hand"),
    (r"#\s*include\s*<(iostream|fstream|sstream|format|print)>", [], "use base/text.h, os/file.h and base/log.h"),
    (r"#\s*include\s*<boost/", ["http/parser.cc"], "Boost's headers stay in one translation unit"),
    (r"#\s*include\s*<nlohmann/", ["codec/json/value.cc"], "JSON goes through codec/json/"),
    (r"#\s*include\s*<(grpc|google/protobuf)", [], "gRPC belongs into a module of its own that is loaded on first use"),
    (r"(?<![\w.:>])(::)?fork\s*\(\s*\)", ["shim/compressor.cc", "bin/proa-init.cc"], "the daemon never forks; see os/process.h"),
    (r"\busing namespace std\b", [], "names stay qualified"),
]
# Modules of the static programs: built without exceptions and RTTI.
STATIC = ("base/", "os/", "cgroup/", "runtime/", "shim/")
STATIC_FORBIDDEN = [
    (r"\bthrow\b(?!\s*\()", "built with -fno-exceptions"),
    (r"\b(try|catch)\s*[({]", "built with -fno-exceptions"),
    (r"\b(dynamic_cast|typeid)\b", "built with -fno-rtti"),
    (r"\b(getpwnam|getgrnam|getpwuid|getgrgid|getaddrinfo|gethostbyname|dlopen|iconv_open)(_r)?\s*\(", "needs shared libraries in a static program"),
]
TESTS_MAY = re.compile(r"_(test|fuzz)\.cc$")
LONG_FILE, VERY_LONG_FILE = 600, 1200


def without_comments(text):
    """Comments and string contents blanked out, line numbers kept."""
    pattern = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"')
    return pattern.sub(lambda m: "".join(c if c == "\n" else " " for c in m.group(0)) if not m.group(0).startswith('"') or "<" not in m.group(0) else m.group(0), text)


def check(source):
    problems, sizes = [], []
    for folder, _, names in sorted(os.walk(source)):
        for name in sorted(names):
            if not name.endswith((".h", ".cc")):
                continue
            path = os.path.relpath(os.path.join(folder, name), source)
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            sizes.append((text.count("\n"), path))
            plain = without_comments(text)
            rules = [(pattern, why) for pattern, allowed, why in FORBIDDEN if path not in allowed and not TESTS_MAY.search(path)]
            if path.startswith(STATIC) and not TESTS_MAY.search(path):
                rules += STATIC_FORBIDDEN
            for number, line in enumerate(plain.splitlines(), 1):
                problems += [f"src/{path}:{number} {line.strip()[:80]}: {why}" for pattern, why in rules if re.search(pattern, line)]
            if name.endswith(".h") and not text.startswith("#pragma once"):
                problems.append(f"src/{path}:1 does not begin with #pragma once")
            if not TESTS_MAY.search(path) and sizes[-1][0] > VERY_LONG_FILE:
                problems.append(f"src/{path}:1 has {sizes[-1][0]} lines: look for two ideas in it")
    return problems, sizes


def self_test():
    import tempfile
    cases = [("http/x.cc", "co_await f();\n", True), ("http/x.cc", "// co_await f();\n", False), ("os/x.cc", "try {\n", True), ("engine/x.cc", "try {\n", False),
             ("http/parser.cc", "#include <boost/beast.hpp>\n", False), ("api/x.cc", "#include <boost/beast.hpp>\n", True), ("api/x.cc", "int r = fork();\n", True),
             ("api/x.cc", 'fail("fork()");\n', False), ("base/x.h", "int a;\n", True), ("api/x.cc", "#include <iostream>\n", True)]
    for path, text, bad in cases:
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, os.path.dirname(path)))
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
            assert bool(check(root)[0]) == bad, (path, text)
    print("check_sources: self-test passed")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    problems, sizes = check(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "src"))
    code = sorted(size for size, path in sizes if not TESTS_MAY.search(path))
    if code:
        print(f"check_sources: {len(sizes)} files, {sum(size for size, _ in sizes)} lines; without tests median {code[len(code) // 2]}, 95 % under {code[len(code) * 95 // 100]}")
        for size, path in sorted(sizes, reverse=True):
            if size > LONG_FILE and not TESTS_MAY.search(path):
                print(f"  long: src/{path} {size} lines")
    print("\n".join(problems) if problems else "check_sources: nothing forbidden")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
