"""wget-progress: wget draws its progress into the build's log."""

import re
from collections.abc import Iterator

from pipeline import mend
from pipeline.analysis.calls import calls, problem
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_QUIET = ("-q", "--quiet", "-nv", "--no-verbose", "--progress", "-o", "--output-file", "-a", "--append-output", "-b")


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each wget that says nothing about its output, by itself or by a variable of options."""
    for ran, call in calls(dockerfile, "wget"):
        if any(re.fullmatch(r"\$\{?\w*(?:FLAGS|OPT|ARGS)\w*\}?", word) for _, word in call.words):
            continue  # wget $WGET_FLAGS
        if call.words and call.place(*_QUIET) is None and "-nv" not in ran.command.arguments:
            fix = mend.fix("add -nv", mend.word_added(ran.command, 0, "-nv"))
            yield problem(ran, "wget writes a line for every 50 kB into the log", fix=fix)


RULE = Rule(
    id="wget-progress",
    severity=Severity.INFO,
    hint="`wget -nv`, or --progress=dot:giga for large files",
    look=look,
    by_default=False,
)
