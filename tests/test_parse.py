"""The parser against cases of our own, against any text at all, and against the real builder."""

from __future__ import annotations

import io
import os
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import parse, tools
from pipeline.errors import BadFile, ToolFailed


def read(text, **options):
    return parse.parse(textwrap.dedent(text).lstrip("\n"), **options)


def only(text):
    """The last instruction of a small Dockerfile."""
    return parse.parse(text).instructions[-1]


# --- lines -------------------------------------------------------------------------------------------


def test_a_continued_line_is_joined_without_its_comments_and_empty_lines():
    run = only("FROM scratch\nRUN one \\\n# a remark\n\n  two \\\n   # another\n  three\n")
    assert run.words == ("one   two   three",)
    assert (run.line, run.end_line) == (2, 7)


def test_the_backtick_escapes_when_the_directive_says_so():
    dockerfile = read("""
        # syntax=docker/dockerfile:1
        # escape=`
        FROM scratch
        COPY a `
             c:\\
        """)
    assert dockerfile.directives == {"syntax": "docker/dockerfile:1", "escape": "`"}
    assert dockerfile.instructions[-1].words == ("a", "c:\\")


def test_a_directive_below_an_empty_line_is_a_comment():
    dockerfile = read("""
        # a remark
        # escape=`
        FROM scratch
        RUN a \\
            b
        """)
    assert dockerfile.directives == {}
    assert dockerfile.instructions[-1].words == ("a     b",)
    assert dockerfile.comments == ((1, "a remark"), (2, "escape=`"))


def test_byte_order_mark_and_carriage_returns_do_not_count():
    dockerfile = parse.parse("\ufeff# escape=`\r\nFROM scratch\r\nENV a=b `\r\n  c=d\r\n")
    assert dockerfile.directives == {"escape": "`"}
    assert dockerfile.instructions[-1].words == ("a", "b", "=", "c", "d", "=")


def test_an_escaped_escape_at_the_end_continues_nothing():
    assert only("FROM scratch\nENV A path\\\\\nENV B c").words == ("B", "c", "")


# --- instructions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words", "json_form"),
    [
        ("RUN  make  all ", ("make  all",), False),
        ('RUN ["make", "a\\u0062"]', ("make", "ab"), True),
        ("RUN ['make']", ("['make']",), False),
        ('CMD ["a"] b', ('["a"] b',), False),
        ('CMD ["a", NaN]', ('["a", NaN]',), False),
        ("CMD []", (), True),
        ("ENV a b  c", ("a", "b  c", ""), False),
        ("ENV a=b c='d e' f=\"g h\"", ("a", "b", "=", "c", "'d e'", "=", "f", '"g h"', "="), False),
        ("ENV i=j\\ k", ("i", "j\\ k", "="), False),
        ("LABEL a.b=c", ("a.b", "c", "="), False),
        ("ARG a b='c d'", ("a", "b='c d'"), False),
        ("EXPOSE 80 443/tcp", ("80", "443/tcp"), False),
        ('VOLUME ["/a b", "/c"]', ("/a b", "/c"), True),
        ("WORKDIR /a b", ("/a b",), False),
        ('HEALTHCHECK --interval=5s CMD ["true"]', ("CMD", "true"), True),
        ("HEALTHCHECK CMD curl x || exit 1", ("CMD", "curl x || exit 1"), False),
        ("ONBUILD COPY --chown=1 a /b", ("COPY", "a", "/b"), False),
    ],
)  # fmt: skip
def test_each_form_gives_its_words(line, words, json_form):
    instruction = only(f"FROM scratch\n{line}")
    assert (instruction.words, instruction.json_form) == (words, json_form)


def test_flags_are_kept_apart_without_their_quotes():
    copy = only('FROM scratch\nCOPY --chown="1:1" --chmod=0\\755 -- --a /b')
    assert copy.flags == ("--chown=1:1", "--chmod=0755")
    assert copy.words == ("--a", "/b")


