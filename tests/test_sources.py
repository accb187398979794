"""Where an image's sources stand: the last commit of its own folder, and nothing that tells of this machine."""

import subprocess

import pytest

from pipeline import sources


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)

    def git(*words, when="2026-01-02T03:04:05Z"):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True,
                       capture_output=True, env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": when,
                                                 "GIT_AUTHOR_DATE": when, "HOME": str(tmp_path)})  # fmt: skip

    git("init", "-q")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text("FROM scratch\n")
    git("add", "one", "two")
    git("commit", "-qm", "first")
    git.folder = tmp_path
    return git


def test_a_commit_elsewhere_changes_neither_revision_nor_time(repository):
    before = sources.of(repository.folder / "one")
    assert before.created == "2026-01-02T03:04:05Z"
    (repository.folder / "two" / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    repository("commit", "-qam", "second", when="2026-02-02T00:00:00Z")
    assert sources.of(repository.folder / "one") == before
    assert sources.of(repository.folder / "two").created == "2026-02-02T00:00:00Z"


def test_uncommitted_changes_show(repository):
    clean = sources.of(repository.folder / "one").revision
    (repository.folder / "one" / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    assert sources.of(repository.folder / "one").revision == f"{clean}-dirty"


def test_outside_git_nothing_is_made_up(tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    found = sources.of(tmp_path)
    assert (found.revision, found.url, found.epoch) == (None, None, 0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert sources.of(tmp_path).created == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://user:token@git.example/team/app.git", "https://git.example/team/app.git"),
        ("git@git.example:team/app.git", "https://git.example/team/app.git"),
        ("/srv/git/app.git", None),
        ("file:///srv/git/app.git", None),
    ],
)
def test_a_remote_is_told_without_its_credentials_and_a_path_not_at_all(repository, remote, url):
    repository("remote", "add", "origin", remote)
    assert sources.of(repository.folder / "one").url == url
