"""From compose files to `config`: a corpus with the normalised form of each, and broken files with what is said about them.

The expected forms are docker compose 2.26.1's own but for the cases in DIFFERENCES.
"""
import os
import subprocess

import pytest

from support import compose_cases as cases

# Where the answer expected here is not docker compose 2.26.1's, and why.
FORGOTTEN = "is honoured, so it is kept; 2.26.1 takes it and forgets it"
ENV_FILE = "the hash is the one on 2.26.1's containers; its `config --hash` leaves the variables of env_file out and tells another"
DIFFERENCES = {
    "key-networks-map": "gw_priority " + FORGOTTEN,
    "top-networks": "ipam.options " + FORGOTTEN,
    "key-env-file": ENV_FILE,
    "key-env-file-list": ENV_FILE,
    "merge-env-file": ENV_FILE,
    "options-no-path-resolution": ENV_FILE,
    "variables-raw-dollar-in-env-file": ENV_FILE,
}


def test_the_differences_are_cases():
    assert set(DIFFERENCES) <= set(cases.names("corpus"))


@pytest.fixture(autouse=True)
def tidy():
    """Nothing here needs an engine."""


@pytest.fixture(scope="session")
def program():
    build = os.environ.get("PROA_BIN", os.path.join(os.path.dirname(__file__), "../../build/release/bin"))
    return os.path.join(os.path.abspath(build), "proa")


@pytest.mark.parametrize("name", cases.names("corpus"))
def test_a_project_is_normalised(program, tmp_path, name):
    sections = cases.read("corpus", name)
    project = cases.Project(program, sections, tmp_path)
    result = project.config()
    assert (result.returncode, project.there(result.stdout)) == (0, sections["expected"]), result.stderr


@pytest.mark.parametrize("name", [name for name in cases.names("corpus") if "hashes" in cases.read("corpus", name)])
def test_a_projects_hashes_are_those_of_docker_compose(program, tmp_path, name):
    sections = cases.read("corpus", name)
    project = cases.Project(program, sections, tmp_path)
    if "/srv" in sections["expected"] or "/home/u" in sections["expected"]:
        pytest.fail("a hash over paths cannot be compared from another folder: leave it out of the case")
    result = project.config("--hash", "*")
    assert (result.returncode, result.stdout) == (0, sections["hashes"])


@pytest.mark.parametrize("name", cases.names("broken"))
def test_a_broken_project_is_refused_with_its_place(program, tmp_path, name):
    sections = cases.read("broken", name)
    project = cases.Project(program, sections, tmp_path)
    result = project.config()
    said = "".join(line for line in project.there(result.stderr).splitlines(keepends=True) if not line.startswith('time="'))
    assert (result.returncode, said) == (int(sections["code"]), sections["error"])
    assert result.stdout == ""


# What compose's output does not carry: dollar signs are doubled in keys too, where nothing is a variable; SSH keys and first empty lines
# of literal blocks are written as compose writes them, which does not read back.
ONE_WAY = {"variables-not-in-keys"}


@pytest.mark.parametrize("name", [name for name in cases.names("corpus") if "arguments" not in cases.read("corpus", name) and name not in ONE_WAY])
def test_what_config_prints_means_the_same(program, tmp_path, name):
    """The normalised form, read again, is its own normalised form."""
    sections = cases.read("corpus", name)
    project = cases.Project(program, sections, tmp_path)
    first = project.config().stdout
    (project.folder / "again.yaml").write_text(first)
    second = project.run("-f", "again.yaml", "config")
    assert second.stdout == first, second.stderr


