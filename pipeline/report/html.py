"""A record document in, one HTML page out, with nothing outside it. Speaks to: nothing.

The pages hold words from images: Jinja2 escapes every value, there is no script, and the page's own content security
policy allows no request and no style but the one style sheet, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model import Record, Scan, Skipped, Smoke
from pipeline.report import answers, certificate, reading, stages, words

if TYPE_CHECKING:
    from jinja2 import Environment, Template

TEMPLATES = Path(__file__).parent / "templates"
AT_ONCE = 12  # rows of a long table that show before the rest is folded
ORDER = {"failed": 0, "open": 1, "passed": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRow:
    """One image of the index: its newest record. Sizes are bytes; None was not measured.

    `outcome` is passed, failed or open; `href` is relative to the index. A record that cannot be read is a row
    as well: open, with `word` and `why` saying so.
    """

    image: str
    digest: str | None
    outcome: str
    word: str
    started: str
    bytes: int | None
    flaws: str
    smoke: str
    why: str
    href: str


def page(document: Mapping[str, Any]) -> str:
    """Return the certificate of one record. Raises BadFile for a document that is no record."""
    record = reading.read(document)
    scan = record.scan if isinstance(record.scan, Scan) else None
    return _template("record.html").render(
        record=record,
        answer=certificate.standing(record),
        reasons=certificate.reasons(record),
        gaps=certificate.gaps(record),
        stages=stages.stage_lines(record),
        scan=scan,
        scan_skipped=record.scan if isinstance(record.scan, Skipped) else None,
        smoke=record.smoke if isinstance(record.smoke, Smoke) else None,
        smoke_skipped=record.smoke if isinstance(record.smoke, Skipped) else None,
        flaws=stages.sorted_flaws(scan.flaws) if scan else (),
        commands=certificate.verify_commands(record),
        files=_files(record, scan),
        packages=_heaviest(record),
        security=security_policy(),
        css=_markup(_css()),
    )


def index(rows: Iterable[IndexRow]) -> str:
    """Return the page that lists every image's newest record, what failed first."""
    ordered = sorted(rows, key=lambda row: (ORDER.get(row.outcome, 1), row.image))
    counted = {outcome: sum(1 for row in ordered if row.outcome == outcome) for outcome in ORDER}
    return _template("index.html").render(
        rows=ordered, counted=counted, security=security_policy(), css=_markup(_css())
    )


def index_row(document: Mapping[str, Any], href: str) -> IndexRow:
    """Return the row of one record. Raises BadFile."""
    record = reading.read(document)
    answer = certificate.standing(record)
    return IndexRow(
        image=record.image,
        digest=record.digest,
        outcome=answer.outcome,
        word=answer.word,
        started=record.started,
        bytes=record.measure.totals.bytes if record.measure else None,
        flaws=stages.flaw_words(record.scan),
        smoke=stages.probe_words(record.smoke),
        why=certificate.why(record),
        href=href,
    )


def security_policy() -> str:
    """What a page may do: show itself, and style itself with the one sheet that it carries."""
    sheet = base64.b64encode(hashlib.sha256(_css().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{sheet}'; img-src data:; base-uri 'none'; form-action 'none'"


def _files(record: Record, scan: Scan | None) -> tuple[tuple[str, str, str | None], ...]:
    """The evidence beside the page: what, file name, sha256. Names are ours, never a document's."""
    found: list[tuple[str, str, str | None]] = []
    sbom = reading.pointer(scan.sbom, reading.SBOM_FILE) if scan else None
    provenance = reading.pointer(record.build.provenance, reading.PROVENANCE_FILE) if record.build else None
    if sbom:
        found.append(("SBOM, CycloneDX", reading.SBOM_FILE, sbom))
    if provenance:
        found.append(("Provenance, SLSA", reading.PROVENANCE_FILE, provenance))
    if found:  # pointers are made by `files.save`, which puts the record beside them
        found.append(("This record", "record.json", None))
    return tuple(found)


def _heaviest(record: Record) -> Sequence[Any]:
    """The packages with the most bytes; those nobody weighed last."""
    packages = record.measure.packages if record.measure else ()
    return sorted(packages, key=lambda package: (package.bytes is None, -(package.bytes or 0), package.name))


def _share(part: int, whole: int) -> str:
    """A bar's length in percent; anything above nothing can be seen."""
    return f"{max(0.4, min(100.0, 100 * part / whole)):.2f}" if whole > 0 and part > 0 else "0"


@cache
def _css() -> str:
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


def _markup(text: str) -> str:
    from markupsafe import Markup

    return Markup(text)  # our own style sheet; nothing foreign ever takes this way


def _template(name: str) -> Template:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "size": words.size, "duration": words.duration, "moment": words.moment, "short": words.short,
        "clip": words.clip, "line": stages.source_line, "place": certificate.place, "gpu": stages.gpu_words,
        "share": _share, "starts": answers.starts, "pull": answers.pull, "brought": answers.brought,
        "capabilities": answers.capabilities, "code_bytes": answers.code_bytes,
    }  # fmt: skip
    environment.globals |= {
        "count": words.count, "says_no": certificate.says_no, "at_once": AT_ONCE, "biggest": stages.biggest,
        "marks": stages.MARKS,
    }  # fmt: skip
    return environment
