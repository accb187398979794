"""What the shell of a RUN does, and where each word of it stands in the file."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analysis import shell
from pipeline.analysis.shell import Command
from pipeline.errors import BadFile
from pipeline.mend import content
from pipeline.model import Dockerfile
from pipeline.parse import parse

A, B, C = ("a",), ("b",), ("c",)


def read(text: str) -> tuple[Dockerfile, tuple[Command, ...]]:
    """The commands of the second instruction, which follows a FROM on line 1."""
    dockerfile = parse(f"FROM x\n{text}")
    return dockerfile, shell.commands(dockerfile, dockerfile.instructions[1])


def words(text: str) -> list[tuple[int, tuple[str, ...]]]:
    return [(one.line, one.words) for one in read(text)[1]]


# What a RUN reads as: (line, words) of each command, in the order in which they run.
FORMS: dict[str, tuple[str, list[tuple[int, tuple[str, ...]]]]] = {
    "one command": ("RUN apt-get update", [(2, ("apt-get", "update"))]),
    "and": ("RUN a && b", [(2, A), (2, B)]),
    "or": ("RUN a || b || c", [(2, A), (2, B), (2, C)]),
    "semicolons": ("RUN a; b ;c;", [(2, A), (2, B), (2, C)]),
    "no blanks around operators": ("RUN a&&b||c", [(2, A), (2, B), (2, C)]),
    "background": ("RUN a & b", [(2, A), (2, B)]),
    "a pipe": ("RUN a | b |& c", [(2, A), (2, B), (2, C)]),
    "a negated command": ("RUN ! a && b", [(2, A), (2, B)]),
    "continuations": ("RUN a \\\n && b \\\n && c", [(2, A), (3, B), (4, C)]),
    "operators at the end": ("RUN a && \\\n    b && \\\n    c", [(2, A), (3, B), (4, C)]),
    "comments and empty lines inside": ("RUN a && \\\n# why\n\n    b", [(2, A), (5, B)]),
    "a word over two lines": ("RUN a b\\\nc", [(2, ("a", "bc"))]),
    "blanks behind the backslash": ("RUN a && \\  \n b", [(2, A), (3, B)]),
    "flags of the instruction": ("RUN --mount=type=cache,target=/x --network=none a", [(2, A)]),
    "flags over two lines": ("RUN --mount=type=cache,target=/x \\\n  a", [(3, A)]),
    "single quotes": ("RUN a 'b c' '$X'", [(2, ("a", "b c", "$X"))]),
    "double quotes": ('RUN a "b c" "\\$X" "d\\"e"', [(2, ("a", "b c", "$X", 'd"e'))]),
    "quotes inside a word": ("RUN a --x='b c'\"d\"e", [(2, ("a", "--x=b cde"))]),
    "an empty word": ("RUN a '' \"\"", [(2, ("a", "", ""))]),
    "a backslash before a blank": ("RUN a b\\ c", [(2, ("a", "b c"))]),
    "a quoted newline": ("RUN a $'b\\tc'", [(2, ("a", "b\tc"))]),
    "variables stay": ("RUN a $X ${Y:-b c} \"${Z}\"", [(2, ("a", "$X", "${Y:-b c}", "${Z}"))]),
    "patterns stay": ("RUN rm -rf /var/*/?[ab] {c,d}", [(2, ("rm", "-rf", "/var/*/?[ab]", "{c,d}"))]),
    "arithmetic stays": ("RUN a $((1+2))", [(2, ("a", "$((1+2))"))]),
    "a comment at the end": ("RUN a # && b", [(2, A)]),
    "a hash inside a word": ("RUN a b#c", [(2, ("a", "b#c"))]),
    "a version with a star": ("RUN apt-get install foo=1.*", [(2, ("apt-get", "install", "foo=1.*"))]),
    "extras of a package": ("RUN pip install 'jax[cuda12]>0'", [(2, ("pip", "install", "jax[cuda12]>0"))]),
    "redirections": ("RUN a 2>&1 >/dev/null b", [(2, ("a", "b"))]),
    "a redirection first": ("RUN >f a b", [(2, ("a", "b"))]),
    "a redirection without a command": ("RUN > /x", [(2, ())]),
    "assignments before a command": ("RUN X=1 Y='b c' a", [(2, A)]),
    "an assignment alone": ("RUN X=1 && a", [(2, ()), (2, A)]),
    "export": ("RUN export X='1 2' && a", [(2, ("export", "X=1 2")), (2, A)]),
    "unset": ("RUN unset X", [(2, ("unset", "X"))]),
    "a test": ('RUN [ "$X" = 1 ] && a', [(2, ("[", "$X", "=", "1", "]")), (2, A)]),
    "a bash test": ("RUN [[ -n $X && y ]] || a", [(2, ("[[", "-n", "$X", "&&", "y", "]]")), (2, A)]),
    "a group": ("RUN { a; b; } && c", [(2, A), (2, B), (2, C)]),
    "a subshell": ("RUN (cd /x && a) | b", [(2, ("cd", "/x")), (2, A), (2, B)]),
    "if": ("RUN if a; then b; else c; fi", [(2, A), (2, B), (2, C)]),
    "elif": ("RUN if a; then b; \\\nelif c; then d; fi", [(2, A), (2, B), (3, C), (3, ("d",))]),
    "for": ("RUN for x in 1 2; do a $x; done; b", [(2, ("a", "$x")), (2, B)]),
    "while": ("RUN while a; do b; done < f", [(2, A), (2, B)]),
    "until": ("RUN until a; do b; done", [(2, A), (2, B)]),
    "case": ("RUN case $X in x|y) a ;; *) b ;; esac && c", [(2, A), (2, B), (2, C)]),
    "a function": ("RUN f() { a; } && f", [(2, A), (2, ("f",))]),
    "a substitution runs first": ("RUN a $(b 'x')", [(2, ("b", "x")), (2, ("a", "$(b 'x')"))]),
    "a substitution in quotes": ('RUN X="$(a)" b', [(2, A), (2, B)]),
    "backticks": ("RUN a `b`", [(2, B), (2, ("a", "`b`"))]),
    "a substitution in a substitution": ("RUN a $(b $(c))", [(2, C), (2, ("b", "$(c)")), (2, ("a", "$(b $(c))"))]),
    "a process as a file": ("RUN a <(b)", [(2, B), (2, ("a", "<(b)"))]),
    "a substitution in a for": ("RUN for x in $(a); do b; done", [(2, A), (2, B)]),
    "sh -c": ("RUN sh -c 'a && b'", [(2, A), (2, B)]),
    "bash with options": ("RUN bash -euxo pipefail -c 'a | b'", [(2, A), (2, B)]),
    "sh -c in sh -c": ("RUN sh -c 'bash -c \"a; b\"; c'", [(2, A), (2, B), (2, C)]),
    "su": ("RUN su user -c 'a && b'", [(2, A), (2, B)]),
    "a JSON array": ('RUN ["a", "b c"]', [(2, ("a", "b c"))]),
    "a shell in a JSON array": ('RUN ["/bin/bash", "-lc", "a; b"]', [(2, A), (2, B)]),
    "a here-document": ("RUN <<EOF\na\nb && c\nEOF", [(3, A), (4, B), (4, C)]),
    "one with tabs": ("RUN <<-EOF\n\ta\n\tb\n\tEOF", [(3, A), (4, B)]),
    "one with a shell's first line": ("RUN <<EOF\n#!/usr/bin/env -S bash -e\na\nEOF", [(4, A)]),
    "one for Python": ("RUN <<EOF\n#!/usr/bin/env python3\nimport pip\nEOF", []),
    "one given to a shell": ("RUN bash -e <<'EOF' && c\na\nEOF", [(3, A), (2, C)]),
    "one given to a program": ("RUN python3 <<EOF\nimport pip\nEOF", [(2, ("python3",))]),
    "one before the command": ("RUN <<EOF bash\na\nEOF", [(3, A)]),
    "two on a line": ("RUN cat <<X <<Y > /f && a\n1\nX\n2\nY", [(2, ("cat",)), (2, A)]),
    "one in a script": ("RUN <<EOF\ncat > /f <<X\nno\nX\na\nEOF", [(3, ("cat",)), (6, A)]),
    "one in a script, with words behind": ("RUN <<EOF\ncat <<X | tee /f; a\nno\nX\nEOF",
                                           [(3, ("cat",)), (3, ("tee", "/f")), (3, A)]),
    "a shift is none": ("RUN a $((1<<2)) && b", [(2, ("a", "$((1<<2))")), (2, B)]),
    "a here-string": ("RUN a <<< 'b c'", [(2, A)]),
    "continuations in a here-document": ("RUN <<EOF\na \\\n  b\nc\nEOF", [(3, ("a", "b")), (5, C)]),
    "line ends of Windows": ("RUN a \\\r\n && b\r\n", [(2, A), (3, B)]),
    "line ends of Windows in a here-document": ("RUN <<EOF\r\na\r\nb\r\nEOF\r\n", [(3, A), (4, B)]),
    "letters beyond ASCII": ("RUN echo 'grün' && a", [(2, ("echo", "grün")), (2, A)]),
    "an operator with nothing behind it": ("RUN a &&", [(2, A)]),
    "an if that nobody ends": ("RUN if a; then b", [(2, A), (2, B)]),
    "a stray bracket": ("RUN a; ) b", [(2, A), (2, B)]),
    "ENTRYPOINT": ("ENTRYPOINT exec a --x", [(2, ("exec", "a", "--x"))]),
    "HEALTHCHECK": ("HEALTHCHECK --interval=5s CMD a || exit 1", [(2, A), (2, ("exit", "1"))]),
    "ONBUILD": ("ONBUILD RUN a && b", [(2, A), (2, B)]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_run_reads_as_the_shell_reads_it(form: str) -> None:
    text, expected = FORMS[form]
    assert words(text) == expected


def test_each_word_that_is_written_as_it_reads_stands_where_its_span_says() -> None:
    counted = 0
    for text, _ in FORMS.values():
        dockerfile, commands = read(text)
        raw = content(dockerfile)
        for one in commands:
            assert len(one.spans) == len(one.words)
            for word, span in zip(one.words, one.spans, strict=True):
                there = raw[span.start : span.end].decode() if span else ""
                if span and not set(there) & set("\\'\""):
                    assert there == word, text
                    counted += 1
            if one.span and one.words and one.spans[0]:
                assert one.span.start <= one.spans[0].start
    assert counted > 150


@pytest.mark.parametrize(
    ("text", "word", "there"),
    [
        ("RUN a --x='b c'\"d\"", "--x=b cd", "--x='b c'\"d\""),
        ("RUN a && \\\n  # no\n  b 'c d'", "c d", "'c d'"),
        ("RUN a b\\\nc", "bc", "b\\\nc"),
        ("RUN sh -c 'a && bcd'", "bcd", "bcd"),
        ('RUN sh -c "a && bcd"', "bcd", "bcd"),
        ("RUN <<EOF\na\nbcd\nEOF", "bcd", "bcd"),
        ("RUN <<-EOF\r\n\ta\r\n\t\tbcd 'x y'\r\n\tEOF\r\n", "x y", "'x y'"),
        ("RUN bash <<-'EOF' && z\n\ta bcd\n\tEOF", "bcd", "bcd"),
        ("RUN echo grün && \\\n   bcd", "bcd", "bcd"),
        ("RUN <<EOF\necho grün é\nbcd\nEOF", "bcd", "bcd"),
        ("# escape=`\nFROM x\nRUN a `\n && bcd", "bcd", "bcd"),
    ],
)
def test_a_span_holds_the_word_as_it_is_written(text: str, word: str, there: str) -> None:
    dockerfile = parse(text if text.startswith("#") else f"FROM x\n{text}")
    spans = [
        span
        for one in shell.commands(dockerfile, dockerfile.instructions[1])
        for read, span in zip(one.words, one.spans, strict=True)
        if read == word
    ]
    assert [content(dockerfile)[span.start : span.end].decode() for span in spans if span] == [there]


def test_what_the_file_does_not_hold_as_it_stands_has_no_span() -> None:
    for text in ('RUN ["a", "b"]', 'RUN ["sh", "-c", "a b"]', 'RUN sh -c "a \\"b\\""'):
        _, commands = read(text)
        assert commands and {span for one in commands for span in one.spans} == {None}, text


def one(text: str) -> Command:
    """The last command."""
    return read(text)[1][-1]


def test_operators_pipes_and_surroundings_are_told() -> None:
    joined = [command.joined for command in read("RUN a && b || c; d | e & f")[1]]
    assert joined == ["", "&&", "||", ";", "|", "&"]
    assert [command.joined for command in read("RUN <<EOF\na\nb && c\nEOF")[1]] == ["", "\n", "&&"]
    assert [command.joined for command in read("RUN a && { b; c; } || d")[1]] == ["", "", ";", "||"]
    pipes = [(command.piped, command.reads_pipe) for command in read("RUN a | b | c && d")[1]]
    assert pipes == [(True, False), (True, True), (False, True), (False, False)]
    assert [command.piped for command in read("RUN (a; b) | c")[1]] == [True, True, False]
    inside = [
        command.inside for command in read("RUN if a && b; then c $(d); fi; f() { e; }; while g; do h; done")[1]
    ]
    assert inside == ["condition", "condition", "substitution", "", "function", "condition", ""]


def test_redirections_belong_to_their_command() -> None:
    first, second = read("RUN a 2>/dev/null && b >> 'x y' 2>&1")[1]
    assert first.redirects == (("2>", "/dev/null"),) and second.redirects == ((">>", "x y"), ("2>&", "1"))
    assert [command.redirects for command in read("RUN a && b > c")[1]] == [(), ((">", "c"),)]
    assert [command.redirects for command in read("RUN { a; b; } > c")[1]] == [((">", "c"),)] * 2
    assert one("RUN cat <<EOF > /f\nx\nEOF").redirects == (("<<", "EOF"), (">", "/f"))


def test_assignments_keep_their_values() -> None:
    assert one("RUN X=1 Y='a b' Z=\"$(c)\" W= d").assignments == {"X": "1", "Y": "a b", "Z": "$(c)", "W": ""}
    assert one("RUN A=(1 '2 3')").assignments == {"A": "(1 '2 3')"}


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("sudo -E env X=1 /usr/bin/apt-get install y", ("/usr/bin/apt-get", "install", "y")),
        ("sudo -u app pip install x", ("pip", "install", "x")),
        ("exec nice -n 5 a b", ("a", "b")),
        ("timeout -k 5 60 curl x", ("curl", "x")),
        ("conda run -n env --no-capture-output pip install x", ("pip", "install", "x")),
        ("micromamba run -n env a", ("a",)),
        ("conda install x", ("conda", "install", "x")),
        ("command -v curl", ("command", "-v", "curl")),
        ("env", ()),
    ],
)
def test_what_a_command_runs_is_found_behind_sudo_and_its_like(text: str, argv: tuple[str, ...]) -> None:
    (command,) = shell.split(text, 1)
    assert command.argv == argv and command.arguments == argv[1:]
    assert command.program == (argv[0].rpartition("/")[2] if argv else "")


@pytest.mark.parametrize(
    "text",
    [
        'FROM x\nSHELL ["powershell", "-Command"]\nRUN Get-Item x; b\n',
        'FROM x AS base\nSHELL ["cmd", "/S", "/C"]\nFROM base\nRUN dir & b\n',
        "FROM mcr.microsoft.com/windows/nanoserver:ltsc2022\nRUN dir & b\n",
        'FROM x\nSHELL ["python3", "-c"]\nRUN import pip\n',
    ],
)
def test_other_shells_are_not_read(text: str) -> None:
    assert shell.needed(parse(text)) == ()


def test_a_shell_behind_another_program_is_read() -> None:
    text = 'FROM x\nSHELL ["powershell"]\nSHELL ["conda", "run", "-n", "e", "/bin/bash", "-c"]\nRUN a\n'
    assert [ran.command.words for ran in shell.needed(parse(text))] == [A]


def test_commands_of_stages_that_ship_or_are_needed() -> None:
    dockerfile = parse("FROM x AS a\nRUN a\nFROM x AS b\nRUN b\nFROM x\nCOPY --from=a / /\nRUN c\n")
    assert [ran.command.words for ran in shell.needed(dockerfile)] == [A, C]
    assert [(ran.command.words, ran.stage.index) for ran in shell.shipped(dockerfile)] == [(C, 2)]
    assert shell.needed(dockerfile) is shell.needed(dockerfile)


@pytest.mark.parametrize("character", ["\U000f0000", "\U0010ffff", "\U0001f680", "\u20ac", "\u3000", "\xa0"])
def test_any_character_behind_a_brace_is_a_letter_of_a_word(character: str) -> None:
    """tree-sitter-bash 0.25 ends the process at some of them: its issue 337."""
    commands = shell.split(f"echo {{{character} a{character}b && c {character}", 1)
    assert [command.words for command in commands] == [("echo", f"{{{character}", f"a{character}b"), ("c", character)]


PIECES = (
    "a", " ", " && ", " || ", "; ", " | ", " & ", "\\\n", "\r\n", "\n", "$(", ")", "`", "'", '"', "${", "}", "{ ",
    "((",
    "<<A", "<<-'A' ", "A\n", "\tA\n", "<", ">", "2>&1 ", "if ", "then ", "fi ", "do ", "done ", "case x in ", "esac ",
    "é", "\U0001f680", "# x", "x=", "sh -c '", 'bash -c "', "[[ ", "]] ", "\\", "\t", "\0", "f() ",
)  # fmt: skip
HEADS = ("RUN ", "RUN <<EOF\n", "RUN bash <<-EOF && b\n", "CMD ", "RUN --network=none ", "HEALTHCHECK CMD ")


@given(st.sampled_from(HEADS), st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=25))
@settings(max_examples=500, deadline=None)
def test_any_run_can_be_read_and_points_inside_the_file(head: str, pieces: list[str]) -> None:
    body = "".join(pieces)
    text = f"FROM x\n{head}{body}" + ("\nEOF\n" if "<<" in head else "\n")
    try:
        dockerfile = parse(text)
    except BadFile:
        return
    raw = content(dockerfile)
    for instruction in dockerfile.instructions[1:]:
        if instruction.keyword not in ("RUN", "CMD", "HEALTHCHECK"):
            continue
        for command in shell.commands(dockerfile, instruction):
            assert instruction.line <= command.line <= instruction.end_line
            assert len(command.words) == len(command.spans)
            for span in (*command.spans, command.span):
                assert span is None or 0 <= span.start <= span.end <= len(raw)


@given(st.text(alphabet="ab \\\n\"'$(){}`<>&|;#=-A", max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_script_can_be_split(script: str) -> None:
    last = script.count("\n") + 7
    assert all(7 <= command.line <= last for command in shell.split(script, 7))


@pytest.mark.parametrize(
    "unit",
    ["a && ", "a && \\\n", "$(a ", "((", "<<A ", "`> x ", "a | ", "a=(", ")", "${", "*(& '", "a\n", "cat <<A\nx\nA\n",
     "if a; then ", "\0", '"$(', "[["],
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_in_bearable_time(unit: str) -> None:
    took = []
    for size in (100_000, 400_000):
        begin = time.perf_counter()
        shell.split(unit * (size // len(unit)), 1)
        took.append(time.perf_counter() - begin)
    assert took[1] < 10 and took[1] < 12 * took[0] + 0.5  # four times as much: far from sixteen times as long
