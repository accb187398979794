"""What rules about commands stand on: options as each program reads them, what holds around a RUN, what it made."""

import pytest

from pipeline import fix, mend
from pipeline.analysis import shell
from pipeline.analysis.bases import family
from pipeline.analysis.calls import calls, read
from pipeline.analysis.fetches import fetches, is_checked, pipe_of
from pipeline.analysis.made import made
from pipeline.analysis.walk import is_root, mounts, shell_of
from pipeline.model import Dockerfile
from pipeline.parse import parse


def only(dockerfile: Dockerfile) -> shell.Ran:
    (ran,) = shell.needed(dockerfile)
    return ran


def run(command: str) -> Dockerfile:
    return parse(f"FROM ubuntu:24.04\nRUN {command}\n")


@pytest.mark.parametrize(
    ("command", "verb", "operands"),
    [
        ("apt-get -qq -y install git wget=1.2", "install", ("git", "wget=1.2")),
        ("apt-get -o Acquire::Retries=3 -t noble install git", "install", ("git",)),
        ("apt-get --option Dir::Cache=/c update", "update", ()),
        ("apk add --virtual .build -X https://example.org git", "add", ("git",)),
        ("dnf -y --enablerepo crb install git", "install", ("git",)),
        ("git -C /src -c http.sslVerify=false clone --depth 1 https://example.org/a b", "clone",
         ("https://example.org/a", "b")),
        ("zypper --non-interactive in -- -odd", "in", ("-odd",)),
        ("sudo -E env A=1 apt-get install git", "install", ("git",)),
    ],
)  # fmt: skip
def test_the_verb_and_its_operands_are_found_behind_options(
    command: str, verb: str, operands: tuple[str, ...]
) -> None:
    call = read(only(run(command)).command)
    assert (call.verb, call.operands) == (verb, operands)


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("curl -fsSLk https://example.org", "-k", None),
        ("curl -sok https://example.org", "-o", "k"),
        ("curl -so k https://example.org", "-o", "k"),
        ("curl --output=k https://example.org", "--output", "k"),
        ("wget -qO- https://example.org", "-O", "-"),
        ("useradd -mu 2000000 app", "-u", "2000000"),
        ("apt-get -q=2 install git", "-q", "2"),
    ],
)
def test_letters_that_take_a_value_end_a_bundle(command: str, option: str, value: str | None) -> None:
    options = {name: given for _, name, given in read(only(run(command)).command).options}
    assert options[option] == value


def test_a_word_that_is_an_options_value_is_no_switch() -> None:
    assert read(only(run("curl -o -k https://example.org")).command).place("-k") is None


@pytest.mark.parametrize(
    ("image", "system"),
    [
        ("ubuntu:24.04", "Debian"),
        ("docker.io/library/debian:bookworm-slim", "Debian"),
        ("registry.example.org:5000/library/alpine:3.22", "Alpine"),
        ("python:3.12-alpine", "Alpine"),
        ("python:3.12-slim", "Debian"),
        ("nvidia/cuda:12.9.1-base-ubi9", "Red Hat"),
        ("nvidia/cuda:12.9.1-base-ubuntu24.04@sha256:" + "0" * 64, "Debian"),
        ("gcr.io/distroless/cc-debian12", "distroless"),
        ("gcr.io/distroless/cc-debian12:debug", None),
        ("scratch", "scratch"),
        ("mine/ubuntu-with-things:1", None),
    ],
)
def test_the_system_is_told_from_the_images_name(image: str, system: str | None) -> None:
    dockerfile = parse(f"FROM {image} AS first\nFROM first\n")
    assert family(dockerfile.final.image) == system


def test_root_is_known_only_where_the_file_or_the_base_says_so() -> None:
    text = "FROM {}\nRUN a\nUSER app\nRUN b\nUSER 0:0\nRUN c\nUSER $WHO\nRUN d\n"
    for base, first in (("ubuntu:24.04", True), ("mine/app:1", None)):
        dockerfile = parse(text.format(base))
        runs = [one for one in dockerfile.instructions if one.keyword == "RUN"]
        assert [is_root(dockerfile, dockerfile.final, one) for one in runs] == [first, False, True, None]