def test_onbuild_holds_an_instruction_with_its_own_flags():
    onbuild = only('FROM scratch\nONBUILD RUN --network=none ["make"]')
    inside = parse.trigger(onbuild)
    assert inside is not None
    assert (inside.keyword, inside.words, inside.flags, inside.json_form) == (
        "RUN",
        ("make",),
        ("--network=none",),
        True,
    )
    assert parse.tree("onbuild run x\nFOO bar") == '(onbuild (run "x"))\n(foo "")'


# --- heredocs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("opening", "body", "name", "content", "expand", "chomp", "descriptor"),
    [
        ("RUN <<EOF", "a\n# b\nEOF", "EOF", "a\n# b\n", True, False, 0),
        ("RUN <<-EOF", "\ta\n\tEOF", "EOF", "\ta\n", True, True, 0),
        ("RUN 3<<EOF cat", "EOF", "EOF", "", True, False, 3),
        ("RUN <<'a b'", "x\na b", "a b", "x\n", False, False, 0),
        ('RUN python3 <<E"O"F', "$x\nEOF", "EOF", "$x\n", False, False, 0),
        ("RUN <<eo\\'f", "eo'f", "eo'f", "", True, False, 0),
        ("RUN <<  EOF > x", "EOF", "EOF", "", True, False, 0),
        ("COPY <<$x /y", "$x", "$x", "", True, False, 0),
        ("ONBUILD RUN <<EOF", "a\nEOF", "EOF", "a\n", True, False, 0),
    ],
)
def test_a_heredoc_is_read_to_its_terminator(opening, body, name, content, expand, chomp, descriptor):
    instruction = only(f"FROM scratch\n{opening}\n{body}\n")
    (heredoc,) = instruction.heredocs
    assert (heredoc.name, heredoc.content, heredoc.expand) == (name, content, expand)
    assert (heredoc.chomp, heredoc.descriptor) == (chomp, descriptor)
    assert instruction.end_line == 3 + body.count("\n")


def test_a_substitution_that_only_bash_knows_hides_no_heredoc():
    run = only("FROM scratch\nRUN cat <<EOF > ${HOME:0:3}\nhello\nEOF\n")
    assert [each.content for each in run.heredocs] == ["hello\n"]
    with pytest.raises(BadFile, match="no such modifier"):
        parse.parse("FROM a\nWORKDIR ${HOME:0:3}")


def test_two_heredocs_follow_each_other():
    copy = only("FROM scratch\nCOPY <<a <<b /x/\nb\na\na\nb\n")
    assert [(each.name, each.content) for each in copy.heredocs] == [("a", "b\n"), ("b", "a\n")]


@pytest.mark.parametrize(
    "line", ['RUN "<<EOF"', "RUN '<<EOF'", 'RUN ["<<EOF"]', "RUN cat <<<EOF", "USER <<EOF", "RUN a <<"]
)
def test_what_only_looks_like_a_heredoc_is_none(line):
    assert only(f"FROM scratch\n{line}").heredocs == ()


# --- stages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "base", "build_args", "image"),
    [
        ("", "ubuntu", {}, "ubuntu"),
        ("", "${X:-y}", {}, "y"),
        ("ARG X", "${X:-y}", {}, "y"),
        ("ARG X", "$X", {}, None),
        ("", "$X", {}, None),
        ("ARG X", "$X", {"X": "debian:12"}, "debian:12"),
        ("", "${X:-y}", {"X": "not declared"}, "y"),
        ("ARG X=a\nARG Y=${X}-b", "r/i:$Y", {}, "r/i:a-b"),
        ("ARG X=a\nARG Y=${X}-b", "r/i:$Y", {"X": "c"}, "r/i:c-b"),
        ("ARG X\nARG Y=${X}-b", "r/i:$Y", {}, None),
        ("ARG TAG=", "r/i:$TAG", {}, None),
        ('ARG V="12.4.1"', "nvidia/cuda:${V%.*}-base", {}, "nvidia/cuda:12.4-base"),
        ("ARG V=12.4.1", "nvidia/cuda:${V%%.*}-base", {}, "nvidia/cuda:12-base"),
        ("ARG V=v1", "i:${V#v}", {}, "i:1"),
        ("ARG V=a/b/c", "${V//\\//-}", {}, "a-b-c"),
        ("ARG M=mirror.example:5000/", "${M}ubuntu:22.04@sha256:" + "0" * 64, {},
         "mirror.example:5000/ubuntu:22.04@sha256:" + "0" * 64),
        ("ARG X", "${X:?needed}", {}, None),
        ("ARG TARGETOS", "i:$TARGETOS", {}, "i:linux"),
    ],
)  # fmt: skip
def test_the_effective_base_is_what_buildkit_would_pull(before, base, build_args, image):
    dockerfile = parse.parse(f"{before}\nFROM {base}\n", build_args=build_args)
    assert dockerfile.final.image == image
    assert dockerfile.final.base == base


