"""invalid-label: a label whose name or value is not what the policy, or the convention, says."""

import re
from collections.abc import Iterator

from pipeline.analysis.walk import placed, resolved
from pipeline.model import Context, Dockerfile, Problem, Rule, Severity
from pipeline.parse import tokens

_NAME = r"[a-z0-9](?:[a-z0-9]|[.\-_/](?=[a-z0-9]))*"
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.")
# What the parts of an SPDX expression look like; whether a name is on SPDX's list is not checked.
_LICENCE = r"\(*[A-Za-z0-9][A-Za-z0-9.+\-]*(?::[A-Za-z0-9.\-]+)?\)*"
_TYPES = {
    "text": r"(?s).*\S.*",
    "url": r"[a-z][a-z0-9+.\-]*://[^\s/]\S*",
    "semver": r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.\-]+)?(?:\+[0-9A-Za-z.\-]+)?",
    "hash": r"[0-9a-f]{7,40}|[0-9a-f]{64}",
    "rfc3339": r"\d{4}-(?:0\d|1[0-2])-(?:[0-2]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?"
               r"(?:[Zz]|[+\-](?:[01]\d|2[0-3]):[0-5]\d)",
    "spdx": rf"{_LICENCE}(?: (?:AND|OR|WITH) {_LICENCE})*",
    "email": r"[^\s@<>\"]+@[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?",
}  # fmt: skip


def look(dockerfile: Dockerfile, context: Context) -> Iterator[Problem]:
    """Yield each label of a shipped stage with a name that no label should have, or a value not of its type.

    Parameter `labels`: name → text, url, semver, hash, rfc3339, spdx or email. Without it only names are judged; what
    a build argument without a value gives is not.
    """
    types = context.parameters.get("labels", {})
    types = types if isinstance(types, dict) else {}
    for instruction, stage in placed(dockerfile, "LABEL"):
        if not stage.ships:
            continue
        for number, (key, word) in enumerate(zip(instruction.words[::3], instruction.words[1::3], strict=False)):
            name = resolved(dockerfile, stage, key)
            wrong = _wrong_name(name) if name is not None else None
            kind = str(types.get(name, ""))
            if wrong is None and kind in _TYPES:
                value = resolved(dockerfile, stage, word)
                if value and not re.fullmatch(_TYPES[kind], value):
                    wrong = f"the value of {name} is no {kind}: {value[:60]}"
            if wrong:
                at = tokens(dockerfile, instruction).words[3 * number].span
                yield Problem(instruction.line, wrong, stage=stage.label, at=at)


def _wrong_name(name: str) -> str | None:
    if name.startswith(_RESERVED):
        return f"{name}: names that begin with {name[: name.index('.', name.index('.') + 1)]} are reserved for Docker"
    if all(part.isalnum() for part in name.split(".")) and name.isascii():
        return None
    if not name or re.search(r"[\s\"'=\\,;:]", name) or not re.fullmatch(_NAME, name, re.IGNORECASE):
        return f"`{name[:60]}` is no name for a label"
    return None


RULE = Rule(
    id="invalid-label",
    severity=Severity.WARNING,
    hint="a name is letters, digits, dots and dashes, com.example.name; policy.yaml says which type its value has",
    look=look,
    takes={"labels": "pairs"},
)
