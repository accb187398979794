"""Where an image starts, and what a refresh changed, in; tables for a terminal out. Speaks to: nothing."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pipeline.gpu.brings import Need
from pipeline.gpu.starts import FleetAnswer, Starts
from pipeline.refresh import Refreshed
from pipeline.report.words import visible

_STYLES = {"yes": "green", "no": "bold red", "unknown": "yellow"}
_MOST = 40  # lines of changes that a person reads


def starts(found: Starts) -> Group:
    """What it needs, one by one, and each entry of the fleet."""
    base = found.image or "base not known"
    head = found.subject if found.subject == base else f"{found.subject}: {base}"
    if found.vendor == "nvidia":
        head += f"\n{_driver(found)}"
        if found.lowest and found.highest:
            head += f"\nruns on compute capability {found.lowest} to {found.highest}"
            silent = [need.what for need in found.needs if need.capabilities is None]
            head += f", as far as it is known: not for {', '.join(silent)}" if silent else ""
    elif found.vendor == "amd":
        head += "\nfor AMD GPUs (ROCm)"
    else:
        head += "\nnothing in it needs an NVIDIA driver, as far as the files tell"
    shown: list[Any] = [Text("\n".join(visible(line) for line in head.splitlines()))]
    if found.needs:
        rows = [_need(need) for need in found.needs]
        shown.append(_table(("line", "brings", "CUDA", "driver from", "all features", "GPU code for"), rows))
    if found.fleet:
        shown.append(_table(("starts", "on", "because", "line"), [_verdict(one) for one in found.fleet]))
    shown.append(Text(f"facts gathered {found.gathered}", style="dim"))
    return Group(*shown)


def _driver(found: Starts) -> str:
    """What drivers it needs: those of its CUDA, and those that an nvidia/cuda image's own check lets in."""
    if found.driver is None:
        return "which driver it needs is not known"
    if not found.accepted_branches:
        return f"needs driver {found.driver} or newer"
    branches = ", ".join(map(str, found.accepted_branches))
    newer = next((f", and {need.released_with} or newer" for need in found.needs if need.released_with), "")
    return f"its CUDA runs from driver {found.driver} on; its own check lets in branches {branches}{newer}"


def refreshed(found: Refreshed) -> Group:
    """What changed; the rest is in the files."""
    lines = list(found.changes[:_MOST]) or ["nothing changed"]
    if len(found.changes) > _MOST:
        lines.append(f"… and {len(found.changes) - _MOST} more")
    lines += [f"written: {file}" for file in found.written]
    lines.append(f"facts gathered {found.gathered}")
    return Group(*(Text(visible(line)) for line in lines))


def _need(need: Need) -> tuple[str, ...]:
    codes = need.capabilities
    code = f"{codes[0]} to {codes[-1]}" if codes else "libraries only" if codes == () else "not known"
    return (_place(need.file, need.line), need.what, need.cuda or "not known", need.oldest_driver or "-",
            need.released_with or "-", code)  # fmt: skip


def _verdict(one: FleetAnswer) -> tuple[str, ...]:
    return (one.answer if one.answer != "unknown" else "cannot tell", one.on, one.because, _place(one.file, one.line))


def _place(file: str | None, line: int | None) -> str:
    return f"{file}:{line}" if file and line else ""


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, overflow="fold")
    styles = {**_STYLES, "cannot tell": _STYLES["unknown"]}
    for row in rows:
        table.add_row(*(Text(visible(cell), style=styles.get(cell, "")) for cell in row))
    return table
