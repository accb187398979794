"""Each token of a Dockerfile is where the parser says it is, whatever the file looks like."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BadFile
from pipeline.parse import parse, tokens
from pipeline.parse.spans import logical, place


def at(text, instruction=-1):
    """The bytes at each token of an instruction: keyword, flags, words, heredocs."""
    dockerfile = parse(text)
    found = tokens(dockerfile, dockerfile.instructions[instruction])
    raw = text.encode()

    def piece(span):
        return raw[span.start : span.end].decode()

    return (
        piece(found.whole),
        piece(found.keyword.span),
        [piece(one.span) for one in found.flags],
        [piece(one.span) for one in found.words],
        [piece(span) for span in found.heredocs],
    )


@pytest.mark.parametrize(
    ("line", "keyword", "flags", "words"),
    [
        ("FROM a:1 AS b", "FROM", [], ["a:1", "AS", "b"]),
        ("from  --platform=linux/amd64   a", "from", ["--platform=linux/amd64"], ["a"]),
        ("RUN apt-get update && apt-get install x", "RUN", [], ["apt-get update && apt-get install x"]),
        (
            "RUN --mount=type=cache,target=/x --network=none make",
            "RUN",
            ["--mount=type=cache,target=/x", "--network=none"],
            ["make"],
        ),
        (
            "COPY --chown=a:b --from=img one two /three/",
            "COPY",
            ["--chown=a:b", "--from=img"],
            ["one", "two", "/three/"],
        ),
        ('COPY ["a b", "/c d"]', "COPY", [], ['"a b"', '"/c d"']),
        ("ENV A=1 B='2 3' C=$A", "ENV", [], ["A", "1", "=", "B", "'2 3'", "=", "C", "$A", "="]),
        ("ENV OLD the whole rest", "ENV", [], ["OLD", "the whole rest", ""]),
        ("LABEL a.b=c", "LABEL", [], ["a.b", "c", "="]),
        ("ARG A B=2", "ARG", [], ["A", "B=2"]),
        ("EXPOSE 80/tcp  443", "EXPOSE", [], ["80/tcp", "443"]),
        ("HEALTHCHECK --interval=5s CMD curl -f x", "HEALTHCHECK", ["--interval=5s"], ["CMD", "curl -f x"]),
        ('HEALTHCHECK CMD ["a", "b"]', "HEALTHCHECK", [], ["CMD", '"a"', '"b"']),
        ("HEALTHCHECK NONE", "HEALTHCHECK", [], ["NONE"]),
        ('CMD ["python", "-m", "x\\"y"]', "CMD", [], ['"python"', '"-m"', '"x\\"y"']),
        ("ONBUILD COPY --link a /b", "ONBUILD", [], ["COPY", "a", "/b"]),
        ('ONBUILD RUN ["a", "b"]', "ONBUILD", [], ["RUN", '"a"', '"b"']),
        ('SHELL ["/bin/bash", "-c"]', "SHELL", [], ['"/bin/bash"', '"-c"']),
        ("USER app:app", "USER", [], ["app:app"]),
        ("VOLUME /a /b", "VOLUME", [], ["/a", "/b"]),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL", [], ["SIGTERM"]),
        ("MAINTAINER some one", "MAINTAINER", [], ["some one"]),
    ],
)
@pytest.mark.parametrize("before", ["FROM scratch\n", "\ufeffFROM scratch\r\n# é\r\n   \t", "FROM scratch\n\n# x\n"])
def test_every_token_is_where_it_is_said_to_be(line, keyword, flags, words, before):
    text = f"{before}{line}"
    whole, found_keyword, found_flags, found_words, _ = at(text)
    assert (whole, found_keyword, found_flags, found_words) == (line, keyword, flags, words)


def test_a_word_over_several_lines_spans_its_continuations_and_comments():
    text = "FROM scratch\nRUN a \\\n  # why\n\n  b \\\r\n  c\nLABEL x=y\n"
    whole, _, _, words, _ = at(text, 1)
    assert whole == "RUN a \\\n  # why\n\n  b \\\r\n  c"
    assert words == ["a \\\n  # why\n\n  b \\\r\n  c"]


def test_the_escape_of_the_directive_counts():
    assert at("# escape=`\nFROM scratch\nCOPY a `\n b /c\n")[3] == ["a", "b", "/c"]


def test_heredocs_are_spans_of_their_content():
    text = "FROM scratch\nCOPY <<a <<-b /x/\né\na\n\tz\n\tb\nLABEL x=y"
    whole, _, _, words, heredocs = at(text, 1)
    assert words == ["<<a", "<<-b", "/x/"]
    assert heredocs == ["é\n", "\tz\n"]
    assert whole == "COPY <<a <<-b /x/\né\na\n\tz\n\tb"


def test_a_place_counts_lines_and_characters_from_one():
    dockerfile = parse("FROM scratch\nLABEL é=ü\n")
    assert place(dockerfile, "FROM scratch\nLABEL é".encode().__len__()) == (2, 8)


PIECES = st.sampled_from(
    [
        "FROM a AS b\n",
        "RUN ",
        "COPY --from=b x ",
        "ENV A=",
        "LABEL ",
        "ARG ",
        "é",
        "\\\n",
        "\n",
        " ",
        "\t",
        "\r\n",
        "'",
        '"',
        "$A",
        "<<E\n",
        "E\n",
        "# c\n",
        "--mount=type=cache ",
        "[",
        "]",
        ",",
        "=",
        "ONBUILD ",
        "HEALTHCHECK CMD ",
        "x",
        "/y",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_tokens_stand_inside_the_file_in_their_order(text):
    text = f"FROM scratch\n{text}"
    try:
        dockerfile = parse(text)
    except BadFile:
        return
    raw = text.encode()
    end = 0
    for instruction in dockerfile.instructions:
        assert logical(dockerfile, instruction).text == instruction.original
        found = tokens(dockerfile, instruction)
        assert end <= found.whole.start < found.whole.end <= len(raw)
        end = found.whole.end
        assert raw[found.whole.start : found.keyword.span.end].decode().upper() == instruction.keyword
        assert len(found.flags) == len(instruction.flags)
        assert len(found.words) == len(instruction.words)
        for token in (*found.flags, *found.words):
            assert found.whole.start <= token.span.start <= token.span.end <= found.whole.end
            written = raw[token.span.start : token.span.end].decode()
            if not re.search(r"[\\'\"\n]", written):
                assert written == token.text
        starts = [token.span.start for token in found.flags]
        assert starts == sorted(starts)
