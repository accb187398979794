"""What a measurement found in, answers in words out, the same for every form of report. Speaks to: nothing."""

from __future__ import annotations

from pipeline.model.libraries import Kernels, Libraries, Twice
from pipeline.model.wire import Wire
from pipeline.report.stages import source_line
from pipeline.report.words import count, duration, size


def starts(found: Libraries) -> str:
    """Whether process 1 finds what it is linked with, without a run."""
    if found.starts is None:
        return f"not looked at: process 1 is no program that was read; {count(found.files, 'ELF file')}"
    driver = f"; of the host's driver: {', '.join(found.driver)}" if found.driver else ""
    if found.starts:
        return f"yes, {found.program} finds what it is linked with{driver}"
    return f"no, {found.program} is linked with what is not found{driver}"


def pull(wire: Wire) -> str:
    """What a pull takes, and what a change of the code sends again."""
    said = (
        f"about {duration(wire.pull.seconds)} at {bandwidth(wire.pull.bandwidth)}, most of it {wire.pull.waits_for}"
    )
    if wire.zstd is not None:
        sent = sum(one.blob.compressed_bytes for one in wire.zstd.layers)
        said += f"; as zstd about {duration(wire.zstd.seconds)} and {size(sent)}"
    if wire.code_change is not None:
        change = wire.code_change
        said += f"; a change of the code (line {change.dockerfile_line}) sends {size(change.compressed_bytes)} again"
    return said


def bandwidth(bits: float) -> str:
    """Bits a second as `1 Gbit/s`."""
    return f"{bits / 1e9:g} Gbit/s" if bits >= 1e9 else f"{bits / 1e6:g} Mbit/s"


def code_bytes(kernels: Kernels) -> int:
    """The GPU code of one library."""
    return sum(row.bytes for row in kernels.code)


def capabilities(kernels: Kernels) -> str:
    """The compute capabilities that a library has code for: `8.0, 9.0a, 12.0 ptx`."""
    names = (f"{row.capability}{'' if row.form == 'machine code' else f' {row.form}'}" for row in kernels.code)
    return ", ".join(dict.fromkeys(names))


def brought(twice: Twice, most: int = 4) -> str:
    """Who brought the copies of a library, the one to keep first."""
    said = [f"{one.brought_by}, {source_line(one.dockerfile_line, one.origin)}" for one in twice.copies[:most]]
    return "; ".join(said) + (f"; {len(twice.copies) - most} more" if len(twice.copies) > most else "")
