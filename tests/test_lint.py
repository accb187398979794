"""lint as it is called: which policy holds, where a waiver counts, what a baseline knows, from any folder."""

import json

import pytest

from tests.conftest import seatrial

POLICY = "default: a\nprofiles:\n  a: {rules: {runs-as-root: off}}\n"
WAIVER = """\
waivers:
- {rule: unpinned-base, path: dockerfiles/chat/Dockerfile, reason: as agreed, accepted_by: me, until: 2999-01-01}
"""


@pytest.fixture
def tree(tmp_path):
    """A repository with a policy of its own and one image."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(POLICY)
    chat = tmp_path / "dockerfiles" / "chat"
    chat.mkdir(parents=True)
    (chat / "Dockerfile").write_text("FROM debian:12\n")
    return tmp_path


def rules(*words, cwd):
    ended = seatrial("lint", "--format", "json", *words, cwd=cwd)
    document = json.loads(ended.stdout)
    return {one["rule"] for one in document["findings"] if not one["waived"]}, ended


def test_the_policy_of_the_repository_holds_in_each_of_its_folders(tree):
    service = tree / "service"
    service.mkdir()
    (service / "Dockerfile").write_text("FROM debian:12\n")
    assert rules(".", cwd=service)[0] == rules("service", cwd=tree)[0] == {"unpinned-base"}


def test_nobody_looks_for_a_policy_above_the_repository(tree):
    inner = tree / "vendored"
    (inner / ".git").mkdir(parents=True)
    (inner / "Dockerfile").write_text("FROM debian:12\n")
    assert "runs-as-root" in rules(cwd=inner)[0]


def test_a_waiver_by_path_counts_from_wherever_the_file_is_named(tree):
    (tree / "policies" / "waivers.yaml").write_text(WAIVER)
    chat = tree / "dockerfiles" / "chat"
    for cwd, name in (
        (tree, "dockerfiles"),
        (chat, "Dockerfile"),
        (chat, "."),
        (tree.parent, str(chat / "Dockerfile")),
    ):
        ended = seatrial("lint", name, cwd=cwd, SEATRIAL_ROOT=str(tree))
        assert (ended.returncode, "1 waived" in ended.stdout) == (0, True), (cwd, ended.stdout)


def test_without_a_path_the_files_are_named_from_where_we_stand(tree):
    _, ended = rules(cwd=tree)
    assert {one["file"] for one in json.loads(ended.stdout)["findings"]} == {"dockerfiles/chat/Dockerfile"}


def test_a_profile_that_nobody_has_is_told_at_its_line_in_image_yaml(tree):
    (tree / "dockerfiles/chat/image.yaml").write_text("name: chat\nrepository: team/chat\nprofile: aa\n")
    _, ended = rules(cwd=tree)
    (error,) = json.loads(ended.stdout)["errors"]
    assert ended.returncode == 3
    assert error["file"].endswith("chat/image.yaml") and error["line"] == 3


def test_a_baseline_of_the_folder_knows_what_a_file_alone_shows(tree):
    chat = tree / "dockerfiles" / "chat"
    (chat / "Dockerfile").write_text("ARG CUDA=12.9.1\nFROM nvidia/cuda:${CUDA}-devel-ubuntu22.04\n")
    (chat / "image.yaml").write_text(
        "name: chat\nrepository: team/chat\nvariants:\n- {name: old, build_args: {CUDA: 12.4.1}}\n- {name: new}\n"
    )
    seatrial("lint", ".", "--write-baseline", "known.json", cwd=tree)
    (chat / "image.yaml").unlink()  # the file as pre-commit or an editor names it: built in one way
    assert rules("dockerfiles/chat/Dockerfile", "--baseline", "known.json", cwd=tree)[0] == set()
