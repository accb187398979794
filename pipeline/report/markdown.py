"""A record document in, one Markdown page out, fit for a CI step summary. Speaks to: nothing.

CI systems refuse summaries above 1 MiB, so lists are cut, and say so; the HTML page and record.json hold all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.model import Measurement, Reason, Record, Scan, Skipped, Smoke
from pipeline.report import answers, certificate, reading, stages
from pipeline.report.words import clip, count, duration, moment, short, size

ROWS = 40  # of any list
LONGEST = 300  # characters of any value
LIMIT = 1_000_000  # bytes of the page; a record full of markup can be longer even so
ACTIVE = re.compile(r"([\\`*_\[\]#!~$@])")


def page(document: Mapping[str, Any]) -> str:
    """Return one record as GitHub-flavoured Markdown below 1 MiB. Raises BadFile for a document that is no record."""
    record = reading.read(document)
    blocks = [
        *_head(record),
        *_gaps(record),
        *_reasons(record),
        *_way(record),
        *_layers(record),
        *_flaws(record.scan),
        *_probes(record.smoke),
        *_again(record),
    ]
    return "\n\n".join(_fitting(blocks)) + "\n"


def text(value: str) -> str:
    """Foreign words as words: nothing in them is markup, and they stay on one line."""
    entities = clip(value, LONGEST).replace("&", "&amp;").replace("<", "&lt;").replace("|", "&vert;")
    return ACTIVE.sub(r"\\\1", entities)


def code(value: str) -> str:
    """Foreign words in a code span. One that could end the span or a table's cell is spelled with entities."""
    line = clip(value, LONGEST)
    if not line:
        return "(empty)"
    if not set(line) & set("`|\\"):
        return f"`{line}`"
    return f"<code>{re.sub(r'[^A-Za-z0-9 ./:=,-]', lambda char: f'&#{ord(char[0])};', line)}</code>"


def table(columns: Sequence[str], rows: Sequence[Iterable[str]], what: str) -> list[str]:
    """A table of at most ROWS rows as blocks; a column whose title starts with > is set to the right."""
    head = "| " + " | ".join(column.lstrip(">") for column in columns) + " |"
    rule = "|" + "|".join("---:" if column.startswith(">") else "---" for column in columns) + "|"
    lines = ["| " + " | ".join(row) + " |" for row in rows[:ROWS]]
    return ["\n".join([head, rule, *lines]), *_more(len(rows), what)]


def _head(record: Record) -> list[str]:
    answer = certificate.standing(record)
    mark = stages.MARKS[answer.outcome]
    policy = f"{text(record.policy.profile)} in {text(record.policy.file)}, {code(short(record.policy.digest))}"
    host = text(", ".join(f"{key} {value}" for key, value in record.host.items())) or "not recorded"
    return [
        f"# {mark} {answer.word}: {text(record.image)}",
        text(answer.sentence),
        "\n".join(
            (
                f"- Digest: {code(record.digest) if record.digest else 'none: nothing was built'}",
                f"- Examined: {text(moment(record.started))}",
                f"- Policy: {policy}",
                f"- Host: {host}",
            )
        ),
    ]


def _gaps(record: Record) -> list[str]:
    gaps = certificate.gaps(record)
    if not gaps:
        return []
    return ["## Not looked at", "\n".join(f"- {text(gap)}" for gap in gaps[:ROWS]), *_more(len(gaps), "gaps")]


def _reasons(record: Record) -> list[str]:
    reasons = certificate.reasons(record)
    if not reasons:
        return ["## Reasons", "No rule of the policy had anything to say."]
    return ["## Reasons", "\n".join(_reason(reason) for reason in reasons[:ROWS]), *_more(len(reasons), "reasons")]


def _reason(reason: Reason) -> str:
    weight = "waived" if reason.waived else str(reason.severity)
    lines = [f"- **{weight}** {code(reason.rule)} at {code(certificate.place(reason))}: {text(reason.message)}"]
    lines.append(f"  - What to do: {text(reason.hint)}")
    if reason.waived:
        lines.append(f"  - Accepted because: {text(reason.waived)}")
    if reason.docs:
        lines.append(f"  - The rule: {text(reason.docs)}")
    return "\n".join(lines)


def _way(record: Record) -> list[str]:
    rows = [
        (
            line.name,
            f"{stages.MARKS[line.outcome]} {line.outcome}" + (f", **{line.caution}**" if line.caution else ""),
            "" if line.outcome == "not run" else duration(line.seconds),
            "; ".join(text(figure) for figure in line.figures),
        )
        for line in stages.stage_lines(record)
    ]
    return ["## From Dockerfile to registry", *table(("Stage", "Outcome", ">Took", "Figures"), rows, "stages")]


def _layers(record: Record) -> list[str]:
    if record.measure is None:
        return ["## Layers", "Not measured."]
    layers = [
        (str(number), code(layer.instruction), stages.source_line(layer.dockerfile_line, layer.origin),
         size(layer.bytes), size(layer.compressed_bytes))
        for number, layer in enumerate(record.measure.layers, start=1)
    ]  # fmt: skip
    blocks = ["## Layers", *table((">#", "Instruction", "From", ">Unpacked", ">Compressed"), layers, "layers")]
    for heading, seen in (("Waste", False), ("Seen, and most likely not needed", True)):
        rows = [
            (text(waste.cause), code(waste.instruction), size(waste.bytes), text(waste.hint))
            for waste in record.measure.waste
            if waste.seen == seen
        ]
        if rows:
            blocks += [f"### {heading}", *table(("Cause", "Shipped by", ">Unpacked", "What to do"), rows, "causes")]
    return [*blocks, *_start(record.measure)]


