"""What `fix` leaves behind: it still builds, BuildKit's checks take it, and a safe fix changes nothing that ships.

tests/builds/NN-name/    a Dockerfile with much to mend and its build context; all of them build here
tests/builds/base/       what all their bases stand for: Debian with a package repository of its own, no network
"""

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline import fix, settings
from pipeline.analysis.bases import shipped_base
from pipeline.check import check
from pipeline.lint import lint, ruleset
from pipeline.lint.ruleset import Ruleset
from pipeline.model import Dockerfile, Finding
from pipeline.parse import flag_values, parse, text_of
from policies import RULES
from tests.conftest import ROOT, count, seatrial
from tests.test_policies import IDS, MENDING, examples, mendings

BUILDS = Path(__file__).with_name("builds")
FOLDERS = sorted(BUILDS.glob("[0-9]*"))
BASE = "seatrial-test/base-of-mended"
EVERY = [rule for rule in RULES if rule.id != "shellcheck-remark"]  # ShellCheck has no fixes, and takes its time


def every_rule() -> Ruleset:
    """The shipped policy with every rule on."""
    shipped = ruleset.read(ruleset.SHIPPED, frozenset(rule.id for rule in RULES))
    off = {"shellcheck-remark": {"severity": "off", "parameters": {}}}
    profiles = {
        name: choice._replace(every_rule=True, rules={**choice.rules, **off})
        for name, choice in shipped.profiles.items()
    }
    return shipped._replace(profiles=profiles)


POLICY = every_rule()


# --- by the text ------------------------------------------------------------------------------------


def test_many_rules_mend_and_their_pages_show_it() -> None:
    safe = [rule.id for rule in MENDING if any(not unsafe for _, unsafe, _ in mendings(rule.id))]
    assert len(MENDING) >= 60
    assert len(safe) >= 20


def graph(dockerfile: Dockerfile) -> list[tuple[str | None, int | None, bool]]:
    """Each stage: its name (BuildKit takes no notice of case), what it is built on, whether it is needed."""
    return [(stage.name and stage.name.lower(), stage.parent, stage.needed) for stage in dockerfile.stages]


@pytest.mark.parametrize("rule", MENDING, ids=lambda rule: rule.id)
def test_a_mended_page_has_the_same_stages(rule: Any) -> None:
    for before, _, after in mendings(rule.id):
        if rule.id != "copy-from-unknown-stage":  # there the edge is what was wrong
            assert graph(parse(after)) == graph(parse(before))


def what_ships(dockerfile: Dockerfile) -> Mapping[str, object]:
    """What no safe fix may change."""
    ships = list(dockerfile.shipped())[::-1]
    instructions = [one for stage in ships for one in stage.instructions]

    def last(keyword: str) -> Sequence[object]:
        return [(one.words, one.json_form) for one in instructions if one.keyword == keyword][-1:]

    return {
        "base": shipped_base(dockerfile).image,
        "environment": dict(dockerfile.stages[dockerfile.target].environment),
        "user": last("USER"),
        "entrypoint": last("ENTRYPOINT"),
        "command": last("CMD"),
        "health check": last("HEALTHCHECK"),
        "sources": [
            (flag_values(one, "from"), one.words[:-1]) for one in instructions if one.keyword in ("COPY", "ADD")
        ],
    }


def test_no_safe_fix_changes_base_environment_user_entrypoint_or_what_is_copied() -> None:
    changed, rules = 0, set()
    for rule in RULES:
        for example in examples(rule.id):

            def look(text: str) -> Sequence[Finding]:
                return check(parse(text), EVERY, context=example.context, known=IDS)  # noqa: B023 -- asked in this round

            mended = fix.mend(example.text, look)
            if mended.text != example.text:
                assert what_ships(parse(mended.text)) == what_ships(parse(example.text)), example.text
                changed += 1
                rules |= {one.rule for one in mended.done}
    assert changed >= 100
    assert len(rules) >= 20


# --- by BuildKit ------------------------------------------------------------------------------------


def docker(*argv: str, stdin: str | None = None, fine: Sequence[int] = (0,)) -> str:
    ended = subprocess.run(["docker", *argv], input=stdin, capture_output=True, text=True, check=False)
    assert ended.returncode in fine, ended.stderr
    return ended.stdout


@pytest.fixture(scope="session")
def base() -> Iterator[str]:
    """The image that stands in for every base."""
    ended = seatrial("build", "debian-base", SEATRIAL_ROOT=str(ROOT))
    assert ended.returncode == 0, ended.stderr
    root = f"debian-base=docker-image://{settings.registry()}/seatrial/debian-base:seatrial"
    docker("buildx", "build", "--network=none", f"--build-context={root}", f"--tag={BASE}", str(BUILDS / "base"))
    yield BASE
    docker("image", "rm", "--force", BASE)