def test_what_the_base_may_set_stays_as_it_was_written():
    text = "FROM a\nENV P=/x:$PATH L=/y${L:+:$L} D=${D:-d} S=${S#x}\n"
    assert parse.parse(text).final.environment == {"P": "/x:$PATH", "L": "/y${L:+:$L}", "D": "d", "S": "${S#x}"}
    with pytest.raises(BadFile, match="means nothing in a pattern"):
        parse.parse("FROM a\nENV S=${S/\\x/y}\n")


CHAIN = """
    ARG CUDA=12.4.1
    FROM nvidia/cuda:${CUDA}-devel AS Build
    ARG CUDA
    ENV LD_LIBRARY_PATH=/opt/lib:$LD_LIBRARY_PATH MODE=fast
    FROM build AS middle
    ENV MODE=slow WAS=$MODE
    ARG EXTRA=${CUDA}x
    FROM scratch AS tool
    FROM scratch AS unused
    FROM debian AS mounted
    FROM middle
    COPY --from=0 /a /a
    COPY --from=TOOL /b /b
    RUN --mount=type=bind,from=mounted,target=/m true
    """


def test_a_stage_inherits_through_names():
    dockerfile = read(CHAIN)
    final = dockerfile.final
    assert [stage.parent for stage in dockerfile.stages] == [None, 0, None, None, None, 1]
    assert final.image == "nvidia/cuda:12.4.1-devel"
    assert final.environment == {"LD_LIBRARY_PATH": "/opt/lib:$LD_LIBRARY_PATH", "MODE": "slow", "WAS": "fast"}
    assert final.arguments == {"CUDA": "12.4.1", "EXTRA": "12.4.1x"}
    assert [stage.label for stage in dockerfile.shipped()] == ["5", "middle", "build"]


def test_copied_from_is_needed_and_does_not_ship():
    stages = {stage.label: stage for stage in read(CHAIN).stages}
    assert {label for label, stage in stages.items() if stage.ships} == {"build", "middle", "5"}
    assert {label for label, stage in stages.items() if not stage.needed} == {"unused"}


@pytest.mark.parametrize("target", ["middle", "MIDDLE", "1"])
def test_a_target_is_a_name_or_a_number(target):
    dockerfile = read(CHAIN, target=target)
    assert dockerfile.target == 1
    assert [stage.index for stage in dockerfile.stages if stage.needed] == [0, 1]


def test_an_unknown_target_names_the_nearest():
    with pytest.raises(BadFile) as refused:
        read(CHAIN, target="midle")
    assert refused.value.hint == "did you mean `middle`?"
    assert refused.value.line == 11


def test_a_trigger_of_the_base_stage_counts_in_the_stage_on_top():
    dockerfile = read("""
        FROM scratch AS files
        FROM scratch AS base
        ONBUILD ENV A=1
        ONBUILD COPY --from=files /a /a
        FROM base AS child
        FROM child
        """)
    base, child, final = dockerfile.stages[1:]
    assert (base.environment, child.environment, final.environment) == ({}, {"A": "1"}, {"A": "1"})
    assert dockerfile.stages[0].needed and not dockerfile.stages[0].ships