def _start(measure: Measurement) -> list[str]:
    """Whether it starts, what a pull takes, and the libraries that somebody must look at."""
    blocks = []
    found, wire = measure.libraries, measure.wire
    if found is not None:
        blocks.append(f"Starts, by its libraries: {text(answers.starts(found))}.")
    if wire is not None:
        blocks.append(f"Pull, predicted: {text(answers.pull(wire))}.")
    if found is not None and found.not_found:
        rows = [(text(need.soname), code(need.file), stages.source_line(need.dockerfile_line))
                for need in found.not_found]  # fmt: skip
        blocks += ["Libraries that will not be found:", *table(("Library", "Needed by", "From"), rows, "libraries")]
    if found is not None and found.cuda_twice:
        rows = [(text(one.library), text(answers.brought(one)), size(one.bytes)) for one in found.cuda_twice]
        blocks += ["CUDA that is there more than once:",
                   *table(("Library", "Brought by", ">Too much"), rows, "libraries")]  # fmt: skip
    return ["### Start-up and pull", *blocks] if blocks else []


def _flaws(scan: Scan | Skipped | None) -> list[str]:
    heading = "## Known flaws"
    if scan is None:
        return [heading, "Not scanned. Flaws are unknown, not absent."]
    if isinstance(scan, Skipped):
        return [heading, f"**Skipped:** {text(scan.because)}. Flaws are unknown, not absent."]
    blocks = [heading]
    if scan.vulnerabilities is not None or scan.database is None:
        because = scan.vulnerabilities.because if scan.vulnerabilities else "the scan names no database"
        blocks.append(f"**Skipped:** {text(because)}. Flaws are unknown, not absent.")
    else:
        knows = text(", ".join(scan.database.covers)) or "nothing"
        blocks.append(f"The database ({text(scan.database.source)}, {count(scan.database.advisories, 'advisory')}, "
                      f"{text(moment(scan.database.built))}) knows {knows}.")  # fmt: skip
        rows = [
            (text(flaw.severity) + (", waived" if flaw.waived else ""), code(flaw.id),
             f"{code(flaw.package)} {text(flaw.version)}", text(flaw.fixed_in or "no fix yet"),
             stages.source_line(flaw.dockerfile_line, flaw.origin))
            for flaw in stages.sorted_flaws(scan.flaws)
        ]  # fmt: skip
        columns = ("Severity", "Flaw", "Package", "Fixed in", "From")
        blocks += table(columns, rows, "flaws") if rows else ["None that this database knows."]
    if scan.secrets:
        found = [(text(secret.title), code(secret.path), text(secret.severity)) for secret in scan.secrets]
        blocks += ["### Secrets", *table(("Kind", "Path", "Severity"), found, "secrets")]
    return blocks


def _probes(smoke: Smoke | Skipped | None) -> list[str]:
    heading = "## Smoke test"
    if smoke is None:
        return [heading, "Not run. What the image does is unknown."]
    if isinstance(smoke, Skipped):
        return [heading, f"**Skipped:** {text(smoke.because)}. What the image does is unknown."]
    facts = f"{text(stages.gpu_words(smoke.gpu))}, requested: {text(smoke.gpu.requested)}. "
    facts += f"Ready after {duration(smoke.ready_after_s)}, stopped after {duration(smoke.stopped_after_s)}."
    rows = [
        (text(probe.probe), f"{stages.MARKS.get(probe.outcome, '?')} {text(probe.outcome)}",
         " ".join([*([text(probe.because)] if probe.because else []), *([code(probe.saw)] if probe.saw else [])]),
         duration(probe.seconds))
        for probe in smoke.outcomes
    ]  # fmt: skip
    columns = ("Probe", "Outcome", "Saw", ">Took")
    return [heading, facts, *(table(columns, rows, "probes") if rows else ["No probe was asked."])]


def _again(record: Record) -> list[str]:
    commands = certificate.verify_commands(record)
    if not commands:
        return ["## Check it again", "Not pushed: no registry holds a signature for this digest."]
    # Indented code has no end mark that a foreign word could write.
    blocks = [f"{what}:\n\n    {' '.join(command.split())}" for what, command in commands]
    return ["## Check it again", *blocks]


def _fitting(blocks: Sequence[str]) -> list[str]:
    """The blocks up to the limit. Whole blocks go, so that what stays is well-formed."""
    kept: list[str] = []
    room = LIMIT
    for block in blocks:
        room -= len(block.encode()) + 2
        if room < 0:
            return [*kept, "The rest does not fit on this page: it is in report.html and record.json."]
        kept.append(block)
    return kept


def _more(total: int, what: str) -> list[str]:
    return [f"{total - ROWS:,} more {what} are in report.html and record.json."] if total > ROWS else []
