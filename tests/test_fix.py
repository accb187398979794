"""Mending: edits are spliced whole, twice is once, nothing else changes; pins come from a registry."""

import json
import os
import stat
import subprocess
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import check, fix, parse
from pipeline.errors import RegistryFailed
from pipeline.fix.pin import pinned
from pipeline.lint import ruleset
from pipeline.model import Edit, Finding, Fix, Severity, Span
from policies import RULES
from tests.conftest import PROGRAM, seatrial

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def finding(line, *edits, rule="made-up", safe=True, waived=None):
    return Finding(
        rule=rule,
        severity=Severity.WARNING,
        message=f"line {line}",
        hint="",
        file="Dockerfile",
        line=line,
        end_line=line,
        column=None,
        stage=None,
        docs="",
        fixable=True,
        waived=waived,
        fix=Fix("mend it", tuple(edits), safe),
    )


def replacing(text, old, new, **more):
    at = text.find(old)
    line = text.count("\n", 0, at) + 1
    return finding(line, Edit(Span(at, at + len(old)), new), **more) if at >= 0 else None


def looking(*pairs, **more):
    def look(text):
        found = (replacing(text, old, new, **more) for old, new in pairs)
        return tuple(one for one in found if one)

    return look


def test_edits_are_spliced_into_bytes_not_characters():
    text = "FROM a\nLABEL x=é y=old\n"
    at = text.encode().find(b"old")
    assert fix.apply(text, [Edit(Span(at, at + 3), "new")]) == "FROM a\nLABEL x=é y=new\n"


def test_the_fix_of_the_earlier_finding_stays_when_two_touch_the_same_bytes():
    def look(text):
        if text != "FROM abc\n":
            return ()
        return finding(1, Edit(Span(5, 7), "x")), finding(1, Edit(Span(6, 8), "y"), rule="other")

    mended = fix.mend("FROM abc\n", look)
    assert mended.text == "FROM xc\n"
    assert [one.rule for one in mended.done] == ["made-up"]


def test_what_one_fix_uncovers_the_next_round_mends():
    assert fix.mend("FROM a\n", looking(("a", "bb"), ("bb", "ccc"))).text == "FROM ccc\n"


def test_fixes_that_undo_each_other_end():
    text = fix.mend("FROM a\n", looking(("FROM a\n", "FROM b\n"), ("FROM b\n", "FROM a\n"))).text
    assert text in ("FROM a\n", "FROM b\n")


def test_a_fix_after_which_the_file_does_not_parse_is_thrown_away_and_said():
    mended = fix.mend("FROM a\nRUN b\n", looking(("RUN", "RAN"), ("b", "c")))
    assert mended.text == "FROM a\nRUN c\n"
    assert [why for _, why in mended.refused] == ["after “mend it” the file would not parse"]


def test_unsafe_fixes_wait_for_the_word_and_waived_findings_are_left_alone():
    assert fix.mend("FROM a\n", looking(("a", "b"), safe=False)).text == "FROM a\n"
    assert fix.mend("FROM a\n", looking(("a", "b"), safe=False), unsafe=True).text == "FROM b\n"
    assert fix.mend("FROM a\n", looking(("a", "b"), waived="because")).text == "FROM a\n"


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 80), st.integers(0, 20), st.text(max_size=5))))
def test_whatever_the_edits_nothing_outside_them_changes(text, wanted):
    raw = text.encode("utf-8", "surrogatepass")
    edits, at = [], 0
    for start, length, new in sorted(wanted):
        if at <= start <= start + length <= len(raw) and text.isascii():
            edits.append(Edit(Span(start, start + length), new))
            at = start + length + 1
    mended = fix.apply(text, edits).encode("utf-8", "surrogatepass")
    kept = [raw[a.span.end : b.span.start] for a, b in pairwise(edits)]
    assert all(piece in mended for piece in kept)
    assert len(mended) == len(raw) + sum(
        len(e.text.encode("utf-8", "surrogatepass")) - (e.span.end - e.span.start) for e in edits
    )


# --- the command line ------------------------------------------------------------------------------------

SLOPPY = (
    "FROM debian:bookworm-slim\r\n"
    "# the lists stay out of the layer\r\n"
    "RUN apt update && apt install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*\r\n"
    "RUN <<'EOF'\r\n"
    "apt in a here-document that cat reads stays\r\n"
    "EOF\r\n"
    "USER 10001\r\n"
)