def test_the_platform_is_resolved():
    stages = read("""
        ARG P=linux/arm64
        FROM --platform=$P scratch AS a
        FROM --platform=$TARGETPLATFORM scratch AS b
        FROM --platform=$NONE scratch
        """, build_args={"TARGETPLATFORM": "linux/riscv64"}).stages  # fmt: skip
    assert [stage.platform for stage in stages] == ["linux/arm64", "linux/riscv64", None]


# --- refusals ----------------------------------------------------------------------------------------

REFUSED = [
    ("", 1),
    ("# nothing\n\n", 2),
    ("ARG X=1\n", 1),
    ("RUN x\nFROM scratch", 1),
    ("FROM", 1),
    ("FROM a b", 1),
    ("FROM a AS 1x", 1),
    ('FROM ""', 1),
    ("FROM scratch\nRUM x", 2),
    ("FROM scratch\nENV PATH", 2),
    ("FROM scratch\nENV a=b c", 2),
    ("FROM scratch\nENV =b", 2),
    ("FROM scratch\nLABEL", 2),
    ("FROM scratch\nLABEL a=it's", 2),
    ("FROM scratch\nARG =b", 2),
    ("FROM scratch\nCOPY a", 2),
    ("FROM scratch\nCOPY --form=x a b", 2),
    ("FROM scratch\nCOPY --from a b", 2),
    ("FROM scratch\nCOPY --link=maybe a b", 2),
    ("FROM scratch\nCOPY --chown=1 --chown=2 a b", 2),
    ("FROM scratch\nCOPY --from=7 a b", 2),
    ("FROM scratch\nCOPY --from=$X a b", 2),
    ("FROM scratch AS a\nCOPY --from=a b c", 2),
    ("FROM scratch AS a\nCOPY --from=b b c\nFROM a AS b", 2),
    ("FROM scratch AS a\nCOPY --from=c b c\nFROM scratch AS c\nFROM a", 2),
    ("FROM scratch\nCOPY a <<EOF\nEOF", 2),
    ("FROM scratch\nCOPY <<EOF /a\n${x[0]}\nEOF", 2),
    ("FROM scratch\nRUN <<EOF\nx\n EOF", 2),
    ("FROM scratch\nRUN <<'EOF\nEOF\nRUN <<EOF\n", 4),
    ("FROM scratch\nCMD [[]]", 2),
    ("FROM scratch\nCMD [1]", 2),
    ("FROM scratch\nCMD --x a", 2),
    ("FROM scratch\nRUN --mount=type=chache,target=/x true", 2),
    ("FROM scratch\nRUN --mount=from=$X,target=/x true", 2),
    ("FROM scratch\nRUN --network=some true", 2),
    ("FROM scratch\nHEALTHCHECK", 2),
    ("FROM scratch\nHEALTHCHECK CMD", 2),
    ("FROM scratch\nHEALTHCHECK NONE x", 2),
    ("FROM scratch\nHEALTHCHECK TCP 80", 2),
    ("FROM scratch\nHEALTHCHECK --interval=5 CMD x", 2),
    ("FROM scratch\nHEALTHCHECK --timeout=1ns CMD x", 2),
    ("FROM scratch\nHEALTHCHECK --retries=-1 CMD x", 2),
    ("FROM scratch\nSHELL /bin/sh", 2),
    ("FROM scratch\nONBUILD", 2),
    ("FROM scratch\nONBUILD FROM x", 2),
    ("FROM scratch\nONBUILD ONBUILD RUN x", 2),
    ("FROM scratch\nUSER", 2),
    ("FROM scratch\nWORKDIR", 2),
    ("FROM scratch\nWORKDIR ${X", 2),
    ("FROM scratch\nWORKDIR ${X!}", 2),
    ("FROM scratch\nWORKDIR /${X?}", 2),
    ("FROM scratch\nWORKDIR /${X/\\a/b}", 2),
    ("FROM scratch\nEXPOSE", 2),
    ('FROM scratch\nVOLUME [" "]', 2),
    ("# escape=x\nFROM scratch", 1),
    ("# syntax=a\n# syntax=b\nFROM scratch", 2),
    ("FROM scratch\nENV A=" + "x" * 70_000, 2),
]
TAKEN = [
    "FROM scratch\nSTOPSIGNAL --x 9",
    "FROM scratch\nHEALTHCHECK --interval=1m30s --retries=0 --timeout=0 CMD x",
    "FROM scratch\nHEALTHCHECK --nonsense NONE",
    "FROM scratch AS unused\nENV A=${X!}\nFROM scratch\nENV B=1",
    "FROM scratch\nCOPY <<EOF <<'E' /a/\nit's $(fine) ${x:-\"}\nEOF\n${x[0]}\nE",
    'FROM scratch\nLABEL a="it\'s"',
    "FROM scratch\nENV A=1\nONBUILD RUN --nonsense x",
]


