"""A tree of images: build order, circles, variants, and what a mistake in it looks like."""

import pytest

from pipeline import workspace
from pipeline.errors import BadFile


@pytest.fixture
def tree(tmp_path):
    def write(name, dockerfile, **more):
        folder = tmp_path / "dockerfiles" / name
        folder.mkdir(parents=True)
        (folder / "Dockerfile").write_text(dockerfile)
        lines = [f"name: {name}", f"repository: team/{name}", *(f"{key}: {value}" for key, value in more.items())]
        (folder / "image.yaml").write_text("\n".join(lines) + "\n")

    write.root = tmp_path
    return write


def names(tree, *wanted):
    return [recipe.name for recipe in workspace.read(tree.root).ordered(wanted)]


def test_an_image_comes_after_the_one_its_from_names_by_name_or_repository(tree):
    tree("a-service", "FROM team/middle\n")
    tree("middle", "ARG BASE=root\nFROM ${BASE}\n")
    tree("root", "FROM scratch\n")
    assert names(tree) == ["root", "middle", "a-service"]
    assert names(tree, "middle") == ["root", "middle"]


def test_a_stage_that_nobody_needs_asks_for_no_base(tree):
    tree("one", "FROM two AS unused\nFROM scratch\n")
    tree("two", "FROM scratch\n")
    assert workspace.read(tree.root).bases("one") == {}


def test_images_in_a_circle_are_refused_with_the_line_of_the_from(tree):
    tree("one", "# first\nFROM two\n")
    tree("two", "FROM one\n")
    with pytest.raises(BadFile, match="in a circle: ") as caught:
        names(tree)
    assert caught.value.line in (1, 2)


def test_a_variant_is_an_image_of_its_own_with_its_arguments(tree):
    tree("app", "ARG CUDA=12.8\nFROM base:${CUDA}\n",
         variants="[{name: new, build_args: {CUDA: 13.0}}, {name: old, build_args: {CUDA: '12.6'}}]")  # fmt: skip
    found = workspace.read(tree.root)
    assert sorted(found.recipes) == ["app-new", "app-old"]
    assert found.dockerfiles["app-new"].final.image == "base:13.0"
    assert found.recipes["app-old"].tags == ["latest-old"]


def test_a_dockerfile_without_image_yaml_and_a_name_nobody_has_are_told(tree):
    tree("app", "FROM scratch\n")
    with pytest.raises(BadFile) as caught:
        workspace.read(tree.root).named("ap")
    assert caught.value.hint == "did you mean `app`?"
    (tree.root / "dockerfiles" / "other").mkdir()
    (tree.root / "dockerfiles" / "other" / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(BadFile, match=r"no image\.yaml beside the Dockerfile"):
        workspace.read(tree.root).named("other")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("context: ../secrets", "must stay below the image's folder"),
        ("dockerfile: /etc/passwd", "must stay below the image's folder"),
        ("platforms: [linux/amd64, linux/arm64]", "at most 1 item"),
        ("name: Bad Name", "must be lower case"),
    ],
)
def test_an_image_yaml_that_reaches_outside_or_is_malformed_is_refused(tree, line, expected):
    key = line.split(":", 1)[0]
    tree("app", "FROM scratch\n")
    file = tree.root / "dockerfiles" / "app" / "image.yaml"
    file.write_text(
        "\n".join(row for row in file.read_text().splitlines() if not row.startswith(key)) + f"\n{line}\n"
    )
    with pytest.raises(BadFile, match=expected):
        workspace.read(tree.root).named("app")


def test_a_folder_that_is_not_finished_stops_only_what_builds_on_it(tree):
    tree("good", "FROM scratch\n")
    tree("child", "FROM half\n")
    (tree.root / "dockerfiles" / "half").mkdir()
    (tree.root / "dockerfiles" / "half" / "Dockerfile").write_text("FROM scratch\n")
    found = workspace.read(tree.root)
    assert [one.name for one in found.ordered(["good"])] == ["good"]
    assert found.order(["child"]) == ("half", "child")
    with pytest.raises(BadFile, match=r"no image\.yaml"):
        found.ordered(["child"])


def test_a_key_that_is_there_twice_is_refused_because_the_first_would_vanish(tree):
    tree("app", "FROM scratch\n", budget="{bytes: 1MB, bytes: 90MB}")
    with pytest.raises(BadFile, match="the key `bytes` is there twice, first on line 3") as caught:
        workspace.read(tree.root).named("app")
    assert (caught.value.line, caught.value.hint) == (3, "keep one of them")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tags: [0.1]", "`tags.0`: must be text: put it in quotes"),
        ("smoke: {read_only: perhaps}", "`smoke.read_only`: must be true or false"),
        ("smoke: {probes: [{name: x, exec: [cat]}]}", "must hold keys and values"),
        ("compression: brotli", "must be 'zstd' or 'gzip'"),
        ("smoke: {gpu: maybe}", "must be 'auto', 'required' or 'none'"),
    ],
)
def test_a_mistake_is_told_in_words_and_not_in_a_librarys(tree, line, words):
    key, _, value = line.partition(": ")
    tree("app", "FROM scratch\n", **{key: value})
    with pytest.raises(BadFile, match=words.replace(".", r"\.")):
        workspace.read(tree.root).named("app")
