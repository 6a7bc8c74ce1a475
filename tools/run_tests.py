#!/usr/bin/env python3
"""Runs the unit tests and the black-box tests and sums them up. run_tests.py [--sum FILE] BUILD [FILTER ...]

FILTER   nothing              all
         store                the unit tests of a module (store, codec/json, engine)
         store:Whiteout*      those whose Suite.name matches; store/unpack_test:Whiteout* is the same
         tests/api            black-box tests by path, tests/api/test_logs.py::test_x too
         any other word       unit and black-box tests with the word in their names
The last line is `N passed, N failed`, or with --sum FILE both numbers go there. The exit code is 1 when something failed or nothing ran.
"""
import concurrent.futures
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Sum:
    passed = failed = skipped = 0
    names = []

    def add_report(self, path, label):
        """Counts a JUnit report; False when there is none to read (the program died)."""
        try:
            cases = list(ElementTree.parse(path).iter("testcase"))
        except (OSError, ElementTree.ParseError):
            return False
        for case in cases:
            name = f'{label}{case.get("classname")}.{case.get("name")}'
            if case.get("status") == "notrun":
                continue
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed += 1
                self.names.append(name)
            elif case.find("skipped") is not None or case.get("result") == "skipped":
                self.skipped += 1
            else:
                self.passed += 1
        return True


def unit_programs(build):
    folder = os.path.join(build, "test")
    return sorted(name for name in os.listdir(folder) if name.endswith("_test")) if os.path.isdir(folder) else []


def select(build, filters):
    """([(program, gtest filter)], [pytest arguments] or None for no black-box tests)."""
    programs = unit_programs(build)
    if not filters:
        return [(program, "*") for program in programs], ["tests"]
    units, black_box, words = [], [], []
    for one in filters:
        if one.startswith("tests/") or one == "tests" or ".py" in one:
            black_box.append(one)
            continue
        module, _, pattern = one.partition(":")
        flat = module.replace("/", "_").removesuffix("_test")
        while flat and flat + "_test" not in programs:  # store/unpack_test lives in the program of store
            flat = flat.rpartition("_")[0]
        if flat:
            units.append((flat + "_test", ":".join(piece if any(c in piece for c in "*?.") else f"*{piece}*" for piece in pattern.split(":")) if pattern else "*"))
        else:
            words.append(one)
    for word in words:
        units += [(program, f"*{word}*") for program in programs]
    if words:
        black_box += ["tests", "-k", " or ".join(words)]
    return units, black_box or None


def run_unit(build, program, pattern, reports):
    report = os.path.join(reports, f"{program}-{abs(hash(pattern))}.xml")
    command = [os.path.join(build, "test", program), f"--gtest_filter={pattern}", f"--gtest_output=xml:{report}", "--gtest_brief=1"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=600, cwd=ROOT)
        return program, report, done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as late:
        return program, report, "timeout", (late.stdout or b"").decode(errors="replace")


def run_units(build, units, reports, total):
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for program, report, code, output in pool.map(lambda unit: run_unit(build, *unit, reports), units):
            counted = total.add_report(report, program.removesuffix("_test") + ":")
            if code != 0:
                print(f"--- {program}: exit {code}\n{output}", flush=True)
                if not counted or code == "timeout" or (isinstance(code, int) and code < 0):
                    total.failed += 1
                    total.names.append(f"{program} (exit {code})")


def run_black_box(build, arguments, reports, total):
    report = os.path.join(reports, "pytest.xml")
    environment = dict(os.environ, PROA_BIN=os.path.join(build, "bin"), PYTHONDONTWRITEBYTECODE="1")
    arguments = [one.removeprefix("tests/") if one != "tests" else "." for one in arguments]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments], cwd=os.path.join(ROOT, "tests"), env=environment, stdin=subprocess.DEVNULL)
    counted = total.add_report(report, "")
    if done.returncode not in (0, 1, 5) or not counted:
        total.failed += 1
        total.names.append(f"pytest (exit {done.returncode})")


def main():
    arguments, sum_file = sys.argv[1:], None
    if arguments[0] == "--sum":
        sum_file, arguments = arguments[1], arguments[2:]
    build, total = os.path.abspath(arguments[0]), Sum()
    units, black_box = select(build, arguments[1:])
    with tempfile.TemporaryDirectory(prefix="proa-reports-") as reports:
        run_units(build, units, reports, total)
        if black_box:
            run_black_box(build, black_box, reports, total)
    for name in total.names:
        print(f"failed: {name}")
    if total.skipped:
        print(f"{total.skipped} skipped")
    if sum_file:
        with open(sum_file, "w", encoding="ascii") as file:
            file.write(f"{total.passed} {total.failed}\n")
    else:
        print(f"{total.passed} passed, {total.failed} failed")
    sys.exit(total.failed > 0 or total.passed == 0)


if __name__ == "__main__":
    main()
