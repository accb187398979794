"""The same files, read by us and by BuildKit's own parser in Go (the `dockerfile` package): nothing may differ.

`dockerfile` 3.4.0 gives, per instruction: keyword, words, flags, JSON form, first and last line. It reads no ONBUILD
inside, drops the delimiters of ENV and LABEL, and takes an array with something behind it for JSON, which BuildKit no
longer does: such lines are not generated here.
"""

import dockerfile as oracle
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.parse import instructions, lines

KEYWORDS = st.sampled_from(
    [
        "FROM",
        "RUN",
        "copy",
        "ADD",
        "Env",
        "LABEL",
        "ARG",
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "USER",
        "WORKDIR",
        "VOLUME",
        "HEALTHCHECK CMD",
        "SHELL",
        "STOPSIGNAL",
        "MAINTAINER",
    ]
)
WORDS = st.sampled_from(
    [
        "a",
        "b=c",
        "'d e'",
        '"f g"',
        "$H",
        "${I:-j}",
        "\\ ",
        "k\\",
        "--from=x",
        "--mount=type=cache,target=/y",
        "n:1@sha256:0",
        "é",
        "<<E",
        "&& \\\n  o",
        "\\\n\n# c\n p",
        "# q",
        "|",
        ">r",
        "\t",
        "--",
        "-s",
    ]
)
LINES = st.one_of(
    st.builds(
        lambda keyword, words: " ".join((keyword, *words)) + "\n", KEYWORDS, st.lists(WORDS, min_size=1, max_size=5)
    ),
    st.sampled_from(
        [
            "\n",
            "# comment\n",
            "  # comment\n",
            "RUN <<E\na\nE\n",
            "COPY <<-E /x\n\tb\n\tE\n",
            " \t\n",
            "RUN a \\\n # c\n b\r\n",
            "#escape=`\n",
            "# syntax=x\n",
            'CMD ["l", "m"]\n',
            "RUN []\n",
            'COPY ["a b", "/c"]\n',
            "CMD [a]\n",
        ]
    ),
)
FILES = st.lists(LINES, min_size=1, max_size=8).map("".join)


def ours(text):
    try:
        found = instructions.read(lines.Lines(text))
    except lines.Refused:
        return None
    rows = []
    for one in found:
        words = one.words
        if one.keyword in ("ENV", "LABEL"):
            words = tuple(word for number, word in enumerate(words) if number % 3 != 2)
        rows.append((one.keyword, words, one.flags, one.json_form, one.line, one.end_line))
    return rows


def theirs(text):
    try:
        found = oracle.parse_string(text)
    except oracle.GoParseError:
        return None
    return [(one.cmd.upper(), one.value, one.flags, one.json, one.start_line, one.end_line) for one in found]


@given(FILES)
@settings(max_examples=600, deadline=None)
@example("FROM a\nRUN b \\\n\n  c\n")
@example("FROM a\nENV a b c\nENV d=e f='g h'\n")
@example("\ufeffFROM a\r\nRUN b \\\r\n c\r\n")
def test_we_read_what_buildkit_reads(text):
    assert ours(text) == theirs(text)


def test_the_oracle_is_the_real_one():
    assert [one.cmd.lower() for one in oracle.parse_string("FROM a\nRUN b\n")] == ["from", "run"]
    assert theirs("# nothing\n") is None and ours("# nothing\n") is None
