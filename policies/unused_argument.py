"""unused-argument: an ARG that nothing in its scope mentions."""

import re
from collections.abc import Iterator

from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from policies.undefined_argument_in_from import PREDEFINED

# A RUN sees every ARG as an environment variable: programs read these without being told.
_READ_BY_PROGRAMS = (
    r"(?i)(?:DEBIAN|PIP|UV|POETRY|CONDA|NPM|YARN|CMAKE|NVCC|TORCH|CUDA|CARGO|GO|RUST|CC|CXX|LD|GIT|HF)_.*"
)
_READS_ITS_ENVIRONMENT = r"\.(?:sh|py|bash)\b|\bmake\b|(?:^|\s)\./"
_READ_ALONE = frozenset({
    "CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS", "MAX_JOBS", "MAKEFLAGS", "GOPROXY", "LANG", "TZ", "LC_ALL", "PATH",
    "SOURCE_DATE_EPOCH",
})  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ARG of a needed stage, or above the first FROM, whose name stands nowhere else in the file.

    A file that runs scripts is not judged: they may read it from their environment.
    """
    declared: dict[str, list[int]] = {}
    first = dockerfile.stages[0].line
    for instruction in dockerfile.instructions:
        if instruction.keyword == "ARG":
            for word in instruction.words:
                declared.setdefault(word.partition("=")[0], []).append(instruction.line)
    if not declared:
        return
    if any(
        re.search(_READS_ITS_ENVIRONMENT, one.original) for one in dockerfile.instructions if one.keyword == "RUN"
    ):
        return
    mentioned = _mentioned(dockerfile)
    for name, places in declared.items():
        known = (
            name in PREDEFINED
            or name in _READ_ALONE
            or name.startswith("BUILDKIT_")
            or name.lower().endswith("_proxy")
        )
        if name in mentioned or known or re.fullmatch(_READ_BY_PROGRAMS, name):
            continue
        for line in places:
            where = "above the first FROM" if line < first else "here"
            yield Problem(line, f"nothing uses the argument {name} that is declared {where}")


def _mentioned(dockerfile: Dockerfile) -> frozenset[str]:
    """Every name that stands behind a dollar sign, or in a RUN at all."""
    found: set[str] = set()
    for instruction in dockerfile.instructions:
        texts = (instruction.original, *(heredoc.content for heredoc in instruction.heredocs))
        pattern = r"\w+" if instruction.keyword in ("RUN", "ONBUILD") else r"\$\{?(\w+)"
        for text in texts:
            found.update(re.findall(pattern, text))
    return frozenset(found)


RULE = Rule(
    id="unused-argument",
    severity=Severity.INFO,
    hint="delete it, or use it",
    look=look,
    by_default=False,
)
