"""What a .dockerignore keeps out of a build, and what a COPY source means in a folder."""

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import context
from pipeline.context import globs, ignore
from pipeline.errors import BadFile
from pipeline.model import Context
from pipeline.parse import parse

OUT = (
    # the file, what it keeps out, what it does not
    ("model.pt", ["model.pt", "model.pt/part"], ["a/model.pt", "model.pth"]),
    ("/model.pt", ["model.pt"], ["a/model.pt"]),
    ("weights/", ["weights", "weights/a/b"], ["a/weights", "weights2"]),
    ("./a/../weights", ["weights/a"], ["a"]),
    ("*.pt", ["model.pt"], ["a/model.pt", "model.pt.txt"]),
    ("*/*.pt", ["a/model.pt"], ["model.pt", "a/b/model.pt"]),
    ("**/*.pt", ["model.pt", "a/b/model.pt"], ["model.pth"]),
    ("**", ["a", "a/b"], []),
    ("weights/**", ["weights/a", "weights/a/b"], ["weights", "a/weights/b"]),
    ("**/cache", ["cache", "a/cache", "a/cache/b"], ["cached", "a/caches"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
    ("part-?", ["part-1", "part-a/x"], ["part-", "part-10"]),
    ("part-[0-3]", ["part-0", "part-3"], ["part-4", "part-[0-3]"]),
    ("part-[^0-3]", ["part-4"], ["part-0"]),
    ("\\*.pt", ["*.pt"], ["a.pt"]),
    ("a+b.(1){2}|$", ["a+b.(1){2}|$"], ["aab.1122"]),
    ("# weights", [], ["# weights", "weights"]),
    (" # weights", ["# weights"], ["weights"]),
    ("  a  \n\n\tb\t", ["a", "b"], ["  a"]),
    ("\ufeffa", ["a"], ["\ufeffa"]),
    ("a\r\nb\r\n", ["a", "b"], []),
    (".", [], ["a", ".git"]),
    ("..", [], ["a"]),
    ("*\n!src", ["a", "a/src"], ["src", "src/a/b"]),
    ("*\n!src/app", ["src", "src/lib"], ["src/app", "src/app/a.py"]),
    ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README.md"]),
    ("!a\na", ["a"], []),
    ("a\n! a", [], ["a"]),
    ("Dockerfile\n.dockerignore", ["Dockerfile", ".dockerignore"], []),
    ("^a*", ["a", "ab"], ["^a", "^ab"]),
    ("\\d*", ["1", "12"], ["d1"]),
    ("[[:alpha:]]1", ["a1"], [":1", ":]1"]),
    ("src\\build", [], ["src/build", "srcbuild"]),
)


@pytest.mark.parametrize(("text", "out", "kept"), OUT, ids=[repr(text) for text, _, _ in OUT])
def test_patterns_mean_what_the_builder_takes_them_for(text: str, out: list[str], kept: list[str]) -> None:
    ignored = ignore.parse(text)
    assert [path for path in out + kept if ignored.excludes(path)] == out


def test_a_pattern_that_was_not_asked_of_a_folder_does_not_hold_for_what_is_in_it() -> None:
    # The builder goes down folder by folder: `a` is not out, so `!a` is not asked there and brings nothing in.
    assert ignore.parse("a/*.log\n!a").excludes("a/x.log")
    assert not ignore.parse("*\n!a").excludes("a/x.log")


@pytest.mark.parametrize(
    "pattern", ["[", "[]", "[]a]", "[a-]", "a\\", "!", "!/", "[b-a]", "[[:word", "x" * 5000, "\\y"]
)
def test_what_the_builder_refuses_is_an_error_with_its_line(pattern: str) -> None:
    with pytest.raises(BadFile) as error:
        ignore.parse(f"# one\n{pattern}\n", file="x/.dockerignore")
    assert (error.value.file, error.value.line) == ("x/.dockerignore", 2)


def test_a_folder_that_can_hold_an_exception_is_not_pruned() -> None:
    ignored = ignore.parse("a\nb\n!a/keep/x\n")
    assert (ignored.prunes("a"), ignored.prunes("a/keep"), ignored.prunes("a/other")) == (False, False, True)
    assert ignored.prunes("b")
    assert not ignore.parse("a\n!**/keep\n").prunes("a")


def test_the_file_beside_a_dockerfile_counts_instead_of_the_contexts_own(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a\n")
    (tmp_path / "gpu").mkdir()
    (tmp_path / "gpu/Dockerfile.dockerignore").write_text("b\n")
    own = ignore.read(tmp_path, tmp_path / "gpu/Dockerfile")
    shared = ignore.read(tmp_path, tmp_path / "Dockerfile")
    assert own is not None and shared is not None
    assert (own.excludes("a"), own.excludes("b")) == (False, True)
    assert (shared.excludes("a"), shared.excludes("b")) == (True, False)
    assert ignore.read(tmp_path / "gpu") is None


@pytest.mark.parametrize("text", ["*a" * 1500 + "b", "**/a" * 1000, "**/" * 1300 + "x*", "[a-z]*" * 600, "a?" * 2000])
def test_a_pattern_full_of_stars_takes_no_longer(text: str) -> None:
    begin = time.perf_counter()
    ignored = ignore.parse(text)
    for number in range(50):
        ignored.excludes(f"{number}/" + "a" * 255 + "/aa" * 200)
    assert time.perf_counter() - begin < 3


@given(st.text(alphabet="ab/*?[]^!-\\.# \n", max_size=30), st.text(alphabet="ab/.-*", min_size=1, max_size=12))
@example("[[]", "a")
def test_no_text_breaks_the_reader(text: str, path: str) -> None:
    try:
        ignored = ignore.parse(text)
    except BadFile as error:
        assert error.line is not None and 1 <= error.line <= text.count("\n") + 1
        return
    if ignored.prunes(path):
        assert ignored.excludes(path)


def test_another_reader_of_the_same_rules_agrees() -> None:
    oracle = pytest.importorskip("e2b_dockerfile_utils", reason="the other reader is not installed here")
    for text, out, kept in OUT:
        # It reads lines, not files, and takes ^, \d and [:alpha:] as they stand, which Go does not.
        if not set(text) & set("^\ufeff") and "\\" not in text and "[:" not in text:
            other = oracle.PatternMatcher(text.splitlines())
            assert [path for path in out + kept if other.matches(path)] == out, text


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [("*.txt", "a.txt", True), ("*.txt", "a/b.txt", False), ("a/*", "a/b", True), ("a/*", "a/b/c", False),
     ("[^a]", "b", True), ("\\[a]", "[a]", True), ("**", "a/b", False), ("a?c", "a/c", False)],
)  # fmt: skip
def test_a_source_of_copy_is_a_glob_of_go(pattern: str, path: str, matches: bool) -> None:
    assert globs.matcher(pattern)(path) is matches


@pytest.fixture
def tree(tmp_path: Path) -> context.BuildContext:
    for path in ("requirements.txt", "app/main.py", "app/lib/x.py", "data/a.pt", "data/keep/b.pt", "docs/a.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / ".dockerignore").write_text("data\n!data/keep\ndocs\n**/lib\n")
    dockerfile = parse("FROM scratch\n", path=str(tmp_path / "Dockerfile"))
    found = context.of(dockerfile, Context(folder=tmp_path))
    assert found is not None and found is context.of(dockerfile, Context(folder=tmp_path))
    return found


def test_a_source_names_what_is_there_and_not_ignored(tree: context.BuildContext) -> None:
    assert tree.sources("requirements.txt") == ("requirements.txt",)
    assert tree.sources("/app/../requirements*") == ("requirements.txt",)
    assert tree.sources("*") == (".dockerignore", "app", "data", "out", "requirements.txt")
    assert tree.sources("docs/a.md") == ()
    assert tree.sources("app/*") == ("app/main.py",)
    assert tree.files(".") == (".dockerignore", "app/main.py", "data/keep/b.pt", "out", "requirements.txt")


def test_what_is_missing_and_what_is_ignored_are_told_apart(tree: context.BuildContext) -> None:
    assert (tree.exists("docs"), tree.excluded("docs")) == (True, ("docs",))
    assert (tree.exists("doc"), tree.excluded("doc")) == (False, ())
    assert tree.excluded("data") == ()  # data/keep comes back in, and the folder with it
    assert tree.excluded("*.md") == () and tree.exists("*.md") is False


def test_nothing_outside_of_the_folder_is_looked_at(tree: context.BuildContext) -> None:
    assert tree.exists("out/passwd") is None
    assert tree.exists("../../../../etc/passwd") is False
    assert tree.text("out") is None and tree.text("out/passwd") is None and tree.text("../../etc/passwd") is None
    assert tree.text("requirements.txt") == "requirements.txt" and tree.text("docs/a.md") is None


def test_a_tree_that_is_too_large_is_not_taken_for_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MOST", 3)
    for number in range(5):
        (tmp_path / f"{number}.txt").touch()
    large = context.BuildContext(tmp_path, None)
    assert large.sources("*.md") is None and large.exists("*.md") is None
    assert large.exists("4.txt") is True


def test_a_bad_dockerignore_is_told_and_leaves_no_context(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("a\n[\n")
    dockerfile = parse("FROM scratch\n", path=str(tmp_path / "Dockerfile"))
    assert context.of(dockerfile, Context(folder=tmp_path)) is None
    told = context.problem(dockerfile, Context(folder=tmp_path))
    assert told is not None and told.line == 2
    assert context.of(dockerfile, Context()) is None