@pytest.mark.parametrize(("text", "line"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_built_is_refused_at_its_line(text, line):
    with pytest.raises(BadFile) as refused:
        parse.parse(text, path="some/Dockerfile")
    assert refused.value.line == line
    assert str(refused.value).startswith(f"some/Dockerfile:{line}: ")
    assert refused.value.hint


@pytest.mark.parametrize("text", TAKEN, ids=lambda value: str(value)[:40])
def test_what_can_be_built_is_taken(text):
    assert parse.parse(text).stages


@pytest.mark.real
@pytest.mark.parametrize(("text", "line"), REFUSED, ids=lambda value: str(value)[:40])
def test_the_real_builder_refuses_the_same(text, line, tmp_path):
    (tmp_path / "Dockerfile").write_text(text)
    with pytest.raises(ToolFailed):
        tools.run(["docker", "buildx", "build", "--output", "type=cacheonly", str(tmp_path)], timeout=120)


@pytest.mark.real
@pytest.mark.parametrize("text", TAKEN, ids=lambda value: str(value)[:40])
def test_the_real_builder_takes_the_same(text, tmp_path):
    (tmp_path / "Dockerfile").write_text(text)
    tools.run(["docker", "buildx", "build", "--output", "type=cacheonly", str(tmp_path)], timeout=120)


@pytest.mark.real
def test_the_real_builder_sees_the_same_environment(tmp_path):
    text = textwrap.dedent("""\
        ARG X=1
        FROM scratch AS base
        ARG X Q=${X}7
        ENV A=1 B="b c" C=${Q#1}
        ONBUILD ENV T=$A
        FROM base
        ENV B=$C C=$B D=$Q E="${ZZ:-q}" F=${A:+set} K=$ZZ${ZZ+x}${ZZ#*} PATH=/x:$PATH G='$A' H=\\$A I="${B/ */-}"
        ARG D=9
        ENV J=$D
        """)
    (tmp_path / "Dockerfile").write_text(text)
    tag = f"seatrial-test-parse:{os.getpid()}"
    tools.run(["docker", "buildx", "build", "--load", "--tag", tag, str(tmp_path)], timeout=120)
    try:
        answer = tools.run(
            ["docker", "image", "inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", tag]
        )
    finally:
        tools.run(["docker", "image", "rm", tag])
    built = dict(line.split("=", 1) for line in answer.splitlines() if line)
    assert parse.parse(text).final.environment == built


# --- waivers -----------------------------------------------------------------------------------------


def test_a_waiver_speaks_for_the_instruction_below_it():
    dockerfile = read("""
        # policy: allow-file no-healthcheck until 2027-03-01 -- a batch job

        # policy: allow unpinned-base -- ours
        # policy: allow latest-tag -- ours too
        FROM scratch
        # policy: see the wiki

        # policy: allow root-user until 2026-12-31 -- needs --gpus, so there
        RUN a \\
        # policy: allow other -- inside
            b
        """)
    assert [(each.rule, each.line, each.until, each.reason) for each in dockerfile.waivers] == [
        ("no-healthcheck", None, "2027-03-01", "a batch job"),
        ("unpinned-base", 5, None, "ours"),
        ("latest-tag", 5, None, "ours too"),
        ("root-user", 9, "2026-12-31", "needs --gpus, so there"),
        ("other", 9, None, "inside"),
    ]
    assert {each.file for each in dockerfile.waivers} == {"Dockerfile"}


@pytest.mark.parametrize(
    ("comment", "line"),
    [
        ("# policy: allow root-user", 1),
        ("# policy: allow root-user --", 1),
        ("# policy: allow root-user because", 1),
        ("# policy: alow root-user -- x", 1),
        ("# policy: allow Root -- x", 1),
        ("# policy: allow root-user until tomorrow -- x", 1),
        ("# policy: allow root-user until 2027-02-30 -- x", 1),
        ("# policy: allow-file root-user until -- x", 1),
        ("\n# policy: allow root-user -- far from the FROM\n", 2),
    ],
)
def test_a_malformed_waiver_is_an_error_not_a_remark(comment, line):
    with pytest.raises(BadFile) as refused:
        parse.parse(f"{comment}\nFROM scratch\n")
    assert refused.value.line == line


def test_a_waiver_below_everything_is_an_error():
    with pytest.raises(BadFile, match="no instruction below"):
        parse.parse("FROM scratch\n# policy: allow root-user -- x\n")


# --- files -------------------------------------------------------------------------------------------


def test_a_file_is_read_under_its_path(tmp_path):
    file = tmp_path / "Dockerfile"
    file.write_bytes("FROM é\r\n".encode())
    assert parse.read(file).path == str(file)
    assert parse.read(file).final.image == "é"


def test_what_is_no_text_file_is_refused_with_a_hint(tmp_path):
    file = tmp_path / "Dockerfile"
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused = {}
    for name in ("absent", ".", "fifo", "loop", "a\0b", "Dockerfile/x"):
        with pytest.raises(BadFile) as error:
            parse.read(tmp_path / name)
        assert error.value.hint
        refused[name] = error.value.what
    assert "no such file" in refused["absent"]
    assert "a folder" in refused["."]
    assert "not a regular file" in refused["fifo"]
    for content, line, words in (
        (b"FROM a\nRUN \xff\n", 2, "not UTF-8"),
        (b"FROM a\n\n\x00", 3, "binary"),
        (b"FROM a\n" + b"#" * 1_000_000, None, "1 MB"),
    ):
        file.write_bytes(content)
        with pytest.raises(BadFile, match=words) as error:
            parse.read(file)
        assert error.value.line == line


# --- any text at all ---------------------------------------------------------------------------------

PIECES = st.sampled_from([
    "FROM ", "FROM a AS b", "RUN ", "ENV ", "ARG ", "COPY ", "ADD ", "ONBUILD ", "HEALTHCHECK ", "CMD ", "LABEL ",
    "# escape=`", "# syntax=x", "# policy: allow ", "# policy: allow-file x -- y", "until 2027-01-01 ", "--from=",
    "--mount=", "--", "type=bind,from=b", "$X", "${X", "${X:-", "${X/", "${X%", "}", "'", '"', "\\", "`", "<<EOF",
    "<<-'E'", "EOF", "\tE", "[", "]", '["a"]', "[[", ",", "=", "a=b", "b", "0", " ", "\t", "\n", "\r\n", "\\\n",
    "`\n", "\ufeff", "\xa0", "\x85", "\ud800",
])  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))