@pytest.fixture
def dockerfile(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_bytes(SLOPPY.encode())
    file.chmod(0o640)
    return file


def test_fix_mends_in_place_and_keeps_comments_line_ends_and_the_mode(dockerfile):
    ended = seatrial("fix", str(dockerfile), "--rule", "apt-for-people")
    assert ended.returncode == 0, ended.stderr
    text = dockerfile.read_bytes().decode()
    assert text == SLOPPY.replace("RUN apt update && apt install", "RUN apt-get update && apt-get install")
    assert stat.S_IMODE(dockerfile.stat().st_mode) == 0o640
    assert "mended in 1 of 1 file" in ended.stdout
    again = seatrial("fix", str(dockerfile), "--rule", "apt-for-people")
    assert (again.returncode, dockerfile.read_bytes().decode()) == (0, text)
    assert "nothing to mend" in again.stdout
    assert list(dockerfile.parent.iterdir()) == [dockerfile]


def test_diff_changes_nothing_and_applies_with_patch(dockerfile):
    ended = seatrial("fix", "--diff", "--rule", "apt-for-people", "Dockerfile", cwd=dockerfile.parent)
    assert ended.returncode == 10
    assert dockerfile.read_bytes().decode() == SLOPPY
    assert "-RUN apt update" in ended.stdout and "+RUN apt-get update" in ended.stdout


def test_the_json_of_fix_says_what_was_done_and_what_is_left(dockerfile):
    ended = seatrial("fix", str(dockerfile), "--format", "json")
    document = json.loads(ended.stdout)
    assert document["schema"] == "seatrial/fix/v1" and document["written"] is True
    (file,) = document["files"]
    assert file["changed"] and {one["rule"] for one in file["mended"]} >= {"apt-for-people"}
    assert "unpinned-base" in {one["rule"] for one in file["left"]}


def test_a_link_keeps_pointing_and_its_target_is_mended(dockerfile):
    link = dockerfile.with_name("link.Dockerfile")
    link.symlink_to(dockerfile.name)
    seatrial("fix", str(link), "--rule", "apt-for-people")
    assert link.is_symlink()
    assert b"apt-get update" in dockerfile.read_bytes()


def test_a_file_that_does_not_parse_stays_as_it_is_and_the_others_are_mended(dockerfile):
    broken = dockerfile.with_name("Dockerfile.broken")
    broken.write_text("FROM\n")
    ended = seatrial("fix", str(dockerfile.parent), "--rule", "apt-for-people")
    assert ended.returncode == 3
    assert broken.read_text() == "FROM\n"
    assert b"apt-get update" in dockerfile.read_bytes()
    assert f"{broken}:1" in ended.stdout


def test_an_unknown_rule_is_refused_before_anything_is_touched(dockerfile):
    ended = seatrial("fix", str(dockerfile), "--rule", "apt-for-peopel")
    assert ended.returncode == 3 and dockerfile.read_bytes().decode() == SLOPPY


@pytest.mark.real
def test_a_mended_file_still_builds(tmp_path):
    """BuildKit takes the file before and after; `--check` alone would not run what was mended."""
    file = tmp_path / "Dockerfile"
    file.write_text("from scratch AS a\nLABEL name value\nMAINTAINER you\nCMD ['/run', 'me']\nCMD [\"/run\"]\n")
    ended = seatrial("fix", "--unsafe", str(file), "--policy", str(_strict(tmp_path)))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "mended in 1 of 1 file" in ended.stdout
    built = subprocess.run(
        ["docker", "buildx", "build", "--output", "type=cacheonly", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr


def _strict(folder):
    file = folder / "policy.yaml"
    file.write_text("default: strict\nprofiles:\n  strict:\n    every_rule: true\n")
    return file


# --- pins -------------------------------------------------------------------------------------------------


def answering(**digests):
    return lambda image: digests.get(image.replace(":", "_").replace("/", "_").replace(".", "_").replace("-", "_"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("FROM a:1\n", f"FROM a:1@{DIGEST}\n"),
        (f"FROM a:1@{OTHER} AS x\n", f"FROM a:1@{DIGEST} AS x\n"),
        (f"FROM a@{OTHER}\n", f"FROM a@{OTHER}\n"),
        ("FROM a\n", f"FROM a:latest@{DIGEST}\n"),
        ("ARG BASE=a:1\nFROM ${BASE}\n", f"ARG BASE=a:1@{DIGEST}\nFROM ${{BASE}}\n"),
        ("FROM h:5000/a:1\n", f"FROM h:5000/a:1@{DIGEST}\n"),
        ("FROM scratch\nCOPY --from=a:1 /x /x\n", f"FROM scratch\nCOPY --from=a:1@{DIGEST} /x /x\n"),
        (
            "FROM scratch\nRUN --mount=type=bind,from=a:1,target=/x y\n",
            f"FROM scratch\nRUN --mount=type=bind,from=a:1@{DIGEST},target=/x y\n",
        ),
        (
            "FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /x\n",
            "FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /x\n",
        ),
    ],
)
def test_an_image_is_pinned_where_the_file_names_it(before, after):
    text, _, not_pinned = pinned(before, "Dockerfile", lambda image: DIGEST)
    assert (text, not_pinned) == (after, ())
    assert pinned(after, "Dockerfile", lambda image: DIGEST)[0] == after


def test_what_cannot_be_pinned_is_said_with_the_reason():
    text = "ARG V=1\nFROM a:${V}\nFROM b:2\nFROM c:3\n"

    def resolve(image):
        if image == "b:2":
            raise RegistryFailed("docker.io does not answer", hint="")

    same, pins, not_pinned = pinned(text, "Dockerfile", resolve)
    assert same == text and not pins
    assert [(one.line, one.because) for one in not_pinned] == [
        (2, "it is put together from arguments"),
        (3, "docker.io does not answer"),
        (4, "the registry has no c:3"),
    ]


@pytest.mark.real
def test_pins_come_from_a_registry_that_answers_and_follow_a_tag_that_moved(released, tmp_path):
    repository, _, digest = released["debian-base"]["record"]["pushed"]["reference"].partition("@")
    image = f"{repository}:12"
    file = tmp_path / "Dockerfile"
    file.write_text(f"ARG BASE={image}\nFROM ${{BASE}} AS a\nFROM {image}@{OTHER}\nCOPY --from=a /etc /e\n")
    ended = seatrial("fix", "--pin", "--rule", "unpinned-base", str(file), "--format", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pinned = f"{image}@{digest}"
    assert file.read_text() == f"ARG BASE={pinned}\nFROM ${{BASE}} AS a\nFROM {pinned}\nCOPY --from=a /etc /e\n"
    (one,) = json.loads(ended.stdout)["files"]
    assert [(pin["line"], pin["before"], pin["digest"]) for pin in one["pins"]] == [
        (1, None, digest),
        (3, OTHER, digest),
    ]
    assert "unpinned-base" not in {finding["rule"] for finding in one["left"]}


def test_a_registry_that_does_not_answer_is_told_and_the_exit_code_says_so(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text("FROM 127.0.0.1:9/team/base:1\n")
    ended = seatrial("fix", "--pin", str(file))
    assert ended.returncode == 3
    assert "127.0.0.1:9/team/base:1 not pinned: 127.0.0.1:9 does not answer" in ended.stdout
    assert file.read_text() == "FROM 127.0.0.1:9/team/base:1\n"


MENDABLE = "FROM nvidia/cuda:12.4.1-base-ubuntu22.04\nRUN pip install torch\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_mended_file_still_belongs_to_whom_it_belonged(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text(MENDABLE)
    file.chmod(0o640)
    os.chown(file, 1234, 4321)
    assert seatrial("fix", str(file)).returncode == 0
    assert "--no-cache-dir" in file.read_text()
    assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (1234, 4321, 0o640)


def test_a_file_that_somebody_saves_meanwhile_is_left_to_them(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_text(MENDABLE.replace("nvidia/cuda", "example.org/cuda"))

    def resolve(image):
        file.write_text("FROM theirs\n")
        return DIGEST

    rules = ruleset.read(ruleset.SHIPPED, frozenset(rule.id for rule in RULES))
    found = fix.fix([file], rules, resolve=resolve)
    assert [error.message.partition(": ")[2] for error in found.errors] == ["changed while it was being mended"]
    assert file.read_text() == "FROM theirs\n"
    assert [one.name for one in tmp_path.iterdir()] == ["Dockerfile"]


def test_a_kill_in_the_middle_leaves_every_file_whole(tmp_path):
    texts = {f"Dockerfile.{number:02}": f"{MENDABLE}# {number}\n" + "# words\n" * 3000 for number in range(30)}
    for wait in (0.3, 0.45, 0.6):
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        process = subprocess.Popen([str(PROGRAM), "fix", str(tmp_path)], stdout=subprocess.DEVNULL)
        time.sleep(wait)
        process.kill()
        process.wait()
        for name, text in texts.items():
            assert (tmp_path / name).read_text() in (text, text.replace("pip install", "pip install --no-cache-dir"))


def test_a_dockerfile_inside_another_file_is_never_written(tmp_path):
    compose = "services:\n  a:\n    build:\n      context: .\n      dockerfile_inline: |\n" + "".join(
        f"        {line}\n" for line in MENDABLE.splitlines()
    )
    bake = f'target "a" {{\n  dockerfile-inline = {json.dumps(MENDABLE)}\n}}\n'
    (tmp_path / "compose.yaml").write_text(compose)
    (tmp_path / "docker-bake.hcl").write_text(bake)
    for path in (".", "compose.yaml", "docker-bake.hcl"):
        assert "Traceback" not in seatrial("fix", path, "--unsafe", cwd=tmp_path).stderr
    assert (tmp_path / "compose.yaml").read_text() == compose
    assert (tmp_path / "docker-bake.hcl").read_text() == bake


@pytest.mark.parametrize("unsafe", [False, True])
def test_line_ends_other_alphabets_and_a_missing_last_newline_change_no_fix(unsafe):
    text = (
        "FROM nvidia/cuda:12.4.1-devel-ubuntu22.04\nENV A b\nADD x /x\n"
        "RUN apt-get install curl && \\\n    # why\n    pip install torch && cd /x && wget -q http://example.org/a\n"
        "RUN <<EOF\napt-get update\napt-get install git\nEOF\nRUN apt install -y vim"
    )
    known = [rule for rule in RULES if rule.id != "shellcheck-remark"]

    def mended(text):
        return fix.mend(text, lambda one: check.lint(parse.parse(one), known).findings, unsafe=unsafe).text

    plain = mended(text)
    assert plain != text
    assert mended(text.replace("\n", "\r\n")) == plain.replace("\n", "\r\n")
    assert mended("# é漢🔒\n" + text) == "# é漢🔒\n" + plain
    assert mended(text + "\n") == plain + "\n"
    assert mended(plain) == plain
