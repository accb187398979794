"""Which line brought which layer: on hand-made histories, and on real images whose layers carry their lines."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline import measure
from pipeline.attribution import attribute
from pipeline.layout import Layout
from pipeline.measure.index import indexes
from pipeline.model import LayerOrigin
from pipeline.parse import parse
from tests import archives
from tests.archives import file, layout, tar

SHELL = "/bin/sh -c"


def image(place: Path, *entries: str, layers: int | None = None, comment: str = "buildkit.dockerfile.v0") -> Layout:
    """An image with this history; an entry that starts with `-` made no layer."""
    made = sum(not entry.startswith("-") for entry in entries) if layers is None else layers
    history = [
        {
            "created_by": entry.removeprefix("-"),
            "comment": comment,
            **({"empty_layer": True} if entry[0] == "-" else {}),
        }
        for entry in entries
    ]
    return layout(place, [tar(file(f"layer{number}", 1)) for number in range(made)], history=history)


def lines(origins: tuple[LayerOrigin, ...]) -> list[int | None]:
    return [origin.dockerfile_line for origin in origins]


def kinds(origins: tuple[LayerOrigin, ...]) -> list[str]:
    return [origin.origin for origin in origins]


BASE = ("ADD rootfs / # buildkit", '-CMD ["bash"]')
OWN = ("-ENV A=1", f"RUN {SHELL} echo one # buildkit", "COPY f /f # buildkit", "-USER 1000")
TEXT = "FROM base\nENV A=1\nRUN echo one\nCOPY f /f\nUSER 1000\n"


def test_the_end_of_the_history_is_the_dockerfile_and_the_rest_is_the_base(tmp_path: Path) -> None:
    found = image(tmp_path, *BASE, *OWN)
    origins = attribute(found, parse(TEXT), ())
    assert lines(origins) == [None, 3, 4]
    assert kinds(origins) == ["base", "own", "own"]
    assert [origin.instruction for origin in origins] == ["ADD rootfs /", "RUN echo one", "COPY f /f"]
    assert [(o.digest, o.diff_id) for o in origins] == [(layer[0], layer[1]) for layer in found.layers]


def test_known_base_layers_say_the_same(tmp_path: Path) -> None:
    found = image(tmp_path, *BASE, *OWN)
    assert attribute(found, parse(TEXT), (found.layers[0][1],)) == attribute(found, parse(TEXT), ())


def test_base_layers_that_the_image_does_not_start_with_are_not_believed(tmp_path: Path) -> None:
    found = image(tmp_path, *BASE, *OWN)
    assert attribute(found, parse(TEXT), ("sha256:" + "0" * 64,)) == attribute(found, parse(TEXT), ())


def test_without_a_dockerfile_no_layer_has_a_line(tmp_path: Path) -> None:
    found = image(tmp_path, *BASE, *OWN)
    assert lines(attribute(found, None, ())) == [None] * 3
    assert kinds(attribute(found, None, (found.layers[0][1],))) == ["base", "own", "own"]
    assert kinds(attribute(found, None, ())) == ["own"] * 3


@pytest.mark.parametrize(
    "changed",
    [
        TEXT.replace("echo one", "echo two"),  # the same keyword, another command
        TEXT.replace("echo one", "one"),  # the end of the command only
        TEXT.replace("RUN echo one", "WORKDIR /x"),
        TEXT.replace("RUN echo one\n", ""),
    ],
)
def test_from_where_the_dockerfile_differs_down_no_layer_has_a_line(tmp_path: Path, changed: str) -> None:
    origins = attribute(image(tmp_path, *BASE, *OWN), parse(changed), ())
    expected = changed.splitlines().index("COPY f /f") + 1
    assert lines(origins) == [None, None, expected]
    assert kinds(origins) == ["own"] * 3


def test_another_copy_is_not_this_copy(tmp_path: Path) -> None:
    found = image(tmp_path, *BASE, *OWN)
    assert lines(attribute(found, parse(TEXT.replace("COPY f /f", "COPY g /g")), ())) == [None] * 3
    assert lines(attribute(found, parse(TEXT.replace("COPY f /f", "ARG D=/f\nCOPY f $D")), ())) == [None, None, 5]


def test_flags_of_a_copy_in_the_history_do_not_matter(tmp_path: Path) -> None:
    found = image(tmp_path, "COPY --chown=1:1 f /f # buildkit")
    assert lines(attribute(found, parse("FROM scratch\nCOPY --chown=1:1 f /f\n"), ())) == [2]


def test_a_dockerfile_that_is_longer_than_the_history_has_no_base(tmp_path: Path) -> None:
    origins = attribute(image(tmp_path, *OWN[1:]), parse(TEXT), ())
    assert (lines(origins), kinds(origins)) == ([3, 4], ["own", "own"])


def test_a_line_never_reaches_into_the_base(tmp_path: Path) -> None:
    found = image(tmp_path, f"RUN {SHELL} echo one # buildkit", "COPY f /f # buildkit")
    origins = attribute(found, parse("FROM base\nRUN echo one\nCOPY f /f\n"), tuple(la[1] for la in found.layers))
    assert (lines(origins), kinds(origins)) == ([None, None], ["base", "base"])


def test_layers_on_scratch_are_all_own(tmp_path: Path) -> None:
    found = image(tmp_path, "COPY f /f # buildkit")
    assert kinds(attribute(found, parse("FROM scratch\nCOPY f /f\n"), ())) == ["own"]
    assert (
        lines(attribute(image(tmp_path / "two", *BASE, *OWN), parse("FROM scratch\nUSER 1000\n"), ())) == [None] * 3
    )


@pytest.mark.parametrize("history", [None, [], "text", [1, 2], [{}], [{"created_by": None}] * 9])
def test_a_missing_or_odd_history_gives_layers_without_lines(tmp_path: Path, history: Any) -> None:
    found = layout(tmp_path, [tar(file("a", 1)), tar(file("b", 1))], history=history)
    origins = attribute(found, parse(TEXT), ())
    assert (lines(origins), [origin.instruction for origin in origins]) == ([None] * 2, [""] * 2)


def test_more_layers_than_history_are_told_from_the_top(tmp_path: Path) -> None:
    """BuildKit appends fillers for a base without history; its own entries still end with the last layer."""
    found = image(tmp_path, *OWN, layers=4)
    found.config["history"] += [{"created_by": "[2/3] COPY f /f", "comment": "buildkit.exporter.image.v0"}] * 2
    origins = attribute(found, parse(TEXT), ())
    assert (lines(origins), kinds(origins)) == ([None, None, 3, 4], ["base", "base", "own", "own"])
    assert origins[0].instruction == ""


def test_a_trigger_of_the_base_belongs_to_the_from(tmp_path: Path) -> None:
    found = image(tmp_path, *BASE, f"RUN {SHELL} echo trigger # buildkit", *OWN)
    origins = attribute(found, parse(TEXT), (found.layers[0][1],))
    assert (lines(origins), kinds(origins)) == ([None, 1, 3, 4], ["base", "own", "own", "own"])


def test_build_arguments_do_not_show_in_instructions(tmp_path: Path) -> None:
    found = image(tmp_path, f"RUN |2 TOKEN=secret B=c d {SHELL} echo $B # buildkit")
    assert attribute(found, None, ())[0].instruction == "RUN echo $B"
    assert lines(attribute(found, parse("FROM scratch\nRUN echo $B\n"), ())) == [2]


def test_the_json_form_of_a_shell_is_found_too(tmp_path: Path) -> None:
    found = image(tmp_path, f"RUN {SHELL} echo a # buildkit", "RUN /bin/x a  b # buildkit")
    text = 'FROM scratch\nRUN ["/bin/sh", "-c", "echo a"]\nRUN ["/bin/x", "a  b"]\n'
    assert lines(attribute(found, parse(text), ())) == [2, 3]


def test_another_shell_is_passed_over(tmp_path: Path) -> None:
    found = image(tmp_path, "-SHELL [/bin/zsh -c]", "RUN |1 A=b /bin/zsh -c echo a # buildkit")
    assert lines(attribute(found, parse('FROM scratch\nSHELL ["/bin/zsh", "-c"]\nRUN echo a\n'), ())) == [3]


def test_the_classic_builders_history_is_read(tmp_path: Path) -> None:
    found = image(
        tmp_path, f"-{SHELL} #(nop)  ENV A=1", f"{SHELL} echo one", f"{SHELL} #(nop) COPY file:cf3ad9 in /f ",
        f"{SHELL} #(nop) WORKDIR /w", f"-{SHELL} #(nop)  ONBUILD RUN true", f'-{SHELL} #(nop)  CMD ["{SHELL}" "x"]',
    )  # fmt: skip
    text = "FROM scratch\nENV A=1\nRUN echo one\nCOPY f /f\nWORKDIR /w\nONBUILD RUN true\nCMD x\n"
    origins = attribute(found, parse(text), ())
    assert lines(origins) == [3, 4, 5]
    assert attribute(found, None, ())[1].instruction == "COPY file:cf3ad9 in /f"


# --- real images ----------------------------------------------------------------------------------

# `@` is the number of the line it stands on, so each layer tells its line by the file it brings.
TEMPLATE = r"""
# syntax and comments come first
ARG BEFORE=1
FROM tree AS one
ARG A="x y"
ENV X=1 Y=2
LABEL a=b c="d e"
MAINTAINER somebody
WORKDIR /marks
WORKDIR /marks/@
RUN echo > /marks/@ \
 # a comment inside
 && echo two