def test_the_last_shell_holds_also_in_stages_built_on_it() -> None:
    dockerfile = parse('FROM a AS b\nRUN x\nSHELL ["/bin/bash", "-c"]\nFROM b\nRUN y\nFROM a\nRUN z\n')
    runs = [one for one in dockerfile.instructions if one.keyword == "RUN"]
    assert [shell_of(dockerfile, one) for one in runs] == [None, ("/bin/bash", "-c"), None]


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("curl -fsSL https://example.org/a.tgz", None),
        ("curl -fsSLO https://example.org/a.tgz?x=1", "a.tgz"),
        ("curl -o /tmp/b https://example.org/a.tgz", "/tmp/b"),
        ("wget https://example.org/a.tgz", "a.tgz"),
        ("wget -P /tmp https://example.org/a.tgz", "/tmp/a.tgz"),
        ("wget -qO- https://example.org/a.tgz", None),
    ],
)
def test_a_download_knows_its_file(command: str, file: str | None) -> None:
    (fetch,) = fetches(run(command))
    assert (fetch.file, fetch.name) == (file, "a.tgz")


def test_a_checksum_in_the_same_run_counts_and_one_elsewhere_does_not() -> None:
    dockerfile = parse(
        "FROM a\nRUN curl -O https://example.org/a && echo '0  a' | sha256sum -c\n"
        "RUN curl https://example.org/b | tar x\n"
    )
    first, second = fetches(dockerfile)
    assert (is_checked(dockerfile, first), is_checked(dockerfile, second)) == (True, False)
    assert pipe_of(dockerfile, second.ran) == ("tar",)


def test_what_a_layer_made_is_told_only_where_it_is_certain() -> None:
    dockerfile = parse(
        "FROM ubuntu:24.04\nWORKDIR /srv\nCOPY a.tar.gz model/ ./\nRUN git clone https://example.org/b.git\n"
        "RUN cd /tmp && git clone https://example.org/c.git\nRUN curl -o /d https://example.org/d\n"
        "RUN --mount=type=tmpfs,target=/t curl -o /t/e https://example.org/e\nRUN python3 -m venv /venv\n"
    )
    assert {one.path for one in made(dockerfile)} == {
        "/srv", "/srv/a.tar.gz", "/srv/model", "/srv/b", "/d", "/venv",
    }  # fmt: skip


def test_mounts_are_told_by_kind_and_bind_is_the_default() -> None:
    (instruction,) = [
        one
        for one in parse(
            "FROM a\nRUN --mount=target=/src --mount=type=cache,dst=/c,sharing=locked make\n"
        ).instructions
        if one.keyword == "RUN"
    ]
    assert [one.target for one in mounts(instruction, "bind")] == ["/src"]
    assert [one.target for one in mounts(instruction, "cache")] == ["/c"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("RUN wget -q --x a\n", "RUN wget -q a\n"),
        ("RUN wget -q \\\n    --x \\\n    a\n", "RUN wget -q \\\n    a\n"),
        ("RUN wget -q \\\r\n    --x \\\r\n    a\r\n", "RUN wget -q \\\r\n    a\r\n"),
        ("RUN wget -q \\\n    --x a\n", "RUN wget -q \\\n    a\n"),
        ("RUN wget \\\n  # why\n  --x \\\n  a\n", "RUN wget \\\n  # why\n  a\n"),
        ("RUN wget é --x\n", "RUN wget é\n"),
    ],
)
def test_a_word_is_dropped_with_its_line_or_its_blanks(before: str, after: str) -> None:
    dockerfile = parse("FROM a\n" + before)
    ran = only(dockerfile)
    edit = mend.word_dropped(dockerfile, ran.command, ran.command.argv.index("--x"))
    assert edit is not None
    assert fix.apply(dockerfile.text, [edit]) == "FROM a\n" + after


def test_a_letter_is_dropped_out_of_its_bundle() -> None:
    dockerfile = run("curl -fsSLk https://example.org")
    ran = only(dockerfile)
    edit = mend.option_dropped(dockerfile, ran.command, 1, "-k")
    assert edit is not None
    assert fix.apply(dockerfile.text, [edit]).endswith("RUN curl -fsSL https://example.org\n")


def test_nothing_is_dropped_where_the_last_word_stands_alone_behind_a_comment() -> None:
    dockerfile = parse("FROM a\nRUN wget a \\\n  # why\n  --x\n")
    ran = only(dockerfile)
    assert mend.word_dropped(dockerfile, ran.command, 2) is None


def test_commands_of_stages_that_the_target_does_not_need_are_not_asked_about() -> None:
    dockerfile = parse("FROM a AS idle\nRUN wget x\nFROM a\nRUN wget y\n")
    assert [call.verb for _, call in calls(dockerfile, "wget")] == ["y"]