@given(TEXTS, st.dictionaries(st.sampled_from(["X", "b"]), st.text(max_size=5)), st.sampled_from([None, "b", "0"]))
def test_any_text_gives_a_dockerfile_or_a_bad_file(text, build_args, target):
    last = max(1, len(text.removesuffix("\n").split("\n")))
    try:
        dockerfile = parse.parse(text, build_args=build_args, target=target)
    except BadFile as refused:
        assert 1 <= (refused.line or 0) <= last
        return
    before = 0
    for instruction in dockerfile.instructions:
        assert before < instruction.line <= instruction.end_line <= last
        before = instruction.end_line
    assert all(1 <= line <= last for line, _ in dockerfile.comments)
    assert {each.line for each in dockerfile.waivers} <= {None} | {each.line for each in dockerfile.instructions}
    assert dockerfile.final.ships and dockerfile.final.needed


@given(TEXTS)
def test_any_text_gives_a_tree_or_a_bad_file(text):
    try:
        assert parse.tree(text).startswith("(")
    except BadFile as refused:
        assert refused.line is not None


@given(st.text(alphabet="aX${}:-+?#%/*'\"\\ <", max_size=30), st.sampled_from(list(parse.Unset)))
def test_any_word_is_expanded_or_bad(word, unset):
    try:
        assert isinstance(parse.expand(word, {"X": "aXa/a", "a": ""}, unset=unset), str)
    except parse.BadWord as error:
        assert str(error)


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\nENV A=aaaaaaaaaaaaaaaa\n" + "ENV A=$A$A$A$A\n" * 40,
        "FROM scratch\nENV A=" + "${A:-" * 5_000 + "}" * 5_000,
        "FROM scratch AS a\n" + "".join(f"ENV V{at}=1\n" for at in range(9_000)) + "FROM a\n" * 9_000,
        "FROM scratch AS a\n" + "ONBUILD RUN a\n" * 9_000 + "FROM a\n" * 9_000,
    ],
    ids=["values that double", "substitutions in substitutions", "variables times stages", "triggers times stages"],
)  # fmt: skip
def test_a_bomb_is_refused(text):
    with pytest.raises(BadFile):
        parse.parse(text)


