"""ignored-directive: a `# syntax=`, `# escape=` or `# check=` that BuildKit does not take, misspelt or too late."""

import re
from collections.abc import Iterator

from pipeline.analysis.walk import nearest
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity

_KNOWN = ("syntax", "escape", "check")
_CHECKS = (
    "StageNameCasing", "FromAsCasing", "NoEmptyContinuation", "ConsistentInstructionCasing", "DuplicateStageName",
    "ReservedStageName", "JSONArgsRecommended", "MaintainerDeprecated", "UndefinedArgInFrom", "WorkdirRelativePath",
    "UndefinedVar", "MultipleInstructionsDisallowed", "LegacyKeyValueFormat", "InvalidBaseImagePlatform",
    "RedundantTargetPlatform", "SecretsUsedInArgOrEnv", "InvalidDefaultArgInFrom", "FromPlatformFlagConstDisallowed",
    "CopyIgnoredFile", "InvalidDefinitionDescription", "ExposeProtoCasing", "ExposeInvalidFormat",
)  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each comment above the first instruction that was to be a directive, and each check that is none."""
    first = dockerfile.instructions[0].line
    for line, text in dockerfile.comments:
        if line > first:
            break
        if "=" not in text:
            continue
        found = re.fullmatch(r"([a-zA-Z]{3,10})\s*=\s*(\S+)\s*", text)
        if not found:
            continue
        name = found[1].lower()
        if name in _KNOWN:
            yield Problem(line, f"this `{name}` is only a comment: directives stand on the file's first lines",
                          hint="move it to the top, above all comments and empty lines")  # fmt: skip
            continue
        meant = _meant(dockerfile, name, found[2])
        if meant:
            message = f"`{found[1]}` is no directive, so this is only a comment"
            yield Problem(line, message, hint=f"did you mean `# {meant}={found[2]}`?")
    yield from _skipped(dockerfile)


def _meant(dockerfile: Dockerfile, name: str, value: str) -> str | None:
    """`# sytnax=docker/dockerfile:1` is meant as a directive; `# checks=all` may be a remark."""
    fits = {"escape": value in ("\\", "`"), "check": value[:5] in ("skip=", "error"), "syntax": "/" in value}
    if not any(fits.values()):
        return None
    meant = nearest(dockerfile, name, _KNOWN)
    return meant if meant and fits[meant] else None


def _skipped(dockerfile: Dockerfile) -> Iterator[Problem]:
    """Each word of `# check=skip=…` that nearly is one of BuildKit's checks; others may be newer than we are."""
    words = re.findall(r"skip=([^;]*)", dockerfile.directives.get("check", ""))
    for word in (one.strip() for list in words for one in list.split(",")):
        if word not in _CHECKS and word.lower() != "all":
            meant = next((one for one in _CHECKS if one.lower() == word.lower()), None) or nearest(
                dockerfile, word, _CHECKS
            )
            if meant:
                line = 1 + next(n for n, text in enumerate(dockerfile.text.split("\n")) if "skip=" in text)
                yield Problem(line, f"BuildKit has no check `{word}` to skip", hint=f"did you mean {meant}?")


RULE = Rule(
    id="ignored-directive",
    severity=Severity.WARNING,
    hint="write it as `# syntax=docker/dockerfile:1` on the first line",
    look=look,
)
