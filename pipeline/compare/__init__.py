"""Two weighed images in, what changed from the first to the second out. Speaks to: the cache folder, read only.

Files are equal when size and XXH3-128 are: enough to tell what changed, and no proof against somebody who means harm.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.compare.files import Image, files
from pipeline.compare.layers import layers, shared
from pipeline.compare.packages import packages
from pipeline.measure.root import Root
from pipeline.model import Flaw, Measurement, Record, Scan, Smoke
from pipeline.model.comparison import Comparison, FlawsChange, Side, StartUp, Sums, TotalsChange

__all__ = ["Known", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an image: what it weighs, its root unless only a record was had, its record if any.

    The root must come from layers that were read whole: only those have a hash for each file.
    """

    measurement: Measurement
    root: Root | None = None
    record: Record | None = None


def compare(before: Known, after: Known, *, cache: Path, most: int = 20, depth: int = 3) -> Comparison:
    """Return what changed, with `most` files and folders down to `depth`. `cache` holds the layers' indexes."""
    started = time.monotonic()
    found = None
    if before.root is not None and after.root is not None:
        found = files(_image(before.measurement, before.root, cache), _image(after.measurement, after.root, cache),
                      most=most, depth=depth)  # fmt: skip
    first, second = before.measurement, after.measurement
    return Comparison(
        before=_side(before),
        after=_side(after),
        totals=_totals(first, second),
        shared=shared(first.layers, second.layers),
        layers=layers(first.layers, second.layers),
        packages=packages(first.packages, second.packages),
        files=found,
        flaws=_flaws(before.record, after.record),
        start_up=_start_up(before.record, after.record),
        seconds=time.monotonic() - started,
    )


def _image(measured: Measurement, root: Root, cache: Path) -> Image:
    return Image(root=root, cache=cache, diff_ids=tuple(layer.diff_id for layer in measured.layers),
                 lines=tuple(layer.dockerfile_line for layer in measured.layers))  # fmt: skip


def _side(known: Known) -> Side:
    measured = known.measurement
    read = known.root is not None
    return Side(image=measured.image, digest=measured.digest, files_read=read,
                source=measured.source if read else "its record")  # fmt: skip


def _totals(before: Measurement, after: Measurement) -> TotalsChange:
    first, second = _sums(before), _sums(after)
    delta = Sums(
        bytes=second.bytes - first.bytes,
        compressed_bytes=second.compressed_bytes - first.compressed_bytes,
        wasted_bytes=second.wasted_bytes - first.wasted_bytes,
        duplicate_bytes=second.duplicate_bytes - first.duplicate_bytes,
        files=second.files - first.files,
    )
    return TotalsChange(before=first, after=second, delta=delta)


def _sums(measured: Measurement) -> Sums:
    totals = measured.totals
    return Sums(bytes=totals.bytes, compressed_bytes=totals.compressed_bytes, wasted_bytes=totals.wasted_bytes,
                duplicate_bytes=totals.duplicate_bytes, files=totals.files)  # fmt: skip


def _flaws(before: Record | None, after: Record | None) -> FlawsChange | None:
    first, second = _known_flaws(before), _known_flaws(after)
    if first is None or second is None:
        return None
    return FlawsChange(
        gained=tuple(flaw for key, flaw in sorted(second.items()) if key not in first),
        lost=tuple(flaw for key, flaw in sorted(first.items()) if key not in second),
    )


def _known_flaws(record: Record | None) -> dict[tuple[str, str], Flaw] | None:
    """By id and package: a package of another version that has the flaw still did not gain it."""
    if record is None or not isinstance(record.scan, Scan) or record.scan.vulnerabilities is not None:
        return None
    return {(flaw.id, flaw.package): flaw for flaw in record.scan.flaws}


def _start_up(before: Record | None, after: Record | None) -> StartUp | None:
    first, second = (one.smoke.ready_after_s if one is not None and isinstance(one.smoke, Smoke) else None
                     for one in (before, after))  # fmt: skip
    return None if first is None or second is None else StartUp(before=first, after=second)