ONBUILD RUN echo > /marks/@
ONBUILD COPY mark /marks/@
STOPSIGNAL SIGTERM
FROM scratch AS unrelated
COPY mark /unrelated
FROM one AS two
RUN echo "> /marks/@" > /marks/@
RUN <<EOF
echo > /marks/@-1
EOF
RUN cat <<X > /marks/@ && echo done
some
X
COPY <<EOF /marks/@
text
EOF
COPY mark other /marks/@/
COPY --link mark /marks/@
COPY --chmod=755 --chown=5:5 ma[r]k /marks/@
COPY --from=unrelated /unrelated /marks/@
ADD mark "/marks/@"
RUN ["/bin/sh", "-c", "echo > /marks/@"]
RUN --mount=type=cache,target=/cache echo > /marks/@
SHELL ["/bin/sh", "-ec"]
RUN	echo   >   /marks/@ ; : "$A" \
  x
USER 1000
EXPOSE 80 81/udp
VOLUME /data /more
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["/bin/true"]
CMD echo hi
FROM one AS unused
RUN echo > /marks/@
FROM two
ARG BEFORE
ENV Z=$BEFORE
USER 0
RUN echo > /marks/@
"""


def numbered(template: str) -> str:
    return "\n".join(
        line.replace("@-1", str(number - 1)).replace("@", str(number))
        for number, line in enumerate(template.splitlines(), start=1)
    )


def marks(found: Layout, cache: Path) -> list[set[int]]:
    """The line numbers that each layer brings as names below /marks."""
    brought = []
    for index in indexes(found, cache, measure.Limits()):
        names = [entry.name.decode().split("/") for entry in index.entries]
        brought.append({int(name[1]) for name in names if name[0] == "marks" and len(name) > 1})
    return brought


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build context with a root to run in, as an OCI layout that FROM can name."""
    archives.need_engine()
    place = tmp_path / "context"
    place.mkdir()
    (place / "mark").write_text("mark")
    (place / "other").write_text("other")
    return place


