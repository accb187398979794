"""What a person calls an image in, what is known of it out. Speaks to: the engine, registries, the file system."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import settings, single
from pipeline.attribution import attribute
from pipeline.compare import Known
from pipeline.errors import BadFile, EngineDown, RegistryFailed, ToolFailed, ToolMissing
from pipeline.layout import Layout
from pipeline.measure import weigh
from pipeline.model import LayerOrigin, Record
from pipeline.report import files, reading

if TYPE_CHECKING:
    from pipeline.session import Session


def opened(session: Session, targets: Sequence[str], *, released: bool = False) -> tuple[Known, Known]:
    """Return what is known of both images. With `released` the first is the last release of the only one named.

    Those that need no build are weighed side by side. Raises BadFile, BadImage, RegistryFailed, BuildFailed.
    """
    if len(targets) != (1 if released else 2):
        raise BadFile(
            f"{len(targets)} images were named, and `diff` compares two", file="diff",
            hint="`diff BEFORE AFTER`, or `diff NAME --released` for its last release and what it is now",
        )  # fmt: skip
    if released:
        return _released(session, targets[0]), known(session, targets[0])
    if not all(_foreign(session, target) for target in targets):
        return known(session, targets[0]), known(session, targets[1])  # one build may wait for a lock of the other's
    with ThreadPoolExecutor(max_workers=2) as pool:
        futures = [pool.submit(known, session, target) for target in targets]
        return futures[0].result(), futures[1].result()


def known(session: Session, target: str) -> Known:
    """Return what is known of one image: a name of the tree, a reference, an archive, a layout, or a record.json."""
    if Path(target).is_file() and Path(target).suffix == ".json":
        return _by_record(_read(Path(target)), target)
    if _foreign(session, target):
        return _from_anywhere(session, target)
    try:
        return _built(session, target)
    except (EngineDown, ToolMissing):
        newest = next(iter(session.records(session.workspace.named(target).name)), None)
        if newest is None:
            raise
        session.progress.say(target, "no engine answers: taking its newest record, which knows no files")
        return _by_record(_read(newest), str(newest))


def _foreign(session: Session, target: str) -> bool:
    """Whether a target is no name of the tree: none of those has a colon, so that `app:1.4` is the engine's."""
    return session.elsewhere(target) or ":" in target


def _built(session: Session, name: str) -> Known:
    found = single.weighed(session.workspace, name, session.policy, session.progress.say)
    return Known(measurement=found.measurement, root=found.root, record=_beside(session, found.measurement.digest))


def _from_anywhere(session: Session, target: str) -> Known:
    with single.indexed(target, lambda what: session.progress.say(target, what)) as (image, contents):
        record = _beside(session, contents.digest)
        found = weigh(image, contents, _origins(contents, record), cache=settings.cache())
    return Known(measurement=found.measurement, root=found.root, record=record)


def _released(session: Session, name: str) -> Known:
    """The last digest that was pushed: from its registry, else by its record, which knows no single file."""
    recipe = session.workspace.named(name)
    for file in session.records(recipe.name):
        pushed = files.load(file).get("pushed")  # not the whole record: one of an older version may not read
        if isinstance(pushed, dict) and isinstance(pushed.get("reference"), str):
            try:
                return _from_anywhere(session, pushed["reference"])
            except (RegistryFailed, ToolFailed, ToolMissing):
                session.progress.say(name, "its registry does not have it: taking its record, which knows no files")
                return _by_record(_read(file), str(file))
    raise BadFile("no release", file=session.reports / recipe.name, hint=f"`release {recipe.name}` first")


def _origins(contents: Layout, record: Record | None) -> tuple[LayerOrigin, ...]:
    """The lines that the record of this very digest names; nobody else has the Dockerfile here."""
    layers = record.measure.layers if record is not None and record.measure is not None else ()
    if [layer.diff_id for layer in layers] != [diff_id for _, diff_id, _, _ in contents.layers]:
        return attribute(contents, None, ())
    return tuple(
        LayerOrigin(digest=layer.digest, diff_id=layer.diff_id, instruction=layer.instruction,
                    dockerfile_line=layer.dockerfile_line, origin=layer.origin)
        for layer in layers
    )  # fmt: skip


def _by_record(record: Record, source: str) -> Known:
    if record.measure is None:
        raise BadFile("this record has no measurement", file=source, hint="release the image again")
    return Known(measurement=record.measure, record=record)


def _beside(session: Session, digest: str) -> Record | None:
    """The record here that speaks of a digest. One that does not read is none: nobody asked for it."""
    file = session.record_of(f"@{digest}")
    with suppress(BadFile):
        return _read(file) if file is not None else None
    return None


def _read(file: Path) -> Record:
    return reading.read(files.load(file), str(file))