def test_a_project_comes_from_standard_input(program, tmp_path):
    result = subprocess.run([program, "compose", "-p", "in", "-f", "-", "config"], input="services: {a: {image: x}}\n", cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.startswith("name: in\nservices:\n  a:\n    image: x\n"), result.stderr


def test_the_files_are_found_in_a_directory_above(program, tmp_path):
    (tmp_path / "compose.yaml").write_text("name: up\nservices: {a: {image: x, volumes: ['./d:/d']}}\n")
    below = tmp_path / "one" / "two"
    below.mkdir(parents=True)
    result = subprocess.run([program, "compose", "config"], cwd=below, capture_output=True, text=True)
    assert f"source: {tmp_path}/d" in result.stdout, result.stderr


@pytest.mark.parametrize("flag, expected", [
    ("--services", "db\nweb\n"),
    ("--images", "postgres:16\nfacts-web\n"),
    ("--volumes", "data\n"),
    ("--networks", "default\n"),
    ("--profiles", "debug\n"),
    ("--quiet", ""),
])
def test_config_lists_one_thing(program, tmp_path, flag, expected):
    sections = {"compose.yaml": "name: facts\nservices: {web: {build: ., depends_on: [db]}, db: {image: 'postgres:16', volumes: ['data:/d']},"
                                " tool: {image: t, profiles: [debug]}}\nvolumes: {data: , other: }\n"}
    result = cases.Project(program, sections, tmp_path).config(flag)
    assert (result.returncode, result.stdout) == (0, expected), result.stderr


def test_config_names_variables_and_environment(program, tmp_path):
    sections = {"compose.yaml": "name: facts\nservices: {a: {image: '${IMAGE:-x}:${TAG:?}', command: '${MORE:+more}'}}\n", ".env": "TAG=1\n"}
    project = cases.Project(program, sections, tmp_path)
    rows = [line.split() for line in project.config("--variables").stdout.splitlines()]
    assert rows == [["NAME", "REQUIRED", "DEFAULT", "VALUE", "ALTERNATE", "VALUE"], ["IMAGE", "false", "x"], ["MORE", "false", "more"], ["TAG", "true"]]
    lines = project.config("--environment").stdout.splitlines()
    assert "TAG=1" in lines and "COMPOSE_PROJECT_NAME=facts" in lines


def test_config_writes_a_file(program, tmp_path):
    project = cases.Project(program, {"compose.yaml": "name: facts\nservices: {a: {image: x}}\n"}, tmp_path)
    result = project.config("-o", "out.yaml")
    assert (result.returncode, result.stdout) == (0, "")
    assert (project.folder / "out.yaml").read_text().startswith("name: facts\n")


def test_what_a_single_host_ignores_is_named_with_its_line(program, tmp_path):
    project = cases.Project(program, {"compose.yaml": "services:\n  a:\n    image: x\n    deploy:\n      placement: {constraints: [a]}\n"}, tmp_path)
    result = project.config("-q")
    assert result.returncode == 0
    assert "services.a.deploy.placement has no effect on a single host" in result.stderr
    assert f"{project.folder}/compose.yaml:5:18" in result.stderr


@pytest.mark.parametrize("arguments, code, text", [
    (["--bad", "config"], 16, "unknown flag: --bad\n"),
    (["config", "--bad"], 16, "unknown flag: --bad\n"),
    (["config", "--format", "xml"], 1, 'unsupported format "xml"\n'),
    (["config", "--hash", "zz"], 1, "no such service: zz: not found\n"),
    (["config", "zz"], 1, "no such service: zz\n"),
])
def test_wrong_calls_end_as_docker_composes(program, tmp_path, arguments, code, text):
    project = cases.Project(program, {"compose.yaml": "services: {a: {image: x}}\n"}, tmp_path)
    result = project.run(*arguments)
    assert (result.returncode, result.stderr) == (code, text)


def test_version(program, tmp_path):
    project = cases.Project(program, {}, tmp_path)
    assert project.run("version", "--short").stdout == "2.26.1\n"
    assert project.run("version", "-f", "json").stdout == '{"version":"2.26.1"}\n'
    assert "2.26.1" in project.run("version").stdout
    assert project.run("--version").stdout == project.run("version").stdout


def test_help_and_completion_know_the_flags_before_the_command(program, tmp_path):
    text = cases.Project(program, {}, tmp_path).run("--help").stdout
    assert text.startswith("Usage:  proa compose [OPTIONS] COMMAND\n") and "--project-directory string" in text
    words = subprocess.run([program, "__complete", "compose", "-f", "x.yaml", "conf"], capture_output=True, text=True).stdout
    assert words.startswith("config\t")
