"""add-instead-of-copy: an ADD of local files, which COPY does without surprises."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.walk import flag_names, placed, sources
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity
from pipeline.parse import tokens

# What ADD unpacks by itself, or fetches.
_MEANT = r"(?i)[a-z][a-z0-9+.-]*://|git@|.*\.(?:tar(?:\.\w+)?|tgz|tbz2?|txz|tzst|tlz|gz|bz2|xz|zst|lzma)$"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ADD whose sources are files or folders of the context and no archive. Variables are not judged."""
    for instruction, stage in placed(dockerfile, "ADD"):
        if flag_names(instruction) & {"checksum", "keep-git-dir", "unpack"} or not instruction.words:
            continue
        words = sources(instruction)
        if any("$" in word or re.match(_MEANT, word) or _may_be_archives(word) for word in words):
            continue
        at = tokens(dockerfile, instruction).keyword
        casing = "copy" if at.text.islower() else "COPY"
        fix = Fix("write COPY", (mend.replaced(at.span, casing),), safe=_certain(instruction))
        yield Problem(instruction.line, "ADD of local files is COPY", stage=stage.label, at=at.span, fix=fix)


def _may_be_archives(word: str) -> bool:
    """`dist/*` can hold an archive; `*.py` and `src/*.txt` cannot."""
    last = word.rpartition("/")[2]
    return any(letter in word for letter in "*?[") and not re.search(r"\.[A-Za-z0-9]+$", last)


def _certain(instruction: Instruction) -> bool:
    """An archive is told by its content. A folder, or a file with an ending that no archive has, is none."""
    return all(word.endswith(("/", ".")) or re.search(r"\.[A-Za-z]\w*$", word) for word in sources(instruction))


RULE = Rule(
    id="add-instead-of-copy",
    severity=Severity.INFO,
    hint="write COPY; keep ADD for archives that are to be unpacked and for addresses",
    look=look,
)
