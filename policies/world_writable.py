"""world-writable: files that every user of the container may change."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis import walk
from pipeline.analysis.calls import Call, calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import tokens

_OCTAL = r"[0-7]{3,4}"
_SYMBOLS = r"(?:[ugoa]*[-+=][rwxXst]*)(?:,[ugoa]*[-+=][rwxXst]*)*"
_OPEN = r"(?:^|,)[ug]*[oa][ugoa]*[+=][rxXs]*w"
_TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each such mode in the stages that ship, by chmod and by COPY --chmod. With the sticky bit it is fine."""
    for ran, call in calls(dockerfile, "chmod"):
        mode = call.verb
        if not ran.stage.ships or not _is_open(mode) or all(path.rstrip("/") in _TEMPORARY for path in call.operands):
            continue
        place = call.words[0][0]
        span = ran.command.span_at(place)
        closed = _closed(mode)
        edit = mend.replaced(span, closed) if span and closed else None
        fix = mend.fix(f"chmod {closed}", edit, safe=False) if _are_programs(call) else None
        yield problem(ran, f"mode {mode} lets every user of the container change it", at=place, fix=fix)
    for placed in walk.placed(dockerfile, "COPY", "ADD"):
        if placed.stage.ships and any(flag.startswith("--chmod=") for flag in placed.instruction.flags):
            for flag in tokens(dockerfile, placed.instruction).flags:
                mode = flag.text.partition("=")[2]
                if flag.text.startswith("--chmod=") and _is_open(mode):
                    closed = _closed(mode)
                    edit = mend.replaced(flag.span, f"--chmod={closed}") if closed else None
                    fix = mend.fix(f"--chmod={closed}", edit, safe=False)
                    message = f"mode {mode} lets every user of the container change it"
                    line, stage = placed.instruction.line, placed.stage.label
                    yield Problem(line, message, stage=stage, at=flag.span, fix=fix)


def _is_open(mode: str) -> bool:
    if re.fullmatch(_OCTAL, mode):
        return mode[-1] in "2367" and not (len(mode) == 4 and int(mode[0]) & 1)
    return bool(re.fullmatch(_SYMBOLS, mode)) and bool(re.search(_OPEN, mode)) and "t" not in mode


def _are_programs(call: Call) -> bool:
    """Files that are run, not written: a folder is mostly opened because somebody else does write to it."""
    files = all("/bin/" in path or "." in path.rpartition("/")[2] for path in call.operands)
    return files and call.place("-R", "--recursive") is None


def _closed(mode: str) -> str | None:
    """The same mode without the write bit of others: 775 for 777."""
    return f"{mode[:-1]}{int(mode[-1]) & 5}" if mode.isdigit() else None


RULE = Rule(
    id="world-writable",
    severity=Severity.WARNING,
    hint="give the files to the user that writes them (`COPY --chown=`), or to group 0 with g=u",
    look=look,
)
