"""Contexts and ADD sources from git, served on loopback."""
import pytest

from support.contexts import build, must_build, run

pytestmark = pytest.mark.proa


def test_a_repository_is_a_context(api, repository):
    built = must_build(api, "", body=b"", remote=repository)
    assert run(api, built.id)[1].split() == [".dockerignore", "sub"]


def test_branch_and_directory(api, repository):
    built = must_build(api, "", body=b"", remote=repository + "#other:sub")
    assert run(api, built.id)[1] == "other\n"
    for wrong, words in (("#nosuchbranch", "nosuchbranch"), ("#main:nosuch", "subdirectory nosuch"), ("#main:../..", "subdirectory"), ("#--upload-pack=touch", "invalid refspec")):
        failed = build(api, "", body=b"", remote=repository + wrong)
        assert failed.status in (400, 500) and words in failed.answer.json()["message"], failed.answer


def test_add_takes_repositories(api, repository):
    built = must_build(api, f"FROM busybox\nADD {repository}#other /src/\nADD --keep-git-dir=true {repository} /kept/\n")
    assert run(api, built.id, "sh", "-c", "cat /src/sub/f; ls -d /src/.git /kept/.git")[1] == "other\n/kept/.git\n"


def test_submodules_come_along(api, repository):
    built = must_build(api, f"FROM busybox\nADD {repository.replace('repo.git', 'outer.git')} /src/\n")
    assert run(api, built.id, "sh", "-c", "cat /src/inner/sub/f; find /src -name .git; ls /src/local 2>&1 | head -1")[1] == "main\nls: /src/local: No such file or directory\n"


def test_a_checksum_is_refused_where_nothing_checks_it(api, repository):
    for source in ("f", repository):
        failed = build(api, f"FROM busybox\nADD --checksum=sha256:{'0' * 64} {source} /f\n", {"f": "x"})
        assert "checksum can't be specified for non-HTTP(S) sources" in failed.error["message"], failed.answer
