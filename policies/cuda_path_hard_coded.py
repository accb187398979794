"""cuda-path-hard-coded: a path of another CUDA version than the base image has."""

import re
from collections.abc import Iterator

from pipeline import facts, mend
from pipeline.analysis.wording import dotted
from pipeline.model import Context, Dockerfile, Fix, Instruction, Problem, Rule, Severity, Span, Stage, once_per_file
from pipeline.parse import tokens

_PATH = r"/usr/local/cuda-(8|9|1\d)\.(\d)(?!\.?\d)"


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each ENV and RUN of a needed stage that names a versioned CUDA folder which its base does not have."""
    if "/usr/local/cuda-" not in dockerfile.text:
        return
    for stage in dockerfile.stages:
        version = _cuda(stage) if stage.needed else None
        if version is None:
            continue
        for instruction in stage.instructions:
            if instruction.keyword not in ("ENV", "RUN") or "/usr/local/cuda-" not in instruction.original:
                continue
            for found in re.finditer(_PATH, " ".join(instruction.words)):
                if (int(found[1]), int(found[2])) != version and not _may_be_there(dockerfile, found[1], found[2]):
                    yield _problem(dockerfile, stage, instruction, found[0], version)
                    break


def _cuda(stage: Stage) -> tuple[int, int] | None:
    """The CUDA version of the image under a stage."""
    base = facts.cuda_base(stage.image)
    if base is None or base.version is None:
        return None
    return base.version.major, base.version.minor


@once_per_file
def _may_be_there(dockerfile: Dockerfile, major: str, minor: str) -> bool:
    """Does anything in the file install this version, copy it, or make the folder?"""
    text = dockerfile.text
    installed = rf"(?:cuda|libcu|cudnn)[\w-]{{0,40}}[-_=]{major}[-.]{minor}(?!\d)"
    made = rf"(?m)(?:ln|mkdir|mv|cp)\b[^\n]{{0,300}}/usr/local/cuda-{major}\.{minor}/?(?:\s|$)"
    copied = rf"(?mi)^[ \t]*(?:COPY|ADD)\b[^\n]*[ \t]/usr/local(?:/cuda-{major}\.{minor})?/?\s*$"
    without = re.sub(rf"/usr/local/cuda-{major}\.{minor}", "", text)
    return bool(re.search(installed, without) or re.search(made, text) or re.search(copied, text))


def _problem(
    dockerfile: Dockerfile, stage: Stage, instruction: Instruction, path: str, version: tuple[int, int]
) -> Problem:
    spans = list(_places(dockerfile, instruction, path))
    edits = tuple(mend.replaced(span, "/usr/local/cuda") for span in spans)
    return Problem(
        instruction.line,
        f"{path} is not there: the base has CUDA {dotted(version)}",
        stage=stage.label,
        at=spans[0] if spans else None,
        fix=Fix("use /usr/local/cuda, which is the base's own version", edits, safe=False) if edits else None,
    )


def _places(dockerfile: Dockerfile, instruction: Instruction, path: str) -> Iterator[Span]:
    """Where the path stands in the instruction, comments between its lines left out."""
    whole = tokens(dockerfile, instruction).whole
    raw, wanted, at = mend.content(dockerfile), path.encode(), whole.start
    while (at := raw.find(wanted, at, whole.end)) >= 0:
        line = raw[raw.rfind(b"\n", 0, at) + 1 : at]
        if not line.lstrip().startswith(b"#") and not raw[at + len(wanted) : at + len(wanted) + 1].isdigit():
            yield Span(at, at + len(wanted))
        at += len(wanted)


RULE = Rule(
    id="cuda-path-hard-coded",
    severity=Severity.WARNING,
    hint="write /usr/local/cuda: it is a link to the version that the base has",
    look=look,
)