def base(tmp_path: Path, dockerfile: str = "FROM scratch\nADD root.tar /\n") -> tuple[str, tuple[str, ...]]:
    """Build a base image; return the option that makes it `tree`, and its diff IDs."""
    place = tmp_path / "base"
    place.mkdir()
    (place / "root.tar").write_bytes(archives.shell_root())
    (place / "mark").write_text("mark")
    archive = archives.built(place, dockerfile, tmp_path / "base.tar")
    subprocess.run(["tar", "-xf", str(archive), "-C", str(place)], check=True)
    digest = json.loads((place / "index.json").read_bytes())["manifests"][0]["digest"]
    with measure.opened_path(archive) as found:
        return f"--build-context=tree=oci-layout://{place}@{digest}", tuple(layer[1] for layer in found.layers)


@pytest.mark.real
def test_each_layer_of_a_real_image_has_the_line_that_it_carries(tmp_path: Path, context: Path) -> None:
    option, diff_ids = base(tmp_path)
    text = numbered(TEMPLATE)
    archive = archives.built(context, text, tmp_path / "image.tar", option, "--label=a=b")
    with measure.opened_path(archive) as found:
        brought = marks(found, tmp_path / "cache")
        known, unknown = (attribute(found, parse(text), layers) for layers in (diff_ids, ()))
    assert known == unknown
    assert kinds(known) == ["base"] + ["own"] * 18
    # The second line of a RUN is its mark's; `WORKDIR /marks` brings a folder without a number.
    for origin, numbers in zip(known[1:], brought[1:], strict=True):
        assert numbers <= {origin.dockerfile_line}, origin
    assert sum(len(numbers) for numbers in brought) == 17


