"""diff: two images side by side."""

from __future__ import annotations

from collections.abc import Sequence

from invoke import Context

from pipeline.errors import BadFile
from pipeline.tasks.shared import FORMAT, opened, result, task


@task(
    positional=["image"],
    iterable=["image"],
    help={
        "image": "twice: an image of the tree, a reference, an archive or OCI layout by its path, or a record.json",
        "released": "compare one image of the tree with its last release",
        "files": "how many files to list, the biggest first; the others are counted",
        "depth": "how deep to sum up folders",
        "format": FORMAT,
    },
)
def diff(
    c: Context, image: Sequence[str], released: bool = False, files: int = 20, depth: int = 3, format: str = "text"
) -> None:
    """Say what changed between two images, and what of it must be pushed again.

    seatrial diff app app.before.tar                by layer, package, folder and file
    seatrial diff registry/app:1.4 registry/app:1.5
    seatrial diff app --released                    what the next release would bring

    A record.json knows totals, layers and packages, and no files. Exit 0 whatever changed; 3 when it could not be
    compared.
    """
    with opened(c, format) as session:
        from pipeline import settings
        from pipeline.compare import compare, opening
        from pipeline.report import comparison

        for name, number in (("--files", files), ("--depth", depth)):
            if number < 0:
                raise BadFile(f"{number} is less than nothing", file=name, hint="0 or more")
        before, after = opening.opened(session, image, released=released)
        found = compare(before, after, cache=settings.cache(), most=files, depth=depth)
        session.progress.pause()
        result(found, "diff", format, comparison.text)