def stand_ins(dockerfile: Dockerfile, base: str) -> list[str]:
    """The base under the name of every image that a Dockerfile takes something from."""
    names = {stage.name.lower() for stage in dockerfile.stages if stage.name}
    wanted = {stage.image for stage in dockerfile.stages if stage.parent is None}
    for stage in dockerfile.stages:
        for one in stage.instructions:
            sources = [*flag_values(one, "from"), *re.findall(r"--mount=\S*from=([^\s,]+)", one.original)]
            wanted |= {name for name in sources if name.lower() not in names and not name.isdecimal()}
    return [f"--build-context={name}=docker-image://{base}" for name in sorted(filter(None, wanted - {"scratch"}))]


class Checked(NamedTuple):
    """What `docker buildx build --call=check` says."""

    error: str
    warnings: tuple[str, ...]


def checked(text: str, base: str) -> Checked:
    argv = ["buildx", "build", "--call=check,format=json", *stand_ins(parse(text), base), "--file=-", str(BUILDS)]
    said = json.loads(docker(*argv, stdin=text, fine=(0, 1)))
    error = said.get("buildError", {}).get("message", "")
    return Checked(error, tuple(sorted(one["ruleName"] for one in said.get("warnings") or ())))


@pytest.fixture(scope="session")
def answers(base: str) -> Mapping[str, Checked]:
    """By text: all that was mended, and what was there before where BuildKit has something to say of that."""

    def ask(texts: Iterable[str]) -> dict[str, Checked]:
        asked = list(dict.fromkeys(texts))
        return dict(zip(asked, pool.map(lambda text: checked(text, base), asked), strict=True))

    pairs = [(before, after) for rule in MENDING for before, _, after in mendings(rule.id)]
    with ThreadPoolExecutor(4) as pool:
        mended = ask(after for _, after in pairs)
        return mended | ask(before for before, after in pairs if mended[after].warnings)


@pytest.mark.real
@pytest.mark.parametrize("rule", MENDING, ids=lambda rule: rule.id)
def test_buildkit_takes_a_mended_page_and_warns_of_no_more_than_before(
    rule: Any, answers: Mapping[str, Checked]
) -> None:
    for before, _, after in mendings(rule.id):
        assert answers[after].error == ""
        if answers[after].warnings and not answers[before].error:
            assert len(answers[after].warnings) <= len(answers[before].warnings)
    count("mended pages that BuildKit takes", len(MENDING))


class Built(NamedTuple):
    """An image that was built and is gone: what its configuration says, and its files, if they were asked for."""

    config: Mapping[str, Any]
    files: frozenset[tuple[str, int, int, int, int, str]]


def built(folder: Path, base: str, *, with_files: bool = True) -> Built:
    dockerfile = parse(text_of(folder / "Dockerfile"))
    tag = f"seatrial-test/mended:{folder.name}"
    try:
        docker("buildx", "build", "--network=none", *stand_ins(dockerfile, base), f"--tag={tag}", str(folder))
        (inspected,) = json.loads(docker("image", "inspect", tag))
        return Built(inspected["Config"], frozenset(files(tag) if with_files else ()))
    finally:
        subprocess.run(["docker", "image", "rm", "--force", tag], capture_output=True, check=False)


def files(tag: str) -> Iterator[tuple[str, int, int, int, int, str]]:
    """Path, mode, owner, group, size and link of all that an image holds, folders left out."""
    container = docker("create", "--entrypoint=/never-run", tag).strip()
    try:
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as archive,
        ):
            for one in archive:
                if not one.isdir():
                    yield one.name, one.mode, one.uid, one.gid, one.size, one.linkname
    finally:
        docker("rm", container)


# What an image may lose by a safe fix: what the package managers keep for themselves.
KEPT = ("var/lib/apt/lists/", "var/cache/", "var/log/")
SAME = ("Env", "User", "Entrypoint", "Cmd", "WorkingDir", "Healthcheck", "OnBuild", "Volumes", "StopSignal")


@pytest.mark.real
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_mended_dockerfile_builds_and_a_safe_fix_builds_the_same(folder: Path, base: str, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / folder.name)
    found = [len(lint([copy], POLICY).findings)]
    (would,) = fix.fix([copy], POLICY, write=False).files
    before = built(copy, base, with_files=would.changed)

    (safe,) = fix.fix([copy], POLICY).files
    if safe.changed:
        found.append(len(lint([copy], POLICY).findings))
        after = built(copy, base)
        assert {key: after.config.get(key) for key in SAME} == {key: before.config.get(key) for key in SAME}
        assert not [one for one in before.files ^ after.files if not one[0].startswith(KEPT)]

    (unsafe,) = fix.fix([copy], POLICY, unsafe=True).files
    if unsafe.changed:
        found.append(len(lint([copy], POLICY).findings))
        built(copy, base, with_files=False)
    assert not safe.refused and not unsafe.refused
    assert len(found) > 1 and found == sorted(set(found), reverse=True)  # fewer each time
    count("mended Dockerfiles that build", len(FOLDERS))


def test_what_is_built_has_findings_of_many_rules_that_mend() -> None:
    mended = {
        one.rule
        for file in fix.fix(FOLDERS, POLICY, unsafe=True, write=False).files
        for one in file.mended
    }  # fmt: skip
    assert len(FOLDERS) >= 8
    assert len(mended) >= 40