@pytest.mark.real
def test_triggers_and_layers_of_a_real_base_are_told_apart(tmp_path: Path, context: Path) -> None:
    option, diff_ids = base(
        tmp_path,
        "FROM scratch\nADD root.tar /\nRUN mkdir /marks\nWORKDIR /w\nONBUILD COPY mark /marks/1\nCMD x\n",
    )
    assert len(diff_ids) == 3
    text = "FROM tree\nENV A=1\nRUN echo > /marks/3\nCOPY mark /marks/4\n"
    archive = archives.built(context, text, tmp_path / "image.tar", option)
    with measure.opened_path(archive) as found:
        brought = marks(found, tmp_path / "cache")
        origins = attribute(found, parse(text), diff_ids)
    assert kinds(origins) == ["base"] * 3 + ["own"] * 3
    assert lines(origins) == [None, None, None, 1, 3, 4]
    assert brought[3:] == [{1}, {3}, {4}]


@pytest.mark.real
def test_a_real_base_without_history_costs_no_line(tmp_path: Path, context: Path) -> None:
    place = tmp_path / "bare"
    bare = layout(place, [archives.shell_root(), tar(archives.folder("marks"))])
    option = f"--build-context=tree=oci-layout://{place}@{bare.digest}"
    text = "FROM tree\nENV A=1\nRUN echo > /marks/3\nCOPY mark /marks/4\n"
    archive = archives.built(context, text, tmp_path / "image.tar", option)
    with measure.opened_path(archive) as found:
        brought = marks(found, tmp_path / "cache")
        origins = attribute(found, parse(text), tuple(layer[1] for layer in bare.layers))
    assert lines(origins) == [None, None, 3, 4]
    assert brought[2:] == [{3}, {4}]


@pytest.mark.real
def test_a_real_image_of_the_classic_builder_has_its_lines(tmp_path: Path, context: Path) -> None:
    (context / "root.tar").write_bytes(archives.shell_root())
    text = "FROM scratch\nADD root.tar /\nENV A=1\nRUN mkdir /marks && echo > /marks/4\nCOPY mark /marks/5\nCMD x\n"
    (context / "Dockerfile").write_text(text)
    name = "seatrial-test-classic:attribution"
    build = ["env", "DOCKER_BUILDKIT=0", "docker", "build", "--quiet", "--tag", name, str(context)]
    if subprocess.run(build, capture_output=True).returncode:
        pytest.skip("this engine has no classic builder any more")
    try:
        subprocess.run(["docker", "save", "--output", str(tmp_path / "image.tar"), name], check=True)
    finally:
        subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)
    with measure.opened_path(tmp_path / "image.tar") as found:
        assert lines(attribute(found, parse(text), ())) == [2, 4, 5]
        assert marks(found, tmp_path / "cache") == [set(), {4}, {5}]
