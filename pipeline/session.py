"""A folder and a person's choices in, what every task works with out: workspace, policy, reports, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadFile

if TYPE_CHECKING:
    from pipeline.model import Record
    from pipeline.policy import Policy
    from pipeline.progress import Progress
    from pipeline.tree import Release
    from pipeline.workspace import Workspace


@dataclass
class Session:
    """One call of the command line. What it does not need it does not read."""

    root: Path
    progress: Progress
    policy_file: Path | None = None

    @cached_property
    def workspace(self) -> Workspace:
        """The tree of images. Raises BadFile."""
        from pipeline import workspace

        return workspace.read(self.root)

    @cached_property
    def policy(self) -> Policy:
        """The policy that holds here. Raises BadFile."""
        from pipeline import policy
        from pipeline.lint import ruleset
        from policies import RULES

        file = ruleset.find(self.root, self.policy_file)
        return policy.read(file, frozenset(rule.id for rule in RULES))

    @property
    def reports(self) -> Path:
        """Where records lie."""
        return self.root / "reports"

    def save(self, record: Record) -> Path:
        """Write a record with its reports; returns record.json."""
        from pipeline.model import document

        return self.save_document(document(record, "record"))

    def save_document(self, record: dict[str, Any]) -> Path:
        """The same for a record that is a document already."""
        from pipeline.report import files

        file = files.save(record, self.reports)
        # The signature beside it was made of the record that stood there before.
        file.with_name(file.name + ".sigstore.json").unlink(missing_ok=True)
        return file

    def elsewhere(self, target: str) -> bool:
        """Whether a target is no name of the tree: a path, or a reference with a repository in it."""
        return Path(target).exists() or "/" in target

    def records(self, image: str) -> list[Path]:
        """Every record.json of an image, the newest first."""
        found = (self.reports / image).glob("*/record.json")
        return sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)

    def newest_record(self, image: str) -> Path:
        """The record.json of the newest release of an image. Raises BadFile when there is none."""
        found = self.records(image)
        if not found:
            raise BadFile("no record", file=self.reports / image, hint=f"`release {image}` writes one")
        return found[0]

    def reference(self, target: str) -> str:
        """What a person calls an image, as a reference: one of the tree by its name means its newest release."""
        if target.startswith("-"):
            raise BadFile(f"`{target}` is no image", file="verify", hint="repository@sha256:…, or a name of the tree")
        if "/" in target and not Path(target).exists():
            return target
        if Path(target).exists():
            raise BadFile("that is a file or a folder here", file=target, hint=f"verify --offline {target}")
        recipe = self.workspace.named(target)
        pushed = (files_of(file).get("pushed") for file in self.records(recipe.name))
        newest = next(filter(None, pushed), None)
        if newest is None:
            raise BadFile("no release", file=self.reports / recipe.name, hint=f"`release {recipe.name}` first")
        return str(newest["reference"])

    def record_of(self, reference: str) -> Path | None:
        """The record here that speaks of a digest, if there is one."""
        digest = reference.rpartition("sha256:")[2]
        return next(iter(self.reports.glob(f"*/{digest}/record.json")), None)


def files_of(file: Path) -> dict[str, Any]:
    """A record.json as it lies there. Raises BadFile."""
    from pipeline.report import files

    return files.load(file)


def set_up(*, yes: bool, tell: Callable[[str], None], tests: bool = False) -> None:
    """Bring the machine up. A person at a terminal is asked before system packages are installed."""
    from pipeline import settings, setup

    unattended = yes or settings.in_ci() or not sys.stdin.isatty()

    def ask(question: str) -> bool:
        return unattended or input(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")

    setup.setup(ask=ask, say=tell, tests=tests)


def release_document(ended: Sequence[Release], asked: Sequence[str]) -> dict[str, Any]:
    """The document of `release`: one entry an image; `record` as well when just one was asked for."""
    from pipeline.model import document

    rows = [
        {"image": one.image, "outcome": one.outcome, "because": one.because, "exit_code": one.exit_code,
         "record": document(one.record, "record") if one.record else None}
        for one in ended
    ]  # fmt: skip
    wanted = asked if asked else [one.image for one in ended]
    single = [row["record"] for row in rows if [row["image"]] == list(wanted)]
    return {"releases": rows, **({"record": single[0]} if single else {})}