@pytest.mark.parametrize(
    "line",
    [
        "CMD " + "[" * 60_000,
        "ONBUILD " * 5_000,
        "ENV A=" + "'" * 60_000,
        "RUN --" + "a" * 60_000,
        "HEALTHCHECK --interval=" + "1" * 60_000 + " CMD x",
        "ENV X=" + "a" * 20_000 + " Y=${X/*a*a*a*a*a*a*b/}",
        "RUN " + "<" * 60_000,
        "x" * 60_000 + " y",
    ],
    ids=lambda line: line[:20],
)
def test_a_long_line_is_answered(line):
    try:
        parse.parse(f"FROM scratch\n{line}")
    except BadFile as refused:
        assert refused.line == 2
        assert len(str(refused)) < 1_000


# --- against another parser, where that one is known to be right --------------------------------------

WORDS = st.lists(st.sampled_from(["a", "b=c", "/d", "-e", "é", "x:y", "&&", "1.2"]), min_size=1, max_size=4).map(
    " ".join
)
PLAIN = st.builds(
    lambda keyword, first, more: (keyword, [first, *more]),
    st.sampled_from(["RUN", "run", "CMD", "Entrypoint", "USER", "WORKDIR"]), WORDS, st.lists(WORDS, max_size=3),
)  # fmt: skip


@given(st.lists(st.one_of(PLAIN, st.sampled_from(["", "# remark"])), max_size=8))
def test_lines_and_values_are_those_of_dockerfile_parse(parts):
    """Without heredocs, JSON, directives, quotes and empty continuation lines: there it reads as BuildKit does."""
    oracle = pytest.importorskip("dockerfile_parse")
    text = "FROM scratch\n" + "".join(
        f"{part}\n" if isinstance(part, str) else f"{part[0]} " + " \\\n".join(part[1]) + "\n" for part in parts
    )
    other = oracle.DockerfileParser(fileobj=io.BytesIO(text.encode())).structure
    theirs = [
        (each["instruction"], each["startline"] + 1, each["endline"] + 1, each["value"])
        for each in other
        if each["instruction"] != "COMMENT"
    ]
    ours = [(each.keyword, each.line, each.end_line, " ".join(each.words)) for each in parse.parse(text).instructions]
    assert ours == theirs
